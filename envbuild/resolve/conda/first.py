"""Conda first, then pip beside it: what conda brings is fixed before the pip part is solved."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from envbuild.entries.requirements import CondaRequirement, PipRequirement
from envbuild.errors import PythonVersionError, ResolutionError
from envbuild.merging.name_map import NameMap
from envbuild.merging.plans import Plan
from envbuild.platforms import Target
from envbuild.reporter import SILENT, Reporter
from envbuild.resolve.conda.evidence import find_evidence
from envbuild.resolve.conda.interface import (
    CondaOptions,
    CondaProblem,
    CondaResolution,
    CondaSolver,
)
from envbuild.resolve.conda.lockfile import parse_conda_lock
from envbuild.resolve.conda.provided import (
    Provided,
    conflict_error,
    contradicted,
    provided_by,
    suiting,
)

__all__ = ["Beside", "CondaFirst"]

_AUTO = "auto"
_MOST_ROUNDS = 4  # each asks conda for something more that the pip part needs


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """A solved conda part, and what it is to the pip part."""

    resolution: CondaResolution
    provided: Provided

    @property
    def python(self) -> Version:
        """The Python that conda brings.

        Raises:
            PythonVersionError: none that can be named.
        """
        found = [one.version for one in self.resolution.packages if one.name == "python"]
        if not found:
            raise PythonVersionError("the solved conda part has no python")
        return Version(found[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class CondaFirst:
    """Solves the conda part of plans; each distinct one once.

    ``relaxed`` are the names of ``--relax``. ``previous`` is the text of a ``conda-lock.yml``.
    """

    solver: CondaSolver
    names: NameMap
    options: CondaOptions = field(default_factory=CondaOptions)
    relaxed: tuple[str, ...] = ()
    previous: str = field(default="", repr=False)
    reporter: Reporter = SILENT
    _known: dict[CondaProblem, CondaResolution | ResolutionError] = field(
        default_factory=dict, repr=False
    )

    def beside(self, plan: Plan, target: Target) -> Beside:
        """The conda part of ``plan`` on ``target``.

        Where a pip requirement excludes what conda took, conda is asked again for what suits both.

        Raises:
            ResolutionError: no solution.
            ConflictError: what conda has to bring contradicts an entry of the pip part.
        """
        problem = CondaProblem(
            target=target,
            requirements=plan.conda,
            channels=plan.channels,
            previous=self.previous,
            options=self._upgrading(),
        )
        beside = self._solved(problem)
        pip = (*plan.requirements, *plan.constraints)
        for _ in range(_MOST_ROUNDS):
            pairs = contradicted(beside.provided, pip, target)
            more = suiting(pairs, beside.provided) or ()
            if not set(more) - set(problem.requirements):
                break
            problem = replace(problem, requirements=(*problem.requirements, *more))
            try:
                beside = self._solved(problem)
            except ResolutionError as error:
                self._raise_hard(pairs, details=error.details)
                return beside
        self._raise_hard(contradicted(beside.provided, pip, target))
        return beside

    def _raise_hard(
        self,
        pairs: Sequence[tuple[PipRequirement, PipRequirement]],
        *,
        details: Sequence[str] = (),
    ) -> None:
        """Raise for what another plan cannot help.

        The server has older lines and a recorded version may be given up: those are left to the
        pip solve, which fails with both entries.
        """
        movable = {canonicalize_name(name) for name in self.relaxed}
        hard = [
            pair
            for pair in pairs
            if pair[0].origin.side == "option"
            or (
                pair[0].origin.side == "model"
                and _AUTO not in self.relaxed
                and pair[0].name not in movable
            )
        ]
        if hard:
            raise conflict_error(hard, details=details)

    def _solved(self, problem: CondaProblem) -> Beside:
        found = self._known.get(problem)
        if found is None:
            count, platform = len(problem.requirements), problem.target.platform
            self.reporter.step(f"solving {count} conda requirements for {platform}")
            try:
                found = self.solver.solve(problem)
            except ResolutionError as error:
                found = error
            self._known[problem] = found
        if isinstance(found, ResolutionError):
            raise found
        provided = provided_by(
            found, _asked(problem.requirements), self.names, find_evidence(found.packages)
        )
        return Beside(resolution=found, provided=provided)

    def _upgrading(self) -> CondaOptions:
        """The options, with the conda names of what is to move."""
        wanted = {canonicalize_name(name) for name in self.options.upgrade_packages}
        if not wanted or not self.previous:
            return self.options
        locked = parse_conda_lock(self.previous, where="conda-lock.yml")
        names = {one.name for packages in locked.values() for one in packages}
        moving = sorted(name for name in names if self._is_called(name, wanted))
        return replace(self.options, upgrade_packages=tuple(moving))

    def _is_called(self, conda: str, wanted: set[NormalizedName]) -> bool:
        called = {canonicalize_name(conda), *self.names.verdict(conda).names}
        return not called.isdisjoint(wanted)


def _asked(requirements: Iterable[CondaRequirement]) -> tuple[CondaRequirement, ...]:
    """Without what was only added to suit the pip part, where an entry of conda.yaml is too."""
    found: dict[str, CondaRequirement] = {}
    for one in requirements:
        found.setdefault(one.name, one)
    return tuple(found.values())
