"""Every layout of a table that the online script reads, and what it says of those it does not."""

from __future__ import annotations

import pandas as pd
import pytest

from tests.support.scoring import column, enforced, problems_of, tensor

COLUMNS = [column("double", "a"), column("string", "b")]
TABLE = pd.DataFrame({"a": [1.0, 2.5], "b": ["x", "y"]})
ROWS = [[1, "x"], [2.5, "y"]]
RECORDS = [{"a": 1, "b": "x"}, {"b": "y", "a": 2.5}]


@pytest.mark.parametrize(
    "body",
    [
        {"input_data": {"columns": ["a", "b"], "data": ROWS}},
        {"input_data": {"columns": ["a", "b"], "index": [0, 1], "data": ROWS}},
        {"input_data": {"columns": ["b", "a"], "data": [["x", 1], ["y", 2.5]]}},
        {"input_data": {"columns": ["z", "b", "a"], "data": [[0, "x", 1], [0, "y", 2.5]]}},
        {"input_data": {"data": ROWS}},
        {"input_data": ROWS},
        {"input_data": RECORDS},
        {"input_data": {"a": [1, 2.5], "b": ["x", "y"]}},
        {"input_data": {"a": [1, 2.5], "b": ["x", "y"], "unknown": [1, 2, 3]}},
        {"dataframe_split": {"columns": ["a", "b"], "data": ROWS}},
        {"dataframe_records": RECORDS},
        {"instances": RECORDS},
        {"inputs": {"a": [1, 2.5], "b": ["x", "y"]}},
    ],
)
def test_every_layout_of_a_table_gives_the_columns_of_the_signature(
    body: dict[str, object],
) -> None:
    pd.testing.assert_frame_equal(enforced(COLUMNS, body), TABLE)


def test_the_index_of_a_split_table_is_kept() -> None:
    body = {"input_data": {"columns": ["a", "b"], "index": ["i", 7], "data": ROWS}}
    assert list(enforced(COLUMNS, body).index) == ["i", 7]


def test_a_single_record_is_one_row() -> None:
    body = {"input_data": {"a": 1, "b": "x"}}
    pd.testing.assert_frame_equal(enforced(COLUMNS, body), TABLE.head(1))


def test_a_bare_value_beside_columns_counts_for_every_row() -> None:
    body = {"input_data": {"a": [1, 2.5], "b": "x"}}
    assert list(enforced(COLUMNS, body)["b"]) == ["x", "x"]


def test_bare_values_are_rows_of_a_single_column() -> None:
    assert list(enforced([column("string")], {"input_data": ["x", "y"]})["c"]) == ["x", "y"]


def test_a_bare_string_is_one_row_of_a_single_column() -> None:
    assert list(enforced([column("string")], {"input_data": "x"})["c"]) == ["x"]


def test_columns_that_are_numbers_are_found_by_their_text() -> None:
    inputs = [column("long", 0), column("long", 1)]
    for body in (
        {"input_data": {"1": [2], "0": [1]}},
        {"input_data": {"columns": [1, 0], "data": [[2, 1]]}},
    ):
        frame = enforced(inputs, body)
        assert list(frame.columns) == [0, 1]
        assert frame.values.tolist() == [[1, 2]]


def test_columns_called_like_a_split_table_are_columns() -> None:
    inputs = [column("long", "data"), column("long", "index")]
    frame = enforced(inputs, {"input_data": {"data": [1, 2], "index": [3, 4]}})
    assert frame.to_dict("list") == {"data": [1, 2], "index": [3, 4]}


def test_columns_without_names_are_taken_by_position_and_keep_the_names_sent() -> None:
    inputs = [column("long", None), column("string", None)]
    assert list(enforced(inputs, {"input_data": [[1, "x", "extra"]]}).columns) == [0, 1]
    named = {"input_data": {"columns": ["p", "q"], "data": [[1, "x"]]}}
    assert list(enforced(inputs, named).columns) == ["p", "q"]


def test_an_optional_column_may_be_absent() -> None:
    inputs = [column("long", "a"), column("long", "b", required=False)]
    assert list(enforced(inputs, {"input_data": {"a": [1]}}).columns) == ["a"]


def test_the_older_spelling_of_an_optional_column_counts() -> None:
    inputs = [column("long", "a"), column("long", "b", optional=True)]
    assert list(enforced(inputs, {"input_data": {"a": [1]}}).columns) == ["a"]


def test_an_optional_column_that_some_records_lack_is_null_there() -> None:
    inputs = [column("string", "a", required=False), column("long", "b")]
    frame = enforced(inputs, {"input_data": [{"b": 1}, {"a": "x", "b": 2}]})
    assert frame["a"].isna().tolist() == [True, False]


