"""A made-up model registry: as many models as one likes, as alike as those of a real one.

    python benchmarks/registry.py FOLDER --models 2000

Of 1,366 MLmodel files of public repositories 344 named distinct environments: the same environment
is logged again with every training run, a few of them very often. The models made here repeat
theirs in that proportion, and the pins are releases that were current together (registry.toml).
The same count and seed give the same bytes. There are no weights in it: locking reads none.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, TypeVar

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["Environment", "LoggedModel", "distinct_environments", "make_registry", "write_registry"]

SEED = 1366
_DISTINCT, _OF = 344, 1366
_PINNED_PYTHON = 0.9  # the rest names the minor version only
_WITH_EXTRA = 0.35  # a package beside those of the flavor
_UNPINNED_EXTRA = 0.2
_SHUFFLED = 0.1  # logged in another order: the same environment in other bytes
_COMMENTED = 0.05
_EXTRAS = ("requests", "tqdm")
_SUBJECTS = ("churn", "credit", "demand", "fraud", "maintenance", "price", "ranking", "returns")
_KINDS = ("baseline", "by-region", "challenger", "daily", "monthly", "production", "pilot")

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What a model was logged with. ``pip`` are the entries of its pip section."""

    python: str
    mlflow: str
    pip_bound: str
    pip: tuple[str, ...]
    flavor: str
    loader: str
    recorded: str  # the release of the flavor's package, empty for python_function
    conda_python: str  # as conda.yaml asks for it


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedModel:
    """One version of a registered model: its folder in the registry, and its files by name."""

    folder: str
    environment: Environment
    files: Mapping[str, str]


def distinct_environments(models: int) -> int:
    """How many environments that many models have."""
    return max(1, round(models * _DISTINCT / _OF))


def make_registry(models: int, *, seed: int = SEED) -> tuple[LoggedModel, ...]:
    """``models`` models in the order of their folders."""
    draw = Random(seed)
    pool = _environments(draw, distinct_environments(models))
    used = [*pool, *_repeated(draw, pool, models - len(pool))]
    draw.shuffle(used)
    versions: dict[str, int] = {}
    made = []
    for environment in used:
        name = f"{_pick(draw, _SUBJECTS)}-{_pick(draw, _KINDS)}-{environment.flavor[:3]}"
        versions[name] = versions.get(name, 0) + 1
        folder = f"{name}/{versions[name]}"
        files = _files(draw, environment, folder)
        made.append(LoggedModel(folder=folder, environment=environment, files=files))
    return tuple(sorted(made, key=lambda model: model.folder))


def write_registry(folder: Path, models: int, *, seed: int = SEED) -> tuple[LoggedModel, ...]:
    """Write the registry below ``folder``, which may be there, and say what is in it."""
    made = make_registry(models, seed=seed)
    for model in made:
        target = folder / model.folder
        target.mkdir(parents=True, exist_ok=True)
        for name, text in model.files.items():
            (target / name).write_text(text, encoding="utf-8")
    return made


def _environments(draw: Random, count: int) -> list[Environment]:
    """``count`` environments that differ in what they ask for."""
    table = _table()
    found: dict[tuple[str, ...], Environment] = {}
    while len(found) < count:
        era = _weighted(draw, table["era"])
        environment = _environment(draw, era, _weighted(draw, table["flavor"]))
        asked = (environment.conda_python, environment.flavor, *environment.pip)
        found.setdefault(asked, environment)
    return list(found.values())


