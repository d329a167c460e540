"""The online script as the server sees it: bodies in, statuses and JSON out."""

from __future__ import annotations

import contextlib
import datetime as dt
import decimal
import gc
import json
import logging
import math
import re
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.scoring import (
    FakeModel,
    FakeRequest,
    Prediction,
    answer_of,
    column,
    online,
    scorer,
    tensor,
)

INPUTS = [column("double", "a"), column("string", "b")]
GOOD = b'{"input_data": {"a": [1, 2], "b": ["x", "y"]}}'


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> FakeModel:
    """A model behind ``run``, which answers with its first column."""
    fake = FakeModel(lambda data: data["a"].to_numpy())
    monkeypatch.setattr(online(), "scorer", scorer(INPUTS, model=fake))
    return fake


def ask(body: bytes, **request: object) -> tuple[int, object]:
    """Status and JSON of the answer to one request."""
    answer = online().run(FakeRequest(body, **request))  # type: ignore[arg-type]
    assert answer.headers == {"Content-Type": "application/json"}
    assert answer.failed == (answer.status >= 500)
    return answer.status, json.loads(answer.text)


def message(body: bytes, **request: object) -> tuple[int, str]:
    """Status and message of an answer that is not 200."""
    status, answer = ask(body, **request)
    assert isinstance(answer, dict)
    return status, answer["error"]["message"]


# --- requests ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("model")
def test_predictions_come_as_bare_json() -> None:
    assert ask(GOOD) == (200, [1.0, 2.0])


@pytest.mark.usefixtures("model")
@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "application/json",
        "application/json; charset=utf-8",
        "application/vnd.company+json",
        "text/json",
        "application/x-www-form-urlencoded",
    ],
)
def test_what_may_hold_json_is_accepted(content_type: str) -> None:
    assert ask(GOOD, content_type=content_type)[0] == 200


@pytest.mark.usefixtures("model")
@pytest.mark.parametrize("content_type", ["text/csv", "multipart/form-data", "image/png"])
def test_other_media_types_are_refused(content_type: str) -> None:
    wanted = (415, "Content-Type must be application/json")
    assert message(GOOD, content_type=content_type) == wanted


@pytest.mark.usefixtures("model")
@pytest.mark.parametrize("charset", ["utf-8", "utf-16", "utf-32", "utf-8-sig", "latin-1"])
def test_the_charset_of_the_content_type_counts(charset: str) -> None:
    body = GOOD.decode().replace("x", "ü").encode(charset)
    assert ask(body, content_type=f"application/json; charset={charset}")[0] == 200


@pytest.mark.usefixtures("model")
@pytest.mark.parametrize("charset", ["utf-8", "utf-16", "utf-32", "utf-8-sig"])
def test_a_body_of_unicode_needs_no_charset(charset: str) -> None:
    assert ask(GOOD.decode().encode(charset))[0] == 200


@pytest.mark.parametrize("charset", ["undefined", "idna", "utf-7\0"])
def test_an_odd_charset_is_refused_without_quoting_the_body(charset: str, model: FakeModel) -> None:
    body = b'{"input_data": [".\xfc"]}'
    status, text = message(body, content_type=f"application/json; charset={charset}")
    assert (status, text) == (400, "the body is not text of its charset")
    assert not model.given


def test_escaped_characters_of_two_halves_are_whole(model: FakeModel) -> None:
    assert ask(rb'{"input_data": [[1, "\ud83d\ude00"]]}')[0] == 200
    assert model.given[0]["b"].tolist() == ["\U0001f600"]


@pytest.mark.usefixtures("model")
def test_an_unknown_charset_is_refused() -> None:
    wanted = (415, "the charset of Content-Type is unknown")
    assert message(GOOD, content_type="application/json; charset=klingon") == wanted


@pytest.mark.usefixtures("model")
def test_a_byte_order_mark_is_no_part_of_the_json_whatever_the_charset() -> None:
    body = b"\xef\xbb\xbf" + GOOD
    assert ask(body, content_type="application/json; charset=utf-8")[0] == 200


