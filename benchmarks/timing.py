"""Whole processes, timed by the operating system's own accounting, in turn."""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

__all__ = ["CommandFailedError", "Figures", "Program", "Run", "paired", "run_in_turn"]


class CommandFailedError(Exception):
    """A measured program failed; its figures would mean nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A command to time. ``prepare`` is called before each run, untimed, with the run's own empty
    folder, and gives the arguments and the environment.
    """

    name: str
    prepare: Callable[[Path], tuple[Sequence[str], Mapping[str, str]]]
    rounds: int = 0  # 0 for as many as the others
    share: float = 1.0  # of the work that the others do


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run: seconds of wall clock and of processor (children included), peak memory in MB of
    the largest single process.
    """

    wall: float
    cpu: float
    memory: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The runs of a program and what is quoted of them.

    Seconds are as measured: where ``share`` is below 1, for that part of the others' work.
    """

    program: str
    runs: tuple[Run, ...]
    share: float = 1.0

    def wall(self) -> tuple[float, float, float]:
        """Seconds: minimum, median, maximum."""
        return spread([run.wall for run in self.runs])

    def cpu(self) -> float:
        """Median seconds of processor."""
        return statistics.median(run.cpu for run in self.runs)

    def memory(self) -> float:
        """Median peak in MB."""
        return statistics.median(run.memory for run in self.runs)

    def document(self) -> dict[str, object]:
        runs = [asdict(run) for run in self.runs]
        return {"program": self.program, "share": self.share, "runs": runs}


def spread(values: Sequence[float]) -> tuple[float, float, float]:
    """Minimum, median and maximum."""
    return min(values), statistics.median(values), max(values)


def paired(numerator: Figures, denominator: Figures) -> tuple[float, float, float]:
    """The ratio of wall clocks for as much work, run by run: the machine's drift strikes both of a
    pair alike.
    """
    pairs = zip(numerator.runs, denominator.runs, strict=False)
    scale = denominator.share / numerator.share
    return spread([one.wall / other.wall * scale for one, other in pairs])


def run_in_turn(
    programs: Iterable[Program], *, rounds: int, report: Callable[[str], None]
) -> tuple[Figures, ...]:
    """Run each program once, then each again, A B C A B C, so that a slow minute strikes all alike.

    Raises:
        CommandFailedError: a program failed.
    """
    programs = tuple(programs)
    runs: dict[str, list[Run]] = {program.name: [] for program in programs}
    for number in range(rounds):
        for program in programs:
            if number < (program.rounds or rounds):
                run = _time(program)
                runs[program.name].append(run)
                report(
                    f"  {number + 1}/{program.rounds or rounds} {program.name}: {run.wall:.2f} s"
                )
    return tuple(
        Figures(program=one.name, runs=tuple(runs[one.name]), share=one.share) for one in programs
    )


def _time(program: Program) -> Run:
    with tempfile.TemporaryDirectory(prefix="envbuild-benchmark-") as folder:
        argv, environment = program.prepare(Path(folder))
        with (Path(folder) / "output").open("w+b") as output:
            started = time.perf_counter()
            process = subprocess.Popen(
                argv, env=dict(environment), stdout=output, stderr=subprocess.STDOUT
            )
            _, status, usage = os.wait4(process.pid, 0)
            wall = time.perf_counter() - started
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode != 0:
                output.seek(0)
                text = output.read().decode(errors="replace")
                raise CommandFailedError(f"{program.name}: exit {process.returncode}\n{text}")
    return Run(wall=wall, cpu=usage.ru_utime + usage.ru_stime, memory=usage.ru_maxrss / 1024)
