"""A resolution in canonical form: what every file of a context is rendered from.

The same packages give the same value, whichever resolver found them and in whatever order: sorted,
one entry for a name, no markers, sha256 alone, no credentials, and only what the target can use.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import TypeVar, cast
from urllib.parse import unquote, urlsplit

from packaging.markers import Marker
from packaging.pylock import (
    Package,
    PackageArchive,
    PackageDirectory,
    PackageSdist,
    PackageVcs,
    PackageWheel,
    Pylock,
    PylockValidationError,
)
from packaging.specifiers import SpecifierSet
from packaging.tags import Tag
from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import Version

from envbuild.errors import IntegrityError, ResolutionError
from envbuild.model import Model
from envbuild.platforms import Target
from envbuild.redact import redact, without_userinfo
from envbuild.remembered import Remembered
from envbuild.resolve.conda.interface import CondaPackage
from envbuild.resolve.interface import Resolution

__all__ = ["FILES", "PlatformLock", "canonicalize"]

FILES = "files"
"""The folder of a context that holds what came from the model itself."""

_LEFT_BEHIND = frozenset({".git", "__pycache__"})
_Artefact = TypeVar("_Artefact", PackageWheel, PackageSdist, PackageArchive)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformLock:
    """The lock for one target. ``to_build`` are the names that have no wheel for the target.

    ``conda`` is the conda part, sorted by name; what it provides is not in ``pylock``.
    """

    target: Target
    pylock: Pylock  # canonical order, no marker, artefacts that fit the target only
    to_build: tuple[str, ...]
    resolver: str
    conda: tuple[CondaPackage, ...] = ()


def canonicalize(
    model: Model, resolution: Resolution, *, only_binary: bool = False
) -> tuple[PlatformLock, Mapping[str, Path]]:
    """The canonical form, and the files of this machine that it needs by their name in the context.

    Raises:
        IntegrityError: artefacts without a sha256, all of them at once.
        ResolutionError: packages that the target cannot use, or that ``only_binary`` forbids.
        ModelError: a file of the model is not there.
    """
    depends_on = (resolution.target, only_binary)
    if known := _CANONICAL.find(resolution.pylock, depends_on):
        return replace(known, resolver=resolution.resolver, conda=resolution.conda), {}
    work = _Work(model=model, target=resolution.target, only_binary=only_binary)
    packages = [work.package(package) for package in _applicable(resolution)]
    work.raise_problems()
    pylock = Pylock(
        lock_version=Version("1.0"),
        environments=[_environment(resolution.target)],
        requires_python=SpecifierSet("=={}.{}.*".format(*resolution.target.python_minor)),
        created_by="envbuild",
        packages=packages,
    )
    lock = PlatformLock(
        target=resolution.target,
        pylock=_validated(pylock),
        to_build=tuple(package.name for package in packages if _is_source(package)),
        resolver=resolution.resolver,
        conda=resolution.conda,
    )
    if not work.local_files:  # the model has no part in it
        _CANONICAL.keep(resolution.pylock, lock, depends_on)
    return lock, work.local_files


# The models of a fleet that have one environment share one resolution.
_CANONICAL: Remembered[Pylock, PlatformLock] = Remembered()


def _applicable(resolution: Resolution) -> list[Package]:
    """The packages whose marker holds on the target, sorted; each name once."""
    environment = cast("dict[str, str]", {**resolution.target.marker_environment(), "extra": ""})
    found: dict[str, Package] = {}
    twice: list[str] = []
    for package in resolution.pylock.packages:
        if package.marker and not package.marker.evaluate(environment):
            continue
        other = found.setdefault(package.name, package)
        if other != package:
            twice.append(f"{package.name}: {other.version} and {package.version}")
    if twice:
        raise ResolutionError(
            f"{resolution.resolver} locked a package twice for {resolution.target.platform}",
            details=twice,
        )
    return [found[name] for name in sorted(found)]


def _environment(target: Target) -> Marker:
    # PEP 751, "environments": where the lock may be used.
    system, machine = target.platform.system, target.platform.machine
    return Marker(
        "platform_python_implementation == 'CPython' and "
        f"platform_system == '{system}' and platform_machine == '{machine}'"
    )


def _validated(pylock: Pylock) -> Pylock:
    try:
        return Pylock.from_dict(pylock.to_dict())
    except PylockValidationError as error:
        raise ResolutionError(
            "the resolver's result is no valid lock", details=[str(error)]
        ) from error


def _is_source(package: Package) -> bool:
    if package.archive is not None:
        return not _archive_name(package.archive).endswith(".whl")
    return not package.wheels


@dataclass(slots=True, kw_only=True)
class _Work:
    """Canonicalizes packages and collects what is wrong with any of them."""

    model: Model
    target: Target
    only_binary: bool
    local_files: dict[str, Path] = field(default_factory=dict)
    unhashed: list[str] = field(default_factory=list)
    unfit: list[str] = field(default_factory=list)
    unwanted: list[str] = field(default_factory=list)
    _tags: frozenset[Tag] = frozenset()

    def __post_init__(self) -> None:
        self._tags = frozenset(self.target.tags())

    def raise_problems(self) -> None:
        where = f"CPython {self.target.python} on {self.target.platform}"
        if self.unhashed:
            raise IntegrityError(
                "files without a sha256, which nothing could check",
                details=sorted(self.unhashed),
                remedy="an index that gives hashes",
            )
        if self.unfit:
            raise ResolutionError(
                f"neither a wheel for {where} nor a source",
                details=sorted(self.unfit),
                remedy="another version of them, another --python or --platform",
            )
        if self.unwanted:
            raise ResolutionError(
                f"only wheels are wanted, and there is none for {where}",
                details=sorted(self.unwanted),
                remedy="without --only-binary, or another version of them",
            )

    def package(self, package: Package) -> Package:
        """The package with what the target needs of it."""
        wheels = self._wheels(package)
        source: PackageVcs | PackageDirectory | PackageArchive | PackageSdist | None = None
        if package.vcs is not None:
            source = _vcs(package.vcs)
        elif package.directory is not None:
            source = self._directory(package, package.directory)
        elif package.archive is not None:
            source = self._archive(package, package.archive)
        elif package.sdist is not None and not wheels:
            source = self._artefact(package, package.sdist, package.sdist.filename)
        if source is None and not wheels:
            named = [wheel.filename for wheel in package.wheels or ()]
            named += [_archive_name(package.archive)] if package.archive is not None else []
            files = ", ".join(sorted(named))
            self.unfit.append(f"{_called(package)}: {files}")
            return package
        made = _with_source(package, wheels, source)
        if self.only_binary and _is_source(made):
            self.unwanted.append(f"{_called(package)}: {_kind(made)}")
        return made

    def _wheels(self, package: Package) -> list[PackageWheel]:
        fitting = [wheel for wheel in package.wheels or () if self._fits(wheel.filename)]
        made = [self._artefact(package, wheel, wheel.filename) for wheel in fitting]
        unique = {(wheel.filename, wheel.hashes.get("sha256")): wheel for wheel in reversed(made)}
        return [unique[key] for key in sorted(unique, key=str)]

    def _fits(self, filename: str) -> bool:
        try:
            return not self._tags.isdisjoint(parse_wheel_filename(filename)[3])
        except InvalidWheelFilename:
            return False

    def _archive(self, package: Package, archive: PackageArchive) -> PackageArchive | None:
        name = _archive_name(archive)
        if name.endswith(".whl") and not self._fits(name):
            return None
        return self._artefact(package, archive, name)

    def _artefact(self, package: Package, artefact: _Artefact, name: str) -> _Artefact:
        """The artefact with its sha256 alone, and either a clean URL or a path in the context."""
        sha256 = artefact.hashes.get("sha256", "").lower()
        if not sha256:
            self.unhashed.append(f"{_called(package)}: {name}")
            return artefact
        made = replace(artefact, hashes={"sha256": sha256}, url=None, path=None)
        if local := self._local(package, artefact):
            return replace(made, path=self._claim(package, name, local), upload_time=None)
        return replace(made, url=_clean(artefact.url or ""))

    def _local(self, package: Package, artefact: _Artefact) -> Path | None:
        if artefact.path is not None:
            path = Path(artefact.path)
            where = f"package {package.name}"
            return path if path.is_absolute() else self.model.locate(artefact.path, where=where)
        url = urlsplit(artefact.url or "")
        return Path(unquote(url.path)) if url.scheme == "file" else None

    def _claim(self, package: Package, name: str, path: Path) -> str:
        claimed = f"{FILES}/{name}"
        if self.local_files.setdefault(claimed, path) != path:
            claimed = f"{FILES}/{package.name}/{name}"
            self.local_files[claimed] = path
        return claimed

    def _directory(self, package: Package, directory: PackageDirectory) -> PackageDirectory:
        """A project folder is copied, so an editable install would only point at the copy."""
        where = f"package {package.name}"
        folder = self.model.locate_folder(directory.path, where=where)
        for name in _project_files(folder):
            inner = PurePosixPath(directory.path, name).as_posix()
            self.local_files[f"{FILES}/{package.name}/{name}"] = self.model.locate(
                inner, where=where
            )
        return replace(directory, path=f"{FILES}/{package.name}", editable=None)


def _project_files(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if not path.is_dir() and not _LEFT_BEHIND.intersection(name.parts):
            yield name.as_posix()


def _with_source(
    package: Package,
    wheels: Sequence[PackageWheel],
    source: PackageVcs | PackageDirectory | PackageArchive | PackageSdist | None,
) -> Package:
    return Package(
        name=package.name,
        version=package.version,
        requires_python=package.requires_python,
        vcs=source if isinstance(source, PackageVcs) else None,
        directory=source if isinstance(source, PackageDirectory) else None,
        archive=source if isinstance(source, PackageArchive) else None,
        index=_clean(package.index) if package.index and not _is_file(package.index) else None,
        sdist=source if isinstance(source, PackageSdist) else None,
        wheels=wheels or None,
    )


def _vcs(vcs: PackageVcs) -> PackageVcs:
    return replace(vcs, url=_clean(vcs.url) if vcs.url else None)


def _clean(url: str) -> str:
    return redact(without_userinfo(url))


def _is_file(url: str) -> bool:
    return urlsplit(url).scheme in {"", "file"}


def _archive_name(archive: PackageArchive) -> str:
    return PurePosixPath(unquote(urlsplit(archive.url or archive.path or "").path)).name


def _called(package: Package) -> str:
    return f"{package.name} {package.version}" if package.version else str(package.name)


def _kind(package: Package) -> str:
    if package.vcs is not None:
        return f"a {package.vcs.type} repository"
    return "a folder of the model" if package.directory is not None else "a source archive"
