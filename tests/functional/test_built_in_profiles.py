"""What envbuild writes for each of its own profiles, and what the linter says of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from envbuild.locking.lock import Lock
from envbuild.server import BUILT_IN, load_profile
from tests.functional.test_hadolint import lint
from tests.support.locks import lock, make_model, make_plan, package, requirement, resolution

EACH_PROFILE = pytest.mark.parametrize("name", BUILT_IN)
HEAVY = ("packaging.pylock", "requests", "tomli_w", "urllib3", "http.client", "asyncio")


def made(name: str, folder: Path) -> Lock:
    plan = make_plan(load_profile(name), [requirement("a")])
    return lock(make_model(folder), plan, resolution([package("a==1", "py3-none-any")]))


@EACH_PROFILE
def test_the_dockerfile_of_a_profile_is_clean(name: str, tmp_path: Path) -> None:
    path = tmp_path / "Dockerfile"
    path.write_bytes(made(name, tmp_path).files()["Dockerfile"])

    assert lint(path) == (0, "")


@EACH_PROFILE
def test_the_image_of_a_profile_starts_its_server(name: str, tmp_path: Path) -> None:
    profile = load_profile(name)
    dockerfile = made(name, tmp_path).files()["Dockerfile"].decode()

    command = [line for line in dockerfile.splitlines() if line.startswith("CMD ")]
    expected = [f"CMD {json.dumps(list(profile.command))}"] if profile.command else []
    assert command == expected
    assert ("EXPOSE" in dockerfile) == ("HEALTHCHECK" in dockerfile) == (profile.port is not None)


@EACH_PROFILE
def test_the_files_of_a_profile_fit_its_kind(name: str, tmp_path: Path) -> None:
    files = made(name, tmp_path).files()

    kind = load_profile(name).kind
    assert ("azureml/deployment.yml" in files) == (kind in {"online", "batch"})
    assert ("azureml/code/score.py" in files) == (kind == "batch")
    for text in (data for file, data in files.items() if file.endswith(".yml")):
        assert isinstance(yaml.safe_load(text), dict)


def test_a_check_loads_no_more_than_it_needs() -> None:
    loaded = f"[name for name in {HEAVY!r} if name in sys.modules]"
    code = f"import sys, envbuild.locking.staleness; print({loaded})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
