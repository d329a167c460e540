#!/usr/bin/env python3
"""Run every check of the project, and say at the end which failed.

    python3 tests/run.py                  everything this machine can; the rest is skipped
    python3 tests/run.py --fast           without the live tests
    python3 tests/run.py -- -k conflict   only some tests: what follows goes to pytest

Needs the standard library alone: the tools are installed into ``.venv`` of the checkout. With
``CI=true`` nothing may be skipped, and the oldest and the newest Python run the unit tests too.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

if sys.version_info < (3, 10):  # noqa: UP036 - said here, before anything newer is used
    sys.exit(f"this needs Python 3.10 or newer, not {sys.version}")

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.support.interpreters import find_interpreter  # noqa: E402

VENV = ROOT / ".venv"
BIN = VENV / "bin"
OLDEST = "3.10"
NEWEST = "3.13"
OFFLINE = ("--dist=worksteal", "tests/unit", "tests/functional")
# What functional tests start is the same on every Python of envbuild's own.
# The scoring scripts meet other Pythons, with the pandas of each, in the live tests.
UNIT = ("--dist=worksteal", "tests/unit", "--ignore-glob=*/test_scoring_*")
# Tests of one file share what is dear to make: an environment, an image.
LIVE = ("--dist=loadfile", "tests/live")
PYTEST = ("-m", "pytest", "--numprocesses=auto", "--durations=10", "-o", "faulthandler_timeout=900")

# Asked of the interpreter in .venv, which a "pip install ." may have given a copy of the project.
CAN_INSTALL = ("-I", "-c", "import pip, sys; sys.exit(sys.version_info < (3, 10))")
IS_THIS_CHECKOUT = (
    "-I",
    "-c",
    f"import envbuild, sys; sys.exit(not envbuild.__file__.startswith({str(ROOT / 'envbuild')!r}))",
)

# Configuration of the tools under test. What a test needs of it, the test sets itself.
SCRUBBED_PREFIXES = ("PIP_", "UV_", "CONDA_", "MAMBA_", "MLFLOW_", "AZUREML_", "ENVBUILD_")
SCRUBBED_NAMES = frozenset({"PYTHONPATH", "PYTHONHOME", "PYTHONWARNINGS", "PYENV_VERSION"})


@dataclass(frozen=True)
class Step:
    """Programs to run one after the other, up to the first that fails."""

    name: str
    commands: tuple[tuple[str, ...], ...]
    missing: str = ""  # why it cannot run on this machine


@dataclass(frozen=True)
class Result:
    """How a step ended, and after how many seconds."""

    name: str
    outcome: str  # passed | FAILED | skipped: reason
    seconds: float


def main(argv: Sequence[str] | None = None) -> int:
    """Run the steps; 0 when all passed, 1 when one failed, 130 when interrupted."""
    options = parse(argv)
    try:
        if not install():
            print("\nthe tools could not be installed into .venv", file=sys.stderr, flush=True)
            return 1
        results = [run_step(step) for step in steps(options)]
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr, flush=True)
        return 130
    return summarize(results)


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The options, with what pytest gets in ``pytest``."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--fast", action="store_true", help="leave out the live tests")
    parser.add_argument(
        "--fail-under",
        metavar="PERCENT",
        help="branch coverage that the offline tests must reach (default: pyproject.toml's)",
    )
    parser.add_argument(
        "--all-pythons",
        action="store_true",
        default=on_ci(),
        help=f"run the offline tests on CPython {OLDEST} and {NEWEST} too (default on CI)",
    )
    parser.add_argument("pytest", nargs="*", metavar="ARG", help="after --, for pytest")
    return parser.parse_args(argv)


def steps(options: argparse.Namespace) -> Iterator[Step]:
    """What is run, in order."""
    python = str(BIN / "python")
    chosen = tuple(options.pytest)
    yield Step("ruff check", ((tool("ruff"), "check", "."),))
    yield Step("ruff format", ((tool("ruff"), "format", "--check", "."),))
    yield Step("mypy", ((tool("mypy"),),))
    covered = (python, "-m", "coverage", "run", *PYTEST, *OFFLINE, *chosen)
    yield Step("offline tests", ((python, "-m", "coverage", "erase"), without_network(covered)))
    if not chosen:
        yield coverage_step(python, options.fail_under)
    if options.all_pythons:
        for minor in (OLDEST, NEWEST):
            yield other_python_step(minor, chosen)
    if not options.fast:
        live = (python, *PYTEST, *LIVE, *chosen)
        yield Step("live tests", (live,))
    yield hadolint_step()


def coverage_step(python: str, fail_under: str | None) -> Step:
    """Judge the coverage of the offline tests and of every program they started."""
    limit = (f"--fail-under={fail_under}",) if fail_under else ()
    coverage = (python, "-m", "coverage")
    return Step("coverage", ((*coverage, "combine", "--quiet"), (*coverage, "report", *limit)))


def other_python_step(minor: str, chosen: tuple[str, ...]) -> Step:
    """The unit tests on another Python: the oldest one with the oldest dependencies we allow."""
    name = f"unit tests, {minor}"
    interpreter = find_interpreter(minor)
    if interpreter is None:
        return Step(name, (), missing=f"no CPython {minor} on this machine")
    venv = VENV / f"python{minor}"
    python = str(venv / "bin" / "python")
    resolution = ("--resolution", "lowest-direct") if minor == OLDEST else ()
    uv = (tool("uv"), "--no-config", "--quiet")
    return Step(
        name,
        (
            (*uv, "venv", "--clear", "--seed", "--python", str(interpreter), str(venv)),
            (*uv, "pip", "install", "--python", python, *resolution, "-e", ".[all,dev]"),
            without_network((python, *PYTEST, *UNIT, *chosen)),
        ),
    )


def hadolint_step() -> Step:
    """The linter over every Dockerfile that a golden file says we emit."""
    golden = sorted(str(path.relative_to(ROOT)) for path in dockerfiles())
    if not golden:
        return Step("hadolint", (), missing="no Dockerfile among the golden files")
    return Step("hadolint", ((tool("hadolint"), *golden),))


def dockerfiles() -> Iterator[Path]:
    """The Dockerfiles among the tests and fixtures."""
    for folder in ("tests", "fixtures"):
        for pattern in ("Dockerfile", "*.Dockerfile", "Dockerfile.*"):
            yield from (ROOT / folder).rglob(pattern)


def without_network(argv: tuple[str, ...]) -> tuple[str, ...]:
    """``argv`` with no network but loopback, where this user may take it away."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return argv
    return (str(BIN / "python"), "tests/support/loopback_only.py", *argv)


