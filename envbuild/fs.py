"""Files: atomic writes, digests. The only module that replaces a user's file."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from envbuild.errors import OutputError

__all__ = [
    "alone",
    "alone_with",
    "link_or_copy",
    "md5_file",
    "replace_folder",
    "scratch_folder",
    "sha256_bytes",
    "sha256_file",
    "sha256_tree",
    "write_file",
    "write_tree",
]

_CHUNK = 1 << 20
_MOST_GONE = 100  # tries to hold a folder that others remove; in /proc it is never there
_LEFT_BEHIND = frozenset({".git", "__pycache__"})
# <linux/fs.h> and <linux/fcntl.h>
_FICLONE = 0x40049409
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder of the system's temporary ones, gone afterwards.

    An interruption that comes while it is removed, which ``tempfile`` leaves half done, is obeyed
    when it is gone.
    """
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="envbuild-"))
    try:
        yield folder
    finally:
        try:
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def sha256_bytes(data: bytes) -> str:
    """The sha256 of ``data`` in hex."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """The sha256 of a file in hex, read in chunks of 1 MiB."""
    return _digest(path, hashlib.sha256())


def md5_file(path: Path) -> str:
    """The md5 of a file in hex: what conda's lists have, and some channels have nothing else."""
    return _digest(path, hashlib.md5(usedforsecurity=False))


def _digest(path: Path, digest: hashlib._Hash) -> str:
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def sha256_tree(root: Path) -> str:
    """One sha256 (hex) for the regular files of a folder: names, bytes and whether executable.

    Symlinks count by where they point; ``.git`` and ``__pycache__`` do not count.
    """
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*"), key=lambda path: path.relative_to(root).as_posix()):
        name = path.relative_to(root)
        if _LEFT_BEHIND.intersection(name.parts):
            continue
        if path.is_symlink():
            line = f"link {name.as_posix()} {path.readlink()}"
        elif path.is_file():
            kind = "program" if path.stat().st_mode & 0o100 else "file"
            line = f"{kind} {name.as_posix()} {sha256_file(path)}"
        else:
            continue
        digest.update(f"{line}\n".encode("utf-8", "surrogateescape"))
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
    import tempfile

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
            (stage / name).replace(target)
    except OSError as error:
        shutil.rmtree(stage, ignore_errors=True)
        _remove_empty(created)
        raise _cannot_write(root, error) from error
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def link_or_copy(source: Path, target: Path, *, link: bool = True) -> None:
    """Make ``target`` the same bytes as ``source`` with as little work as the file system allows.

    A copy that shares its blocks where there is such a thing, else a hard link if ``link``, else
    a plain copy.

    Raises:
        OutputError: ``target`` cannot be written.
    """
    try:
        if _clone(source, target):
            return
        if link:
            target.unlink(missing_ok=True)
            try:
                os.link(source, target)
            except OSError:  # another file system, or one without links
                shutil.copyfile(source, target)
        else:
            shutil.copyfile(source, target)
    except OSError as error:
        raise _cannot_write(target, error) from error


def _clone(source: Path, target: Path) -> bool:
    """Share blocks with FICLONE (Linux ``ioctl_ficlone(2)``: btrfs, XFS, bcachefs)."""
    try:
        from fcntl import ioctl
    except ImportError:  # pragma: no cover - Windows
        return False
    try:
        with source.open("rb") as old, target.open("wb") as new:
            ioctl(new, _FICLONE, old.fileno())
    except OSError:
        return False
    return True


def replace_folder(staged: Path, target: Path) -> None:
    """Put the folder ``staged`` in the place of the folder ``target``, and remove the old one.

    In one step where the kernel can exchange two names; else ``target`` is absent for a moment.

    Raises:
        OutputError: a folder cannot be renamed.
    """
    try:
        if not target.exists():
            staged.rename(target)
            return
        if not _exchange(staged, target):
            aside = Path(f"{staged}.old")
            target.rename(aside)
            staged.rename(target)
            staged = aside
    except OSError as error:
        raise _cannot_write(target, error) from error
    shutil.rmtree(staged, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two names with ``renameat2(2)`` and RENAME_EXCHANGE, Linux only."""
    import ctypes

    rename = getattr(ctypes.CDLL(None), "renameat2", None) if sys.platform == "linux" else None
    if rename is None:
        return False
    names = os.fsencode(one), os.fsencode(other)
    return bool(rename(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0)


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold the kernel's lock on the file ``path`` of the cache, where it stays; the second waits.

    It ends with the process, however that ends.

    Raises:
        OutputError: the file cannot be written.
    """
    import fcntl

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = path.open("ab")
    except OSError as error:
        remedy = "another folder in ENVBUILD_CACHE_DIR"
        raise _cannot_write(path, error, remedy=remedy) from error
    with stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


@contextmanager
def alone_with(folder: Path, *, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold the kernel's lock on ``folder``, made for this and removed in the end.

    Who comes second waits, after a call of ``waiting``. The lock ends with the process, however
    that ends. Where the file system has no locks, nothing is held.

    Raises:
        OutputError: ``folder`` cannot be made.
    """
    import fcntl

    made: list[Path] = []
    gone = 0
    while True:
        try:
            made = made or _missing_parents(folder.parent)
            folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(folder, os.O_RDONLY)
        except OSError as error:
            gone += 1
            if isinstance(error, FileNotFoundError) and gone < _MOST_GONE:
                continue  # the one before us has just removed it
            _remove_empty(made)
            raise _cannot_write(folder.parent, OSError(error.errno, error.strerror)) from error
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                waiting()
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            except OSError:
                pass
            if not _is_at(descriptor, folder):
                continue  # the one before us has removed the one that we have now
            try:
                yield
                return
            finally:
                shutil.rmtree(folder, ignore_errors=True)
                _remove_empty(made)
        finally:
            os.close(descriptor)


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


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


def _cannot_write(
    root: Path, error: OSError, *, remedy: str = "another folder with -o"
) -> OutputError:
    return OutputError(
        f"cannot write: {error.strerror or error}",
        where=str(error.filename or root),
        remedy=remedy,
    )
