"""Loading and predicting, judged on made-up answers."""

from __future__ import annotations

from pathlib import Path

from envbuild.errors import ToolError
from envbuild.model import Flavor, Model
from envbuild.verification.examples import Example
from envbuild.verification.prediction import load_and_predict, missing_weights
from envbuild.verification.report import skipped
from tests.support.verifying import NONE, bench, model, result


def test_weights_that_are_there_are_no_reason_to_skip(tmp_path: Path) -> None:
    (tmp_path / "model.pkl").write_bytes(b"\x80\x04")

    assert missing_weights(model(tmp_path, {"model_path": "model.pkl"})) == ""


def test_a_model_that_names_no_file_may_be_tried(tmp_path: Path) -> None:
    assert missing_weights(model(tmp_path, {"code": "code"})) == ""


def test_absent_weights_are_named(tmp_path: Path) -> None:
    assert missing_weights(model(tmp_path, {"data": "model.xgb"})) == (
        "no weights in the folder: model.xgb is not there"
    )


def test_a_pointer_in_the_place_of_weights_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.bin").write_bytes(b"\x00")
    (tmp_path / "data" / "model.pth").write_text("version https://git-lfs.github.com/spec/v1\n")

    assert missing_weights(model(tmp_path, {"data": "data"})) == (
        "no weights in the folder: data/model.pth is a Git LFS pointer; try: git lfs pull"
    )


def test_a_model_of_a_registry_has_no_weights(tmp_path: Path) -> None:
    fetched = Model(
        path=tmp_path, name="spam", flavors=(Flavor(name="python_function"),), partial=True
    )

    assert missing_weights(fetched) == (
        "the model was fetched from its registry without the weights"
    )


def test_a_model_that_mlflow_cannot_load_says_so(tmp_path: Path) -> None:
    assert missing_weights(Model(path=tmp_path, name="spam", flavors=())) == (
        "the model has no python_function flavor, which MLflow loads it by"
    )


def test_a_derived_example_that_fails_says_what_to_do(tmp_path: Path) -> None:
    derived = Example(form="raw", value=1, params=None, origin="an example", derived=True)
    answer = {
        "load": {"error": None, "seconds": 1.5},
        "predict": {"error": "ValueError: unknown category 'a'", "value": None, "seconds": 0.5},
    }

    loaded, predicted = load_and_predict(bench(result(answer)), model(tmp_path), "/m", derived)

    assert (loaded.outcome, loaded.seconds) == ("passed", 1.5)
    assert predicted.reason == "an example: ValueError: unknown category 'a'"
    assert predicted.details == (
        (
            "the model has no input example of its own, and may want other values than the "
            "derived ones: log it with input_example="
        ),
        "noise",
        "more noise",
    )


def test_without_an_example_the_model_is_still_loaded(tmp_path: Path) -> None:
    answer = {"load": {"error": None, "seconds": 1.5}}

    loaded, predicted = load_and_predict(bench(result(answer)), model(tmp_path), "/m", NONE)

    assert loaded.outcome == "passed"
    assert predicted == skipped("example predicts", "no input example")


def test_a_load_that_runs_out_of_time_fails(tmp_path: Path) -> None:
    late = ToolError("python did not end within 1800 s")

    loaded, predicted = load_and_predict(bench(late), model(tmp_path), "/m", NONE)

    assert loaded.reason == "python did not end within 1800 s"
    assert predicted.outcome == "skipped"
