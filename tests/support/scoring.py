"""The scoring scripts as modules of this Python, with fakes of the server and of the model."""

from __future__ import annotations

import functools
import io
import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Protocol

import pytest

from tests.support.paths import SCORING
from tests.support.scoring_oracle import load_script

__all__ = [
    "FakeModel",
    "FakeRequest",
    "Prediction",
    "answer_of",
    "batch",
    "column",
    "enforced",
    "online",
    "problems_of",
    "scorer",
    "tensor",
]


@functools.cache
def online() -> ModuleType:
    """``online.py``, without the server it runs in."""
    return _script("online.py")


@functools.cache
def batch() -> ModuleType:
    """``batch.py``."""
    return _script("batch.py")


def _script(name: str) -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        script = load_script(str(SCORING / name))
    assert isinstance(script, ModuleType)
    return script


class Prediction(Protocol):
    """What a model does with its input."""

    def __call__(self, data: Any) -> object: ...


@dataclass
class FakeModel:
    """A loaded model that keeps what it was given and answers with ``prediction``."""

    prediction: Prediction = field(default=lambda data: None)
    given: list[Any] = field(default_factory=list)
    params: list[Mapping[str, object]] = field(default_factory=list)

    def predict(self, data: object, **extra: Mapping[str, object]) -> object:
        self.given.append(data)
        self.params.extend(extra.values())
        return self.prediction(data)


class FakeRequest:
    """Flask's request, as far as the script uses it."""

    def __init__(
        self,
        body: bytes,
        *,
        method: str = "POST",
        content_type: str = "application/json",
        announce: bool = True,
        **headers: str,
    ) -> None:
        self.method = method
        self.mimetype, _, charset = content_type.partition("; charset=")
        self.mimetype_params = {"charset": charset} if charset else {}
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.content_length = len(body) if announce else None
        self.stream = io.BytesIO(body)

    def get_data(self, *, cache: bool) -> bytes:
        """All of the body."""
        assert not cache  # it would be held twice
        return self.stream.read()


def column(type_: str | Mapping[str, object], name: object = "c", **extra: object) -> Any:
    """An entry of MLmodel's ``signature: inputs`` for a column."""
    spec = {"type": type_} if isinstance(type_, str) else dict(type_)
    return spec | ({} if name is None else {"name": name}) | extra


def tensor(dtype: str, shape: Sequence[int], name: str | None = None) -> Any:
    """An entry of MLmodel's ``signature: inputs`` for a tensor."""
    spec = {"type": "tensor", "tensor-spec": {"dtype": dtype, "shape": list(shape)}}
    return spec | ({} if name is None else {"name": name})


def scorer(
    inputs: Sequence[object] | None,
    *,
    params: Sequence[object] | None = None,
    model: FakeModel | None = None,
    **mlmodel: object,
) -> Any:
    """The script's scorer of a model with that signature, written as MLmodel has it."""
    signature = {
        key: json.dumps(value) for key, value in (("inputs", inputs), ("params", params)) if value
    }
    parsed = online().read_signature({"signature": signature, **mlmodel})
    return online().Scorer(model or FakeModel(), parsed)


def enforced(inputs: Sequence[object] | None, body: Mapping[str, object]) -> Any:
    """What the model gets for a request."""
    data, _ = scorer(inputs).enforce(online().parse(json.dumps(body).encode()))
    return data


def problems_of(inputs: Sequence[object], body: Mapping[str, object]) -> list[str]:
    """The problems of a request, each as ``field[row]: expected, received``, else the message."""
    with pytest.raises(online().RequestError) as caught:
        enforced(inputs, body)
    error: Any = caught.value
    assert error.status == 400
    if not error.problems:
        return [error.message]
    return [f"{p.field}[{p.row}]: {p.expected}, {p.received}" for p in error.problems]


def answer_of(prediction: object) -> object:
    """What a client gets for a prediction."""
    return json.loads(online().encode(prediction), parse_constant=_no_constants)


def _no_constants(name: str) -> object:
    raise AssertionError(f"{name} is not JSON")
