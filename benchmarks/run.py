"""Measure envbuild against the tools it stands beside, whole processes, in turn.

    python benchmarks/run.py lock                  five rounds; pip-compile on the smallest case
    python benchmarks/run.py lock --slow           pip-compile on all that it can solve
    python benchmarks/run.py lock --case seed --rounds 3
    python benchmarks/run.py lock --publish        also rewrites docs/explanation/benchmarks.md

Run it with an interpreter that has ``.[all]`` installed (``.venv/bin/python`` of the checkout).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.cases import CASES, Case  # noqa: E402
from benchmarks.contestants import Bench, lock_programs, start_programs  # noqa: E402
from benchmarks.report import machine, replace_block, table, write_json  # noqa: E402
from benchmarks.timing import Figures, run_in_turn  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "explanation" / "benchmarks.md"


def main(argv: Sequence[str] | None = None) -> int:
    options = parse(argv)
    cases = [case for case in CASES if not options.case or case.name in options.case]
    results = {"start": run_in_turn(start_programs(), rounds=options.rounds, report=say)}
    sections = [section("Starting", results["start"])]
    for case in cases:
        packages, figures = measure_lock(case, rounds=options.rounds, slow=options.slow)
        results[case.name] = figures
        title = f"{case.name}: {case.summary}; {packages} packages for Python {case.python}"
        sections.append(section(title, figures))
    text = "\n".join([about_machine(), *sections])
    print(f"\n{text}")
    if options.publish:
        write_json(RESULTS / "lock.json", results)
        replace_block(PAGE, "lock", text)
    return 0


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    lock = commands.add_parser("lock", help="locking, against bare uv and pip-compile")
    lock.add_argument("--rounds", type=int, default=5)
    lock.add_argument("--case", action="append", choices=[case.name for case in CASES])
    lock.add_argument("--slow", action="store_true", help="pip-compile on the bigger cases too")
    lock.add_argument("--publish", action="store_true", help="write the results and the page")
    return parser.parse_args(argv)


def measure_lock(case: Case, *, rounds: int, slow: bool) -> tuple[int, tuple[Figures, ...]]:
    """Packages of the lock, and the figures of all that make it."""
    say(f"{case.name}: {case.summary}")
    with tempfile.TemporaryDirectory(prefix="envbuild-benchmark-") as folder:
        bench = Bench.prepare(case, Path(folder))
        programs = lock_programs(bench, slow=slow)
        return bench.packages, run_in_turn(programs, rounds=rounds, report=say)


def section(title: str, figures: Sequence[Figures]) -> str:
    return f"### {title[:1].upper()}{title[1:]}\n\n{table(figures)}"


def about_machine() -> str:
    return ", ".join(f"{name} {value}" for name, value in machine().items()) + ".\n"


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
