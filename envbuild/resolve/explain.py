"""A resolution that failed, in the user's terms: which entries clash, and what must give way."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from packaging.utils import NormalizedName

from envbuild.entries.requirements import PipRequirement
from envbuild.errors import EnvbuildError, ResolutionError
from envbuild.resolve.conflicts import Budget, Items, diagnose
from envbuild.resolve.interface import Problem, Resolver
from envbuild.resolve.remedies import find_remedies, is_no_package

__all__ = ["Explanation", "explain"]

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?")
# uv writes the marker of a dependency behind its name: ``numpy{python_full_version < '3.10'}``.
_MARKER = re.compile(r"(?<=[\w\]])\{[^{}]*\}")
_MOST_CONFLICTS = 6
_MOST_LINES = 30
_MOST_ROUNDS = 3
_MODEL = ("model", "record")


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a problem has no solution.

    ``conflicts`` are minimal sets of requirements that cannot stand together, each with an entry
    fewer can; there may be more than were met. ``derivation`` is the resolver's reasoning about the
    first. ``give_way`` are sets of the model's requirements, each enough: without any one of them
    the rest resolves. They are smallest if ``is_smallest``, else one that holds nothing needless;
    none where none was found. If ``relaxable``, each resolves with other versions. ``remedies``
    were tried, or follow from the facts.
    """

    conflicts: tuple[tuple[PipRequirement, ...], ...]
    derivation: tuple[str, ...]
    give_way: tuple[tuple[PipRequirement, ...], ...] = ()
    is_smallest: bool = False
    relaxable: bool = False
    remedies: tuple[str, ...] = ()

    @property
    def choices(self) -> tuple[tuple[NormalizedName, ...], ...]:
        """The packages of each set of ``give_way``, for ``--relax``."""
        names = ({one.name for one in entries if one.name} for entries in self.give_way)
        return tuple(dict.fromkeys(tuple(sorted(one)) for one in names))

    def error(self) -> ResolutionError:
        """The explanation as the error to raise."""
        return ResolutionError(
            "no set of releases satisfies the requirements",
            details=[*self._conflict_lines(), *self._derivation_lines(), *self._removal_lines()],
            remedy="; or ".join(self.remedies),
        )

    def _conflict_lines(self) -> Iterable[str]:
        for position, conflict in enumerate(self.conflicts[:_MOST_CONFLICTS]):
            yield _heading(is_first=position == 0, is_alone=len(conflict) == 1)
            width = max(len(one.pep508()) for one in conflict)
            for one in conflict:
                yield f"  {one.pep508():{width}}  ({one.origin})"
        if (more := len(self.conflicts) - _MOST_CONFLICTS) > 0:
            yield f"and {more} more such sets"

    def _derivation_lines(self) -> Iterable[str]:
        if self.derivation:
            yield "why, in the words of the resolver:"
        for line in self.derivation[:_MOST_LINES]:
            yield f"  {line}"
        if (more := len(self.derivation) - _MOST_LINES) > 0:
            yield f"  … and {more} more lines"

    def _removal_lines(self) -> Iterable[str]:
        for position, entries in enumerate(self.give_way):
            shown = ", ".join(sorted(one.pep508() for one in entries))
            which = "the smallest set" if self.is_smallest else "a set, perhaps not the smallest,"
            if position == 0:
                yield f"{which} of the model's versions that must give way: {shown}"
            else:
                yield f"or as well: {shown}"


def _heading(*, is_first: bool, is_alone: bool) -> str:
    if is_alone:
        return "this cannot be met:" if is_first else "nor can this be met:"
    return "these cannot stand together:" if is_first else "nor can these stand together:"


