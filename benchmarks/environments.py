"""From a model folder to an environment that can serve it: MLflow's own way, and a locked one."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from benchmarks.cases import Case
from benchmarks.contestants import ENVBUILD, environment, tool
from benchmarks.timing import Program

__all__ = ["MLflow", "environment_programs"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MLflow:
    """Full MLflow, of the version of our mlflow-skinny, in a virtual environment of its own."""

    programs: Path

    @classmethod
    def install(cls, folder: Path) -> MLflow:
        """Install it, untimed."""
        python = folder / "bin" / "python"
        wanted = [f"mlflow=={version('mlflow-skinny')}", "virtualenv"]
        uv = [tool("uv"), "--no-config"]
        for command in (
            [*uv, "venv", "--python", sys.executable, str(folder)],
            [*uv, "pip", "install", "--python", str(python), *wanted],
        ):
            subprocess.run(command, check=True, capture_output=True)
        return cls(programs=python.parent)

    def prepare_env(self, model: Path, manager: str) -> list[str]:
        """The command that makes a model's environment, as ``mlflow models serve`` would."""
        command = [str(self.programs / "mlflow"), "models", "prepare-env"]
        return [*command, "-m", str(model), "--env-manager", manager]

    def environment(self, home: Path) -> dict[str, str]:
        """Empty caches, and the tools that MLflow looks for on the path."""
        base = environment(home)
        path = (str(self.programs), str(Path(tool("uv")).parent), base["PATH"])
        pyenv = os.environ.get("PYENV_ROOT") or str(Path.home() / ".pyenv")
        return {
            **base,
            "PATH": os.pathsep.join(path),
            "PYENV_ROOT": pyenv,
            "MLFLOW_ENV_ROOT": str(home / "environments"),
        }


def environment_programs(case: Case, mlflow: MLflow, context: Path) -> Iterator[Program]:
    """Each from empty caches; ``context`` is one that was locked before, as in any later build."""

    def theirs(manager: str) -> Program:
        def prepare(folder: Path) -> tuple[Sequence[str], Mapping[str, str]]:
            return mlflow.prepare_env(case.model, manager), mlflow.environment(folder)

        return Program(name=f"mlflow models prepare-env, {manager}", prepare=prepare)

    def lock_and_install(folder: Path) -> tuple[Sequence[str], Mapping[str, str]]:
        fresh = folder / "context"
        lock = [*ENVBUILD, "lock", str(case.model), "-o", str(fresh), "--server", "mlflow"]
        return in_shell(lock, *install(fresh, folder)), environment(folder)

    def install_locked(folder: Path) -> tuple[Sequence[str], Mapping[str, str]]:
        return in_shell(*install(context, folder)), environment(folder)

    def install_with_uv(folder: Path) -> tuple[Sequence[str], Mapping[str, str]]:
        return in_shell(*uv_install(context, folder)), environment(folder)

    yield theirs("uv")
    if shutil.which("pyenv"):  # MLflow asks it for the Python, and fails without
        yield theirs("virtualenv")
    yield Program(name="envbuild lock, then pip", prepare=lock_and_install)
    yield Program(name="pip from the lock", prepare=install_locked)
    yield Program(name="uv from the lock", prepare=install_with_uv)


def install(context: Path, folder: Path) -> Iterator[list[str]]:
    """What the Dockerfile of a context does: a virtual environment, every hash checked."""
    python = str(folder / "env" / "bin" / "python")
    yield [sys.executable, "-m", "venv", str(folder / "env")]
    pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "--no-deps"]
    for requirements in (context / "tools/requirements.txt", context / "requirements.txt"):
        yield [*pip, "--require-hashes", "-r", str(requirements)]


def uv_install(context: Path, folder: Path) -> Iterator[list[str]]:
    """The same by uv."""
    uv = [tool("uv"), "--no-config"]
    yield [*uv, "venv", "--python", sys.executable, str(folder / "env")]
    target = ["--python", str(folder / "env" / "bin" / "python"), "--no-deps", "--require-hashes"]
    yield [*uv, "pip", "install", *target, "-r", str(context / "requirements.txt")]


def in_shell(*commands: Sequence[str]) -> list[str]:
    """The commands one after the other, as one process."""
    return ["sh", "-ec", "\n".join(shlex.join(command) for command in commands)]
