"""What a worker does for a fleet, in this process or another: small values in, small values out.

Whatever goes wrong with a model becomes its outcome; nothing is raised.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from envbuild import __version__
from envbuild.ambient import Ambient
from envbuild.errors import EnvbuildError, LockFileError, OutputError, UsageError
from envbuild.fleet.journal import Journal
from envbuild.fleet.outcome import Failure, Outcome, Status
from envbuild.fleet.sources import Source
from envbuild.model import Model, read_model
from envbuild.options import LockOptions
from envbuild.process import at_work

if TYPE_CHECKING:
    from envbuild.fleet.environment import AskedOnce, CondaAskedOnce
    from envbuild.resolve.conda.interface import CondaSolver

__all__ = [
    "STAGE",
    "Done",
    "Job",
    "LockTask",
    "SurveyTask",
    "Surveyed",
    "lock_environment",
    "outcome_of",
    "survey",
]

STAGE = ".envbuild-fleet"
"""In the folder of a fleet: contexts that are not whole yet."""

_KEY_LENGTH = 12  # characters of a digest that tell the environments of a run apart


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What all tasks of a run have in common.

    ``ambient`` is None for workers elsewhere: they take their own environment, so that no secret
    of this process travels. ``output`` is absolute, ``shown`` the same as the user wrote it.
    """

    output: Path
    shown: str
    options: LockOptions = field(repr=False)
    cwd: Path
    ambient: Ambient | None = field(default=None, repr=False)
    only_check: bool = False
    dry_run: bool = False
    version: str = __version__

    def surroundings(self) -> Ambient:
        """Those of the task.

        Raises:
            UsageError: this is another envbuild than the one that made the task.
        """
        if self.version != __version__:
            raise UsageError(
                f"a worker has envbuild {__version__}, and the run is of {self.version}",
                remedy="the same release everywhere",
            )
        return self.ambient or replace(Ambient.of_process(), cwd=self.cwd)

    @property
    def upgrades(self) -> bool:
        """Whether a context that fits its model is to be made anew."""
        return self.options.upgrade or bool(self.options.upgrade_packages)

    @property
    def journal(self) -> Journal | None:
        """Where it is kept which contexts were made anew; None where none are."""
        if self.dry_run or self.only_check or not self.upgrades:
            return None
        return Journal.of(self.output, self.options, self.version)


