"""The example of the README and the library reference, typed in."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.environments import scrubbed
from tests.support.paths import MODELS, ROOT

pytestmark = pytest.mark.live

PYTHON = re.compile(r"^```python\n(import envbuild\n.*?)^```", re.MULTILINE | re.DOTALL)


def example(page: str) -> str:
    (code,) = PYTHON.findall((ROOT / page).read_text("utf-8"))
    return str(code)


def test_the_readme_and_the_reference_have_the_same_example() -> None:
    assert example("README.md") == example("docs/reference/library.md")


def test_the_example_type_checks(tmp_path: Path) -> None:
    (tmp_path / "example.py").write_text(example("README.md"))

    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", "example.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout


@pytest.mark.needs_python("3.7")
def test_the_example_runs(tmp_path: Path) -> None:
    shutil.copytree(MODELS / "seed", tmp_path / "model")
    again = 'print(report.passed, envbuild.check(model, "env/").fresh, callable(envbuild.lock))\n'

    done = subprocess.run(
        [sys.executable, "-c", example("README.md") + again],
        cwd=tmp_path,
        env=scrubbed(),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stdout == "True True True\n", done.stderr
