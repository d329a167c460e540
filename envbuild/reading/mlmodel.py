"""The file MLmodel, of MLflow 1.x to 3.x: bytes in, what it says out. Touches no file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from envbuild.errors import ModelError
from envbuild.notices import Notice
from envbuild.reading.model_files import inner_name
from envbuild.reading.signature import Signature, parse_signature
from envbuild.reading.sniff import sniff
from envbuild.reading.yamltext import Value, decode, kind_of, parse_yaml

__all__ = [
    "LOG_IT",
    "PYFUNC",
    "EnvironmentNames",
    "Flavor",
    "InputExample",
    "MLmodel",
    "parse_mlmodel",
]

PYFUNC = "python_function"
LOG_IT = "the folder that mlflow.*.log_model or save_model wrote"

# Keys of files that people take for MLmodel, and what those are.
_OTHER_FILES = (
    ("entry_points", "an MLproject file, which says how to train"),
    ("build_dependencies", "a python_env.yaml"),
    ("dependencies", "a conda environment"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flavor:
    """One key of MLmodel's ``flavors``; scalar settings as text, in the file's order."""

    name: str
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class InputExample:
    """``saved_input_example_info``: file name, kind (dataframe, ndarray, ...), serving payload."""

    path: str
    type: str
    pandas_orient: str = ""
    serving_path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentNames:
    """The environment files that MLmodel names, each empty where it names none."""

    conda: str = ""
    requirements: str = ""
    python_env: str = ""

    def all(self) -> tuple[str, str, str]:
        """The three, the one that counts first."""
        return (self.conda, self.requirements, self.python_env)


@dataclass(frozen=True, slots=True, kw_only=True)
class MLmodel:
    """What the file says; every path is posix and inside the model, whether it is there or not."""

    flavors: tuple[Flavor, ...]
    environment: EnvironmentNames
    mlflow_version: str | None
    python_version: str | None
    signature: Signature | None
    input_example: InputExample | None
    code_paths: tuple[str, ...]
    loader_module: str
    base_image: str
    notices: tuple[Notice, ...]


def parse_mlmodel(data: bytes, *, where: str) -> MLmodel:
    """What MLmodel says.

    Raises:
        ModelError: something else than an MLmodel file, or paths out of the model, all at once.
    """
    root, notices = _root(data, where)
    flavors = _flavors(root, where)
    paths = _Paths()
    pyfunc = flavors.get(PYFUNC, {})
    signature, unreadable = parse_signature(root.get("signature"), where="MLmodel")
    parsed = MLmodel(
        flavors=tuple(_flavor(name, config) for name, config in flavors.items()),
        environment=_environment(pyfunc, paths),
        mlflow_version=_text(root.get("mlflow_version")),
        python_version=_text(pyfunc.get("python_version")),
        signature=signature,
        input_example=_input_example(root.get("saved_input_example_info"), paths),
        code_paths=_code_paths(flavors, paths),
        loader_module=_text(pyfunc.get("loader_module")) or "",
        base_image=_base_image(root.get("metadata")),
        notices=(*notices, *unreadable),
    )
    paths.raise_problems(where)
    return parsed


class _Paths:
    """Checks the paths of one file and keeps what is wrong with them, to say it all at once."""

    def __init__(self) -> None:
        self._problems: list[str] = []

    def inside(self, value: Value, key: str) -> str:
        """The path as posix inside the model; empty where there is none."""
        if value is None or value == "":
            return ""
        if not isinstance(value, str):
            self._problems.append(f"{key}: expected a file name, got {kind_of(value)}")
            return ""
        try:
            return inner_name(value, where=key)
        except ModelError as error:
            self._problems.append(str(error))
            return ""

    def raise_problems(self, where: str) -> None:
        if self._problems:
            raise ModelError("paths that cannot be", where=where, details=self._problems)


def _root(data: bytes, where: str) -> tuple[Mapping[str, Value], tuple[Notice, ...]]:
    if impostor := sniff(data):
        raise ModelError(
            f"{impostor.what}, not an MLmodel file", where=where, remedy=impostor.remedy
        )
    document = parse_yaml(decode(data, where=where), where=where)
    if document.value is None:
        raise ModelError("an empty file, not an MLmodel file", where=where, remedy=LOG_IT)
    if not isinstance(document.value, dict):
        problem = f"not an MLmodel file: expected 'flavors:', got {kind_of(document.value)}"
        raise ModelError(problem, where=where, remedy=LOG_IT)
    return document.value, document.notices


def _flavors(root: Mapping[str, Value], where: str) -> dict[str, Mapping[str, Value]]:
    """The flavors, each as a mapping; one without settings (``sklearn:``) has none."""
    flavors = root.get("flavors")
    if not isinstance(flavors, dict) or not flavors:
        for key, what in _OTHER_FILES:
            if key in root and "flavors" not in root:
                raise ModelError(f"{what}, not an MLmodel file", where=where, remedy=LOG_IT)
        raise ModelError("no flavors: not a model that can be loaded", where=where, remedy=LOG_IT)
    return {
        name: config if isinstance(config, dict) else {} for name, config in flavors.items()
    }  # fmt: skip


def _flavor(name: str, config: Mapping[str, Value]) -> Flavor:
    settings = {key: value for key, value in config.items() if isinstance(value, str)}
    return Flavor(name=name, settings=settings)


def _environment(pyfunc: Mapping[str, Value], paths: _Paths) -> EnvironmentNames:
    """``env`` is a string before MLflow 2, then a mapping; some writers call it ``conda_env``."""
    key = "env" if pyfunc.get("env") else "conda_env"
    env = pyfunc.get(key)
    where = f"flavors.{PYFUNC}.{key}"
    if isinstance(env, dict):
        return EnvironmentNames(
            conda=paths.inside(env.get("conda"), f"{where}.conda"),
            python_env=paths.inside(env.get("virtualenv"), f"{where}.virtualenv"),
        )
    name = paths.inside(env, where)
    if name.endswith(".txt"):
        return EnvironmentNames(requirements=name)
    return EnvironmentNames(conda=name)


def _input_example(info: Value, paths: _Paths) -> InputExample | None:
    if not isinstance(info, dict):
        return None
    where = "saved_input_example_info"
    path = paths.inside(info.get("artifact_path"), f"{where}.artifact_path")
    serving = paths.inside(info.get("serving_input_path"), f"{where}.serving_input_path")
    if not path:
        return None
    return InputExample(
        path=path,
        type=_text(info.get("type")) or "",
        pandas_orient=_text(info.get("pandas_orient")) or "",
        serving_path=serving,
    )


def _code_paths(flavors: Mapping[str, Mapping[str, Value]], paths: _Paths) -> tuple[str, ...]:
    """``code`` of every flavor, the one of python_function first: MLflow adds each to sys.path."""
    ordered = sorted(flavors, key=lambda name: name != PYFUNC)
    found: dict[str, None] = {}
    for name in ordered:
        value = flavors[name].get("code")
        for item in value if isinstance(value, list) else [value]:
            found[paths.inside(item, f"flavors.{name}.code")] = None
    return tuple(path for path in found if path)


def _base_image(metadata: Value) -> str:
    """``metadata: {azureml.base_image: …}``, which Azure's model catalog writes."""
    if not isinstance(metadata, dict):
        return ""
    return _text(metadata.get("azureml.base_image")) or ""


def _text(value: Value) -> str | None:
    return value if isinstance(value, str) else None
