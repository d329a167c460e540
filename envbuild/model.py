"""An MLflow model directory, read as text: files, flavors, signature. Nothing is executed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from envbuild.ambient import Ambient
from envbuild.errors import ModelError
from envbuild.notices import Notice
from envbuild.reading import model_files
from envbuild.reading.mlmodel import LOG_IT, PYFUNC, Flavor, InputExample, MLmodel, parse_mlmodel
from envbuild.reading.signature import ColumnField, ParamField, Signature, TensorField
from envbuild.reading.sniff import sniff
from envbuild.reading.yamltext import MAX_BYTES
from envbuild.redact import quote

__all__ = [
    "ColumnField",
    "EnvironmentFile",
    "Flavor",
    "InputExample",
    "Model",
    "ParamField",
    "Signature",
    "TensorField",
    "read_model",
]

# A URI has a scheme of two letters or more: "C:" is a drive.
_SCHEME = r"([A-Za-z][A-Za-z0-9+.-]+):"


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentFile:
    """A text file of the model: ``name`` is posix, relative to the model; ``text`` is decoded."""

    name: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """Everything envbuild knows of a model without running it.

    ``path`` is the directory. Versions are as recorded, as text. ``code_paths`` are folders that
    MLflow puts on ``sys.path``. The environment files are None where absent. ``partial`` is true of
    a model fetched from a registry: the weights and code are not in ``path``.
    """

    path: Path
    name: str
    flavors: tuple[Flavor, ...]
    mlflow_version: str | None = None
    python_version: str | None = None
    conda_yaml: EnvironmentFile | None = None
    requirements: EnvironmentFile | None = None
    python_env: EnvironmentFile | None = None
    signature: Signature | None = None
    input_example: InputExample | None = None
    code_paths: tuple[str, ...] = ()
    loader_module: str = ""
    base_image: str = ""  # metadata that names a container image
    partial: bool = False
    notices: tuple[Notice, ...] = ()

    def flavor(self, name: str) -> Flavor | None:
        """The flavor called ``name``, or None."""
        return next((flavor for flavor in self.flavors if flavor.name == name), None)

    def contains(self, name: str) -> bool:
        """Whether a file or folder called ``name`` is in the model."""
        return model_files.contains(self.path, name)

    def read_text(self, name: str, *, where: str) -> str:
        """The text of a file of the model that an entry names (``-r extra.txt``).

        Raises:
            ModelError: absent, not text, too large, or outside the model.
        """
        return model_files.read_text(self.path, name, where=where)

    def locate(self, name: str, *, where: str) -> Path:
        """The path of a regular file inside the model; symlinks out of it are refused.

        Raises:
            ModelError: absent or outside the model.
        """
        return model_files.locate(self.path, name, where=where)

    def locate_folder(self, name: str, *, where: str) -> Path:
        """The path of a folder inside the model; ``.`` is the model itself.

        Raises:
            ModelError: absent or outside the model.
        """
        return model_files.locate_folder(self.path, name, where=where)


def read_model(source: str | Path, *, ambient: Ambient | None = None) -> Model:
    """Read a model directory, the MLmodel file in it, or a URI that mlflow-skinny can fetch.

    Of a model behind a URI only what this needs is fetched, not the weights. A relative path is
    relative to the working directory in ``ambient``, which is the process's own by default.

    Raises:
        ModelError: not a model; the message says what it is instead.
        MissingExtraError: a URI, and mlflow-skinny is not installed.
        IndexUnavailableError: the registry cannot be reached or refused us.
    """
    ambient = ambient or Ambient.of_process()
    if isinstance(source, str) and (uri := re.match(_SCHEME, source)):
        if uri[1].lower() != "file":
            from envbuild.fetch.registry import fetch_model

            fetched = fetch_model(source, ambient=ambient)
            with _located_in(fetched.uri):
                return _read_folder(fetched.path, name=fetched.name, partial=True)
        source = _local_path(source)
    folder = _model_folder(ambient.cwd / source, shown=str(source))
    with _located_in(str(source)):
        return _read_folder(folder, name=folder.resolve().name)


@contextmanager
def _located_in(shown: str) -> Iterator[None]:
    """Put the model that the user named before the file that is wrong."""
    try:
        yield
    except ModelError as error:
        folder = shown.removesuffix("MLmodel").rstrip("/") or "."
        raise ModelError(
            error.problem,
            where=f"{folder}/{error.where}",
            details=error.details,
            remedy=error.remedy,
        ) from error


def _local_path(uri: str) -> str:
    """The path of a ``file:`` URI: ``file:///a/b``, ``file://localhost/a``, ``file:a/b``."""
    from urllib.parse import unquote, urlsplit

    parts = urlsplit(uri)
    if parts.netloc not in {"", "localhost"}:
        raise ModelError(f"{quote(uri)} is a file of another machine")
    return unquote(parts.path)