@dataclass(frozen=True, slots=True, kw_only=True)
class SurveyTask:
    """Read these models, and look at their contexts."""

    job: Job
    sources: tuple[Source, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Surveyed:
    """A model that was read: its outcome, if nothing is to be solved for it, or ``environment``.

    ``fits`` says that its context fits it, and is to be made anew all the same.
    """

    source: Source
    outcome: Outcome | None = None
    environment: str = ""
    fits: bool = False
    differences: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LockTask:
    """Lock these models, which have one environment."""

    job: Job
    environment: str
    models: tuple[Surveyed, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What became of a ``LockTask``; ``resumed`` contexts had been made anew before."""

    outcomes: tuple[Outcome, ...]
    solves: int = 0
    reused: int = 0
    resumed: int = 0


def survey(task: SurveyTask) -> tuple[Surveyed, ...]:
    """Read models and find out which have to be locked, and with which others."""
    with at_work():
        return tuple(_surveyed(source, task.job) for source in task.sources)


def lock_environment(task: LockTask) -> Done:
    """Solve once and write the context of each model.

    Each is as ``envbuild lock`` alone writes it: the whole of it is done for each model, but the
    resolver, asked the same again, gives the same answer.
    """
    try:
        solvers = _Solvers.of(task.job)
    except EnvbuildError as error:
        failure = Failure.of(error)
        failed = [outcome_of(one.source, task.job, failure=failure) for one in task.models]
        return Done(outcomes=tuple(failed))
    outcomes: list[Outcome] = []
    with at_work():
        made = _made_before(task)
        for model in task.models:
            started = time.monotonic()
            if status := made.get(model.source.name):
                outcome = outcome_of(model.source, task.job, status)
            else:
                outcome = _locked(model, task.job, solvers)
            outcome = replace(outcome, environment=task.environment[:_KEY_LENGTH])
            outcomes.append(outcome.after(time.monotonic() - started))
    return Done(
        outcomes=tuple(outcomes),
        solves=solvers.pip.found.asked + solvers.conda.found.asked,
        reused=solvers.pip.found.reused + solvers.conda.found.reused,
        resumed=len(made),
    )


def outcome_of(
    source: Source,
    job: Job,
    status: Status = "failed",
    *,
    differences: Sequence[str] = (),
    failure: Failure | None = None,
) -> Outcome:
    """The outcome of ``source``, in the words of a run."""
    return Outcome(
        name=source.name,
        model=source.shown,
        context=str(Path(job.shown) / source.name),
        status=status,
        differences=tuple(differences),
        failure=failure,
    )


def _surveyed(source: Source, job: Job) -> Surveyed:
    started = time.monotonic()
    try:
        found = _look_at(source, job)
    except EnvbuildError as error:
        found = _failed(source, job, Failure.of(error))
    except OSError as error:
        found = _failed(source, job, Failure.of(_of_system(error)))
    except Exception as error:  # one model must not stop the others, whatever is in it
        found = _failed(source, job, Failure.of_bug(error))
    if found.outcome is None:
        return found
    return replace(found, outcome=found.outcome.after(time.monotonic() - started))


def _failed(source: Source, job: Job, failure: Failure) -> Surveyed:
    return Surveyed(source=source, outcome=outcome_of(source, job, failure=failure))


def _look_at(source: Source, job: Job) -> Surveyed:
    from envbuild.errors import ModelError

    if source.problem:
        raise ModelError(source.problem, where=source.shown)
    ambient = job.surroundings()
    model = read_model(source.address, ambient=ambient)
    directory = job.output / source.name
    status, differences = _freshness(model, directory, job, ambient)
    if job.only_check or (status == "fresh" and not job.upgrades):
        outcome = outcome_of(source, job, status, differences=differences)
        return Surveyed(source=source, outcome=outcome)
    from envbuild.fleet.environment import environment_key
    from envbuild.pipeline import locked_texts, plan_environment

    _, plans = plan_environment(model, job.options, ambient=ambient)
    previous = {} if job.options.upgrade else locked_texts(directory)
    key = environment_key(model, plans, previous)
    fits = status == "fresh"
    return Surveyed(source=source, environment=key, fits=fits, differences=differences)


def _freshness(
    model: Model, directory: Path, job: Job, ambient: Ambient
) -> tuple[Status, tuple[str, ...]]:
    from envbuild.locking.staleness import check

    try:
        result = check(model, directory, options=job.options, ambient=ambient)
    except LockFileError as error:
        if any(directory.glob("pylock*.toml")):
            return "stale", (str(error),)
        return "missing", ()
    return ("fresh" if result.fresh else "stale"), result.differences


@dataclass(frozen=True, slots=True, kw_only=True)
class _Solvers:
    """Those of a task, which remember their answers."""

    ambient: Ambient
    pip: AskedOnce
    conda: CondaAskedOnce

    @classmethod
    def of(cls, job: Job) -> _Solvers:
        from envbuild.fleet.environment import AskedOnce, CondaAskedOnce
        from envbuild.pipeline import make_resolver

        ambient = job.surroundings()

        def conda() -> CondaSolver:
            from envbuild.resolve.conda.conda_lock import CondaLockSolver

            return CondaLockSolver(ambient=ambient)

        pip = AskedOnce(resolver=make_resolver(job.options, ambient))
        return cls(ambient=ambient, pip=pip, conda=CondaAskedOnce(make=conda))


def _made_before(task: LockTask) -> dict[str, Status]:
    """The contexts that this upgrade has made anew, before it or a worker of it was stopped."""
    if task.job.journal is None:
        return {}
    return task.job.journal.made(one.source.name for one in task.models if one.fits)


def _locked(surveyed: Surveyed, job: Job, solvers: _Solvers) -> Outcome:
    source = surveyed.source
    try:
        status = _lock(surveyed, job, solvers)
    except EnvbuildError as error:
        return outcome_of(source, job, failure=Failure.of(error))
    except OSError as error:
        return outcome_of(source, job, failure=Failure.of(_of_system(error)))
    except Exception as error:  # one model must not stop the others, whatever is in it
        return outcome_of(source, job, failure=Failure.of_bug(error))
    return outcome_of(source, job, status, differences=surveyed.differences)


def _lock(surveyed: Surveyed, job: Job, solvers: _Solvers) -> Status:
    from envbuild.pipeline import lock_model, locked_texts

    source = surveyed.source
    directory = job.output / source.name
    model = read_model(source.address, ambient=solvers.ambient)
    previous = {} if job.options.upgrade else locked_texts(directory)
    lock = lock_model(
        model,
        job.options,
        ambient=solvers.ambient,
        previous=previous,
        resolver=solvers.pip,
        conda_solver=solvers.conda,
    )
    files = lock.files()
    # One that did not fit has changed, though a worker that was lost may have written it already.
    same = surveyed.fits and all(
        _bytes_of(directory / name) == data for name, data in files.items()
    )
    status: Status = "unchanged" if same else "locked"
    if not job.dry_run:
        _write(directory, files, job, model=model.path)
    if job.journal:
        job.journal.note(source.name, status)
    return status


def _write(directory: Path, files: Mapping[str, bytes], job: Job, *, model: Path) -> None:
    """Write a context: a new one appears whole, one that is there is replaced file by file."""
    from envbuild.locking.context import refuse_inside, write_files

    refuse_inside(directory, model)
    if directory.exists():
        for left in directory.glob(".envbuild-*"):
            shutil.rmtree(left, ignore_errors=True)  # by a run that was killed
        write_files(directory, files, model=model)
        return
    with _staged(job.output) as stage:
        write_files(stage / "context", files, model=model)
        directory.parent.mkdir(parents=True, exist_ok=True)
        (stage / "context").rename(directory)


@contextmanager
def _staged(output: Path) -> Iterator[Path]:
    root = output / STAGE
    root.mkdir(parents=True, exist_ok=True)
    stage = Path(tempfile.mkdtemp(dir=root))
    try:
        yield stage
    finally:
        shutil.rmtree(stage, ignore_errors=True)  # its parent is for others too: the run removes it


def _bytes_of(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _of_system(error: OSError) -> OutputError:
    return OutputError(
        f"the system refused: {error.strerror or error}", where=str(error.filename or "")
    )
