"""The file MLmodel: shapes that a folder of fixtures would be too much for."""

from __future__ import annotations

import pytest

from envbuild.errors import ModelError
from envbuild.reading.mlmodel import EnvironmentNames, InputExample, MLmodel, parse_mlmodel


def parse(text: str) -> MLmodel:
    return parse_mlmodel(text.encode(), where="MLmodel")


def refusal(text: str) -> str:
    with pytest.raises(ModelError) as caught:
        parse(text)
    return str(caught.value)


def pyfunc(setting: str) -> MLmodel:
    return parse(f"flavors: {{python_function: {{{setting}}}}}")


@pytest.mark.parametrize(
    ("setting", "names"),
    [
        ("", EnvironmentNames()),
        ("env: conda.yaml", EnvironmentNames(conda="conda.yaml")),
        ("env: requirements.txt", EnvironmentNames(requirements="requirements.txt")),
        ("env: null", EnvironmentNames()),
        ("env: ''", EnvironmentNames()),
        ("env: {}", EnvironmentNames()),
        ("env: {conda: a.yaml}", EnvironmentNames(conda="a.yaml")),
        ("env: {virtualenv: b.yaml}", EnvironmentNames(python_env="b.yaml")),
        (
            "env: {conda: a.yaml, virtualenv: b.yaml}",
            EnvironmentNames(conda="a.yaml", python_env="b.yaml"),
        ),
        ("conda_env: a.yaml", EnvironmentNames(conda="a.yaml")),
        ("env: null, conda_env: a.yaml", EnvironmentNames(conda="a.yaml")),
        ("env: a.yaml, conda_env: b.yaml", EnvironmentNames(conda="a.yaml")),
        ("env: .\\env\\a.yaml", EnvironmentNames(conda="env/a.yaml")),
    ],
)
def test_every_form_of_env_names_its_files(setting: str, names: EnvironmentNames) -> None:
    assert pyfunc(setting).environment == names


def test_names_come_in_the_order_in_which_they_count() -> None:
    assert EnvironmentNames(python_env="c", requirements="b", conda="a").all() == ("a", "b", "c")


@pytest.mark.parametrize(
    ("setting", "problem"),
    [
        ("env: [conda.yaml]", "flavors.python_function.env: expected a file name, got a list"),
        (
            "env: {conda: {python: 3}}",
            "flavors.python_function.env.conda: expected a file name, got a mapping",
        ),
        ("code: {a: b}", "flavors.python_function.code: expected a file name, got a mapping"),
        ("env: ../a", "flavors.python_function.env: the path '../a' leads out of the model"),
    ],
)
def test_what_is_no_file_name_of_the_model_is_refused(setting: str, problem: str) -> None:
    text = f"flavors: {{python_function: {{{setting}}}}}"

    assert refusal(text) == f"MLmodel: paths that cannot be\n  {problem}"


@pytest.mark.parametrize("flavors", ["", "flavors:", "flavors: {}", "flavors: []", "flavors: text"])
def test_without_flavors_there_is_no_model(flavors: str) -> None:
    assert refusal(f"run_id: x\n{flavors}") == (
        "MLmodel: no flavors: not a model that can be loaded\n"
        "  try: the folder that mlflow.*.log_model or save_model wrote"
    )


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("entry_points: {}\nconda_env: x", "an MLproject file, which says how to train"),
        ("build_dependencies: []\ndependencies: []", "a python_env.yaml"),
        ("dependencies: []", "a conda environment"),
    ],
)
def test_other_files_of_mlflow_are_called_by_their_name(text: str, what: str) -> None:
    assert refusal(text).startswith(f"MLmodel: {what}, not an MLmodel file\n")


def test_a_key_of_another_file_beside_flavors_does_not_matter() -> None:
    assert parse("flavors: {sklearn: {}}\ndependencies: []").flavors[0].name == "sklearn"


@pytest.mark.parametrize("config", ["", "text", "[list]"])
def test_a_flavor_may_be_without_settings(config: str) -> None:
    (flavor,) = parse(f"flavors:\n  onnx: {config}").flavors

    assert (flavor.name, flavor.settings) == ("onnx", {})


def test_settings_are_the_scalars_as_text() -> None:
    (flavor,) = parse("flavors: {a: {v: 1.10, n: null, b: yes, l: [1], m: {x: 1}}}").flavors

    assert flavor.settings == {"v": "1.10", "b": "yes"}


def test_versions_are_text_and_only_text() -> None:
    model = parse("mlflow_version: 2.10\nflavors: {python_function: {python_version: 3.10}}")
    odd = parse("mlflow_version: [2]\nflavors: {python_function: {python_version: {a: b}}}")

    assert (model.mlflow_version, model.python_version) == ("2.10", "3.10")
    assert (odd.mlflow_version, odd.python_version) == (None, None)


def test_code_folders_are_collected_that_of_python_function_first() -> None:
    model = parse(
        "flavors: {a: {code: x}, python_function: {code: [y, z, null]}, b: {code: x}, c: {}}"
    )

    assert model.code_paths == ("y", "z", "x")


@pytest.mark.parametrize(
    ("info", "example"),
    [
        ("null", None),
        ("text", None),
        ("{type: dataframe}", None),
        ("{artifact_path: a.json}", InputExample(path="a.json", type="")),
        (
            "{artifact_path: a.json, type: dataframe, pandas_orient: split, serving_input_path: b}",
            InputExample(path="a.json", type="dataframe", pandas_orient="split", serving_path="b"),
        ),
    ],
)
def test_the_input_example_is_named(info: str, example: InputExample | None) -> None:
    assert parse(f"flavors: {{a: }}\nsaved_input_example_info: {info}").input_example == example


@pytest.mark.parametrize(
    ("metadata", "image"),
    [
        ("null", ""),
        ("text", ""),
        ("{a: b}", ""),
        ("{azureml.base_image: registry.example.com/x:1}", "registry.example.com/x:1"),
        ("{azureml.base_image: [x]}", ""),
    ],
)
def test_the_base_image_is_what_metadata_says(metadata: str, image: str) -> None:
    assert parse(f"flavors: {{a: }}\nmetadata: {metadata}").base_image == image
