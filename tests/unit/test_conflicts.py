"""Minimal conflicts and smallest removals, against oracles that know the truth."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envbuild.resolve.conflicts import (
    Budget,
    BudgetError,
    Diagnosis,
    Items,
    diagnose,
    minimal_conflict,
)


class Truth:
    """An oracle for known conflicts, which counts what it is asked."""

    def __init__(self, *conflicts: set[int]) -> None:
        self.conflicts = [frozenset(conflict) for conflict in conflicts]
        self.calls = 0

    def __call__(self, items: Items) -> bool:
        self.calls += 1
        return not any(conflict <= items for conflict in self.conflicts)

    def smallest(self, items: Items, removable: Items) -> int | None:
        """The size of a smallest removal, by trying all."""
        for size in range(len(removable) + 1):
            for removed in combinations(sorted(removable), size):
                if self(items - set(removed)):
                    return size
        return None


def test_a_conflict_of_two_among_a_hundred_takes_few_questions() -> None:
    truth = Truth({17, 83})

    assert minimal_conflict(range(100), truth) == {17, 83}
    assert truth.calls <= 28


def test_a_single_item_needs_no_question() -> None:
    truth = Truth({5})

    assert minimal_conflict([5], truth) == {5}
    assert truth.calls == 0


def test_a_background_that_is_in_conflict_blames_nobody() -> None:
    assert minimal_conflict([], Truth({1}), background=frozenset({1})) == frozenset()


def test_earlier_items_are_kept_rather_than_later_ones() -> None:
    assert minimal_conflict([0, 1, 2, 3], Truth({0, 1}, {2, 3})) == {0, 1}
    assert minimal_conflict([3, 2, 1, 0], Truth({0, 1}, {2, 3})) == {2, 3}


def test_one_pin_that_stands_in_every_conflict_is_the_one_to_go() -> None:
    truth = Truth({0, 1}, {0, 2}, {0, 3})

    found = diagnose(range(6), truth, removable=range(6))

    assert found.removals == (frozenset({0}),)
    assert found.is_smallest


def test_what_resolves_needs_no_removal() -> None:
    assert diagnose(range(3), Truth(), removable=range(3)) == Diagnosis(
        conflicts=(), removals=(frozenset(),), is_smallest=True
    )


def test_only_what_may_go_is_removed() -> None:
    found = diagnose(range(4), Truth({0, 1}, {1, 2}), removable={0, 2})

    assert found.removals == (frozenset({0, 2}),)


def test_a_conflict_of_what_must_stay_has_no_removal() -> None:
    found = diagnose(range(4), Truth({0, 1}), removable={2, 3})

    assert found == Diagnosis(conflicts=(frozenset({0, 1}),), removals=(), is_smallest=False)


def test_a_good_hint_saves_questions() -> None:
    plain, hinted = Truth({3, 90}), Truth({3, 90})
    diagnose(range(100), plain, removable=range(100))

    found = diagnose(range(100), hinted, removable=range(100), hint=lambda _: {3, 50, 90})

    assert found.removals == (frozenset({3}), frozenset({90}))
    assert hinted.calls < plain.calls / 2


def test_a_wrong_hint_does_no_harm() -> None:
    found = diagnose(range(9), Truth({3, 7}), removable=range(9), hint=lambda _: {0, 1})

    assert found.conflicts == (frozenset({3, 7}),)


def test_a_spent_budget_still_gives_a_minimal_removal() -> None:
    pairs = [{2 * n, 2 * n + 1} for n in range(8)]

    found = diagnose(range(16), Truth(*pairs), removable=range(16), budget=Budget(calls=110))

    assert not found.is_smallest
    (removal,) = found.removals
    assert all(len(pair & removal) == 1 for pair in pairs)


def test_a_removal_that_greed_made_too_large_is_trimmed() -> None:
    # 0 goes first, being in most conflicts, and is not needed once 1, 2, 3 and 4 have gone.
    conflicts = ({0, 1}, {0, 2}, {0, 3}, {1, 5}, {2, 6}, {3, 7}, {5, 1}, {5, 2}, {6, 3})
    truth = Truth(*conflicts)

    found = diagnose(range(8), truth, removable=range(8), budget=Budget(calls=45))

    assert not found.is_smallest
    (removal,) = found.removals
    left = frozenset(range(8)) - removal
    assert truth(left)
    assert not any(truth(left | {item}) for item in removal)


def test_a_budget_that_is_far_too_small_leaves_the_removal_open() -> None:
    found = diagnose(range(64), Truth({1, 60}), removable=range(64), budget=Budget(calls=4))

    assert (found.removals, found.is_smallest) == ((), False)


def test_greed_gives_up_where_nothing_may_go() -> None:
    # The search breadth first meets {8, 9} only after its budget.
    pairs = [{n, n + 20} for n in range(8)]
    truth = Truth(*pairs, {8, 9})

    found = diagnose(
        range(30), truth, removable={*range(8), *range(20, 28)}, budget=Budget(calls=150)
    )

    assert found.removals == ()


def test_time_is_a_budget_too() -> None:
    ticks = iter(range(100))
    budget = Budget(seconds=1.5, clock=lambda: float(next(ticks)))

    budget.spend()
    with pytest.raises(BudgetError):
        budget.spend()


conflict_sets = st.lists(
    st.frozensets(st.integers(0, 7), min_size=1, max_size=4), min_size=1, max_size=5
)


@given(conflicts=conflict_sets)
def test_a_minimal_conflict_is_one_and_minimal(conflicts: list[frozenset[int]]) -> None:
    truth = Truth(*map(set, conflicts))

    found = minimal_conflict(range(8), truth)

    assert not truth(found)
    assert all(truth(found - {item}) for item in found)


@given(conflicts=conflict_sets, removable=st.frozensets(st.integers(0, 7)))
def test_a_removal_is_smallest_and_enough(
    conflicts: list[frozenset[int]], removable: frozenset[int]
) -> None:
    truth = Truth(*map(set, conflicts))
    items = frozenset(range(8))

    found = diagnose(items, truth, removable=removable, budget=Budget(calls=100_000))

    expected = truth.smallest(items, removable)
    assert {len(removal) for removal in found.removals} == ({expected} - {None})
    for removal in found.removals:
        assert removal <= removable
        assert truth(items - removal)


def test_no_more_than_a_few_removals_are_looked_for() -> None:
    found = diagnose(range(9), Truth(set(range(9))), removable=range(9))

    assert found.removals == tuple(frozenset({item}) for item in range(6))


def test_the_budget_ends_the_search_for_more_removals() -> None:
    truth = Truth(set(range(9)))

    found = diagnose(range(9), truth, removable=range(9), budget=Budget(calls=20))

    assert found.is_smallest
    assert 1 <= len(found.removals) < 6
