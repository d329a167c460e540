"""Real models with weights, made by the programs of ``fixtures/training``."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import uv

from tests.support.environments import scrubbed
from tests.support.paths import FIXTURES, MODELS

__all__ = ["complete_seed", "log_model"]


def log_model(
    program: str, packages: Sequence[str], *, exe: Path, folder: Path
) -> tuple[Path, object]:
    """A model that MLflow logs in an environment with ``packages``, and its prediction there."""
    python = folder / "training" / "bin" / "python"
    environ = scrubbed(UV_CACHE_DIR=str(folder / "uv"))
    make = ["venv", "--python", str(exe), str(folder / "training")]
    fill = ["pip", "install", "--python", str(python), *packages]
    for step in (make, fill):
        command = [uv.find_uv_bin(), "--no-config", "--quiet", *step]
        subprocess.run(command, env=environ, check=True)
    return folder / "model", _run(program, python, folder / "model")


def complete_seed(python: Path, folder: Path) -> tuple[Path, object]:
    """The seed fixture with weights trained on ``python``, and its prediction there."""
    model = Path(shutil.copytree(MODELS / "seed", folder / "seed"))
    return model, _run("seed_weights.py", python, model)


def _run(program: str, python: Path, folder: Path) -> object:
    done = subprocess.run(
        [python, FIXTURES / "training" / program, folder],
        env=scrubbed(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])
