"""The server's packages beside a draft: which line of the server fits, and what is said of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from packaging.specifiers import SpecifierSet

from envbuild.entries.requirements import PipRequirement
from envbuild.merging.contradictions import clash
from envbuild.merging.drafts import Case, Draft
from envbuild.merging.mlflow_releases import MLFLOW
from envbuild.merging.plans import Change
from envbuild.notices import Notice
from envbuild.server import Companion, PackageSet

__all__ = ["Obstacle", "Placed", "excluded_always", "placements"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """A requirement of the model or the user that the server's ``ours`` cannot stand."""

    ours: PipRequirement | Companion
    theirs: PipRequirement

    def __str__(self) -> str:
        ours = self.ours.pep508() if isinstance(self.ours, PipRequirement) else str(self.ours)
        theirs = f"{self.theirs.origin} asks for {self.theirs.pep508()}"
        return f"{theirs}, {self.ours.origin} for {ours}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A draft with the server's packages, and what is to be said beside its changes."""

    draft: Draft
    notices: tuple[Notice, ...] = ()


def placements(case: Case, sets: Sequence[PackageSet]) -> Iterator[Placed]:
    """The drafts to solve, best first.

    The newest line of the server comes first, with everything as asked; then with mlflow-skinny,
    without recorded versions, and only then older lines. Where no line fits the model's pins, these
    win: what they exclude of the server is the model's to decide.
    """
    newest, *older = sets
    lines = (newest,) if case.options.strict_server else (newest, *older)
    fits = False
    for line in lines:
        for draft in _drafts(case, all_fills=line is newest):
            if not _obstacles(case, draft, line):
                fits = True
                yield _place(case, draft, line.packages, _older_line(case, draft, line, newest))
    if not fits:
        for draft in _drafts(case, all_fills=True):
            yield _place(case, draft, *_yielding(case, draft, newest))


def excluded_always(case: Case, packages: PackageSet) -> tuple[Obstacle, ...]:
    """What excludes the set whatever is swapped or given up; empty where something helps."""
    found: tuple[Obstacle, ...] = ()
    for draft in _drafts(case, all_fills=True):
        found = _obstacles(case, draft, packages)
        if not found:
            return ()
    return found


def _drafts(case: Case, *, all_fills: bool) -> Iterator[Draft]:
    """The forms of what the model asks for, the nearest to it first."""
    swaps = (False, True) if case.can_swap() else (False,)
    for fill in case.fills() if all_fills else case.fills()[:1]:
        for swap in swaps:
            yield case.draft(fill, swap=swap)


def _obstacles(case: Case, draft: Draft, line: PackageSet) -> tuple[Obstacle, ...]:
    own = [
        entry
        for entry in (*draft.requirements, *case.constraints)
        if entry.name not in case.relaxed and case.applies(entry)
    ]
    packages = [
        Obstacle(ours=ours, theirs=theirs)
        for ours in line.packages
        for theirs in own
        if ours.name == theirs.name and case.applies(ours) and clash(theirs, ours)
    ]
    companions = [
        Obstacle(ours=companion, theirs=theirs)
        for companion in line.beside
        for theirs in own
        if companion.name == theirs.name and not companion.allows(theirs.specifier)
    ]
    return (*packages, *companions)


def _place(
    case: Case, draft: Draft, packages: Iterable[PipRequirement], changes: Iterable[Change]
) -> Placed:
    placed = draft.adding([entry for entry in packages if case.applies(entry)], changes)
    asked = next((entry for entry in draft.of(MLFLOW) if entry.specifier), None)
    if not case.server.model_decides_mlflow or asked is None or not changes:
        return Placed(draft=placed)
    message = f"the server is that of {asked.pep508()}, the release of the model"
    notice = Notice(code="server-of-model", message=message, where=str(asked.origin), level="note")
    return Placed(draft=replace(placed, changes=draft.changes), notices=(notice,))


def _older_line(
    case: Case, draft: Draft, line: PackageSet, newest: PackageSet
) -> tuple[Change, ...]:
    """That an older line is taken, and what keeps the newest away where that is known."""
    if line is newest:
        return ()
    theirs = [f"{o.theirs.origin} has {o.theirs.pep508()}" for o in _obstacles(case, draft, newest)]
    because = " and ".join(dict.fromkeys(theirs)) or "with those nothing resolves"
    wanted = {entry.name: entry for entry in newest.packages}
    return tuple(
        _older(wanted[entry.name], entry.pep508(), f"{line.reason}, and {because}")
        for entry in line.packages
        if entry.name in wanted and entry.specifier != wanted[entry.name].specifier
    )


def _yielding(
    case: Case, draft: Draft, newest: PackageSet
) -> tuple[list[PipRequirement], list[Change]]:
    """The newest line without what the model's pins exclude of it, and what that changes.

    A requirement of the model stands for the server's; where only a constraint excludes it, the
    package is asked for in any version.
    """
    excluding = {o.ours: o.theirs for o in _obstacles(case, draft, newest)}
    packages: list[PipRequirement] = []
    changes: list[Change] = []
    for entry in newest.packages:
        theirs = excluding.get(entry)
        if theirs is None:
            packages.append(entry)
            continue
        reason = f"{theirs.origin} asks for it; {case.server.name} is made for {entry.pep508()}"
        changes.append(_older(entry, theirs.pep508(), reason))
        if entry.name not in draft.names():
            bare = replace(entry, specifier=SpecifierSet())
            packages.append(replace(bare, text=bare.pep508()))
    return packages, changes


def _older(wanted: PipRequirement, after: str, reason: str) -> Change:
    return Change(
        kind="older-server",
        name=str(wanted.name),
        before=wanted.pep508(),
        after=after,
        reason=reason,
        origin=str(wanted.origin),
    )
