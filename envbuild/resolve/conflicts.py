"""Why a set of requirements cannot be met, found by asking a yes-or-no oracle. Pure.

QuickXplain (Junker, AAAI 2004) finds one minimal conflict with few questions; Reiter's hitting-set
tree (Artificial Intelligence 32, 1987, corrected by Greiner et al. 1989) finds the smallest set
whose removal leaves no conflict.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

__all__ = ["Budget", "BudgetError", "Diagnosis", "diagnose", "minimal_conflict"]

Items = frozenset[int]
Oracle = Callable[[Items], bool]
"""Whether the requirements with these numbers can be met together."""

_PARALLEL = 2
_MOST_REMOVALS = 6


class BudgetError(Exception):
    """No more questions: the answer is left open."""


@dataclass(slots=True, kw_only=True)
class Budget:
    """How many questions may be asked, and until when (``clock`` in seconds)."""

    calls: int = 120
    seconds: float = 60.0
    clock: Callable[[], float] = time.monotonic
    _started: float = field(init=False)

    def __post_init__(self) -> None:
        self._started = self.clock()

    def spend(self) -> None:
        """Count one question.

        Raises:
            BudgetError: it is one too many, or too late.
        """
        self.calls -= 1
        if self.calls < 0 or self.clock() - self._started > self.seconds:
            raise BudgetError


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """``conflicts`` that were met on the way, each minimal, and the sets that may give way.

    ``removals`` are some sets of one size, of which any is enough; empty where none was found:
    nothing removable helps, or the budget was spent. ``is_smallest`` says whether no smaller one
    exists.
    """

    conflicts: tuple[Items, ...]
    removals: tuple[Items, ...]
    is_smallest: bool


def minimal_conflict(
    items: Sequence[int], satisfiable: Oracle, *, background: Items = frozenset()
) -> Items:
    """A subset of ``items`` that cannot be met together with ``background``, while each smaller
    subset can. Both together must be a conflict. Earlier items are kept rather than later ones.
    """
    return _split(background, frozenset(), tuple(items), satisfiable)


def _split(background: Items, added: Items, items: tuple[int, ...], satisfiable: Oracle) -> Items:
    """The recursion; ``added`` is what ``background`` has gained since the last question."""
    if not items or (added and not satisfiable(background)):
        return frozenset()
    if len(items) == 1:
        return frozenset(items)
    half = (len(items) + 1) // 2
    first = frozenset(items[:half])
    right = _split(background | first, first, items[half:], satisfiable)
    left = _split(background | right, right, items[:half], satisfiable)
    return left | right


@dataclass(slots=True)
class _Search:
    """What one diagnosis has learnt so far."""

    items: Items
    removable: Items
    satisfiable: Oracle
    hint: Callable[[Items], Collection[int]]
    conflicts: list[Items] = field(default_factory=list)

    def conflict_without(self, removed: Items, known: Sequence[Items]) -> Items | None:
        """A minimal conflict of what is left after ``removed``, or None if there is none.

        One of ``known`` needs no question. It is not what the search knows at this moment, since
        two of these run at a time and the answer must not depend on which is quicker.
        """
        for conflict in known:
            if not conflict & removed:
                return conflict
        left = self.items - removed
        if self.satisfiable(left):
            return None
        candidates = self._candidates(left)
        # What may go comes first and is kept rather: a conflict is best told by what the user
        # can change.
        ordered = sorted(candidates, key=lambda item: (item not in self.removable, item))
        return minimal_conflict(ordered, self.satisfiable)

    def learn(self, conflict: Items) -> None:
        """Remember a conflict."""
        if conflict not in self.conflicts:
            self.conflicts.append(conflict)

    def _candidates(self, left: Items) -> Items:
        """The hinted items if they are a conflict by themselves, else all that are left."""
        hinted = frozenset(self.hint(left)) & left
        if hinted and hinted != left and not self.satisfiable(hinted):
            return hinted
        return left


def diagnose(
    items: Iterable[int],
    satisfiable: Oracle,
    *,
    removable: Collection[int],
    hint: Callable[[Items], Collection[int]] = frozenset,
    budget: Budget | None = None,
) -> Diagnosis:
    """Find the smallest sets of ``removable`` items without which the rest can be met.

    ``hint`` guesses which of an unsatisfiable set are to blame. When the budget is spent before
    the search is complete, a set that is minimal but perhaps not the smallest is looked for with
    half as much again.
    """
    budget = budget or Budget()
    half = (budget.calls // 2, budget.seconds / 2)
    spending = [budget]

    def ask(asked: Items) -> bool:
        spending[-1].spend()
        return satisfiable(asked)

    search = _Search(frozenset(items), frozenset(removable), ask, hint)
    try:
        removals = _breadth_first(search)
        return Diagnosis(
            conflicts=tuple(search.conflicts), removals=removals, is_smallest=bool(removals)
        )
    except BudgetError:
        spending.append(Budget(calls=half[0], seconds=half[1], clock=budget.clock))
    try:
        removals = _greedy(search)
    except BudgetError:
        removals = ()
    return Diagnosis(conflicts=tuple(search.conflicts), removals=removals, is_smallest=False)


def _breadth_first(search: _Search) -> tuple[Items, ...]:
    """Reiter's tree, level by level: the first node without a conflict is a smallest removal."""
    level: list[Items] = [frozenset()]
    seen: set[Items] = set(level)
    with ThreadPoolExecutor(max_workers=_PARALLEL) as pool:
        while level:
            following: list[Items] = []
            for start in range(0, len(level), _PARALLEL):
                batch = level[start : start + _PARALLEL]
                known = tuple(search.conflicts)
                asked = partial(search.conflict_without, known=known)
                for removed, conflict in zip(batch, pool.map(asked, batch), strict=True):
                    if conflict is None:
                        return _with_others(search, removed, level)
                    search.learn(conflict)
                    for item in sorted(conflict & search.removable):
                        if (child := removed | {item}) not in seen:
                            seen.add(child)
                            following.append(child)
            level = following
    return ()


def _with_others(search: _Search, removal: Items, level: Sequence[Items]) -> tuple[Items, ...]:
    """``removal`` and a few more nodes of its level that do as well, as far as the budget goes."""
    found = [removal]
    try:
        for other in level[level.index(removal) + 1 :]:
            broken = all(conflict & other for conflict in search.conflicts)
            if broken and search.satisfiable(search.items - other):
                found.append(other)
            if len(found) == _MOST_REMOVALS:
                break
    except BudgetError:
        pass
    return tuple(found)


def _greedy(search: _Search) -> tuple[Items, ...]:
    """Break one conflict after the other, then put back what need not have gone."""
    removed: Items = frozenset()
    while (conflict := search.conflict_without(removed, search.conflicts)) is not None:
        search.learn(conflict)
        choices = sorted(conflict & search.removable)
        if not choices:
            return ()
        # The item that stands in most of the conflicts met so far breaks most of them.
        best = max(choices, key=lambda item: sum(item in one for one in search.conflicts))
        removed |= {best}
    waiting = deque(sorted(removed))
    while waiting:
        without = removed - {waiting.popleft()}
        if search.conflict_without(without, search.conflicts) is None:
            removed = without
    return (removed,)
