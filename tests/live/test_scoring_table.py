"""Every request to every server: what is published is what they answer."""

from __future__ import annotations

import difflib

import pytest

from tests.support.scoring_table import PAGE, Asked, ask_all, page

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Asked, ...]:
    return ask_all(tmp_path_factory.mktemp("servers"))


def test_the_published_page_says_what_the_servers_answer(asked: tuple[Asked, ...]) -> None:
    lines = (PAGE.read_text(encoding="utf-8").splitlines(), page(asked).splitlines())
    assert list(difflib.unified_diff(*lines, "published", "answered", lineterm="", n=0)) == []


def test_every_request_has_the_status_that_is_meant_for_it(asked: tuple[Asked, ...]) -> None:
    odd = [one.request.title for one in asked if one.new.status != one.request.status]
    odd += [one.request.title for one in asked if one.old and one.old.status != one.request.status]
    assert odd == []


def test_the_verdict_is_that_of_mlflow_or_the_page_says_why(asked: tuple[Asked, ...]) -> None:
    compared = [one for one in asked if one.mlflow]
    differ = [
        (one.request.model, one.request.title)
        for one in compared
        if one.mlflow and (one.new.status == 200) != (one.mlflow.status == 200)
    ]
    told = [(one.request.model, one.request.title) for one in compared if one.request.why]
    assert differ == told
