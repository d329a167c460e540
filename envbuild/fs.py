"""Files: atomic writes, digests. The only module that replaces a user's file."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from envbuild.errors import OutputError

__all__ = ["sha256_bytes", "sha256_file", "write_file", "write_tree"]

_CHUNK = 1 << 20


def sha256_bytes(data: bytes) -> str:
    """The sha256 of ``data`` in hex."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """The sha256 of a file in hex, read in chunks of 1 MiB."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def write_file(path: Path, data: bytes) -> None:
    """Replace ``path`` by ``data`` in one step: readers see the old bytes or the new, never a part.

    Raises:
        OutputError: the folder cannot be written.
    """
    write_tree(path.parent, {path.name: data})


def write_tree(root: Path, files: Mapping[str, bytes], *, remove: Iterable[str] = ()) -> None:
    """Write ``files`` (posix names relative to ``root``), staged first, then moved into place.

    Nothing in ``root`` is touched until every byte is on disk; then each file is replaced in one
    step, in the order given, so the caller names last the file that declares the rest valid.
    Files in ``remove`` go first of all the moves; what is not there is ignored.

    Raises:
        OutputError: a file or folder cannot be written.
    """
    created = _missing_parents(root)
    try:
        root.mkdir(parents=True, exist_ok=True)
        stage = Path(tempfile.mkdtemp(prefix=".envbuild-", dir=root))
    except OSError as error:
        _remove_empty(created)
        raise _cannot_write(root, error) from error
    try:
        for name, data in files.items():
            staged = stage / name
            staged.parent.mkdir(parents=True, exist_ok=True)
            staged.write_bytes(data)
            _sync(staged)
        for name in remove:
            (root / name).unlink(missing_ok=True)
        for name in files:
            target = root / name
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(stage / name, target)
    except OSError as error:
        shutil.rmtree(stage, ignore_errors=True)
        _remove_empty(created)
        raise _cannot_write(root, error) from error
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _missing_parents(path: Path) -> list[Path]:
    """The folders that ``mkdir -p path`` would make, the innermost first."""
    return [folder for folder in (path, *path.parents) if not folder.exists()]


def _remove_empty(folders: Iterable[Path]) -> None:
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            return


def _sync(path: Path) -> None:
    with path.open("rb") as stream:
        os.fsync(stream.fileno())


def _cannot_write(root: Path, error: OSError) -> OutputError:
    return OutputError(
        f"cannot write: {error.strerror or error}",
        where=str(error.filename or root),
        remedy="another folder with -o",
    )
