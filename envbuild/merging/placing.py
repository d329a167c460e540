"""The server's packages beside a draft: which line of the server fits, and what is said of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain

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
    drafts = _drafts(case)
    fits = False
    for line in lines:
        for draft in chain(*drafts) if line is newest else drafts[0]:
            if not _obstacles(case, draft, line):
                fits = True
                yield _place(case, draft, line, newest)
    if not fits:
        for draft in chain(*drafts):
            packages, changes = _yielding(case, draft, newest)
            yield Placed(draft=draft.adding(packages, changes))


def excluded_always(case: Case, packages: PackageSet) -> tuple[Obstacle, ...]:
    """What excludes the set whatever is swapped or given up; empty where something helps."""
    found: tuple[Obstacle, ...] = ()
    for draft in chain(*_drafts(case)):
        found = _obstacles(case, draft, packages)
        if not found:
            return ()
    return found


def _drafts(case: Case) -> tuple[tuple[Draft, ...], ...]:
    """The forms of what the model asks for, the nearest to it first: by what is filled in."""
    swaps = (False, True) if case.can_swap() else (False,)
    return tuple(tuple(case.draft(fill, swap=swap) for swap in swaps) for fill in case.fills())


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


def _place(case: Case, draft: Draft, line: PackageSet, newest: PackageSet) -> Placed:
    packages = [entry for entry in line.packages if case.applies(entry)]
    changes = _older_line(case, draft, line, newest)
    asked = next((entry for entry in draft.of(MLFLOW) if entry.specifier), None)
    if not changes or asked is None or not case.server.model_decides_mlflow:
        return Placed(draft=draft.adding(packages, changes))
    message = f"the server is that of {asked.pep508()}, the release of the model"
    where = str(asked.origin)
    notice = Notice(code="server-of-model", message=message, where=where, level="note")
    return Placed(draft=draft.adding(packages), notices=(notice,))


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
            packages += [entry] if case.applies(entry) else []
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
