"""What another system's package becomes on the one that is locked for."""

from __future__ import annotations

import pytest

from tests.support.merging import NO_SERVER, change_lines, model_of, pins, plans

INTEL = "'tensorflow-intel' is for Windows only; elsewhere the package is called tensorflow"
SKLEARN = "'sklearn' is the name of a module; the package is called scikit-learn"
RECORD = "MLmodel: flavors.sklearn.sklearn_version"


def test_tensorflow_of_windows_is_tensorflow_elsewhere() -> None:
    first, *_ = plans(model_of("tensorflow-intel==2.13.0"), NO_SERVER)

    assert pins(first) == "tensorflow==2.13.0"
    assert change_lines(first) == [
        f"renamed: tensorflow-intel==2.13.0 -> tensorflow==2.13.0: {INTEL}"
    ]


def test_tensorflow_that_mlflow_wrote_down_twice_is_one() -> None:
    model = model_of("tensorflow-intel==2.14.0", "tensorflow==2.14.0")

    first, *_ = plans(model, NO_SERVER)

    assert set(pins(first).split()) == {"tensorflow==2.14.0"}


def test_on_its_own_system_a_package_stays() -> None:
    first, *_ = plans(model_of("tensorflow-intel==2.13.0"), NO_SERVER, platforms=("win-64",))

    assert pins(first) == "tensorflow-intel==2.13.0"
    assert first.changes == ()


def test_a_package_with_nothing_like_it_elsewhere_is_left_out_with_a_warning() -> None:
    first, *_ = plans(model_of("pywin32==306", "numpy==1.26.4"), NO_SERVER)

    assert pins(first) == "numpy==1.26.4"
    assert change_lines(first) == [
        "dropped: pywin32==306 -> nothing: 'pywin32' is for Windows only; elsewhere there is none"
    ]
    assert first.changes[0].level == "warning"


def test_for_several_systems_it_is_marked_off() -> None:
    model = model_of('pywin32==306; python_version >= "3.8"', "appnope")

    first, *_ = plans(model, NO_SERVER, platforms=("linux-64", "win-64", "osx-arm64"))

    assert [entry.pep508() for entry in first.requirements] == [
        'appnope; sys_platform == "darwin"',
        'pywin32==306; python_version >= "3.8" and sys_platform == "win32"',
    ]
    assert first.changes == ()


def test_a_package_that_is_marked_off_already_stays() -> None:
    first, *_ = plans(model_of('pywin32; platform_system == "Windows"'), NO_SERVER)

    assert pins(first) == 'pywin32;platform_system=="Windows"'
    assert first.changes == ()


@pytest.mark.parametrize("asked", ["sklearn", "sklearn==0.0", "sklearn==0.0.post1"])
def test_sklearn_is_scikit_learn_in_the_version_that_mlmodel_records(asked: str) -> None:
    flavors = {"sklearn": {"sklearn_version": "0.24.1"}}

    first, *_ = plans(model_of(asked, flavors=flavors), NO_SERVER)

    assert pins(first) == "scikit-learn==0.24.1"
    assert change_lines(first) == [
        f"filled-in: scikit-learn -> scikit-learn==0.24.1: {RECORD} records 0.24.1",
        f"renamed: {asked} -> scikit-learn: {SKLEARN}",
    ]


def test_a_file_of_that_name_is_what_it_is() -> None:
    first, *_ = plans(model_of("sklearn @ https://h/sklearn-1.0.zip"), NO_SERVER)

    assert first.changes == ()
