"""A bench on this machine: an interpreter like the target's, and nothing of the user's in reach."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import CalledProcessError
from typing import TYPE_CHECKING

import uv

from envbuild.ambient import Ambient
from envbuild.build.builder import Made
from envbuild.build.diagnosis import last_lines
from envbuild.build.interface import BuildProblem
from envbuild.build.interpreters import Interpreter, find_interpreter, own_interpreter
from envbuild.build.pins import BuildPins, PinResolver, Question
from envbuild.build.project import BuildSystem, read_build_system
from envbuild.build.sources import SourceTrees
from envbuild.build.wheelfile import read_wheel
from envbuild.errors import BuildError
from envbuild.platforms import Target
from envbuild.process import Completed, Runner, plain_environment

if TYPE_CHECKING:
    from pyproject_hooks import BuildBackendHookCaller, SubprocessRunner

__all__ = ["LocalBench"]

_SECONDS = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalBench:
    """Builds in an environment of its own (PEP 517); ``python_exe`` is the user's choice."""

    sources: SourceTrees
    pins: PinResolver
    ambient: Ambient
    runner: Runner
    python_exe: str = ""

    def identity(self) -> tuple[str, ...]:
        """The pins' and the interpreter."""
        return ("local", self.python_exe, *self.pins.identity())

    def work(self, problem: BuildProblem, workdir: Path, log: list[str]) -> Made:
        """See ``Bench``. Without an interpreter of the target another one stands in."""
        found = find_interpreter(
            problem.target, given=self.python_exe, ambient=self.ambient, runner=self.runner
        )
        interpreter = found or own_interpreter(self.ambient, self.runner)
        # The target's own release, so that another patch on another machine pins the same.
        target = problem.target if found else interpreter.as_target()
        return _Work(self, problem, interpreter, target, workdir, log).do(fits=found is not None)


@dataclass(frozen=True, slots=True)
class _Work:
    """One build in its own folder: source/, requires/, venv/, home/, tmp/, wheel/."""

    bench: LocalBench
    problem: BuildProblem
    interpreter: Interpreter
    target: Target
    workdir: Path
    log: list[str] = field(repr=False)

    def do(self, *, fits: bool) -> Made:
        for name in ("home", "tmp", "wheel"):
            (self.workdir / name).mkdir()
        name = self.problem.name
        checkout = self.bench.sources.lay_out(
            self.problem.source, self.workdir / "source", name=name
        )
        system = read_build_system(checkout.project, name=name)
        environment = self._environment(checkout.epoch)
        python = self._make_venv(environment)
        pins = self._install(set(system.requires), python, environment)
        hooks = self._hooks(checkout.project, system, python, environment)
        with self._failures(), warnings.catch_warnings():
            # What a backend warns of is no concern of who exports a lock.
            warnings.simplefilter("ignore")
            if further := set(hooks.get_requires_for_build_wheel()) - set(system.requires):
                pins = self._install({*system.requires, *further}, python, environment)
            made = hooks.build_wheel(str(self.workdir / "wheel"))
        return Made(
            wheel=read_wheel(self.workdir / "wheel" / made),
            epoch=checkout.epoch,
            pins=pins,
            builder=f"local {self.interpreter.tag if fits else 'any Python'}",
            fits=fits,
        )

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """What pyproject_hooks and the backend raise, as the one error of a build."""
        from pyproject_hooks import BackendUnavailable, HookMissing, UnsupportedOperation

        hook_errors = (BackendUnavailable, HookMissing, UnsupportedOperation)
        problem = f"{self.problem.name} cannot be built"
        try:
            yield
        except CalledProcessError as error:
            reason = f"the build backend ended with {error.returncode}"
            raise BuildError(problem, details=(reason,)) from error
        except (*hook_errors, OSError, KeyError, TypeError, ValueError) as error:
            raise BuildError(problem, details=(str(error) or type(error).__name__,)) from error

    def _environment(self, epoch: int) -> dict[str, str]:
        """Nothing of the user's, and nothing that differs from run to run."""
        environment = plain_environment(self.bench.ambient.environ, home=self.workdir / "home")
        binaries = self.workdir / "venv" / "bin"
        return environment | {
            "PATH": f"{binaries}{os.pathsep}{environment['PATH']}",
            "VIRTUAL_ENV": str(self.workdir / "venv"),
            "TMPDIR": str(self.workdir / "tmp"),
            "SOURCE_DATE_EPOCH": str(epoch),
            "PYTHONHASHSEED": "0",
            "PYTHONNOUSERSITE": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            # Debug information must not name this machine's folders.
            "CFLAGS": f"-ffile-prefix-map={self.workdir}=.",
            "CXXFLAGS": f"-ffile-prefix-map={self.workdir}=.",
        }

    def _make_venv(self, environment: Mapping[str, str]) -> Path:
        venv = self.workdir / "venv"
        argv = ["venv", "--no-config", "--no-project", "--python", str(self.interpreter.exe)]
        self._uv([*argv, str(venv)], environment, "no build environment can be made")
        return venv / "bin" / "python"

    def _install(
        self, requires: set[str], python: Path, environment: Mapping[str, str]
    ) -> BuildPins:
        """Fetched and checked by us, then installed from a folder: uv needs no network for it."""
        question = Question(name=self.problem.name, target=self.target, cutoff=self.problem.cutoff)
        pins = self.bench.pins.pin(sorted(requires), question, workdir=self.workdir)
        if not pins.wheels:
            return pins
        self.bench.pins.gather(pins, self.workdir / "requires")
        (self.workdir / "requires.txt").write_text(pins.requirements, "utf-8")
        argv = ["pip", "install", "--no-config", "--python", str(python), "--no-deps"]
        argv += ["--offline", "--no-index", "--find-links", str(self.workdir / "requires")]
        argv += ["--require-hashes", "--only-binary", ":all:", "--link-mode", "copy"]
        self._uv(
            [*argv, "-r", str(self.workdir / "requires.txt")],
            environment,
            "its build requirements cannot be installed",
        )
        return pins

    def _uv(self, argv: Sequence[str], environment: Mapping[str, str], failed: str) -> None:
        cache = {"UV_CACHE_DIR": str(self.bench.ambient.cache_root() / "uv")}
        done = self.bench.runner(
            [uv.find_uv_bin(), *argv], env={**environment, **cache}, cwd=self.workdir
        )
        if done.returncode != 0:
            raise BuildError(
                f"{self.problem.name}: {failed}", details=last_lines(done.stderr + done.stdout)
            )

    def _hooks(
        self, project: Path, system: BuildSystem, python: Path, environment: Mapping[str, str]
    ) -> BuildBackendHookCaller:
        from pyproject_hooks import BuildBackendHookCaller

        return BuildBackendHookCaller(
            str(project),
            system.backend,
            backend_path=system.backend_path or None,
            runner=self._hook_runner(environment),
            python_executable=str(python),
        )

    def _hook_runner(self, environment: Mapping[str, str]) -> SubprocessRunner:
        def run_hook(
            cmd: Sequence[str],
            cwd: str | None = None,
            extra_environ: Mapping[str, str] | None = None,
        ) -> None:
            done = self.bench.runner(
                cmd,
                env={**environment, **(extra_environ or {})},
                cwd=Path(cwd) if cwd else None,
                timeout=_SECONDS,
            )
            self.log.append(_log_of(done))
            if done.returncode != 0:
                raise CalledProcessError(done.returncode, "the build backend")

        return run_hook


def _log_of(done: Completed) -> str:
    return f"$ {' '.join(done.argv)}\n{done.stdout}{done.stderr}"
