"""envbuild is imported in pipelines beside other people's pins."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import uv

from tests.support.environments import scrubbed
from tests.support.paths import ROOT

pytestmark = pytest.mark.live


def uv_run(*arguments: str, cwd: Path) -> str:
    done = subprocess.run(
        [uv.find_uv_bin(), *arguments],
        cwd=cwd,
        env=scrubbed(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "beside",
    [
        pytest.param("mlflow", id="the newest mlflow"),
        pytest.param("mlflow==3.10.0", id="the oldest mlflow that the docs promise"),
    ],
)
@pytest.mark.needs_python("3.12")
def test_the_core_installs_beside_mlflow(
    beside: str, tmp_path: Path, interpreter: Callable[[str], Path]
) -> None:
    uv_run("venv", "-q", "--no-config", "--python", str(interpreter("3.12")), "env", cwd=tmp_path)
    python = str(tmp_path / "env/bin/python")
    uv_run(
        "pip", "install", "-q", "--no-config", "--python", python, str(ROOT), beside, cwd=tmp_path
    )

    uv_run("pip", "check", "--python", python, cwd=tmp_path)
    script = "import envbuild, mlflow; print(envbuild.read_model.__name__, mlflow.__name__)"
    done = subprocess.run([python, "-c", script], capture_output=True, text=True, check=False)

    assert done.stdout == "read_model mlflow\n", done.stderr


def test_an_older_mlflow_is_refused_for_the_reason_in_the_docs(tmp_path: Path) -> None:
    done = subprocess.run(
        [uv.find_uv_bin(), "pip", "compile", "--no-config", "-q", "--python-version", "3.12", "-"],
        input=f"envbuild @ {ROOT.as_uri()}\nmlflow==3.9.0\n",
        cwd=tmp_path,
        env=scrubbed(),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert "packaging" in done.stderr
