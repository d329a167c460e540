"""Put the conda packages of this bundle into a new environment, without a network.

    python create_prefix.py TARGET PLATFORM

install.py starts it when every file is checked: nothing is checked here, and a file:// channel is
not checked by rattler. Needs Python 3.10 or later, its standard library, and the
py-rattler in tools/.
"""

import asyncio
import json
import os
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any, Dict, List

CHANNEL = "channel"


def unpack_rattler(root: str, entry: Dict[str, Any], folder: str) -> None:
    """Make py-rattler importable. It is a program in machine code, which cannot run from a zip."""
    with zipfile.ZipFile(os.path.join(root, "tools", entry["rattler"])) as wheel:
        wheel.extractall(folder)
    sys.path.insert(0, folder)


def read_records(root: str, wanted: List[Dict[str, Any]]) -> List[Any]:
    """The records of the wanted packages, from the bundle's channel alone."""
    import rattler

    channel = rattler.Channel(Path(root, CHANNEL).as_uri())
    records = {}
    for subdir in sorted({package["subdir"] for package in wanted}):
        repodata = rattler.RepoData.from_path(os.path.join(root, CHANNEL, subdir, "repodata.json"))
        for record in repodata.into_repo_data(channel):
            records["%s/%s/%s" % (CHANNEL, subdir, record.file_name)] = record
    return [records[package["file"]] for package in wanted]


def create(root: str, target: str, platform: str) -> None:
    """Fill ``target``. Packages are unpacked beside it, so that they can be linked, not copied."""
    with open(os.path.join(root, "manifest.json"), encoding="utf-8") as stream:
        manifest = json.load(stream)
    entry = next(entry for entry in manifest["platforms"] if entry["platform"] == platform)
    wanted = [package for package in manifest["conda"] if platform in package["platforms"]]
    scratch = tempfile.mkdtemp(prefix=".envbuild-", dir=target)
    try:
        unpack_rattler(root, entry, os.path.join(scratch, "rattler"))
        import rattler

        asyncio.run(
            rattler.install(
                read_records(root, wanted),
                target,
                cache_dir=Path(scratch, "packages"),
                platform=rattler.Subdir(platform),
                execute_link_scripts=True,
                show_progress=False,
            )
        )
        # What makes a folder an environment in the eyes of conda and micromamba.
        with open(os.path.join(target, "conda-meta", "history"), "a"):
            pass
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def main() -> int:
    """Create; 0, or 1 with the reason on stderr."""
    root = os.path.dirname(os.path.abspath(__file__))
    try:
        create(root, os.path.abspath(sys.argv[1]), sys.argv[2])
    except Exception as error:
        sys.stderr.write("create_prefix.py: %s: %s\n" % (type(error).__name__, error))
        return 1
    return 0


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    # A thread of rattler on its way out of Python can crash an interpreter that says farewell.
    os._exit(code)
