"""Every wheel of a lock in the cache: fetched where there is one, built where there is none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from packaging.utils import NormalizedName
from packaging.version import Version

from envbuild.build.interface import ArchiveSource, Builder, BuildProblem, BuiltWheel
from envbuild.build.pins import newest_upload
from envbuild.emit.selection import Choice, ReadyWheel, ToBuild
from envbuild.emit.tools import tools_published
from envbuild.errors import BuildError, EnvbuildError
from envbuild.fetch.download import Artefact, Downloader
from envbuild.locking.canonical import PlatformLock
from envbuild.platforms import Target
from envbuild.reporter import Reporter

__all__ = ["BuildClock", "HousedWheel", "house"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HousedWheel:
    """One wheel of one lock: the file in the cache, where it is from, how it was built if so."""

    name: NormalizedName
    version: Version
    file: str
    path: Path
    sha256: str
    size: int
    origin: str
    choice: Choice
    built: BuiltWheel | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildClock:
    """As of when builds take what they need, so that they take the same next year."""

    newest: datetime | None  # of all files of the context's locks

    @classmethod
    def of(cls, locks: Iterable[PlatformLock]) -> BuildClock:
        """The clock of a context."""
        return cls(newest=newest_upload([lock.pylock for lock in locks]))

    def cutoff(self, choice: ToBuild, target: Target) -> datetime | None:
        """The time of the source, or of the lock where that is not known: a project was built with
        the tools of its days, and may fail with those of ours.

        But not before the tools of the target's Python, which older ones do not run on. None where
        the index tells no times.
        """
        source = choice.published or self.newest
        return max(source, tools_published(target.python)) if source else None


def house(
    choices: Mapping[Target, Sequence[Choice]],
    *,
    downloader: Downloader,
    builder: Builder,
    clock: BuildClock,
    extra: Sequence[Artefact],
    reporter: Reporter,
) -> tuple[Mapping[Target, tuple[HousedWheel, ...]], Mapping[str, Path]]:
    """The wheels of each target in its lock's order, and the ``extra`` files by sha256.

    All that is to be fetched is fetched before anything is built.

    Raises:
        IntegrityError, IndexUnavailableError, OutputError: see ``Downloader.fetch_all``.
        BuildError: whatever could not be built, all at once.
    """
    every = [choice for group in choices.values() for choice in group]
    fetched = fetch_sources(every, downloader=downloader, extra=extra, reporter=reporter)
    failures: list[EnvbuildError] = []
    housed: dict[Target, tuple[HousedWheel, ...]] = {}
    for target, group in choices.items():
        wheels: list[HousedWheel] = []
        for choice in group:
            match choice:
                case ReadyWheel():
                    wheels.append(_ready(choice, fetched[choice.artefact.sha256]))
                case ToBuild():
                    reporter.step(f"building {choice.name}")
                    try:
                        wheels.append(_build(choice, target, clock, builder))
                    except BuildError as error:
                        failures.append(error)
        housed[target] = tuple(wheels)
    if failures:
        raise _one_error(failures)
    return housed, fetched


def fetch_sources(
    choices: Sequence[Choice],
    *,
    downloader: Downloader,
    extra: Sequence[Artefact],
    reporter: Reporter,
) -> dict[str, Path]:
    """Everything that has a hash, into the cache."""
    artefacts = [*extra]
    for choice in choices:
        match choice:
            case ReadyWheel(artefact=artefact):
                artefacts.append(artefact)
            case ToBuild(source=ArchiveSource(artefact=artefact)):
                artefacts.append(artefact)
            case ToBuild():
                pass
    reporter.step(f"fetching {len(artefacts)} files")
    return downloader.fetch_all(artefacts, reporter=reporter)


def _ready(choice: ReadyWheel, path: Path) -> HousedWheel:
    return HousedWheel(
        name=choice.name,
        version=choice.version,
        file=choice.file,
        path=path,
        sha256=choice.artefact.sha256,
        size=path.stat().st_size,
        origin=choice.origin,
        choice=choice,
    )


def _build(choice: ToBuild, target: Target, clock: BuildClock, builder: Builder) -> HousedWheel:
    problem = BuildProblem(
        name=choice.name,
        version=choice.version,
        source=choice.source,
        target=target,
        cutoff=clock.cutoff(choice, target),
    )
    built = builder.build(problem)
    return HousedWheel(
        name=choice.name,
        version=built.version,
        file=built.file,
        path=built.path,
        sha256=built.sha256,
        size=built.size,
        origin=choice.origin,
        choice=choice,
        built=built,
    )


def _one_error(failures: Sequence[EnvbuildError]) -> BuildError:
    first, *others = failures
    details = [*first.details]
    for other in others:
        details += str(other).splitlines()
    return BuildError(first.problem, where=first.where, details=details, remedy=first.remedy)
