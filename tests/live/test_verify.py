"""Real models, locked, exported and proven with the network taken away."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from envbuild.ambient import Ambient
from envbuild.emit.bundle import Bundle
from envbuild.emit.export import export
from envbuild.image.build import BuildOptions, build
from envbuild.locking.context import Context, read_context
from envbuild.model import read_model
from envbuild.options import LockOptions
from envbuild.pipeline import lock_model
from envbuild.process import plain_environment, run
from envbuild.verification import Report, verify
from envbuild.verification.environment import install_bundle
from envbuild.verification.room import quiet_environment
from envbuild.verification.sandbox import find_namespace
from tests.support.environments import scrubbed
from tests.support.paths import MODELS
from tests.support.training import complete_seed, log_model

if TYPE_CHECKING:
    from docker import DockerClient


@dataclass(frozen=True, kw_only=True)
class Workshop:
    """A folder with a cache, in which models become bundles."""

    folder: Path

    def ambient(self, **environ: str) -> Ambient:
        known = scrubbed(ENVBUILD_CACHE_DIR=str(self.folder / "cache"), **environ)
        return Ambient(environ=known, home=Path.home(), cwd=self.folder)

    def context(self, model: Path, name: str, options: LockOptions | None = None) -> Context:
        lock = lock_model(read_model(model), options or LockOptions(), ambient=self.ambient())
        return lock.write(self.folder / name)

    def bundle(self, context: Context, name: str) -> Bundle:
        return export(context, self.folder / name, ambient=self.ambient())

    def verify(self, target: Bundle | Context | str, model: Path | None = None) -> Report:
        return verify(target, model=model, ambient=self.ambient())


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    return Workshop(folder=tmp_path_factory.mktemp("workshop"))


@dataclass(frozen=True, kw_only=True)
class Seed:
    """The seed model with its weights, its bundle, and what it predicts where it was trained."""

    model: Path
    bundle: Bundle
    prediction: object


@pytest.fixture(scope="module")
def seed(workshop: Workshop, interpreter: Callable[[str], Path]) -> Seed:
    """Locked and exported as it is, then trained in the environment that the bundle installs."""
    python = interpreter("3.7")
    bundle = workshop.bundle(workshop.context(MODELS / "seed", "seed-env"), "seed-bundle")
    env = quiet_environment(plain_environment(os.environ, home=workshop.folder))
    sandbox, refusals = find_namespace(run, env)
    assert sandbox is not None, refusals
    target = workshop.folder / "trainer"
    step = install_bundle(sandbox, folder=bundle.path, target=target, python=str(python), env=env)
    assert step.outcome == "passed", step
    model, prediction = complete_seed(target / "bin" / "python", workshop.folder)
    return Seed(model=model, bundle=bundle, prediction=prediction)


def reason(report: Report, name: str) -> str:
    return next(step.reason for step in report.steps if step.name == name)


def answer(report: Report) -> object:
    """What the server answered to the example."""
    found = re.search(r"answered 200 (.*)", reason(report, "server scores the example"))
    assert found is not None, report.table()
    return json.loads(found[1])


def test_the_bundle_of_the_seed_is_proven(workshop: Workshop, seed: Seed) -> None:
    report = workshop.verify(seed.bundle, seed.model)

    assert report.complete, report.table()
    assert answer(report) == seed.prediction
    assert reason(report, "example predicts").startswith("input_example.json gives numpy.ndarray")
    assert reason(report, "server refuses bad requests") == (
        "400 for: no JSON, no column 'fixed_acidity'"
    )


def test_the_context_of_the_seed_is_proven(workshop: Workshop, seed: Seed) -> None:
    report = workshop.verify(read_context(workshop.folder / "seed-env"), seed.model)

    assert report.complete, report.table()
    assert answer(report) == seed.prediction


@pytest.fixture(scope="module")
def seed_image(
    workshop: Workshop, seed: Seed, docker_engine: DockerClient, python_image: Callable[[str], str]
) -> str:
    """Built without a network, with the model in it."""
    options = BuildOptions(offline=True, base_image=python_image("3.7"), model=seed.model)
    result = build(
        seed.bundle,
        "envbuild-test/seed:live",
        ambient=workshop.ambient(),
        options=options,
    )
    assert result.size == sum(layer.size for layer in result.layers)
    return result.tag


def test_the_image_of_the_seed_is_proven(workshop: Workshop, seed: Seed, seed_image: str) -> None:
    report = workshop.verify(seed_image)

    assert report.complete, report.table()
    assert report.isolation == "docker run --network none"
    assert answer(report) == seed.prediction


def test_where_namespaces_are_forbidden_a_container_of_the_base_image_does(
    workshop: Workshop,
    seed: Seed,
    docker_engine: DockerClient,
    python_image: Callable[[str], str],
    tmp_path: Path,
) -> None:
    options = LockOptions(base_image=python_image("3.7"))
    context = workshop.context(seed.model, "contained-env", options)
    bundle = workshop.bundle(context, "contained-bundle")
    forbidden = tmp_path / "unshare"
    forbidden.write_text("#!/bin/sh\necho 'unshare: Operation not permitted' >&2\nexit 1\n")
    forbidden.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"

    report = verify(bundle, model=seed.model, ambient=workshop.ambient(PATH=path))

    assert report.complete, report.table()
    assert report.isolation == "docker run --network none"
    assert answer(report) == seed.prediction


def test_an_image_without_a_model_is_given_one(
    workshop: Workshop, seed: Seed, docker_engine: DockerClient, python_image: Callable[[str], str]
) -> None:
    options = BuildOptions(offline=True, base_image=python_image("3.7"))
    tag = "envbuild-test/seed:bare"
    build(seed.bundle, tag, ambient=workshop.ambient(), options=options)

    alone = workshop.verify(tag)
    together = workshop.verify(tag, seed.model)

    assert reason(alone, "model loads") == (
        "there is no model in the image at /opt/model; try: --model DIR"
    )
    assert together.complete, together.table()
    assert answer(together) == seed.prediction


@pytest.mark.parametrize("server", ["azureml-batch", "mlflow"])
def test_the_seed_behind_other_servers_is_proven(
    workshop: Workshop, seed: Seed, server: str
) -> None:
    context = workshop.context(seed.model, f"{server}-env", LockOptions(server=server))

    report = workshop.verify(workshop.bundle(context, f"{server}-bundle"), seed.model)

    assert report.complete, report.table()
    if server == "azureml-batch":
        assert reason(report, "batch script scores a file") == (
            "input_example.json: a result for each of 9 rows"
        )
    else:
        assert answer(report) == seed.prediction


NEW = "mlflow-skinny>=3", "pandas"
CASES = {
    "sklearn_table.py": ("3.12", "azureml-online", (*NEW, "scikit-learn")),
    "lightgbm_array.py": ("3.11", "mlflow", (*NEW, "lightgbm")),
    "code_folder.py": ("3.13", "azureml-online", NEW),
}


@pytest.mark.parametrize("program", CASES)
def test_a_model_of_today_is_proven(
    program: str, workshop: Workshop, interpreter: Callable[[str], Path], tmp_path: Path
) -> None:
    minor, server, packages = CASES[program]
    model, prediction = log_model(program, packages, exe=interpreter(minor), folder=tmp_path)
    context = workshop.context(model, f"{program}-env", LockOptions(server=server))

    report = workshop.verify(workshop.bundle(context, f"{program}-bundle"), model)

    assert report.complete, report.table()
    found = answer(report)
    values = found["predictions"] if isinstance(found, dict) else found
    assert (
        values == pytest.approx(prediction) if program != "code_folder.py" else values == prediction
    )
