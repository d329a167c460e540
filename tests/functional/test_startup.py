"""What a command pays before it does anything: the modules that it loads."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

# Each costs more than all of envbuild together, or exists only to fetch, solve or build.
HEAVY = frozenset(
    {
        "conda_lock",
        "docker",
        "mlflow",
        "numpy",
        "pandas",
        "requests",
        "rattler",
        "urllib3",
        "asyncio",
        "email",
        "http",
        "ssl",
        "importlib.metadata",
        "multiprocessing",
        "unittest",
    }
)

LOADED = re.compile(r"^import time:\s+\d+ \|\s+\d+ \|\s+(\S+)$", re.MULTILINE)


def modules_loaded_by(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(LOADED.findall(done.stderr))


def modules_loaded_at_start() -> set[str]:
    """What the interpreter and this environment's own ``.pth`` files load."""
    return modules_loaded_by("pass")


@pytest.mark.parametrize(
    "code",
    [
        "import envbuild",
        "import envbuild.cli",
        "from envbuild.cli import main\ntry: main(['--version'])\nexcept SystemExit: pass",
        "from envbuild.cli import main\ntry: main(['lock', '--help'])\nexcept SystemExit: pass",
    ],
    ids=["import", "import-cli", "version", "help"],
)
def test_starting_loads_nothing_heavy(code: str) -> None:
    loaded = modules_loaded_by(code) - modules_loaded_at_start()

    assert "envbuild" in loaded
    assert HEAVY & loaded == set()


def test_importing_the_package_loads_only_the_package() -> None:
    loaded = modules_loaded_by("import envbuild") - modules_loaded_at_start()

    assert {name for name in loaded if name.startswith("envbuild")} == {"envbuild"}


def test_every_public_name_can_be_had_from_the_package() -> None:
    code = "import envbuild\nfor name in envbuild.__all__: getattr(envbuild, name)"

    assert "envbuild.api" in modules_loaded_by(code)
