"""The words and exit codes of the errors."""

from __future__ import annotations

import pytest

from envbuild import errors
from envbuild.errors import EnvbuildError, ModelError, ResolutionError


def families() -> list[type[EnvbuildError]]:
    found = [getattr(errors, name) for name in errors.__all__]
    return [kind for kind in found if kind is not EnvbuildError]


def test_message_says_where_what_details_and_the_next_thing_to_try() -> None:
    error = ModelError(
        "expected a mapping, got a list",
        where="model/MLmodel",
        details=["line 3", "line 9"],
        remedy="log the model again",
    )

    assert str(error) == (
        "model/MLmodel: expected a mapping, got a list\n"
        "  line 3\n"
        "  line 9\n"
        "  try: log the model again"
    )


def test_message_without_place_details_and_remedy_is_one_line() -> None:
    assert str(ResolutionError("no solution")) == "no solution"


@pytest.mark.parametrize("kind", families(), ids=lambda kind: kind.__name__)
def test_every_family_has_an_exit_code_of_its_own(kind: type[EnvbuildError]) -> None:
    others = {other.exit_code for other in families() if other is not kind}

    assert kind.exit_code not in others
    assert kind.exit_code not in {0, 1, EnvbuildError.exit_code}


@pytest.mark.parametrize("kind", families(), ids=lambda kind: kind.__name__)
def test_every_family_says_what_it_is_for(kind: type[EnvbuildError]) -> None:
    assert kind.__doc__
    assert kind.__name__.endswith("Error")
