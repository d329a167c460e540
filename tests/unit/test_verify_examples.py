"""The example that a model is asked: its own in every form MLflow writes, or a derived one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from envbuild.model import ColumnField, Model, Signature, TensorField
from envbuild.reading.mlmodel import InputExample
from envbuild.verification.examples import Example, NoExample, find_example


def model(
    folder: Path, saved: InputExample | None = None, *inputs: ColumnField | TensorField
) -> Model:
    signature = Signature(inputs=inputs) if inputs else None
    return Model(path=folder, name="spam", flavors=(), signature=signature, input_example=saved)


def with_file(folder: Path, saved: InputExample, value: object) -> Model:
    (folder / saved.path).write_text(json.dumps(value))
    return model(folder, saved)


def derived(folder: Path, *inputs: ColumnField | TensorField) -> object:
    found = find_example(model(folder, None, *inputs))
    assert isinstance(found, Example), found
    assert found.derived
    assert found.origin == "an example derived from the signature"
    return {found.form: found.value}


SPLIT = {"columns": ["a", "b"], "data": [[1, 2.5]]}
DATAFRAME = InputExample(path="input_example.json", type="dataframe", pandas_orient="split")


@pytest.mark.parametrize(
    ("kind", "orient", "value", "form", "expected"),
    [
        ("dataframe", "split", SPLIT, "dataframe_split", SPLIT),
        ("dataframe", "", SPLIT, "dataframe_split", SPLIT),
        (
            "dataframe",
            "values",
            [[1, 2], [3, 4]],
            "dataframe_split",
            {"columns": [0, 1], "data": [[1, 2], [3, 4]]},
        ),
        ("dataframe", "values", [], "dataframe_split", {"columns": [], "data": []}),
        ("ndarray", "", {"inputs": [[1.0]]}, "inputs", [[1.0]]),
        ("ndarray", "", {"inputs": {"x": [1]}}, "inputs", {"x": [1]}),
        ("ndarray", "", [[1.0]], "inputs", [[1.0]]),
        ("json_object", "", {"messages": ["hi"]}, "raw", {"messages": ["hi"]}),
        ("json_object", "", "hi", "raw", "hi"),
    ],
)
def test_a_saved_example_is_read_in_the_form_it_was_written(
    tmp_path: Path, kind: str, orient: str, value: object, form: str, expected: object
) -> None:
    saved = InputExample(path="input_example.json", type=kind, pandas_orient=orient)

    found = find_example(with_file(tmp_path, saved, value))

    assert found == Example(form=form, value=expected, params=None, origin="input_example.json")


def test_params_of_a_saved_example_stand_beside_it(tmp_path: Path) -> None:
    value = {"inputs": SPLIT, "params": {"n": 2}}

    found = find_example(with_file(tmp_path, DATAFRAME, value))

    assert found == Example(
        form="dataframe_split", value=SPLIT, params={"n": 2}, origin="input_example.json"
    )


@pytest.mark.parametrize(
    ("body", "form", "value", "params"),
    [
        ({"dataframe_split": SPLIT}, "dataframe_split", SPLIT, None),
        ({"inputs": [1], "params": {"n": 2}}, "inputs", [1], {"n": 2}),
        ({"messages": []}, "raw", {"messages": []}, None),
    ],
)
def test_the_body_of_a_request_is_preferred(
    tmp_path: Path, body: object, form: str, value: object, params: object
) -> None:
    saved = replace(DATAFRAME, serving_path="serving_input_example.json")
    (tmp_path / "serving_input_example.json").write_text(json.dumps(body))

    found = find_example(with_file(tmp_path, saved, SPLIT))

    assert isinstance(found, Example)
    assert (found.form, found.value, found.params) == (form, value, params)
    assert found.origin == "serving_input_example.json"


def test_without_the_body_of_a_request_the_example_itself_is_taken(tmp_path: Path) -> None:
    saved = replace(DATAFRAME, serving_path="serving_input_example.json")

    found = find_example(with_file(tmp_path, saved, SPLIT))

    assert isinstance(found, Example)
    assert found.origin == "input_example.json"


def no_signature(reason: str) -> NoExample:
    return NoExample(reason=f"{reason}, and no signature to derive one from")


def test_without_example_and_signature_it_says_so(tmp_path: Path) -> None:
    assert find_example(model(tmp_path)) == no_signature("no input example")


def test_an_example_that_is_not_there_is_named(tmp_path: Path) -> None:
    found = find_example(model(tmp_path, DATAFRAME))

    assert isinstance(found, NoExample)
    assert found.reason.startswith("the input example cannot be read (")


def test_an_example_outside_the_model_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret.json").write_text(json.dumps(SPLIT))
    (tmp_path / "model").mkdir()

    found = find_example(model(tmp_path / "model", replace(DATAFRAME, path="../secret.json")))

    assert isinstance(found, NoExample)


def test_an_example_that_is_no_json_is_named(tmp_path: Path) -> None:
    (tmp_path / "input_example.json").write_text("{")

    found = find_example(model(tmp_path, DATAFRAME))

    assert isinstance(found, NoExample)
    assert found.reason.startswith("the input example input_example.json is no JSON (Expecting")


@pytest.mark.parametrize("kind", ["sparse_matrix_csr", "dataframe"])
def test_an_example_of_another_kind_is_named(tmp_path: Path, kind: str) -> None:
    saved = replace(DATAFRAME, type=kind)

    assert find_example(with_file(tmp_path, saved, "text")) == no_signature(
        f"the input example is of a kind not known here ({kind})"
    )


def test_a_request_body_that_is_no_object_is_named(tmp_path: Path) -> None:
    saved = replace(DATAFRAME, serving_path="serving_input_example.json")
    (tmp_path / "serving_input_example.json").write_text("[]")

    assert find_example(with_file(tmp_path, saved, SPLIT)) == no_signature(
        "serving_input_example.json is not a JSON object"
    )


def test_an_example_is_derived_for_every_type_of_column(tmp_path: Path) -> None:
    nested = json.dumps(
        {
            "type": "object",
            "properties": {
                "tags": {"type": "array", "items": {"type": "string"}},
                "sizes": {"type": "map", "values": {"type": "long"}},
            },
        }
    )
    columns = [
        ColumnField(name=kind, type=kind)
        for kind in ("boolean", "integer", "long", "float", "double", "string", "binary", "any")
    ]
    when = ColumnField(name="when", type="datetime")
    deep = ColumnField(name="deep", type="object", nested=nested)

    assert derived(tmp_path, *columns, when, deep) == {
        "dataframe_split": {
            "columns": [
                "boolean", "integer", "long", "float", "double", "string", "binary", "any",
                "when", "deep",
            ],
            "data": [
                [
                    True, 1, 1, 0.5, 0.5, "a", "YQ==", "a", "2024-01-31T12:00:00",
                    {"tags": ["a"], "sizes": {"a": 1}},
                ]
            ],
        }
    }  # fmt: skip


def test_unnamed_columns_are_numbered(tmp_path: Path) -> None:
    column = ColumnField(name=None, type="double")

    assert derived(tmp_path, column, column) == {
        "dataframe_split": {"columns": [0, 1], "data": [[0.5, 0.5]]}
    }


def test_a_tensor_of_any_length_gets_one_row(tmp_path: Path) -> None:
    tensor = TensorField(name=None, dtype="float32", shape=(-1, 2, 3))

    assert derived(tmp_path, tensor) == {"inputs": [[[0.5] * 3] * 2]}


@pytest.mark.parametrize(
    ("dtype", "value"),
    [("bool", True), ("int64", 1), ("uint8", 1), ("float64", 0.5), ("str", "a"), ("object", "a")],
)
def test_named_tensors_are_a_dictionary(tmp_path: Path, dtype: str, value: object) -> None:
    tensors = [TensorField(name=name, dtype=dtype, shape=(-1,)) for name in "xy"]

    assert derived(tmp_path, *tensors) == {"inputs": {"x": [value], "y": [value]}}


@pytest.mark.parametrize(
    "field",
    [
        ColumnField(name="v", type="sparkml vector"),
        ColumnField(name="v", type="array", nested='{"type":"array","items":{"type":"tensor"}}'),
    ],
)
def test_no_example_is_derived_for_types_of_vendors(tmp_path: Path, field: ColumnField) -> None:
    found = find_example(model(tmp_path, None, field))

    assert isinstance(found, NoExample)
    assert found.reason.startswith(
        "no input example, and the signature has a type that none can be derived from ("
    )


def test_no_example_is_derived_for_a_tensor_of_millions(tmp_path: Path) -> None:
    found = find_example(
        model(tmp_path, None, TensorField(name=None, dtype="f4", shape=(9, 10**6)))
    )

    assert isinstance(found, NoExample)
    assert "a tensor of more than 1,000,000 values cannot be derived" in found.reason
