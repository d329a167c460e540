"""Builds on this machine: isolated, without secrets, the same every time, kept in the cache."""

from __future__ import annotations

import json
import os
import shutil
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import uv
from packaging.version import Version

if TYPE_CHECKING:
    from pyproject_hooks import SubprocessRunner

from envbuild.ambient import Ambient
from envbuild.build.diagnosis import diagnose, last_lines
from envbuild.build.interface import BuildProblem, BuiltWheel
from envbuild.build.interpreters import Interpreter, find_interpreter, own_interpreter
from envbuild.build.linkage import Linkage, check_linkage, read_linkage
from envbuild.build.requirements import BuildPins, PinResolver
from envbuild.build.sources import Checkout, SourceTrees
from envbuild.build.wheelfile import WheelFile, read_wheel
from envbuild.errors import BuildError, EnvbuildError
from envbuild.fetch.cache import ArtefactCache
from envbuild.fs import sha256_bytes, write_file
from envbuild.platforms import Target
from envbuild.process import Completed, Runner, plain_environment

__all__ = ["LocalBuilder"]

_RECIPE = 1
"""Raised when the way of building changes, so that older results are not taken for new ones."""
_BUILD_SECONDS = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalBuilder:
    """Builds with an interpreter of this machine (PEP 517, PEP 518).

    Results and logs are below ``folder``; ``python_exe`` is the user's choice of interpreter.
    """

    folder: Path
    cache: ArtefactCache
    sources: SourceTrees
    pins: PinResolver
    ambient: Ambient
    runner: Runner
    python_exe: str = ""

    def build(self, problem: BuildProblem) -> BuiltWheel:
        """Build, or take from the cache what the same question gave before.

        Raises:
            BuildError: see ``Builder``; the log is kept, and named.
        """
        key = self._key(problem)
        record = self.folder / "wheels" / f"{key}.json"
        if known := self._recall(record):
            return known
        interpreter = find_interpreter(
            problem.target, given=self.python_exe, ambient=self.ambient, runner=self.runner
        )
        fits = interpreter is not None
        interpreter = interpreter or own_interpreter(self.ambient, self.runner)
        with _workdir(self.folder / "work" / key[:16]) as workdir:
            run = _Run(self, problem, interpreter, workdir)
            try:
                wheel, checkout, pins = run.build()
            except BuildError as error:
                raise self._with_log(error, run, problem, key, fits=fits) from error.__cause__
            built = self._accept(problem, wheel, interpreter if fits else None)
            data = wheel.to_bytes(epoch=checkout.epoch)
        return self._keep(record, built, data, pins)

    def _accept(
        self, problem: BuildProblem, wheel: WheelFile, interpreter: Interpreter | None
    ) -> tuple[WheelFile, Linkage, str]:
        """Refuse what is not the locked project or does not run on the target."""
        wheel.check_is(problem.name, problem.version)
        linkage = read_linkage(wheel)
        if wheel.tags.isdisjoint(problem.target.tags()) or (interpreter is None and not wheel.pure):
            raise _needs_target(problem.target, wheel)
        check_linkage(wheel, linkage, problem.target)
        return wheel, linkage, f"local {interpreter.tag if interpreter else 'any Python'}"

    def _keep(
        self,
        record: Path,
        accepted: tuple[WheelFile, Linkage, str],
        data: bytes,
        pins: BuildPins,
    ) -> BuiltWheel:
        wheel, linkage, builder = accepted
        built = BuiltWheel(
            file=wheel.file,
            path=self.cache.add_bytes(data),
            sha256=sha256_bytes(data),
            size=len(data),
            version=wheel.version,
            builder=builder,
            requirements=pins.names,
            libraries=linkage.libraries,
            glibc=linkage.glibc,
        )
        write_file(record, _to_json(built))
        return built

    def _recall(self, record: Path) -> BuiltWheel | None:
        try:
            document = json.loads(record.read_bytes())
            path = self.cache.find(document["sha256"])
            return _from_json(document, path) if path else None
        except (OSError, ValueError, KeyError, TypeError):
            return None  # as good as never built

    def _key(self, problem: BuildProblem) -> str:
        target = problem.target
        question = [
            _RECIPE,
            problem.name,
            problem.source.identity(),
            list(target.python_minor),
            target.platform.name,
            list(target.glibc),
            self.pins.cutoff.isoformat() if self.pins.cutoff else "",
            self.pins.constraints,
            self.python_exe,
        ]
        return sha256_bytes(json.dumps(question).encode())

    def _with_log(
        self, error: BuildError, run: _Run, problem: BuildProblem, key: str, *, fits: bool
    ) -> BuildError:
        """The error with causes that can be named, the last lines, and where the whole log is."""
        output = "".join(run.output)
        if not output:
            return error
        log = self.folder / "logs" / f"{problem.name}-{key[:16]}.log"
        write_file(log, output.encode("utf-8", "replace"))
        missing = () if fits else (_no_interpreter(problem.target),)
        return BuildError(
            error.problem,
            details=(
                *missing,
                *diagnose(output),
                *error.details,
                *last_lines(output),
                f"log: {log}",
            ),
            remedy=error.remedy or "--builder docker",
        )


