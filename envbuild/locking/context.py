"""A context on disk: the folder that ``envbuild lock`` writes, and how it is read back."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from packaging.pylock import Pylock, PylockValidationError

from envbuild.errors import LockFileError, OutputError
from envbuild.fs import sha256_bytes, write_tree
from envbuild.locking.canonical import PlatformLock
from envbuild.locking.header import (
    CONDA_LOCK,
    Header,
    Serving,
    content_digest,
    find_locks,
    lock_name,
    parse_header,
    split_lock,
)
from envbuild.notices import Notice
from envbuild.resolve.conda.interface import CondaPackage
from envbuild.resolve.conda.lockfile import parse_conda_lock

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = [
    "Context",
    "find_locks",
    "lock_name",
    "read_context",
    "refuse_inside",
    "write_context",
    "write_files",
]

_AGAIN = "envbuild lock again"
_KEPT_SUFFIX = ".edited"
_MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """A written context, read back: ``locks`` and ``headers`` by platform name.

    ``serving`` says how its server is started and asked, also where the profile was the user's own.
    ``notices`` tell what writing it did to files that were there.
    """

    path: Path
    locks: Mapping[str, PlatformLock]
    headers: Mapping[str, Header]
    server: str
    runtime: str
    model_name: str
    base_image: str
    inputs: tuple[str, ...]
    input_digest: str
    serving: Serving
    notices: tuple[Notice, ...] = ()

    def files(self) -> tuple[str, ...]:
        """The names (posix) of all that was written, the lock files last."""
        first = next(iter(self.headers.values()))
        locks = [lock_name(name, first.platforms) for name in first.platforms]
        return (*first.files, *locks)


def read_context(directory: str | Path) -> Context:
    """Read the lock files of a context or bundle.

    Raises:
        LockFileError: none there, not ours, or edited since it was written.
    """
    path = Path(directory)
    headers: dict[str, Header] = {}
    locks: dict[str, PlatformLock] = {}
    for file in find_locks(path):
        header, lock = _read_lock(file)
        if header.runtime == "conda":
            lock = replace(lock, conda=_read_conda(path, header))
        headers[header.target.platform.name] = header
        locks[header.target.platform.name] = lock
    first = next(iter(headers.values()))
    for header in headers.values():
        if header.input_digest != first.input_digest or set(header.platforms) != set(headers):
            raise LockFileError(
                "its lock files do not belong together", where=str(path), remedy=_AGAIN
            )
    return Context(
        path=path,
        locks=locks,
        headers=headers,
        server=first.server,
        runtime=first.runtime,
        model_name=first.model,
        base_image=first.base_image,
        inputs=first.inputs,
        input_digest=first.input_digest,
        serving=first.serving,
    )


def write_context(directory: Path, files: Mapping[str, bytes], *, model: Path) -> Context:
    """Write the files of a lock and read them back; see ``write_files``."""
    notices = write_files(directory, files, model=model)
    return replace(read_context(directory), notices=notices)


def write_files(directory: Path, files: Mapping[str, bytes], *, model: Path) -> tuple[Notice, ...]:
    """Write the files of a lock, the lock files last; what already is as it should be stays.

    Files of an earlier lock that are no longer written are removed; what is not ours is left
    alone. A file of ours that was edited by hand is kept beside the new one, as ``*.edited``.

    Raises:
        OutputError: the directory lies in the model, or files are in the way.
    """
    refuse_inside(directory, model)
    earlier = _earlier_files(directory)
    _refuse_in_the_way(directory, files, earlier)
    kept = _edited_files(directory, files, earlier)
    changed = {name: data for name, data in files.items() if _bytes_of(directory / name) != data}
    gone = [name for name in earlier if name not in files and (directory / name).is_file()]
    if changed or gone:
        write_tree(directory, {**_copies(directory, kept), **changed}, remove=sorted(gone))
        _remove_empty_folders(directory, gone)
    return tuple(
        Notice(
            code="edited-file-kept",
            message=f"it was edited by hand; the edited file is now {copy}",
            where=name,
        )
        for name, copy in kept.items()
    )


def _read_lock(file: Path) -> tuple[Header, PlatformLock]:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise LockFileError(f"cannot be read: {error}", where=str(file)) from error
    header = parse_header(text, where=str(file))
    if content_digest(split_lock(text)[1]) != header.content_digest:
        raise LockFileError("its packages were edited by hand", where=str(file), remedy=_AGAIN)
    try:
        pylock = Pylock.from_dict(tomllib.loads(text))
    except (tomllib.TOMLDecodeError, PylockValidationError) as error:
        raise LockFileError(f"not a valid lock: {error}", where=str(file), remedy=_AGAIN) from error
    lock = PlatformLock(
        target=header.target,
        pylock=replace(pylock, tool=None),
        to_build=header.to_build,
        resolver=header.resolver,
    )
    return header, lock


def _read_conda(directory: Path, header: Header) -> tuple[CondaPackage, ...]:
    """The conda part of a platform, out of the file that holds that of all."""
    file = directory / CONDA_LOCK
    try:
        data = file.read_bytes()
    except OSError as error:
        problem = f"the conda part cannot be read: {error.strerror}"
        raise LockFileError(problem, where=str(file), remedy=_AGAIN) from error
    # A bundle has its own addresses in this file, and its own list of digests.
    is_bundle = (directory / _MANIFEST).is_file()
    if not is_bundle and sha256_bytes(data) != header.files.get(CONDA_LOCK):
        raise LockFileError("its packages were edited by hand", where=str(file), remedy=_AGAIN)
    locked = parse_conda_lock(data.decode("utf-8", errors="replace"), where=str(file))
    platform = header.target.platform.name
    if platform not in locked:
        raise LockFileError(f"it has nothing for {platform}", where=str(file), remedy=_AGAIN)
    return locked[platform]


def refuse_inside(directory: Path, model: Path) -> None:
    """Refuse to write into a model.

    Raises:
        OutputError: the directory lies in it.
    """
    if directory.resolve().is_relative_to(model.resolve()):
        raise OutputError(
            "the context would lie inside the model, which must stay as it is",
            where=str(directory),
            remedy="-o with a folder outside the model",
        )


def _earlier_files(directory: Path) -> dict[str, str]:
    """The files that an earlier lock wrote here, with their sha256 (empty for a lock file)."""
    if not directory.is_dir():
        return {}
    files: dict[str, str] = {}
    for path in sorted(directory.glob("pylock*.toml")):
        try:
            header = parse_header(path.read_text(encoding="utf-8"), where=str(path))
        except (LockFileError, OSError, UnicodeDecodeError):
            continue
        files |= {name: digest for name, digest in header.files.items() if _is_inner(name)}
        files[path.name] = ""
    return files


def _is_inner(name: str) -> bool:
    # A lock file is a stranger's once it was in somebody's repository.
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts


def _refuse_in_the_way(
    directory: Path, files: Mapping[str, bytes], earlier: Mapping[str, str]
) -> None:
    root = directory.resolve()
    problems: dict[str, str] = {}
    for name, data in files.items():
        path = directory / name
        if not path.resolve().is_relative_to(root):
            problems[name] = "a link leads out of the folder"
        elif path.is_dir():
            problems[name] = "a folder"
        elif blocked := _file_above(directory, name):
            problems[blocked] = "a file where a folder has to be"
        elif name not in earlier and path.exists() and _bytes_of(path) != data:
            problems[name] = "not written by envbuild"
    if problems:
        raise OutputError(
            "files are in the way",
            where=str(directory),
            details=[f"{name}: {problem}" for name, problem in problems.items()],
            remedy="another folder with -o, or move them away",
        )


def _file_above(directory: Path, name: str) -> str:
    for parent in PurePosixPath(name).parents:
        if parent.parts and (directory / parent).exists() and not (directory / parent).is_dir():
            return parent.as_posix()
    return ""


def _edited_files(
    directory: Path, files: Mapping[str, bytes], earlier: Mapping[str, str]
) -> dict[str, str]:
    """Files of ours that were edited and would be lost, with the name to keep each under."""
    kept: dict[str, str] = {}
    for name, digest in earlier.items():
        data = _bytes_of(directory / name)
        if not digest or data is None or data == files.get(name):
            continue
        if sha256_bytes(data) != digest:
            kept[name] = _free_name(directory, name)
    return kept


def _free_name(directory: Path, name: str) -> str:
    candidate, number = f"{name}{_KEPT_SUFFIX}", 1
    while (directory / candidate).exists():
        number += 1
        candidate = f"{name}{_KEPT_SUFFIX}{number}"
    return candidate


def _copies(directory: Path, kept: Mapping[str, str]) -> dict[str, bytes]:
    return {copy: (directory / name).read_bytes() for name, copy in kept.items()}


def _bytes_of(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _remove_empty_folders(directory: Path, gone: Iterable[str]) -> None:
    folders = {parent for name in gone for parent in PurePosixPath(name).parents}
    for folder in sorted(folders, key=lambda path: len(path.parts), reverse=True):
        if folder.parts and not any((directory / folder).iterdir()):
            (directory / folder).rmdir()
