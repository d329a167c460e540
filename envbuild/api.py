"""The library: what ``import envbuild`` offers. The command line is built on the same calls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from envbuild.ambient import Ambient
from envbuild.errors import EnvbuildError
from envbuild.model import Model
from envbuild.model import read_model as _read_model
from envbuild.options import ExportOptions, LockOptions
from envbuild.platforms import parse_platform

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from envbuild.emit.bundle import Bundle
    from envbuild.locking.context import Context
    from envbuild.locking.lock import Lock
    from envbuild.locking.staleness import CheckResult
    from envbuild.serving import Server
    from envbuild.verification import Report

__all__ = [
    "EnvbuildError",
    "LockChoices",
    "check",
    "export",
    "lock",
    "read_context",
    "read_model",
    "serve",
    "verify",
]


class LockChoices(TypedDict, total=False):
    """The choices of ``lock`` beside server and platforms: the command line's long options."""

    runtime: str
    python: str
    base_image: str
    resolver: str
    index_url: str
    extra_index_urls: tuple[str, ...]
    find_links: tuple[str, ...]
    constraint_files: tuple[str, ...]
    channels: tuple[str, ...]
    channel_alias: str
    channel_map: tuple[str, ...]
    virtual_packages: tuple[str, ...]
    conda_exe: str
    name_map: str
    exclude_newer: str
    only_binary: bool
    prerelease: bool
    fill_in: bool
    keep_mlflow: bool
    strict_server: bool
    model_indexes: bool
    relax: tuple[str, ...]
    upgrade: bool
    upgrade_packages: tuple[str, ...]
    cache_dir: str
    offline: bool


def read_model(source: str | Path) -> Model:
    """Read an MLflow model directory, or a URI such as ``models:/name/1``. Runs none of its code.

    Raises:
        ModelError: not a readable model.
        MissingExtraError: a URI, and mlflow-skinny is not installed.
        IndexUnavailableError: the registry cannot be reached.
    """
    return _read_model(source, ambient=Ambient.of_process())


def lock(
    model: Model | str | Path,
    *,
    server: str = "azureml-online",
    platforms: Sequence[str] = ("linux-64",),
    previous: Context | None = None,
    **choices: Unpack[LockChoices],
) -> Lock:
    """Resolve every pin of ``model`` for ``server`` on ``platforms``; nothing is written yet.

    The result stays close to ``previous``, a context written before.

    Raises:
        EnvbuildError: see ``docs/reference/exit-codes.md`` for the families.
    """
    from envbuild.pipeline import lock_model, locked_texts

    ambient = Ambient.of_process()
    read = model if isinstance(model, Model) else _read_model(model, ambient=ambient)
    options = replace(
        LockOptions(server=server, platforms=tuple(parse_platform(name) for name in platforms)),
        **choices,
    )
    texts = locked_texts(previous.path) if previous else {}
    return lock_model(read, options, ambient=ambient, previous=texts)


def check(model: Model | str | Path, directory: str | Path) -> CheckResult:
    """Whether the context in ``directory`` still fits ``model``: no network, no solving.

    Raises:
        ModelError, SpecError: the model cannot be read any more.
        LockFileError: there is no context.
    """
    from envbuild.locking.staleness import check as _check

    ambient = Ambient.of_process()
    read = model if isinstance(model, Model) else _read_model(model, ambient=ambient)
    return _check(read, Path(directory))


def read_context(directory: str | Path) -> Context:
    """Read a context that ``Lock.write`` or ``envbuild lock`` wrote.

    Raises:
        LockFileError: none there, not ours, or edited since it was written.
    """
    from envbuild.locking.context import read_context as _read_context

    return _read_context(directory)


def export(
    context: Context | str | Path,
    output: str | Path,
    *,
    options: ExportOptions | None = None,
) -> Bundle:
    """Write the offline bundle of ``context`` to ``output``: a folder, or an archive by its suffix.

    Raises:
        LockFileError: there is no context.
        IndexUnavailableError: something cannot be fetched.
        IntegrityError: something is not what was locked.
        BuildError: what has no wheel could not be built.
        OutputError: ``output`` cannot be written, or is something else than a bundle.
    """
    from envbuild.emit.export import export as _export
    from envbuild.locking.context import read_context as _read_context

    written = _read_context(context) if isinstance(context, str | Path) else context
    return _export(written, Path(output), ambient=Ambient.of_process(), options=options)


def verify(
    target: Bundle | Context | str | Path,
    *,
    model: str | Path | None = None,
    python_exe: str = "",
    allow_network: bool = False,
) -> Report:
    """Install ``target`` (a bundle, context or image) with no network, and see whether it works.

    With ``model``, a folder with its weights, the model is loaded, asked and served too.

    Raises:
        UsageError, LockFileError, ModelError: there is nothing to verify there.
        MissingExtraError, ImageError: an image, and no Docker engine to run it.
    """
    from envbuild.verification import verify as _verify

    return _verify(target, model=model, python_exe=python_exe, allow_network=allow_network)


@contextmanager
def serve(
    source: Bundle | Context | str | Path,
    *,
    model: str | Path | None = None,
    port: int = 0,
    variables: Mapping[str, str] | None = None,
    python_exe: str = "",
    patience: float = 600.0,
) -> Iterator[Server]:
    """The server of a context or bundle while the block runs, on this machine.

    What the container would start, in an environment made from the lock; by default on any free
    ``port``. ``variables`` replace or add to those of the image, ``patience`` is in seconds.

    Raises:
        UsageError, LockFileError, ModelError: there is nothing to serve, or the port is taken.
        IntegrityError: a bundle that is not as it was made.
        PythonVersionError, RuntimeUnsupportedError: no such interpreter, or another machine.
        ToolError, ServerError: it cannot be installed, or did not come up.
    """
    from envbuild.serving import ServeOptions
    from envbuild.serving import serve as _serve

    options = ServeOptions(
        port=port, variables=variables or {}, python_exe=python_exe, patience=patience
    )
    with _serve(source, model=model, options=options) as server:
        yield server
