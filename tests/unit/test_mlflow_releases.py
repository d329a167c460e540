"""What is known of MLflow's releases."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet

from envbuild.merging.mlflow_releases import (
    ReleaseRule,
    bounds_for,
    brought_by,
    has_skinny,
    needs_of,
)


def texts(rules: Iterable[ReleaseRule]) -> list[str]:
    return [entry.pep508() for rule in rules for entry in rule.requirements]


@pytest.mark.parametrize(
    ("mlflow", "needs", "bounds"),
    [
        ("==1.14.1", [], ["numpy<1.24", "protobuf<4", "protobuf<5", "numpy<2", "pandas<3"]),
        (
            "==1.24.0",
            ["setuptools<81", "scipy"],
            ["numpy<1.24", "protobuf<4", "protobuf<5", "numpy<2", "pandas<3"],
        ),
        ("==1.27.0", ["setuptools<81", "scipy"], ["protobuf<5", "numpy<2", "pandas<3"]),
        ("==2.9.2", ["setuptools<81"], ["numpy<2", "pandas<3"]),
        ("~=2.9.0", ["setuptools<81"], ["numpy<2", "pandas<3"]),
        ("==2.16.0", [], ["pandas<3"]),
        ("<3,>=2.1", [], ["pandas<3"]),
        ("==3.17.2", [], []),
        ("", [], []),
        ("==2.9.2,==2.8.1", [], []),
    ],
)
def test_rules_hold_where_every_release_in_question_has_them(
    mlflow: str, needs: list[str], bounds: list[str]
) -> None:
    asked = SpecifierSet(mlflow)

    assert texts(needs_of(asked)) == needs
    assert [text.partition(";")[0] for text in texts(bounds_for(asked))] == bounds


def test_a_rule_says_which_releases_it_is_about_and_why() -> None:
    (rule,) = needs_of(SpecifierSet("==2.9.2"))

    assert str(rule.requirements[0].origin) == "mlflow: releases <2.16,>=1.15"
    assert rule.requirements[0].origin.side == "record"
    assert rule.reason == (
        "mlflow before 2.16 imports pkg_resources, which newer setuptools do not have"
    )


def test_numpy_1_is_not_asked_for_where_it_has_no_wheels() -> None:
    assert 'numpy<2; python_version < "3.13"' in texts(bounds_for(SpecifierSet("==2.9.2")))


@pytest.mark.parametrize(
    ("mlflow", "brought"),
    [
        ("==1.20.0", "numpy pandas"),
        ("==1.30.1", "numpy pandas scipy"),
        ("==2.9.2", "matplotlib numpy pandas pyarrow scikit-learn scipy"),
        ("==3.9.0", "matplotlib numpy pandas pyarrow scikit-learn scipy skops"),
        ("", "numpy pandas"),
    ],
)
def test_full_mlflow_brings_what_its_release_does(mlflow: str, brought: str) -> None:
    assert " ".join(sorted(brought_by(SpecifierSet(mlflow)))) == brought


@pytest.mark.parametrize(
    ("mlflow", "answer"),
    [("==1.12.0", False), ("<1.14", False), ("==1.14.0", True), ("", True), (">=1,<2", True)],
)
def test_skinny_exists_since_1_14(mlflow: str, answer: bool) -> None:
    assert has_skinny(SpecifierSet(mlflow)) is answer


@given(minor=st.integers(0, 30), major=st.integers(1, 3))
def test_what_holds_of_a_range_holds_of_each_release_in_it(major: int, minor: int) -> None:
    narrow, wide = SpecifierSet(f"=={major}.{minor}.0"), SpecifierSet(f">={major}.{minor}")

    assert set(texts(bounds_for(wide))) <= set(texts(bounds_for(narrow)))
    assert brought_by(wide) <= brought_by(narrow) | brought_by(wide)
    assert brought_by(narrow) <= brought_by(wide)
