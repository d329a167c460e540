"""What is inside a conda package: its own description, its list of files, the files.

Both formats (https://docs.conda.io/projects/conda-build/en/stable/resources/package-spec.html):
``.tar.bz2``, and ``.conda``, a zip of two tar files packed with zstd. Nothing is unpacked to disk.
"""

from __future__ import annotations

import json
import lzma
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

from envbuild.emit.archive import zstd_module
from envbuild.errors import EnvbuildError, IntegrityError

__all__ = ["Member", "PackageInfo", "members", "read_info"]

_INDEX, _PATHS = "info/index.json", "info/paths.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageInfo:
    """``index`` is the text of ``info/index.json`` as a value; ``paths`` are the package's files
    with their sha256 (hex; empty where the package does not say), relative to the prefix.
    """

    index: Mapping[str, Any]
    paths: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A file of a package; ``link`` is what a symbolic link points to."""

    path: str
    data: bytes
    executable: bool = False
    link: str = ""


def read_info(path: Path, *, file: str) -> PackageInfo:
    """Read the description of the package at ``path``, whose name is ``file``.

    Raises:
        IntegrityError: not a conda package, or one without a description.
        MissingExtraError: zstd is needed and not there.
    """
    texts: dict[str, bytes] = {}
    for member in _members(path, file, "info"):
        if member.path in {_INDEX, _PATHS}:
            texts[member.path] = member.data
        if len(texts) == 2:
            break
    try:
        index = dict(json.loads(texts[_INDEX]))
        listed = json.loads(texts.get(_PATHS, b'{"paths": []}'))["paths"]
        paths = {str(entry["_path"]): str(entry.get("sha256") or "") for entry in listed}
    except (ValueError, KeyError, TypeError) as error:
        raise _unreadable(file, error) from error
    return PackageInfo(index=index, paths=paths)


def members(path: Path, *, file: str) -> Iterator[Member]:
    """The files and links of the package, without its ``info`` folder.

    Raises:
        IntegrityError: not a conda package.
        MissingExtraError: zstd is needed and not there.
    """
    for member in _members(path, file, "pkg"):
        if not member.path.startswith("info/"):
            yield member


def _members(path: Path, file: str, part: Literal["info", "pkg"]) -> Iterator[Member]:
    try:
        with _tar_of(path, file, part) as archive:
            for entry in archive:
                if entry.isfile() or entry.issym():
                    yield _member(archive, entry)
    except EnvbuildError:
        raise
    # What the decoders of tar, bz2, zip and zstd raise for bytes that are not theirs.
    except (tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, OSError, EOFError) as error:
        raise _unreadable(file, error) from error


def _member(archive: tarfile.TarFile, entry: tarfile.TarInfo) -> Member:
    if entry.issym():
        return Member(path=entry.name, data=b"", link=entry.linkname)
    stream = archive.extractfile(entry)
    data = stream.read() if stream else b""
    return Member(path=entry.name, data=data, executable=bool(entry.mode & 0o100))


@contextmanager
def _tar_of(path: Path, file: str, part: str) -> Iterator[tarfile.TarFile]:
    if file.endswith(".tar.bz2"):
        with tarfile.open(path, mode="r|bz2") as archive:
            yield archive
        return
    with zipfile.ZipFile(path) as container:
        name = next((n for n in container.namelist() if n.startswith(f"{part}-")), "")
        if not name:
            raise tarfile.ReadError(f"there is no {part} part in it")
        with (
            container.open(name) as packed,
            _zstd(packed) as stream,
            tarfile.open(fileobj=stream, mode="r|") as archive,
        ):
            yield archive


@contextmanager
def _zstd(packed: IO[bytes]) -> Iterator[IO[bytes]]:
    zstd = zstd_module("conda packages")
    try:
        with zstd.open(packed, "rb") as stream:
            yield stream
    except zstd.ZstdError as error:
        raise tarfile.ReadError(str(error)) from error


def _unreadable(file: str, error: Exception) -> IntegrityError:
    return IntegrityError(
        f"{file} cannot be read as a conda package",
        details=(f"{type(error).__name__}: {error}",),
        remedy="another build of the package: envbuild lock --upgrade-package",
    )