def explain(problem: Problem, resolver: Resolver, *, budget: Budget | None = None) -> Explanation:
    """Why ``problem``, which has no solution, has none.

    ``resolver`` is asked dozens of times, so it should be uv's even where another one solves. What
    cannot be found out within ``budget`` is left open.
    """
    enquiry = _Enquiry(problem=replace(problem, previous=""), resolver=resolver)
    found = diagnose(
        range(len(problem.requirements)),
        enquiry.satisfiable,
        removable=enquiry.removable(),
        hint=enquiry.blamed,
        budget=budget,
    )
    conflicts = tuple(enquiry.entries(conflict) for conflict in found.conflicts)
    blamed = found.conflicts[0] if found.conflicts else enquiry.everything
    derivation = enquiry.derivation(blamed)
    relaxable = [one for one in found.removals if one and enquiry.resolves_unpinned(one)]
    wider = None if relaxable or not found.removals else enquiry.widened(found.removals[0])
    relaxable = [wider] if wider else relaxable
    give_way = tuple(enquiry.entries(one) for one in relaxable or found.removals if one)
    return Explanation(
        conflicts=conflicts,
        derivation=derivation,
        give_way=give_way,
        is_smallest=found.is_smallest and wider is None,
        relaxable=bool(relaxable),
        remedies=find_remedies(
            enquiry.problem,
            resolver,
            conflict=enquiry.entries(blamed),
            derivation=derivation,
            give_way=give_way,
            relaxable=bool(relaxable),
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Enquiry:
    """Questions to the resolver about some of a problem's requirements, by their numbers."""

    problem: Problem
    resolver: Resolver
    _derivations: dict[Items, tuple[str, ...]] = field(default_factory=dict)

    @property
    def everything(self) -> Items:
        return frozenset(range(len(self.problem.requirements)))

    def entries(self, items: Items) -> tuple[PipRequirement, ...]:
        return tuple(self.problem.requirements[item] for item in sorted(items))

    def removable(self) -> Items:
        """The model's versions: what the server needs is not the model's to give up."""
        return frozenset(
            item
            for item, one in enumerate(self.problem.requirements)
            if one.origin.side in _MODEL
            and one.name
            and one.specifier
            and one.source is None
            and not is_no_package(one.name)
        )

    def satisfiable(self, items: Items) -> bool:
        return self.resolver.satisfiable(self._only(items))

    def blamed(self, items: Items) -> Items:
        """The requirements whose names the resolver mentions when it refuses ``items``."""
        words = set(_NAME.findall(" ".join(self.derivation(items)).lower()))
        requirements = self.problem.requirements
        return frozenset(item for item in items if requirements[item].name in words)

    def derivation(self, items: Items) -> tuple[str, ...]:
        """The resolver's reasoning why ``items`` cannot be met."""
        if items not in self._derivations:
            try:
                self.resolver.resolve(self._only(items))
                self._derivations[items] = ()
            except ResolutionError as error:
                self._derivations[items] = tuple(_MARKER.sub("", line) for line in error.details)
        return self._derivations[items]

    def resolves_unpinned(self, items: Items) -> bool:
        """Whether any version of ``items`` fits: to be left out is more than to be unpinned."""
        try:
            return self.resolver.satisfiable(self._unpinned(items))
        except EnvbuildError:
            return False

    def widened(self, items: Items) -> Items | None:
        """``items``, which may be left out, and what must give way as well for any of their
        versions to fit; None where that was not found.
        """
        for _ in range(_MOST_ROUNDS):
            if not (more := self._more(items)):
                return None
            items |= more
            if self.resolves_unpinned(items):
                return self._needed(items)
        return None

    def _more(self, items: Items) -> Items:
        """What else must give way where ``items`` have no versions any more."""
        freer = replace(self, problem=self._unpinned(items), _derivations={})
        try:
            found = diagnose(
                self.everything,
                freer.satisfiable,
                removable=freer.removable(),
                hint=freer.blamed,
                budget=Budget(calls=60, seconds=30),
            )
        except EnvbuildError:
            return frozenset()
        return next(iter(found.removals), frozenset())

    def _needed(self, items: Items) -> Items:
        """``items`` without those whose pins can stay after all."""
        for item in sorted(items):
            if self.resolves_unpinned(items - {item}):
                items -= {item}
        return items

    def _unpinned(self, items: Items) -> Problem:
        requirements = tuple(
            replace(one, specifier=type(one.specifier)()) if item in items else one
            for item, one in enumerate(self.problem.requirements)
        )
        return replace(self.problem, requirements=requirements)

    def _only(self, items: Items) -> Problem:
        return replace(self.problem, requirements=self.entries(items))
