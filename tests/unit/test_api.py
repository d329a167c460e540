"""What ``import envbuild`` offers."""

from __future__ import annotations

import envbuild
from envbuild import api


def test_every_promised_name_is_there() -> None:
    missing = [name for name in envbuild.__all__ if not hasattr(envbuild, name)]

    assert missing == []


def test_the_package_offers_all_of_the_library_and_its_version() -> None:
    assert set(envbuild.__all__) == set(api.__all__) - {"LockChoices"} | {"__version__"}
    assert dir(envbuild) == sorted(envbuild.__all__)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    assert not hasattr(envbuild, "frobnicate")


def test_every_function_says_what_it_raises() -> None:
    functions = [getattr(api, name) for name in api.__all__ if name.islower()]

    assert [function.__name__ for function in functions if "Raises:" not in function.__doc__] == []
