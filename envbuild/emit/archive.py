"""Content onto disk as a folder or one archive: whole or not at all, the same bytes every time."""

from __future__ import annotations

import gzip
import os
import shutil
import sys
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any, BinaryIO, cast

from envbuild.emit.content import Content
from envbuild.emit.parts import PartWriter, part_names, sums_name
from envbuild.errors import LockFileError, MissingExtraError, OutputError, UsageError
from envbuild.fs import link_or_copy, replace_folder, write_file
from envbuild.reporter import SILENT, Reporter

__all__ = [
    "ROOT",
    "archive_suffix",
    "extract",
    "read_member",
    "write",
    "write_parts",
    "zstd_module",
]

ROOT = "bundle"
"""The one folder in an archive."""

_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.zst")
# Wheels are compressed already: more effort costs time and gains nothing.
_GZIP_LEVEL = 1
_ZSTD_LEVEL = 3
_CHUNK = 1 << 20


def archive_suffix(path: Path) -> str:
    """The archive form that the name asks for; empty for a folder."""
    return next((suffix for suffix in _SUFFIXES[::-1] if path.name.endswith(suffix)), "")


def write(content: Content, output: Path, *, reporter: Reporter = SILENT) -> None:
    """Write ``content`` to ``output``, a folder or an archive by its suffix.

    It is made beside ``output`` under another name and moved there when complete, so that a run
    that ends early leaves nothing that could be taken for a bundle.

    Raises:
        OutputError: it cannot be written.
        MissingExtraError: ``.tar.zst`` on a Python that needs a package for it.
    """
    suffix = archive_suffix(output)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with _staged(output, folder=not suffix) as staged:
            if suffix:
                _write_archive(content, staged, suffix, reporter)
                staged.chmod(0o644)
                staged.replace(output)
            else:
                _write_folder(content, staged, reporter)
                staged.chmod(0o755)
                replace_folder(staged, output)
    except OSError as error:
        raise _cannot_write(output, error) from error


def write_parts(
    content: Content, output: Path, size: int, *, reporter: Reporter = SILENT
) -> tuple[Path, ...]:
    """Write the archive ``output`` as parts of ``size`` bytes: ``output.001``, ``output.002`` …

    The hashes of the parts go last, into ``output.sha256``; until that is there, the parts are
    not all there. Parts of an earlier run are replaced.

    Raises:
        UsageError: ``output`` is a folder by its name.
        OutputError, MissingExtraError: as ``write``.
    """
    suffix = archive_suffix(output)
    if not suffix:
        raise UsageError("only an archive can be split", remedy="-o NAME.tar")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with _staged(output, folder=True) as staged:
            with PartWriter(staged / output.name, size) as writer:
                _write_tar(content, cast("BinaryIO", writer), suffix, reporter)
            sums_name(output).unlink(missing_ok=True)
            for old in part_names(output):
                old.unlink()
            sums = writer.sums(output)
            parts = tuple(part.replace(output.parent / part.name) for part in writer.parts)
            write_file(sums_name(output), sums)
            return parts
    except OSError as error:
        raise _cannot_write(output, error) from error


@contextmanager
def _staged(output: Path, *, folder: bool) -> Iterator[Path]:
    """A new name beside ``output``, gone afterwards. What killed runs left there is removed.

    The lock on it is the kernel's and ends with the process: what nobody holds is left over.
    """
    prefix = f".{output.name}.envbuild-"
    for left in output.parent.glob(f"{_escape(prefix)}*"):
        _remove_unheld(left)
    if folder:
        staged = Path(tempfile.mkdtemp(prefix=prefix, dir=output.parent))
    else:
        handle, name = tempfile.mkstemp(prefix=prefix, dir=output.parent)
        os.close(handle)
        staged = Path(name)
    try:
        with _held(staged):
            yield staged
    finally:
        _remove(staged)


def _escape(text: str) -> str:
    return "".join(f"[{character}]" if character in "*?[" else character for character in text)


@contextmanager
def _held(path: Path) -> Iterator[bool]:
    """Hold the kernel's lock on ``path``; False where somebody else has it."""
    try:
        import fcntl
    except ImportError:  # pragma: no cover - Windows
        yield False
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield False
    else:
        yield True
    finally:
        os.close(descriptor)


def _remove_unheld(path: Path) -> None:
    try:
        with _held(path) as ours:
            if ours:
                _remove(path)
    except OSError:
        return  # somebody else's, or gone


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _write_folder(content: Content, folder: Path, reporter: Reporter) -> None:
    for name, done, total in _counted(content, reporter):
        entry = content[name]
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if entry.same_as:
            link_or_copy(folder / entry.same_as, target)
        elif entry.path is None:
            target.write_bytes(entry.data)
        else:
            link_or_copy(entry.path, target, link=entry.shared)
        target.chmod(0o755 if entry.executable else 0o644)
        reporter.advance(done, total)


def _write_archive(content: Content, staged: Path, suffix: str, reporter: Reporter) -> None:
    with staged.open("wb") as raw:
        _write_tar(content, raw, suffix, reporter)
        raw.flush()
        os.fsync(raw.fileno())


