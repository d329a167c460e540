"""What the documents tell people to type works, as it is written."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.documents import scripts
from tests.support.environments import scrubbed
from tests.support.paths import FIXTURES, MODELS, ROOT

pytestmark = pytest.mark.live

PAGES = ("tutorial/first-lock.md", "how-to/ci.md", "how-to/air-gap.md", "how-to/fleets.md")


@pytest.mark.needs_python("3.7")
@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_work(
    page: str, tmp_path: Path, interpreter: Callable[[str], Path]
) -> None:
    python = interpreter("3.7").parent
    shutil.copytree(FIXTURES, tmp_path / "fixtures")
    if not page.startswith("tutorial/"):
        shutil.copytree(MODELS / "seed", tmp_path / "model")
    for name in ("red", "team/white"):
        shutil.copytree(MODELS / "seed", tmp_path / "models" / name)
    if page == "how-to/ci.md":  # it begins where a context is already there
        _run("envbuild lock model/ -o model-env", tmp_path, python)
    script = scripts(ROOT / "docs" / page).replace("/tmp/", f"{tmp_path}/")

    _run(script, tmp_path, python)


def _run(script: str, folder: Path, python: Path) -> None:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"], str(python)])
    done = subprocess.run(
        ["sh", "-ec", script],
        cwd=folder,
        env=scrubbed(PATH=path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
