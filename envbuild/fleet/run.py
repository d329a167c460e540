"""A run over a fleet: survey the models, group them by environment, lock each group, report."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

from envbuild.ambient import Ambient
from envbuild.errors import IndexUnavailableError, OutputError, ToolError
from envbuild.fleet.crews import DEFAULT_EXECUTOR, crew_of, given_crew
from envbuild.fleet.outcome import Failure, FleetReport, Outcome
from envbuild.fleet.schedule import Crew, Lost, run_tasks
from envbuild.fleet.sources import Source, chunks
from envbuild.fleet.work import (
    STAGE,
    Done,
    Job,
    LockTask,
    Surveyed,
    SurveyTask,
    lock_environment,
    outcome_of,
    survey,
)
from envbuild.fs import alone_with
from envbuild.options import LockOptions
from envbuild.reporter import SILENT, Reporter

__all__ = ["FleetOptions", "check_fleet", "lock_fleet"]

# A full disk, an index that is away, a worker that was lost.
_PASSING = {OutputError.exit_code, IndexUnavailableError.exit_code, ToolError.exit_code}


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetOptions:
    """How a fleet is worked on; what is made does not depend on it.

    ``executor`` is ``threads``, ``processes`` or ``dask://HOST:PORT``, or any
    ``concurrent.futures.Executor`` whose workers have this envbuild and see the same folders.
    ``jobs`` is the number of workers; 0 is two for each processor to lock and one to check, or
    however many a cluster has.
    """

    executor: str | Executor = DEFAULT_EXECUTOR
    jobs: int = 0
    dry_run: bool = False
    ambient: Ambient | None = field(default=None, repr=False)
    reporter: Reporter = SILENT


def lock_fleet(
    sources: Sequence[Source],
    output: str | Path,
    *,
    options: LockOptions | None = None,
    how: FleetOptions | None = None,
) -> FleetReport:
    """Lock ``sources`` into folders of ``output``, each distinct environment solved once.

    A context that fits its model already is left alone, unless the options ask for an upgrade; what
    an upgrade that was interrupted has made anew is left alone too. So a run after one that was
    interrupted does the rest. A model that fails does not stop the others.

    Raises:
        UsageError: an unknown executor.
        MissingExtraError: Dask is not installed.
        IndexUnavailableError: the Dask scheduler cannot be reached.
        OutputError: nothing can be written in ``output``.
    """
    return _run(sources, output, options or LockOptions(), how or FleetOptions(), only_check=False)


def check_fleet(
    sources: Sequence[Source],
    output: str | Path,
    *,
    options: LockOptions | None = None,
    how: FleetOptions | None = None,
) -> FleetReport:
    """Whether each context in ``output`` still fits its model: no network, nothing solved.

    Raises:
        UsageError, MissingExtraError, IndexUnavailableError: as ``lock_fleet``.
    """
    return _run(sources, output, options or LockOptions(), how or FleetOptions(), only_check=True)


def _run(
    sources: Sequence[Source],
    output: str | Path,
    options: LockOptions,
    how: FleetOptions,
    *,
    only_check: bool,
) -> FleetReport:
    started = time.monotonic()
    ambient = how.ambient or Ambient.of_process()
    crew = given_crew(how.executor, how.jobs) or crew_of(
        str(how.executor), how.jobs, locking=not only_check
    )
    job = Job(
        output=ambient.cwd / output,
        shown=str(output),
        options=options,
        cwd=ambient.cwd,
        ambient=ambient if crew.is_here else None,
        only_check=only_check,
        dry_run=how.dry_run,
    )
    run = _Run(job=job, crew=crew, reporter=how.reporter)
    with _kept_apart(job, how.reporter), crew:
        report = run.report(sources)
    return replace(report, seconds=round(time.monotonic() - started, 3))


def _kept_apart(job: Job, reporter: Reporter) -> AbstractContextManager[None]:
    """One run at a time writes into a folder: the second finds what the first has done."""
    if job.only_check or job.dry_run:
        return nullcontext()
    words = f"waiting for another run that writes to {job.shown}"
    return alone_with(job.output / STAGE, waiting=lambda: reporter.step(words))


@dataclass(slots=True, kw_only=True)
class _Run:
    job: Job
    crew: Crew
    reporter: Reporter
    outcomes: list[Outcome] = field(default_factory=list)
    solves: int = 0
    reused: int = 0
    resumed: int = 0

    def report(self, sources: Sequence[Source]) -> FleetReport:
        """Do it all."""
        groups = self._survey(sources)
        self._lock(groups, total=sum(map(len, groups.values())))
        if self.job.journal and not any(map(_may_pass, self.outcomes)):
            self.job.journal.remove()
        return FleetReport(
            outcomes=tuple(sorted(self.outcomes, key=lambda outcome: outcome.name)),
            environments=len(groups),
            solves=self.solves,
            reused=self.reused,
            resumed=self.resumed,
        )

    def _survey(self, sources: Sequence[Source]) -> dict[str, list[Surveyed]]:
        """The models to lock, by environment."""
        groups: dict[str, list[Surveyed]] = {}
        tasks = (SurveyTask(job=self.job, sources=chunk) for chunk in chunks(sources))
        read = 0
        self.reporter.step(f"reading {len(sources)} models")
        for task, result in run_tasks(survey, tasks, self.crew):
            read += len(task.sources)
            self.reporter.step(f"read {read} of {len(sources)} models")
            if isinstance(result, Lost):
                self._lost(task.sources, result)
                continue
            for found in result:
                if found.outcome is not None:
                    self.outcomes.append(found.outcome)
                else:
                    groups.setdefault(found.environment, []).append(found)
        return groups

    def _lock(self, groups: dict[str, list[Surveyed]], *, total: int) -> None:
        # The largest first, so that the last to end is a small one.
        ordered = sorted(groups.items(), key=lambda group: (-len(group[1]), group[0]))
        tasks = (
            LockTask(
                job=self.job,
                environment=key,
                models=tuple(sorted(models, key=lambda one: one.source.name)),
            )
            for key, models in ordered
        )
        done = 0
        for task, result in run_tasks(lock_environment, tasks, self.crew):
            done += len(task.models)
            self.reporter.step(f"locked {done} of {total} models in {len(groups)} environments")
            match result:
                case Lost():
                    self._lost([one.source for one in task.models], result)
                case Done():
                    self.outcomes += [self._seen(outcome) for outcome in result.outcomes]
                    self.solves += result.solves
                    self.reused += result.reused
                    self.resumed += result.resumed

    def _lost(self, sources: Iterable[Source], lost: Lost) -> None:
        failure = Failure.of(
            ToolError(
                f"its worker was lost, three times: {lost.reason}",
                remedy="the same command again, with fewer --jobs if memory ran out",
            )
        )
        self.outcomes += [outcome_of(source, self.job, failure=failure) for source in sources]

    def _seen(self, outcome: Outcome) -> Outcome:
        """The outcome, unless a worker wrote a context that is not to be seen here."""
        if outcome.status != "locked" or self.job.dry_run:
            return outcome
        if (self.job.output / outcome.name).is_dir():
            return outcome
        failure = Failure.of(
            OutputError(
                "a worker wrote it where this machine does not see it",
                where=outcome.context,
                remedy="-o with a folder that all workers share",
            )
        )
        return replace(outcome, status="failed", failure=failure)


def _may_pass(outcome: Outcome) -> bool:
    """Whether it failed for a reason that is not the model's: it is not the end of an upgrade."""
    return outcome.failure is not None and outcome.failure.exit_code in _PASSING