@pytest.mark.usefixtures("model")
@pytest.mark.parametrize("coding", ["", "identity", "Identity"])
def test_a_body_may_be_said_to_be_as_it_is(coding: str) -> None:
    assert ask(GOOD, Content_Encoding=coding)[0] == 200


@pytest.mark.usefixtures("model")
def test_a_compressed_body_is_refused() -> None:
    wanted = (415, "send the body without Content-Encoding")
    assert message(GOOD, Content_Encoding="gzip") == wanted


@pytest.mark.usefixtures("model")
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_only_post_scores(method: str) -> None:
    assert message(GOOD, method=method) == (405, "send the input with POST")


@pytest.mark.usefixtures("model")
def test_options_is_left_to_the_server() -> None:
    answer = online().run(FakeRequest(b"", method="OPTIONS"))
    assert (answer.status, answer.text) == (200, "")


@pytest.mark.usefixtures("model")
@pytest.mark.parametrize("announce", [True, False])
def test_a_body_over_the_limit_is_refused(announce: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(online(), "MAX_BYTES", len(GOOD) - 1)
    wanted = (413, f"the body is larger than {len(GOOD) - 1} bytes")
    assert message(GOOD, announce=announce) == wanted
    monkeypatch.setattr(online(), "MAX_BYTES", len(GOOD))
    assert ask(GOOD, announce=announce)[0] == 200


class CutShort(FakeRequest):
    """A request whose client goes away, or sends chunks that are none."""

    def get_data(self, *, cache: bool) -> bytes:
        raise self.error

    @property
    def stream(self) -> Any:
        raise self.error

    @stream.setter
    def stream(self, value: object) -> None:
        pass

    error: Exception = OSError("no more data")


@pytest.mark.usefixtures("model")
@pytest.mark.parametrize("announce", [True, False])
def test_a_body_that_cannot_be_read_to_its_end_is_the_clients_fault(
    announce: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = online().run(CutShort(GOOD, announce=announce))
    words = "the body is cut short, or not in the chunks that it should be"
    assert (answer.status, json.loads(answer.text)) == (400, {"error": {"message": words}})
    monkeypatch.setattr(CutShort, "error", TimeoutError())
    with pytest.raises(TimeoutError):  # the server's alarm
        online().run(CutShort(GOOD, announce=announce))


@pytest.mark.usefixtures("model")
@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "the body is empty"),
        (b" \n", "the body is empty"),
        (b'{"input_data": [1,]}', r"the body is not JSON: .*: line 1 column \d+ \(char \d+\)"),
        (b"\xff\xfe\xfa", "the body is not utf-16 text"),
        (b'{"input_data": "\xfc"}', "the body is not utf-8 text"),
        (b'{"inputs": ' + b"[" * 200_000 + b"]" * 200_000 + b"}", "the body is nested too deeply"),
        (b'{"inputs": ' + b"1" * 5000 + b"}", "the body has a number with too many digits"),
        (
            rb'{"inputs": ["a\ud800"]}',
            "the body has half a character: a surrogate without its pair",
        ),
    ],
    ids=["empty", "blank", "comma", "utf-16", "latin-1", "deep", "digits", "surrogate"],
)
def test_a_body_that_is_not_json_is_told_why(body: bytes, words: str) -> None:
    status, text = message(body)
    assert status == 400
    assert re.fullmatch(words, text)


@pytest.mark.usefixtures("model")
def test_a_misfit_is_told_by_field_and_row() -> None:
    assert ask(b'{"input_data": {"a": [1, "x"], "b": ["x", "y"]}}') == (
        400,
        {
            "error": {
                "message": "the request does not fit the model's signature",
                "problems": [{"field": "a", "row": 1, "expected": "double", "received": "string"}],
            }
        },
    )


