"""Which artefact of each locked package goes into a bundle. Pure: a lock in, choices out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from packaging.pylock import (
    Package,
    PackageArchive,
    PackageDirectory,
    PackageSdist,
    PackageVcs,
    PackageWheel,
)
from packaging.utils import NormalizedName, parse_wheel_filename
from packaging.version import Version

from envbuild.build.interface import ArchiveSource, FolderSource, GitSource, Source
from envbuild.build.ranking import WheelRanking
from envbuild.errors import BuildError, EnvbuildError, LockFileError
from envbuild.fetch.artefact import Artefact
from envbuild.fs import sha256_tree
from envbuild.locking.canonical import PlatformLock
from envbuild.platforms import Target

__all__ = ["Choice", "ReadyWheel", "ToBuild", "select"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyWheel:
    """A locked wheel that fits the target. ``origin`` is its URL, or its path in the context."""

    name: NormalizedName
    version: Version
    file: str
    artefact: Artefact
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToBuild:
    """A locked source without a wheel for the target. ``reason`` says why, for people.

    ``published`` is when the source was, where the index tells.
    """

    name: NormalizedName
    version: Version | None
    source: Source
    origin: str
    reason: str
    published: datetime | None = None


Choice = ReadyWheel | ToBuild


def select(lock: PlatformLock, *, context: Path, lock_name: str) -> tuple[Choice, ...]:
    """One choice for each package of ``lock``, in its order.

    The best wheel by the order of the target's tags (PEP 425); else what can be built.

    Raises:
        LockFileError: packages without an artefact for the target or without a sha256, all at once.
    """
    ranking = WheelRanking.of(lock.target)
    chooser = _Chooser(context=context, ranking=ranking, target=lock.target)
    choices: list[Choice] = []
    problems: list[EnvbuildError] = []
    for package in lock.pylock.packages:
        try:
            choices.append(chooser.choose(package))
        except (BuildError, LockFileError) as error:
            problems.append(error)
    if problems:
        raise LockFileError(
            f"{len(problems)} of {len(lock.pylock.packages)} packages cannot be exported",
            where=str(context / lock_name),
            details=tuple(error.problem for error in problems),
            remedy="envbuild lock for this platform again",
        )
    return tuple(choices)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chooser:
    context: Path
    ranking: WheelRanking
    target: Target

    def choose(self, package: Package) -> Choice:
        if package.vcs is not None:
            return self._vcs(package, package.vcs)
        if package.directory is not None:
            return self._directory(package, package.directory)
        if package.archive is not None:
            return self._archive(package, package.archive)
        if wheel := self.ranking.best(package.wheels or ()):
            return self._ready(package, wheel, wheel.filename)
        if package.sdist is not None:
            return self._sdist(package, package.sdist)
        files = ", ".join(wheel.filename for wheel in package.wheels or ()) or "no file at all"
        raise LockFileError(f"{package.name}: no wheel for {self._where()}, no sdist; has {files}")

    def _where(self) -> str:
        return f"Python {self.target.python} on {self.target.platform}"

    def _archive(self, package: Package, archive: PackageArchive) -> Choice:
        origin = archive.url or archive.path or ""
        file = PurePosixPath(unquote(urlsplit(origin).path)).name
        if not file.endswith(".whl"):
            return self._source(package, archive, file, archive.subdirectory or "")
        if self.ranking.place(file) is None:
            raise LockFileError(f"{package.name}: {file} does not run on {self._where()}")
        return self._ready(package, archive, file)

    def _ready(
        self, package: Package, wheel: PackageWheel | PackageArchive, file: str
    ) -> ReadyWheel:
        return ReadyWheel(
            name=package.name,
            version=parse_wheel_filename(file)[1],
            file=file,
            artefact=self._artefact(package, wheel),
            origin=wheel.url or wheel.path or "",
        )

    def _sdist(self, package: Package, sdist: PackageSdist) -> ToBuild:
        return self._source(package, sdist, sdist.filename, "")

    def _source(
        self,
        package: Package,
        archive: PackageSdist | PackageArchive,
        file: str,
        subdirectory: str,
    ) -> ToBuild:
        return ToBuild(
            name=package.name,
            version=package.version,
            source=ArchiveSource(
                artefact=self._artefact(package, archive), file=file, subdirectory=subdirectory
            ),
            origin=archive.url or archive.path or "",
            reason=f"no wheel for {self._where()}",
            published=archive.upload_time,
        )

    def _vcs(self, package: Package, vcs: PackageVcs) -> ToBuild:
        if vcs.type != "git":
            raise BuildError(f"{package.name}: only git can be built, not {vcs.type}")
        url = vcs.url or (self.context / (vcs.path or "")).as_uri()
        source = GitSource(url=url, commit=vcs.commit_id, subdirectory=vcs.subdirectory or "")
        return ToBuild(
            name=package.name,
            version=package.version,
            source=source,
            origin=f"git+{vcs.url or vcs.path}@{vcs.commit_id}",
            reason="a git repository",
        )

    def _directory(self, package: Package, directory: PackageDirectory) -> ToBuild:
        folder = self.context / directory.path
        if not folder.is_dir():
            raise LockFileError(f"{package.name}: there is no folder {directory.path}")
        source = FolderSource(
            path=folder,
            tree=sha256_tree(folder),
            subdirectory=directory.subdirectory or "",
        )
        return ToBuild(
            name=package.name,
            version=package.version,
            source=source,
            origin=directory.path,
            reason="a project folder",
        )

    def _artefact(
        self, package: Package, file: PackageWheel | PackageSdist | PackageArchive
    ) -> Artefact:
        sha256 = file.hashes.get("sha256")
        if sha256 is None:
            raise LockFileError(f"{package.name}: {file.url or file.path} has no sha256")
        url = file.url or ""
        if file.path is not None:  # PEP 751: relative to the lock file
            url = (self.context / file.path).absolute().as_uri()
        return Artefact(name=package.name, url=url, sha256=sha256.lower(), size=file.size)
