"""Tasks through executors that fail in every way there is."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest

from envbuild.fleet.schedule import MOST_TRIES, Crew, Lost, run_tasks


@dataclass
class Company:
    """Hires executors in which some tasks kill their worker, and keeps count."""

    deadly: dict[int, int] = field(default_factory=dict)  # task: how often
    lost: dict[int, int] = field(default_factory=dict)
    hired: int = 0
    dismissed: list[bool] = field(default_factory=list)
    under_way: int = 0
    most: int = 0
    tried: list[int] = field(default_factory=list)

    def crew(self, jobs: int = 2) -> Crew:
        return Crew(hire=self._hire, jobs=jobs)

    def _hire(self) -> tuple[Executor, Callable[[bool], None]]:
        self.hired += 1
        return _Scripted(self), self.dismissed.append


class _Scripted(Executor):
    """Runs a task when its result is waited for, or breaks as a pool of processes does."""

    def __init__(self, company: Company) -> None:
        self.company = company
        self.broken = False
        self.pending: list[Future[Any]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **_: Any) -> Future[Any]:
        (task,) = args
        if self.broken:
            raise BrokenExecutor("broken before")
        company = self.company
        company.tried.append(task)
        future: Future[Any] = Future()
        if company.deadly.get(task, 0):
            company.deadly[task] -= 1
            self.broken = True
            for one in (*self.pending, future):
                if not one.done():
                    one.set_exception(BrokenExecutor("a worker died"))
        elif company.lost.get(task, 0):
            company.lost[task] -= 1
            future.set_exception(ConnectionError("gone"))
        else:
            future.set_result(fn(task))
        self.pending.append(future)
        return future


def double(number: int) -> int:
    return 2 * number


def results(company: Company, count: int) -> dict[int, int | Lost]:
    return dict(run_tasks(double, range(count), company.crew()))


def test_every_task_has_its_result() -> None:
    with ThreadPoolExecutor(3) as pool:
        crew = Crew(hire=lambda: (pool, lambda _: None), jobs=3)

        assert dict(run_tasks(double, range(50), crew)) == {n: 2 * n for n in range(50)}


def test_only_a_few_tasks_are_taken_ahead() -> None:
    taken: list[int] = []

    def tasks() -> Any:
        for number in range(100):
            taken.append(number)
            yield number

    stream = run_tasks(double, tasks(), Company().crew(jobs=2))
    next(stream)

    assert len(taken) == 4


def test_a_lost_task_is_tried_again() -> None:
    company = Company(lost={3: 2})

    assert results(company, 5) == {n: 2 * n for n in range(5)}
    assert company.tried.count(3) == 3
    assert company.hired == 1


def test_a_task_that_is_always_lost_fails_alone() -> None:
    company = Company(lost={3: 99})

    found = results(company, 5)

    assert found.pop(3) == Lost("ConnectionError: gone")
    assert found == {0: 0, 1: 2, 2: 4, 4: 8}
    assert company.tried.count(3) == MOST_TRIES


def test_a_broken_executor_is_replaced_and_its_tasks_done() -> None:
    company = Company(deadly={1: 1})

    assert results(company, 6) == {n: 2 * n for n in range(6)}
    assert company.hired == 2
    assert company.dismissed == [True]


def test_a_task_that_kills_its_worker_does_not_take_the_others_along() -> None:
    company = Company(deadly={2: 99})

    found = results(company, 8)

    assert found.pop(2) == Lost("BrokenExecutor: a worker died")
    assert found == {n: 2 * n for n in (0, 1, 3, 4, 5, 6, 7)}


def test_what_has_not_begun_is_cancelled_when_the_caller_stops() -> None:
    waiting: list[Future[int]] = []

    class Idle(Executor):
        def submit(self, fn: Callable[..., Any], /, *args: Any, **_: Any) -> Future[Any]:
            future: Future[Any] = Future()
            waiting.append(future)
            if len(waiting) == 1:
                future.set_result(0)
            return future

    stream = run_tasks(double, range(9), Crew(hire=lambda: (Idle(), lambda _: None), jobs=2))
    next(stream)
    with pytest.raises(KeyboardInterrupt):
        stream.throw(KeyboardInterrupt)  # type: ignore[attr-defined]

    assert [future.cancelled() for future in waiting] == [False, True, True, True]