def _write_tar(content: Content, raw: BinaryIO, suffix: str, reporter: Reporter) -> None:
    with (
        _compressed(raw, suffix) as stream,
        tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as archive,
    ):
        for name, done, total in _counted(content, reporter):
            entry = content[name]
            member = tarfile.TarInfo(f"{ROOT}/{name}")
            member.size = entry.size
            member.mode = 0o755 if entry.executable else 0o644
            if entry.same_as:
                member.type, member.linkname = tarfile.LNKTYPE, f"{ROOT}/{entry.same_as}"
                member.size = 0
                archive.addfile(member)
            else:
                with entry.open() as source:
                    archive.addfile(member, source)
            reporter.advance(done, total)


def _cannot_write(output: Path, error: OSError) -> OutputError:
    return OutputError(
        f"cannot write the bundle: {error.strerror or error}",
        where=str(output),
        remedy="another place with -o",
    )


def _counted(content: Content, reporter: Reporter) -> Iterator[tuple[str, int, int]]:
    """Names in order with the bytes done once each is written, and the bytes of all."""
    reporter.step(f"writing {len(content)} files")
    total = sum(entry.size for entry in content.values())
    done = 0
    for name in sorted(content):
        done += content[name].size
        yield name, done, total


@contextmanager
def _compressed(raw: BinaryIO, suffix: str) -> Iterator[IO[bytes]]:
    match suffix:
        case ".tar":
            yield raw
        case ".tar.zst":
            with zstd_module().open(raw, "wb", level=_ZSTD_LEVEL) as stream:
                yield stream
        case _:
            with gzip.GzipFile(
                filename="", mode="wb", compresslevel=_GZIP_LEVEL, fileobj=raw, mtime=0
            ) as stream:
                yield cast("IO[bytes]", stream)


@contextmanager
def _opened(path: Path) -> Iterator[tarfile.TarFile]:
    suffix = archive_suffix(path)
    unreadable = [tarfile.TarError, EOFError, ValueError, OSError, zlib.error]
    if suffix == ".tar.zst":
        unreadable.append(zstd_module().ZstdError)
    try:
        with (
            _decompressed(path, suffix) as stream,
            tarfile.open(fileobj=stream, mode="r|") as archive,
        ):
            yield archive
    except tuple(unreadable) as error:
        raise LockFileError(f"the archive cannot be read: {error}", where=str(path)) from error


def _decompressed(path: Path, suffix: str) -> IO[bytes]:
    match suffix:
        case ".tar":
            return path.open("rb")
        case ".tar.zst":
            return cast("IO[bytes]", zstd_module().open(path, "rb"))
        case _:
            return cast("IO[bytes]", gzip.open(path, "rb"))


def read_member(path: Path, name: str) -> bytes:
    """One file of an archive written here, ``name`` relative to its one folder.

    Raises:
        LockFileError: it is not there, or the archive is broken.
    """
    with _opened(path) as archive:
        for member in archive:
            if member.name == f"{ROOT}/{name}" and member.isreg():
                stream = archive.extractfile(member)
                if stream is not None:
                    return stream.read()
    raise LockFileError(f"there is no {name} in it", where=str(path))


def extract(path: Path, folder: Path) -> Path:
    """Unpack an archive below ``folder``, which is empty; the bundle in it.

    Only plain files inside the one folder are taken: no links, devices, ``..`` or doubles.

    Raises:
        LockFileError: anything else in it, or a broken archive.
        OutputError: ``folder`` cannot be written.
    """
    seen: set[str] = set()
    with _opened(path) as archive:
        for member in archive:
            if member.isdir():
                continue
            _refuse_hostile(member, path, seen)
            source = archive.extractfile(member)
            if source is not None:
                _save(source, folder / member.name)
    return folder / ROOT


def _refuse_hostile(member: tarfile.TarInfo, path: Path, seen: set[str]) -> None:
    parts = PurePosixPath(member.name).parts
    inside = len(parts) > 1 and parts[0] == ROOT and ".." not in parts
    if not inside or "\\" in member.name or not member.isreg() or member.name in seen:
        raise LockFileError(
            f"{member.name!r} has no place in a bundle",
            where=str(path),
            remedy="the archive as it was made",
        )
    seen.add(member.name)


def _save(source: IO[bytes], target: Path) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        out = target.open("xb")
    except OSError as error:
        raise _cannot_unpack(target, error) from error
    with out:
        while chunk := source.read(_CHUNK):
            try:
                out.write(chunk)
            except OSError as error:
                raise _cannot_unpack(target, error) from error


def _cannot_unpack(target: Path, error: OSError) -> OutputError:
    return OutputError(f"cannot unpack: {error.strerror or error}", where=str(target))


def zstd_module(what: str = ".tar.zst") -> Any:  # noqa: ANN401 - one of two modules
    """The standard library's zstd, or its copy for Pythons before 3.14; ``what`` needs it.

    Raises:
        MissingExtraError: there is none.
    """
    try:
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd
    except ImportError as error:
        raise MissingExtraError(
            f"{what} needs a package on this Python", remedy="pip install 'envbuild[zstd]'"
        ) from error
    return zstd
