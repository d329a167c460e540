"""What one bundle has and another lacks, for carrying updates over an air gap.

A difference names files by their sha256, so that a wheel under another name is not carried twice,
and ``apply.py`` in it makes the full bundle again. Described in ``docs/reference/bundle.md``.
"""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

from envbuild.emit.archive import archive_suffix, read_member
from envbuild.emit.bundle import SUMS
from envbuild.emit.bundle_files import apply
from envbuild.emit.content import Content, Entry
from envbuild.errors import IntegrityError, LockFileError
from envbuild.fs import sha256_bytes

__all__ = ["DELTA", "apply_delta", "delta_of", "read_sums"]

DELTA = "delta.json"
_FORMAT = 1


def read_sums(other: Path) -> bytes:
    """SHA256SUMS of a bundle: of its folder, its archive, or the file itself.

    Raises:
        LockFileError: there is none.
    """
    if other.is_file() and archive_suffix(other):
        return read_member(other, SUMS)
    path = other / SUMS if other.is_dir() else other
    try:
        return path.read_bytes()
    except OSError as error:
        raise LockFileError(
            f"not a bundle: {SUMS}: {error.strerror or error}", where=str(other)
        ) from error


def delta_of(content: Content, other_sums: bytes) -> Content:
    """The difference that makes ``content`` from the bundle with ``other_sums``.

    Raises:
        LockFileError: ``other_sums`` are no checksums.
    """
    try:
        there = {digest for digest, _ in apply.parse_sums(other_sums.decode())}
    except (apply.RefusedError, UnicodeDecodeError) as error:
        raise LockFileError(f"the other bundle's {error}") from error
    lacking = {
        f"files/{entry.sha256}": entry
        for name, entry in content.items()
        if entry.sha256 not in there or name == SUMS
    }
    summary = {
        "format": _FORMAT,
        "base": sha256_bytes(other_sums),
        "result": content[SUMS].sha256,
    }
    program = files("envbuild.emit.bundle_files").joinpath("apply.py").read_bytes()
    return {
        **lacking,
        DELTA: Entry.of_bytes((json.dumps(summary, indent=2) + "\n").encode()),
        "apply.py": Entry.of_bytes(program),
    }


def apply_delta(delta: Path, older: Path, output: Path) -> None:
    """Make the folder ``output`` from the bundle folder ``older`` and the difference ``delta``.

    Raises:
        IntegrityError: a file is missing or not what it was, or ``output`` exists; nothing is made.
    """
    try:
        apply.apply(str(delta), str(older), str(output))
    except apply.RefusedError as error:
        raise IntegrityError(str(error), where=str(delta)) from error
