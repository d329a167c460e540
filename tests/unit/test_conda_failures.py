"""What is said of a conda-lock that failed; our own solver is told of in the functional tests."""

from __future__ import annotations

import json
from typing import Any

from envbuild.errors import EnvbuildError, IndexUnavailableError, ResolutionError, ToolError
from envbuild.process import Completed
from envbuild.resolve.conda.channels import Channel
from envbuild.resolve.conda.failures import classify
from envbuild.resolve.conda.interface import CondaOptions, CondaProblem
from tests.support.conda_solving import asked
from tests.support.merging import target

CHANNELS = (Channel(name="forge", address="https://ann:s3cret@host/forge"),)


def error(stderr: str = "", report: dict[str, Any] | None = None) -> EnvbuildError:
    problem = CondaProblem(
        target=target(),
        requirements=asked("python=3.11", "grete=1.0", "zlib"),
        channels=("forge",),
        options=CondaOptions(conda_exe="/opt/conda/bin/conda"),
    )
    done = Completed(argv=("conda-lock",), returncode=1, stdout="", stderr=stderr)
    return classify(done, report or {}, problem, CHANNELS)


def test_a_foreign_solver_without_a_solution_is_told_with_the_entries_that_asked() -> None:
    answer = {
        "success": False,
        "solver_problems": ["nothing provides grete 1.0* needed by the request"],
    }
    found = error(f"Could not lock the environment for platform linux-64\n{json.dumps(answer)}\n")

    assert isinstance(found, ResolutionError)
    assert (
        str(found)
        == """\
no set of conda packages for linux-64 satisfies what is asked for
  why, in the words of the solver:
    nothing provides grete 1.0* needed by the request
  asked for by:
    grete=1.0  (conda.yaml: dependencies[1])
  try: another version of one of these entries"""
    )


def test_a_crash_shows_what_was_said_without_the_traceback_and_without_secrets() -> None:
    found = error(
        "Traceback (most recent call last):\n"
        '  File "solver.py", line 3, in main\n'
        "    raise MemoryError\n"
        "MemoryError: https://ann:s3cret@host/forge\n"
    )

    assert isinstance(found, ToolError)
    assert (
        str(found)
        == """\
linux-64: conda-lock ended with code 1, and conda said nothing that is known
  MemoryError: https://****:****@host/forge"""
    )


def test_an_error_of_our_own_solver_keeps_its_family_and_parts() -> None:
    parts = {
        "family": "IndexUnavailableError",
        "problem": "the channel wants a login (401)",
        "where": "https://host/forge",
        "details": ["a line"],
        "remedy": "a user and password or a token for it",
    }
    found = error(report={"envbuild": parts})

    assert isinstance(found, IndexUnavailableError)
    assert (
        str(found)
        == """\
https://host/forge: the channel wants a login (401)
  a line
  try: a user and password or a token for it"""
    )


def test_a_family_that_is_none_is_a_tool_that_failed() -> None:
    found = error(report={"envbuild": {"family": "os", "problem": "odd"}})

    assert (type(found), str(found)) == (ToolError, "odd")
