"""CI fails where it skipped a test that it should have run; elsewhere a skip is a skip."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT

CONFTEST = """\
from tests.support.obligations import Obligations, on_ci

def pytest_configure(config):
    config.addinivalue_line("markers", "may_skip(reason): ...")
    if on_ci():
        config.pluginmanager.register(Obligations())
"""

SKIPS = """\
import pytest

def test_runs():
    pass

def test_lacks_something():
    pytest.skip("no CPython 3.7 on this machine")
"""

MAY_SKIP = """\
import pytest

@pytest.mark.may_skip("for Windows alone")
def test_of_another_system():
    pytest.skip("not Windows")

@pytest.mark.xfail(reason="known", strict=True)
def test_expected_to_fail():
    assert False
"""

SKIPS_ALL = "import pytest\npytest.importorskip('no_such_module')\ndef test_nothing(): pass\n"


def run_pytest(folder: Path, test: str, *, ci: str) -> tuple[int, str]:
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "test_it.py").write_text(test)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-ra", "-p", "no:cacheprovider", "--rootdir=.", "."],
        cwd=folder,
        env={**os.environ, "CI": ci, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def test_a_skip_on_ci_is_a_failure_that_says_why(tmp_path: Path) -> None:
    code, output = run_pytest(tmp_path, SKIPS, ci="true")

    assert code == 1
    assert (
        "CI must run test_it.py::test_lacks_something, which was skipped: "
        "Skipped: no CPython 3.7 on this machine"
    ) in output
    assert "1 failed, 1 passed" in output


def test_the_same_skip_elsewhere_is_a_skip(tmp_path: Path) -> None:
    code, output = run_pytest(tmp_path, SKIPS, ci="")

    assert code == 0
    assert "1 passed, 1 skipped" in output


def test_what_may_be_skipped_and_what_is_expected_to_fail_pass_on_ci(tmp_path: Path) -> None:
    code, output = run_pytest(tmp_path, MAY_SKIP, ci="true")

    assert code == 0
    assert "1 skipped, 1 xfailed" in output


@pytest.mark.parametrize(("ci", "expected"), [("true", 2), ("", 5)])
def test_a_module_that_is_skipped_whole_counts_as_well(
    tmp_path: Path, ci: str, expected: int
) -> None:
    code, output = run_pytest(tmp_path, SKIPS_ALL, ci=ci)

    assert code == expected
    assert "no_such_module" in output
