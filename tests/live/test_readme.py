"""What the README says to try works as it is written, in a copy of the sources."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT

FENCE = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
FILE_ROW = re.compile(r"^\| `([\w./-]+)` \|", re.MULTILINE)
BUILT_HERE = shutil.ignore_patterns(
    ".git", ".venv", "*_cache", "__pycache__", "seed-*", ".coverage*"
)


def readme() -> str:
    return (ROOT / "README.md").read_text(encoding="utf-8")


def commands() -> list[str]:
    """The shell commands of the README, without comments."""
    blocks = "\n".join(FENCE.findall(readme()))
    return [text for line in blocks.splitlines() if (text := line.partition("#")[0].strip())]


def test_the_first_command_locks_the_seed_model(tmp_path: Path) -> None:
    checkout = tmp_path / "envbuild"
    shutil.copytree(ROOT, checkout, ignore=BUILT_HERE)
    base = Path(sys.base_prefix) / "bin"
    environment = {**os.environ, "PATH": f"{base}{os.pathsep}{os.environ['PATH']}"}

    subprocess.run(["sh", "-ec", commands()[0]], cwd=checkout, env=environment, check=True)

    promised = FILE_ROW.findall(readme())
    assert promised
    assert [name for name in promised if not (checkout / "seed-env" / name).exists()] == []


def test_the_second_command_is_the_one_that_ran_this() -> None:
    assert commands()[1] == "python3 tests/run.py"
    assert (ROOT / "tests" / "run.py").stat().st_mode & 0o111


@pytest.mark.parametrize("command", commands()[2:])
def test_every_other_command_is_one_that_the_parser_knows(command: str) -> None:
    from envbuild.cli.parser import build_parser

    program, *arguments = command.split()

    assert program == "envbuild"
    build_parser().parse_args(arguments)
