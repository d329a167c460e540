"""Reading in a process of its own: what it loads, and what it does not depend on."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.functional.test_startup import HEAVY
from tests.support.environments import scrubbed
from tests.support.paths import ROOT
from tests.support.readings import GOLDEN

READ = """
from envbuild.model import read_model
from envbuild.spec import parse_environment
for name in ("seed", "pip-repositories", "conda-packages"):
    parse_environment(read_model(f"fixtures/models/{name}"))
"""
RENDER = """
import sys
from tests.support.readings import NAMES, rendered
for name in NAMES:
    sys.stdout.buffer.write(rendered(name).encode())
"""
LOADED = re.compile(r"^import time:\s+\d+ \|\s+\d+ \|\s+(\S+)$", re.MULTILINE)


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=scrubbed(**environment),
        capture_output=True,
        encoding="utf-8",
        check=True,
    )


def test_reading_a_model_loads_nothing_heavy() -> None:
    before = set(LOADED.findall(run("-X", "importtime", "-c", "pass").stderr))
    loaded = set(LOADED.findall(run("-X", "importtime", "-c", READ).stderr)) - before

    assert "envbuild.spec" in loaded
    assert loaded & (HEAVY | {"envbuild.fetch.registry", "importlib.resources"}) == set()


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONHASHSEED": "1"},
        {"PYTHONHASHSEED": "2"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ],
    ids=["hash-seed-1", "hash-seed-2", "ascii-locale"],
)
def test_what_is_read_depends_on_nothing_but_the_model(environment: dict[str, str]) -> None:
    golden = sorted(GOLDEN.iterdir(), key=lambda path: path.stem)
    expected = "".join(path.read_text(encoding="utf-8") for path in golden)

    assert run("-c", RENDER, **environment).stdout == expected
