"""Virtual environments in which the scoring scripts run for real, with models saved there."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from uv import find_uv_bin

from tests.support.environments import scrubbed

__all__ = ["Environment", "make_environment"]

_SAVE = """
import mlflow.pyfunc
from mlflow.models.signature import ModelSignature
from mlflow.types.schema import Schema

def save(path, inputs, params, predict):
    model = type("Model", (mlflow.pyfunc.PythonModel,), {"predict": predict})()
    more = {}
    if params != "[]":
        from mlflow.types.schema import ParamSchema
        more = {"params": ParamSchema.from_json(params)}
    signature = ModelSignature(Schema.from_json(inputs), **more) if inputs != "[]" else None
    mlflow.pyfunc.save_model(path, python_model=model, signature=signature, pip_requirements=[])
"""


@dataclass(frozen=True, kw_only=True)
class Environment:
    """The ``bin`` of a virtual environment, and a folder for models and data."""

    bin: Path
    folder: Path

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """Run its Python in the folder; warnings are left out."""
        return subprocess.run(
            [str(self.bin / "python"), "-W", "ignore", *argv],
            env=scrubbed(),
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )

    def save_model(
        self,
        name: str,
        signature: Sequence[object],
        predict: str,
        *,
        params: Sequence[object] = (),
    ) -> Path:
        """Save a model; ``predict`` is the source of its ``predict(self, context, data)``."""
        call = f"save({name!r}, {json.dumps(signature)!r}, {json.dumps(params)!r}, predict)"
        done = self.run("-c", f"{_SAVE}\n{predict}\n{call}")
        assert done.returncode == 0, done.stderr
        return self.folder / name


def make_environment(
    root: Path, interpreter: Path, packages: Sequence[str], *, as_of: str = ""
) -> Environment:
    """A new environment with the newest of these packages that go together, as of a day."""
    uv = (find_uv_bin(), "--no-config", "--quiet")
    python = str(root / "venv" / "bin" / "python")
    dated = ("--exclude-newer", as_of) if as_of else ()
    for argv in (
        (*uv, "venv", "--python", str(interpreter), str(root / "venv")),
        (*uv, "pip", "install", "--python", python, *dated, *packages),
    ):
        done = subprocess.run(argv, env=scrubbed(), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    made = Environment(bin=root / "venv" / "bin", folder=root / "mounted")
    made.folder.mkdir()
    return made
