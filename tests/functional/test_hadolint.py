"""The Dockerfiles that envbuild writes have nothing for a linter to complain about."""

from __future__ import annotations

import subprocess
import sysconfig
from pathlib import Path

import pytest

from tests.support.goldens import GOLDEN

HADOLINT = Path(sysconfig.get_path("scripts")) / "hadolint"
DOCKERFILES = sorted(GOLDEN.glob("*/Dockerfile"))


def lint(path: Path) -> tuple[int, str]:
    """What hadolint says of a Dockerfile; the test is skipped where it is not installed."""
    if not HADOLINT.exists():
        pytest.skip("hadolint is not installed beside this Python")
    done = subprocess.run([HADOLINT, path], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.parent.name)
def test_a_dockerfile_is_clean(path: Path) -> None:
    assert lint(path) == (0, "")