def test_a_misfit_never_reaches_the_model(model: FakeModel) -> None:
    ask(b'{"input_data": {"a": ["x"], "b": ["y"]}}')
    assert model.given == []


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["a", "b", "data", "columns", "index"]), inner, max_size=3
            )
        ),
        max_leaves=8,
    ),
    st.sampled_from(
        ["input_data", "dataframe_split", "dataframe_records", "instances", "inputs", "params"]
    ),
)
@settings(deadline=None, max_examples=300)
def test_no_body_makes_the_script_fail(data: object, key: str) -> None:
    body = json.dumps({key: data}).encode()
    for inputs in (INPUTS, [column("long", None)], [column({"type": "any"}, "a")]):
        made = scorer(inputs, params=[{"name": "a", "type": "long", "default": 1}])
        with contextlib.suppress(online().RequestError):
            made.enforce(online().parse(body))


@pytest.mark.parametrize("inputs", [None, [tensor("object", [-1])], [column({"type": "any"}, "a")]])
@pytest.mark.parametrize("depth", [33, 70, 480, 900, 980])
@pytest.mark.parametrize(("left", "right"), [("[", "]"), ('{"a":', "}"), ('{"a":[', "]}")])
def test_no_depth_makes_the_script_fail(
    inputs: list[object] | None, depth: int, left: str, right: str
) -> None:
    made = scorer(inputs)
    for key in ("inputs", "input_data"):
        body = f'{{"{key}": {left * depth}1{right * depth}}}'
        with contextlib.suppress(online().RequestError):
            made.enforce(online().parse(body.encode()))


# --- parameters --------------------------------------------------------------------------------

PARAMS = [
    {"name": "beams", "type": "integer", "default": 2, "shape": None},
    {"name": "stop", "dtype": "string", "default": ["."], "shape": [-1]},
    {"name": "since", "type": "datetime", "default": "2020-01-01", "shape": None},
]

NOT_PLAIN = "string that is not a date of ISO 8601 to the microsecond"


def params_given(params: object, spec: object = PARAMS) -> dict[str, object]:
    fake = FakeModel()
    made = scorer(INPUTS, params=spec, model=fake)  # type: ignore[arg-type]
    made.score({**json.loads(GOOD), "params": params})
    return dict(fake.params[0])


def test_known_params_go_to_the_model() -> None:
    sent = {"beams": 3, "stop": ["a", "b"], "since": "2021-01-01"}
    assert params_given(sent) == sent


def test_a_null_parameter_is_passed_on() -> None:
    assert params_given({"beams": None}) == {"beams": None}


def test_a_model_with_params_gets_none_when_none_are_sent() -> None:
    assert params_given(None) == {}


def test_unknown_params_are_ignored_and_not_quoted(capsys: pytest.CaptureFixture[str]) -> None:
    assert params_given({"beams": 1, "secret": "value"}) == {"beams": 1}
    warning = "score: ignored params that the model's signature does not have\n"
    assert capsys.readouterr().err == warning


def test_a_model_without_params_is_called_without(capsys: pytest.CaptureFixture[str]) -> None:
    fake = FakeModel()
    scorer(INPUTS, model=fake).score({**json.loads(GOOD), "params": {"a": 1}})
    assert fake.params == []
    assert capsys.readouterr().err.startswith("score: ignored params")


@pytest.mark.parametrize(
    ("params", "problems"),
    [
        ({"beams": 2.5}, ["beams[None]: integer, number"]),
        ({"beams": "2"}, ["beams[None]: integer, string"]),
        ({"beams": [2]}, ["beams[None]: integer, array"]),
        ({"stop": "."}, ["stop[None]: array of string, string"]),
        ({"stop": [".", 1]}, ["stop[1][None]: string, integer"]),
        (
            {"since": "never", "beams": True},
            ["since[None]: datetime, string that is not a date", "beams[None]: integer, boolean"],
        ),
        ({"since": "01/02/2020"}, [f"since[None]: datetime, {NOT_PLAIN}"]),
        ({"since": "nan"}, [f"since[None]: datetime, {NOT_PLAIN}"]),
        ({"since": "2020-01-01T00:00:00.000000001"}, [f"since[None]: datetime, {NOT_PLAIN}"]),
        ([1], ["params[None]: object, array"]),
        ("x", ["params[None]: object, string"]),
    ],
)
def test_a_misfit_of_params_is_told_beside_that_of_the_data(
    params: object, problems: list[str]
) -> None:
    made = scorer(INPUTS, params=PARAMS)
    with pytest.raises(online().RequestError) as caught:
        made.enforce({"input_data": {"a": ["x"], "b": ["y"]}, "params": params})
    told = [f"{p.field}[{p.row}]: {p.expected}, {p.received}" for p in caught.value.problems]
    assert told == [*problems, "a[0]: double, string"]


