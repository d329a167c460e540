"""Which plan becomes the lock: the first that resolves on every platform."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from envbuild.ambient import Ambient
from envbuild.entries.requirements import IndexOption
from envbuild.errors import BuildError, ResolutionError
from envbuild.images import glibc_floor
from envbuild.merging.plans import Change, Plan
from envbuild.model import Model
from envbuild.notices import Notice
from envbuild.options import AUTO, LockOptions
from envbuild.origins import Origin
from envbuild.platforms import Platform, Target
from envbuild.reporter import Reporter
from envbuild.resolve.interface import Problem, Resolution, Resolver, ResolverOptions

if TYPE_CHECKING:
    from envbuild.resolve.conda.first import Beside, CondaFirst

__all__ = ["PlanSolver"]

_MOST_UNBUILDABLE = 5
_GOING_ROUND = Origin(side="option", file="envbuild", position="sources that do not build")
_Solved = tuple[Plan, tuple[Resolution, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSolver:
    """Solves plans in their order, and explains when none resolves."""

    model: Model
    options: LockOptions
    ambient: Ambient
    resolver: Resolver
    conda: CondaFirst | None  # with the conda runtime
    previous: Mapping[str, str]
    reporter: Reporter

    def first_that_resolves(self, plans: Sequence[Plan]) -> _Solved:
        """The first of ``plans`` that resolves on every platform, with a resolution for each.

        Raises:
            ResolutionError: none does; it names the smallest set that cannot stand together.
            BuildError: what only exists as source does not build, and nothing goes round it.
        """
        first, *others = self._with_conda(plans)
        try:
            return self._solve(first)
        except ResolutionError:
            contradictory = not self._model_alone_resolves(first)
        # No other server helps against pins of the model that contradict themselves.
        if not contradictory and (solved := self._first_of(others)):
            return solved
        if AUTO in self.options.relax:
            return self._relaxed(plans, contradictory=contradictory)
        raise self._explanation(first, contradictory=contradictory)

    def _with_conda(self, plans: Sequence[Plan]) -> Sequence[Plan]:
        """The plans from the first on whose conda part has a solution.

        Raises:
            ResolutionError: there is none; the error is that of the first plan.
        """
        failed: ResolutionError | None = None
        for position, plan in enumerate(plans):
            try:
                self._problems(plan)
            except ResolutionError as error:
                failed = failed or error
            else:
                return plans[position:]
        raise failed or ResolutionError("there is nothing to solve")

    def _first_of(self, plans: Sequence[Plan], give_way: tuple[str, ...] = ()) -> _Solved | None:
        for plan in plans:
            with suppress(ResolutionError):
                return self._solve(plan, give_way=give_way)
        return None

    def _relaxed(self, plans: Sequence[Plan], *, contradictory: bool) -> _Solved:
        """Let the smallest set of pins go: for the model's own sake, then for the server's."""
        from envbuild.resolve.relax import relax

        self.reporter.step("looking for the smallest set of pins that must give way")
        if contradictory:
            _, changes, _ = relax(self._own_problem(plans[0]), (AUTO,), self.resolver)
            if solved := self._first_of(plans, tuple(change.name for change in changes)):
                return solved
        return self._solve(plans[0], give_way=(AUTO,))

    def _explanation(self, plan: Plan, *, contradictory: bool) -> ResolutionError:
        from envbuild.resolve.explain import explain

        self.reporter.step("looking for what cannot stand together")
        problem = self._own_problem(plan) if contradictory else self._problems(plan)[0]
        return explain(problem, self._oracle()).error()

    def _oracle(self) -> Resolver:
        """Who answers the many questions of an explanation: uv, whoever solves."""
        from envbuild.resolve.uv import UvResolver

        return self.resolver if self.options.resolver == "uv" else UvResolver.of(self.ambient)

    def _solve(self, plan: Plan, *, give_way: tuple[str, ...] = ()) -> _Solved:
        """Every platform of ``plan``; the pins in ``give_way`` may move, as may those named."""
        names = tuple(name for name in self.options.relax if name != AUTO) + give_way
        resolutions: list[Resolution] = []
        changes = dict.fromkeys(plan.changes)
        for problem in self._problems(plan):
            count, platform = len(problem.requirements), problem.target.platform
            self.reporter.step(f"resolving {count} requirements for {platform}")
            resolution, relaxed = self._resolve(problem, names)
            resolutions.append(self._on_conda(plan, resolution))
            changes |= dict.fromkeys(relaxed)
        python = resolutions[0].target.python
        return replace(plan, python=python, changes=tuple(changes)), tuple(resolutions)

    def _on_conda(self, plan: Plan, resolution: Resolution) -> Resolution:
        """The resolution of the pip part with the conda part that it stands on."""
        beside = self._beside(plan, resolution.target.platform)
        if beside is None:
            return resolution
        found = beside.resolution
        return replace(
            resolution,
            conda=found.packages,
            resolver=f"{found.solver}; {resolution.resolver}",
            notices=(*found.notices, *beside.provided.notices, *resolution.notices),
        )

    def _beside(self, plan: Plan, platform: Platform) -> Beside | None:
        if self.conda is None:
            return None
        return self.conda.beside(plan, self._target(plan, platform))

    def _target(self, plan: Plan, platform: Platform) -> Target:
        glibc = glibc_floor(self.options.base_image)
        return Target(python=plan.python, platform=platform, glibc=glibc)

    def _resolve(
        self, problem: Problem, names: tuple[str, ...]
    ) -> tuple[Resolution, tuple[Change, ...]]:
        """Solve, going round releases that only exist as source and do not build here."""
        notices: list[Notice] = []
        while True:
            try:
                resolution, changes = self._resolve_as_is(problem, names)
            except BuildError as error:
                if not self._can_go_round(error, problem, notices):
                    raise
                problem = _wheels_only(problem, error.package)
                notices.append(_gone_round(error))
            else:
                found = replace(resolution, notices=(*resolution.notices, *notices))
                return found, changes

    def _can_go_round(self, error: BuildError, problem: Problem, notices: Sequence[Notice]) -> bool:
        """Whether another release of what does not build may do, and resolves."""
        if not error.package or len(notices) == _MOST_UNBUILDABLE:
            return False
        try:
            return self._oracle().satisfiable(_wheels_only(problem, error.package))
        except BuildError as other:
            return other.package != error.package

    def _resolve_as_is(
        self, problem: Problem, names: tuple[str, ...]
    ) -> tuple[Resolution, tuple[Change, ...]]:
        if not names:
            return self.resolver.resolve(problem), ()
        from envbuild.resolve.relax import relax

        _, changes, resolution = relax(problem, names, self.resolver)
        return resolution, changes

    def _problems(self, plan: Plan) -> list[Problem]:
        return [self._problem(plan, platform) for platform in self.options.platforms]

    def _problem(self, plan: Plan, platform: Platform) -> Problem:
        """The pip part on a platform, what conda brings among its requirements."""
        target, requirements = self._target(plan, platform), plan.requirements
        if beside := self._beside(plan, platform):
            target = replace(target, python=beside.python)
            requirements = (*requirements, *beside.provided.entries)
        return Problem(
            target=target,
            requirements=requirements,
            constraints=plan.constraints,
            index_options=plan.index_options,
            model_path=str(self.model.path),
            previous=self.previous.get(platform.name, ""),
            options=_resolver_options(self.options),
        )

    def _own_problem(self, plan: Plan) -> Problem:
        """What the model asks for, without the server."""
        problem = self._problems(plan)[0]
        own = tuple(one for one in problem.requirements if one.origin.side != "server")
        return replace(problem, requirements=own)

    def _model_alone_resolves(self, plan: Plan) -> bool:
        self.reporter.step("looking whether the model's own requirements resolve")
        return self._oracle().satisfiable(self._own_problem(plan))


def _wheels_only(problem: Problem, package: str) -> Problem:
    option = IndexOption(kind="only-binary", value=package, origin=_GOING_ROUND)
    return replace(problem, index_options=(*problem.index_options, option))


def _gone_round(error: BuildError) -> Notice:
    return Notice(
        code="source-does-not-build",
        message=f"{error.problem}; took a release of {error.package} that has a wheel",
    )


def _resolver_options(options: LockOptions) -> ResolverOptions:
    return ResolverOptions(
        exclude_newer=options.exclude_newer,
        only_binary=options.only_binary,
        upgrade=options.upgrade,
        upgrade_packages=options.upgrade_packages,
        prerelease=options.prerelease,
        cache_dir=options.cache_dir,
        offline=options.offline,
    )
