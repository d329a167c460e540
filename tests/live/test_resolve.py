"""Resolving against PyPI."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from envbuild.ambient import Ambient
from envbuild.errors import ResolutionError
from envbuild.resolve.explain import explain
from envbuild.resolve.interface import Problem, ResolverOptions
from envbuild.resolve.pip_tools import PipToolsResolver
from envbuild.resolve.relax import relax
from envbuild.resolve.uv import UvResolver
from tests.support.problems import problem

pytestmark = pytest.mark.live

SEED = ("mlflow", "cloudpickle==2.0.0", "psutil==5.8.0", "scikit-learn==0.24.1")
SERVER = ("azureml-inference-server-http",)
# Releases made after this day change no expectation here.
THEN = ResolverOptions(exclude_newer="2025-06-01")


@pytest.fixture(scope="module")
def ambient(tmp_path_factory: pytest.TempPathFactory) -> Ambient:
    folder = tmp_path_factory.mktemp("resolve")
    environ = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache")}
    return Ambient(environ=environ, home=Path.home(), cwd=folder)


@pytest.fixture(scope="module")
def resolver(ambient: Ambient) -> UvResolver:
    return UvResolver.of(ambient)


def asked(*requirements: str, python: str = "3.10.13", server: tuple[str, ...] = ()) -> Problem:
    return problem(requirements, python=python, server=server, options=THEN)


def test_the_seed_model_resolves_for_a_python_of_2018(resolver: UvResolver) -> None:
    resolution = resolver.resolve(asked(*SEED, python="3.7.11", server=SERVER))

    pins = {str(package.name): str(package.version) for package in resolution.pylock.packages}
    assert len(pins) == 74
    assert pins["mlflow"] == "1.30.1"
    assert pins["azureml-inference-server-http"] == "0.8.4.2"
    assert pins["scikit-learn"] == "0.24.1"


def test_a_second_solve_is_quick_although_the_index_sends_no_cache_headers(
    resolver: UvResolver,
) -> None:
    wanted = asked(*SEED, python="3.7.11", server=SERVER)
    resolver.resolve(wanted)
    started = time.perf_counter()
    resolver.resolve(wanted)

    # About 0.1 s on an idle machine; asking for 100 pages again takes seconds.
    assert time.perf_counter() - started < 1.5


def test_two_platforms_get_their_own_wheels(resolver: UvResolver) -> None:
    from dataclasses import replace

    from envbuild.platforms import parse_platform

    wanted = asked("numpy==1.26.4")
    arm = replace(wanted, target=replace(wanted.target, platform=parse_platform("linux-aarch64")))

    names = [
        {file.filename for package in one.pylock.packages for file in package.wheels or ()}
        for one in (resolver.resolve(wanted), resolver.resolve(arm))
    ]

    assert names == [
        {"numpy-1.26.4-cp310-cp310-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"},
        {"numpy-1.26.4-cp310-cp310-manylinux_2_17_aarch64.manylinux2014_aarch64.whl"},
    ]


def test_mlflow_and_the_server_are_told_apart(resolver: UvResolver) -> None:
    wanted = asked("mlflow==2.9.2", server=("azureml-inference-server-http>=1.4",))

    with pytest.raises(ResolutionError):
        resolver.resolve(wanted)
    explanation = explain(wanted, resolver)

    assert [str(one.name) for one in explanation.conflicts[0]] == [
        "mlflow",
        "azureml-inference-server-http",
    ]
    assert explanation.remedies[0] == "mlflow-skinny for mlflow, by leaving out --keep-mlflow"


def test_pins_that_contradict_each_other_move_as_little_as_they_can(resolver: UvResolver) -> None:
    wanted = asked("pandas==2.0.3", "numpy==1.20.0", python="3.9.18")

    _, changes, _ = relax(wanted, ("auto",), resolver)

    assert [(change.name, change.before, change.after) for change in changes] == [
        ("numpy", "==1.20.0", "==1.20.3")
    ]


@pytest.mark.needs_python("3.7")
def test_pip_tools_agrees_on_an_old_python(ambient: Ambient) -> None:
    wanted = problem(["cloudpickle==2.0.0", "joblib==1.3.2"], python="3.7.16")

    resolution = PipToolsResolver.of(ambient).resolve(wanted)

    assert {package.name: str(package.version) for package in resolution.pylock.packages} == {
        "cloudpickle": "2.0.0",
        "joblib": "1.3.2",
    }
    assert resolution.resolver.startswith("pip-tools 6.14")
