"""What a file is when it is not what its name says: a pointer, a pickle, a web page, a program."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Impostor", "sniff"]

_HEAD = 4096  # bytes: enough for every sign below


@dataclass(frozen=True, slots=True)
class Impostor:
    """``what`` completes "is …"; ``remedy`` is the next thing to try."""

    what: str
    remedy: str


_RAW = "the file itself instead of the page that shows it"
_REFUSED = "the file itself: this may be what a store sends when it refuses"
_POINTER = Impostor("a Git LFS pointer", "git lfs pull, then again")
_PICKLE = Impostor(
    "a Python pickle", "the folder that holds the file MLmodel; a pickle is never opened"
)
_UNPACK = "unpack it, then give the folder that holds the file MLmodel"

_SIGNS: tuple[tuple[bytes, Impostor], ...] = (
    (b"version https://git-lfs.github.com/spec/", _POINTER),
    (b"version https://hawser.github.com/spec/", _POINTER),
    (b"\x80\x02", _PICKLE),
    (b"\x80\x03", _PICKLE),
    (b"\x80\x04", _PICKLE),
    (b"\x80\x05", _PICKLE),
    (b"PK\x03\x04", Impostor("a zip archive", _UNPACK)),
    (b"\x1f\x8b", Impostor("a gzip archive", _UNPACK)),
    (b"\x28\xb5\x2f\xfd", Impostor("a zstd archive", _UNPACK)),
    (b"BZh", Impostor("a bzip2 archive", _UNPACK)),
    (b"\x89HDF", Impostor("an HDF5 file", "the folder that holds the file MLmodel")),
)

_HTML = rb"(?i)\s*<(?:!doctype\s+html|html\b|head\b|body\b)"
_XML = rb"(?i)\s*<(?:\?xml|error\b)"
# A first statement that YAML has no use for; comments and blank lines may stand before it.
_PYTHON = (
    rb"(?:[ \t]*(?:\#[^\n]*)?\r?\n)*"
    rb"(?:import[ ]\w|from[ ][\w.]+[ ]import[ ]|def[ ]\w+\(|class[ ]\w+[(:]|@\w|\"{3}|'{3})"
)


def sniff(data: bytes) -> Impostor | None:
    """What ``data`` is, if it is something well known that is neither YAML nor requirements."""
    head = data[:_HEAD]
    for sign, impostor in _SIGNS:
        if head.startswith(sign):
            return impostor
    text = head.removeprefix(b"\xef\xbb\xbf")
    if re.match(_HTML, text):
        return Impostor("an HTML page", _RAW)
    if re.match(_XML, text):
        return Impostor("an XML document", _REFUSED)
    if re.match(_PYTHON, text):
        return Impostor("Python source", "the folder that mlflow.*.log_model or save_model wrote")
    return None
