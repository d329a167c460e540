"""Measure envbuild against the tools it stands beside, whole processes, in turn.

    python benchmarks/run.py lock                  five rounds; pip-compile on the smallest case
    python benchmarks/run.py lock --slow           pip-compile on all that it can solve
    python benchmarks/run.py lock --case seed few --rounds 3
    python benchmarks/run.py install               environments, against mlflow models prepare-env
    python benchmarks/run.py export                bundles, against pip download and a plain fetch
    python benchmarks/run.py COMMAND --publish     also rewrites docs/explanation/benchmarks.md

Run it with an interpreter that has ``.[all]`` installed (``.venv/bin/python`` of the checkout).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.bundles import bundle_programs, locked_wheels  # noqa: E402
from benchmarks.cases import CASES, Case  # noqa: E402
from benchmarks.contestants import Bench, lock_programs, start_programs  # noqa: E402
from benchmarks.environments import MLflow, environment_programs  # noqa: E402
from benchmarks.report import machine, replace_block, table, write_json  # noqa: E402
from benchmarks.timing import Figures, run_in_turn  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results"
Results = dict[str, tuple[Figures, ...]]
PAGE = ROOT / "docs" / "explanation" / "benchmarks.md"


def main(argv: Sequence[str] | None = None) -> int:
    options = parse(argv)
    cases = [case for case in CASES if case.name in options.case]
    results = options.measure(cases, options)
    sections = [f"### {title}\n\n{table(figures)}" for title, figures in results.items()]
    text = "\n".join([about_machine(), *sections])
    print(f"\n{text}")
    if options.publish:
        write_json(RESULTS / f"{options.command}.json", results)
        replace_block(PAGE, options.command, text)
    return 0


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    lock = commands.add_parser("lock", help="locking, against bare uv and pip-compile")
    lock.add_argument("--slow", action="store_true", help="pip-compile on the bigger cases too")
    lock.set_defaults(measure=measure_locks)
    install = commands.add_parser("install", help="environments, against MLflow's own")
    install.set_defaults(measure=measure_environments)
    export = commands.add_parser("export", help="bundles, against pip download and curl")
    export.set_defaults(measure=measure_bundles)
    names = [case.name for case in CASES]
    for command, rounds, cases in (
        (lock, 5, names),
        (install, 3, ["logged"]),
        (export, 3, ["frozen"]),
    ):
        command.add_argument("--rounds", type=int, default=rounds)
        command.add_argument("--case", nargs="+", choices=names, default=cases)
        command.add_argument("--publish", action="store_true", help="write results and page")
    return parser.parse_args(argv)


def measure_locks(cases: Sequence[Case], options: argparse.Namespace) -> Results:
    """Starting, then every way to lock each case."""
    results = {"Starting": run_in_turn(start_programs(), rounds=options.rounds, report=say)}
    for case in cases:
        say(f"{case.name}: {case.summary}")
        with tempfile.TemporaryDirectory(prefix="envbuild-benchmark-") as folder:
            bench = Bench.prepare(case, Path(folder))
            programs = lock_programs(bench, slow=options.slow)
            title = f"{case.summary}; {bench.packages} packages for Python {case.python}"
            title = f"{case.name.capitalize()}: {title}"
            results[title] = run_in_turn(programs, rounds=options.rounds, report=say)
    return results


def measure_environments(cases: Sequence[Case], options: argparse.Namespace) -> Results:
    """Every way to an environment for each case that this interpreter can run."""
    results = {}
    with tempfile.TemporaryDirectory(prefix="envbuild-benchmark-") as folder:
        mlflow = MLflow.install(Path(folder) / "mlflow")
        for case in cases:
            say(f"{case.name}: {case.summary}")
            bench = Bench.prepare(replace(case, server="mlflow"), Path(folder) / case.name)
            programs = environment_programs(case, mlflow, bench.context)
            title = f"{case.name.capitalize()}: {case.summary}; {bench.packages} packages"
            results[title] = run_in_turn(programs, rounds=options.rounds, report=say)
    return results


def measure_bundles(cases: Sequence[Case], options: argparse.Namespace) -> Results:
    """Every way from a lock to its files, for each case."""
    results = {}
    with tempfile.TemporaryDirectory(prefix="envbuild-benchmark-") as folder:
        for case in cases:
            say(f"{case.name}: {case.summary}")
            own = Path(folder) / case.name
            bench = Bench.prepare(replace(case, server="none"), own)
            size = sum(wheel.size or 0 for wheel in locked_wheels(bench.context)) / 1e6
            title = f"{case.name.capitalize()}: {bench.packages} packages, {size:.0f} MB"
            programs = bundle_programs(bench.context, own)
            results[title] = run_in_turn(programs, rounds=options.rounds, report=say)
    return results


def about_machine() -> str:
    return ", ".join(f"{name} {value}" for name, value in machine().items()) + ".\n"


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
