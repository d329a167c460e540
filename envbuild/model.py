"""An MLflow model directory, read as text: files, flavors, signature. Nothing is executed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from envbuild.notices import Notice

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


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentFile:
    """A text file of the model: ``name`` is posix, relative to the model; ``text`` is decoded."""

    name: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Flavor:
    """One key of MLmodel's ``flavors``; scalar settings as text, in the file's order."""

    name: str
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnField:
    """A column of a signature: ``type`` as MLflow writes it (``long``), or nested (array, object, map)."""

    name: str | None
    type: str
    required: bool = True
    nested: str = ""  # canonical JSON of an array, object or map type


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorField:
    """A tensor of a signature: numpy dtype name and shape, -1 for any length."""

    name: str | None
    dtype: str
    shape: tuple[int, ...]
    required: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ParamField:
    """An inference parameter: type as MLflow writes it, default as JSON text, shape or None for a scalar."""

    name: str
    type: str
    default: str
    shape: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """What MLmodel says of inputs, outputs and params; None where it says nothing."""

    inputs: tuple[ColumnField | TensorField, ...] | None = None
    outputs: tuple[ColumnField | TensorField, ...] | None = None
    params: tuple[ParamField, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InputExample:
    """``saved_input_example_info``: file name, kind (dataframe, ndarray, ...), and serving payload if any."""

    path: str
    type: str
    pandas_orient: str = ""
    serving_path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """Everything envbuild knows of a model without running it.

    ``path`` is the directory. Versions are as recorded, as text. ``code_paths`` are folders that
    MLflow puts on ``sys.path``. The environment files are None where absent.
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
    notices: tuple[Notice, ...] = ()

    def flavor(self, name: str) -> Flavor | None:
        """The flavor called ``name``, or None."""
        return next((flavor for flavor in self.flavors if flavor.name == name), None)

    def read_text(self, name: str, *, where: str) -> str:
        """The text of a file of the model that an entry names (``-r extra.txt``).

        Raises:
            ModelError: absent, not text, too large, or outside the model.
        """
        raise NotImplementedError

    def locate(self, name: str, *, where: str) -> Path:
        """The path of a regular file inside the model; symlinks out of it are refused.

        Raises:
            ModelError: absent or outside the model.
        """
        raise NotImplementedError


def read_model(source: str | Path) -> Model:
    """Read a model directory, or a URI that mlflow-skinny can fetch.

    Raises:
        ModelError: not a model; the message says what it is instead.
    """
    raise NotImplementedError


_ = Literal  # placeholder of the skeleton
