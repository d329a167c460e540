"""Tasks through any ``concurrent.futures.Executor``: a few at a time, tried again when lost."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    wait,
)
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

__all__ = ["Crew", "Lost", "run_tasks"]

MOST_TRIES = 3
_AHEAD = 2  # tasks for each worker: one that runs, one that waits

_Task = TypeVar("_Task")
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Lost:
    """A task that no worker came back from; ``reason`` is what the executor said."""

    reason: str


Hired = tuple[Executor, Callable[[bool], None]]
"""An executor, and what ends it: at once if told so, else when what it began is done."""


@dataclass(slots=True, kw_only=True)
class Crew:
    """An executor of ``jobs`` workers, and how to come by another one when it is broken."""

    hire: Callable[[], Hired]
    jobs: int
    is_here: bool = True  # on this machine, with what this process knows
    _hired: Hired | None = None

    def executor(self) -> Executor:
        """The one that works now."""
        if self._hired is None:
            self._hired = self.hire()
        return self._hired[0]

    def dismiss(self, *, at_once: bool = False) -> None:
        """End the executor: the next task gets another one."""
        if self._hired is not None:
            (_, end), self._hired = self._hired, None
            end(at_once)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Try(Generic[_Task]):
    task: _Task
    number: int = 1


def run_tasks(
    work: Callable[[_Task], _Result], tasks: Iterable[_Task], crew: Crew
) -> Iterator[tuple[_Task, _Result | Lost]]:
    """Each task with its result, in the order in which they end; at most a few are under way.

    ``work`` raises nothing of its own, so whatever comes instead of a result is a worker that was
    lost. Its task is tried again, three times in all; after an executor broke, which fails every
    task under way, those are tried one by one, so that one that kills its worker fails alone.
    """
    waiting = iter(tasks)
    again: deque[_Try[_Task]] = deque()
    running: dict[Future[_Result], _Try[_Task]] = {}
    alone = False
    try:
        while True:
            alone = alone and bool(again or running)
            most = 1 if alone else crew.jobs * _AHEAD
            while len(running) < most:
                attempt = again.popleft() if again else _next(waiting)
                if attempt is None:
                    break
                running[_submit(crew, work, attempt.task)] = attempt
            if not running:
                return
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                attempt = running.pop(future)
                try:
                    result: _Result | Lost = future.result()
                except (Exception, CancelledError) as error:
                    if isinstance(error, BrokenExecutor):
                        crew.dismiss(at_once=True)
                        alone = True
                    if attempt.number < MOST_TRIES:
                        again.append(replace(attempt, number=attempt.number + 1))
                        continue
                    result = Lost(f"{type(error).__name__}: {error}".rstrip(": "))
                yield attempt.task, result
    finally:
        for future in running:
            future.cancel()


def _next(waiting: Iterator[_Task]) -> _Try[_Task] | None:
    for task in waiting:
        return _Try(task=task)
    return None


def _submit(crew: Crew, work: Callable[[_Task], _Result], task: _Task) -> Future[_Result]:
    with suppress(BrokenExecutor):
        return crew.executor().submit(work, task)
    crew.dismiss(at_once=True)  # it broke since the last task ended
    return crew.executor().submit(work, task)
