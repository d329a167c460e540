"""Requests, good and bad, for every model of ``scoring_models``."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence

from tests.support.scoring_models import Request

__all__ = ["REQUESTS"]

JSON = "application/json"
HUGE = 100 * 1024 * 1024


def _send(
    title: str, model: str, status: int, key: str, data: object, *, why: str = "", **extra: object
) -> Request:
    """Data under one of the keys that both servers know."""
    body = json.dumps({key: data, **extra}).encode()
    headers = {"Content-Type": JSON}
    return Request(
        title=title, model=model, status=status, body=body, mlflow=body, headers=headers, why=why
    )


def _azure(
    title: str, model: str, status: int, data: object, *, key: str = "", why: str = ""
) -> Request:
    """Data under Azure's key; ``key`` is MLflow's, if it has one for such data."""
    return Request(
        title=title,
        model=model,
        status=status,
        body=json.dumps({"input_data": data}).encode(),
        mlflow=json.dumps({key: data}).encode() if key else None,
        headers={"Content-Type": JSON},
        why=why,
    )


# Why a verdict is not that of MLflow's server.
CAST = "its server casts what it reads, so the model gets another value; its enforcement refuses"
ANY = "there a string column takes any object, and the model may fail on it"
ROUNDED = "there the model gets another number"
_ROW: Mapping[str, object] = {
    "b": True,
    "i": 1,
    "l": 2,
    "f": 0.5,
    "d": 1.5,
    "s": "x",
    "y": "aGk=",
    "t": "2020-01-02",
}


def _row(title: str, status: int, *, why: str = "", **changes: object) -> Request:
    """A record of the table with every type, changed in some of its columns."""
    return _send(title, "columns", status, "dataframe_records", [{**_ROW, **changes}], why=why)


def _body(
    title: str,
    status: int,
    body: bytes,
    *,
    why: str = "",
    method: str = "POST",
    padding: int = 0,
    **headers: str,
) -> Request:
    """A body as it is, to the table with every type."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request(
        title=title,
        model="columns",
        status=status,
        body=body,
        mlflow=body,
        method=method,
        padding=padding,
        headers={"Content-Type": JSON, **named},
        why=why,
    )


def _split(rows: Sequence[Sequence[object]], **more: object) -> dict[str, object]:
    return {"columns": list(_ROW), "data": rows, **more}


def _without(name: str) -> dict[str, object]:
    return {key: value for key, value in _ROW.items() if key != name}


_VALUES = list(_ROW.values())
_GOOD = json.dumps({"dataframe_records": [_ROW]})
_LATE = [[*_VALUES[:2], 2.5 if row == 9_999 else 2, *_VALUES[3:]] for row in range(10_000)]
_WHO = {"tags": [1, 2], "who": {"name": "a", "age": 3}, "marks": {"m": 0.5}}
_CUBE = [[[1, 2], [3, 4.5]]]

LAYOUTS = (
    _send("split", "columns", 200, "dataframe_split", _split([_VALUES, _VALUES])),
    _azure("split with an index", "columns", 200, _split([_VALUES], index=["a"])),
    _azure("records", "columns", 200, [_ROW]),
    _azure("rows by position", "columns", 200, [_VALUES]),
    _send(
        "columns",
        "columns",
        200,
        "inputs",
        {key: [value] for key, value in _ROW.items()},
    ),
    _send("records as instances", "columns", 200, "instances", [_ROW]),
    _azure("one record", "columns", 200, _ROW),
    _send(
        "columns in another order, one more",
        "columns",
        200,
        "dataframe_records",
        [{"extra": [1], **{name: _ROW[name] for name in "tysdflib"}}],
    ),
    _send("no column t", "columns", 400, "dataframe_records", [_without("t")]),
    _send(
        "t is missing in the second record",
        "columns",
        400,
        "dataframe_records",
        [_ROW, _without("t")],
        why="what is required is required in every record; there it becomes null",
    ),
    _azure(
        "rows of different widths",
        "columns",
        400,
        {"columns": ["l", "d"], "data": [[1, 2], [1]]},
        key="dataframe_split",
    ),
    _azure(
        "fewer names than values",
        "columns",
        400,
        {"columns": ["l"], "data": [[1, 2]]},
        key="dataframe_split",
    ),
    _azure(
        "a name twice",
        "columns",
        400,
        {"columns": ["l", "l"], "data": [[1, 2]]},
        key="dataframe_split",
    ),
    _azure(
        "an index of another length",
        "columns",
        400,
        _split([_VALUES], index=[1, 2]),
        key="dataframe_split",
        why="there the row is scored twice",
    ),
    _azure(
        "no rows",
        "columns",
        400,
        _split([]),
        key="dataframe_split",
        why="most models fail without a row",
    ),
    _azure("data is text", "columns", 400, _split("x"), key="dataframe_split"),
    _azure("data is a number", "columns", 400, 5),
    _azure(
        "columns of different lengths", "columns", 400, {"l": [1], "d": [1.5, 2.5]}, key="inputs"
    ),
    _send("records that are no objects", "columns", 400, "dataframe_records", [1, 2]),
    _send(
        "too few values for columns without names",
        "unnamed",
        400,
        "dataframe_split",
        {"data": [[1]]},
    ),
    _send("columns without names", "unnamed", 200, "dataframe_split", {"data": [[1, 2]]}),
)

