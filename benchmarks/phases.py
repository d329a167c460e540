"""Where one lock spends its time: a child process that notes when each of its phases ends.

    python benchmarks/phases.py MODEL CONTEXT SERVER

Prints seconds by phase as JSON: those of its own processor for what envbuild does itself, those of
the clock for the programs that it waits for.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from envbuild.process import Completed

__all__ = ["PROGRAMS", "measure_phases", "phases_table"]

PROGRAMS = "waiting for uv, and for a Python to say its version"
_STARTED = "starting Python"
_SOLVING = "asking uv, reading its answer and putting it into canonical form"
_AGAIN = "again"
_ROOT = Path(__file__).resolve().parents[1]


def measure_phases(
    arguments: Sequence[str | Path], *, env: Mapping[str, str], rounds: int
) -> dict[str, float]:
    """The median seconds of each phase over ``rounds`` child processes."""
    # Not with the module, which the child imports as well.
    import statistics
    import subprocess

    runs: list[dict[str, float]] = []
    for _ in range(rounds):
        command = [sys.executable, __file__, *map(str, arguments)]
        done = subprocess.run(command, env=dict(env), capture_output=True, text=True, check=True)
        runs.append(json.loads(done.stdout))
    return {phase: statistics.median(run[phase] for run in runs) for phase in runs[0]}


def phases_table(phases: Mapping[str, float]) -> str:
    """A Markdown table in milliseconds, with each phase's share of the whole."""
    whole = sum(phases.values())
    rows = [
        f"| {phase} | {1000 * seconds:.0f} | {100 * seconds / whole:.0f} % |\n"
        for phase, seconds in phases.items()
    ]
    head = "| phase | ms | share |\n| --- | ---: | ---: |\n"
    return f"{head}{''.join(rows)}| whole | {1000 * whole:.0f} | |\n"


class _Clock:
    """Seconds by phase; a phase is what has passed since the one before."""

    def __init__(self) -> None:
        self.phases = {_STARTED: time.process_time()}
        self._last = time.process_time()
        self.waited = 0.0

    def end(self, phase: str) -> None:
        now = time.process_time()
        self.phases[phase] = now - self._last
        self._last = now

    @contextmanager
    def waiting(self) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self.waited += time.perf_counter() - started


def lock_by_phases(model_path: str, context: str, server: str) -> dict[str, float]:
    """Lock as the command does, for one plan that resolves, and say what each phase took."""
    clock = _Clock()
    from envbuild.ambient import Ambient
    from envbuild.cli.parser import build_parser

    build_parser(["lock"]).parse_args(["lock", model_path, "-o", context, "--server", server])
    from envbuild import pipeline, process
    from envbuild.model import read_model
    from envbuild.options import LockOptions
    from envbuild.resolve.uv import UvResolver

    clock.end("importing envbuild and what it uses")
    ambient, options = Ambient.of_process(), LockOptions(server=server)
    model = read_model(model_path, ambient=ambient)
    clock.end("reading the model")
    pipeline.plan_environment(model, options, ambient=ambient)
    clock.end("parsing and merging")

    def run(argv: Sequence[str], **given: object) -> Completed:
        with clock.waiting():
            start: Callable[..., Completed] = process.run
            return start(argv, **given)

    lock = pipeline.lock_model(
        model,
        options,
        ambient=ambient,
        previous=pipeline.locked_texts(Path(context)),
        resolver=UvResolver.of(ambient, runner=run),
    )
    clock.end(_SOLVING)
    # lock_model has parsed and merged too, which a lock does once: that is not to count twice.
    pipeline.plan_environment(model, options, ambient=ambient)
    clock.end(_AGAIN)
    clock.phases[_SOLVING] -= clock.phases.pop(_AGAIN)
    lock.write(context)
    clock.end("rendering and writing the context")
    return {**clock.phases, PROGRAMS: clock.waited}


if __name__ == "__main__":
    sys.path.insert(0, str(_ROOT))
    print(json.dumps(lock_by_phases(*sys.argv[1:4])))
