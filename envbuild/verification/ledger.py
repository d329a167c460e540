"""Steps in order, each timed; what a failed step makes pointless is skipped and says so."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from envbuild.reporter import Reporter
from envbuild.verification.report import Outcome, StepResult, skipped

__all__ = ["Ledger"]

_Results = StepResult | tuple[StepResult, ...]


class Ledger:
    """Collects results. Once ``blocked`` holds a reason, no further step is run."""

    def __init__(self, progress: Reporter) -> None:
        self._progress = progress
        self._steps: list[StepResult] = []
        self.blocked = ""

    def block(self, reason: str) -> None:
        """Skip everything from here on because of ``reason``; the first reason stays."""
        self.blocked = self.blocked or reason

    def outcome(self, name: str) -> Outcome | None:
        """How the step called ``name`` ended; None before it did."""
        return next((step.outcome for step in self._steps if step.name == name), None)

    @property
    def steps(self) -> tuple[StepResult, ...]:
        """What there is so far."""
        return tuple(self._steps)

    def run(self, names: str | Sequence[str], action: Callable[[], _Results]) -> bool:
        """Run a step that gives one result for each of ``names``; whether all of them passed.

        A result without a time of its own gets that of the whole action.
        """
        expected = (names,) if isinstance(names, str) else tuple(names)
        if self.blocked:
            self._steps += [skipped(name, self.blocked) for name in expected]
            return False
        self._progress.step(f"verifying: {expected[0]}")
        started = time.monotonic()
        found = action()
        elapsed = time.monotonic() - started
        results = (found,) if isinstance(found, StepResult) else found
        self._steps += [step if step.seconds else _timed(step, elapsed) for step in results]
        return all(step.outcome == "passed" for step in results)

    def need(self, name: str, action: Callable[[], _Results], *, otherwise: str) -> None:
        """Run a step that the rest depends on: where it does not pass, ``otherwise`` says why
        the rest is skipped.
        """
        if not self.run(name, action):
            self.block(otherwise)


def _timed(step: StepResult, elapsed: float) -> StepResult:
    return step if step.outcome == "skipped" else step.after(elapsed)
