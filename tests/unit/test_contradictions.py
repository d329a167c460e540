"""Contradictions that need no index to see."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet

from envbuild.entries.requirements import PipRequirement
from envbuild.merging.contradictions import clash, find_contradictions, intersection
from envbuild.spec import parse_requirements
from tests.support.merging import target

LINUX = target()
MACOS = target(platform="osx-arm64")


def entries(text: str, *, file: str = "requirements.txt") -> tuple[PipRequirement, ...]:
    return parse_requirements(text, file=file, side="model")


def found(text: str) -> list[str]:
    return [str(item) for item in find_contradictions(entries(text), [LINUX])]


def test_two_pins_of_a_package_are_named_with_their_places() -> None:
    assert found("numpy==1.21.6\npandas\nnumpy==1.22.0") == [
        (
            "requirements.txt: line 1 asks for numpy==1.21.6, requirements.txt: line 3 for"
            " numpy==1.22.0"
        )
    ]


def test_each_pair_is_told_and_what_agrees_is_not() -> None:
    assert found("a==1\na==2\na>=1\nb<1\nb>2") == [
        "requirements.txt: line 1 asks for a==1, requirements.txt: line 2 for a==2",
        "requirements.txt: line 4 asks for b<1, requirements.txt: line 5 for b>2",
    ]


def test_an_entry_may_contradict_itself() -> None:
    assert found("a>=2,<1\na==3") == [
        "requirements.txt: line 1 asks for a<1,>=2, which no version can be"
    ]


def test_three_that_agree_in_pairs_may_still_contradict_each_other() -> None:
    text = "a!=1.*,<3\na!=2.*\na>=1"

    assert found(text) == [
        (
            "requirements.txt: line 1 asks for a!=1.*,<3, requirements.txt: line 2 for a!=2.* and"
            " requirements.txt: line 3 for a>=1"
        )
    ]


@pytest.mark.parametrize(
    "text",
    [
        "a==1.9.0\na==1.9.0+cu102",
        "a[x]==1\na[y]==1",
        "a==1; python_version < '3.8'\na==2; python_version >= '3.8'",
        "a==1; sys_platform == 'win32'\na==2",
        "a==1; extra == 'test'\na==2",
        "a\na==1",
        "a @ https://example.org/a-1.tar.gz\na==1",
        "git+https://example.org/a.git\ngit+https://example.org/b.git",
    ],
)
def test_what_can_be_met_is_no_contradiction(text: str) -> None:
    assert found(text) == []


def test_two_sources_of_a_package_are_one() -> None:
    assert found("a @ https://example.org/1/a-1.tar.gz\na @ https://example.org/2/a-1.tar.gz") == [
        (
            "requirements.txt: line 1 asks for a @ https://example.org/1/a-1.tar.gz,"
            " requirements.txt: line 2 for a @ https://example.org/2/a-1.tar.gz"
        )
    ]


def test_a_contradiction_of_some_platforms_names_them() -> None:
    text = "a==1; sys_platform == 'darwin'\na==2"
    (item,) = find_contradictions(entries(text), [LINUX, MACOS])

    assert item.platforms == ("osx-arm64",)
    assert str(item) == (
        'requirements.txt: line 1 asks for a==1; sys_platform == "darwin",'
        " requirements.txt: line 2 for a==2 (on osx-arm64)"
    )


def test_a_contradiction_of_all_platforms_names_none() -> None:
    (item,) = find_contradictions(entries("a==1\na==2"), [LINUX, MACOS])

    assert item.platforms == ()


def test_the_intersection_of_nothing_is_anything() -> None:
    assert intersection(()) == SpecifierSet()
    assert intersection(entries("a>=1\na<2")) == SpecifierSet(">=1,<2")


SPECIFIERS = st.sampled_from(["", "==1.0", "==2.0", ">=1.5", "<1.5", "!=1.0", "~=1.0", "==1.*"])


@given(specifiers=st.lists(SPECIFIERS, max_size=5), order=st.randoms(use_true_random=False))
def test_the_order_of_entries_does_not_matter(specifiers: list[str], order: random.Random) -> None:
    own = entries("\n".join(f"a{text}" for text in specifiers))
    shuffled = list(own)
    order.shuffle(shuffled)

    assert find_contradictions(shuffled, [LINUX]) == find_contradictions(own, [LINUX])


@given(specifiers=st.lists(SPECIFIERS, min_size=1, max_size=5))
def test_there_is_a_contradiction_exactly_when_no_version_satisfies_all(
    specifiers: list[str],
) -> None:
    own = entries("\n".join(f"a{text}" for text in specifiers))

    assert bool(find_contradictions(own, [LINUX])) == intersection(own).is_unsatisfiable()


def test_a_source_and_a_version_may_agree() -> None:
    one, other = entries("a @ https://example.org/a-1.tar.gz\na==2")

    assert not clash(one, other)
