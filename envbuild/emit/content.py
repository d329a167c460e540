"""What is to be written, before it is written: names to bytes or to files, each with its sha256."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from envbuild.errors import OutputError
from envbuild.fs import sha256_bytes, sha256_file

__all__ = ["Content", "Entry", "checksums", "model_files"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file: ``data``, or what ``path`` holds. ``shared`` files may be hard links to it.

    ``same_as`` names another file of the same content, written before, that this is a link to.
    """

    sha256: str
    size: int
    data: bytes = b""
    path: Path | None = None
    shared: bool = False
    executable: bool = False
    same_as: str = ""

    @classmethod
    def of_bytes(cls, data: bytes, *, executable: bool = False) -> Entry:
        """A file of these bytes."""
        return cls(sha256=sha256_bytes(data), size=len(data), data=data, executable=executable)

    @classmethod
    def of_file(cls, path: Path) -> Entry:
        """A copy of a file that is not ours."""
        return cls(sha256=sha256_file(path), size=path.stat().st_size, path=path)

    @classmethod
    def of_cached(cls, path: Path, sha256: str, size: int) -> Entry:
        """A file of the cache, checked already."""
        return cls(sha256=sha256, size=size, path=path, shared=True)

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """The bytes as a stream."""
        if self.path is None:
            yield BytesIO(self.data)
        else:
            with self.path.open("rb") as stream:
                yield stream


Content = Mapping[str, Entry]
"""Entries by posix name relative to the output."""


def checksums(content: Content) -> Entry:
    """SHA256SUMS of ``content``, as ``sha256sum -c`` reads it.

    Raises:
        OutputError: a name that such a file cannot hold.
    """
    for name in content:
        if any(character in name for character in "\n\r\\"):
            raise OutputError(
                "a file name with a line break or backslash cannot be bundled", where=repr(name)
            )
    lines = [f"{content[name].sha256}  {name}\n" for name in sorted(content)]
    return Entry.of_bytes("".join(lines).encode("utf-8", "surrogateescape"))


def model_files(model: Path) -> Iterator[tuple[str, Path]]:
    """The model's files by their names below ``model/``; links count as what they point to.

    Raises:
        OutputError: a link that leads out of the model, to nothing, or round in a circle.
    """
    return _files("model", (model.resolve(),))


def _files(name: str, above: tuple[Path, ...]) -> Iterator[tuple[str, Path]]:
    """The files of the last folder of ``above``, which are those that lead to it."""
    for path in sorted(above[-1].iterdir()):
        if not path.exists():
            raise OutputError("a link leads to nothing", where=str(path))
        target = path.resolve()
        if not target.is_relative_to(above[0]):
            raise OutputError("a link leads out of the model", where=str(path))
        if target in above:
            raise OutputError("a link leads round in a circle", where=str(path))
        if target.is_dir():
            yield from _files(f"{name}/{path.name}", (*above, target))
        elif target.is_file():
            yield f"{name}/{path.name}", target