@dataclass(frozen=True, slots=True)
class _Run:
    """One build in its own folder: source/, venv/, home/, tmp/, wheel/."""

    builder: LocalBuilder
    problem: BuildProblem
    interpreter: Interpreter
    workdir: Path
    output: list[str] = field(default_factory=list)

    def build(self) -> tuple[WheelFile, Checkout, BuildPins]:
        from build import BuildBackendException, BuildException, ProjectBuilder

        for name in ("home", "tmp", "wheel"):
            (self.workdir / name).mkdir()
        checkout = self.builder.sources.lay_out(
            self.problem.source, self.workdir / "source", name=self.problem.name
        )
        environment = self._environment(checkout.epoch)
        python = self._make_venv(environment)
        try:
            # What a backend warns of is in the log, and no concern of who exports a lock.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                project = ProjectBuilder(
                    checkout.project,
                    python_executable=str(python),
                    runner=self._hook_runner(environment),
                )
                requires = set(project.build_system_requires)
                pins = self._install(requires, python, environment)
                if further := project.get_requires_for_build("wheel") - requires:
                    pins = self._install(requires | further, python, environment)
                made = project.build("wheel", self.workdir / "wheel")
        except (BuildException, BuildBackendException) as error:
            raise BuildError(
                f"{self.problem.name} cannot be built", details=_reason(error)
            ) from error
        return read_wheel(Path(made)), checkout, pins

    def _environment(self, epoch: int) -> dict[str, str]:
        """Nothing of the user's, and nothing that differs from run to run."""
        environment = plain_environment(self.builder.ambient.environ, home=self.workdir / "home")
        binaries = self.workdir / "venv" / "bin"
        path = f"{binaries}{os.pathsep}{environment['PATH']}"
        return environment | {
            "PATH": path,
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
        pins = self.builder.pins.pin(
            sorted(requires), self.interpreter, name=self.problem.name, workdir=self.workdir
        )
        if pins.text:
            (self.workdir / "build-requires.txt").write_text(pins.text, "utf-8")
            self._uv_install(python, environment)
        return pins

    def _uv_install(self, python: Path, environment: Mapping[str, str]) -> None:
        """With the index's credentials, which the build itself never sees: wheels run nothing."""
        argv = ["pip", "install", "--no-config", "--python", str(python), "--no-deps"]
        argv += ["--require-hashes", "--only-binary", ":all:", "--link-mode", "copy"]
        if self.builder.pins.offline:
            argv += ["--offline"]
        self._uv(
            [*argv, "-r", str(self.workdir / "build-requires.txt")],
            {**environment, **self.builder.pins.index_environment()},
            "its build requirements cannot be installed",
        )

    def _uv(self, argv: Sequence[str], environment: Mapping[str, str], failed: str) -> None:
        cache = {"UV_CACHE_DIR": str(self.builder.ambient.cache_root() / "uv")}
        done = self.builder.runner(
            [uv.find_uv_bin(), *argv],
            env={**environment, **cache},
            cwd=self.workdir,
            timeout=_BUILD_SECONDS,
        )
        if done.returncode != 0:
            raise BuildError(
                f"{self.problem.name}: {failed}", details=last_lines(done.stderr + done.stdout)
            )

    def _hook_runner(self, environment: Mapping[str, str]) -> SubprocessRunner:
        def run_hook(
            cmd: Sequence[str],
            cwd: str | None = None,
            extra_environ: Mapping[str, str] | None = None,
        ) -> None:
            done = self.builder.runner(
                cmd,
                env={**environment, **(extra_environ or {})},
                cwd=Path(cwd) if cwd else None,
                timeout=_BUILD_SECONDS,
            )
            self.output.append(_log_of(done))
            if done.returncode != 0:
                raise BuildError(f"the build backend ended with {done.returncode}")

        return run_hook


@contextmanager
def _workdir(folder: Path) -> Iterator[Path]:
    """A folder that is always the same for the same build, since paths end up in binaries.

    Held alone: the kernel's lock ends with the process, however that ends.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with Path(f"{folder}.lock").open("w") as lock:
        try:
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX)
        except ImportError:  # pragma: no cover - Windows
            pass
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _log_of(done: Completed) -> str:
    return f"$ {' '.join(done.argv)}\n{done.stdout}{done.stderr}"


def _reason(error: Exception) -> tuple[str, ...]:
    cause = getattr(error, "exception", error)
    return (cause.problem if isinstance(cause, EnvbuildError) else str(cause),)


def _no_interpreter(target: Target) -> str:
    minor = ".".join(str(part) for part in target.python_minor)
    return f"there is no Python {minor} for {target.platform} on this machine"


def _needs_target(target: Target, wheel: WheelFile) -> BuildError:
    return BuildError(
        f"{wheel.file} does not run on Python {target.python} on {target.platform}",
        details=(_no_interpreter(target), "it is compiled, so it must be built for the target"),
        remedy="--builder docker, or --python-exe",
    )


def _to_json(built: BuiltWheel) -> bytes:
    document = {
        "file": built.file,
        "sha256": built.sha256,
        "size": built.size,
        "version": str(built.version),
        "builder": built.builder,
        "requirements": built.requirements,
        "libraries": built.libraries,
        "glibc": built.glibc,
    }
    return json.dumps(document, indent=2).encode()


def _from_json(document: Mapping[str, object], path: Path) -> BuiltWheel:
    match document:
        case {
            "file": str(file),
            "sha256": str(sha256),
            "size": int(size),
            "version": str(version),
            "builder": str(builder),
            "requirements": [*requirements],
            "libraries": [*libraries],
            "glibc": glibc,
        }:
            return BuiltWheel(
                file=file,
                path=path,
                sha256=sha256,
                size=size,
                version=Version(version),
                builder=builder,
                requirements=tuple(str(requirement) for requirement in requirements),
                libraries=tuple(str(library) for library in libraries),
                glibc=(int(glibc[0]), int(glibc[1])) if isinstance(glibc, list) else None,
            )
        case _:
            raise ValueError("not a record of a build")
