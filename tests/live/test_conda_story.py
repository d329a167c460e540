"""From a model of conda and pip to a server that answers without a network."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.conda_channel import Channel, sample_packages
from tests.support.environments import scrubbed

pytestmark = pytest.mark.live

MLMODEL = """\
artifact_path: model
flavors:
  python_function:
    code: code
    env:
      conda: conda.yaml
    loader_module: adder
    python_version: 3.11.7
mlflow_version: 2.9.2
saved_input_example_info:
  artifact_path: input_example.json
  pandas_orient: split
  type: dataframe
signature:
  inputs: '[{"name": "left", "type": "long"}, {"name": "right", "type": "long"}]'
  outputs: '[{"type": "long"}]'
"""
CONDA = """\
channels: [forge]
dependencies:
- python=3.11
- pip<=23.9
- spam-native
- greet
- pip:
  - mlflow-skinny==2.9.2
  - greet<2
  - numpy<2
"""
# The native library of conda, loaded by the conda package, adds what pandas of pip brings.
ADDER = """\
import greet
import spam


class Adder:
    def predict(self, rows):
        return [spam.add(int(left), int(right)) for left, right in rows.values]


def _load_pyfunc(path):
    return Adder()
"""
EXAMPLE = {"columns": ["left", "right"], "index": [0, 1], "data": [[2, 3], [40, 2]]}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "adder"
    (folder / "code").mkdir(parents=True)
    (folder / "MLmodel").write_text(MLMODEL)
    (folder / "conda.yaml").write_text(CONDA)
    (folder / "code" / "adder.py").write_text(ADDER)
    (folder / "input_example.json").write_text(json.dumps(EXAMPLE))
    return folder


def envbuild(*arguments: str, cwd: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "envbuild", *arguments],
        cwd=cwd,
        env=scrubbed(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def test_a_mixed_model_is_locked_carried_installed_and_answers(
    model: Path, tmp_path: Path, interpreter: Callable[[str], Path]
) -> None:
    interpreter("3.11")
    channel = Channel(tmp_path / "channels" / "forge")
    channel.add(*sample_packages("3.11"))

    forge = f"forge={channel.address}"
    envbuild("lock", "adder", "-o", "env", "--channel-map", forge, cwd=tmp_path)
    envbuild("export", "env", "-o", "bundle", cwd=tmp_path)
    said = envbuild("verify", "bundle", "--model", "adder", "--json", cwd=tmp_path)

    steps = {step["name"]: step["outcome"] for step in json.loads(said)["steps"]}
    proven = {"install", "pip check", "model loads", "example predicts", "server starts"}
    assert {name: steps.get(name) for name in proven} == dict.fromkeys(proven, "passed")
    assert "failed" not in steps.values()
