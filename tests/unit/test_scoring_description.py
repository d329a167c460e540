"""What the online script says of a model's input, for ``/swagger.json``."""

from __future__ import annotations

import json
import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support import scoring_oracle
from tests.support.scoring import column, enforced, online, scorer, tensor


def described(inputs: list[object] | None, **more: Any) -> Any:
    """Schema and example of every part of a request."""
    return online().openapi(scorer(inputs, **more).signature)


def test_columns_with_names_are_records() -> None:
    inputs = [column("long", "a"), column("datetime", 7, required=False)]
    assert described(inputs) == {
        "input_data": (
            {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "a": {"type": "integer", "format": "int64"},
                        "7": {"type": "string", "format": "date-time"},
                    },
                    "required": ["a"],
                },
            },
            [{"a": 1, "7": "2020-01-31T00:00:00"}],
        )
    }


def test_columns_without_names_are_rows() -> None:
    schema, example = described([column("long", None), column("string", None)])["input_data"]
    rows = {"type": "array", "items": {}, "minItems": 2, "maxItems": 2}
    assert (schema, example) == ({"type": "array", "items": rows}, [[1, "text"]])


def test_nested_types_are_described_to_their_ends() -> None:
    inner = {"p": {"type": "double", "required": True}, "q": {"type": "any", "required": False}}
    array = {"type": "array", "items": {"type": "object", "properties": inner}}
    maps = {"type": "map", "values": {"type": "boolean"}}
    schema, example = described([column(array, "a"), column(maps, "m")])["input_data"]
    assert schema["items"]["properties"] == {
        "a": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"p": {"type": "number", "format": "double"}, "q": {}},
                "required": ["p"],
            },
        },
        "m": {"type": "object", "additionalProperties": {"type": "boolean"}},
    }
    assert example == [{"a": [{"p": 0.5, "q": "anything"}], "m": {"key": True}}]


def test_a_tensor_is_lists_in_lists() -> None:
    assert described([tensor("uint8", [-1, 2])])["input_data"] == (
        {
            "type": "array",
            "items": {
                "type": "array",
                "items": {"type": "integer", "format": "int64"},
                "minItems": 2,
                "maxItems": 2,
            },
            "description": "uint8 of shape [-1, 2]",
        },
        [[1, 1]],
    )


def test_a_large_tensor_has_no_example() -> None:
    _, example = described([tensor("float32", [-1, 224, 224, 3])])["input_data"]
    assert example == []


def test_params_have_their_defaults_for_an_example() -> None:
    params = [
        {"name": "heat", "type": "double", "default": 1.0, "shape": None},
        {"name": "stop", "type": "string", "default": ["."], "shape": [-1]},
        {"name": "top", "type": "long", "default": None, "shape": None},
    ]
    assert described([column("long")], params=params)["params"] == (
        {
            "type": "object",
            "properties": {
                "heat": {"type": "number", "format": "double"},
                "stop": {"type": "array", "items": {"type": "string"}},
                "top": {"type": "integer", "format": "int64"},
            },
        },
        {"heat": 1.0, "stop": ["."], "top": 1},
    )


def test_without_signature_there_is_nothing_to_describe() -> None:
    schema, _ = described(None)["input_data"]
    assert schema == {"description": "The model has no signature: any table or array."}


def test_a_signature_from_type_hints_is_that_of_an_element() -> None:
    inner = {"p": {"type": "string", "required": True}}
    inputs = [column({"type": "object", "properties": inner}, None)]
    element = {"type": "object", "properties": {"p": {"type": "string"}}, "required": ["p"]}
    assert described(inputs, is_signature_from_type_hint=True)["input_data"] == (
        {"type": "array", "items": element},
        [{"p": "text"}],
    )


@given(st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=200)
def test_the_example_of_every_signature_fits_it(rng: random.Random) -> None:
    inputs = scoring_oracle.random_case(rng, nested=("array", "object", "map", "any")).inputs
    _, example = described(inputs)["input_data"]
    enforced(inputs, json.loads(json.dumps({"input_data": example})))
