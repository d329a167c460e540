"""Environments to serve from, kept between runs: one for each lock and interpreter.

A virtual environment cannot be moved, so it is made where it stays, and counts once a file beside
it says that it is complete. Whoever needs one that is being made waits for it.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from envbuild.ambient import Ambient
from envbuild.build.interpreters import Interpreter, find_interpreter
from envbuild.emit.lockfiles import requirements_name
from envbuild.errors import PythonVersionError, ToolError
from envbuild.fs import alone, sha256_bytes, sha256_file, write_file
from envbuild.locking.canonical import PlatformLock
from envbuild.locking.context import Context, lock_name
from envbuild.process import Runner, plain_environment
from envbuild.reporter import Reporter
from envbuild.verification.environment import (
    INSTALL,
    ONLY_BUNDLED,
    ContextInstaller,
    install_bundle,
)
from envbuild.verification.report import StepResult, failed
from envbuild.verification.room import quiet_environment
from envbuild.verification.sandbox import Open
from envbuild.verification.session import index_options

__all__ = ["Environments"]

_COMPLETE = "complete.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Environments:
    """The kept environments, below ``environments`` in envbuild's cache."""

    ambient: Ambient
    runner: Runner
    progress: Reporter

    def provide(
        self,
        context: Context,
        lock: PlatformLock,
        *,
        kind: Literal["bundle", "context"],
        python_exe: str,
    ) -> Path:
        """The virtual environment of ``lock``; made if it is not there yet.

        A bundle installs itself, from its own files, each held against its hash; a context is
        installed from the index by uv, which holds each file against the lock.

        Raises:
            PythonVersionError: no interpreter of that minor version.
            UsageError: ``python_exe`` is none.
            ToolError: the installation failed.
            OutputError: the cache cannot be written.
        """
        # An environment of conda's brings its own.
        python = None if lock.conda else self._interpreter(lock, python_exe)
        facts = _facts(context, lock, python)
        folder = self.ambient.cache_root() / "environments" / _key(facts)
        venv = folder / "venv"
        with alone(folder.with_suffix(".lock")):
            if not (folder / _COMPLETE).is_file() or not (venv / "bin" / "python").exists():
                try:
                    self._make(context, lock, kind=kind, python=python, venv=venv)
                    text = json.dumps(facts, indent=2, sort_keys=True)
                    write_file(folder / _COMPLETE, text.encode())
                except BaseException:
                    shutil.rmtree(folder, ignore_errors=True)
                    raise
        return venv

    def _interpreter(self, lock: PlatformLock, given: str) -> Interpreter:
        found = find_interpreter(lock.target, given=given, ambient=self.ambient, runner=self.runner)
        if found is not None:
            return found
        minor = "{}.{}".format(*lock.target.python_minor)
        raise PythonVersionError(
            f"the lock is for Python {lock.target.python}, and there is no CPython {minor} here",
            details=("looked in pyenv, on PATH, and among uv's own",),
            remedy=f"uv python install {minor}, or --python-exe EXE, or run the image",
        )

    def _make(
        self,
        context: Context,
        lock: PlatformLock,
        *,
        kind: Literal["bundle", "context"],
        python: Interpreter | None,
        venv: Path,
    ) -> None:
        count = len(lock.pylock.packages) + len(lock.conda)
        version = python.version if python else lock.target.python
        self.progress.step(f"installing {count} packages for Python {version}")
        shutil.rmtree(venv.parent, ignore_errors=True)  # of a run that was killed
        home = venv.parent / "home"
        home.mkdir(parents=True)
        plain = plain_environment(self.ambient.environ, home=home)
        if kind == "bundle":
            result = install_bundle(
                Open(runner=self.runner),
                folder=context.path,
                target=venv,
                python=str(python.exe) if python else "",
                env=quiet_environment(plain),
            )
        elif python is None:
            result = failed(INSTALL, ONLY_BUNDLED, "try: envbuild export, and serve that")
        else:
            result = self._from_index(context, lock, venv, str(python.exe), plain)
        shutil.rmtree(home, ignore_errors=True)
        if result.outcome == "failed":
            raise ToolError(
                f"the environment cannot be installed: {result.reason}",
                where=str(context.path),
                details=result.details,
            )

    def _from_index(
        self,
        context: Context,
        lock: PlatformLock,
        venv: Path,
        python: str,
        plain: Mapping[str, str],
    ) -> StepResult:
        installer = ContextInstaller(
            runner=self.runner,
            env=plain,
            cache=self.ambient.cache_root() / "uv",
            indexes=index_options(lock),
        )
        return installer.install(
            context.path / lock_name(lock.target.platform.name, context.locks),
            _tools(context, lock),
            target=venv,
            python=python,
        )


def _tools(context: Context, lock: PlatformLock) -> Path:
    name = requirements_name(lock.target.platform.name, context.locks)
    return context.path / "tools" / name


def _facts(context: Context, lock: PlatformLock, python: Interpreter | None) -> dict[str, str]:
    """All that an environment depends on."""
    tools = _tools(context, lock)
    return {
        "lock": context.headers[lock.target.platform.name].content_digest,
        "tools": sha256_file(tools) if tools.is_file() else "",
        **({"conda": _conda_digest(lock)} if lock.conda else {}),
        "python": f"{python.version} at {python.exe}" if python else "its own",
    }


def _conda_digest(lock: PlatformLock) -> str:
    lines = (f"{package.filename} {package.sha256 or package.md5}" for package in lock.conda)
    return sha256_bytes("\n".join(lines).encode())


def _key(facts: Mapping[str, str]) -> str:
    text = json.dumps(facts, sort_keys=True)
    return f"{facts['lock'][:12]}-{sha256_bytes(text.encode())[:12]}"
