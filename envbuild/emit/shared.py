"""The bundles of many contexts in one output, each wheel in it once.

Every bundle is whole and works by itself, wherever its folder is moved to with its links followed:
what several have is one file with several names (hard links, in an archive too).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from envbuild.ambient import Ambient
from envbuild.emit.archive import archive_suffix, read_member, write, write_parts
from envbuild.emit.bundle import MANIFEST, SUMS, Bundle, parse_manifest
from envbuild.emit.content import Content, Entry, checksums
from envbuild.emit.export import bundle_content
from envbuild.errors import EnvbuildError, LockFileError, OutputError, UsageError
from envbuild.locking.context import Context
from envbuild.options import ExportOptions
from envbuild.reporter import SILENT, Reporter

__all__ = ["FLEET", "SharedBundle", "export_shared"]

FLEET = "fleet.json"
"""In the output: the bundles that are in it."""

_FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedBundle:
    """What was written: the bundles by their folder in it, and their bytes.

    ``separate`` are the bytes of all bundles one by one, ``shared`` those with each file once.
    """

    path: Path
    bundles: Mapping[str, Bundle]
    separate: int
    shared: int


def export_shared(
    contexts: Mapping[str, Context],
    output: Path,
    *,
    ambient: Ambient,
    progress: Reporter = SILENT,
    options: ExportOptions | None = None,
) -> SharedBundle:
    """Write the bundle of each context below ``output``, a folder or an archive by its suffix.

    ``contexts`` are by the posix name of the folder that their bundle gets. All or none is written.

    Raises:
        UsageError: options that are for one context only.
        EnvbuildError: as ``export``, for the first context that cannot be exported.
    """
    options = options or ExportOptions()
    _refuse_single(options)
    _refuse_other(output)
    contents: dict[str, Content] = {}
    for number, (name, context) in enumerate(sorted(contexts.items()), start=1):
        progress.step(f"exporting {number} of {len(contexts)} contexts: {name}")
        contents[name] = bundle_content(
            context, ambient=ambient, progress=progress, options=options
        )
    bundles = {
        name: parse_manifest(content[MANIFEST].data, path=output / name)
        for name, content in contents.items()
    }
    whole = shared_content(contents)
    whole[FLEET] = Entry.of_bytes(_fleet(bundles))
    whole[SUMS] = checksums(whole)
    if options.split:
        write_parts(whole, output, options.split, reporter=progress)
    else:
        write(whole, output, reporter=progress)
    return SharedBundle(
        path=output,
        bundles=bundles,
        separate=sum(entry.size for entry in whole.values()),
        shared=sum(entry.size for entry in whole.values() if not entry.same_as),
    )


def shared_content(contents: Mapping[str, Content]) -> dict[str, Entry]:
    """All contents, each below its name; a file of the cache that is there already is a link."""
    whole: dict[str, Entry] = {}
    first: dict[str, str] = {}
    every = {
        f"{folder}/{name}": entry
        for folder, content in contents.items()
        for name, entry in content.items()
    }
    # In the order in which they are written: a link comes after what it is a link to.
    for name in sorted(every):
        entry = every[name]
        known = first.setdefault(entry.sha256, name) if entry.shared else name
        whole[name] = entry if known == name else replace(entry, same_as=known)
    return whole


def _fleet(bundles: Mapping[str, Bundle]) -> bytes:
    document = {
        "format": _FORMAT,
        "bundles": [
            {
                "folder": name,
                "model": bundle.model_name,
                "server": bundle.server,
                "platforms": list(bundle.platforms),
                "input_digest": bundle.input_digest,
            }
            for name, bundle in sorted(bundles.items())
        ],
    }
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()


def _refuse_single(options: ExportOptions) -> None:
    given = [name for name, on in (("--with-model", options.model), ("--diff", options.diff)) if on]
    if given:
        raise UsageError(
            f"not for several contexts: {' and '.join(given)}", remedy="each context by itself"
        )


def _refuse_other(output: Path) -> None:
    """Refuse to write over anything but an older output of ours."""
    if not output.exists() or (output.is_dir() and not any(output.iterdir())):
        return
    try:
        if archive_suffix(output):
            read_member(output, FLEET)
        elif not (output / FLEET).is_file():
            raise LockFileError(f"there is no {FLEET} in it", where=str(output))
    except EnvbuildError as error:
        raise OutputError(
            "it exists and is not the bundle of a fleet",
            where=str(output),
            remedy="another name with -o",
        ) from error
