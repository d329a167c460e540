"""A resolver's pylock as a resolution wants it: for one target, checked, with our paths. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from packaging.pylock import Package, PackageArchive, PackageSdist, PackageWheel, Pylock
from packaging.tags import Tag
from packaging.utils import NormalizedName, parse_wheel_filename

from envbuild.errors import IntegrityError
from envbuild.platforms import Target
from envbuild.redact import without_userinfo

__all__ = ["Tidier", "was_built"]

_File = TypeVar("_File", PackageWheel, PackageSdist, PackageArchive)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tidier:
    """Makes a pylock fit ``target``.

    ``folder`` is where the resolver wrote it, ``model`` the model's directory or None, both
    resolved. ``real_url`` turns an address that the resolver was given into the one it stands for.
    ``no_binary`` holds the names, or ``:all:``, whose wheels are not wanted; ``hashes`` the ones
    that a requirement allows, by name.
    """

    target: Target
    folder: Path
    model: Path | None = None
    real_url: Callable[[str], str] = without_userinfo
    no_binary: frozenset[str] = frozenset()
    hashes: Mapping[NormalizedName, frozenset[str]]

    def tidy(self, pylock: Pylock) -> Pylock:
        """``pylock`` without packages and wheels for other targets, markers and credentials.

        Raises:
            IntegrityError: files without a sha256 or with one that is not allowed, all at once.
        """
        tags = frozenset(self.target.tags())
        environment = self.target.marker_environment()
        packages = [
            self._package(package, tags)
            for package in pylock.packages
            if package.marker is None or package.marker.evaluate(environment)
        ]
        _require_hashes(packages)
        return replace(pylock, packages=self._only_allowed(packages))

    def _package(self, package: Package, tags: frozenset[Tag]) -> Package:
        if package.directory is not None:
            path = self._in_model(package.directory.path)
            directory = replace(package.directory, path=path, editable=None)
            return replace(package, marker=None, directory=directory)
        if package.vcs is not None:
            url = package.vcs.url and self.real_url(package.vcs.url)
            return replace(package, marker=None, vcs=replace(package.vcs, url=url))
        if package.archive is not None:
            return replace(package, marker=None, archive=self._file(package.archive))
        wheels = [self._file(wheel) for wheel in package.wheels or () if _fits(wheel, tags)]
        if self.no_binary & {package.name, ":all:"} and package.sdist is not None:
            wheels = []
        sdist = package.sdist and self._file(package.sdist)
        return replace(package, marker=None, index=None, sdist=sdist, wheels=wheels or None)

    def _file(self, file: _File) -> _File:
        if file.path is not None:
            return replace(file, path=self._in_model(file.path), url=None)
        url = file.url or ""  # PEP 751: what has no path has one
        parts = urlsplit(url)
        if parts.scheme == "file" and self.model is not None:
            from urllib.request import url2pathname

            path = Path(url2pathname(parts.path))
            if path.is_relative_to(self.model):
                return replace(file, path=path.relative_to(self.model).as_posix(), url=None)
        return replace(file, url=self.real_url(url))

    def _in_model(self, path: str) -> str:
        """``path`` of the resolver, relative to the model where it lies inside."""
        whole = Path(self.folder, path).resolve()
        if self.model is not None and whole.is_relative_to(self.model):
            return whole.relative_to(self.model).as_posix()
        return whole.as_posix()

    def _only_allowed(self, packages: Iterable[Package]) -> list[Package]:
        """The resolver lists every file; pip's hash-checking mode takes those that are named."""
        kept: list[Package] = []
        refused: list[str] = []
        for package in packages:
            allowed = self.hashes.get(package.name, frozenset())
            files = [f"sha256:{sha256}" for _, sha256 in _sha256s(package)]
            if not allowed or allowed.issuperset(files):
                kept.append(package)
            elif allowed.isdisjoint(files):
                refused.append(f"{package.name} {package.version}: {', '.join(sorted(allowed))}")
            else:
                kept.append(_without_others(package, allowed))
        if refused:
            raise IntegrityError(
                "the index has no file with a hash that the model names",
                details=refused,
                remedy="find out why the index serves other bytes before locking",
            )
        return kept


def was_built(package: Package) -> bool:
    """Whether a build told the resolver what ``package`` depends on, since no wheel could."""
    if package.archive is not None:
        return not str(package.archive.path or package.archive.url).endswith(".whl")
    return not package.wheels


def _without_others(package: Package, allowed: frozenset[str]) -> Package:
    wheels = [file for file in package.wheels or () if _is_allowed(file, allowed)]
    sdist = package.sdist if package.sdist and _is_allowed(package.sdist, allowed) else None
    return replace(package, wheels=wheels or None, sdist=sdist)


def _is_allowed(file: PackageWheel | PackageSdist, allowed: frozenset[str]) -> bool:
    return f"sha256:{file.hashes['sha256']}" in allowed


def _fits(wheel: PackageWheel, tags: frozenset[Tag]) -> bool:
    return not tags.isdisjoint(parse_wheel_filename(wheel.filename)[3])


def _require_hashes(packages: Iterable[Package]) -> None:
    bare = [
        f"{package.name}: {name}"
        for package in packages
        for name, sha256 in _sha256s(package)
        if not sha256
    ]
    if bare:
        raise IntegrityError(
            "the index gives no sha256 for files that would be locked",
            details=bare,
            remedy="an index that publishes hashes (PEP 503 '#sha256=…', PEP 691 'hashes')",
        )


def _sha256s(package: Package) -> Iterator[tuple[str, str]]:
    for file in (*(package.wheels or ()), package.sdist, package.archive):
        if file is not None:
            yield file.url or file.path or "", file.hashes.get("sha256", "")
