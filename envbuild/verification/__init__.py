"""Prove that a bundle, context or image works without a network: ``docs/how-to/verify.md``."""

from __future__ import annotations

import tempfile
from pathlib import Path

from envbuild.ambient import Ambient
from envbuild.emit.archive import extract
from envbuild.emit.bundle import Bundle
from envbuild.errors import LockFileError
from envbuild.locking.context import Context
from envbuild.model import read_model
from envbuild.process import Runner, run
from envbuild.reporter import SILENT, Reporter
from envbuild.verification.image_session import ImageSession
from envbuild.verification.report import Report, StepResult, failed
from envbuild.verification.session import CHECKSUMS, Session
from envbuild.verification.target import Archive, Folder, Image, understand

__all__ = ["Report", "StepResult", "verify"]


def verify(
    target: Path | str | Bundle | Context,
    *,
    model: Path | str | None = None,
    python_exe: str = "",
    ambient: Ambient | None = None,
    runner: Runner = run,
    allow_network: bool = False,
    progress: Reporter = SILENT,
) -> Report:
    """Install ``target`` with no network, import, load, predict and serve; what each step found.

    ``target`` is a bundle (folder or archive), a context, or the name of an image. ``model`` is
    the model's folder with its weights; without it the steps that need one are skipped, unless
    the bundle or image holds a model. ``python_exe`` makes the environment; by default the
    interpreter that fits is looked for. Where the network cannot be taken away the report fails,
    unless ``allow_network``.

    Raises:
        LockFileError: ``target`` is a file or folder of another kind.
        UsageError: ``target`` is nothing at all, or ``python_exe`` is not the Python of the lock.
        ModelError: ``model`` is no model.
        MissingExtraError, ImageError: an image, and no Docker engine to run it.
    """
    ambient = ambient or Ambient.of_process()
    named = understand(target, cwd=ambient.cwd)
    shown = str(target.path if isinstance(target, Bundle | Context) else target)
    # A model that is none is to be told of before minutes of installing.
    read = read_model(model, ambient=ambient) if model is not None else None
    if isinstance(named, Image):
        return ImageSession(
            image=named.name, model=read, ambient=ambient, progress=progress
        ).report()
    with tempfile.TemporaryDirectory(
        prefix="envbuild-verify-", ignore_cleanup_errors=True
    ) as scratch:
        work = Path(scratch)
        if isinstance(named, Archive):
            progress.step(f"unpacking {shown}")
            try:
                named = Folder(extract(named.path, work / "unpacked"), "bundle")
            except LockFileError as error:
                step = failed(CHECKSUMS, error.problem)
                return Report(
                    target=shown, kind="bundle", isolation="nothing was run", steps=(step,)
                )
        return Session(
            folder=named.path,
            kind=named.kind,
            shown=shown,
            model=read,
            python_exe=python_exe,
            allow_network=allow_network,
            work=work,
            ambient=ambient,
            runner=runner,
            progress=progress,
        ).report()
