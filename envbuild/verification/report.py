"""What verification found, as a value and as JSON, JUnit XML or a table. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from envbuild.junit import Case, junit_text
from envbuild.redact import redact

__all__ = ["Outcome", "Report", "StepResult", "failed", "passed", "skipped"]

Outcome = Literal["passed", "failed", "skipped"]

_MARKS = {"passed": "ok", "failed": "FAILED", "skipped": "skipped"}


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """How one step went.

    ``reason`` is a sentence: what failed, or why the step could not run, or what it proved;
    ``details`` are lines below it, such as the end of a log. ``seconds`` is wall-clock time.
    """

    name: str
    outcome: Outcome
    seconds: float = 0.0
    reason: str = ""
    details: tuple[str, ...] = ()

    def after(self, seconds: float) -> StepResult:
        """The same with its time."""
        return replace(self, seconds=round(seconds, 3))


def passed(name: str, reason: str = "", *details: str) -> StepResult:
    """A step that proved something."""
    return _result(name, "passed", reason, details)


def failed(name: str, reason: str, *details: str) -> StepResult:
    """A step that disproved something."""
    return _result(name, "failed", reason, details)


def skipped(name: str, reason: str) -> StepResult:
    """A step that could not run, which proves nothing."""
    return _result(name, "skipped", reason, ())


def _result(name: str, outcome: Outcome, reason: str, details: Iterable[str]) -> StepResult:
    # Logs come from programs that may have met an index URL with a password in it.
    return StepResult(
        name=name,
        outcome=outcome,
        reason=redact(reason),
        details=tuple(redact(detail) for detail in details),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Every step in the order it ran. ``isolation`` says how the network was taken away."""

    target: str
    kind: Literal["bundle", "context", "image"]
    isolation: str
    steps: tuple[StepResult, ...]

    @property
    def passed(self) -> bool:
        """No step failed, and at least one passed. Skipped steps prove nothing either way."""
        outcomes = {step.outcome for step in self.steps}
        return "failed" not in outcomes and "passed" in outcomes

    @property
    def complete(self) -> bool:
        """Every step passed: nothing was left unproven."""
        return all(step.outcome == "passed" for step in self.steps)

    def count(self, outcome: Outcome) -> int:
        """How many steps ended so."""
        return sum(step.outcome == outcome for step in self.steps)

    def document(self) -> dict[str, Any]:
        """The report as plain values, for JSON."""
        return {
            "target": self.target,
            "kind": self.kind,
            "isolation": self.isolation,
            "passed": self.passed,
            "complete": self.complete,
            "steps": [
                {
                    "name": step.name,
                    "outcome": step.outcome,
                    "seconds": step.seconds,
                    "reason": step.reason,
                    "details": list(step.details),
                }
                for step in self.steps
            ],
        }

    def to_json(self) -> str:
        """The report as a JSON document; see ``docs/how-to/verify.md`` for its keys."""
        return json.dumps(self.document(), indent=2, ensure_ascii=False) + "\n"

    def junit(self) -> str:
        """The report as JUnit XML, one test case for each step."""
        cases = [
            Case(
                group=f"envbuild.verification.{self.kind}",
                name=step.name,
                outcome=step.outcome,
                seconds=step.seconds,
                reason=step.reason,
                details=step.details,
            )
            for step in self.steps
        ]
        return junit_text(self.target, cases)

    def table(self) -> str:
        """The report for a terminal: a line for each step, and the details of what failed."""
        width = max((len(step.name) for step in self.steps), default=0)
        lines = [f"{self.kind} {self.target}, isolation: {self.isolation}"]
        for step in self.steps:
            lines += _rows(step, width)
        lines.append(self._verdict())
        return "\n".join(lines)

    def _verdict(self) -> str:
        counts = [
            f"{count} {word}"
            for word in ("passed", "failed", "skipped")
            if (count := self.count(word))
        ]
        word = "verified" if self.passed else "not verified"
        return f"{word}: {', '.join(counts) or 'no step ran'}"


def _rows(step: StepResult, width: int) -> Iterator[str]:
    head = f"  {_MARKS[step.outcome]:<8}{step.name:<{width}}{step.seconds:>9.1f} s"
    yield f"{head}  {step.reason}".rstrip()
    if step.outcome == "failed":
        yield from (f"            {detail}" for detail in step.details)
