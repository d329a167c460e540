"""Which Python releases exist, and which of them an environment gets."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from envbuild.errors import PythonVersionError, UsageError
from envbuild.notices import Notice
from envbuild.tables import read_table

__all__ = ["OPTION", "Releases", "agrees", "choose_given_python", "choose_python", "load_releases"]

OPTION = "--python"
_Minor = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Releases:
    """Each minor version with the last of its releases; ``live`` branches may have newer ones."""

    last: Mapping[_Minor, int]
    live: frozenset[_Minor]
    default: _Minor
    oldest: _Minor

    def all(self) -> tuple[Version, ...]:
        """Every release, the oldest first."""
        return tuple(
            Version(f"{major}.{minor}.{micro}")
            for (major, minor), last in sorted(self.last.items())
            for micro in range(last + 1)
        )

    def nearest(self, wanted: Version) -> Version:
        """The last release of the branch of ``wanted``, or of the branch that is next to it."""
        major, minor = min(
            sorted(self.last, reverse=True), key=lambda branch: _distance(branch, _minor(wanted))
        )
        return Version(f"{major}.{minor}.{self.last[(major, minor)]}")


@functools.cache
def load_releases() -> Releases:
    """The table in ``data/pythons.toml``."""
    table = read_table("pythons")
    last = {_minor(Version(branch)): micro for branch, micro in table["last"].items()}
    return Releases(
        last=MappingProxyType(last),
        live=frozenset(_minor(Version(branch)) for branch in table["live"]),
        default=_minor(Version(table["default"])),
        oldest=_minor(Version(table["oldest"])),
    )


def choose_python(
    request: SpecifierSet, *, preferred: Iterable[str] = (), named: str = "", where: str = ""
) -> Version:
    """The full release that a request means.

    The release itself where it names one; else the first of the ``preferred`` versions (recorded
    ones, ``3.8.5`` or only ``3.8``) that satisfies it; else the newest of the minor version that
    it names. A request that leaves the minor version open gets the recorded one, else the default.
    ``named`` is the request as written and ``where`` its place, for messages.

    Raises:
        PythonVersionError: no known release satisfies it.
    """
    releases = load_releases()
    candidates = [version for version in releases.all() if request.contains(version)]
    if not candidates:
        raise _no_release(request, releases, named=named or f"python{request}", where=where)
    recorded = list(_versions(preferred))
    for version in recorded:
        if version in candidates and len(version.release) > 2:
            return version
    minors = [*map(_minor, recorded), releases.default]
    for minor in minors:
        if matching := [version for version in candidates if _minor(version) == minor]:
            return max(matching)
    return _nearest_branch(candidates, releases.default)


def choose_given_python(
    text: str, *, preferred: Iterable[str] = ()
) -> tuple[Version, tuple[Notice, ...]]:
    """The release that the user's ``--python`` means: ``3.11``, ``3.11.4`` or ``>=3.10,<3.12``.

    A release that is newer than the table of a branch that still gets some is taken on trust,
    with a notice.

    Raises:
        UsageError: not a version and not a range of versions.
        PythonVersionError: no such release.
    """
    request = _given(text)
    releases = load_releases()
    if re.fullmatch(r"\d+\.\d+\.\d+", text):
        version = Version(text)
        if _minor(version) in releases.live and version > (known := releases.nearest(version)):
            message = f"Python {version} is taken on trust: the newest that is known is {known}"
            return version, (Notice(code="python-unknown", message=message, where=OPTION),)
    return choose_python(request, preferred=preferred, named=text, where=OPTION), ()


def agrees(python: Version, request: SpecifierSet) -> bool:
    """Whether the request allows some release of the minor version of ``python``."""
    return any(
        version in request for version in load_releases().all() if _minor(version) == _minor(python)
    )


def _given(text: str) -> SpecifierSet:
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return SpecifierSet(f"=={text}.*")
    try:
        return SpecifierSet(text if re.match(r"[=<>!~]", text) else f"=={text}")
    except InvalidSpecifier as error:
        raise UsageError(
            f"{text!r} is no version of Python",
            where=OPTION,
            remedy=f"{OPTION} 3.11, or a full release such as 3.11.4",
        ) from error


def _no_release(
    request: SpecifierSet, releases: Releases, *, named: str, where: str
) -> PythonVersionError:
    wanted = _wanted(request)
    if wanted is None:
        return PythonVersionError(f"no release of Python satisfies {named}", where=where)
    nearest = releases.nearest(wanted)
    remedy = f"{OPTION} {nearest}"
    if _minor(wanted) < releases.oldest or all(bound.operator[0] == "<" for bound in request):
        problem = (
            f"{named} is too old: the oldest Python with a server is {_dotted(releases.oldest)}"
        )
    else:
        problem = f"no release of Python satisfies {named}"
        if _minor(wanted) in releases.live and wanted > nearest and not wanted.is_prerelease:
            remedy += f", or {OPTION} {wanted} if it was released lately"
    return PythonVersionError(
        problem, where=where, details=[f"nearest release: {nearest}"], remedy=remedy
    )


def _wanted(request: SpecifierSet) -> Version | None:
    """The version that a request is about: where its range begins, else where it ends."""
    lower = [specifier.version for specifier in request if not specifier.operator.startswith("<")]
    ends = lower or [specifier.version for specifier in request]
    return max(_versions(ends), default=None)


def _nearest_branch(candidates: Iterable[Version], default: _Minor) -> Version:
    """The newest candidate of the minor version that is next to the default, older ones first."""
    return min(
        sorted(candidates, reverse=True),
        key=lambda version: (_minor(version) > default, _distance(_minor(version), default)),
    )


def _versions(texts: Iterable[str]) -> Iterable[Version]:
    """Those of the texts that are versions with a minor part."""
    for text in texts:
        try:
            version = Version(text.removesuffix(".*"))
        except InvalidVersion:
            continue
        yield version


def _minor(version: Version) -> _Minor:
    return (version.major, version.minor)


def _dotted(minor: _Minor) -> str:
    return "{}.{}".format(*minor)


def _distance(one: _Minor, other: _Minor) -> int:
    return abs((one[0] - other[0]) * 100 + one[1] - other[1])
