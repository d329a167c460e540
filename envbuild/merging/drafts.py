"""Steps from what a model asks for to what is solved: each gives a new draft, with its changes.

The order of steps is that of ``Case.draft``. What depends on the release of MLflow comes after the
recorded versions are filled in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import Literal

from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name

from envbuild.entries.requirements import PipRequirement
from envbuild.merging.conda_names import Translation
from envbuild.merging.contradictions import clash, intersection
from envbuild.merging.flavors import is_provided, needed_packages, runs_own_code
from envbuild.merging.mlflow_releases import (
    MLFLOW,
    SKINNY,
    bounds_for,
    brought_by,
    has_skinny,
    is_within,
    needs_of,
    shares_files,
)
from envbuild.merging.numpy_builds import numpy_bounds
from envbuild.merging.other_systems import adapt
from envbuild.merging.plans import Change, MergeOptions, applies
from envbuild.merging.records import Record, fill_in
from envbuild.model import Model
from envbuild.origins import Origin
from envbuild.platforms import Target
from envbuild.server import ServerProfile
from envbuild.spec import EnvSpec

__all__ = ["Case", "Draft", "Fill", "sort_key"]

Fill = Literal["all", "flavors", "mlflow", "none"]
"""Which recorded versions are filled in: all, those of the flavors' packages, MLflow's, none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """Requirements on their way to a plan, with the changes that were made to them."""

    requirements: tuple[PipRequirement, ...]
    constraints: tuple[PipRequirement, ...]
    changes: tuple[Change, ...] = ()

    def names(self) -> frozenset[NormalizedName]:
        """The names of the requirements."""
        return frozenset(entry.name for entry in self.requirements if entry.name)

    def of(self, *names: NormalizedName) -> tuple[PipRequirement, ...]:
        """The requirements of the names."""
        return tuple(entry for entry in self.requirements if entry.name in names)

    def adding(self, entries: Iterable[PipRequirement], changes: Iterable[Change] = ()) -> Draft:
        """With more changes, and with the requirements that say what none does yet."""
        known = {entry.pep508() for entry in self.requirements}
        return replace(
            self,
            requirements=(
                *self.requirements,
                *(entry for entry in entries if entry.pep508() not in known),
            ),
            changes=(*self.changes, *changes),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """All that the drafts of a merge have in common. ``translation`` is of the conda packages."""

    model: Model
    spec: EnvSpec
    server: ServerProfile
    options: MergeOptions
    targets: tuple[Target, ...]
    translation: Translation
    records: tuple[Record, ...]
    fills_in: bool

    @property
    def constraints(self) -> tuple[PipRequirement, ...]:
        """The model's own constraints and the user's."""
        return (*self.spec.constraints, *self.options.constraints)

    @property
    def relaxed(self) -> frozenset[NormalizedName]:
        """The names whose pins the user lets move."""
        return frozenset(canonicalize_name(name) for name in self.options.relax)

    def applies(self, entry: PipRequirement) -> bool:
        """Whether the requirement is for one of the targets."""
        return any(applies(entry, target) for target in self.targets)

    def fills(self) -> tuple[Fill, ...]:
        """What there is to give up of recorded versions, step by step; MLflow's goes first."""
        filled = {
            change.name
            for change in self.draft("all", swap=False).changes
            if change.kind == "filled-in"
        }
        mlflow = filled & {MLFLOW, SKINNY}
        if not filled:
            return ("all",)
        if mlflow and filled - mlflow:
            return ("all", "flavors", "mlflow", "none")
        return ("all", "none")

    def draft(self, fill: Fill, *, swap: bool) -> Draft:
        """Everything but the server's own packages."""
        draft = self.fill(self.asked(), fill)
        if swap:
            draft = self.swap(draft)
        draft = self.fill(self.add_needs(draft, swapped=swap), fill)
        return self.tell_given_up(self.add_rules(draft))

    def asked(self) -> Draft:
        """What the model asks for, and the MLflow that the server needs beside it."""
        asked = sorted({*self.spec.pip, *self.translation.requirements}, key=sort_key)
        entries, changes = adapt(asked, self.targets)
        draft = Draft(
            requirements=tuple(sorted(set(entries), key=sort_key)),
            constraints=tuple(sorted(self.constraints, key=sort_key)),
            changes=(*self.translation.changes, *changes),
        )
        return self._add_mlflow(draft)

    def can_swap(self) -> bool:
        """Whether mlflow-skinny may stand in for the mlflow that the model asks for."""
        full = self.asked().of(MLFLOW)
        allowed = self.server.skinny_swap and not self.options.keep_mlflow
        from_index = all(entry.source is None for entry in full)
        from_conda = {package.origin for package in self.spec.conda}
        if self.options.runtime != "pip" and any(entry.origin in from_conda for entry in full):
            return False  # conda's own is installed whole
        return bool(full) and allowed and from_index and has_skinny(intersection(full))

    def fill(self, draft: Draft, fill: Fill) -> Draft:
        """With the recorded versions that ``fill`` stands for."""
        wanted = [record for record in self.records if _is_filled(record, fill)]
        entries, changes = self._filled(draft, wanted)
        return replace(draft, requirements=entries, changes=(*draft.changes, *changes))

    def tell_given_up(self, draft: Draft) -> Draft:
        """With a change for each recorded version that could have been filled in and was not."""
        _, possible = self._filled(draft, self.records)
        return draft.adding([], map(_given_up, possible))

    def _filled(
        self, draft: Draft, records: Iterable[Record]
    ) -> tuple[tuple[PipRequirement, ...], tuple[Change, ...]]:
        if not self.fills_in:
            return draft.requirements, ()
        decided = {entry.name for entry in self.constraints if entry.name} | self.relaxed
        return fill_in(draft.requirements, records, decided=decided)

    def swap(self, draft: Draft) -> Draft:
        """With mlflow-skinny of the same version in place of mlflow, extras and markers kept."""
        entries = []
        changes: dict[Change, None] = {}
        for entry in draft.requirements:
            if entry.name != MLFLOW:
                entries.append(entry)
                continue
            skinny = replace(entry, name=SKINNY)
            skinny = replace(skinny, text=skinny.pep508())
            entries.append(skinny)
            changes[self._swapped(entry, skinny)] = None
        return replace(draft, requirements=tuple(entries), changes=(*draft.changes, *changes))

    def add_needs(self, draft: Draft, *, swapped: bool) -> Draft:
        """With what the flavor and the scoring script import and nobody asks for yet.

        What full mlflow brings need not be asked for, unless MLmodel records the version that it
        must have.
        """
        full = draft.of(MLFLOW)
        brought = brought_by(intersection(full)) if full else frozenset()
        recorded = {record.package for record in self.records if self.fills_in}
        names = set(draft.names())
        added: list[PipRequirement] = []
        changes: list[Change] = []
        for entry, reason in self._wanted(draft, swapped=swapped):
            name = canonicalize_name(entry.name or "")
            if is_provided(name, names) or (name in brought and name not in recorded):
                continue
            names.add(name)
            added.append(entry)
            if reason:
                changes.append(_added(entry, reason))
        return draft.adding(added, changes)

    def add_rules(self, draft: Draft) -> Draft:
        """With what releases need and cannot stand and do not say, as far as the model lets it."""
        mlflow = intersection(draft.of(MLFLOW) or draft.of(SKINNY))
        for rule in needs_of(mlflow):
            fitting = self._fitting(rule.requirements, draft)
            draft = draft.adding(fitting, [_added(entry, rule.reason) for entry in fitting])
        bounds: dict[NormalizedName | None, PipRequirement] = {}
        bounds.update((entry.name, entry) for entry in _one_mlflow(draft))
        rules = (rule.requirements for rule in bounds_for(mlflow))
        for entry in self._fitting(chain(*rules, numpy_bounds(self._pinned(draft))), draft):
            known = bounds.get(entry.name)
            if known is None or not is_within(known.specifier, str(entry.specifier)):
                bounds[entry.name] = entry
        return replace(draft, constraints=(*draft.constraints, *bounds.values()))

    def _pinned(self, draft: Draft) -> Iterator[PipRequirement]:
        """The requirements whose versions stay as they are asked for."""
        for entry in draft.requirements:
            if entry.name not in self.relaxed and self.applies(entry):
                yield entry

    def _fitting(self, entries: Iterable[PipRequirement], draft: Draft) -> list[PipRequirement]:
        """What says more than the draft does and contradicts nothing of it."""
        known = {(entry.name, entry.specifier) for entry in draft.requirements}
        names = draft.names()
        return [
            entry
            for entry in entries
            if not self._is_refused(entry, draft)
            and (entry.name, entry.specifier) not in known
            and (entry.specifier or entry.name not in names)
        ]

    def _is_refused(self, entry: PipRequirement, draft: Draft) -> bool:
        """Whether something that was asked for contradicts the entry."""
        others = (*draft.requirements, *draft.constraints)
        return any(
            other.name == entry.name and clash(other, entry)
            for other in others
            if other.name not in self.relaxed
        )

    def _wanted(self, draft: Draft, *, swapped: bool) -> Iterable[tuple[PipRequirement, str]]:
        """Packages that loading and scoring import, with the reason where it is to be told."""
        loader = self.model.loader_module or "loading the model"
        for name in needed_packages(self.model):
            yield _record_side(name, "flavors"), f"{loader} imports it"
        for entry in self.server.scoring_needs:
            if self.applies(entry):
                yield entry, ""
        if swapped and runs_own_code(self.model):
            reason = "full mlflow would have brought it, and the model's own code may import it"
            for name in sorted(brought_by(intersection(draft.of(SKINNY)))):
                yield _record_side(name, "flavors"), reason

    def _add_mlflow(self, draft: Draft) -> Draft:
        """With the MLflow that the server needs, where the model asks for none or for less."""
        need, names = self.server.mlflow, draft.names()
        if need == "none" or MLFLOW in names or (need == "skinny" and SKINNY in names):
            return draft
        origin = Origin(side="server", file=self.server.name, position="mlflow.needs")
        name = MLFLOW if need == "full" else SKINNY
        specifier = intersection(draft.of(SKINNY))
        entry = PipRequirement(
            name=name, origin=origin, text=f"{name}{specifier}", specifier=specifier
        )
        reason = f"{self.server.name} needs it, and the model does not ask for it"
        return draft.adding([entry], [_added(entry, reason)])

    def why_not_full(self) -> str:
        """What of full mlflow stands in the server's way."""
        return self.server.swap_because or f"full mlflow caps what {self.server.name} needs"

    def _swapped(self, full: PipRequirement, skinny: PipRequirement) -> Change:
        return Change(
            kind="swapped",
            name=str(MLFLOW),
            before=full.pep508(),
            after=skinny.pep508(),
            reason=f"{self.why_not_full()}; mlflow-skinny of the same version loads models as well",
            origin=str(full.origin),
        )


def _one_mlflow(draft: Draft) -> Iterator[PipRequirement]:
    """That mlflow-skinny, if something else brings it, is the release of mlflow."""
    full = draft.of(MLFLOW)
    specifier = intersection(full)
    if full and not draft.of(SKINNY) and shares_files(specifier):
        yield replace(_record_side(SKINNY, "", file="mlflow"), specifier=specifier)


def sort_key(entry: PipRequirement) -> tuple[str, str, str]:
    """An order of requirements that does not depend on that of the files."""
    return (entry.name or "", entry.pep508(), str(entry.origin))


def _is_filled(record: Record, fill: Fill) -> bool:
    return fill in {"all", "mlflow" if record.package == MLFLOW else "flavors"}


def _given_up(change: Change) -> Change:
    return replace(
        change,
        kind="dropped",
        before=change.after,
        after=change.before,
        reason=f"{change.reason}, but with that nothing resolves",
    )


def _added(entry: PipRequirement, reason: str) -> Change:
    return Change(
        kind="added",
        name=str(entry.name),
        before="",
        after=entry.pep508(),
        reason=reason,
        origin=str(entry.origin),
    )


def _record_side(name: NormalizedName, position: str, *, file: str = "MLmodel") -> PipRequirement:
    origin = Origin(side="record", file=file, position=position)
    return PipRequirement(name=name, origin=origin, text=str(name), specifier=SpecifierSet())
