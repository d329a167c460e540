"""What every test may ask of the machine; see ``tests/support`` for how it is found."""

from __future__ import annotations

import signal
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests.support.guard import no_network, nothing_outside
from tests.support.interpreters import find_interpreter
from tests.support.obligations import Obligations, on_ci
from tests.support.paths import TESTS

if TYPE_CHECKING:
    from docker import DockerClient


MAX_ID = 60

# Machines that run tests are busy, so time says nothing about an example; CI repeats its examples.
settings.register_profile("project", deadline=None, derandomize=on_ci())
settings.load_profile("project")


def pytest_configure(config: pytest.Config) -> None:
    # A shell starts what it puts into the background with Ctrl-C ignored, and programs inherit
    # that: the tests that interrupt one would wait for ever.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    config.addinivalue_line("markers", "may_skip(reason): may be skipped even where CI=true")
    if on_ci():
        config.pluginmanager.register(Obligations(), "obligations")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Guard a test, its fixtures included: ``tests/unit`` is pure, ``tests/functional`` offline."""
    with _guard(item.path.relative_to(TESTS).parts[0]):
        return (yield)


def _guard(suite: str) -> AbstractContextManager[None]:
    match suite:
        case "unit":
            return nothing_outside()
        case "functional":
            return no_network()
        case _:
            return nullcontext()


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Neither bytes nor long texts in a test's name: an archive has the time of its making inside,
    and the processes that share the tests must agree on their names.
    """
    unfit = isinstance(val, bytes) or (isinstance(val, str) and len(val) > MAX_ID)
    return argname if unfit else None


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers("needs_python"):
        for minor in mark.args:
            _require_interpreter(minor)
    if item.get_closest_marker("needs_docker"):
        _require_engine()


@pytest.fixture(scope="session")
def interpreter() -> Callable[[str], Path]:
    """``interpreter("3.7")`` is this machine's CPython 3.7; the test is skipped without one."""
    return _require_interpreter


@pytest.fixture(scope="session")
def docker_engine() -> DockerClient:
    """A client of a Docker engine that answers; the test is skipped where there is none."""
    return _require_engine()


@pytest.fixture(scope="session")
def python_image(docker_engine: DockerClient) -> Callable[[str], str]:
    """``python_image("3.7")`` is the tag of a base image like Docker's ``python:3.7.16-slim``."""
    from tests.support.base_image import ImageUnavailableError, provide_python_image

    def provide(minor: str) -> str:
        try:
            return provide_python_image(docker_engine, minor)
        except ImageUnavailableError as error:
            pytest.skip(str(error))

    return provide


def _require_interpreter(minor: str) -> Path:
    found = find_interpreter(minor)
    if found is None:
        pytest.skip(f"no CPython {minor} on this machine (pyenv, PATH, uv)")
    return found


def _require_engine() -> DockerClient:
    from tests.support.docker_engine import EngineUnavailableError, connect

    try:
        return connect()
    except EngineUnavailableError as error:
        pytest.skip(str(error))