# --- a model that fails ------------------------------------------------------------------------


def failing(error: BaseException) -> Prediction:
    def predict(data: object) -> object:
        raise error

    return predict


def test_a_failure_has_an_id_and_nothing_else(
    model: FakeModel, capsys: pytest.CaptureFixture[str]
) -> None:
    model.prediction = failing(KeyError("secret"))
    status, answer = ask(GOOD)
    assert isinstance(answer, dict)
    error_id = answer["error"].pop("id")
    assert uuid.UUID(error_id).version == 4
    assert (status, answer) == (
        500,
        {"error": {"message": "the model failed; its log has more under this id"}},
    )
    logged = capsys.readouterr().err
    assert logged.startswith(f"score: error {error_id}: KeyError\n  File ")
    assert "in predict" in logged
    assert "secret" not in logged


def test_the_messages_of_a_failure_are_logged_when_allowed(
    model: FakeModel, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENVBUILD_LOG_MESSAGES", "1")
    error = ValueError("bad\nvalue")
    error.__cause__ = KeyError("key")
    model.prediction = failing(error)
    assert ask(GOOD)[0] == 500
    assert "ValueError: bad value from KeyError: 'key'\n" in capsys.readouterr().err


def test_the_alarm_of_the_server_is_left_to_it(model: FakeModel) -> None:
    alarm: dict[str, Any] = {}
    source = "def ring(data):\n    raise TimeoutError\n"
    exec(compile(source, "azureml_inference_server_http/server/utils.py", "exec"), alarm)
    model.prediction = alarm["ring"]
    with pytest.raises(TimeoutError):
        ask(GOOD)


@pytest.mark.usefixtures("capsys")
@pytest.mark.parametrize("error", [TimeoutError("secret"), SystemExit(3)])
def test_a_model_that_times_out_or_exits_has_failed_as_any_other(
    error: BaseException, model: FakeModel
) -> None:
    model.prediction = failing(error)
    status, answer = ask(GOOD)
    assert isinstance(answer, dict)
    assert (status, set(answer["error"])) == (500, {"message", "id"})


def test_a_model_that_exits_while_it_is_loaded_is_one_clear_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(online(), "find_model", lambda environ: sys.exit("no licence"))
    with pytest.raises(RuntimeError):
        online().init()
    assert capsys.readouterr().err == "score: cannot load the model: SystemExit: no licence\n"


@pytest.mark.usefixtures("capsys")
def test_a_prediction_that_json_cannot_hold_is_a_failure(model: FakeModel) -> None:
    loop: list[object] = []
    loop.append(loop)
    model.prediction = lambda data: loop
    assert ask(GOOD)[0] == 500


# --- predictions as JSON -----------------------------------------------------------------------


class Pydantic:
    def model_dump(self) -> dict[str, object]:
        return {"n": 1}


class OldPydantic:
    def dict(self) -> dict[str, object]:
        return {"n": 1}

    def __iter__(self) -> Iterator[object]:
        return iter([("n", 1)])


class Tensorflow:
    def numpy(self) -> object:
        return np.array([1.5])

    def __iter__(self) -> Iterator[object]:
        raise TypeError


@dataclass
class Answer:
    label: str
    scores: object


class Torch:
    def tolist(self) -> list[object]:
        return [1.5]


class Sparse:
    def toarray(self) -> object:
        return np.array([[0, 1]])


@pytest.mark.parametrize(
    ("prediction", "answer"),
    [
        (np.array([1, 2]), [1, 2]),
        (np.array([[0.5], [math.nan]], dtype="float32"), [[0.5], [None]]),
        (np.array(["a"]), ["a"]),
        (np.array([None, 1, {"k": np.int8(1)}], dtype=object), [None, 1, {"k": 1}]),
        (np.array(["2020-01-02", "NaT"], dtype="datetime64[D]"), ["2020-01-02", None]),
        (np.float32(0.5), 0.5),
        (np.bool_(True), True),
        (np.datetime64("2020-01-02T03:04"), "2020-01-02T03:04"),
        (pd.DataFrame({"a": [1, 2], "b": ["x", None]}), [{"a": 1, "b": "x"}, {"a": 2, "b": None}]),
        (pd.DataFrame({0: [0.5, math.nan]}), [{"0": 0.5}, {"0": None}]),
        (pd.DataFrame({("a", 1): [math.inf]}), [{"('a', 1)": None}]),
        (
            pd.DataFrame({"a": pd.to_datetime(["2020-01-02", None])}),
            [{"a": "2020-01-02T00:00:00"}, {"a": None}],
        ),
        (pd.DataFrame({"a": pd.array([1, None], dtype="Int64")}), [{"a": 1}, {"a": None}]),
        (pd.Series([1.5], name="y"), [{"y": 1.5}]),
        (pd.Series([1]), [{"0": 1}]),
        (pd.Timestamp("2020-01-02"), "2020-01-02T00:00:00"),
        (pd.NaT, None),
        (dt.date(2020, 1, 2), "2020-01-02"),
        (dt.time(3, 4), "03:04:00"),
        (dt.timedelta(days=1), "1 day, 0:00:00"),
        (decimal.Decimal("1.5"), 1.5),
        (b"hello", "aGVsbG8="),
        ([b"hi", math.nan, (1, math.inf)], ["aGk=", None, [1, None]]),
        ({"a": np.array([1]), 2: {math.nan}}, {"a": [1], "2": [None]}),
        ({np.int64(1): "x"}, {"1": "x"}),
        ("text", "text"),
        ("\ud800", "\ud800"),
        (None, None),
        (2**70, 2**70),
        (True, True),
        ((1, "a"), [1, "a"]),
        ({"x"}, ["x"]),
        ((n for n in (1, 2)), [1, 2]),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Pydantic(), {"n": 1}),
        (OldPydantic(), {"n": 1}),
        (Tensorflow(), [1.5]),
        ([Answer("a", np.array([1.0]))], [{"label": "a", "scores": [1.0]}]),
        (np.array([np.longdouble(1.5), 2]), [1.5, 2.0]),
        (memoryview(b"hello"), "aGVsbG8="),
        (pd.to_datetime(["2020-01-02"], utc=True), ["2020-01-02T00:00:00+00:00"]),
        (
            pd.DataFrame([[1, 2, 3]], columns=["y", "x", "y"]),
            [{"y": 1, "x": 2, "y.1": 3}],
        ),
        (Torch(), [1.5]),
        (Sparse(), [[0, 1]]),
    ],
)
def test_predictions_of_every_kind_become_json(prediction: object, answer: object) -> None:
    assert answer_of(prediction) == answer


