"""Requirements that contradict each other: what can be seen without asking an index."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import combinations
from operator import and_

from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName

from envbuild.entries.requirements import PipRequirement
from envbuild.merging.plans import applies
from envbuild.platforms import Target

__all__ = ["Contradiction", "clash", "find_contradictions", "intersection"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction:
    """Requirements of one name that no version satisfies.

    ``platforms`` are empty where that holds on all of them.
    """

    name: NormalizedName
    requirements: tuple[PipRequirement, ...]
    platforms: tuple[str, ...] = ()

    def __str__(self) -> str:
        on = f" (on {', '.join(self.platforms)})" if self.platforms else ""
        first, *rest = self.requirements
        if not rest:
            return f"{first.origin} asks for {first.pep508()}, which no version can be{on}"
        others = " and ".join(f"{entry.origin} for {entry.pep508()}" for entry in rest)
        return f"{first.origin} asks for {first.pep508()}, {others}{on}"


def find_contradictions(
    requirements: Iterable[PipRequirement], targets: Sequence[Target]
) -> tuple[Contradiction, ...]:
    """Every contradiction among the requirements that apply to a target, sorted by name."""
    entries = sorted(requirements, key=lambda entry: (str(entry.origin), entry.pep508()))
    found: dict[tuple[NormalizedName, tuple[PipRequirement, ...]], list[str]] = {}
    for target in targets:
        for name, group in _conflicting(entry for entry in entries if applies(entry, target)):
            found.setdefault((name, group), []).append(target.platform.name)
    return tuple(
        Contradiction(
            name=name,
            requirements=group,
            platforms=() if len(platforms) == len(targets) else tuple(platforms),
        )
        for (name, group), platforms in sorted(found.items(), key=lambda item: item[0][0])
    )


def clash(one: PipRequirement, other: PipRequirement) -> bool:
    """Whether no version satisfies both, or both name different sources."""
    if one.source is not None and other.source is not None:
        return one.source != other.source
    return (one.specifier & other.specifier).is_unsatisfiable()


def intersection(requirements: Iterable[PipRequirement]) -> SpecifierSet:
    """The versions that satisfy all requirements."""
    return reduce(and_, (entry.specifier for entry in requirements), SpecifierSet())


def _conflicting(
    entries: Iterable[PipRequirement],
) -> Iterator[tuple[NormalizedName, tuple[PipRequirement, ...]]]:
    """For each name the smallest groups that conflict: one entry, pairs, else all of them."""
    groups: defaultdict[NormalizedName, list[PipRequirement]] = defaultdict(list)
    for entry in entries:
        if entry.name is not None:
            groups[entry.name].append(entry)
    for name, group in groups.items():
        alone = [entry for entry in group if entry.specifier.is_unsatisfiable()]
        pairs = [pair for pair in combinations(group, 2) if clash(*pair)]
        if alone:
            yield from ((name, (entry,)) for entry in alone)
        elif pairs:
            yield from ((name, pair) for pair in pairs)
        elif intersection(group).is_unsatisfiable():
            yield name, tuple(group)
