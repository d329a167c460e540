"""The example that a model is asked with: its own, else one derived from its signature.

MLflow writes examples in ``mlflow/models/utils.py`` (``_Example``): the input itself, and since
2.16 the same as the body of a request to its server (``serving_input_example.json``). Pure but
for reading them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from envbuild.errors import ModelError
from envbuild.model import ColumnField, InputExample, Model, TensorField

__all__ = ["Example", "NoExample", "find_example"]

_WHERE = "MLmodel: saved_input_example_info"
_LARGEST_TENSOR = 1_000_000  # values; beyond, a request would be tens of megabytes
_TOO_LARGE = f"a tensor of more than {_LARGEST_TENSOR:,} values cannot be derived"

_VALUES: Mapping[str, Any] = {
    "boolean": True,
    "integer": 1,
    "long": 1,
    "float": 0.5,
    "double": 0.5,
    "string": "a",
    "binary": "YQ==",  # base64 of "a", as MLflow sends bytes
    "datetime": "2024-01-31T12:00:00",
    "any": "a",
}
# The kinds of numpy's dtype names; what is not here is text.
_TENSOR_VALUES = (("bool", True), ("int", 1), ("uint", 1), ("float", 0.5), ("complex", 0.5))


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """An input in one of MLflow's forms.

    ``form`` is ``dataframe_split`` (columns and data), ``inputs`` (a tensor, or a dictionary of
    them) or ``raw`` (passed on as it is); ``origin`` names the file, or says that it was derived.
    """

    form: str
    value: Any
    params: Mapping[str, Any] | None
    origin: str
    derived: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NoExample:
    """There is none, and why."""

    reason: str


def find_example(model: Model) -> Example | NoExample:
    """The model's own example, else one derived from the signature of its inputs."""
    saved = model.input_example
    own = _read(model, saved) if saved is not None else NoExample(reason="no input example")
    if isinstance(own, Example):
        return own
    derived = _derive(model)
    if isinstance(derived, Example):
        return derived
    return NoExample(reason=f"{own.reason}, and {derived.reason}")


def _read(model: Model, saved: InputExample) -> Example | NoExample:
    served = saved.serving_path if saved.serving_path and model.contains(saved.serving_path) else ""
    path = served or saved.path
    try:
        value = json.loads(model.locate(path, where=_WHERE).read_text("utf-8"))
    except ModelError as error:
        return NoExample(reason=f"the input example cannot be read ({error.problem})")
    except (OSError, ValueError) as error:
        return NoExample(reason=f"the input example {path} is no JSON ({error})")
    return _of_request(value, path) if served else _of_saved(value, saved)


def _of_request(value: object, path: str) -> Example | NoExample:
    """The body of a request to MLflow's server."""
    if not isinstance(value, dict):
        return NoExample(reason=f"{path} is not a JSON object")
    params = value.get("params")
    for form in ("dataframe_split", "inputs"):
        if form in value:
            return Example(form=form, value=value[form], params=params, origin=path)
    return Example(form="raw", value=value, params=None, origin=path)


def _of_saved(value: Any, saved: InputExample) -> Example | NoExample:  # noqa: ANN401 - JSON
    params = None
    if isinstance(value, dict) and set(value) == {"inputs", "params"}:
        value, params = value["inputs"], value["params"]
    match saved.type:
        case "dataframe" if isinstance(value, dict) and "data" in value:
            form = "dataframe_split"
        case "dataframe" if isinstance(value, list) and saved.pandas_orient == "values":
            form, value = "dataframe_split", {"columns": _numbers(value), "data": value}
        case "ndarray":
            # Written as the body of a request: {"inputs": ...}.
            form, value = "inputs", value.get("inputs", value) if isinstance(value, dict) else value
        case "json_object":
            form = "raw"
        case other:
            return NoExample(reason=f"the input example is of a kind not known here ({other})")
    return Example(form=form, value=value, params=params, origin=saved.path)


def _numbers(rows: Sequence[Any]) -> list[int]:
    return list(range(len(rows[0]))) if rows else []


def _derive(model: Model) -> Example | NoExample:
    inputs = model.signature.inputs if model.signature else None
    if not inputs:
        return NoExample(reason="no signature to derive one from")
    try:
        columns = [field for field in inputs if isinstance(field, ColumnField)]
        if len(columns) == len(inputs):
            return _derived("dataframe_split", _frame(columns))
        return _derived("inputs", _tensors(inputs))
    except _UnknownTypeError as error:
        return NoExample(reason=f"the signature has a type that none can be derived from ({error})")


def _derived(form: str, value: object) -> Example:
    origin = "an example derived from the signature"
    return Example(form=form, value=value, params=None, origin=origin, derived=True)


class _UnknownTypeError(Exception):
    """A type of a signature that no value is known for; never leaves this module."""


def _frame(columns: Sequence[ColumnField]) -> dict[str, Any]:
    names = [index if field.name is None else field.name for index, field in enumerate(columns)]
    return {"columns": names, "data": [[_column_value(field) for field in columns]]}


def _column_value(field: ColumnField) -> Any:  # noqa: ANN401 - JSON
    return _value(json.loads(field.nested) if field.nested else {"type": field.type})


def _value(spec: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON
    """A value of a type as MLflow nests them (``mlflow/types/schema.py``)."""
    match spec:
        case {"type": "array", "items": dict(items)}:
            return [_value(items)]
        case {"type": "map", "values": dict(values)}:
            return {"a": _value(values)}
        case {"type": "object", "properties": dict(properties)}:
            return {name: _value(inner) for name, inner in properties.items()}
        case {"type": str(kind)} if kind in _VALUES:
            return _VALUES[kind]
        case _:
            raise _UnknownTypeError(spec.get("type"))


def _tensors(inputs: Sequence[ColumnField | TensorField]) -> Any:  # noqa: ANN401 - JSON
    tensors = [field for field in inputs if isinstance(field, TensorField)]
    if len(tensors) == 1 and tensors[0].name is None:
        return _tensor(tensors[0])
    return {field.name: _tensor(field) for field in tensors}


def _tensor(field: TensorField) -> Any:  # noqa: ANN401 - JSON
    shape = tuple(1 if length < 0 else length for length in field.shape)
    if math.prod(shape) > _LARGEST_TENSOR:
        raise _UnknownTypeError(_TOO_LARGE)
    value: Any = next(
        (value for kind, value in _TENSOR_VALUES if field.dtype.startswith(kind)), "a"
    )
    for length in reversed(shape):
        value = [value] * length
    return value
