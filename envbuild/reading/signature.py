"""The signature of a model: what MLmodel says of inputs, outputs and params.

MLflow writes each of the three as a JSON string (``mlflow/types/schema.py``). What cannot be read
is a notice, not an error: an environment can be locked without a signature.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from envbuild.notices import Notice
from envbuild.reading.yamltext import Value

__all__ = ["ColumnField", "ParamField", "Signature", "TensorField", "parse_signature"]

# What makes up a nested type; the other keys (name, required) belong to the column.
_TYPE_KEYS = {"array": "items", "object": "properties", "map": "values"}

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnField:
    """A column of a signature.

    ``type`` is as MLflow writes it (``long``, ``array``, ``sparkml vector``); ``nested`` the
    canonical JSON of an array, object or map type, else empty. ``name`` is None in an unnamed
    schema, and text even where MLmodel has a number.
    """

    name: str | None
    type: str
    required: bool = True
    nested: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorField:
    """A tensor of a signature: numpy dtype name and shape, -1 for any length."""

    name: str | None
    dtype: str
    shape: tuple[int, ...]
    required: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ParamField:
    """An inference parameter.

    ``type`` is as MLflow writes it, ``default`` JSON text, ``shape`` None for a scalar, ``nested``
    the canonical JSON of an object type.
    """

    name: str
    type: str
    default: str
    shape: tuple[int, ...] | None = None
    nested: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """What MLmodel says of inputs, outputs and params; None where it says nothing."""

    inputs: tuple[ColumnField | TensorField, ...] | None = None
    outputs: tuple[ColumnField | TensorField, ...] | None = None
    params: tuple[ParamField, ...] | None = None


def parse_signature(value: Value, *, where: str) -> tuple[Signature | None, tuple[Notice, ...]]:
    """MLmodel's ``signature``, with a notice for each part that cannot be read."""
    if value is None:
        return None, ()
    if not isinstance(value, dict):
        problem = "expected inputs, outputs and params"
        return None, (_unreadable("the signature", problem, where=f"{where}: signature"),)
    notices: list[Notice] = []

    def read(part: str, parse: Callable[[Mapping[str, Any]], T]) -> tuple[T, ...] | None:
        try:
            return _fields(value.get(part), parse)
        except _UnreadableError as error:
            place = f"{where}: signature.{part}"
            notices.append(_unreadable("this part of the signature", str(error), where=place))
            return None

    signature = Signature(
        inputs=read("inputs", _field),
        outputs=read("outputs", _field),
        params=read("params", _param),
    )
    return signature, tuple(notices)


class _UnreadableError(Exception):
    """A part of the signature is not what MLflow writes; never leaves this module."""


def _fields(value: Value, parse: Callable[[Mapping[str, Any]], T]) -> tuple[T, ...] | None:
    if not value:
        return None  # as MLflow: null, absent and empty are the same
    if not isinstance(value, str):
        raise _UnreadableError("expected a JSON string")
    try:
        items = json.loads(value)
    except json.JSONDecodeError as error:
        raise _UnreadableError(f"broken JSON, {error}") from error
    except (ValueError, RecursionError) as error:
        raise _UnreadableError("JSON with a number or nesting beyond all bounds") from error
    if items is None:
        return None
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise _UnreadableError("expected a JSON list of objects")
    return tuple(parse(item) for item in items)


def _field(item: Mapping[str, Any]) -> ColumnField | TensorField:
    name = _name(item)
    required = _required(item)
    kind = _text(item, "type")
    if kind == "tensor":
        spec = item.get("tensor-spec")
        if not isinstance(spec, dict):
            raise _UnreadableError("a tensor without 'tensor-spec'")
        shape = _shape(spec.get("shape"))
        if shape is None:
            raise _UnreadableError("a tensor without 'shape'")
        return TensorField(name=name, dtype=_text(spec, "dtype"), shape=shape, required=required)
    return ColumnField(name=name, type=kind, required=required, nested=_nested(item, kind))


def _param(item: Mapping[str, Any]) -> ParamField:
    name = _name(item)
    if name is None:
        raise _UnreadableError("a param without 'name'")
    # MLflow before 2.7 wrote "dtype".
    kind = _text(item, "type" if item.get("type") else "dtype")
    return ParamField(
        name=name,
        type=kind,
        default=_canonical(item.get("default")),
        shape=_shape(item.get("shape")),
        nested=_nested(item, kind),
    )


def _name(item: Mapping[str, Any]) -> str | None:
    name = item.get("name")
    return None if name is None else _encodable(str(name))


def _required(item: Mapping[str, Any]) -> bool:
    # "optional" was MLflow 2.4 to 2.6; "required" is since.
    if isinstance(required := item.get("required"), bool):
        return required
    return item.get("optional") is not True


def _text(item: Mapping[str, Any], key: str) -> str:
    text = item.get(key)
    if not isinstance(text, str):
        raise _UnreadableError(f"a field without '{key}'")
    return _encodable(text)


def _encodable(text: str) -> str:
    """JSON may escape half a character, which no file or terminal takes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _UnreadableError("an escape that is no character") from None
    return text


def _shape(value: object) -> tuple[int, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not all(type(length) is int for length in value):
        raise _UnreadableError("a shape that is not a list of whole numbers")
    return tuple(value)


def _nested(item: Mapping[str, Any], kind: str) -> str:
    key = _TYPE_KEYS.get(kind)
    if key is None:
        return ""
    if key not in item:
        raise _UnreadableError(f"a type '{kind}' without '{key}'")
    return _canonical({"type": kind, key: item[key]})


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _unreadable(what: str, problem: str, *, where: str) -> Notice:
    return Notice(
        code="signature-unreadable",
        message=f"{what} cannot be read, and is taken as absent: {problem}",
        where=where,
    )
