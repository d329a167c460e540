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
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from typing_extensions import Self

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
    """An executor of ``jobs`` workers, and how to come by another one when it is broken.

    A context manager that ends it, at once after an error.
    """

    hire: Callable[[], Hired]
    jobs: int
    is_here: bool = True  # on this machine, with what this process knows
    _hired: Hired | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.dismiss(at_once=kind is not None)

    def executor(self) -> Executor:
        """The one that works now."""
        if self._hired is None:
            self._hired = self.hire()
        return self._hired[0]

    def dismiss(self, executor: Executor | None = None, *, at_once: bool = False) -> None:
        """End the executor, if it is this one: the next task gets another."""
        if self._hired is not None and executor in {None, self._hired[0]}:
            (_, end), self._hired = self._hired, None
            end(at_once)


def run_tasks(
    work: Callable[[_Task], _Result], tasks: Iterable[_Task], crew: Crew
) -> Iterator[tuple[_Task, _Result | Lost]]:
    """Each task with its result, in the order in which they end; at most a few are under way.

    ``work`` raises nothing of its own, so whatever comes instead of a result is a worker that was
    lost. Its task is tried again, three times in all; after an executor broke, which fails every
    task under way, those are tried one by one, so that one that kills its worker fails alone.
    """
    run = _Run(work=work, waiting=iter(tasks), crew=crew)
    try:
        while run.begin():
            yield from run.ended()
    finally:
        run.cancel()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Try(Generic[_Task]):
    task: _Task
    number: int
    executor: Executor


@dataclass(slots=True, kw_only=True)
class _Run(Generic[_Task, _Result]):
    work: Callable[[_Task], _Result]
    waiting: Iterator[_Task]
    crew: Crew
    again: deque[tuple[_Task, int]] = field(default_factory=deque)
    running: dict[Future[_Result], _Try[_Task]] = field(default_factory=dict)
    alone: bool = False

    def begin(self) -> bool:
        """Begin as many tasks as there should be under way; whether there are any."""
        self.alone = self.alone and bool(self.again or self.running)
        most = 1 if self.alone else self.crew.jobs * _AHEAD
        while len(self.running) < most and (entry := self._next()):
            task, number = entry
            future, executor = self._submit(task)
            self.running[future] = _Try(task=task, number=number, executor=executor)
        return bool(self.running)

    def ended(self) -> Iterator[tuple[_Task, _Result | Lost]]:
        """Wait for a task to end; those that need not be tried again."""
        done, _ = wait(self.running, return_when=FIRST_COMPLETED)
        for future in done:
            attempt = self.running.pop(future)
            try:
                result = future.result()
            except (Exception, CancelledError) as error:
                if isinstance(error, BrokenExecutor):
                    self.crew.dismiss(attempt.executor, at_once=True)
                    self.alone = True
                if attempt.number == MOST_TRIES:
                    yield attempt.task, Lost(f"{type(error).__name__}: {error}".rstrip(": "))
                else:
                    self.again.append((attempt.task, attempt.number + 1))
            else:
                yield attempt.task, result

    def cancel(self) -> None:
        """Let go of what has not begun."""
        for future in self.running:
            future.cancel()

    def _next(self) -> tuple[_Task, int] | None:
        if self.again:
            return self.again.popleft()
        return next(((task, 1) for task in self.waiting), None)

    def _submit(self, task: _Task) -> tuple[Future[_Result], Executor]:
        executor = self.crew.executor()
        try:
            return executor.submit(self.work, task), executor
        except BrokenExecutor:  # since the last task ended
            self.crew.dismiss(executor, at_once=True)
        executor = self.crew.executor()
        return executor.submit(self.work, task), executor
