"""Let chosen pins go, to the nearest release that resolves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from envbuild.entries.requirements import PipRequirement
from envbuild.errors import ResolutionError, UsageError
from envbuild.merge import Change
from envbuild.options import AUTO
from envbuild.resolve.explain import explain
from envbuild.resolve.interface import Problem, Resolution, Resolver
from envbuild.resolve.remedies import exact_version

__all__ = ["nearer", "relax"]

_PARALLEL = 2
_Specifiers = Mapping[NormalizedName, SpecifierSet]


def relax(
    problem: Problem, names: Sequence[str], resolver: Resolver
) -> tuple[Problem, tuple[Change, ...], Resolution]:
    """``problem`` with the pins on ``names`` moved, what moved, and how it resolves.

    ``auto`` among ``names`` adds the smallest set that must give way. A pin moves no further than
    it must: up to the lowest release that resolves or down to the highest, whichever is nearer, the
    other direct requirements being what they are when all of ``names`` are free. A requirement
    that is not a pin (``<2``) loses its bounds. What resolves as it is stays as it is.

    Raises:
        UsageError: a name that is no versioned requirement of the model.
        ResolutionError: letting these go is not enough.
    """
    chosen = {canonicalize_name(name) for name in names if name != AUTO}
    _refuse_unknown(problem, chosen)
    if resolver.satisfiable(problem):
        return problem, (), resolver.resolve(problem)
    choices: tuple[tuple[NormalizedName, ...], ...] = ((),)
    if AUTO in names:
        explanation = explain(problem, resolver)
        if not explanation.relaxable:
            raise explanation.error()
        choices = explanation.choices
    settled = _least_moved(problem, [sorted({*chosen, *more}) for more in choices], resolver)
    relaxed = _with_specifiers(problem, settled)
    resolution = resolver.resolve(relaxed)
    return relaxed, tuple(_changes(problem, settled, resolution)), resolution


def nearer(old: Version, up: Version | None, down: Version | None) -> Version | None:
    """The one of ``up`` and ``down`` whose release shares more leading numbers with ``old``'s.

    A tie goes up: later releases of one line mostly mend, earlier ones lack.
    """
    if up is None or down is None:
        return up or down
    return down if _shared(old, down) > _shared(old, up) else up


def _least_moved(
    problem: Problem, choices: Sequence[Sequence[NormalizedName]], resolver: Resolver
) -> _Specifiers:
    """The choice whose pins move least; the first of several, and the only one if it is alone."""
    if len(choices) == 1:
        return _settle(problem, choices[0], resolver)
    with ThreadPoolExecutor(max_workers=_PARALLEL) as pool:
        found = list(pool.map(lambda names: _settle(problem, names, resolver), choices))
    return min(found, key=lambda settled: _movement(problem, settled))


def _movement(problem: Problem, settled: _Specifiers) -> tuple[int, int]:
    """How far pins move: 3 for another major release, 2 for a minor one, 1 for less; then by how
    much the first number that differs does.
    """
    levels = steps = 0
    for name, specifier in settled.items():
        old = _pinned(problem, name)
        new = next((Version(clause.version) for clause in specifier), None)
        if old is None or new is None:
            levels += 3
            continue
        shared = _shared(old, new)
        levels += max(1, 3 - shared)
        steps += abs(_number(old, shared) - _number(new, shared))
    return levels, steps


def _number(version: Version, position: int) -> int:
    return version.release[position] if position < len(version.release) else 0


def _settle(
    problem: Problem, chosen: Sequence[NormalizedName], resolver: Resolver
) -> dict[NormalizedName, SpecifierSet]:
    """A specifier for each of ``chosen``, one after the other, the rest standing still."""
    free = _with_specifiers(problem, dict.fromkeys(chosen, SpecifierSet()))
    still = _versions(resolver.resolve(replace(free, previous="")))
    settled: dict[NormalizedName, SpecifierSet] = {}
    for name in chosen:
        settled[name] = SpecifierSet()
        old = _pinned(problem, name)
        if old is not None:
            up = _resolved(free, name, f">={old.public}", still, resolver)
            if up is None or not _is_next_to(old, up):
                down = _resolved(free, name, f"<={old.public}", still, resolver)
                version = nearer(old, up, down)
            else:
                version = up
            if version is not None:
                settled[name] = SpecifierSet(f"=={version}")
                still[name] = version
    return settled


def _resolved(
    free: Problem,
    name: NormalizedName,
    bound: str,
    still: Mapping[NormalizedName, Version],
    resolver: Resolver,
) -> Version | None:
    """What ``name`` becomes within ``bound`` while every other direct requirement stands still."""
    others = {one.name: one for one in free.requirements if one.name in still and one.name != name}
    fixed = tuple(
        replace(one, specifier=SpecifierSet(f"=={still[one.name]}"), extras=(), marker=None)
        for one in others.values()
        if one.name is not None and one.source is None
    )
    upward = bound.startswith(">")
    trial = replace(
        _with_specifiers(free, {name: SpecifierSet(bound)}),
        constraints=(*free.constraints, *fixed),
        options=replace(free.options, lowest_direct=upward, upgrade=False),
        previous="",
    )
    try:
        return _versions(resolver.resolve(trial)).get(name)
    except ResolutionError:
        return None


def _refuse_unknown(problem: Problem, names: set[NormalizedName]) -> None:
    own = {one.name for one in problem.requirements if _is_movable(one)}
    if unknown := sorted(names - own):
        raise UsageError(
            f"cannot relax {', '.join(unknown)}: no requirement of the model with a version",
            details=[f"it has {', '.join(sorted(str(name) for name in own)) or 'none'}"],
        )


def _is_own(requirement: PipRequirement) -> bool:
    return requirement.origin.side in {"model", "record"} and requirement.source is None


def _is_movable(requirement: PipRequirement) -> bool:
    return _is_own(requirement) and bool(requirement.specifier)


def _with_specifiers(problem: Problem, specifiers: _Specifiers) -> Problem:
    """``problem`` with other specifiers on requirements of the model."""
    requirements = tuple(
        replace(one, specifier=specifiers[one.name])
        if one.name is not None and one.name in specifiers and _is_own(one)
        else one
        for one in problem.requirements
    )
    return replace(problem, requirements=requirements)


def _pinned(problem: Problem, name: NormalizedName) -> Version | None:
    """The version that the model pins ``name`` to; the first of several, and of ``==1.2.*``."""
    pins = (_version_of(one) for one in problem.requirements if one.name == name)
    return next((version for version in pins if version is not None), None)


def _version_of(pin: PipRequirement) -> Version | None:
    """Of ``==1.2.*``, as conda's ``=1.2`` is on PyPI, the 1.2."""
    texts = [str(clause) for clause in pin.specifier]
    if len(texts) == 1 and texts[0].startswith("==") and texts[0].endswith(".*"):
        return Version(texts[0][2:-2])
    return exact_version(pin)


def _versions(resolution: Resolution) -> dict[NormalizedName, Version]:
    packages = resolution.pylock.packages
    return {package.name: package.version for package in packages if package.version is not None}


def _changes(problem: Problem, settled: _Specifiers, resolution: Resolution) -> Iterator[Change]:
    versions = _versions(resolution)
    for one in problem.requirements:
        if one.name is None or one.name not in settled or not _is_movable(one):
            continue
        after = versions.get(one.name)
        if after is None or one.specifier.contains(after, prereleases=True):
            continue  # its marker rules it out here, or it could stay after all
        yield Change(
            kind="relaxed",
            name=one.name,
            before=str(one.specifier),
            after=f"=={after}",
            reason="the requirements have no solution with it",
            origin=str(one.origin),
        )


def _is_next_to(old: Version, new: Version) -> bool:
    """Whether only the last number differs, so that nothing can be nearer."""
    return _shared(old, new) >= len(old.release) - 1


def _shared(one: Version, other: Version) -> int:
    count = 0
    for left, right in zip(one.release, other.release, strict=False):
        if left != right:
            break
        count += 1
    return count
