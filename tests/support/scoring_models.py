"""A model for every kind of signature, in MLmodel's words, and what a request to one is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = ["MODELS", "ModelKind", "Request"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelKind:
    """A model to ask: ``since`` is the first mlflow that knows such a signature."""

    title: str
    inputs: Sequence[Mapping[str, object]]
    params: Sequence[Mapping[str, object]] = ()
    predict: str = "def predict(self, context, data):\n    return data\n"
    since: tuple[int, int] = (1, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request, and what the script is to answer: ``status``.

    ``mlflow`` is the body for MLflow's own server, which has other words for some of this; None for
    what it has no words for. ``padding`` is how many blanks follow a body. ``why`` is said where
    that server's verdict is another.
    """

    title: str
    model: str
    status: int
    body: bytes
    mlflow: bytes | None
    method: str = "POST"
    headers: Mapping[str, str]
    padding: int = 0
    why: str = ""


_FAIL = """
def predict(self, context, data):
    if (data["s"] == "fail").any():
        raise KeyError("sec" + "ret")
    return data
"""
_PARAMS = """
def predict(self, context, data, params=None):
    return [{name: params[name] for name in sorted(params)}] * len(data)
"""
_SHAPE = """
def predict(self, context, data):
    return data.sum(axis=tuple(range(1, data.ndim)))
"""
_SHAPES = """
def predict(self, context, data):
    return {name: value.sum() for name, value in data.items()}
"""

MODELS = {
    "columns": ModelKind(
        title="Columns of every type",
        inputs=[
            {"type": "boolean", "name": "b"},
            {"type": "integer", "name": "i"},
            {"type": "long", "name": "l"},
            {"type": "float", "name": "f"},
            {"type": "double", "name": "d"},
            {"type": "string", "name": "s"},
            {"type": "binary", "name": "y"},
            {"type": "datetime", "name": "t"},
        ],
        predict=_FAIL,
    ),
    "unnamed": ModelKind(
        title="Columns without names: long, double", inputs=[{"type": "long"}, {"type": "double"}]
    ),
    "text": ModelKind(title="One column of text", inputs=[{"type": "string"}]),
    "params": ModelKind(
        title="An optional column, and params",
        inputs=[
            {"type": "double", "name": "x", "required": True},
            {"type": "string", "name": "note", "required": False},
        ],
        params=[
            {"name": "heat", "type": "double", "default": 1.0, "shape": None},
            {"name": "top", "type": "long", "default": 3, "shape": None},
            {"name": "stop", "type": "string", "default": ["."], "shape": [-1]},
        ],
        predict=_PARAMS,
        since=(2, 6),
    ),
    "nested": ModelKind(
        title="Arrays, objects and maps",
        inputs=[
            {"type": "array", "items": {"type": "long"}, "name": "tags", "required": True},
            {
                "type": "object",
                "properties": {
                    "name": {"type": "string", "required": True},
                    "age": {"type": "long", "required": False},
                },
                "name": "who",
                "required": True,
            },
            {"type": "map", "values": {"type": "double"}, "name": "marks", "required": False},
        ],
        since=(2, 13),
    ),
    "tensor": ModelKind(
        title="A tensor: float32 of shape [-1, 2, 2]",
        inputs=[{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 2, 2]}}],
        predict=_SHAPE,
    ),
    "tensors": ModelKind(
        title="Named tensors: ids int64 [-1], pixels uint8 [-1, 2]",
        inputs=[
            {"type": "tensor", "name": "ids", "tensor-spec": {"dtype": "int64", "shape": [-1]}},
            {
                "type": "tensor",
                "name": "pixels",
                "tensor-spec": {"dtype": "uint8", "shape": [-1, 2]},
            },
        ],
        predict=_SHAPES,
    ),
    "none": ModelKind(title="No signature", inputs=()),
}
