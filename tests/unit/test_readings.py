"""Every folder of ``fixtures/models``, read and parsed, byte for byte.

``python -m tests.support.readings`` writes the golden files anew.
"""

from __future__ import annotations

import difflib

import pytest

from tests.support.paths import MODELS, ROOT
from tests.support.readings import GOLDEN, NAMES, rendered

EACH_NAME = pytest.mark.parametrize("name", NAMES)


@EACH_NAME
def test_reading_a_model_gives_what_its_golden_file_says(name: str) -> None:
    golden = (GOLDEN / f"{name}.txt").read_text(encoding="utf-8")

    found = rendered(name)

    difference = difflib.unified_diff(golden.splitlines(), found.splitlines(), lineterm="")
    assert found == golden, "\n".join([name, *difference])


def test_every_golden_file_has_its_model() -> None:
    assert sorted(path.stem for path in GOLDEN.iterdir()) == list(NAMES)


@EACH_NAME
def test_what_is_said_of_a_model_holds_no_secret(name: str) -> None:
    said = rendered(name)

    for secret in ("s3cret", "ghp_0123456789", "t0ken", "c2VjcmV0", "hunter2", "tk-0123456789"):
        assert secret not in said
    assert str(ROOT) not in said


def test_the_fixtures_do_hold_secrets() -> None:
    """Else the test above could not fail."""
    texts = "".join(
        path.read_text(encoding="utf-8", errors="replace") for path in MODELS.rglob("conda.yaml")
    )

    for secret in ("s3cret", "ghp_0123456789", "t0ken", "c2VjcmV0", "hunter2", "tk-0123456789"):
        assert secret in texts


@EACH_NAME
def test_nothing_of_a_terminal_comes_through_in_a_message(name: str) -> None:
    messages = [line for line in rendered(name).splitlines() if "flavor " not in line]

    assert [line for line in messages if "\x1b" in line] == []
