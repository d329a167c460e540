"""The batch script: the files it reads, what it says of bad ones, and the table it gives."""

from __future__ import annotations

import gzip
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.support.scoring import FakeModel, Prediction, batch, column, tensor

COLUMNS = (
    column("double", "real"),
    column("long", "whole"),
    column("string", "text", required=False),
)
CSV = "text,whole,real,extra\n007,1,0.5,x\n,2,1,y\n"


def total(data: Any) -> object:
    return (data["real"] + data["whole"]).to_numpy()


@pytest.fixture(autouse=True)
def _endpoint(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(batch(), "BAKED_IN", str(tmp_path / "baked"))
    monkeypatch.chdir(tmp_path)


def serving(
    monkeypatch: pytest.MonkeyPatch,
    inputs: Sequence[object] = COLUMNS,
    predict: Prediction = total,
) -> FakeModel:
    """Make the endpoint serve a model with that signature."""
    fake = FakeModel(predict)
    fields = [batch().read_field(entry) for entry in inputs]
    monkeypatch.setattr(batch(), "scorer", batch().Scorer(fake, fields))
    return fake


def put(name: str, content: str | bytes) -> str:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return name


def results(*paths: str) -> list[list[object]]:
    """The rows that the endpoint gets for a mini-batch."""
    table = batch().run(list(paths))
    assert isinstance(table, pd.DataFrame)
    return [[*row] for row in table.itertuples(index=False)]


def complaint(name: str, content: str | bytes, capsys: pytest.CaptureFixture[str]) -> str:
    """What is said of a bad file, which gives no row."""
    assert results(put(name, content)) == []
    said = capsys.readouterr().err
    assert said.startswith(f"score: {name}: ")
    return said.removeprefix(f"score: {name}: ").rstrip()


# --- files by rows -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", CSV),
        ("A.CSV", CSV),
        ("a.csv.gz", gzip.compress(CSV.encode(), mtime=0)),
        ("a.csv", "\ufeff" + CSV),
        ("a.jsonl", '{"real": 0.5, "whole": 1, "text": "007"}\n\n{"real": 1, "whole": 2}\n'),
        ("a.ndjson", '{"real": 0.5, "whole": 1}\r\n{"real": 1, "whole": 2, "text": null}'),
        ("a.json", '[{"real": 0.5, "whole": 1}, {"real": 1, "whole": 2}]'),
        ("a.json", '{"real": 0.5, "whole": 1}\n{"real": 1, "whole": 2}\n'),
    ],
)
def test_every_row_of_a_file_has_its_prediction(
    name: str, content: str | bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    serving(monkeypatch)
    assert results(put(f"folder/{name}", content)) == [[name, 0, 1.5], [name, 1, 3.0]]


def test_the_model_gets_the_columns_of_the_signature_in_its_order_and_types(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake = serving(monkeypatch)
    results(put("a.csv", CSV))
    (frame,) = fake.given
    assert list(frame.columns) == ["real", "whole", "text"]
    assert frame["real"].tolist() == [0.5, 1.0]
    assert frame["whole"].dtype == np.dtype("int64")
    assert frame["text"].tolist()[0] == "007"
    assert frame["text"].isna().tolist() == [False, True]


def test_long_files_are_read_in_pieces_and_rows_counted_through(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake = serving(monkeypatch)
    monkeypatch.setattr(batch(), "ROWS", 2)
    lines = "".join(f"{i},{i}\n" for i in range(5))
    rows = results(put("a.csv", "real,whole\n" + lines))
    assert rows == [["a.csv", i, 2.0 * i] for i in range(5)]
    assert [len(frame) for frame in fake.given] == [2, 2, 1]


def test_a_file_that_is_bad_at_its_end_gives_no_row(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    serving(monkeypatch)
    monkeypatch.setattr(batch(), "ROWS", 2)
    said = complaint("a.csv", "real,whole\n1,1\n2,2\n3,x\n", capsys)
    assert said == "InputError: column whole, row 2: not a number"


def test_the_other_files_of_a_batch_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    serving(monkeypatch)
    paths = [put("a.csv", "real,whole\n1,1\n"), put("b.csv", "real\n1\n"), "gone.csv"]
    assert results(*paths, put("c.csv", "real,whole\n2,2\n")) == [["a.csv", 0, 2], ["c.csv", 0, 4]]
    assert capsys.readouterr().err.splitlines() == [
        "score: b.csv: InputError: missing columns: whole",
        "score: gone.csv: FileNotFoundError: [Errno 2] No such file or directory: 'gone.csv'",
    ]


def test_too_many_bad_files_end_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    serving(monkeypatch)
    monkeypatch.setattr(batch(), "MAX_BAD_FILES", 1)
    batch().run(["gone"])
    with pytest.raises(RuntimeError, match="more than 1 files failed"):
        batch().run(["gone too"])


def test_a_model_that_exits_fails_on_its_file_only(monkeypatch: pytest.MonkeyPatch) -> None:
    def predict(data: Any) -> object:
        return sys.exit(3) if data["real"][0] == 1 else total(data)

    serving(monkeypatch, predict=predict)
    paths = [put("a.csv", "real,whole\n1,1\n"), put("b.csv", "real,whole\n2,2\n")]
    assert results(*paths) == [["b.csv", 0, 4.0]]


def test_as_many_folders_are_named_as_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    serving(monkeypatch)
    monkeypatch.setattr(batch(), "FOLDERS", 1)
    paths = [put(f"in/{day}/data.csv", "real,whole\n1,1\n") for day in ("mon", "tue")]
    assert results(*paths) == [["mon/data.csv", 0, 2.0], ["tue/data.csv", 0, 2.0]]


@pytest.mark.parametrize("content", ["real,whole\n", ""])
def test_a_file_without_rows_gives_none(content: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = serving(monkeypatch)
    assert results(put("a.csv" if content else "a.jsonl", content)) == []
    assert fake.given == []


def test_column_names_that_are_numbers_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = serving(monkeypatch, [column("long", 0), column("long", 1)], lambda data: data[0])
    results(put("a.csv", "1,0\n5,6\n"))
    assert fake.given[0].to_dict("list") == {0: [6], 1: [5]}


def test_columns_without_names_go_by_position(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = serving(monkeypatch, [column("double", None)], lambda data: data["x"])
    results(put("a.csv", "x,y\n1,2\n"))
    assert fake.given[0].to_dict("list") == {"x": [1.0]}


def test_without_signature_the_table_is_as_pandas_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = serving(monkeypatch, [], lambda data: data["a"])
    results(put("a.csv", "a,b\n1,x\n"))
    assert fake.given[0].to_dict("list") == {"a": [1], "b": ["x"]}


def test_a_table_for_a_tensor_is_its_values(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = serving(monkeypatch, [tensor("float32", (-1, 2))], lambda data: data[:, 0])
    results(put("a.csv", "a,b\n1,2\n3,4\n"))
    assert fake.given[0].dtype == np.dtype("float32")
    assert fake.given[0].tolist() == [[1, 2], [3, 4]]


def test_a_table_for_named_tensors_is_left_to_mlflow(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = [tensor("float32", (-1,), "a")]
    fake = serving(monkeypatch, inputs, lambda data: data["a"])
    results(put("a.csv", "a\n1\n"))
    assert isinstance(fake.given[0], pd.DataFrame)


# --- types -------------------------------------------------------------------------------------


def converted(type_: str, lines: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    fake = serving(monkeypatch, [column(type_)], lambda data: data["c"])
    rows = results(put("a.csv", "c,z\n" + "".join(f"{line},1\n" for line in lines)))
    assert len(rows) == len(lines)
    return fake.given[0]["c"]


@pytest.mark.parametrize(
    ("type_", "lines", "dtype", "values"),
    [
        ("integer", ["1", "-2"], "int32", [1, -2]),
        ("long", ["1", str(2**63 - 1)], "int64", [1, 2**63 - 1]),
        ("float", ["1", "0.5"], "float32", [1.0, 0.5]),
        ("double", ["1", "2"], "float64", [1.0, 2.0]),
        ("double", ["inf", "1e300"], "float64", [math.inf, 1e300]),
        ("boolean", ["True", "False"], "bool", [True, False]),
        ("datetime", ["2020-01-02"], "datetime64[ns]", [pd.Timestamp(2020, 1, 2)]),
        ("binary", ["aGk="], "object", [b"hi"]),
    ],
)
def test_values_come_in_the_type_of_the_signature(
    type_: str,
    lines: list[str],
    dtype: str,
    values: list[object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    series = converted(type_, lines, monkeypatch)
    assert series.dtype == np.dtype(dtype)
    assert series.tolist() == values


@pytest.mark.parametrize("type_", ["float", "double", "datetime", "string", "binary"])
def test_an_empty_cell_is_a_missing_value(type_: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert converted(type_, [""], monkeypatch).isna().tolist() == [True]


@pytest.mark.parametrize(
    ("type_", "cell", "words"),
    [
        ("integer", "3000000000", "out of range"),
        ("long", "", "missing, which an integer cannot be"),
        ("long", "2.5", "not an integer"),
        ("long", "x", "not a number"),
        ("long", "99999999999999999999", "out of range"),
        ("double", "x", "not a number"),
        ("double", "9007199254740993", "out of range"),
        ("float", "1e39", "out of range"),
        ("datetime", "x", "not a date"),
        ("datetime", "9999-12-31", "a date out of range"),
        ("binary", "secret!", "not base64"),
        ("datetime", "20200102", "not a date"),
        ("datetime", "2020-01-02T00:00:00Z", "a date with a time zone"),
    ],
)
def test_a_value_that_does_not_fit_is_told_by_row(
    type_: str,
    cell: str,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    serving(monkeypatch, [column(type_)])
    said = complaint("a.csv", f"c,z\n{cell},1\n", capsys)
    assert said == f"InputError: column c, row 0: {words}"


@pytest.mark.parametrize(
    ("type_", "good", "bad"),
    [
        ("string", '"a"', "1"),
        ("string", '"1"', '["a"]'),
        ("boolean", "true", '"true"'),
        ("boolean", "false", "0"),
    ],
)
def test_strings_and_booleans_are_what_json_calls_so(
    type_: str,
    good: str,
    bad: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fake = serving(monkeypatch, [column(type_)], lambda data: data["c"])
    rows = [f'{{"c": {value}}}\n' for value in (good, "null", good, bad)]
    assert len(results(put("a.jsonl", "".join(rows[:3])))) == 3
    assert fake.given[0]["c"].dropna().tolist() == [json.loads(good)] * 2
    said = complaint("a.jsonl", "".join(rows), capsys)
    assert said == f"InputError: column c, row 3: not a {type_}"


def test_which_integer_of_a_csv_is_written_as_a_float_cannot_be_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    serving(monkeypatch, [column("long")])
    said = complaint("a.csv", "c,z\n1,1\n2.0,1\n", capsys)
    assert said == "InputError: column c: an integer, but written as a float"


@pytest.mark.parametrize(
    ("type_", "value", "words"),
    [
        ("long", "2.0", "an integer, but written as a float"),
        ("long", "2.5", "not an integer"),
        ("long", "null", "missing, which an integer cannot be"),
        ("long", str(2**63), "out of range"),
        ("long", "1" + "0" * 400, "out of range"),
        ("double", "1" + "0" * 400, "out of range"),
        ("double", str(2**53 + 1), "out of range"),
        ("float", str(2**24 + 1), "out of range"),
        ("float", "1e39", "out of range"),
        ("double", "[1]", "not a number"),
        ("double", "true", "not a number, but written like one"),
        ("double", '"2"', "not a number, but written like one"),
        ("datetime", "5", "not a date"),
        ("datetime", '"2020-01-02T00:00:00Z"', "a date with a time zone"),
        ("binary", "5", "not base64"),
    ],
)
def test_json_is_held_to_the_very_value_and_row(
    type_: str,
    value: str,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    good = {"datetime": '"2020-01-01"', "binary": '"aGk="'}.get(type_, "1")
    serving(monkeypatch, [column(type_)])
    said = complaint("a.jsonl", f'{{"c": {good}}}\n{{"c": {value}}}\n', capsys)
    assert said == f"InputError: column c, row 1: {words}"


@pytest.mark.parametrize("content", ['{"a": 1}\n{"a": [2]}\n', '[{"a": 1}, {"a": [2]}]'])
def test_objects_for_a_model_with_type_hints_stay_objects(
    content: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = [column({"type": "map", "values": {"type": "long"}}, None)]
    fake = serving(monkeypatch, inputs, lambda data: data)
    assert results(put("a.json", content)) == [["a.json", 0, 1], ["a.json", 1, [2]]]
    assert fake.given == [[{"a": 1}, {"a": [2]}]]


def test_numbers_of_json_may_be_null_infinite_or_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = serving(monkeypatch, [column("double")], lambda data: data["c"])
    results(put("a.jsonl", '{"c": null}\n{"c": Infinity}\n{"c": 2}\n{"c": 0.5}\n'))
    assert fake.given[0]["c"].fillna(-1).tolist() == [-1, math.inf, 2, 0.5]


def test_dates_may_be_written_in_different_ways_but_for_the_order_of_day_and_month(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = ["2020-01-01T00:00:00", "2020-01-02T03:04:05.5", "", "2020-01-03", "Jan 4 2020"]
    series = converted("datetime", lines, monkeypatch)
    assert series.dtype == np.dtype("datetime64[ns]")
    assert series.dropna().tolist() == [pd.Timestamp(line) for line in lines if line]
    said = complaint("a.csv", "c,z\n2020-01-01,1\n01/02/2020,1\n13/02/2020,1\n", capsys)
    words = "a date with the day or the month first, not written as the others"
    assert said == f"InputError: column c, row 1: {words}"


def test_text_that_is_kept_as_categories_is_text(monkeypatch: pytest.MonkeyPatch) -> None:
    values = pd.Series(["a", None, "a"], dtype="category")
    assert batch().to_type(values, "string").dropna().tolist() == ["a", "a"]
    numbers = pd.Series([1, 2, 1], dtype="category")
    assert batch().to_type(numbers, "long").tolist() == [1, 2, 1]


def test_a_column_without_name_is_text_as_well_where_it_holds_digits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake = serving(monkeypatch, [column("string", None)], lambda data: data["q"])
    results(put("a.csv", "q,z\n007,1\n"))
    assert fake.given[0].to_dict("list") == {"q": ["007"]}


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.doc", "", "InputError: this kind of file is not read"),
        ("a.csv", "", "EmptyDataError: No columns to parse from file"),
        (
            "a.csv",
            "a\n1\n1,2\n",
            "ParserError: Error tokenizing data. C error: Expected 1 fields in line 3, saw 2",
        ),
        (
            "a.csv",
            "real,whole\n1,2,3\n",
            "InputError: the rows have more values than the header has names",
        ),
        ("a.jsonl", '{"real": 1}\n{]\n', "InputError: line 2 is not JSON"),
        ("a.jsonl", "[1]\n", "InputError: not every record is a JSON object"),
        (
            "a.jsonl",
            '{"real": 1, "whole": 1}\n2\n',
            "InputError: not every record is a JSON object",
        ),
        (
            "a.jsonl",
            '{"real": 1, "whole": 1}\n{"whole": 1}\n',
            "InputError: row 1: missing columns: real",
        ),
        ("a.jsonl", '{"real": ' + "[" * 100_000, "InputError: line 1 is not JSON"),
        ("a.json", "[" * 100_000, "InputError: nested too deeply"),
        (
            "a.json",
            '[{"real": 1, "whole": 1}',
            "InputError: not JSON: Expecting ',' delimiter: line 1 column 25 (char 24)",
        ),
        (
            "a.csv",
            "real,whole,real\n1,2,3\n",
            "InputError: columns that are there twice: real",
        ),
        ("a.csv", "z\n1\n", "InputError: missing columns: real, whole"),
        ("a.txt", "words", "InputError: the file is one value, the signature has 2 columns"),
    ],
)
def test_a_bad_file_is_told_why(
    name: str,
    content: str,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    serving(monkeypatch)
    assert complaint(name, content, capsys).splitlines()[0] == words


def test_the_message_of_a_foreign_error_is_kept_back(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = "value"

    def fail(data: object) -> object:
        raise KeyError(secret)

    serving(monkeypatch, predict=fail)
    said = complaint("a.csv", CSV, capsys)
    assert said.startswith("KeyError; ENVBUILD_LOG_MESSAGES=1 shows its message\n  File ")
    assert "value" not in said
    monkeypatch.setenv("ENVBUILD_LOG_MESSAGES", "1")
    assert complaint("a.csv", CSV, capsys) == "KeyError: 'value'"


# --- files of one row, arrays ------------------------------------------------------------------


def test_a_text_file_is_one_row(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = serving(monkeypatch, [column("string", "text")], lambda data: ["ok"])
    assert results(put("a.txt", "two\nlines")) == [["a.txt", 0, "ok"]]
    assert fake.given[0].to_dict("list") == {"text": ["two\nlines"]}


def test_a_text_file_is_one_object_of_a_tensor(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = serving(monkeypatch, [tensor("object", (-1,))], lambda data: ["ok"])
    results(put("a.txt", "text"))
    assert fake.given[0].tolist() == ["text"]


def test_an_image_for_a_column_is_its_bytes_or_base64(monkeypatch: pytest.MonkeyPatch) -> None:
    for type_, cell in (("binary", b"\x89PNG"), ("string", "iVBORw==")):
        fake = serving(monkeypatch, [column(type_, "image")], lambda data: ["ok"])
        assert results(put("a.png", b"\x89PNG")) == [["a.png", 0, "ok"]]
        assert fake.given[0].to_dict("list") == {"image": [cell]}


def test_an_array_is_read_along_its_first_axis(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = serving(monkeypatch, [tensor("float64", (-1, 2))], lambda data: data.sum(axis=1))
    monkeypatch.setattr(batch(), "ROWS", 2)
    np.save("a.npy", np.arange(6.0).reshape(3, 2))
    assert results("a.npy") == [["a.npy", 0, 1.0], ["a.npy", 1, 5.0], ["a.npy", 2, 9.0]]
    assert [type(array) for array in fake.given] == [np.ndarray, np.ndarray]


def test_an_array_is_the_one_tensor_or_the_columns_of_a_model(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    np.save("a.npy", np.array([[1.0, 2.0]], dtype=">f4"))
    fake = serving(monkeypatch, [tensor("float32", (-1, 2), "x")], lambda data: data["x"][:, 0])
    assert results("a.npy") == [["a.npy", 0, 1.0]]
    assert fake.given[0]["x"].dtype == np.dtype("float32")
    fake = serving(
        monkeypatch, [column("double", "p"), column("float", "q")], lambda data: data["p"]
    )
    assert results("a.npy") == [["a.npy", 0, 1.0]]
    assert fake.given[0].to_dict("list") == {"p": [1.0], "q": [2.0]}
    two = [tensor("float32", (-1, 2), "x"), tensor("float32", (-1,), "y")]
    fake = serving(monkeypatch, two, lambda data: ["left to mlflow"])
    assert results("a.npy") == [["a.npy", 0, "left to mlflow"]]


@pytest.mark.parametrize(
    ("spec", "array", "words"),
    [
        (
            tensor("float32", (-1, 2)),
            np.zeros((1, 3), "float32"),
            "the shape is [1, 3], not [-1, 2]",
        ),
        (tensor("float32", (-1, 2)), np.zeros(2), "the shape is [2], not [-1, 2]"),
        (
            tensor("float32", (-1,)),
            np.zeros(2),
            "the values are float64, which float32 does not hold",
        ),
        (
            tensor("uint8", (-1,)),
            np.array([300]),
            "the values are int64, which uint8 does not hold",
        ),
        (
            tensor("int8", (-1,)),
            np.array([200], "uint8"),
            "the values are uint8, which int8 does not hold",
        ),
        (
            tensor("float32", (-1,)),
            np.array([2**24 + 1]),
            "the values are int64, which float32 does not hold",
        ),
        (
            column("double"),
            np.zeros((1, 1, 1)),
            "an array of 3 dimensions, the signature has columns",
        ),
        (column("double"), np.zeros((1, 2)), "missing columns: c"),
    ],
)
def test_an_array_of_another_shape_or_dtype_is_told_so(
    spec: object,
    array: Any,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    serving(monkeypatch, [spec])
    np.save("a.npy", array)
    assert results("a.npy") == []
    assert capsys.readouterr().err == f"score: a.npy: InputError: {words}\n"


def test_integers_that_a_tensor_holds_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = serving(monkeypatch, [tensor("float32", (-1,))], lambda data: data)
    np.save("a.npy", np.array([1, 255], dtype="uint8"))
    assert results("a.npy") == [["a.npy", 0, 1.0], ["a.npy", 1, 255.0]]
    assert fake.given[0].dtype == np.dtype("float32")


def test_real_numbers_of_a_table_may_lose_digits_but_not_become_infinite(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = serving(monkeypatch, [tensor("float32", (-1, 2))], lambda data: data[:, 0])
    results(put("a.csv", "a,b\n0.1,inf\n"))
    assert fake.given[0].tolist() == [[float(np.float32(0.1)), math.inf]]
    said = complaint("a.csv", "a,b\n0.1,1e300\n", capsys)
    assert said == "InputError: the values are float64, which float32 does not hold"


def test_a_tensor_of_objects_takes_a_table_of_any_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = serving(monkeypatch, [tensor("object", (-1,))], lambda data: ["ok"])
    results(put("a.csv", "a\n1\n"))
    assert fake.given[0].tolist() == [[1]]


def test_an_array_of_objects_is_not_unpickled(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    serving(monkeypatch, [])
    np.save("a.npy", np.array([{}], dtype=object))
    assert results("a.npy") == []
    said = capsys.readouterr().err
    assert said.startswith("score: a.npy: InputError: not a whole array of plain values: ")
    np.save("a.npy", np.array(1.5))
    assert results("a.npy") == []
    assert capsys.readouterr().err == "score: a.npy: InputError: the array has no rows\n"


# --- the table ---------------------------------------------------------------------------------


class Sparse:
    def toarray(self) -> object:
        return np.array([[0, 1], [2, 3]])


@pytest.mark.parametrize(
    ("prediction", "columns", "rows"),
    [
        (np.array([1, 2]), ["prediction"], [[0, 1], [1, 2]]),
        ([1.5, None], ["prediction"], [[0, 1.5], [1, None]]),
        (["a", b"hi"], ["prediction"], [[0, "a"], [1, "aGk="]]),
        (np.array([[1, 2], [3, 4]]), ["prediction_0", "prediction_1"], [[0, 1, 2], [1, 3, 4]]),
        (Sparse(), ["prediction_0", "prediction_1"], [[0, 0, 1], [1, 2, 3]]),
        ([[1], [2, 3]], ["prediction"], [[0, [1]], [1, [2, 3]]]),
        (np.zeros((2, 1, 1)), ["prediction"], [[0, [[0.0]]], [1, [[0.0]]]]),
        (pd.Series([1, 2], index=[7, 8], name="y"), ["prediction"], [[0, 1], [1, 2]]),
        (
            pd.DataFrame({"y": [1, 2], "p": [3, 4]}, index=[7, 8]),
            ["y", "p"],
            [[0, 1, 3], [1, 2, 4]],
        ),
        ({"y": np.array([1, 2]), "p": [[3], [4]]}, ["y", "p"], [[0, 1, [3]], [1, 2, [4]]]),
        ([{"label": "a"}, {"label": "b"}], ["label"], [[0, "a"], [1, "b"]]),
        ((n for n in (1, 2)), ["prediction"], [[0, 1], [1, 2]]),
        ("one", ["prediction"], [[None, "one"]]),
        (np.float64(1.5), ["prediction"], [[None, 1.5]]),
        ([], ["prediction"], []),
        (pd.DataFrame({"y": [b"hi", b"ho"]}), ["y"], [[0, "aGk="], [1, "aG8="]]),
        ([{"y": b"hi"}, {"y": None}], ["y"], [[0, "aGk="], [1, None]]),
    ],
)
def test_predictions_of_every_kind_become_a_table(
    prediction: object,
    columns: list[str],
    rows: list[list[object]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    serving(monkeypatch, predict=lambda data: prediction)
    table = batch().run([put("a.csv", CSV)])
    assert list(table.columns) == ["file", "row", *columns]
    plain = table.astype(object).where(table.notna(), None)
    assert [[*row[1:]] for row in plain.itertuples(index=False)] == rows


def test_the_prediction_of_the_model_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    own = pd.DataFrame({"file": [1, 2]})
    serving(monkeypatch, predict=lambda data: own)
    table = batch().run([put("a.csv", CSV)])
    assert list(table.columns) == ["file", "row", "file"]
    assert list(own.columns) == ["file"]


# --- the command line --------------------------------------------------------------------------


@pytest.fixture
def local(monkeypatch: pytest.MonkeyPatch) -> FakeModel:
    """A model in the folder ``model``, which needs no mlflow."""
    put("model/MLmodel", json.dumps({"signature": {"inputs": json.dumps(COLUMNS)}}))
    fake = FakeModel(total)
    fields = [batch().read_field(entry) for entry in COLUMNS]
    monkeypatch.setattr(batch(), "load", lambda path: batch().Scorer(fake, fields))
    return fake


@pytest.mark.usefixtures("local")
def test_a_folder_is_scored_into_one_file() -> None:
    put("in/b.csv", "real,whole\n1,1\n")
    put("in/sub/a.csv", "real,whole\n2,2\n3,3\n")
    put("in/.hidden.csv", "")
    put("in/.hidden/c.csv", "")
    assert batch().main(["in", "--model", "model", "-o", "out.csv"]) == 0
    assert (
        Path("out.csv").read_text()
        == "file,row,prediction\nb.csv,0,2.0\nsub/a.csv,0,4.0\nsub/a.csv,1,6.0\n"
    )


@pytest.mark.usefixtures("local")
def test_the_result_is_not_read_as_an_input(capsys: pytest.CaptureFixture[str]) -> None:
    put("a.csv", "real,whole\n1,1\n")
    put("model/none.csv", "real,whole\n")
    assert batch().main([".", "--model", "model", "-o", "z.csv"]) == 1
    assert capsys.readouterr().err == (
        "score: ./model/MLmodel: InputError: this kind of file is not read\n"
    )
    assert Path("z.csv").read_text() == "file,row,prediction\na.csv,0,2.0\n"


def test_columns_that_the_model_gives_in_another_order_are_put_in_place(
    local: FakeModel, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = iter([{"p": [1], "q": [2]}, {"q": [3], "p": [4]}, {"p": [5]}, {"p": [6], "q": [7]}])
    local.prediction = lambda data: next(answers)
    for name in "abcd":
        put(f"in/{name}.csv", "real,whole\n1,1\n")
    assert batch().main(["in", "--model", "model", "-o", "out.csv"]) == 1
    written = "file,row,p,q\na.csv,0,1,2\nb.csv,0,4,3\nd.csv,0,6,7\n"
    assert Path("out.csv").read_text() == written
    words = "the model answers with other columns than ['file', 'row', 'p', 'q'] before"
    assert capsys.readouterr().err == f"score: in/c.csv: InputError: {words}\n"


def test_columns_of_rows_that_were_taken_back_bind_nobody(
    local: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([{"p": [1]}, KeyError(), {"q": [2]}])

    def predict(data: object) -> object:
        answer = next(answers)
        if isinstance(answer, KeyError):
            raise answer
        return answer

    local.prediction = predict
    monkeypatch.setattr(batch(), "ROWS", 1)
    put("in/a.csv", "real,whole\n1,1\n2,2\n")
    put("in/b.csv", "real,whole\n1,1\n")
    assert batch().main(["in", "--model", "model", "-o", "out.csv"]) == 1
    assert Path("out.csv").read_text() == "file,row,q\nb.csv,0,2\n"


@pytest.mark.usefixtures("local")
def test_a_bad_file_makes_the_program_fail(capsys: pytest.CaptureFixture[str]) -> None:
    put("a.csv", "real\n")
    assert batch().main([put("b.csv", "real\n1\n"), "--model", "model"]) == 1
    assert Path("predictions.csv").read_text() == ""
    assert capsys.readouterr().err == "score: b.csv: InputError: missing columns: whole\n"


@pytest.mark.usefixtures("local")
def test_rows_already_written_for_a_file_that_fails_are_taken_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(batch(), "ROWS", 1)
    put("in/a.csv", "real,whole\n1,1\n2,x\n")
    put("in/b.csv", "real,whole\n1,1\n")
    put("in/c.csv", "real,whole\n3,3\n4,x\n")
    assert batch().main(["in", "--model", "model", "-o", "out.csv"]) == 1
    assert Path("out.csv").read_text() == "file,row,prediction\nb.csv,0,2.0\n"


def test_a_model_that_is_named_is_not_looked_for_elsewhere(
    capsys: pytest.CaptureFixture[str],
) -> None:
    put("baked/MLmodel", "{}")
    put("gone/other.txt", "")
    assert batch().main(["in", "--model", "gone"]) == 2
    line = "score: cannot load the model: LookupError: no MLmodel file in or below gone\n"
    assert capsys.readouterr().err == line


def test_the_model_is_found_as_on_the_online_endpoint(tmp_path: Path) -> None:
    places = batch().usual_places
    baked = str(tmp_path / "baked")
    assert places({}) == [baked]
    environ = {
        "AZUREML_MODEL_DIR": "azure",
        "MLFLOW_MODEL_FOLDER": "named",
        "ENVBUILD_MODEL_DIR": "ours",
    }
    assert places(environ) == [str(Path("azure/named")), "azure", "ours", baked]
    put("azure/deep/er/MLmodel", "{}")
    assert batch().find_model(["gone", "azure"]) == str(Path("azure/deep/er"))
    put("azure/other/one/MLmodel", "{}")
    with pytest.raises(
        LookupError, match="set MLFLOW_MODEL_FOLDER to one of azure/deep/er, azure/other/one"
    ):
        batch().find_model(["azure"])


def test_a_model_that_cannot_be_loaded_is_one_clear_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.delenv("AZUREML_MODEL_DIR", raising=False)
    monkeypatch.delenv("ENVBUILD_MODEL_DIR", raising=False)
    with pytest.raises(RuntimeError, match="cannot load the model"):
        batch().init()
    line = f"LookupError: no MLmodel file in or below {tmp_path / 'baked'}\n"
    assert capsys.readouterr().err == f"score: cannot load the model: {line}"