@pytest.mark.parametrize(
    ("body", "problems"),
    [
        ({"input_data": {"a": [1]}}, ["b[None]: string, nothing"]),
        ({"input_data": {"z": [1]}}, ["a[None]: double, nothing", "b[None]: string, nothing"]),
        (
            {"input_data": [{"a": 1, "b": "x"}, {"a": 1}, {}]},
            ["a[2]: double, nothing", "b[1]: string, nothing", "b[2]: string, nothing"],
        ),
        ({"input_data": [[1, "x"], [2]]}, ["data[1]: 2 values, 1"]),
        (
            {"input_data": [[1, "x"], 3, None]},
            ["data[1]: 2 values, integer", "data[2]: 2 values, null"],
        ),
        ({"input_data": [[1, "x", 2]]}, ["the model's signature has 2 columns, the input 3"]),
        ({"input_data": [1, 2]}, ["the model's signature has 2 columns, the input 1"]),
        (
            {"input_data": {"a": [1, 2], "b": ["x"]}},
            ["the columns must all have the same length, and at least one row"],
        ),
        (
            {"input_data": {"a": [], "b": []}},
            ["the columns must all have the same length, and at least one row"],
        ),
        ({"input_data": []}, ["input_data must hold an object or a list of rows, not nothing"]),
        ({"input_data": {}}, ["input_data must hold an object or a list of rows, not nothing"]),
        ({"input_data": None}, ["input_data must hold an object or a list of rows, not null"]),
        ({"input_data": 5}, ["input_data must hold an object or a list of rows, not integer"]),
        (
            {"input_data": {"columns": ["a", "b"], "data": []}},
            ["data must be a list with at least one row"],
        ),
        (
            {"input_data": {"columns": ["a", "b"], "data": "x"}},
            ["data must be a list with at least one row"],
        ),
        (
            {"input_data": {"columns": ["a"], "data": ROWS}},
            ["columns must be a list of 2 names, each only once"],
        ),
        (
            {"input_data": {"columns": ["a", "a"], "data": ROWS}},
            ["columns must be a list of 2 names, each only once"],
        ),
        (
            {"input_data": {"columns": [1, "1"], "data": ROWS}},
            ["columns must be a list of 2 names, each only once"],
        ),
        (
            {"input_data": {"columns": ["a", ["b"]], "data": ROWS}},
            ["columns must be a list of 2 names, each only once"],
        ),
        (
            {"input_data": {"columns": "ab", "data": ROWS}},
            ["columns must be a list of 2 names, each only once"],
        ),
        ({"input_data": {"index": [0], "data": ROWS}}, ["index must be a list of 2 labels"]),
        ({"input_data": {"index": [0, {}], "data": ROWS}}, ["index must be a list of 2 labels"]),
        (
            {"dataframe_split": RECORDS},
            ["dataframe_split must be an object with data, columns and index"],
        ),
        (
            {"dataframe_split": {"a": [1]}},
            ["dataframe_split must be an object with data, columns and index"],
        ),
        ({"dataframe_records": {"a": 1}}, ["dataframe_records must be a list of objects"]),
        ({"dataframe_records": [{"a": 1}, 2]}, ["dataframe_records must be a list of objects"]),
    ],
)
def test_a_bad_layout_is_told_in_words(body: dict[str, object], problems: list[str]) -> None:
    assert problems_of(COLUMNS, body) == problems


def test_too_few_columns_without_names_are_counted() -> None:
    inputs = [column("long", None), column("string", None)]
    message = "the model's signature has 2 columns, the input 1"
    assert problems_of(inputs, {"input_data": [[1]]}) == [message]


@pytest.mark.parametrize(
    "body",
    [{}, {"data": []}, {"params": {}}, {"inputs": 1, "instances": 1}, [], [[1]], None, 1.5],
)
def test_a_body_needs_exactly_one_key_of_data(body: object) -> None:
    keys = "input_data, dataframe_split, dataframe_records, instances, inputs"
    assert problems_of(COLUMNS, body) == [f"the body must be an object with one of {keys}"]  # type: ignore[arg-type]


def test_a_body_that_was_encoded_twice_is_told_so() -> None:
    message = "the body is a JSON string: it was encoded twice"
    assert problems_of(COLUMNS, '{"input_data": []}') == [message]  # type: ignore[arg-type]


def test_at_most_twenty_problems_are_listed() -> None:
    assert len(problems_of([column("long")], {"input_data": ["x"] * 50})) == 20
    many = [column("long", f"c{i}") for i in range(50)]
    assert len(problems_of(many, {"input_data": {"z": 1}})) == 20


def test_the_many_problems_of_one_field_do_not_hide_those_of_another() -> None:
    inputs = [column("long", "a"), column("double", "c")]
    told = problems_of(inputs, {"input_data": [["x", "y"]] * 30})
    assert told == [
        *[f"a[{i}]: long, string" for i in range(10)],
        *[f"c[{i}]: double, string" for i in range(10)],
    ]
    tensors = [tensor("int64", (-1,), "x"), tensor("int64", (-1,), "y")]
    told = problems_of(tensors, {"inputs": {"x": ["a"] * 50, "y": ["a"]}})
    assert (len(told), told[-1]) == (20, "y[0][0]: int64, string")
