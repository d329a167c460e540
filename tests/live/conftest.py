"""Live tests need the package index, interpreters or a Docker engine, and say which."""

from __future__ import annotations

import urllib.error
import urllib.request

import pytest

from tests.support.paths import TESTS

INDEX = "https://pypi.org/simple"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what lies here, so that ``-m 'not live'`` means what it says."""
    for item in items:
        if item.path.is_relative_to(TESTS / "live"):
            item.add_marker("live")


@pytest.fixture(scope="session")
def package_index() -> str:
    """The address of PyPI's simple index; the test is skipped where it cannot be reached."""
    try:
        with urllib.request.urlopen(f"{INDEX}/pip/", timeout=60) as answer:
            answer.read(1)
    except urllib.error.URLError as error:
        pytest.skip(f"{INDEX} cannot be reached: {error.reason}")
    return INDEX


@pytest.fixture(autouse=True)
def _needs_the_index(package_index: str) -> None:
    """Nearly every test here asks the index sooner or later."""
