"""Each type of a signature: what JSON it takes, what the model then gets, and what it refuses."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.support.scoring import column, enforced, online, problems_of, scorer, tensor

NAN = math.nan
INF = math.inf


def cells(
    type_: str | Mapping[str, object], values: Sequence[object], **extra: object
) -> list[object]:
    """What a column of ``type_`` holds when ``values`` are sent."""
    series = enforced([column(type_, **extra)], {"input_data": [[value] for value in values]})["c"]
    assert isinstance(series, pd.Series)
    return list(series)


def refusal(type_: str | Mapping[str, object], *values: object, **extra: object) -> list[str]:
    """The problems with the values, without the name of the column."""
    body = {"input_data": [[value] for value in values]}
    return [text.removeprefix("c") for text in problems_of([column(type_, **extra)], body)]


@pytest.mark.parametrize(
    ("type_", "values", "dtype"),
    [
        ("boolean", [True, False], "bool"),
        ("integer", [0, -(2**31), 2**31 - 1], "int32"),
        ("long", [0, -(2**63), 2**63 - 1], "int64"),
        ("float", [0, 0.5, 2**24, -INF, 1e30], "float32"),
        ("double", [0, 0.5, 2**53, INF, 1e300], "float64"),
        ("datetime", ["2020-01-02", "2020-01-02T03:04:05.678901234"], "datetime64[ns]"),
    ],
)
def test_numbers_and_dates_come_in_exactly_the_type_of_the_signature(
    type_: str, values: list[object], dtype: str
) -> None:
    frame = enforced([column(type_)], {"input_data": [[value] for value in values]})
    assert frame["c"].dtype == np.dtype(dtype)
    assert frame["c"].tolist() == np.array(values, dtype=dtype).tolist() or type_ == "datetime"


def test_dates_are_kept_to_the_nanosecond() -> None:
    stamp = "2020-01-02T03:04:05.678901234"
    assert cells("datetime", [stamp]) == [pd.Timestamp(stamp)]


def test_dates_that_have_the_day_or_the_month_first_are_written_in_one_way() -> None:
    assert cells("datetime", ["13/02/2020", "01/02/2020"])[1] == pd.Timestamp(2020, 2, 1)
    sent = ["01/02/2020", "2020-01-02", "13/02/2020"]
    words = "datetime, date with the day or the month first, not written as the others are"
    assert problems_of([column("datetime")], {"input_data": sent}) == [
        f"c[0]: {words}",
        f"c[2]: {words}",
    ]


def test_dates_may_be_written_in_different_ways() -> None:
    sent = ["2020-01-02", "2020-01-02T03:04:05", "Jan 3 2020", None]
    assert cells("datetime", sent)[:3] == [
        pd.Timestamp(2020, 1, 2),
        pd.Timestamp(2020, 1, 2, 3, 4, 5),
        pd.Timestamp(2020, 1, 3),
    ]


@pytest.mark.parametrize("type_", ["float", "double", "datetime", "string", "binary", "boolean"])
def test_null_is_a_missing_value_where_the_type_has_one(type_: str) -> None:
    assert [pd.isna(value) for value in cells(type_, [None])] == [True]


@pytest.mark.parametrize("type_", ["integer", "long"])
def test_integers_have_no_missing_value(type_: str) -> None:
    assert refusal(type_, 1, None) == [f"[1]: {type_}, null"]


def test_booleans_beside_null_stay_booleans() -> None:
    assert cells("boolean", [True, None, False]) == [True, None, False]


def test_nan_and_infinity_are_numbers() -> None:
    values = cells("double", [NAN, INF, -INF])
    assert math.isnan(float(str(values[0])))
    assert values[1:] == [INF, -INF]


def test_bytes_come_as_base64_with_or_without_line_breaks() -> None:
    assert cells("binary", ["aGVsbG8=", "aGVs\nbG8=\n", ""]) == [b"hello", b"hello", b""]


def test_a_string_column_takes_nothing_but_strings_beside_null() -> None:
    assert refusal("string", "a", 1, None, [{"role": "user"}], {"k": 1}, True, 0.5) == [
        "[1]: string, integer",
        "[3]: string, array",
        "[4]: string, object",
        "[5]: string, boolean",
        "[6]: string, number",
    ]


@pytest.mark.parametrize(
    ("type_", "values", "problems"),
    [
        (
            "boolean",
            [1, "true", 0.0, []],
            [
                "[0]: boolean, integer",
                "[1]: boolean, string",
                "[2]: boolean, number",
                "[3]: boolean, array",
            ],
        ),
        (
            "integer",
            [1, 2**31, -(2**31) - 1],
            ["[1]: integer, integer out of range", "[2]: integer, integer out of range"],
        ),
        (
            "integer",
            [True, "1", 1.0, 2.5],
            [
                "[0]: integer, boolean",
                "[1]: integer, string",
                "[2]: integer, number",
                "[3]: integer, number",
            ],
        ),
        (
            "long",
            [2**63, 10**400],
            ["[0]: long, integer out of range", "[1]: long, integer out of range"],
        ),
        ("long", [2.5], ["[0]: long, number"]),
        ("long", [2.0], ["[0]: long, number"]),
        ("long", [NAN, INF], ["[0]: long, number", "[1]: long, number"]),
        (
            "float",
            [1e39, 2**24 + 1],
            ["[0]: float, number out of range", "[1]: float, integer that the type cannot hold"],
        ),
        ("float", ["0.5", True], ["[0]: float, string", "[1]: float, boolean"]),
        (
            "double",
            [2**53 + 1, 10**400, 1.5],
            [
                "[0]: double, integer that the type cannot hold",
                "[1]: double, integer that the type cannot hold",
            ],
        ),
        (
            "double",
            ["", {}, False],
            ["[0]: double, string", "[1]: double, object", "[2]: double, boolean"],
        ),
        ("string", [5], ["[0]: string, integer"]),
        ("string", [None, 1.5, True], ["[1]: string, number", "[2]: string, boolean"]),
        (
            "binary",
            ["not base64!", "aGk", 5, "ü"],
            [
                "[0]: binary, string that is not base64",
                "[1]: binary, string that is not base64",
                "[2]: binary, integer",
                "[3]: binary, string that is not base64",
            ],
        ),
        (
            "datetime",
            ["no date", "2020-13-01", 1577923200],
            [
                "[0]: datetime, string that is not a date",
                "[1]: datetime, string that is not a date",
                "[2]: datetime, integer",
            ],
        ),
        (
            "datetime",
            ["2020-01-01T00:00:00Z", "2020-01-01T00:00:00+01:00"],
            ["[0]: datetime, date with a time zone", "[1]: datetime, date with a time zone"],
        ),
        (
            "datetime",
            ["9999-12-31", "0001-01-01"],
            ["[0]: datetime, date out of range", "[1]: datetime, date out of range"],
        ),
    ],
)
def test_what_a_type_does_not_take_is_told_by_row(
    type_: str, values: list[object], problems: list[str]
) -> None:
    assert refusal(type_, *values) == problems


def test_the_good_rows_of_a_bad_column_are_not_reported() -> None:
    assert refusal("double", 1, "x", 2.5, None, 3) == ["[1]: double, string"]


def test_problems_of_every_column_come_at_once() -> None:
    inputs = [column("long", "a"), column("string", "b"), column("boolean", "d")]
    body = {"input_data": {"columns": ["a", "b"], "data": [["x", 1], [1, 2]]}}
    assert problems_of(inputs, body) == [
        "d[None]: boolean, nothing",
        "a[0]: long, string",
        "b[0]: string, integer",
        "b[1]: string, integer",
    ]


# --- nested types ------------------------------------------------------------------------------

ARRAY = {"type": "array", "items": {"type": "long"}}
OBJECT = {
    "type": "object",
    "properties": {
        "id": {"type": "long"},
        "tags": {"type": "array", "items": {"type": "string"}, "required": False},
    },
}
MAP = {"type": "map", "values": {"type": "double"}}


@pytest.mark.parametrize(
    ("type_", "value", "given"),
    [
        (ARRAY, [1, 2], [1, 2]),
        (ARRAY, [], []),
        ({"type": "array", "items": ARRAY}, [[1], [2, 3]], [[1], [2, 3]]),
        ({"type": "array", "items": {"type": "double"}}, [1, 0.5], [1.0, 0.5]),
        ({"type": "array", "items": {"type": "boolean"}}, [True], [True]),
        ({"type": "array", "items": {"type": "binary"}}, ["aGk="], [b"hi"]),
        (OBJECT, {"id": 1}, {"id": 1}),
        (OBJECT, {"tags": ["x"], "id": 1}, {"id": 1, "tags": ["x"]}),
        (OBJECT, {"tags": None, "id": 1}, {"id": 1, "tags": None}),
        (MAP, {"k": 1, "l": 0.5}, {"k": 1.0, "l": 0.5}),
        (MAP, {}, {}),
        ({"type": "any"}, {"what": ["ever", 1]}, {"what": ["ever", 1]}),
        ({"type": "array", "items": {"type": "any"}}, [1, "x"], [1, "x"]),
        ({"type": "array", "items": {"type": "any"}}, None, None),
        ({"type": "a type of the future"}, {"x": 1}, {"x": 1}),
    ],
)
def test_nested_values_arrive_as_they_were_sent(
    type_: dict[str, object], value: object, given: object
) -> None:
    assert cells(type_, [value]) == [given]


@pytest.mark.parametrize(("type_", "dtype"), [("integer", "int32"), ("float", "float32")])
def test_arrays_keep_the_width_that_a_list_would_lose(type_: str, dtype: str) -> None:
    (array,) = cells({"type": "array", "items": {"type": type_}}, [[1, 2]])
    assert isinstance(array, np.ndarray)
    assert array.dtype == np.dtype(dtype)


@pytest.mark.parametrize("nothing", [None, []])
def test_an_optional_array_may_be_nothing(nothing: object) -> None:
    assert cells(ARRAY, [nothing], required=False) == [nothing]


@pytest.mark.parametrize(
    ("type_", "value", "problems"),
    [
        (ARRAY, 1, ["[0]: array of long, integer"]),
        (ARRAY, None, ["[0]: array of long, null"]),
        (ARRAY, {}, ["[0]: array of long, object"]),
        (ARRAY, [1, "x", None], ["[1][0]: long, string", "[2][0]: long, null"]),
        (
            {"type": "array", "items": ARRAY},
            [[1], [2.5], 3],
            ["[1][0][0]: long, number", "[2][0]: array of long, integer"],
        ),
        (
            {"type": "array", "items": {"type": "string"}},
            ["x", None, 1],
            ["[1][0]: string, null", "[2][0]: string, integer"],
        ),
        ({"type": "array", "items": {"type": "boolean"}}, [True, None], ["[1][0]: boolean, null"]),
        (OBJECT, [], ["[0]: object, array"]),
        (OBJECT, {}, [".id[0]: long, nothing"]),
        (
            OBJECT,
            {"id": "x", "tags": [1], "more": 1},
            [".more[0]: nothing, integer", ".id[0]: long, string", ".tags[0][0]: string, integer"],
        ),
        (MAP, {"k": "x"}, [".k[0]: double, string"]),
        (MAP, [1], ["[0]: map of double, array"]),
    ],
)
def test_a_problem_inside_a_nested_value_has_its_path(
    type_: dict[str, object], value: object, problems: list[str]
) -> None:
    assert refusal(type_, value) == problems


def test_a_record_that_lacks_a_nested_column_is_told_so() -> None:
    inputs = [column(ARRAY, "a"), column("long", "b")]
    body = {"input_data": [{"a": [1], "b": 1}, {"b": 2}]}
    assert problems_of(inputs, body) == ["a[1]: array of long, nothing"]


def test_a_dict_with_a_list_for_a_nested_column_is_one_record() -> None:
    inputs = [column(ARRAY, "a"), column("string", "b")]
    frame = enforced(inputs, {"input_data": {"a": [1, 2], "b": "x"}})
    assert frame.to_dict("records") == [{"a": [1, 2], "b": "x"}]


def test_a_dict_with_a_list_for_a_plain_column_too_is_a_dict_of_columns() -> None:
    inputs = [column(ARRAY, "a"), column("string", "b")]
    frame = enforced(inputs, {"input_data": {"a": [[1], [2, 3]], "b": ["x", "y"]}})
    assert frame.to_dict("records") == [{"a": [1], "b": "x"}, {"a": [2, 3], "b": "y"}]


# --- tensors -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dtype", "shape", "value"),
    [
        ("float32", (-1, 2), [[1, 0.5], [2, 3]]),
        ("float64", (-1, 2, 1), [[[1.5], [2.5]]]),
        ("float16", (-1,), [1, 2.5]),
        ("int64", (-1,), [1, 2]),
        ("uint8", (2, -1), [[0], [255]]),
        ("bool", (-1,), [True, False]),
        ("str", (-1,), ["a", "bc"]),
        ("object", (-1, 2), [["a", {"b": 1}]]),
    ],
)
def test_a_tensor_comes_in_its_dtype_and_shape(
    dtype: str, shape: tuple[int, ...], value: list[Any]
) -> None:
    for body in ({"input_data": value}, {"inputs": value}, {"instances": value}):
        array = enforced([tensor(dtype, shape)], body)
        assert array.dtype.kind == np.dtype(dtype).kind
        assert array.dtype == np.dtype(dtype) or dtype == "str"
        assert array.tolist() == value


def test_null_in_a_tensor_of_floats_is_not_a_number() -> None:
    assert np.isnan(enforced([tensor("float64", (-1,))], {"inputs": [1, None]})).tolist() == [
        False,
        True,
    ]


def test_named_tensors_come_as_a_dict() -> None:
    inputs = [tensor("float32", (-1, 2), "x"), tensor("str", (-1,), "y")]
    given = enforced(inputs, {"input_data": {"y": ["a"], "x": [[1, 2]], "z": 1}})
    assert list(given) == ["x", "y"]
    assert given["x"].tolist() == [[1, 2]]


def test_a_bare_tensor_goes_to_the_only_name() -> None:
    given = enforced([tensor("float32", (-1, 2), "x")], {"input_data": [[1, 2]]})
    assert given["x"].tolist() == [[1, 2]]


@pytest.mark.parametrize(
    "body",
    [
        {"input_data": {"columns": ["x", "y"], "data": [[[1, 2], 3], [[4, 5], 6]]}},
        {"dataframe_split": {"columns": ["y", "x"], "data": [[3, [1, 2]], [6, [4, 5]]]}},
        {"dataframe_records": [{"x": [1, 2], "y": 3}, {"x": [4, 5], "y": 6}]},
        {"instances": [{"x": [[1], [2]], "y": [3]}, {"x": [[4], [5]], "y": [6]}]},
    ],
)
def test_named_tensors_may_lie_in_the_cells_of_a_table_flattened_or_not(
    body: dict[str, object],
) -> None:
    given = enforced([tensor("int64", (-1, 2, 1), "x"), tensor("int64", (-1, 1), "y")], body)
    assert given["x"].tolist() == [[[1], [2]], [[4], [5]]]
    assert given["y"].tolist() == [[3], [6]]


@pytest.mark.parametrize(
    "body",
    [
        {"input_data": {"columns": ["a", "b"], "index": [0, 1], "data": [[1, 2], [3, 4]]}},
        {"input_data": {"a": [1, 3], "b": [2, 4]}},
        {"input_data": [{"a": 1, "b": 2}, {"a": 3, "b": 4}]},
        {"dataframe_split": {"columns": ["a"], "data": [[[1, 2]], [[3, 4]]]}},
    ],
)
def test_a_table_is_read_for_a_tensor_without_name(body: dict[str, object]) -> None:
    assert enforced([tensor("float64", (-1, 2))], body).tolist() == [[1, 2], [3, 4]]


def test_a_tensor_of_objects_takes_lists_of_any_length() -> None:
    given = enforced([tensor("object", (-1,))], {"input_data": [["a"], ["b", "c"], "d"]})
    assert given.tolist() == [["a"], ["b", "c"], "d"]


def test_a_ragged_tensor_is_an_array_of_arrays_where_the_inner_length_is_open() -> None:
    given = enforced([tensor("float64", (-1, -1))], {"input_data": [[1], [2, 3]]})
    assert given.dtype == object
    assert [row.tolist() for row in given] == [[1], [2, 3]]


@pytest.mark.parametrize(
    ("spec", "value", "problems"),
    [
        (
            tensor("float64", (-1, 2)),
            [[1, 2, 3]],
            ["input[None]: float64 of shape [-1, 2], shape [1, 3]"],
        ),
        (tensor("float64", (-1, 2)), [1, 2], ["input[None]: float64 of shape [-1, 2], shape [2]"]),
        (
            tensor("float64", (-1, 2)),
            [[1, 2], [3]],
            ["input[None]: float64 of shape [-1, 2], lists of different lengths"],
        ),
        (
            tensor("float64", (-1, 2)),
            [[1, 2], 3],
            ["input[None]: float64 of shape [-1, 2], lists of different lengths"],
        ),
        (tensor("float64", (-1,)), 5, ["input[None]: float64 of shape [-1], shape []"]),
        (tensor("object", (-1,)), "a", ["input[None]: object of shape [-1], shape []"]),
        (
            tensor("int64", (-1, 2)),
            [[1, 2.5], [3, "x"]],
            ["input[0][1][0]: int64, number", "input[1][1][1]: int64, string"],
        ),
        (tensor("int64", (-1,)), [True], ["input[0][0]: int64, boolean"]),
        (
            tensor("uint8", (-1,)),
            [256, -1],
            [
                "input[0][0]: uint8, integer out of range",
                "input[1][1]: uint8, integer out of range",
            ],
        ),
        (
            tensor("bool", (-1,)),
            [1, None],
            ["input[0][0]: bool, integer", "input[1][1]: bool, null"],
        ),
        (tensor("str", (-1,)), ["a", 1], ["input[1][1]: str, integer"]),
        (tensor("float16", (-1,)), [1e6], ["input[0][0]: float16, number out of range"]),
        (
            tensor("float32", (-1, -1)),
            [[1], [2, 3], [4, "x"]],
            ["input[2][1][2]: float32, string"],
        ),
        (
            tensor("float32", (-1, -1, 2)),
            [[[1, 2]], [[1, 2], [3, 4]], [[1, 2, 3]]],
            ["input[2][2]: float32 of shape [-1, 2], shape [1, 3]"],
        ),
        (
            tensor("bytes", (-1,)),
            ["a", "é", 1],
            ["input[1][1]: bytes, string that is not ASCII", "input[2][2]: bytes, integer"],
        ),
    ],
)
def test_a_tensor_is_strict_in_dtype_and_shape(
    spec: object, value: object, problems: list[str]
) -> None:
    assert problems_of([spec], {"inputs": value}) == problems


def test_a_missing_tensor_is_named() -> None:
    inputs = [tensor("int64", (-1,), "x"), tensor("int64", (-1,), "y")]
    problems = ["y[None]: int64, nothing"]
    assert problems_of(inputs, {"inputs": {"x": [1]}}) == problems
    body = {"dataframe_records": [{"x": 1, "y": 2}, {"x": 3}]}
    assert problems_of(inputs, body) == ["y[1][1]: int64, nothing"]


def test_a_record_that_lacks_an_object_of_a_tensor_is_told_so() -> None:
    inputs = [tensor("object", (-1,), "x"), tensor("int64", (-1,), "y")]
    body = {"instances": [{"x": "a", "y": 1}, {"y": 2}]}
    assert problems_of(inputs, body) == ["x[1][1]: object, nothing"]


# --- without signature -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        {"input_data": {"columns": ["a", "b"], "data": [[1, "x"], [2, "y"]]}},
        {"input_data": [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]},
        {"input_data": {"a": [1, 2], "b": ["x", "y"]}},
    ],
)
def test_without_signature_a_table_is_a_dataframe(body: dict[str, object]) -> None:
    assert enforced(None, body).to_dict("list") == {"a": [1, 2], "b": ["x", "y"]}


def test_without_signature_lists_are_arrays() -> None:
    assert enforced(None, {"input_data": [[1, 2], [3, 4.5]]}).tolist() == [[1, 2], [3, 4.5]]
    mixed = enforced(None, {"input_data": [["a", 1], ["b", 2]]})
    assert mixed.tolist() == [["a", 1], ["b", 2]]
    assert enforced(None, {"input_data": [[1], [2, 3]]}).tolist() == [[1], [2, 3]]


def test_without_signature_named_inputs_are_a_dict_of_arrays() -> None:
    given = enforced(None, {"inputs": {"x": [[1, 2]], "y": "text"}})
    assert given["x"].tolist() == [[1, 2]]
    assert given["y"] == "text"


def test_a_signature_from_a_type_hint_is_left_to_mlflow() -> None:
    body = {"inputs": [{"role": "x"}]}
    made = scorer([column(OBJECT, None)], is_signature_from_type_hint=True)
    assert made.enforce(body) == ([{"role": "x"}], None)


def test_a_number_that_pandas_cannot_hold_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    # What pandas does before release 3 with an integer beyond every float, in a column of objects.
    def overflow(*_: object) -> None:
        raise OverflowError("int too large to convert to float")

    monkeypatch.setattr(online(), "to_frame", overflow)
    body = {"input_data": {"c": [10**400, 0.5, "x"]}}
    assert problems_of([column("string")], body) == ["a number is too large"]
