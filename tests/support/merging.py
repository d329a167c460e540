"""Models by hand and what merging makes of them, as texts that a test can compare whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from envbuild.entries.requirements import PipRequirement
from envbuild.merge import MergeOptions, Plan, merge
from envbuild.model import EnvironmentFile, Flavor, Model
from envbuild.platforms import Target, parse_platform
from envbuild.server import PackageSet, ServerProfile, load_profile
from envbuild.spec import EnvSpec, parse_environment, parse_requirements
from tests.support.paths import MODELS

__all__ = [
    "NO_SERVER",
    "change_lines",
    "constraint",
    "constraint_lines",
    "model_of",
    "notice_lines",
    "option",
    "pins",
    "plans",
    "target",
]

NO_SERVER = ServerProfile(
    name="none",
    summary="",
    kind="none",
    package_sets=(PackageSet(python=SpecifierSet(), packages=()),),
)


def model_of(
    *pip: str,
    python: str = "3.11.7",
    conda: Iterable[str] = (),
    flavors: Mapping[str, Mapping[str, str]] | None = None,
    mlflow: str | None = None,
    recorded_python: str | None = None,
    loader: str = "",
    code: Iterable[str] = (),
) -> Model:
    """A model whose conda.yaml lists ``pip`` and ``conda``; without any it has no such file."""
    head = [f"python={python}"] if python else []
    lines = [*(f"- {entry!r}" for entry in (*head, *conda)), *(["- pip:"] if pip else [])]
    lines += [f"  - {entry!r}" for entry in pip]
    text = "dependencies:\n" + "\n".join(lines)
    return Model(
        path=MODELS / "seed",  # a folder; nothing is read from it
        name="model",
        flavors=tuple(
            Flavor(name=name, settings=settings) for name, settings in (flavors or {}).items()
        ),
        mlflow_version=mlflow,
        python_version=recorded_python,
        conda_yaml=EnvironmentFile(name="conda.yaml", text=text) if pip or conda else None,
        loader_module=loader,
        code_paths=tuple(code),
    )


def option(text: str) -> PipRequirement:
    """A constraint of the user."""
    return parse_requirements(text, file="constraints.txt", side="option")[0]


def constraint(text: str) -> PipRequirement:
    """A constraint of the model."""
    return parse_requirements(text, file="limits.txt", side="model")[0]


def target(python: str = "3.11.7", platform: str = "linux-64") -> Target:
    """A Python on a platform."""
    return Target(python=Version(python), platform=parse_platform(platform))


def plans(
    model: Model,
    profile: ServerProfile | str = "azureml-online",
    *,
    platforms: Iterable[str] = ("linux-64",),
    options: MergeOptions | None = None,
    spec: EnvSpec | None = None,
) -> tuple[Plan, ...]:
    """The plans of a model behind a server."""
    return merge(
        model,
        spec or parse_environment(model),
        load_profile(profile) if isinstance(profile, str) else profile,
        platforms=tuple(parse_platform(name) for name in platforms),
        options=options or MergeOptions(),
    )


def pins(plan: Plan) -> str:
    """The requirements of a plan in one line."""
    return " ".join(entry.pep508().replace(" ", "") for entry in plan.requirements)


def constraint_lines(plan: Plan) -> list[str]:
    """The constraints of a plan."""
    return [entry.pep508() for entry in plan.constraints]


def change_lines(plan: Plan) -> list[str]:
    """What a plan changes, a line each."""
    return [
        f"{change.kind}: {change.before or 'nothing'} -> {change.after or 'nothing'}:"
        f" {change.reason}"
        for change in plan.changes
    ]


def notice_lines(plan: Plan, code: str) -> list[str]:
    """What is said under a code, with its place."""
    return [str(notice) for notice in plan.notices if notice.code == code]
