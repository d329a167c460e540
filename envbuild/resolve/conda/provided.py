"""What a solved conda part brings under the names of PyPI, and which entries it is there for. Pure.

The pip part is solved with these fixed: see ``docs/explanation/one-truth.md``.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import InvalidVersion, Version

from envbuild.entries.requirements import CondaRequirement, PipRequirement
from envbuild.errors import ConflictError
from envbuild.merging.conda_part import conda_version
from envbuild.merging.name_map import NameMap
from envbuild.merging.plans import applies
from envbuild.notices import Notice
from envbuild.origins import Origin
from envbuild.platforms import Target
from envbuild.resolve.conda.interface import CondaPackage, CondaResolution

__all__ = ["Evidence", "Provided", "conflict_error", "contradicted", "provided_by", "suiting"]

Evidence = Mapping[str, tuple[tuple[str, str], ...]]
"""By conda name: the (name, version) of each dist-info in the package, where it is at hand."""

_PYTHON = "python"
_NEEDS_PYTHON = frozenset({"python", "python_abi", "cpython", "pypy"})
_DEPEND = re.compile(r"^(?:[^\s:]+::)?([A-Za-z0-9_.-]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Provided:
    """``entries`` are pins under PyPI names, of the side ``conda``, one for a name and sorted.

    ``conda`` gives the conda package of each.
    """

    entries: tuple[PipRequirement, ...]
    conda: Mapping[NormalizedName, str]
    notices: tuple[Notice, ...] = ()

    def get(self, name: NormalizedName | None) -> PipRequirement | None:
        """The entry of a name."""
        return next((one for one in self.entries if one.name == name), None)


def provided_by(
    resolution: CondaResolution,
    asked: Sequence[CondaRequirement],
    names: NameMap,
    evidence: Evidence,
) -> Provided:
    """What the packages of ``resolution`` are on PyPI, each with the entry that it is there for.

    The package's own dist-info counts most. A package that is only taken to have the same name has
    to depend on Python: a C library may be called like a Python package.
    """
    origins = _origins(resolution.packages, asked)
    entries: dict[NormalizedName, tuple[int, PipRequirement, str]] = {}
    notices: list[Notice] = []
    for package in resolution.packages:
        for rank, name, version in _distributions(package, names, evidence):
            origin = origins[package.name]
            try:
                pinned = SpecifierSet(f"=={Version(version)}")
            except InvalidVersion:
                notices.append(_no_version(package, origin))
                continue
            entry = PipRequirement(
                name=name, origin=origin, text=f"{name}{pinned}", specifier=pinned
            )
            before = entries.get(name)
            if before and before[1].specifier != pinned:
                better = min(before, (rank, entry, package.name), key=lambda one: one[0])
                notices.append(_two_versions(before, (rank, entry, package.name), better))
            if before is None or rank < before[0]:
                entries[name] = (rank, entry, package.name)
    ordered = sorted(entries)
    return Provided(
        entries=tuple(entries[name][1] for name in ordered),
        conda={name: entries[name][2] for name in ordered},
        notices=tuple(notices),
    )


def _distributions(
    package: CondaPackage, names: NameMap, evidence: Evidence
) -> Iterator[tuple[int, NormalizedName, str]]:
    """Rank (0 is surest), name and version of each distribution that the package holds."""
    if package.name == _PYTHON:
        return
    if package.name in evidence:
        for name, version in evidence[package.name]:
            yield 0, canonicalize_name(name), version
        return
    verdict = names.verdict(package.name)
    if verdict.source == "same" and not _NEEDS_PYTHON & set(_needs(package)):
        return
    rank = {"user": 1, "known": 2}.get(verdict.source, 3)
    for name in verdict.names:
        yield rank, name, package.version


def _needs(package: CondaPackage) -> Iterator[str]:
    for depend in package.depends:
        if found := _DEPEND.match(depend):
            yield found[1].lower()


def _origins(
    packages: Sequence[CondaPackage], asked: Sequence[CondaRequirement]
) -> dict[str, Origin]:
    """For each package the entry of conda.yaml that it is there for, the nearest one first."""
    by_name = {package.name: package for package in packages}
    found: dict[str, Origin] = {}
    queue: deque[tuple[str, Origin, str]] = deque(
        (one.name, one.origin, "") for one in asked if one.name in by_name
    )
    while queue:
        name, origin, way = queue.popleft()
        if name in found or name not in by_name:
            continue
        package = by_name[name]
        found[name] = _brought(package, origin, way)
        further = f"{way}, {name}" if way else name
        queue.extend((need, origin, further) for need in sorted(_needs(package)))
    for package in packages:
        if package.name not in found:
            found[package.name] = _brought(package, Origin(side="conda", file="conda"), "")
    return found


def _brought(package: CondaPackage, origin: Origin, way: str) -> Origin:
    by_way = f", by way of {way}" if way else ""
    text = f"({package.name} {package.version} from conda{by_way})"
    return replace(origin, side="conda", position=f"{origin.position} {text}".strip())


def contradicted(
    provided: Provided, requirements: Iterable[PipRequirement], target: Target
) -> tuple[tuple[PipRequirement, PipRequirement], ...]:
    """Each pip requirement that excludes what conda has of the package, and conda's entry."""
    pairs: list[tuple[PipRequirement, PipRequirement]] = []
    for one in requirements:
        entry = provided.get(one.name)
        if entry is None or not applies(one, target):
            continue
        (version,) = (clause.version for clause in entry.specifier)
        if one.source is not None or not one.specifier.contains(version, prereleases=True):
            pairs.append((one, entry))
    return tuple(pairs)


def suiting(
    pairs: Iterable[tuple[PipRequirement, PipRequirement]], provided: Provided
) -> tuple[CondaRequirement, ...] | None:
    """What to ask of conda so that it suits the pip requirements too; None where nothing would."""
    asked: dict[CondaRequirement, None] = {}
    for one, entry in pairs:
        local = any("+" in clause.version for clause in one.specifier)
        if one.source is not None or local or entry.name is None:
            return None
        wanted = CondaRequirement(
            name=provided.conda[entry.name],
            origin=one.origin,
            text=one.pep508(),
            version=conda_version(one.specifier),
        )
        asked[wanted] = None
    return tuple(asked)


def conflict_error(
    pairs: Iterable[tuple[PipRequirement, PipRequirement]], *, details: Sequence[str] = ()
) -> ConflictError:
    """The error for pip requirements that exclude what conda brings; both entries are named."""
    lines = [
        f"{one.name}: {one.origin} asks for {one.pep508()} from pip,"
        f" {entry.origin} brings {entry.pep508()}"
        for one, entry in pairs
    ]
    return ConflictError(
        "the pip part contradicts what conda brings",
        details=[*lines, *details],
        remedy="change one of the entries; or --runtime pip, where conda is not needed",
    )


def _no_version(package: CondaPackage, origin: Origin) -> Notice:
    message = (
        f"{package.name} {package.version} from conda has no version that pip understands,"
        " so the pip part is solved without it"
    )
    return Notice(code="conda-version", message=message, where=str(origin))


def _two_versions(
    one: tuple[int, PipRequirement, str],
    other: tuple[int, PipRequirement, str],
    better: tuple[int, PipRequirement, str],
) -> Notice:
    message = (
        f"{one[2]} and {other[2]} from conda both stand for {one[1].name};"
        f" the pip part is solved with {better[1].pep508()}"
    )
    return Notice(code="conda-two-versions", message=message, where=str(better[1].origin))
