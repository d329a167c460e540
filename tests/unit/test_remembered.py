"""Results by the identity of what they were made from."""

from __future__ import annotations

from envbuild.remembered import Remembered


def test_only_the_same_object_has_the_result() -> None:
    known: Remembered[list[int], str] = Remembered()
    one, equal = [1], [1]

    assert known.keep(one, "made") == "made"

    assert known.find(one) == "made"
    assert known.find(equal) is None


def test_what_else_it_depends_on_tells_results_apart() -> None:
    known: Remembered[list[int], str] = Remembered()
    one = [1]
    known.keep(one, "strict", depends_on=True)

    assert known.find(one, depends_on=True) == "strict"
    assert known.find(one, depends_on=False) is None


def test_only_the_last_few_are_kept() -> None:
    known: Remembered[list[int], int] = Remembered(most=2)
    objects = [[0], [1], [2]]
    for number, one in enumerate(objects):
        known.keep(one, number)

    assert [known.find(one) for one in objects] == [None, 1, 2]
