"""EnvSpec + ServerProfile -> the plans to solve, best first; or every contradiction. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from packaging.version import Version

from envbuild.entries.requirements import CondaRequirement
from envbuild.errors import ConflictError, PythonVersionError
from envbuild.merging.conda_names import Translation, ambiguous, same_on_pypi, translate
from envbuild.merging.conda_part import (
    channels_of,
    find_conda_contradictions,
    needs_conda,
    packages_of,
)
from envbuild.merging.contradictions import Contradiction, find_contradictions
from envbuild.merging.drafts import Case, sort_key
from envbuild.merging.mlflow_releases import MLFLOW
from envbuild.merging.placing import Placed, excluded_always, placements
from envbuild.merging.plans import Change, MergeOptions, Plan, applies
from envbuild.merging.records import (
    derive_environment,
    remarks_on_flavors,
    remarks_on_records,
    versions_recorded,
)
from envbuild.model import Model
from envbuild.notices import Notice
from envbuild.origins import Origin
from envbuild.platforms import Platform, Target
from envbuild.pythons import OPTION, agrees, choose_given_python, choose_python
from envbuild.server import PackageSet, ServerProfile
from envbuild.spec import EnvSpec

__all__ = ["Change", "MergeOptions", "Plan", "applies", "merge"]

_AUTO = "auto"
_SETUPTOOLS = "setuptools"


def merge(
    model: Model,
    spec: EnvSpec,
    server: ServerProfile,
    *,
    platforms: tuple[Platform, ...],
    options: MergeOptions,
) -> tuple[Plan, ...]:
    """The plans to try in order: the first that resolves is the lock.

    The first keeps all that the model says and fills in; later ones swap mlflow for mlflow-skinny,
    give up a filled-in version, or step to an older server: each with the change that says so.
    What is known not to stand beside the model's own pins is in no plan.

    Raises:
        ConflictError: contradictions that need no index to see, all at once, naming both origins.
        PythonVersionError: no release of Python fits.
        SpecError: no environment file, and MLmodel does not say enough to do without.
    """
    is_derived = not spec.pip and not spec.conda
    if is_derived:
        spec = derive_environment(model, spec, has_python=bool(options.python))
    python, on_python = _python(model, spec, options)
    sets = _sets(server, python)
    case = Case(
        model=model,
        spec=spec,
        server=server,
        options=options,
        targets=tuple(Target(python=python, platform=platform) for platform in platforms),
        translation=_translation(spec, options),
        records=versions_recorded(model),
        fills_in=options.fill_in or is_derived,
    )
    _raise_contradictions(case, sets)
    noticed = (*model.notices, *spec.notices, *on_python, *_remarks(case))
    plans: dict[object, Plan] = {}
    for placed in placements(case, sets):
        plan = _plan(placed, case, python, noticed)
        plans.setdefault((plan.requirements, plan.constraints, plan.conda), plan)
    return tuple(plans.values())


def _translation(spec: EnvSpec, options: MergeOptions) -> Translation:
    """What the conda packages are on PyPI: in place of conda, or beside it for comparing."""
    if needs_conda(spec, options):
        return same_on_pypi([*spec.conda, *spec.conda_tools], options.name_map)
    return translate([*spec.conda, *_setuptools(spec)], options.name_map)


def _python(
    model: Model, spec: EnvSpec, options: MergeOptions
) -> tuple[Version, tuple[Notice, ...]]:
    recorded = [model.python_version] if model.python_version else []
    asked = spec.python
    if options.python:
        python, notices = choose_given_python(options.python, preferred=recorded)
        if asked and not agrees(python, asked.specifier):
            message = f"Python {python} counts, though {asked.origin} has {asked.text}"
            notices += (Notice(code="python-differs", message=message, where=OPTION),)
        return python, notices
    if asked is None:
        raise PythonVersionError(
            "the model does not say which Python it needs",
            where=model.name,
            remedy=f"{OPTION} 3.10, or the one that the model was made with",
        )
    named = asked.text if asked.text.startswith("python") else f"Python {asked.text}"
    python = choose_python(
        asked.specifier, preferred=recorded, named=named, where=str(asked.origin)
    )
    return python, ()


def _sets(server: ServerProfile, python: Version) -> tuple[PackageSet, ...]:
    sets = server.sets_for(str(python))
    if not sets:
        ranges = [str(line.python) for line in server.package_sets if not line.rank]
        raise PythonVersionError(
            f"{server.name} has no packages for Python {python}",
            where=str(server.path or server.name),
            details=[f"it has some for {text or 'any'}" for text in ranges],
            remedy=f"{OPTION} with one of these, or another --server",
        )
    return sets


def _setuptools(spec: EnvSpec) -> list[CondaRequirement]:
    """setuptools, if conda.yaml names it: unlike pip and wheel it is there for programs too."""
    return [tool for tool in spec.conda_tools if tool.name == _SETUPTOOLS]


def _raise_contradictions(case: Case, sets: Sequence[PackageSet]) -> None:
    """Raise for everything that can be seen to contradict itself.

    Raises:
        ConflictError: with all of it.
    """
    asked = case.asked()
    movable = case.relaxed
    from_conda = _conda_origins(case)
    entries = [
        entry
        for entry in (*asked.requirements, *asked.constraints)
        if entry.origin not in from_conda
        and (entry.origin.side == "option" or not (_AUTO in movable or entry.name in movable))
    ]
    found = find_contradictions(entries, case.targets)
    details = [f"{contradiction.name}: {contradiction}" for contradiction in found]
    packages = [*case.spec.conda, *case.spec.conda_tools] if from_conda else []
    pip = [entry for entry in entries if case.applies(entry)]
    twice = find_conda_contradictions(packages, pip, case.options.name_map)
    details += [f"{contradiction.name}: {contradiction}" for contradiction in twice]
    remedies = []
    names = {str(entry.name) for entry in found if _can_relax(entry)}
    names |= {entry.name for entry in twice if entry.can_relax}
    if names:
        remedies.append(f"--relax {' '.join(sorted(names))}, or change one of the entries")
    elif found or twice:
        remedies.append(f"change one of the {'constraints' if found else 'entries'}")
    if case.options.strict_server and (obstacles := excluded_always(case, sets[0])):
        details += [f"{obstacle.theirs.name}: {obstacle}" for obstacle in obstacles]
        kept = case.options.keep_mlflow and any(o.theirs.name == MLFLOW for o in obstacles)
        details += [case.why_not_full()] if kept else []
        remedies.append("leave out --keep-mlflow" if kept else "leave out --strict-server")
    if details:
        raise ConflictError(
            "requirements contradict each other",
            details=details,
            remedy="; ".join(remedies),
        )


def _can_relax(contradiction: Contradiction) -> bool:
    return any(entry.origin.side != "option" for entry in contradiction.requirements)


def _conda_origins(case: Case) -> frozenset[Origin]:
    """Where the entries stand that conda brings; none without the conda runtime."""
    if not needs_conda(case.spec, case.options):
        return frozenset()
    return frozenset(package.origin for package in (*case.spec.conda, *case.spec.conda_tools))


def _remarks(case: Case) -> tuple[Notice, ...]:
    entries = case.asked().requirements
    verdicts = [
        (package, case.options.name_map.verdict(package.name)) for package in case.spec.conda
    ]
    return (
        *case.translation.notices,
        *(
            ambiguous(package, verdict)
            for package, verdict in verdicts
            if verdict.is_ambiguous and _conda_origins(case)
        ),
        *remarks_on_flavors(case.model),
        *remarks_on_records(entries, case.records),
    )


def _plan(placed: Placed, case: Case, python: Version, noticed: tuple[Notice, ...]) -> Plan:
    draft = placed.draft
    changes = sorted(
        dict.fromkeys(draft.changes), key=lambda change: (change.name, change.kind, change.before)
    )
    plan = Plan(
        python=python,
        runtime="pip",
        server=case.server,
        requirements=tuple(sorted(draft.requirements, key=sort_key)),
        constraints=tuple(sorted(draft.constraints, key=sort_key)),
        index_options=case.spec.index_options if case.options.use_model_indexes else (),
        spec=case.spec,
        names=case.options.name_map,
        changes=tuple(changes),
        notices=tuple(dict.fromkeys((*noticed, *placed.notices))),
    )
    return _with_conda(plan, case) if needs_conda(case.spec, case.options) else plan


def _with_conda(plan: Plan, case: Case) -> Plan:
    """The plan with what conda is to solve; what conda brings is no pip requirement any more.

    The server's own requirements stay, so that their floors are checked against what conda has.
    """
    from_conda = _conda_origins(case)
    brought = {entry.name for entry in case.translation.requirements}
    asked = [one for one in plan.requirements if one.origin not in from_conda]
    decided = [one for one in (*asked, *plan.constraints) if one.origin.side != "server"]
    return replace(
        plan,
        runtime="conda",
        conda=packages_of(
            case.spec, case.options, plan.python, decided=decided, names=case.options.name_map
        ),
        channels=channels_of(case.spec, case.options),
        requirements=tuple(
            one for one in asked if one.origin.side != "record" or one.name not in brought
        ),
    )
