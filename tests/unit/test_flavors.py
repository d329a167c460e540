"""What flavors say of packages."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from packaging.utils import canonicalize_name

from envbuild.merging.flavors import (
    is_provided,
    known_flavors,
    matches,
    needed_packages,
    runs_own_code,
)
from envbuild.model import Flavor, Model
from tests.support.merging import model_of


def flavored(loader: str, **flavors: Mapping[str, str]) -> Model:
    return model_of(loader=loader, flavors=flavors)


@pytest.mark.parametrize(
    ("loader", "flavor", "settings", "needed"),
    [
        ("mlflow.sklearn", "sklearn", {}, "scikit-learn"),
        (
            "mlflow.sklearn",
            "sklearn",
            {"serialization_format": "skops"},
            "scikit-learn skops",
        ),
        ("mlflow.sklearn", "sklearn", {"serialization_format": "pickle"}, "scikit-learn"),
        ("mlflow.xgboost", "xgboost", {"model_class": "xgboost.core.Booster"}, "xgboost"),
        (
            "mlflow.xgboost",
            "xgboost",
            {"model_class": "xgboost.sklearn.XGBRegressor"},
            "xgboost scikit-learn",
        ),
        ("mlflow.keras", "keras", {"keras_module": "tensorflow.keras"}, "tensorflow"),
        ("mlflow.keras", "keras", {"keras_module": "keras"}, "keras tensorflow"),
        ("mlflow.keras", "keras", {"keras_backend": "jax"}, "keras jax"),
        ("mlflow.prophet", "prophet", {"prophet_version": "1.1.4"}, "prophet"),
        ("mlflow.prophet", "prophet", {"prophet_version": "0.7.1"}, "fbprophet"),
        ("mlflow.onnx", "onnx", {}, "onnx onnxruntime"),
        ("mlflow.transformers", "transformers", {"framework": "pt"}, "transformers torch"),
        ("mlflow.pyfunc.model", "python_function", {"python_model": "m.pkl"}, "cloudpickle"),
        ("mlflow.pyfunc.model", "python_function", {}, ""),
        ("mlflow.langchain.api", "langchain", {}, "langchain"),
        (
            "azureml.evaluate.mlflow.hftransformers",
            "hftransformersv2",
            {},
            "azureml-evaluate-mlflow transformers torch",
        ),
        ("azureml.automl.dnn.nlp", "unknown", {}, "azureml-automl-dnn-nlp"),
        ("somebody.elses.loader", "unknown", {}, ""),
    ],
)
def test_loading_needs_what_the_flavor_imports(
    loader: str, flavor: str, settings: Mapping[str, str], needed: str
) -> None:
    assert " ".join(needed_packages(flavored(loader, **{flavor: settings}))) == needed


def test_a_flavor_that_the_loader_does_not_load_needs_nothing() -> None:
    model = flavored("mlflow.pyfunc.model", python_function={}, transformers={"framework": "pt"})

    assert needed_packages(model) == ()
    assert [flavor.name for flavor, _ in known_flavors(model, loaded=False)] == [
        "python_function",
        "transformers",
    ]


def test_without_a_loader_module_every_known_flavor_counts() -> None:
    assert needed_packages(flavored("", xgboost={}, mystery={}, spacy={})) == ("xgboost", "spacy")


@pytest.mark.parametrize(
    ("loader", "code", "own"),
    [
        ("mlflow.sklearn", (), False),
        ("mlflow.sklearn", ("code",), True),
        ("mlflow.pyfunc.model", (), True),
        ("mlflow.pyfunc.loaders.chat_agent", (), True),
        ("somebody.elses.loader", (), True),
        ("", (), False),
        ("", ("code",), True),
    ],
)
def test_code_of_the_models_own_is_known_by_its_loader(
    loader: str, code: tuple[str, ...], own: bool
) -> None:
    assert runs_own_code(model_of(loader=loader, code=code)) is own


@pytest.mark.parametrize(
    ("settings", "when", "answer"),
    [
        ({}, {}, True),
        ({"a": "1"}, {"a": "1"}, True),
        ({"a": "1"}, {"a": "[2-9]"}, False),
        ({"a": "1"}, {"a": "*"}, True),
        ({}, {"a": "*"}, False),
        ({}, {"a": ""}, True),
        ({"a": "1"}, {"a": ""}, False),
        ({"a": "1", "b": "2"}, {"a": "1", "b": "3"}, False),
    ],
)
def test_conditions_compare_settings(
    settings: Mapping[str, str], when: Mapping[str, str], answer: bool
) -> None:
    assert matches(Flavor(name="a", settings=settings), when) is answer


def test_other_packages_may_bring_the_same_modules() -> None:
    tensorflow = canonicalize_name("tensorflow")

    assert is_provided(tensorflow, [canonicalize_name("tensorflow-cpu")])
    assert is_provided(tensorflow, [tensorflow])
    assert not is_provided(tensorflow, [canonicalize_name("tensorboard")])


def test_flavors_that_need_java_say_so() -> None:
    model = flavored("", spark={}, sklearn={}, h2o={})

    assert [facts.name for _, facts in known_flavors(model, loaded=True) if facts.java] == [
        "spark",
        "h2o",
    ]
