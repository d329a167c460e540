"""What MLmodel records of versions, and what becomes of it."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from packaging.utils import canonicalize_name

from envbuild.entries.requirements import PipRequirement
from envbuild.errors import SpecError
from envbuild.merging.records import (
    derive_environment,
    fill_in,
    is_open,
    remarks_on_flavors,
    remarks_on_records,
    versions_recorded,
)
from envbuild.model import Model
from envbuild.spec import EnvSpec, parse_environment, parse_requirements
from tests.support.merging import model_of

SKLEARN = {"sklearn": {"sklearn_version": "1.1.2"}}


def entries(*texts: str) -> tuple[PipRequirement, ...]:
    return parse_requirements("\n".join(texts), file="requirements.txt", side="model")


def recorded(model: Model) -> list[str]:
    return [
        f"{record.package}{record.specifier if record.specifier is not None else ' unusable'}"
        for record in versions_recorded(model)
    ]


@pytest.mark.parametrize(
    ("flavor", "settings", "version"),
    [
        ("sklearn", {"sklearn_version": "0.24.1"}, "scikit-learn==0.24.1"),
        ("xgboost", {"xgb_version": "1.7.1"}, "xgboost==1.7.1"),
        ("lightgbm", {"lgb_version": "3.3.2"}, "lightgbm==3.3.2"),
        ("catboost", {"catboost_version": "1.1.1"}, "catboost==1.1.1"),
        ("pytorch", {"pytorch_version": "2.0.1"}, "torch==2.0.1"),
        ("pytorch", {"pytorch_version": "2.0.1+cu117"}, "torch==2.0.1"),
        ("onnx", {"onnx_version": "1.14.0"}, "onnx==1.14.0"),
        ("spark", {"pyspark_version": "3.3.0"}, "pyspark==3.3.0"),
        ("transformers", {"transformers_version": "4.35.2"}, "transformers==4.35.2"),
        ("prophet", {"prophet_version": "0.7.1"}, "fbprophet==0.7.1"),
        ("prophet", {"prophet_version": "1.1.4"}, "prophet==1.1.4"),
        ("paddle", {"paddle_version": "2.4.1"}, "paddlepaddle==2.4.1"),
        ("python_function", {"cloudpickle_version": "2.2.1"}, "cloudpickle==2.2.1"),
        (
            "keras",
            {"keras_version": "2.6.0", "keras_module": "tensorflow.keras"},
            "tensorflow==2.6.*",
        ),
        ("keras", {"keras_version": "2.6.0", "keras_module": "keras"}, "keras==2.6.0"),
        ("keras", {"keras_version": "3.4.1"}, "keras==3.4.1"),
        ("tensorflow", {"keras_version": "2.11.0"}, "tensorflow==2.11.*"),
        (
            "hftransformersv2",
            {"transformers_version": "4.34.0"},
            "transformers==4.34.0",
        ),
    ],
)
def test_each_flavor_records_the_version_of_its_package(
    flavor: str, settings: Mapping[str, str], version: str
) -> None:
    assert recorded(model_of(flavors={flavor: settings})) == [version]


@pytest.mark.parametrize(
    ("flavor", "settings"),
    [
        ("sklearn", {}),
        ("unknown", {"sklearn_version": "1.0"}),
        ("keras", {"keras_version": "2.4.0", "keras_module": "tensorflow.keras"}),  # TF 2.3 or 2.4
        ("tensorflow", {"keras_version": "3.0.5"}),  # keras' own, beside TensorFlow 2.16
    ],
)
def test_what_does_not_tell_the_version_of_a_package_is_no_record(
    flavor: str, settings: Mapping[str, str]
) -> None:
    assert recorded(model_of(flavors={flavor: settings})) == []


def test_mlflow_is_recorded_beside_the_flavors() -> None:
    model = model_of(mlflow="2.9.2", flavors=SKLEARN)

    assert [str(record.origin) for record in versions_recorded(model)] == [
        "MLmodel: mlflow_version",
        "MLmodel: flavors.sklearn.sklearn_version",
    ]


@pytest.mark.parametrize("text", ["2.6.1.dev0", "2.0.0rc0", "main", "2.2.4-tf"])
def test_what_is_no_release_cannot_fill_in_anything(text: str) -> None:
    assert recorded(model_of(mlflow=text)) == ["mlflow unusable"]


def test_the_first_flavor_that_records_a_package_counts() -> None:
    flavors = {
        "transformers": {"transformers_version": "4.30.0"},
        "hftransformersv2": {"transformers_version": "4.31.0"},
    }

    assert recorded(model_of(flavors=flavors)) == ["transformers==4.30.0"]


def test_an_open_requirement_gets_the_recorded_version_and_keeps_the_rest() -> None:
    records = versions_recorded(model_of(mlflow="1.28.0", flavors=SKLEARN))

    filled, changes = fill_in(
        entries("mlflow[extras]; python_version >= '3.7'", "scikit-learn", "numpy"), records
    )

    assert [entry.pep508() for entry in filled] == [
        'mlflow[extras]==1.28.0; python_version >= "3.7"',
        "scikit-learn==1.1.2",
        "numpy",
    ]
    assert [entry.text for entry in filled[:2]] == [entry.pep508() for entry in filled[:2]]
    assert [entry.origin.side for entry in filled] == ["record", "record", "model"]
    assert [(change.kind, change.before, change.after, change.origin) for change in changes] == [
        (
            "filled-in",
            'mlflow[extras]; python_version >= "3.7"',
            'mlflow[extras]==1.28.0; python_version >= "3.7"',
            "requirements.txt: line 1",
        ),
        ("filled-in", "scikit-learn", "scikit-learn==1.1.2", "requirements.txt: line 2"),
    ]
    assert changes[1].reason == "MLmodel: flavors.sklearn.sklearn_version records 1.1.2"
    assert changes[1].level == "note"


@pytest.mark.parametrize(
    "text",
    [
        "scikit-learn==1.2",
        "scikit-learn>=1",
        "scikit-learn @ https://example.org/scikit-learn-1.2.tar.gz",
        f"scikit-learn --hash=sha256:{'0' * 64}",
    ],
)
def test_what_somebody_decided_is_not_filled_in(text: str) -> None:
    records = versions_recorded(model_of(flavors=SKLEARN))
    (entry,) = entries(text)

    assert not is_open(entry)
    assert fill_in([entry], records) == ((entry,), ())


def test_a_pin_elsewhere_decides_for_every_entry_of_the_name() -> None:
    records = versions_recorded(model_of(flavors=SKLEARN))
    own = entries("scikit-learn", "scikit-learn<1.1")

    assert fill_in(own, records) == (own, ())


def test_either_mlflow_decides_for_both() -> None:
    records = versions_recorded(model_of(mlflow="2.9.2"))
    own = entries("mlflow", "mlflow-skinny==2.10.0")

    assert fill_in(own, records) == (own, ())


def test_both_mlflows_are_filled_in() -> None:
    filled, _ = fill_in(
        entries("mlflow", "mlflow-skinny"), versions_recorded(model_of(mlflow="2.9.2"))
    )

    assert [entry.pep508() for entry in filled] == ["mlflow==2.9.2", "mlflow-skinny==2.9.2"]


def test_names_that_are_decided_elsewhere_stay_open() -> None:
    records = versions_recorded(model_of(flavors=SKLEARN))
    own = entries("scikit-learn")

    assert fill_in(own, records, decided=[canonicalize_name("scikit-learn")]) == (own, ())


def test_filling_in_twice_is_filling_in_once() -> None:
    records = versions_recorded(model_of(mlflow="2.9.2", flavors=SKLEARN))
    once, _ = fill_in(entries("mlflow", "scikit-learn", "numpy"), records)

    assert fill_in(once, records) == (once, ())


def remarks(model: Model, *texts: str) -> list[str]:
    return [
        f"{notice.level}: {notice}"
        for notice in remarks_on_records(entries(*texts), versions_recorded(model))
    ]


def test_another_version_than_the_one_that_wrote_the_model_is_a_warning_with_both() -> None:
    assert remarks(model_of(flavors=SKLEARN), "scikit-learn==1.7.0") == [
        (
            "warning: requirements.txt: line 1: scikit-learn==1.7.0 is asked for, but MLmodel:"
            " flavors.sklearn.sklearn_version has 1.1.2: what that version wrote may not load, or"
            " give other results"
        )
    ]


@pytest.mark.parametrize(
    ("asked", "remark"),
    [
        (
            "mlflow==2.17.2",
            (
                "note: requirements.txt: line 1: mlflow==2.17.2 is asked for, but MLmodel:"
                " mlflow_version has 2.3.1: newer releases read what older ones wrote"
            ),
        ),
        (
            "mlflow-skinny==1.30.1",
            (
                "warning: requirements.txt: line 1: mlflow-skinny==1.30.1 is asked for, but"
                " MLmodel: mlflow_version has 2.3.1: an older release may not read what a newer one"
                " wrote"
            ),
        ),
    ],
)
def test_mlflow_reads_what_older_releases_wrote(asked: str, remark: str) -> None:
    assert remarks(model_of(mlflow="2.3.1"), asked) == [remark]


@pytest.mark.parametrize(
    ("asked", "version"),
    [
        ("torch==1.13.1", "1.13.1+cu117"),
        ("torch==1.13.1+cpu", "1.13.1+cu117"),
        ("torch>=1.10,<2", "1.13.1"),
        ("torch", "1.13.1"),
    ],
)
def test_what_agrees_with_the_record_needs_no_remark(asked: str, version: str) -> None:
    model = model_of(flavors={"pytorch": {"pytorch_version": version}})

    assert [text for text in remarks(model, asked) if "asked for" in text] == []


def test_a_record_that_is_no_release_is_told_where_it_would_have_counted() -> None:
    model = model_of(mlflow="2.6.1.dev0")

    assert remarks(model, "mlflow") == [
        "note: MLmodel: mlflow_version: 2.6.1.dev0 is no release of mlflow, so it fills in nothing"
    ]
    assert remarks(model, "mlflow==2.6.0") == []
    assert remarks(model, "numpy") == []


def test_a_local_build_stands_for_its_release() -> None:
    model = model_of(flavors={"pytorch": {"pytorch_version": "2.1.0+cu118"}})

    assert remarks(model, "torch") == [
        (
            "note: MLmodel: flavors.pytorch.pytorch_version: 2.1.0+cu118 is a build of torch that"
            " indexes do not have: its release 2.1.0 is taken"
        )
    ]


def test_a_flavor_that_needs_java_is_a_warning() -> None:
    model = model_of(loader="mlflow.spark", flavors={"spark": {}, "sklearn": {}})

    assert [str(notice) for notice in remarks_on_flavors(model)] == [
        (
            "MLmodel: flavors.spark: loading the spark flavor starts a Java VM, which no Python"
            " package brings: take a base image that has one"
        )
    ]


def derived(model: Model, *, has_python: bool = False) -> EnvSpec:
    return derive_environment(model, parse_environment(model), has_python=has_python)


def names(spec: EnvSpec) -> list[str]:
    return [entry.pep508() for entry in spec.pip]


def test_without_any_file_the_environment_is_mlflow_and_what_the_flavor_needs() -> None:
    model = model_of(
        mlflow="2.8.1",
        recorded_python="3.8.18",
        loader="mlflow.transformers",
        flavors={
            "python_function": {},
            "transformers": {"transformers_version": "4.35.2", "framework": "pt"},
        },
    )

    spec = derived(model)

    assert names(spec) == ["mlflow", "transformers", "torch"]
    assert {entry.origin.side for entry in spec.pip} == {"record"}
    assert [str(notice) for notice in spec.notices if notice.code == "environment-derived"] == [
        (
            "MLmodel: there is no environment file; taken from MLmodel: python 3.8.18, mlflow"
            " 2.8.1, transformers 4.35.2, torch"
        )
    ]


def test_code_of_the_models_own_may_need_more_and_that_is_said() -> None:
    model = model_of(
        mlflow="2.15.1",
        recorded_python="3.9.20",
        loader="mlflow.pyfunc.model",
        flavors={"python_function": {"cloudpickle_version": "2.2.1", "python_model": "m.pkl"}},
    )

    spec = derived(model)

    assert names(spec) == ["mlflow", "cloudpickle"]
    assert str(spec.notices[-1]).endswith(
        "mlflow 2.15.1, cloudpickle 2.2.1. What the model's own code imports is not recorded: list"
        " it in a requirements.txt beside MLmodel"
    )


def test_a_development_version_of_mlflow_stands_for_its_series() -> None:
    model = model_of(
        mlflow="2.6.1.dev0", recorded_python="3.8.16", loader="mlflow.sklearn", flavors=SKLEARN
    )

    assert names(derived(model)) == ["mlflow<3,>=2.6", "scikit-learn"]


def test_an_unrecorded_mlflow_is_any() -> None:
    model = model_of(recorded_python="3.8.16", loader="mlflow.sklearn", flavors=SKLEARN)

    assert names(derived(model)) == ["mlflow", "scikit-learn"]


def test_the_users_python_is_enough() -> None:
    model = model_of(loader="mlflow.sklearn", flavors=SKLEARN)

    assert names(derived(model, has_python=True)) == ["mlflow", "scikit-learn"]


def test_what_mlmodel_does_not_say_is_told_all_at_once_with_how_to_give_it() -> None:
    model = model_of(flavors={"mystery": {}, "enigma": {}})

    with pytest.raises(SpecError) as raised:
        derived(model)

    assert (
        str(raised.value)
        == """\
MLmodel: there is no environment file, and MLmodel does not say enough to do without
  missing: python_version of the python_function flavor: which Python to take
  missing: a flavor that is known here, or a loader module; there is only mystery, enigma
  try: --python 3.10, or the one that the model was made with; a requirements.txt beside MLmodel"""
    )


def test_a_loader_module_of_others_is_enough_to_go_on() -> None:
    model = model_of(
        recorded_python="3.8.16", loader="azureml.automl.dnn.nlp", flavors={"python_function": {}}
    )

    assert names(derived(model)) == ["mlflow", "azureml-automl-dnn-nlp"]
