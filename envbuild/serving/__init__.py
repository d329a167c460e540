"""Start what the container would start, on this machine: ``docs/how-to/serve.md``."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from envbuild.ambient import Ambient
from envbuild.emit.archive import extract
from envbuild.emit.bundle import Bundle, check_files
from envbuild.errors import LockFileError, RuntimeUnsupportedError, UsageError
from envbuild.locking.canonical import PlatformLock
from envbuild.locking.context import Context, read_context
from envbuild.model import Model, read_model
from envbuild.process import Runner, run
from envbuild.reporter import SILENT, Reporter
from envbuild.serving.environments import Environments
from envbuild.serving.launch import Launch, Listening, ServeOptions, Server, refuse_taken
from envbuild.verification.prediction import missing_weights
from envbuild.verification.session import mlflow_version
from envbuild.verification.target import Archive, Folder, this_platform, understand
from envbuild.verification.work import Subject

__all__ = ["ServeOptions", "Server", "serve"]


@contextmanager
def serve(
    source: Path | str | Bundle | Context,
    *,
    model: Path | str | None = None,
    options: ServeOptions | None = None,
    ambient: Ambient | None = None,
    runner: Runner = run,
    hear: Callable[[str], None] | None = None,
    progress: Reporter = SILENT,
) -> Iterator[Server]:
    """The server of a context or bundle while the block runs, once it answers.

    Command, script and variables are those of the Dockerfile; the environment is made from the
    lock and kept. ``model`` is the model's folder, which a bundle may hold itself. ``hear`` gets
    each line that the server prints, on another thread.

    Raises:
        UsageError: nothing to serve, no model, a port that is taken, a wrong interpreter.
        LockFileError: ``source`` is neither context nor bundle.
        IntegrityError: a bundle that is not as it was made.
        ModelError: ``model`` is no model, or has no weights.
        PythonVersionError, RuntimeUnsupportedError: no such interpreter, or another machine.
        ToolError: the environment cannot be installed.
        ServerError: the server did not come up, with its reason.
    """
    options = options or ServeOptions()
    ambient = ambient or Ambient.of_process()
    with tempfile.TemporaryDirectory(
        prefix="envbuild-serve-", ignore_cleanup_errors=True
    ) as scratch:
        work = Path(scratch)
        folder = _folder(source, work, ambient)
        context = read_context(folder.path)
        _refuse(context)
        lock = _lock_for_this_machine(context)
        subject = _subject(context, lock, model, ambient)
        listening = Listening.of(context.serving, host=options.host, port=options.port)
        refuse_taken(listening)
        if folder.kind == "bundle":
            progress.step("checking the bundle")
            check_files(folder.path)
        environments = Environments(ambient=ambient, runner=runner, progress=progress)
        venv = environments.provide(context, lock, kind=folder.kind, python_exe=options.python_exe)
        launch = Launch(
            subject=subject,
            listening=listening,
            script=folder.path / context.serving.script,
            venv=venv,
            work=work,
            environ=ambient.environ,
            options=options,
        )
        with launch.run(hear or _unheard, progress) as server:
            yield server


def _unheard(_: str) -> None:
    return


def _folder(source: Path | str | Bundle | Context, work: Path, ambient: Ambient) -> Folder:
    match understand(source, cwd=ambient.cwd):
        case Folder() as folder:
            return folder
        case Archive(path):
            return Folder(extract(path, work / "unpacked"), "bundle")
        case _:
            raise LockFileError(
                "there is no such context or bundle",
                where=str(source),
                remedy="for an image: docker run --publish",
            )


def _refuse(context: Context) -> None:
    """What has no server that could be started."""
    serving = context.serving
    if serving.kind == "batch":
        raise UsageError(
            f"{context.server} scores files in batches: there is nothing to serve",
            where=str(context.path),
            remedy=f"in its environment, python {serving.script} FOLDER --model MODEL "
            "-o predictions.csv; envbuild verify does it with an example",
        )
    if not serving.command or serving.probes is None or serving.port is None:
        raise UsageError(
            f"the profile {context.server} has no server that could be started and asked",
            where=str(context.path),
            remedy="envbuild lock --server azureml-online, or mlflow",
        )


def _lock_for_this_machine(context: Context) -> PlatformLock:
    here = this_platform()
    lock = context.locks.get(here.name) if here else None
    if lock is None:
        raise RuntimeUnsupportedError(
            f"the lock is for {', '.join(sorted(context.locks))}, "
            f"and this machine is {here or 'none that is known'}",
            where=str(context.path),
            remedy=f"envbuild lock --platform {here}" if here else "run the image instead",
        )
    return lock


def _subject(
    context: Context, lock: PlatformLock, model: Path | str | None, ambient: Ambient
) -> Subject:
    read = _model(context, model, ambient)
    if reason := missing_weights(read):
        raise UsageError(f"this model cannot be served: {reason}", where=str(read.path))
    return Subject(
        serving=context.serving,
        model=read,
        path=str(read.path.resolve()),
        mlflow=mlflow_version(lock),
    )


def _model(context: Context, model: Path | str | None, ambient: Ambient) -> Model:
    if model is not None:
        return read_model(model, ambient=ambient)
    own = context.path / "model"
    if (own / "MLmodel").is_file():
        return read_model(own, ambient=ambient)
    raise UsageError("no model was given", where=str(context.path), remedy="--model DIR")
