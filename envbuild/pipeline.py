"""The whole story on one screen: the only module that knows every step of locking.

read -> parse -> merge -> resolve -> lock
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from envbuild.ambient import Ambient
from envbuild.entries.requirements import IndexKind, IndexOption, PipRequirement
from envbuild.errors import BuildError, ResolutionError, UsageError
from envbuild.images import glibc_floor
from envbuild.merge import Change, MergeOptions, Plan, merge
from envbuild.merging.name_map import NameMap, load_name_map
from envbuild.model import Model
from envbuild.notices import Notice
from envbuild.options import LockOptions
from envbuild.origins import Origin
from envbuild.platforms import Platform, Target
from envbuild.reporter import SILENT, Reporter
from envbuild.server import load_profile
from envbuild.spec import EnvSpec, parse_environment, parse_requirements

if TYPE_CHECKING:
    from envbuild.locking.lock import Lock
    from envbuild.resolve.conda.first import Beside, CondaFirst
    from envbuild.resolve.conda.interface import CondaSolver
    from envbuild.resolve.interface import Problem, Resolution, Resolver, ResolverOptions

__all__ = ["AUTO", "lock_model", "locked_texts", "make_resolver", "plan_environment"]

AUTO = "auto"
"""In ``relax``: the smallest set of the model's pins that must give way."""

_MOST_UNBUILDABLE = 5
_GOING_ROUND = Origin(side="option", file="envbuild", position="sources that do not build")
_Solved = tuple[Plan, tuple["Resolution", ...]]


def plan_environment(
    model: Model, options: LockOptions, *, ambient: Ambient
) -> tuple[EnvSpec, tuple[Plan, ...]]:
    """Parse and merge: all that needs no network. The plans are in the order to try them.

    Raises:
        SpecError, ProfileError, PythonVersionError, ConflictError, RuntimeUnsupportedError:
            the model, the profile and the options do not go together.
        UsageError: a constraints file cannot be read.
    """
    spec = parse_environment(model)
    plans = merge(
        model,
        spec,
        load_profile(options.server),
        platforms=options.platforms,
        options=_merge_options(options, ambient),
    )
    indexes = tuple(_index_options(options))
    return spec, tuple(
        replace(plan, index_options=(*indexes, *plan.index_options)) for plan in plans
    )


def lock_model(
    model: Model,
    options: LockOptions,
    *,
    ambient: Ambient,
    previous: Mapping[str, str] | None = None,
    resolver: Resolver | None = None,
    conda_solver: CondaSolver | None = None,
    reporter: Reporter = SILENT,
) -> Lock:
    """Lock ``model``: the first plan that resolves on every platform.

    ``previous`` is what ``locked_texts`` gives for a context; the result stays close to it.
    ``resolver`` and ``conda_solver`` are by default those that the options ask for.

    Raises:
        EnvbuildError: of every family up to IntegrityError; see ``docs/reference/exit-codes.md``.
    """
    from envbuild.emit.context import render
    from envbuild.locking.lock import make_lock

    reporter.step("merging the model's requirements with the server's")
    _, plans = plan_environment(model, options, ambient=ambient)
    solver = _Solver(
        model=model,
        options=options,
        ambient=ambient,
        resolver=resolver or make_resolver(options, ambient),
        conda=_conda_first(
            plans[0], options, ambient, conda_solver, previous=previous or {}, reporter=reporter
        ),
        previous=previous or {},
        reporter=reporter,
    )
    plan, resolutions = solver.first_that_resolves(plans)
    return make_lock(model, plan, resolutions, options, renderer=render)


def locked_texts(directory: Path) -> dict[str, str]:
    """The text of each lock file in ``directory`` by platform name; none where there is no lock.

    That of a ``conda-lock.yml`` stands under its own name.
    """
    from envbuild.errors import LockFileError
    from envbuild.locking.header import CONDA_LOCK, find_locks, parse_header
    from envbuild.resolve.conda.lockfile import parse_conda_lock

    texts: dict[str, str] = {}
    try:
        for file in find_locks(directory):
            text = file.read_text(encoding="utf-8")
            texts[parse_header(text, where=str(file)).target.platform.name] = text
        if (conda := directory / CONDA_LOCK).is_file():
            texts[CONDA_LOCK] = conda.read_text(encoding="utf-8")
            parse_conda_lock(texts[CONDA_LOCK], where=str(conda))
    except (LockFileError, OSError, UnicodeDecodeError):
        return {}  # nothing to stay close to
    return texts