def _model_folder(path: Path, *, shown: str) -> Path:
    """The folder of the model that ``path`` names, or an error that says what it is instead."""
    try:
        if path.is_dir():
            if os.path.lexists(path / "MLmodel"):
                return path  # whoever reads it says so if it is no file
            raise _no_model(path, shown)
        if not path.exists():
            raise ModelError("no such file or folder", where=shown)
        if path.name == "MLmodel":
            return path.parent
        with path.open("rb") as stream:
            impostor = sniff(stream.read(4096))
    except OSError as error:
        raise ModelError(f"cannot read: {error.strerror or error}", where=shown) from error
    what = impostor.what if impostor else "a file"
    beside = (path.parent / "MLmodel").is_file()
    remedy = "the folder it is in, which holds MLmodel" if beside else LOG_IT
    raise ModelError(f"{what}, not an MLflow model", where=shown, remedy=remedy)


def _no_model(folder: Path, shown: str) -> ModelError:
    below = model_files.find_models(folder)
    if len(below) == 1:
        remedy = f"{shown.rstrip('/')}/{below[0]}"
        return ModelError("no MLmodel here, but a model below", where=shown, remedy=remedy)
    if below:
        return ModelError(
            f"no MLmodel here, but {len(below)} models below: which one is meant?",
            where=shown,
            details=below,
            remedy=f"envbuild fleet {shown}, to lock them all",
        )
    names = {entry.name for entry in folder.iterdir()}
    if not names:
        return ModelError("an empty folder, not an MLflow model", where=shown, remedy=LOG_IT)
    if "MLproject" in names:
        problem = "an MLflow project (it has MLproject), not a model: it trains, it does not serve"
        return ModelError(problem, where=shown, remedy=LOG_IT)
    return ModelError("not an MLflow model: no file MLmodel in it", where=shown, remedy=LOG_IT)


def _read_folder(folder: Path, *, name: str, partial: bool = False) -> Model:
    mlmodel = parse_mlmodel(_read_mlmodel(folder), where="MLmodel")
    named = mlmodel.environment
    model = Model(
        path=folder,
        name=re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-._") or "model",
        flavors=mlmodel.flavors,
        mlflow_version=mlmodel.mlflow_version,
        python_version=mlmodel.python_version,
        conda_yaml=_environment_file(folder, named.conda, "conda.yaml"),
        requirements=_environment_file(folder, named.requirements, "requirements.txt"),
        python_env=_environment_file(folder, named.python_env, "python_env.yaml"),
        signature=mlmodel.signature,
        input_example=mlmodel.input_example,
        code_paths=mlmodel.code_paths,
        loader_module=mlmodel.loader_module,
        base_image=mlmodel.base_image,
        partial=partial,
    )
    return replace(model, notices=(*mlmodel.notices, *_remarks(model, mlmodel)))


def _read_mlmodel(folder: Path) -> bytes:
    where = "MLmodel"
    path = model_files.locate(folder, where, where=where)
    try:
        with path.open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise ModelError(f"cannot read: {error.strerror or error}", where=where) from error


def _environment_file(folder: Path, named: str, standard: str) -> EnvironmentFile | None:
    """The file that MLmodel names; where it names none or an absent one, the one MLflow writes."""
    for name in dict.fromkeys(filter(None, (named, standard))):
        if model_files.contains(folder, name):
            text = model_files.read_text(folder, name, where=name)
            return EnvironmentFile(name=name, text=text)
    return None


def _remarks(model: Model, mlmodel: MLmodel) -> Iterator[Notice]:
    yield from _remarks_on_environment(model, mlmodel)
    if model.flavor(PYFUNC) is None:
        message = "no python_function flavor: MLflow can load this model, but not serve it"
        yield Notice(code="no-python-function", message=message, where="MLmodel: flavors")
    if model.partial:
        return  # code and examples stay in the registry
    for path in model.code_paths:
        if not model.contains(path):
            message = f"the code folder {quote(path)} is not in the model"
            yield Notice(code="code-absent", message=message, where="MLmodel")
    if model.input_example and not model.contains(model.input_example.path):
        message = f"the input example {quote(model.input_example.path)} is not in the model"
        where = "MLmodel: saved_input_example_info"
        yield Notice(code="input-example-absent", message=message, where=where, level="note")
    if model.loader_module and not _comes_with_model(model):
        yield Notice(
            code="loader-outside-mlflow",
            message=f"the loader {quote(model.loader_module)} is not part of MLflow: its package "
            "must be among the requirements",
            where=f"MLmodel: flavors.{PYFUNC}.loader_module",
            level="note",
        )


def _remarks_on_environment(model: Model, mlmodel: MLmodel) -> Iterator[Notice]:
    where = f"MLmodel: flavors.{PYFUNC}.env"
    named = [name for name in mlmodel.environment.all() if name]
    if absent := [name for name in named if not model.contains(name)]:
        names = " and ".join(absent)
        are = "is" if len(absent) == 1 else "are"
        message = f"MLmodel names {names}, which {are} not in the model"
        yield Notice(code="environment-file-absent", message=message, where=where)
    if model.conda_yaml and not named and model.flavor(PYFUNC):
        message = f"MLmodel names no environment file; {model.conda_yaml.name} is there, and taken"
        yield Notice(code="environment-not-named", message=message, where=where, level="note")


def _comes_with_model(model: Model) -> bool:
    """Whether the loader is MLflow's own, or lies in a code folder of the model."""
    top = model.loader_module.split(".")[0]
    beside = (f"{path}/{top}{suffix}" for path in model.code_paths for suffix in ("", ".py"))
    return top == "mlflow" or any(model.contains(name) for name in beside)