def _environment(draw: Random, era: Mapping[str, Any], flavor: Mapping[str, Any]) -> Environment:
    releases = era["packages"]
    names = [name for name in ("cloudpickle", *flavor["packages"]) if name in releases]
    pins = {name: _pick(draw, releases[name]) for name in names}
    python, mlflow = _pick(draw, era["python"]), _pick(draw, era["mlflow"])
    entries = [f"mlflow=={mlflow}", *(f"{name}=={pins[name]}" for name in sorted(pins))]
    if draw.random() < _WITH_EXTRA and (extra := _pick(draw, _EXTRAS)) not in pins:
        bare = draw.random() < _UNPINNED_EXTRA
        entries.append(extra if bare else f"{extra}=={_pick(draw, releases[extra])}")
    exact = draw.random() < _PINNED_PYTHON
    return Environment(
        python=python,
        mlflow=mlflow,
        pip_bound=era["pip"],
        pip=tuple(entries),
        flavor=flavor["name"],
        loader=flavor["loader"],
        recorded=pins.get(flavor["recorded"], ""),
        conda_python=python if exact else python.rpartition(".")[0],
    )


def _repeated(draw: Random, pool: Sequence[T], count: int) -> Iterator[T]:
    """``count`` of the pool, the n-th as often as 1/n (Zipf): what is retrained daily is first."""
    heights: list[float] = []
    for rank in range(1, len(pool) + 1):
        heights.append((heights[-1] if heights else 0.0) + 1 / rank)
    for _ in range(count):
        point = draw.random() * heights[-1]
        yield pool[next(at for at, height in enumerate(heights) if height > point)]


def _files(draw: Random, environment: Environment, folder: str) -> dict[str, str]:
    entries = list(environment.pip)
    if draw.random() < _SHUFFLED:
        draw.shuffle(entries)
    comment = "# reviewed\n" if draw.random() < _COMMENTED else ""
    lines = "".join(f"  - {entry}\n" for entry in entries)
    return {
        "MLmodel": _mlmodel(draw, environment, folder),
        "conda.yaml": (
            f"{comment}channels:\n- conda-forge\ndependencies:\n"
            f"- python={environment.conda_python}\n- pip{environment.pip_bound}\n- pip:\n{lines}"
            "name: mlflow-env\n"
        ),
        "python_env.yaml": (
            f"python: {environment.python}\nbuild_dependencies:\n- pip{environment.pip_bound}\n"
            "- setuptools\n- wheel\ndependencies:\n- -r requirements.txt\n"
        ),
        "requirements.txt": "\n".join(entries),
    }


def _mlmodel(draw: Random, environment: Environment, folder: str) -> str:
    """What differs from run to run stands here: the run, its time, the columns of its data."""
    run = f"{draw.getrandbits(128):032x}"
    day, minute = draw.randrange(1, 29), draw.randrange(60)
    columns = [
        {"name": f"feature_{number}", "type": _pick(draw, ("double", "long", "string"))}
        for number in range(draw.randrange(2, 12))
    ]
    flavor = environment.flavor
    own = (
        f"  {flavor}:\n    code: null\n    {flavor}_version: {environment.recorded}\n"
        if environment.recorded
        else ""
    )
    return (
        f"artifact_path: model\nflavors:\n  python_function:\n    env:\n      conda: conda.yaml\n"
        f"      virtualenv: python_env.yaml\n    loader_module: {environment.loader}\n"
        f"    python_version: {environment.python}\n{own}mlflow_version: {environment.mlflow}\n"
        f"model_uuid: {draw.getrandbits(128):032x}\nrun_id: {run}\n"
        f"signature:\n  inputs: '{json.dumps(columns)}'\n"
        f"  outputs: '{json.dumps([{'type': 'double'}])}'\n"
        f"utc_time_created: '2025-06-{day:02} 08:{minute:02}:00.000000'  # {folder}\n"
    )


def _table() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))


def _pick(draw: Random, choices: Sequence[T]) -> T:
    return choices[int(draw.random() * len(choices))]


def _weighted(draw: Random, rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    point = draw.random() * sum(row["share"] for row in rows)
    for row in rows:
        point -= row["share"]
        if point < 0:
            return row
    return rows[-1]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--models", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=SEED)
    options = parser.parse_args(argv)
    made = write_registry(options.folder, options.models, seed=options.seed)
    count = len({model.environment for model in made})
    print(f"{len(made)} models with {count} environments in {options.folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
