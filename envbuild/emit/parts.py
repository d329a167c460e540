"""An archive in parts, for media with a limit: ``cat`` joins them, ``sha256sum -c`` checks them."""

from __future__ import annotations

import hashlib
import io
import re
from pathlib import Path
from typing import TYPE_CHECKING

from envbuild.errors import UsageError
from envbuild.fs import sha256_file

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

__all__ = ["PartWriter", "parse_size", "part_names", "sums_name"]

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SMALLEST = 1 << 16


def parse_size(text: str) -> int:
    """Bytes of ``650M`` or ``4G``; the units are those of ``split(1)``: powers of 1024.

    Raises:
        UsageError: not a size, or too small to be one.
    """
    match = re.fullmatch(r"(\d+)([KMGT]?)(?:iB)?", text.strip(), re.IGNORECASE | re.ASCII)
    size = int(match[1]) * _UNITS[match[2].upper()] if match else 0
    if size < _SMALLEST:
        raise UsageError(f"{text!r} is not a size of 64K or more, such as 650M or 4G")
    return size


def part_names(output: Path) -> list[Path]:
    """The parts of ``output`` that are there, in order."""
    named = re.compile(re.escape(output.name) + r"\.\d{3,}")
    found = [path for path in output.parent.glob("*") if named.fullmatch(path.name)]
    return sorted(found, key=lambda path: int(path.suffix[1:]))


def sums_name(output: Path) -> Path:
    """The file with the hashes of all parts and of the whole, written when all are there."""
    return output.with_name(f"{output.name}.sha256")


class PartWriter(io.RawIOBase):
    """A stream that goes on in the next file whenever ``size`` bytes are written."""

    def __init__(self, first: Path, size: int) -> None:
        self.parts: list[Path] = []
        self.whole = hashlib.sha256()
        self._first = first
        self._size = size
        self._room = 0
        self._stream: io.BufferedWriter | None = None

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, data: ReadableBuffer, /) -> int:
        """Write all of ``data``, into as many parts as it takes."""
        view = memoryview(data).cast("B")
        self.whole.update(view)
        written = 0
        while written < len(view):
            if self._stream is None or self._room == 0:
                self._stream = self._open_next()
            piece = view[written : written + self._room]
            self._stream.write(piece)
            self._room -= len(piece)
            written += len(piece)
        return written

    def close(self) -> None:
        """Close the last part."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None
        super().close()

    def _open_next(self) -> io.BufferedWriter:
        if self._stream is not None:
            self._stream.close()
        part = self._first.with_name(f"{self._first.name}.{len(self.parts) + 1:03}")
        self.parts.append(part)
        self._room = self._size
        return part.open("wb")

    def sums(self, output: Path) -> bytes:
        """Lines for ``sha256sum -c``: each part of ``output``, then the whole, once joined."""
        lines = [
            f"{sha256_file(part)}  {output.name}.{number:03}\n"
            for number, part in enumerate(self.parts, 1)
        ]
        whole = f"# cat {output.name}.[0-9]* > {output.name}\n"
        return "".join([*lines, whole, f"# {self.whole.hexdigest()}  {output.name}\n"]).encode()