TYPES = (
    _row(
        "null in every type that has one",
        200,
        b=None,
        f=None,
        d=None,
        s=None,
        y=None,
        t=None,
        why="its server cannot decode null; its enforcement takes it, as a boolean from 2.10 on",
    ),
    _row("integers for float and double", 200, f=1, d=2),
    _row("NaN and infinity for float and double", 200, f=float("nan"), d=float("inf")),
    _row("a date with a time to the microsecond", 200, t="2020-01-02T03:04:05.000006"),
    _row("half a character of UTF-16 in a string", 400, s="\ud800"),
    _row("2.5 for integer", 400, i=2.5, why=CAST),
    _row("2.5 for long", 400, l=2.5, why=CAST),
    _row("2.0 for long", 400, l=2.0, why=CAST),
    _row("null for long", 400, l=None),
    _row("NaN for long", 400, l=float("nan")),
    _row("text for long", 400, l="2", why=CAST),
    _row("true for long", 400, l=True, why=CAST),
    _row("2 ** 31 for integer", 400, i=2**31, why=CAST),
    _row("2 ** 63 for long", 400, l=2**63, why=CAST),
    _row("10 ** 400 for long", 400, l=10**400),
    _row("10 ** 400 for double", 400, d=10**400),
    _row("2 ** 53 + 1 for double", 400, d=2**53 + 1, why=ROUNDED),
    _row("2 ** 24 + 1 for float", 400, f=2**24 + 1, why=ROUNDED),
    _row("1e300 for float", 400, f=1e300, why=ROUNDED),
    _row("text for double", 400, d="x"),
    _row("true for double", 400, d=True, why=CAST),
    _row("a list for double", 400, d=[1.5]),
    _row("an object for string", 400, s={"a": 1}, why=ANY),
    _row("a number for string", 400, s=5, why=CAST),
    _row("1 for boolean", 400, b=1, why=CAST),
    _row("text for boolean", 400, b="true", why=CAST),
    _row("not base64 for binary", 400, y="not base64!"),
    _row("a number for binary", 400, y=5),
    _row("no date for datetime", 400, t="tomorrow"),
    _row("a time zone for datetime", 400, t="2020-01-02T00:00:00Z"),
    _row("a number for datetime", 400, t=5, why=CAST),
    _row("a date beyond nanoseconds", 400, t="9999-12-31"),
    _row("every column wrong at once", 400, b="x", i="x", l="x", f="x", d="x", s=1, y=1, t="x"),
    _send(
        "2.5 for long in row 9,999 of 10,000",
        "columns",
        400,
        "dataframe_split",
        _split(_LATE),
        why=CAST,
    ),
    _send(
        "text for long in 30 rows",
        "columns",
        400,
        "dataframe_split",
        _split([[*_VALUES[:2], "x", *_VALUES[3:]]] * 30),
    ),
    _row("the model fails", 500, s="fail"),
)

BODIES = (
    _body("empty", 400, b""),
    _body("cut off", 400, _GOOD.encode()[:-3]),
    _body("more after the end", 400, _GOOD.encode() + b"}"),
    _body("encoded twice", 400, json.dumps(_GOOD).encode()),
    _body("a list", 400, b"[1]"),
    _body("null", 400, b"null"),
    _body("no key of data", 400, b'{"data": [[1]]}'),
    _body("two keys of data", 400, _GOOD.encode()[:-1] + b', "inputs": [[1]]}'),
    _body("50,000 brackets deep", 400, b'{"inputs": ' + b"[" * 50_000 + b"]" * 50_000 + b"}"),
    _body("a number of 5,000 digits", 400, _GOOD.replace("1.5", "1" * 5000).encode()),
    _body("Latin-1 instead of UTF-8", 400, _GOOD.replace("x", "\xe9").encode("latin-1")),
    _body("UTF-16", 200, _GOOD.encode("utf-16")),
    _body(
        "a byte order mark, and the charset",
        200,
        _GOOD.encode("utf-8-sig"),
        Content_Type=f"{JSON}; charset=utf-8",
    ),
    _body(
        "Latin-1, and it says so",
        200,
        _GOOD.encode(),
        Content_Type=f"{JSON}; charset=latin-1",
        why="it reads UTF-8 only",
    ),
    _body("an unknown charset", 415, _GOOD.encode(), Content_Type=f"{JSON}; charset=klingon"),
    _body(
        "declared a form, as curl -d does",
        200,
        _GOOD.encode(),
        Content_Type="application/x-www-form-urlencoded",
        why="the body is JSON all the same",
    ),
    _body("CSV", 415, b"l,d\n1,2\n", Content_Type="text/csv"),
    _body("plain text", 415, b"hello", Content_Type="text/plain"),
    _body("compressed", 415, gzip.compress(_GOOD.encode(), mtime=0), Content_Encoding="gzip"),
    _body("GET", 405, b"", method="GET"),
    _body("larger than 100 MiB", 413, _GOOD.encode(), padding=HUGE, why="it has no limit"),
)