def install() -> bool:
    """Make ``.venv`` and bring it up to date with pyproject.toml; whether that went well."""
    python = str(BIN / "python")
    stamp = VENV / "installed"
    wanted = hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text() == wanted and succeeds(python, *IS_THIS_CHECKOUT):
        return True
    commands: list[tuple[str, ...]] = [
        (python, "-m", "pip", "install", "--quiet", "-e", ".[all,dev]"),
    ]
    if not succeeds(python, *CAN_INSTALL):
        commands.insert(0, (sys.executable, "-m", "venv", "--clear", str(VENV)))
    # Installing is the user's own business: their index and proxy count. The tests' is ours.
    environment = test_environment() if on_ci() else dict(os.environ)
    if run_step(Step("install", tuple(commands)), environment=environment).outcome != "passed":
        return False
    stamp.write_text(wanted)
    return True


def succeeds(*argv: str) -> bool:
    """Whether a program is there and returns 0."""
    try:
        return subprocess.run(argv, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def run_step(step: Step, *, environment: Mapping[str, str] | None = None) -> Result:
    """Run a step in the checkout, its output straight to ours."""
    if step.missing:
        outcome = "FAILED" if on_ci() else "skipped"
        return Result(step.name, f"{outcome}: {step.missing}", 0)
    print(f"\n== {step.name}", flush=True)
    started = time.monotonic()
    scrubbed = test_environment() if environment is None else environment
    outcome = "passed"
    for argv in step.commands:
        code = subprocess.run(argv, cwd=ROOT, env=dict(scrubbed), check=False).returncode
        if code != 0:
            outcome = f"FAILED: {signal.Signals(-code).name}" if code < 0 else "FAILED"
            break
    return Result(step.name, outcome, time.monotonic() - started)


def test_environment() -> dict[str, str]:
    """Our environment without ambient configuration, and the tools of ``.venv`` first."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(SCRUBBED_PREFIXES) and name not in SCRUBBED_NAMES
    }
    kept["PATH"] = os.pathsep.join((str(BIN), kept.get("PATH", os.defpath)))
    kept["VIRTUAL_ENV"] = str(VENV)
    kept["PYTHONUNBUFFERED"] = "1"
    # The one way to keep pip from /etc/pip.conf and the like as well.
    kept["PIP_CONFIG_FILE"] = os.devnull
    return kept


def summarize(results: Sequence[Result]) -> int:
    """Print how each step ended; 1 when one failed."""
    print("\n== summary", flush=True)
    for result in results:
        print(f"{result.name:22} {result.seconds:7.1f} s  {result.outcome}", flush=True)
    return int(any(result.outcome.startswith("FAILED") for result in results))


def tool(name: str) -> str:
    """A program of ``.venv``."""
    return str(BIN / name)


def on_ci() -> bool:
    """Whether nothing may be skipped."""
    return os.environ.get("CI", "").lower() == "true"


if __name__ == "__main__":
    sys.exit(main())
