"""Measure envbuild against the tools it stands beside, whole processes, in turn.

    python benchmarks/run.py all                   everything below, and a table of ratios
    python benchmarks/run.py lock                  locks, against uv; pip-compile on the smallest
    python benchmarks/run.py lock --slow           pip-compile on all that it can solve
    python benchmarks/run.py lock --case seed few --rounds 3
    python benchmarks/run.py fleet --models 2000   registries, against uv on each of its models
    python benchmarks/run.py profile               where one lock spends its time
    python benchmarks/run.py install               environments, against mlflow models prepare-env
    python benchmarks/run.py export                bundles, against pip download and a plain fetch
    python benchmarks/run.py conda                 solves over 60,000 and 600,000 records
    python benchmarks/run.py scoring               /score, against servers that enforce nothing
    python benchmarks/run.py COMMAND --publish     also rewrites docs/explanation/benchmarks.md

Run it with an interpreter that has ``.[all]`` installed (``.venv/bin/python`` of the checkout).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.bundles import bundle_programs, locked_wheels  # noqa: E402
from benchmarks.cases import CASES, Case  # noqa: E402
from benchmarks.conda_solves import measure_conda  # noqa: E402
from benchmarks.contestants import (  # noqa: E402
    Bench,
    environment,
    lock_programs,
    start_programs,
)
from benchmarks.environments import MLflow, environment_programs  # noqa: E402
from benchmarks.fleets import Fleet, fleet_programs  # noqa: E402
from benchmarks.phases import measure_phases, phases_table  # noqa: E402
from benchmarks.report import (  # noqa: E402
    Results,
    append_history,
    machine,
    plot,
    read_results,
    replace_block,
    summary,
    table,
    write_results,
)
from benchmarks.scoring import (  # noqa: E402
    PYTHON,
    measure_scoring,
    scoring_document,
    scoring_table,
)
from benchmarks.timing import Figures, run_in_turn  # noqa: E402
from tests.support.interpreters import find_interpreter  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "explanation" / "benchmarks.md"
PLOTS = PAGE.parent / "plots"

Measured = dict[str, tuple[Figures, ...]]


def main(argv: Sequence[str] | None = None) -> int:
    options = parse(argv)
    for name in COMMANDS if options.command == "all" else {options.command} & COMMANDS.keys():
        say(f"== {name}")
        results = COMMANDS[name](options)
        text = page_text(results)
        print(f"\n{text}")
        if options.publish:
            publish(name, results, text)
    if options.command in {"all", "profile"}:
        profile(options)
    if options.command in {"all", "scoring"}:
        scoring(options)
    if options.command == "all":
        print(f"\n{summary(published())}")
    return 0


def publish(name: str, results: Results, text: str) -> None:
    """Figures, history, plot and page."""
    date = datetime.now(timezone.utc).date().isoformat()
    write_results(RESULTS / f"{name}.json", results, date=date)
    append_history(RESULTS / "history.jsonl", name, results, date=date)
    PLOTS.mkdir(exist_ok=True)
    (PLOTS / f"{name}.svg").write_text(plot(results))
    replace_block(PAGE, name, text)
    replace_block(PAGE, "summary", summary(published()))


def profile(options: argparse.Namespace) -> None:
    """Where a warm lock of the smallest case spends its time."""
    case = CASES[0]
    with tempfile.TemporaryDirectory(prefix="envbuild-benchmark-") as folder:
        bench = Bench.prepare(case, Path(folder))
        phases = measure_phases(
            [case.model, bench.context, case.server],
            env=environment(bench.ours),
            rounds=options.rounds or 5,
        )
    text = phases_table(phases)
    print(f"\n{text}")
    if options.publish:
        replace_block(PAGE, "profile", text)


def scoring(options: argparse.Namespace) -> None:
    """What a request costs, where the Python of the servers is installed."""
    interpreter = find_interpreter(PYTHON)
    if interpreter is None:
        say(f"scoring: left out, there is no Python {PYTHON}")
        return
    say("== scoring")
    contestants = measure_scoring(interpreter)
    text = scoring_table(contestants)
    print(f"\n{text}")
    if options.publish:
        (RESULTS / "scoring.json").write_text(scoring_document(contestants), encoding="utf-8")
        replace_block(PAGE, "scoring", text)


def published() -> Iterator[Results]:
    """The results of every command that has some."""
    for name in COMMANDS:
        yield read_results(RESULTS / f"{name}.json")


def page_text(results: Results) -> str:
    sections = [f"### {title}\n\n{table(figures)}" for title, figures in results.items()]
    return "\n".join([about_machine(), *sections])


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=("all", "profile", "scoring", *COMMANDS))
    parser.add_argument("--rounds", type=int, help="of each program (default: by command)")
    parser.add_argument("--case", nargs="+", choices=[case.name for case in CASES])
    parser.add_argument("--models", type=int, nargs="*", default=[37, 2000], help="for fleet")
    parser.add_argument(
        "--registry",
        type=Path,
        nargs="+",
        default=[],
        metavar="FOLDER",
        help="for fleet: real models too, those below these folders",
    )
    parser.add_argument(
        "--serial",
        type=int,
        default=37,
        help="models of a fleet that bare uv is also called for, one by one; spread evenly over a "
        "larger one (default: 37)",
    )
    parser.add_argument(
        "--slow", action="store_true", help="pip-compile on the bigger cases too: minutes for each"
    )
    parser.add_argument("--publish", action="store_true", help="write results, plots and page")
    return parser.parse_args(argv)


def cases_of(options: argparse.Namespace, usual: Sequence[str]) -> list[Case]:
    return [case for case in CASES if case.name in (options.case or usual)]


def measure_locks(options: argparse.Namespace) -> Measured:
    """Starting, then every way to lock each case."""
    rounds = options.rounds or 5
    results = {"Starting": run_in_turn(start_programs(), rounds=rounds, report=say)}
    for case in cases_of(options, [case.name for case in CASES]):
        say(f"{case.name}: {case.summary}")
        with tempfile.TemporaryDirectory(prefix="envbuild-benchmark-") as folder:
            bench = Bench.prepare(case, Path(folder))
            programs = lock_programs(bench, slow=options.slow)
            title = f"{case.summary}; {bench.packages} packages for Python {case.python}"
            title = f"{case.name.capitalize()}: {title}"
            results[title] = run_in_turn(programs, rounds=rounds, report=say)
    return results


def measure_environments(options: argparse.Namespace) -> Measured:
    """Every way to an environment for each case that this interpreter can run."""
    results = {}
    with tempfile.TemporaryDirectory(prefix="envbuild-benchmark-") as folder:
        mlflow = MLflow.install(Path(folder) / "mlflow")
        for case in cases_of(options, ["logged"]):
            say(f"{case.name}: {case.summary}")
            bench = Bench.prepare(replace(case, server="mlflow"), Path(folder) / case.name)
            programs = environment_programs(case, mlflow, bench.context)
            title = f"{case.name.capitalize()}: {case.summary}; {bench.packages} packages"
            results[title] = run_in_turn(programs, rounds=options.rounds or 3, report=say)
    return results


def measure_bundles(options: argparse.Namespace) -> Measured:
    """Every way from a lock to its files, for each case."""
    results = {}
    with tempfile.TemporaryDirectory(prefix="envbuild-benchmark-") as folder:
        for case in cases_of(options, ["frozen"]):
            say(f"{case.name}: {case.summary}")
            own = Path(folder) / case.name
            bench = Bench.prepare(replace(case, server="none"), own)
            size = sum(wheel.size or 0 for wheel in locked_wheels(bench.context)) / 1e6
            title = f"{case.name.capitalize()}: {bench.packages} packages, {size:.0f} MB"
            programs = bundle_programs(bench.context, own)
            results[title] = run_in_turn(programs, rounds=options.rounds or 3, report=say)
    return results


def measure_fleets(options: argparse.Namespace) -> Measured:
    """Registries of each size, against bare uv on one model after the other."""
    results = {}
    for source in (*options.registry, *options.models):
        with tempfile.TemporaryDirectory(prefix="envbuild-benchmark-") as folder:
            own = Path(folder)
            if isinstance(source, int):
                fleet, title = Fleet.made_up(own, source), f"Fleet of {source:,}"
            else:
                fleet = Fleet.of_folder(own, source)
                title = f"{fleet.models:,} real models"
            programs = fleet_programs(fleet, serial=min(fleet.models, options.serial))
            found = run_in_turn(programs, rounds=options.rounds or 1, report=say)
            results[f"{title}: {fleet.description()}"] = found
    return results


def measure_solves(options: argparse.Namespace) -> Measured:
    """Conda solves over channels of each size."""
    return measure_conda(options.rounds or 3, report=say)


def about_machine() -> str:
    return ", ".join(f"{name} {value}" for name, value in machine().items()) + ".\n"


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


COMMANDS = {
    "lock": measure_locks,
    "fleet": measure_fleets,
    "install": measure_environments,
    "export": measure_bundles,
    "conda": measure_solves,
}


if __name__ == "__main__":
    sys.exit(main())