@dataclass(frozen=True, slots=True, kw_only=True)
class _Solver:
    """Solves plans in their order, and explains when none resolves."""

    model: Model
    options: LockOptions
    ambient: Ambient
    resolver: Resolver
    conda: CondaFirst | None  # with the conda runtime
    previous: Mapping[str, str]
    reporter: Reporter

    def first_that_resolves(self, plans: Sequence[Plan]) -> _Solved:
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
        from envbuild.resolve.interface import Problem

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


def _merge_options(options: LockOptions, ambient: Ambient) -> MergeOptions:
    return MergeOptions(
        python=options.python,
        fill_in=options.fill_in,
        keep_mlflow=options.keep_mlflow,
        # To keep full mlflow is to ask whether it goes with the floor, not to give up the floor.
        strict_server=options.strict_server or options.keep_mlflow,
        use_model_indexes=options.model_indexes,
        constraints=tuple(_constraints(options, ambient)),
        relax=options.relax,
        runtime=options.runtime,
        channels=options.channels,
        name_map=_name_map(options, ambient),
    )


def _name_map(options: LockOptions, ambient: Ambient) -> NameMap:
    shipped = load_name_map()
    if not options.name_map:
        return shipped
    text = _read(options.name_map, ambient, what="the name map")
    return shipped.with_overrides(text, where=options.name_map)


def _read(name: str, ambient: Ambient, *, what: str) -> str:
    try:
        return (ambient.cwd / name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {what}: {error}", where=name) from error


def _constraints(options: LockOptions, ambient: Ambient) -> list[PipRequirement]:
    found: list[PipRequirement] = []
    for name in options.constraint_files:
        text = _read(name, ambient, what="the constraints")
        found += parse_requirements(text, file=name, side="option")
    return found


def _index_options(options: LockOptions) -> list[IndexOption]:
    given: list[tuple[IndexKind, str]] = [
        *(("index-url", url) for url in (options.index_url,) if url),
        *(("extra-index-url", url) for url in options.extra_index_urls),
        *(("find-links", url) for url in options.find_links),
    ]
    return [
        IndexOption(kind=kind, value=value, origin=Origin(side="option", file=f"--{kind}"))
        for kind, value in given
    ]


def _resolver_options(options: LockOptions) -> ResolverOptions:
    from envbuild.resolve.interface import ResolverOptions

    return ResolverOptions(
        exclude_newer=options.exclude_newer,
        only_binary=options.only_binary,
        upgrade=options.upgrade,
        upgrade_packages=options.upgrade_packages,
        prerelease=options.prerelease,
        cache_dir=options.cache_dir,
        offline=options.offline,
    )


def make_resolver(options: LockOptions, ambient: Ambient) -> Resolver:
    """The resolver of the pip part that ``options`` ask for."""
    if options.resolver == "pip-tools":
        from envbuild.resolve.pip_tools import PipToolsResolver

        return PipToolsResolver.of(ambient)
    from envbuild.resolve.uv import UvResolver

    return UvResolver.of(ambient)


def _conda_first(
    plan: Plan,
    options: LockOptions,
    ambient: Ambient,
    solver: CondaSolver | None,
    *,
    previous: Mapping[str, str],
    reporter: Reporter,
) -> CondaFirst | None:
    """Who solves the conda part; None with the pip runtime, which pays for no import of it."""
    if plan.runtime != "conda":
        return None
    from envbuild.locking.header import CONDA_LOCK
    from envbuild.resolve.conda.conda_lock import CondaLockSolver
    from envbuild.resolve.conda.first import CondaFirst
    from envbuild.resolve.conda.options import conda_options

    return CondaFirst(
        solver=solver or CondaLockSolver(ambient=ambient),
        names=plan.names,
        options=conda_options(options, cwd=ambient.cwd),
        relaxed=options.relax,
        previous=previous.get(CONDA_LOCK, ""),
        reporter=reporter,
    )
