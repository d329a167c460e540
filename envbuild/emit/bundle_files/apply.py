"""Make a bundle from an older one and this difference, without a network.

    python apply.py OLDER OUTPUT

OLDER is the folder of the bundle that the difference was made against. The new bundle is the same,
byte for byte, as if it had been carried over whole; every file is checked while it is copied.
Needs Python 3.6 or later and its standard library.
"""

import argparse
import hashlib
import json
import os
import shutil
import sys
import tempfile
from typing import Dict, List, Optional, Sequence, Tuple

SUMS = "SHA256SUMS"
CHUNK = 1 << 20
EXECUTABLE = ("install.sh",)


class RefusedError(Exception):
    """Why nothing was made."""


def parse_sums(text: str) -> List[Tuple[str, str]]:
    """The lines of SHA256SUMS as sha256 and posix name."""
    pairs = []
    for line in text.splitlines():
        digest, name = line[:64], line[66:]
        parts = name.split("/")
        if line[64:66] != "  " or "\\" in name or {"", ".", ".."} & set(parts) or ":" in parts[0]:
            raise RefusedError("%s cannot be understood: %r" % (SUMS, line))
        pairs.append((digest, name))
    return pairs


def read_text(path: str) -> str:
    """A text file, or a refusal that names it."""
    try:
        with open(path, encoding="utf-8", newline="") as stream:
            return stream.read()
    except (OSError, UnicodeDecodeError) as error:
        raise RefusedError("%s cannot be read: %s" % (path, error))


def copy(source: str, target: str, digest: str) -> None:
    """Copy a file whose sha256 must be ``digest``."""
    seen = hashlib.sha256()
    os.makedirs(os.path.dirname(target), exist_ok=True)
    try:
        with open(source, "rb") as old, open(target, "xb") as new:
            for chunk in iter(lambda: old.read(CHUNK), b""):
                seen.update(chunk)
                new.write(chunk)
    except OSError as error:
        raise RefusedError("%s cannot be copied: %s" % (source, error.strerror))
    if seen.hexdigest() != digest:
        raise RefusedError("%s: expected sha256 %s, got %s" % (source, digest, seen.hexdigest()))


def find(digest: str, name: str, root: str, older: str, known: Dict[str, str]) -> str:
    """Where a file of the new bundle is: in the difference, or in the older bundle."""
    carried = os.path.join(root, "files", digest)
    if os.path.isfile(carried):
        return carried
    if digest not in known:
        raise RefusedError("%s is neither in the difference nor in %s" % (name, older))
    return os.path.join(older, known[digest])


def compose(root: str, older: str, folder: str) -> None:
    """Fill ``folder`` with the new bundle."""
    try:
        result = str(json.loads(read_text(os.path.join(root, "delta.json")))["result"])
    except (ValueError, KeyError, TypeError) as error:
        raise RefusedError("delta.json cannot be understood: %r" % error)
    sums = os.path.join(folder, SUMS)
    copy(os.path.join(root, "files", os.path.basename(result)), sums, result)
    known = dict(parse_sums(read_text(os.path.join(older, SUMS))))
    for digest, name in parse_sums(read_text(sums)):
        target = os.path.join(folder, name)
        copy(find(digest, name, root, older, known), target, digest)
        os.chmod(target, 0o755 if name in EXECUTABLE else 0o644)
    os.chmod(sums, 0o644)


def apply(root: str, older: str, output: str) -> None:
    """Make the bundle ``output``, which does not exist; nothing is left behind when it fails."""
    output = os.path.abspath(output)
    if os.path.lexists(output):
        raise RefusedError("%s exists; name a new folder" % output)
    try:
        os.makedirs(os.path.dirname(output), exist_ok=True)
        folder = tempfile.mkdtemp(prefix=".envbuild-", dir=os.path.dirname(output))
    except OSError as error:
        raise RefusedError("%s cannot be made: %s" % (output, error.strerror))
    try:
        compose(root, older, folder)
        os.chmod(folder, 0o755)  # noqa: S103 - mkdtemp is for one user only
        os.rename(folder, output)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Apply; 0, or 1 with the reason on stderr."""
    parser = argparse.ArgumentParser(
        description="Make a bundle from an older one and this difference."
    )
    parser.add_argument("older", metavar="OLDER", help="the folder of the older bundle")
    parser.add_argument("output", metavar="OUTPUT", help="the folder to make; must not exist")
    options = parser.parse_args(argv)
    try:
        apply(os.path.dirname(os.path.abspath(__file__)), options.older, options.output)
    except RefusedError as refused:
        sys.stderr.write("apply.py: %s\nnothing was made\n" % refused)
        return 1
    sys.stdout.write("made %s\n" % options.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
