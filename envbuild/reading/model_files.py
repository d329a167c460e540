"""Files inside a model directory, and nothing outside it.

Names come from files that strangers wrote: each is checked before it touches the file system, and
what it leads to is checked again, since a link may point anywhere.
"""

from __future__ import annotations

import posixpath
import re
import stat
from collections import deque
from pathlib import Path, PurePosixPath

from envbuild.errors import ModelError
from envbuild.reading.sniff import sniff
from envbuild.reading.yamltext import MAX_BYTES, decode
from envbuild.redact import quote

__all__ = ["contains", "find_models", "inner_name", "locate", "locate_folder", "read_text"]

_OBJECTIONS: tuple[tuple[str, str], ...] = (
    (r"\s*$", "is empty"),
    (r"(?s).*[\x00-\x1f\x7f]", "holds control characters"),
    (r"-", "looks like an option"),
    (r"[A-Za-z]:|\\\\", "is on a Windows drive, not in the model"),
    (r"[A-Za-z][A-Za-z0-9+.-]+:", "is an address, not a file of the model"),
    (r"[/\\~]", "is absolute, not in the model"),
)

# Bounds of the search for models below a folder that is not one itself.
_SEARCH_DEPTH = 6
_SEARCH_FOLDERS = 5_000
_SEARCH_HITS = 20


def inner_name(name: str, *, where: str, folder: str = "") -> str:
    """``name`` as a posix path relative to the model, without ``.`` and ``..``.

    It is taken from ``folder``, itself posix and relative to the model.

    Raises:
        ModelError: it leads out of the model, or is no plain relative path.
    """
    inner = posixpath.normpath(posixpath.join(folder, name.replace("\\", "/")))
    if problem := _objection(name) or _objection_to_inner(inner):
        raise ModelError(f"the path {quote(name)} {problem}", where=where)
    return inner


def _objection(name: str) -> str:
    return next((problem for sign, problem in _OBJECTIONS if re.match(sign, name)), "")


def _objection_to_inner(inner: str) -> str:
    if inner == ".." or inner.startswith("../"):
        return "leads out of the model"
    return "looks like an option" if inner.startswith("-") else ""


def contains(root: Path, name: str) -> bool:
    """Whether a file or folder called ``name`` is in the model."""
    try:
        return (root / inner_name(name, where="")).exists()
    except (ModelError, OSError):
        return False


def locate(root: Path, name: str, *, where: str) -> Path:
    """The regular file ``name`` inside the model at ``root``.

    Raises:
        ModelError: absent, not a regular file, or outside the model.
    """
    path, mode = _inside(root, name, where=where)
    if not stat.S_ISREG(mode):
        raise ModelError(f"{quote(name)} is not a regular file", where=where)
    return path


def locate_folder(root: Path, name: str, *, where: str) -> Path:
    """The folder ``name`` inside the model at ``root``; ``.`` is the model itself.

    Raises:
        ModelError: absent, not a folder, or outside the model.
    """
    path, mode = _inside(root, name, where=where)
    if not stat.S_ISDIR(mode):
        raise ModelError(f"{quote(name)} is not a folder", where=where)
    return path


def read_text(root: Path, name: str, *, where: str) -> str:
    """The text of a file inside the model.

    Raises:
        ModelError: as ``locate``, and where the file is not text.
    """
    path = locate(root, name, where=where)
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise ModelError(f"cannot read {quote(name)}: {error.strerror}", where=where) from error
    inner = inner_name(name, where=where)
    if impostor := sniff(data):
        raise ModelError(f"{quote(inner)} is {impostor.what}", where=where, remedy=impostor.remedy)
    return decode(data, where=inner)


def find_models(folder: Path) -> tuple[str, ...]:
    """The model directories below ``folder``: posix, relative, sorted, the first 20.

    Links are not followed; folders that begin with a dot are left out.
    """
    found: list[str] = []
    queue = deque([(folder, 0)])
    looked = 0
    while queue and len(found) < _SEARCH_HITS and looked < _SEARCH_FOLDERS:
        here, depth = queue.popleft()
        looked += 1
        try:
            entries = sorted(here.iterdir())
        except OSError:
            continue
        if depth and any(entry.name == "MLmodel" for entry in entries):
            found.append(PurePosixPath(here.relative_to(folder)).as_posix())
            continue
        if depth < _SEARCH_DEPTH:
            queue += [(entry, depth + 1) for entry in entries if _is_searched(entry)]
    return tuple(sorted(found))


def _is_searched(entry: Path) -> bool:
    return not entry.name.startswith(".") and not entry.is_symlink() and entry.is_dir()


def _inside(root: Path, name: str, *, where: str) -> tuple[Path, int]:
    inner = inner_name(name, where=where)
    path = root / inner
    try:
        real = path.resolve(strict=True)
        home = root.resolve(strict=True)
        mode = real.stat().st_mode
    except FileNotFoundError as error:
        what = "is a link to nothing" if path.is_symlink() else "is not in the model"
        raise ModelError(f"{quote(inner)} {what}", where=where) from error
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle, before 3.13
        reason = getattr(error, "strerror", None) or "links in a circle"
        raise ModelError(f"cannot read {quote(inner)}: {reason}", where=where) from error
    if not real.is_relative_to(home):
        raise ModelError(
            f"{quote(inner)} is a link that leads out of the model",
            where=where,
            remedy="a copy with the links followed: cp -rL",
        )
    return path, mode
