"""What was built for numpy 1 does not get numpy 2 beside it."""

from __future__ import annotations

import pytest

from envbuild.merge import MergeOptions
from tests.support.merging import constraint_lines, model_of, plans

BOUND = 'numpy<2; python_version < "3.13"'


@pytest.mark.parametrize(
    "asked",
    ["scikit-learn==1.0.2", "pandas<2", "pyarrow==8.0.0", "torch==2.0.1", "Catboost==1.2.3"],
)
def test_releases_of_before_numpy_2_bound_numpy(asked: str) -> None:
    first, *_ = plans(model_of("mlflow<3,>=2.1", asked, python="3.10.12"))

    assert constraint_lines(first) == [BOUND, "pandas<3"]


@pytest.mark.parametrize("asked", ["scikit-learn==0.23.2", "pandas==1.0.5", "h5py<3"])
def test_releases_that_use_what_numpy_1_24_gave_up_bound_it_further(asked: str) -> None:
    first, *_ = plans(model_of("mlflow<3,>=2.1", asked, python="3.8.20"))

    assert constraint_lines(first) == ['numpy<1.24; python_version < "3.12"', "pandas<3"]


@pytest.mark.parametrize(
    "asked",
    ["scikit-learn==1.4.2", "pandas>=1.3", "torch", "xgboost==1.7.2"],
)
def test_releases_that_may_be_newer_do_not(asked: str) -> None:
    first, *_ = plans(model_of("mlflow<3,>=2.1", asked, python="3.10.12"))

    assert constraint_lines(first) == ["pandas<3"]


def test_the_bound_says_whose_it_is() -> None:
    first, *_ = plans(model_of("mlflow==2.20.3", "scikit-learn==1.0.2", python="3.9.5"))

    (bound,) = (entry for entry in first.constraints if entry.name == "numpy")
    assert str(bound.origin) == "scikit-learn: releases <1.4.2"
    assert bound.origin.side == "record"


def test_a_numpy_that_the_model_pins_is_the_models_to_decide() -> None:
    model = model_of("mlflow==2.20.3", "pandas==1.3.4", "numpy==2.0.2", python="3.9.5")

    first, *_ = plans(model)

    assert constraint_lines(first) == ["pandas<3"]


def test_a_package_that_may_move_bounds_nothing() -> None:
    model = model_of("mlflow==2.20.3", "scikit-learn==1.0.2", python="3.9.5")

    first, *_ = plans(model, options=MergeOptions(relax=("scikit-learn",)))

    assert constraint_lines(first) == ["pandas<3"]


def test_of_two_bounds_on_numpy_the_narrower_counts() -> None:
    older, *_ = plans(model_of("mlflow==1.20.0", "scikit-learn==1.0.2", python="3.8.20"))
    newer, *_ = plans(model_of("mlflow==2.0.1", "scikit-learn==0.23.2", python="3.8.20"))

    assert "numpy<1.24" in constraint_lines(older)
    assert constraint_lines(newer) == ['numpy<1.24; python_version < "3.12"', "pandas<3"]
