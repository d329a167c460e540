"""Signatures as MLflow writes them, and as hands and older releases did."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envbuild.reading.signature import (
    ColumnField,
    ParamField,
    Signature,
    TensorField,
    parse_signature,
)
from envbuild.reading.yamltext import Value


def inputs(*fields: Any) -> Signature | None:
    signature, notices = parse_signature({"inputs": json.dumps(fields)}, where="MLmodel")
    assert notices == ()
    return signature


def problem(part: str, value: Value) -> str:
    """The notice about an unreadable part, whose field is then None."""
    signature, (notice,) = parse_signature({part: value}, where="MLmodel")
    assert signature == Signature()
    assert notice.code == "signature-unreadable"
    assert notice.where == f"MLmodel: signature.{part}"
    start = "this part of the signature cannot be read, and is taken as absent: "
    assert notice.message.startswith(start)
    return notice.message.removeprefix(start)


def test_no_signature_is_none() -> None:
    assert parse_signature(None, where="MLmodel") == (None, ())


@pytest.mark.parametrize("value", [{}, {"inputs": None}, {"inputs": "", "params": "null"}])
def test_a_signature_may_say_nothing(value: Value) -> None:
    assert parse_signature(value, where="MLmodel") == (Signature(), ())


def test_an_empty_list_is_something_said() -> None:
    assert inputs() == Signature(inputs=())


@pytest.mark.parametrize("value", ["text", ["list"]])
def test_a_signature_that_is_no_mapping_is_taken_as_absent(value: Value) -> None:
    signature, (notice,) = parse_signature(value, where="MLmodel")

    assert signature is None
    assert str(notice) == (
        "MLmodel: signature: the signature cannot be read, and is taken as absent: "
        "expected inputs, outputs and params"
    )


@pytest.mark.parametrize(
    ("item", "field"),
    [
        ({"type": "long"}, ColumnField(name=None, type="long")),
        ({"type": "long", "name": "a"}, ColumnField(name="a", type="long")),
        ({"type": "long", "name": 0}, ColumnField(name="0", type="long")),
        ({"type": "long", "name": None}, ColumnField(name=None, type="long")),
        (
            {"type": "long", "name": "a", "required": False},
            ColumnField(name="a", type="long", required=False),
        ),
        (
            {"type": "long", "name": "a", "optional": True},
            ColumnField(name="a", type="long", required=False),
        ),
        ({"type": "long", "name": "a", "optional": False}, ColumnField(name="a", type="long")),
        (
            {"type": "array", "items": {"type": "long"}, "name": "a", "required": True},
            ColumnField(name="a", type="array", nested='{"items":{"type":"long"},"type":"array"}'),
        ),
        (
            {"type": "object", "properties": {"b": {"type": "long"}}},
            ColumnField(
                name=None,
                type="object",
                nested='{"properties":{"b":{"type":"long"}},"type":"object"}',
            ),
        ),
        (
            {"type": "map", "values": {"type": "any"}},
            ColumnField(name=None, type="map", nested='{"type":"map","values":{"type":"any"}}'),
        ),
        ({"type": "any"}, ColumnField(name=None, type="any")),
        (
            {"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 2]}},
            TensorField(name=None, dtype="float64", shape=(-1, 2)),
        ),
        (
            {"name": "x", "type": "tensor", "tensor-spec": {"dtype": "object", "shape": []}},
            TensorField(name="x", dtype="object", shape=()),
        ),
    ],
)
def test_a_field_is_read(item: dict[str, Any], field: ColumnField | TensorField) -> None:
    assert inputs(item) == Signature(inputs=(field,))


@pytest.mark.parametrize(
    ("item", "field"),
    [
        (
            {"name": "p", "type": "float", "default": 0.5, "shape": None},
            ParamField(name="p", type="float", default="0.5"),
        ),
        (
            {"name": 1, "dtype": "integer", "default": 2},
            ParamField(name="1", type="integer", default="2"),
        ),
        (
            {"name": "p", "type": "string", "default": ["é"], "shape": [-1]},
            ParamField(name="p", type="string", default='["\\u00e9"]', shape=(-1,)),
        ),
        ({"name": "p", "type": "long"}, ParamField(name="p", type="long", default="null")),
        (
            {"name": "p", "type": "object", "properties": {}, "default": {"b": 1, "a": 2}},
            ParamField(
                name="p",
                type="object",
                default='{"a":2,"b":1}',
                nested='{"properties":{},"type":"object"}',
            ),
        ),
    ],
)
def test_a_param_is_read(item: dict[str, Any], field: ParamField) -> None:
    signature, notices = parse_signature({"params": json.dumps([item])}, where="MLmodel")

    assert notices == ()
    assert signature == Signature(params=(field,))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("[{", "broken JSON, Expecting property name enclosed in double quotes: line 1 column 3"),
        (["[]"], "expected a JSON string"),
        ("{}", "expected a JSON list of objects"),
        ('["a"]', "expected a JSON list of objects"),
        ("[{}]", "a field without 'type'"),
        ('[{"type": 1}]', "a field without 'type'"),
        ('[{"type": "tensor"}]', "a tensor without 'tensor-spec'"),
        ('[{"type": "tensor", "tensor-spec": {"dtype": "a"}}]', "a tensor without 'shape'"),
        (
            '[{"type": "tensor", "tensor-spec": {"shape": [1]}}]',
            "a field without 'dtype'",
        ),
        (
            '[{"type": "tensor", "tensor-spec": {"dtype": "a", "shape": [true]}}]',
            "a shape that is not a list of whole numbers",
        ),
        (
            '[{"type": "tensor", "tensor-spec": {"dtype": "a", "shape": 3}}]',
            "a shape that is not a list of whole numbers",
        ),
        ('[{"type": "array"}]', "a type 'array' without 'items'"),
        ('[{"type": "long", "name": "\\ud800"}]', "an escape that is no character"),
        ("[" * 100_000, "JSON with a number or nesting beyond all bounds"),
        (f"[{'9' * 5_000}]", "JSON with a number or nesting beyond all bounds"),
    ],
)
def test_what_cannot_be_read_is_a_notice(value: Value, message: str) -> None:
    assert problem("inputs", value).startswith(message)


def test_a_param_needs_a_name() -> None:
    assert problem("params", '[{"type": "long"}]') == "a param without 'name'"


def test_one_unreadable_part_leaves_the_others() -> None:
    value: Value = {"inputs": '[{"type": "long"}]', "outputs": "?"}

    signature, notices = parse_signature(value, where="MLmodel")

    assert signature == Signature(inputs=(ColumnField(name=None, type="long"),))
    assert [notice.where for notice in notices] == ["MLmodel: signature.outputs"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
)


@given(JSON)
def test_any_json_is_read_or_noted(value: Any) -> None:
    signature, notices = parse_signature({"inputs": json.dumps(value)}, where="MLmodel")

    assert signature is not None
    assert signature.inputs is None or notices == ()
