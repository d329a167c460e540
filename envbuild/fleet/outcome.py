"""What became of each model of a fleet, as values and as JSON, JUnit XML or a table. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from envbuild.errors import EnvbuildError, FleetError
from envbuild.junit import Case, junit_text
from envbuild.redact import redact

__all__ = ["STATUSES", "Failure", "FleetReport", "Outcome", "Status"]

Status = Literal["locked", "unchanged", "fresh", "stale", "missing", "failed"]
STATUSES: Mapping[Status, str] = {
    "locked": "solved, and its context written",
    "unchanged": "solved, and its context was already so",
    "fresh": "its context fits it; not solved again",
    "stale": "its context does not fit it any more",
    "missing": "it has no context",
    "failed": "it could not be read, locked or written",
}
_QUIET: frozenset[Status] = frozenset({"unchanged", "fresh"})
_SHOWN = 5  # lines below a row


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An error as plain values, which travel between processes: those of ``EnvbuildError``."""

    type: str
    exit_code: int
    message: str
    where: str = ""
    details: tuple[str, ...] = ()
    remedy: str = ""

    @classmethod
    def of(cls, error: EnvbuildError) -> Failure:
        """The values of ``error``."""
        return cls(
            type=type(error).__name__,
            exit_code=error.exit_code,
            message=error.problem,
            where=error.where,
            details=error.details,
            remedy=error.remedy,
        )

    @classmethod
    def of_bug(cls, error: Exception) -> Failure:
        """An error that nobody raised on purpose; its text may hold anything, so it is left out."""
        message = f"this is a bug in envbuild: {type(error).__name__}"
        remedy = "envbuild lock of this model with --verbose, and report what it prints"
        return cls(type="EnvbuildError", exit_code=70, message=message, remedy=remedy)

    def document(self) -> dict[str, Any]:
        """As every command gives an error with ``--json``."""
        return {
            "type": self.type,
            "exit_code": self.exit_code,
            "message": self.message,
            "where": self.where,
            "details": list(self.details),
            "remedy": self.remedy,
        }

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One model. ``name`` is that of its context, ``model`` its address without credentials.

    ``environment`` is the same for models that were solved together, empty where nothing was to be
    solved. ``differences`` say what the context did not fit, or what would be written;
    ``seconds`` is wall-clock time, and that of the solve is with the first model of an environment.
    """

    name: str
    model: str
    context: str
    status: Status
    environment: str = ""
    seconds: float = 0.0
    differences: tuple[str, ...] = ()
    failure: Failure | None = None

    def after(self, seconds: float) -> Outcome:
        """The same with its time."""
        return replace(self, seconds=round(seconds, 3))

    def document(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return {
            "name": self.name,
            "model": self.model,
            "context": self.context,
            "status": self.status,
            "environment": self.environment or None,
            "seconds": self.seconds,
            "differences": list(self.differences),
            "error": self.failure.document() if self.failure else None,
        }

    @property
    def reason(self) -> str:
        """One line that says why the status is what it is, empty where there is nothing to say."""
        if self.failure:
            return str(self.failure)
        return self.differences[0] if self.differences else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetReport:
    """Every model of a run, sorted by name.

    ``environments`` counts what was distinct among those that were to be solved, ``solves`` what
    the resolver was asked for, ``reused`` how often an answer it had given served again.
    ``resumed`` models were made anew before an upgrade was interrupted; their status is of then.
    With ``only_changed`` the models whose context is as it was are counted, but not listed.
    """

    outcomes: tuple[Outcome, ...]
    environments: int = 0
    solves: int = 0
    reused: int = 0
    resumed: int = 0
    seconds: float = 0.0
    only_changed: bool = False

    @property
    def listed(self) -> tuple[Outcome, ...]:
        """The models to tell of."""
        if not self.only_changed:
            return self.outcomes
        return tuple(one for one in self.outcomes if one.status not in _QUIET)

    @property
    def counts(self) -> Mapping[Status, int]:
        """How many models ended so; statuses that did not occur are left out."""
        found = Counter(outcome.status for outcome in self.outcomes)
        return {status: found[status] for status in STATUSES if found[status]}

    @property
    def up_to_date(self) -> bool:
        """Every model has a context that fits it."""
        return not {"stale", "missing", "failed"} & self.counts.keys()

    def error(self) -> FleetError | None:
        """What to raise where a model that failed is an error; None if none did."""
        failed = [outcome for outcome in self.outcomes if outcome.status == "failed"]
        if not failed:
            return None
        return FleetError(
            f"{len(failed)} of {len(self.outcomes)} models failed",
            details=[f"{outcome.name}: {outcome.reason}" for outcome in failed],
            remedy="the same command again, when they are mended: it does the rest only",
        )

    def document(self) -> dict[str, Any]:
        """The report as plain values; documented in ``docs/reference/json.md``."""
        return {
            "models": len(self.outcomes),
            "counts": dict(self.counts),
            "environments": self.environments,
            "solves": self.solves,
            "reused": self.reused,
            "resumed": self.resumed,
            "seconds": self.seconds,
            "results": [outcome.document() for outcome in self.listed],
        }

    def junit(self) -> str:
        """The report as JUnit XML: a test case for each model."""
        return junit_text("envbuild fleet", [_case(outcome) for outcome in self.listed])

    def table(self) -> str:
        """The report for a terminal: a line for each model, and why it failed or is stale."""
        width = max((len(outcome.name) for outcome in self.listed), default=0)
        rows = [_one_line(row) for outcome in self.listed for row in _rows(outcome, width)]
        return "\n".join((*rows, self.summary()))

    def summary(self) -> str:
        """One line: ``37 models: 34 locked, 3 failed; 21 environments, 21 solves, 16.5 s``."""
        counts = ", ".join(f"{count} {status}" for status, count in self.counts.items())
        text = f"{_plural(len(self.outcomes), 'model')}: {counts or 'none'}"
        if self.resumed:
            text += f", {self.resumed} of them before an interruption"
        if self.environments:
            text += (
                f"; {_plural(self.environments, 'environment')}, {_plural(self.solves, 'solve')}"
            )
        return f"{text}, {self.seconds:.1f} s"


def _plural(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def _rows(outcome: Outcome, width: int) -> Iterator[str]:
    head = f"{outcome.status:<11}{outcome.name:<{width}}"
    if outcome.status in _QUIET or not outcome.reason:
        yield head.rstrip()
        return
    yield f"{head}  {redact(outcome.reason)}"
    more = outcome.failure.details if outcome.failure else outcome.differences[1:]
    yield from (f"{'':<11}{line}" for line in _first(more))
    if outcome.failure and outcome.failure.remedy:
        yield f"{'':<11}try: {outcome.failure.remedy}"


def _one_line(text: str) -> str:
    """``text`` with control characters escaped: a name in it may hold any."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def _first(lines: Iterable[str]) -> Iterator[str]:
    every = tuple(lines)
    yield from every[:_SHOWN]
    if len(every) > _SHOWN:
        yield f"and {len(every) - _SHOWN} more"


def _case(outcome: Outcome) -> Case:
    failure = outcome.failure
    bad = outcome.status in {"failed", "stale", "missing"}
    details = failure.details if failure else outcome.differences
    return Case(
        group="envbuild.fleet",
        name=outcome.name,
        outcome="failed" if bad else "passed",
        seconds=outcome.seconds,
        reason=outcome.reason or (STATUSES[outcome.status] if bad else outcome.status),
        details=tuple(details) if bad else (),
    )
