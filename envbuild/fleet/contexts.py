"""The contexts of a fleet, read for what is pinned in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from envbuild.errors import EnvbuildError, LockFileError, ToolError
from envbuild.fleet.outcome import Failure
from envbuild.fleet.schedule import Crew, Lost, run_tasks
from envbuild.fleet.sources import Source, chunks, distinct, find_folders
from envbuild.process import at_work

if TYPE_CHECKING:
    from envbuild.locking.canonical import PlatformLock
    from envbuild.locking.context import Context

__all__ = [
    "File",
    "Locked",
    "Pin",
    "find_contexts",
    "holds_contexts",
    "read_contexts",
    "read_locked",
]

_LOCKS = "pylock*.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """A package of a lock by its PyPI name; ``by`` is ``pip`` or ``conda``."""

    name: NormalizedName
    version: Version
    platform: str
    by: str = "pip"


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A wheel that a bundle of the context would hold; ``size`` in bytes, 0 where not known."""

    sha256: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """A context of a fleet, or why it cannot be read. ``to_build`` counts what has no wheel."""

    name: str
    path: str
    pins: tuple[Pin, ...] = ()
    files: tuple[File, ...] = ()
    to_build: int = 0
    failure: Failure | None = None


def find_contexts(folders: Iterable[str], *, cwd: Path) -> tuple[Source, ...]:
    """The contexts at or below ``folders``, each once, sorted by name.

    Raises:
        LockFileError: there is none.
    """
    given = tuple(folders)
    found: list[Source] = []
    for text in given:
        below = find_folders(cwd / text, _is_context)
        found += below if len(given) == 1 else (_named(source, cwd / text) for source in below)
    if not found:
        raise LockFileError(
            "no context there", where=", ".join(given), remedy="envbuild fleet MODELS -o DIR"
        )
    return distinct(found)


def holds_contexts(folder: Path) -> bool:
    """Whether a folder is no context itself, and has some below it."""
    if not folder.is_dir() or any(file.is_file() for file in folder.glob(_LOCKS)):
        return False
    return bool(find_folders(folder, _is_context))


def read_contexts(sources: Iterable[Source], crew: Crew) -> Iterator[Locked]:
    """What is pinned in each context, a few at a time, in no order; none stops another."""
    for task, result in run_tasks(read_locked, chunks(sources), crew):
        if isinstance(result, Lost):
            failure = Failure.of(ToolError(result.reason))
            yield from (Locked(name=one.name, path=one.address, failure=failure) for one in task)
        else:
            yield from result


def read_locked(sources: tuple[Source, ...]) -> tuple[Locked, ...]:
    """What is pinned in these contexts: the work of one task."""
    with at_work():
        return tuple(_read(source) for source in sources)


def _read(source: Source) -> Locked:
    from envbuild.locking.context import read_context

    try:
        return _locked(source, read_context(source.address))
    except EnvbuildError as error:
        failure = Failure.of(error)
    except Exception as error:  # one context must not stop the others
        failure = Failure.of_bug(error)
    return Locked(name=source.name, path=source.address, failure=failure)


def _is_context(files: frozenset[str]) -> bool:
    return any(fnmatchcase(name, _LOCKS) for name in files)


def _named(source: Source, folder: Path) -> Source:
    """The source named from the folder that was given, one of several."""
    if Path(source.address) == folder:
        return source
    return replace(source, name=f"{folder.name}/{source.name}")


def _locked(source: Source, context: Context) -> Locked:
    from envbuild.emit.selection import ReadyWheel, select
    from envbuild.locking.header import lock_name

    pins: list[Pin] = []
    files: list[File] = []
    to_build = 0
    for platform, lock in sorted(context.locks.items()):
        pins += _pins(platform, lock)
        choices = select(lock, context=context.path, lock_name=lock_name(platform, context.locks))
        wheels = [choice.artefact for choice in choices if isinstance(choice, ReadyWheel)]
        files += [File(sha256=wheel.sha256, size=wheel.size or 0) for wheel in wheels]
        to_build += len(choices) - len(wheels)
    return Locked(
        name=source.name,
        path=source.address,
        pins=tuple(pins),
        files=tuple(dict.fromkeys(files)),
        to_build=to_build,
    )


def _pins(platform: str, lock: PlatformLock) -> Iterator[Pin]:
    for package in lock.pylock.packages:
        if package.version is not None:
            yield Pin(name=package.name, version=package.version, platform=platform)
    if not lock.conda:
        return
    from packaging.version import InvalidVersion

    from envbuild.merging.name_map import load_name_map

    names = load_name_map()
    for conda in lock.conda:
        for name in names.verdict(conda.name).names:
            try:
                version = Version(conda.version)
            except InvalidVersion:
                continue  # of no package of PyPI
            yield Pin(name=canonicalize_name(name), version=version, platform=platform, by="conda")