OTHERS = (
    _azure("text", "text", 200, "hello"),
    _azure("texts", "text", 200, ["hello", "you"]),
    _azure("a number", "text", 400, 5),
    _azure("a list of numbers", "text", 400, [5]),
    _send("no params", "params", 200, "dataframe_records", [{"x": 1.5}]),
    _send(
        "params of every type",
        "params",
        200,
        "dataframe_records",
        [{"x": 1.5, "note": None}],
        params={"heat": 2, "top": 5, "stop": ["!", "?"]},
    ),
    _send(
        "an unknown param",
        "params",
        200,
        "dataframe_records",
        [{"x": 1.5}],
        params={"colour": "red"},
    ),
    _send(
        "text for a double",
        "params",
        400,
        "dataframe_records",
        [{"x": 1.5}],
        params={"heat": "hot"},
    ),
    _send("2.5 for a long", "params", 400, "dataframe_records", [{"x": 1.5}], params={"top": 2.5}),
    _send(
        "one text for an array",
        "params",
        400,
        "dataframe_records",
        [{"x": 1.5}],
        params={"stop": "!"},
    ),
    _send(
        "a number in an array of strings",
        "params",
        400,
        "dataframe_records",
        [{"x": 1.5}],
        params={"stop": ["!", 1]},
    ),
    _send("params are a list", "params", 400, "dataframe_records", [{"x": 1.5}], params=[1]),
    _send(
        "params to a model that has none",
        "columns",
        200,
        "dataframe_records",
        [_ROW],
        params={"heat": 1},
    ),
    _send("all there", "nested", 200, "dataframe_records", [_WHO]),
    _send(
        "without what is optional",
        "nested",
        200,
        "dataframe_records",
        [{"tags": [], "who": {"name": "a"}}],
    ),
    _send(
        "text in an array of longs",
        "nested",
        400,
        "dataframe_records",
        [{**_WHO, "tags": [1, "2"]}],
    ),
    _send(
        "2.5 in an array of longs", "nested", 400, "dataframe_records", [{**_WHO, "tags": [2.5]}]
    ),
    _send("no array", "nested", 400, "dataframe_records", [{**_WHO, "tags": 1}]),
    _send(
        "an object without a required property",
        "nested",
        400,
        "dataframe_records",
        [{**_WHO, "who": {"age": 3}}],
    ),
    _send(
        "an object with a property too many",
        "nested",
        400,
        "dataframe_records",
        [{**_WHO, "who": {"name": "a", "size": 3}}],
    ),
    _send(
        "text in a map of doubles",
        "nested",
        400,
        "dataframe_records",
        [{**_WHO, "marks": {"m": "x"}}],
    ),
    _send("a tensor", "tensor", 200, "inputs", _CUBE),
    _send("another shape", "tensor", 400, "inputs", [[[1, 2, 3]]]),
    _send("another rank", "tensor", 400, "inputs", [1, 2]),
    _send("rows of different lengths", "tensor", 400, "inputs", [[[1, 2], [3]]]),
    _send("text in a tensor", "tensor", 400, "inputs", [[["a", 2], [3, 4]]]),
    _send("1e300 for float32", "tensor", 400, "inputs", [[[1e300, 2], [3, 4]]], why=ROUNDED),
    _send("null in a tensor of floats", "tensor", 200, "inputs", [[[None, 2], [3, 4]]]),
    _send("both", "tensors", 200, "inputs", {"ids": [1, 2], "pixels": [[0, 255], [1, 2]]}),
    _send("without ids", "tensors", 400, "inputs", {"pixels": [[0, 255]]}),
    _send("256 for uint8", "tensors", 400, "inputs", {"ids": [1], "pixels": [[0, 256]]}),
    _send("2.5 for int64", "tensors", 400, "inputs", {"ids": [2.5], "pixels": [[0, 1]]}, why=CAST),
    _send("a pixel of three", "tensors", 400, "inputs", {"ids": [1], "pixels": [[0, 1, 2]]}),
    _send("any table", "none", 200, "dataframe_split", {"columns": ["a"], "data": [[1], ["x"]]}),
    _send("any list", "none", 200, "inputs", [[1, 2], [3, 4]]),
    _send(
        "rows of different lengths",
        "none",
        200,
        "inputs",
        [[1, 2], [3]],
        why="it is for the model to say",
    ),
)

REQUESTS = (*LAYOUTS, *TYPES, *BODIES, *OTHERS)
