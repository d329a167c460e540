"""The steps in their order, for a bundle or a context in a folder."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import uv
from packaging.version import Version

from envbuild.ambient import Ambient
from envbuild.emit.bundle import check_files
from envbuild.emit.lockfiles import requirements_name
from envbuild.errors import IntegrityError, LockFileError
from envbuild.fs import sha256_file
from envbuild.image.container import Container
from envbuild.locking.canonical import PlatformLock
from envbuild.locking.context import Context, lock_name, read_context
from envbuild.model import Model, read_model
from envbuild.process import Runner, plain_environment
from envbuild.reporter import Reporter
from envbuild.verification import environment, wheels
from envbuild.verification.bench import Bench
from envbuild.verification.imports import STEP as IMPORTS
from envbuild.verification.ledger import Ledger
from envbuild.verification.prediction import LOAD, PREDICT, missing_weights
from envbuild.verification.report import Report, StepResult, failed, passed
from envbuild.verification.room import NO_NETWORK, Room, Search
from envbuild.verification.sandbox import PROBES
from envbuild.verification.target import this_platform
from envbuild.verification.work import Place, Subject, predict, serve, steps_for

__all__ = ["CHECKSUMS", "Session", "index_options", "mlflow_version"]

CHECKSUMS = "checksums"

_MLFLOW = ("mlflow", "mlflow-skinny")
_NOTHING_RAN = "nothing was run"
_TAMPERED = "its files are not what was made"
_NO_MODEL = "no model was given; try: --model DIR"


@dataclass(frozen=True, kw_only=True)
class Session:
    """One verification of a bundle or context; all that it writes lies below ``work``."""

    folder: Path
    kind: Literal["bundle", "context"]
    shown: str
    model: Model | None
    python_exe: str
    allow_network: bool
    work: Path
    ambient: Ambient
    runner: Runner
    progress: Reporter

    def report(self) -> Report:
        """Run every step."""
        ledger = Ledger(self.progress)
        if not ledger.run(CHECKSUMS, self._check_files):
            ledger.block(_TAMPERED)
            self._skip(ledger, (LOAD, PREDICT))
            return self._close(ledger, _NOTHING_RAN)
        if self.kind == "bundle":
            ledger.run(wheels.STEP, lambda: wheels.check_wheels(self._context, self.folder))
        lock = self._lock
        if lock is None:
            ledger.block(self._foreign())
            self._skip(ledger, steps_for(self._context.serving))
            return self._close(ledger, _NOTHING_RAN)
        with ExitStack() as stack:
            room = self._find_room(ledger, lock, stack)
            if room is None:
                self._skip(ledger, steps_for(self._context.serving))
                return self._close(ledger, _NOTHING_RAN)
            self._use(ledger, room, lock)
            return self._close(ledger, room.sandbox.description)

    @cached_property
    def _context(self) -> Context:
        return read_context(self.folder)

    @property
    def _lock(self) -> PlatformLock | None:
        """The lock for this machine."""
        here = this_platform()
        return self._context.locks.get(here.name) if here else None

    @property
    def _venv(self) -> Path:
        return self.work / "venv"

    def _close(self, ledger: Ledger, isolation: str) -> Report:
        return Report(target=self.shown, kind=self.kind, isolation=isolation, steps=ledger.steps)

    def _skip(self, ledger: Ledger, working: tuple[str, ...]) -> None:
        """Name every step that the blocked ledger will not run."""
        begun = {step.name for step in ledger.steps}
        names = (NO_NETWORK, environment.INSTALL, environment.CHECK, IMPORTS, *working)
        ledger.run([name for name in names if name not in begun], tuple)

    def _check_files(self) -> StepResult:
        try:
            if self.kind == "bundle":
                check_files(self.folder)
            context = self._context
        except (IntegrityError, LockFileError) as error:
            return failed(CHECKSUMS, error.problem, *error.details)
        if self.kind == "bundle":
            return passed(CHECKSUMS, "every file is the one that SHA256SUMS records")
        return passed(CHECKSUMS, "the lock is as it was written", *_edited(context))

    def _foreign(self) -> str:
        here = this_platform()
        locks = ", ".join(sorted(self._context.locks))
        return f"the lock is for {locks}, and this machine is {here or 'none that is known'}"

    def _find_room(self, ledger: Ledger, lock: PlatformLock, stack: ExitStack) -> Room | None:
        """The room with the step that tells of it; without one the ledger is blocked."""
        bundled = self.kind == "bundle"
        conda = self._context.runtime == "conda"
        readable = [self.folder, PROBES]
        if self.model is not None:
            readable.append(self.model.path)
        search = Search(
            target=lock.target,
            python_exe=self.python_exe,
            # A context is installed on this machine, from the index; a container cannot use that.
            # The base of a conda environment has no Python that could prove where it is.
            image=self._context.base_image if bundled and not conda else "",
            readable=tuple(readable),
            writable=self.work,
            allow_network=self.allow_network,
            ambient=self.ambient,
            runner=self.runner,
            brings_python=conda,
        )
        rooms: list[Room] = []

        def find() -> StepResult:
            found = search.find(stack)
            rooms.extend([found.room] if found.room else [])
            return found.step

        ledger.run(NO_NETWORK, find)
        if not rooms:
            ledger.block("there is no place to run it isolated from the network")
            return None
        return rooms[0]

    def _use(self, ledger: Ledger, room: Room, lock: PlatformLock) -> None:
        ledger.need(
            environment.INSTALL,
            lambda: self._install(room, lock),
            otherwise="there is no environment, since it could not be installed",
        )
        bench = Bench(
            sandbox=room.sandbox,
            env=room.env_for(self._venv),
            python=str(self._venv / "bin" / "python"),
            probes=str(PROBES),
            uv="" if isinstance(room.sandbox, Container) else uv.find_uv_bin(),
        )
        ledger.run(environment.CHECK, lambda: environment.check_dependencies(bench))
        ledger.run(IMPORTS, lambda: environment.import_everything(bench))
        subject = self._subject(lock)
        place = Place(app=self._app(), venv=self._venv)
        predict(ledger, bench, subject)
        serve(ledger, bench, subject, place)

    def _install(self, room: Room, lock: PlatformLock) -> StepResult:
        if self.kind == "bundle":
            return environment.install_bundle(
                room.sandbox,
                folder=self.folder,
                target=self._venv,
                python=room.python,
                env=room.env,
            )
        if self._context.runtime == "conda":
            return failed(
                environment.INSTALL,
                environment.ONLY_BUNDLED,
                "try: envbuild export; verify that",
            )
        installer = environment.ContextInstaller(
            runner=self.runner,
            env=plain_environment(self.ambient.environ, home=self.work / "home"),
            cache=self.ambient.cache_root() / "uv",
            indexes=index_options(lock),
        )
        name, platforms = lock.target.platform.name, self._context.locks
        return installer.install(
            self.folder / lock_name(name, platforms),
            self.folder / "tools" / requirements_name(name, platforms),
            target=self._venv,
            python=room.python,
        )

    def _app(self) -> Path:
        """A folder with the scoring script alone, as an image has it."""
        app = self.work / "app"
        app.mkdir(exist_ok=True)
        script = self._context.serving.script
        if script and (self.folder / script).is_file():
            shutil.copyfile(self.folder / script, app / script)
        return app

    def _subject(self, lock: PlatformLock) -> Subject:
        model = self.model or self._bundled_model()
        serving = self._context.serving
        if model is None:
            return Subject(serving=serving, no_model=_NO_MODEL)
        reason = missing_weights(model)
        if reason:
            return Subject(serving=serving, no_model=reason)
        path = str(model.path.resolve())
        return Subject(serving=serving, model=model, path=path, mlflow=mlflow_version(lock))

    def _bundled_model(self) -> Model | None:
        path = self.folder / "model"
        return read_model(path, ambient=self.ambient) if (path / "MLmodel").is_file() else None


def _edited(context: Context) -> tuple[str, ...]:
    """A line for each file of the context that is not as the lock wrote it: no fault, but news."""
    recorded = {
        name: digest for header in context.headers.values() for name, digest in header.files.items()
    }
    return tuple(
        f"{name}: edited since, or gone"
        for name, digest in sorted(recorded.items())
        if not (context.path / name).is_file() or sha256_file(context.path / name) != digest
    )


def mlflow_version(lock: PlatformLock) -> str:
    """The locked version of mlflow or mlflow-skinny, of whichever part."""
    found = {str(package.name): package.version for package in lock.pylock.packages}
    found |= {
        package.name: Version(package.version) for package in lock.conda if package.name in _MLFLOW
    }
    versions = (found.get(name) for name in _MLFLOW)
    return next((str(version) for version in versions if version is not None), "")


def index_options(lock: PlatformLock) -> tuple[str, ...]:
    """Where the tools are to be found: in the indexes that the locked packages are from."""
    named = dict.fromkeys(package.index for package in lock.pylock.packages if package.index)
    first, *others = named or {"": None}
    options = ["--index-url", first] if first else []
    for index in others:
        options += ["--extra-index-url", index]
    return tuple(options)