@given(st.lists(st.floats()))
def test_finite_numbers_survive_and_others_are_null(values: list[float]) -> None:
    wanted = [value if math.isfinite(value) else None for value in values]
    assert answer_of(np.array(values)) == wanted
    assert answer_of(values) == wanted


# --- finding the model -------------------------------------------------------------------------


def put(*parts: str | Path) -> str:
    """Make a folder with an MLmodel file."""
    path = Path(*parts)
    path.mkdir(parents=True)
    (path / "MLmodel").write_text("flavors: {}\n")
    return str(path)


@pytest.fixture(autouse=True)
def _nothing_baked_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(online(), "BAKED_IN", str(tmp_path / "baked"))


@pytest.mark.parametrize("below", ["", "model", "any/name/1"])
def test_the_model_is_found_in_or_below_the_folder_of_azure(tmp_path: Path, below: str) -> None:
    found = put(tmp_path / "azure", below)
    assert online().find_model({"AZUREML_MODEL_DIR": str(tmp_path / "azure")}) == found.rstrip("/")


def test_the_named_folder_goes_before_the_others(tmp_path: Path) -> None:
    put(tmp_path, "a")
    second = put(tmp_path, "b")
    environ = {"AZUREML_MODEL_DIR": str(tmp_path), "MLFLOW_MODEL_FOLDER": "b"}
    assert online().find_model(environ) == second


