"""What a command pays before it does anything: the modules that it loads."""

from __future__ import annotations

import gc
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest

from envbuild import __main__, cli
from envbuild.model import read_model
from envbuild.server import load_profile
from envbuild.spec import parse_environment
from tests.support.locks import lock, make_plan, package, requirement, resolution
from tests.support.paths import MODELS

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

# What answers from text alone needs neither of these.
FOR_SOLVING = frozenset(
    {
        "envbuild.fetch",
        "envbuild.merge",
        "envbuild.merging.name_map",
        "envbuild.merging.plans",
        "envbuild.pipeline",
        "envbuild.process",
        "envbuild.profile_schema",
        "envbuild.resolve",
        "envbuild.server",
        "ctypes",
        "difflib",
        "tempfile",
    }
)
# --version and --help are answered by the parser.
FOR_ANY_WORK = frozenset(
    {
        "dataclasses",
        "envbuild.ambient",
        "envbuild.options",
        "envbuild.platforms",
        "hashlib",
        "packaging",
        "pathlib",
        "tomllib",
        "typing",
        "yaml",
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


@pytest.mark.parametrize("words", [["--version"], ["--help"], ["lock", "--help"]])
def test_what_the_parser_answers_loads_little_more_than_the_parser(words: list[str]) -> None:
    code = f"from envbuild.cli import main\ntry: main({words})\nexcept SystemExit: pass"

    loaded = modules_loaded_by(code) - modules_loaded_at_start()

    assert "envbuild.cli.parser" in loaded
    assert FOR_ANY_WORK & loaded == set()


def test_checking_a_lock_loads_nothing_that_solves(tmp_path: Path) -> None:
    model = read_model(MODELS / "seed")
    plan = make_plan(load_profile("azureml-online"), [requirement("mlflow")])
    found = resolution([package("mlflow==1.30.1", "py3-none-any")])
    context = tmp_path / "env"
    lock(model, replace(plan, spec=parse_environment(model)), found).write(context)
    words = ["lock", str(model.path), "-o", str(context), "--check", "--quiet"]

    loaded = modules_loaded_by(f"from envbuild.cli import main\nassert main({words}) == 0")
    loaded -= modules_loaded_at_start()

    assert "envbuild.locking.staleness" in loaded
    assert (HEAVY | FOR_SOLVING) & loaded == set()


def test_importing_the_package_loads_only_the_package() -> None:
    loaded = modules_loaded_by("import envbuild") - modules_loaded_at_start()

    assert {name for name in loaded if name.startswith("envbuild")} == {"envbuild"}


def test_every_public_name_can_be_had_from_the_package() -> None:
    code = "import envbuild\nfor name in envbuild.__all__: getattr(envbuild, name)"

    assert "envbuild.api" in modules_loaded_by(code)


def test_a_program_that_ends_searches_no_garbage(monkeypatch: pytest.MonkeyPatch) -> None:
    def run() -> NoReturn:
        raise SystemExit(2)

    monkeypatch.setattr(cli, "main", run)
    try:
        with pytest.raises(SystemExit, match="2"):
            __main__.main()
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
