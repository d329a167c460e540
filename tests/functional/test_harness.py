"""The test command itself: what it runs, in which environment, and what it says of the result."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import run
from tests.support.interpreters import find_interpreter, full_version
from tests.support.paths import TESTS

LOOK_AROUND = """\
import errno, socket
with socket.create_server(("127.0.0.1", 0)) as server:
    socket.create_connection(server.getsockname()).close()
try:
    socket.create_connection(("192.0.2.1", 80), timeout=5)
except OSError as error:
    print(errno.errorcode[error.errno])
"""


def names(*arguments: str) -> list[str]:
    return [step.name for step in run.steps(run.parse(arguments))]


@pytest.fixture(autouse=True)
def _on_a_users_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)


def test_everything_is_run_in_this_order() -> None:
    assert names() == [
        "ruff check",
        "ruff format",
        "mypy",
        "offline tests",
        "coverage",
        "live tests",
        "hadolint",
    ]


def test_fast_leaves_out_the_live_tests() -> None:
    assert "live tests" not in names("--fast")


def test_coverage_of_chosen_tests_is_not_judged() -> None:
    assert "coverage" not in names("--", "-k", "conflict")


def test_what_follows_two_dashes_goes_to_pytest() -> None:
    steps = {step.name: step for step in run.steps(run.parse(["--", "-k", "conflict"]))}

    assert steps["offline tests"].commands[-1][-2:] == ("-k", "conflict")
    assert steps["live tests"].commands[-1][-2:] == ("-k", "conflict")


def test_the_limit_of_coverage_can_be_given() -> None:
    steps = {step.name: step for step in run.steps(run.parse(["--fail-under", "97"]))}

    assert steps["coverage"].commands[-1][-1] == "--fail-under=97"


def test_other_pythons_are_run_on_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")

    assert [name for name in names() if name.startswith("unit tests, ")] == [
        "unit tests, 3.10",
        "unit tests, 3.13",
    ]


def test_a_step_that_cannot_run_is_skipped_at_home_and_fails_on_ci(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    step = run.Step("hadolint", (), missing="no Dockerfile")

    assert run.run_step(step).outcome == "skipped: no Dockerfile"
    monkeypatch.setenv("CI", "true")
    assert run.run_step(step).outcome == "FAILED: no Dockerfile"


def test_a_step_stops_at_its_first_failure(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    fail = (sys.executable, "-c", "import sys; sys.exit(1)")
    touch = (sys.executable, "-c", f"open({str(mark)!r}, 'w').close()")

    assert run.run_step(run.Step("both", (fail, touch))).outcome == "FAILED"
    assert not mark.exists()
    assert run.run_step(run.Step("both", (touch,))).outcome == "passed"
    assert mark.exists()


def test_a_program_that_was_killed_is_said_to_have_been() -> None:
    kill = (sys.executable, "-c", "import os; os.kill(os.getpid(), 9)")

    assert run.run_step(run.Step("live tests", (kill,))).outcome == "FAILED: SIGKILL"


def test_one_failure_fails_the_whole(capsys: pytest.CaptureFixture[str]) -> None:
    results = [run.Result("mypy", "passed", 2.04), run.Result("live tests", "FAILED", 61)]

    assert run.summarize(results) == 1
    assert capsys.readouterr().out == (
        "\n== summary\n"
        "mypy                       2.0 s  passed\n"
        "live tests                61.0 s  FAILED\n"
    )


def test_a_skip_does_not_fail_the_whole() -> None:
    assert run.summarize([run.Result("hadolint", "skipped: nothing there", 0)]) == 0


def test_no_ambient_configuration_reaches_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PIP_INDEX_URL", "UV_OFFLINE", "CONDA_PREFIX", "PYTHONPATH", "ENVBUILD_CACHE_DIR"):
        monkeypatch.setenv(name, "x")

    environment = run.test_environment()

    assert [name for name, value in environment.items() if value == "x"] == []
    assert environment["PIP_CONFIG_FILE"] == os.devnull
    assert environment["PATH"].startswith(str(run.BIN))


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="for root on Linux")
def test_programs_without_network_still_have_loopback() -> None:
    done = subprocess.run(
        [sys.executable, TESTS / "support" / "loopback_only.py", sys.executable, "-c", LOOK_AROUND],
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == "ENETUNREACH\n"


def test_an_interpreter_is_what_it_is_called() -> None:
    minor = "{}.{}".format(*sys.version_info)

    found = find_interpreter(minor)

    assert found is not None
    assert full_version(found).startswith(f"{minor}.")


def test_a_python_that_nobody_has_is_not_found() -> None:
    assert find_interpreter("3.99") is None
