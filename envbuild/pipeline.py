"""The whole story on one screen: the only module that knows every step of locking.

read -> parse -> merge -> resolve -> lock
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from envbuild.ambient import Ambient
from envbuild.entries.requirements import IndexKind, IndexOption, PipRequirement
from envbuild.errors import UsageError
from envbuild.merge import MergeOptions, Plan, merge
from envbuild.merging.name_map import NameMap, load_name_map
from envbuild.model import Model
from envbuild.options import LockOptions
from envbuild.origins import Origin
from envbuild.reporter import SILENT, Reporter
from envbuild.server import load_profile
from envbuild.spec import EnvSpec, parse_environment, parse_requirements

if TYPE_CHECKING:
    from envbuild.locking.lock import Lock
    from envbuild.resolve.conda.first import CondaFirst
    from envbuild.resolve.conda.interface import CondaSolver
    from envbuild.resolve.interface import Resolver

__all__ = ["lock_model", "locked_texts", "make_resolver", "plan_environment"]


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
    from envbuild.resolve.solving import PlanSolver

    reporter.step("merging the model's requirements with the server's")
    _, plans = plan_environment(model, options, ambient=ambient)
    solver = PlanSolver(
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
