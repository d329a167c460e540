"""From a conda.yaml to a server that answers, with conda and pip, and no network at the end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from envbuild.cli import main
from envbuild.locking.context import read_context
from envbuild.verification import verify
from tests.support.conda_channel import Channel, sample_packages
from tests.support.exporting import Site, rattler_wheel
from tests.support.index import Index
from tests.support.toy import SCORE, library, server, write_model

CONDA_YAML = """\
name: toy
channels:
- {channel}
dependencies:
- python=3.11
- pip
- spam-native
- pip:
  - mlflow
"""

PROFILE = """\
name = "toy"
summary = "A server in a few lines"
kind = "online"
script = { name = "score.py" }
command = ["python", "-m", "toyserver", "--port", "5001", "--model", "/opt/model"]
port = 5001

[probes]
liveness = "/"
readiness = "/"
scoring = "/score"

[[requires]]
python = ">=3.6"
packages = ["toyserver"]
"""


def test_a_mixed_model_is_locked_carried_over_and_served_without_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, interpreter: Callable[[str], Path]
) -> None:
    interpreter("3.11")
    channel = Channel(tmp_path / "forge")
    channel.add(*sample_packages("3.11"))
    model = write_model(tmp_path / "model")
    (model / "conda.yaml").write_text(CONDA_YAML.format(channel=channel.address))
    (tmp_path / "toy.toml").write_text(PROFILE)
    (tmp_path / "score.py").write_text(f"import spam\nassert spam.add(40, 2) == 42\n{SCORE}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ENVBUILD_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path))
    with Index() as index:
        index.add(library(), server(), rattler_wheel())
        site = Site(folder=tmp_path, index=index)
        lock = ["lock", "model", "--server", "toy.toml", "--index-url", index.url, "-o", "env"]
        assert main(lock) == 0
        context = read_context(tmp_path / "env")
        bundle = site.export(context)

    report = verify(bundle.path, model=model, ambient=site.ambient())

    assert context.runtime == "conda"
    assert [package.name for package in context.locks["linux-64"].conda] == [
        "libspam", "pip", "python", "python_abi", "setuptools", "spam-native",
    ]  # fmt: skip
    assert {step.name: step.outcome for step in report.steps if step.outcome != "passed"} == {}
    assert len(report.steps) == 11
    again = read_context(bundle.path)
    assert {package.url for package in again.locks["linux-64"].conda} == {
        f"channel/{package.subdir}/{package.filename}"
        for package in context.locks["linux-64"].conda
    }