def test_a_named_folder_that_is_not_there_is_no_obstacle(tmp_path: Path) -> None:
    only = put(tmp_path, "a")
    environ = {"AZUREML_MODEL_DIR": str(tmp_path), "MLFLOW_MODEL_FOLDER": "b"}
    assert online().find_model(environ) == only


def test_two_models_side_by_side_are_a_question(tmp_path: Path) -> None:
    put(tmp_path, "a")
    put(tmp_path, "b")
    put(tmp_path, "a", "nested")
    with pytest.raises(LookupError) as caught:
        online().find_model({"AZUREML_MODEL_DIR": str(tmp_path)})
    both = f"{tmp_path / 'a'}, {tmp_path / 'b'}"
    assert str(caught.value) == f"set MLFLOW_MODEL_FOLDER to one of {both}"


def test_hidden_folders_hold_no_model(tmp_path: Path) -> None:
    put(tmp_path, ".ipynb_checkpoints")
    shown = put(tmp_path, "model")
    assert online().find_model({"AZUREML_MODEL_DIR": str(tmp_path)}) == shown


def test_the_folder_of_azure_goes_before_ours_and_ours_before_the_image(tmp_path: Path) -> None:
    baked, ours, azure = (put(tmp_path, name) for name in ("baked", "ours", "azure"))
    environ = {"AZUREML_MODEL_DIR": azure, "ENVBUILD_MODEL_DIR": ours}
    assert online().find_model(environ) == azure
    Path(azure, "MLmodel").unlink()
    assert online().find_model(environ) == ours
    assert online().find_model({}) == baked


def test_every_place_without_a_model_is_named(tmp_path: Path) -> None:
    (tmp_path / "azure").mkdir()
    environ = {
        "AZUREML_MODEL_DIR": str(tmp_path / "azure"),
        "MLFLOW_MODEL_FOLDER": "named",
        "ENVBUILD_MODEL_DIR": str(tmp_path / "gone"),
    }
    with pytest.raises(LookupError) as caught:
        online().find_model(environ)
    places = ", ".join(str(tmp_path / name) for name in ("azure/named", "azure", "gone", "baked"))
    assert str(caught.value) == f"no MLmodel file in or below {places}"


def test_a_model_that_cannot_be_loaded_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AZUREML_MODEL_DIR", str(tmp_path))
    line = f"cannot load the model: LookupError: no MLmodel file in or below {tmp_path}, {tmp_path}"
    with pytest.raises(RuntimeError, match=re.escape(line)):
        online().init()
    assert capsys.readouterr().err == f"score: {line}/baked\n"


def test_what_is_loaded_is_left_out_of_searches_for_garbage(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(logging.getLogger("azmlinfsrv"), "filters", [])
    monkeypatch.setattr(online(), "scorer", None)
    monkeypatch.setattr(online(), "find_model", lambda _: "")
    monkeypatch.setattr(online(), "load", lambda _: scorer(INPUTS))
    gc.unfreeze()
    try:
        online().init()
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()


def test_the_log_leaves_out_what_the_server_says_of_every_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    server = logging.getLogger("azmlinfsrv")
    monkeypatch.setattr(server, "filters", [])
    monkeypatch.setenv("AZUREML_MODEL_DIR", str(tmp_path))
    with pytest.raises(RuntimeError):
        online().init()
    with caplog.at_level("INFO", "azmlinfsrv"):
        server.info("run() output is HTTP Response")
        server.info("POST /score 200 1.107ms 83")
    assert caplog.messages == ["POST /score 200 1.107ms 83"]
