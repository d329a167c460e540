"""The steps that make the environment and look at it: install, ``pip check``, import everything."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import uv

from envbuild.errors import ToolError
from envbuild.process import Runner
from envbuild.verification import imports
from envbuild.verification.bench import PATIENCE_S, Bench, tail
from envbuild.verification.report import StepResult, failed, passed, skipped
from envbuild.verification.sandbox import Sandbox

__all__ = [
    "CHECK",
    "INSTALL",
    "ONLY_BUNDLED",
    "ContextInstaller",
    "check_dependencies",
    "import_everything",
    "install_bundle",
]

INSTALL = "install"
ONLY_BUNDLED = "conda packages are installed from a bundle"
CHECK = "pip check"
_COMPLAINT = re.compile(r" requires | has requirement | is not supported on this platform")
_NO_PIP = "No module named pip"


def install_bundle(
    sandbox: Sandbox, *, folder: Path, target: Path, python: str, env: Mapping[str, str]
) -> StepResult:
    """``install.sh`` of the bundle itself, in the sandbox, as it is used at its destination.

    Without a ``python`` it finds one, as for a bundle with conda packages.
    """
    argv = (
        "sh",
        str(folder / "install.sh"),
        str(target),
        *(("--python", python) if python else ()),
    )
    try:
        done = sandbox.run(argv, env=env, timeout=PATIENCE_S)
    except ToolError as error:
        return failed(INSTALL, error.problem)
    if done.returncode != 0:
        return failed(INSTALL, f"install.sh ended with code {done.returncode}", *tail(done))
    return passed(INSTALL, "install.sh, without a network")


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextInstaller:
    """Installs the lock of a context with uv. A context holds no wheels: this needs the network,
    and happens before it is taken away.
    """

    runner: Runner
    env: Mapping[str, str]
    cache: Path
    indexes: tuple[str, ...] = ()  # options of uv

    def install(self, lock: Path, tools: Path, *, target: Path, python: str) -> StepResult:
        """A virtual environment at ``target`` with what ``lock``, a pylock, says.

        ``venv`` rather than uv makes it, as in the image; ``tools`` is the requirements file of
        what stands beside the lock there, and may be absent.
        """
        inside = str(target / "bin" / "python")
        # Compiled as pip does it: the probes write none, and would compile in every process anew.
        flags = ("--no-config", "--no-deps", "--quiet", "--compile-bytecode", *self.indexes)
        places = ("--python", inside, "--cache-dir", str(self.cache))
        install = (uv.find_uv_bin(), "pip", "install", *flags, *places)
        steps: list[tuple[str, ...]] = [(python, "-I", "-m", "venv", str(target))]
        if tools.is_file():
            steps.append((*install, "--require-hashes", "-r", str(tools)))
        steps.append((*install, "-r", str(lock)))
        for argv in steps:
            try:
                done = self.runner(argv, env=self.env, timeout=PATIENCE_S)
            except ToolError as error:
                return failed(INSTALL, error.problem)
            if done.returncode != 0:
                name = Path(argv[0]).name
                return failed(INSTALL, f"{name} ended with code {done.returncode}", *tail(done))
        return passed(
            INSTALL, "from the index, with the network; export a bundle to prove that it needs none"
        )


def check_dependencies(bench: Bench) -> StepResult:
    """``pip check``: every requirement of every distribution is there in a version that fits.

    Where the environment has no pip, the uv that envbuild came with says the same.
    """
    try:
        done = bench.run((bench.python, "-I", "-m", "pip", "check"))
        if done.returncode != 0 and _NO_PIP in done.stderr:
            if not bench.uv:
                return skipped(CHECK, "there is no pip in it")
            uv_check = ("pip", "check", "--no-config", "--offline", "--python", bench.python)
            done = bench.run((bench.uv, *uv_check))
    except ToolError as error:
        return failed(CHECK, error.problem)
    if done.returncode != 0:
        # pip complains on standard output, uv on standard error among what else it has to say.
        said = f"{done.stdout}\n{done.stderr}".splitlines()
        complaints = [line for line in said if _COMPLAINT.search(line)]
        return failed(
            CHECK, f"requirements not met: {len(complaints)}", *(complaints or tail(done))
        )
    return passed(CHECK)


def import_everything(bench: Bench) -> StepResult:
    """Every top-level module of every distribution; ``exceptions.toml`` has those that may fail."""
    skipped = [module for entry in imports.skipped_modules() for module in entry.modules]
    answer = bench.probe(imports.STEP, "imports.py", json.dumps(skipped))
    if isinstance(answer, StepResult):
        return answer
    return imports.judge_imports(answer[0]["distributions"])
