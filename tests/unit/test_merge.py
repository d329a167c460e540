"""The plans of a model behind a server: which there are, in which order, and what each says."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.markers import Marker
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from envbuild.errors import PythonVersionError, SpecError
from envbuild.merge import Change, MergeOptions, applies, merge
from envbuild.notices import Notice
from envbuild.platforms import parse_platform
from envbuild.server import PackageSet, ServerProfile, load_profile
from envbuild.spec import parse_environment
from tests.support.merging import (
    NO_SERVER,
    change_lines,
    constraint,
    constraint_lines,
    model_of,
    notice_lines,
    option,
    pins,
    plans,
    target,
)

SKLEARN = {"python_function": {}, "sklearn": {"sklearn_version": "0.24.1"}}
GUNICORN = "full mlflow before 2.16 caps gunicorn below 23, which the server needs"
SWAPPED = f"{GUNICORN}; mlflow-skinny of the same version loads models as well"
PKG_RESOURCES = "mlflow before 2.16 imports pkg_resources, which newer setuptools do not have"
OWN_CODE = "full mlflow would have brought it, and the model's own code may import it"


def test_a_model_of_today_is_taken_as_it_is() -> None:
    model = model_of("mlflow==3.13.0", "scikit-learn==1.9.0", "cloudpickle==3.1.2", python="3.12.3")

    first, *_ = plans(model)

    assert first.python == Version("3.12.3")
    assert first.runtime == "pip"
    assert pins(first) == (
        "azureml-inference-server-http>=1.4.1 cloudpickle==3.1.2 mlflow==3.13.0 scikit-learn==1.9.0"
    )
    assert constraint_lines(first) == ["pandas<3"]
    assert first.changes == ()


def test_the_seed_model_gets_the_newest_server_of_its_python() -> None:
    model = model_of(
        "mlflow",
        "cloudpickle==2.0.0",
        "psutil==5.8.0",
        "scikit-learn==0.24.1",
        python="3.7.11",
        flavors=SKLEARN,
        loader="mlflow.sklearn",
    )

    first, *_ = plans(model)

    assert pins(first) == (
        "azureml-inference-server-http>=0.8.4.2 cloudpickle==2.0.0 mlflow psutil==5.8.0"
        " scikit-learn==0.24.1 setuptools<81"
    )


def test_full_mlflow_that_cannot_stand_beside_the_server_is_swapped_at_once() -> None:
    model = model_of("mlflow==2.9.2", "torch==2.0.1", loader="mlflow.pytorch")

    first, *_ = plans(model)

    assert pins(first) == (
        "azureml-inference-server-http>=1.4.1 mlflow-skinny==2.9.2 numpy pandas setuptools<81"
        " torch==2.0.1"
    )
    assert constraint_lines(first) == ['numpy<2; python_version < "3.13"', "pandas<3"]
    assert change_lines(first) == [
        f"swapped: mlflow==2.9.2 -> mlflow-skinny==2.9.2: {SWAPPED}",
        f"added: nothing -> setuptools<81: {PKG_RESOURCES}",
    ]


def test_an_open_mlflow_is_kept_first_and_swapped_second() -> None:
    first, second, *_ = plans(model_of("mlflow", "xgboost==1.7.1", loader="mlflow.xgboost"))

    assert pins(first) == "azureml-inference-server-http>=1.4.1 mlflow xgboost==1.7.1"
    assert pins(second) == (
        "azureml-inference-server-http>=1.4.1 mlflow-skinny numpy pandas xgboost==1.7.1"
    )


def test_every_plan_of_an_open_model_in_its_order() -> None:
    model = model_of("mlflow", python="3.9.17", flavors=SKLEARN, loader="mlflow.sklearn")

    told = [
        " ".join(
            word
            for word in pins(plan).split()
            if word.startswith(("mlflow", "azureml", "scikit-learn"))
        )
        for plan in plans(replace(model, mlflow_version="3.1.4"))
    ]

    assert told == [
        "azureml-inference-server-http>=1.4.1 mlflow==3.1.4 scikit-learn==0.24.1",
        "azureml-inference-server-http>=1.4.1 mlflow-skinny==3.1.4 scikit-learn==0.24.1",
        "azureml-inference-server-http>=1.4.1 mlflow scikit-learn==0.24.1",
        "azureml-inference-server-http>=1.4.1 mlflow-skinny scikit-learn==0.24.1",
        "azureml-inference-server-http>=1.4.1 mlflow==3.1.4 scikit-learn",
        "azureml-inference-server-http>=1.4.1 mlflow-skinny==3.1.4 scikit-learn",
        "azureml-inference-server-http>=1.4.1 mlflow scikit-learn",
        "azureml-inference-server-http>=1.4.1 mlflow-skinny scikit-learn",
        "azureml-inference-server-http<1.4.1,>=1.3.4 mlflow==3.1.4 scikit-learn==0.24.1",
        "azureml-inference-server-http<1.4.1,>=1.3.4 mlflow-skinny==3.1.4 scikit-learn==0.24.1",
        "azureml-inference-server-http<1.3.4,>=1.2.1 mlflow==3.1.4 scikit-learn==0.24.1",
        "azureml-inference-server-http<1.3.4,>=1.2.1 mlflow-skinny==3.1.4 scikit-learn==0.24.1",
        "azureml-inference-server-http<1.2.1,>=1.1.0 mlflow==3.1.4 scikit-learn==0.24.1",
        "azureml-inference-server-http<1.2.1,>=1.1.0 mlflow-skinny==3.1.4 scikit-learn==0.24.1",
        "azureml-inference-server-http==1.0.0 mlflow==3.1.4 scikit-learn==0.24.1",
        "azureml-inference-server-http==1.0.0 mlflow-skinny==3.1.4 scikit-learn==0.24.1",
        "azureml-inference-server-http<0.8,>=0.7.7 mlflow==3.1.4 scikit-learn==0.24.1",
        "azureml-inference-server-http<0.8,>=0.7.7 mlflow-skinny==3.1.4 scikit-learn==0.24.1",
        "azureml-inference-server-http<0.7,>=0.5 mlflow==3.1.4 scikit-learn==0.24.1",
        "azureml-inference-server-http<0.7,>=0.5 mlflow-skinny==3.1.4 scikit-learn==0.24.1",
    ]


def test_a_recorded_version_that_is_given_up_is_told() -> None:
    model = model_of("mlflow", mlflow="3.1.4", python="3.9.17")

    given_up = plans(model)[2]

    assert change_lines(given_up) == [
        (
            "dropped: mlflow==3.1.4 -> mlflow: MLmodel: mlflow_version records 3.1.4, but with that"
            " nothing resolves"
        )
    ]
    assert given_up.changes[0].level == "warning"


def test_an_older_line_of_the_server_is_told_with_what_it_yields_to() -> None:
    model = model_of("mlflow-skinny==2.21.3", "pydantic==1.10.13", "flask==2.2.5")

    (first, *_) = plans(model)

    assert "azureml-inference-server-http==1.0.0" in pins(first)
    assert change_lines(first) == [
        (
            "older-server: azureml-inference-server-http>=1.4.1 ->"
            " azureml-inference-server-http==1.0.0: newer releases need pydantic 2, and conda.yaml:"
            " dependencies[1].pip[1] has pydantic==1.10.13 and conda.yaml: dependencies[1].pip[2]"
            " has flask==2.2.5"
        )
    ]
    assert first.changes[0].level == "warning"


def test_an_older_line_without_a_known_reason_says_so() -> None:
    last = plans(model_of("mlflow-skinny==2.21.3", python="3.12.3"))[1]

    assert change_lines(last)[0] == (
        "older-server: azureml-inference-server-http>=1.4.1 ->"
        " azureml-inference-server-http<1.4.1,>=1.3.4: newer releases need pydantic 2.11 and Flask"
        " 3.1, and with those nothing resolves"
    )
    assert 'setuptools>=69;python_version>="3.12"' in pins(last)


def test_a_server_that_the_model_pins_below_every_line_stays_with_a_warning() -> None:
    model = model_of("mlflow-skinny", "azureml-inference-server-http==0.4.14")

    (only,) = plans(model)

    assert pins(only) == "azureml-inference-server-http==0.4.14 mlflow-skinny numpy pandas"
    assert change_lines(only) == [
        (
            "older-server: azureml-inference-server-http>=1.4.1 ->"
            " azureml-inference-server-http==0.4.14: conda.yaml: dependencies[1].pip[1] asks for"
            " it; azureml-online is made for azureml-inference-server-http>=1.4.1"
        )
    ]


def test_a_server_that_the_model_pins_in_an_older_line_is_taken_from_there() -> None:
    model = model_of("mlflow-skinny", "azureml-inference-server-http==1.3.2", python="3.12")

    first, *_ = plans(model)

    assert pins(first) == (
        "azureml-inference-server-http<1.3.4,>=1.2.1 azureml-inference-server-http==1.3.2"
        ' mlflow-skinny numpy pandas setuptools>=69;python_version>="3.12"'
    )
    assert change_lines(first)[0].endswith(
        "newer releases need gunicorn 23 and pydantic 2.9, and conda.yaml: dependencies[1].pip[1]"
        " has azureml-inference-server-http==1.3.2"
    )


def test_a_server_that_a_constraint_holds_below_every_line_is_asked_for_in_any_version() -> None:
    model = model_of("mlflow-skinny")
    options = MergeOptions(constraints=(option("azureml-inference-server-http<0.4"),))

    (only,) = plans(model, options=options)

    assert pins(only) == "azureml-inference-server-http mlflow-skinny numpy pandas"
    assert constraint_lines(only) == ["azureml-inference-server-http<0.4"]
    assert [change.after for change in only.changes] == ["azureml-inference-server-http<0.4"]


def test_an_open_server_of_the_model_gets_the_floor() -> None:
    first, *_ = plans(model_of("mlflow-skinny", "azureml-inference-server-http"))

    assert pins(first).startswith(
        "azureml-inference-server-http azureml-inference-server-http>=1.4.1"
    )
    assert first.changes == ()


def test_a_strict_server_is_never_an_older_one() -> None:
    model = model_of("mlflow-skinny", "scikit-learn==1.0")

    assert len(plans(model, options=MergeOptions(strict_server=True))) == 1


def test_where_no_line_is_known_to_fit_the_resolver_has_the_word() -> None:
    model = model_of("mlflow-skinny", "gunicorn==19.0")

    (only,) = plans(model)

    assert pins(only) == (
        "azureml-inference-server-http>=1.4.1 gunicorn==19.0 mlflow-skinny numpy pandas"
    )
    assert only.changes == ()


def test_mlflow_is_kept_when_the_user_says_so_and_the_server_yields() -> None:
    model = model_of("mlflow==2.9.2", "pydantic==2.5.3")

    first, *rest = plans(model, options=MergeOptions(keep_mlflow=True))

    assert "mlflow==2.9.2" in pins(first)
    assert "azureml-inference-server-http<1.2.1,>=1.1.0" in pins(first)
    assert all("mlflow-skinny" not in pins(plan) for plan in rest)


@pytest.mark.parametrize(
    "mlflow",
    [
        "mlflow==1.12.0",
        "mlflow @ git+https://github.com/mlflow/mlflow@v2.9.2",
        "mlflow-skinny==2.9.2",
    ],
)
def test_what_has_no_skinny_counterpart_is_not_swapped(mlflow: str) -> None:
    told = [change.kind for plan in plans(model_of(mlflow)) for change in plan.changes]

    assert "swapped" not in told


def test_extras_and_markers_survive_the_swap() -> None:
    model = model_of("mlflow[genai]==2.9.2; python_version >= '3.8'", loader="mlflow.pytorch")

    first, *_ = plans(model)

    assert 'mlflow-skinny[genai]==2.9.2;python_version>="3.8"' in pins(first)


def test_with_skinny_comes_what_a_models_own_code_may_import() -> None:
    model = model_of("mlflow==2.9.2", "numpy==1.26.4", loader="mlflow.pyfunc.model")

    first, *_ = plans(model)

    assert pins(first) == (
        "azureml-inference-server-http>=1.4.1 matplotlib mlflow-skinny==2.9.2 numpy==1.26.4 pandas"
        " pyarrow scikit-learn scipy setuptools<81"
    )
    assert change_lines(first) == [
        f"added: nothing -> matplotlib: {OWN_CODE}",
        f"swapped: mlflow==2.9.2 -> mlflow-skinny==2.9.2: {SWAPPED}",
        f"added: nothing -> pyarrow: {OWN_CODE}",
        f"added: nothing -> scikit-learn: {OWN_CODE}",
        f"added: nothing -> scipy: {OWN_CODE}",
        f"added: nothing -> setuptools<81: {PKG_RESOURCES}",
    ]


def test_a_package_of_the_flavor_that_the_model_does_not_list_is_added() -> None:
    model = model_of("mlflow==3.1.4", flavors={"lightgbm": {}}, loader="mlflow.lightgbm")

    first, *_ = plans(model, NO_SERVER)

    assert pins(first) == "lightgbm mlflow==3.1.4"
    assert change_lines(first) == ["added: nothing -> lightgbm: mlflow.lightgbm imports it"]


def test_what_full_mlflow_brings_is_added_only_with_a_recorded_version() -> None:
    loader = "mlflow.sklearn"

    (open_,) = plans(model_of("mlflow==3.1.4", flavors={"sklearn": {}}, loader=loader), NO_SERVER)
    first, second = plans(model_of("mlflow==3.1.4", flavors=SKLEARN, loader=loader), NO_SERVER)

    assert pins(open_) == "mlflow==3.1.4"
    assert pins(first) == "mlflow==3.1.4 scikit-learn==0.24.1"
    assert pins(second) == "mlflow==3.1.4 scikit-learn"


def test_without_filling_in_nothing_recorded_counts() -> None:
    model = model_of("mlflow", "scikit-learn", flavors=SKLEARN, mlflow="3.1.4")

    (only,) = plans(model, NO_SERVER, options=MergeOptions(fill_in=False))

    assert pins(only) == "mlflow scikit-learn"
    assert only.changes == ()


def test_a_derived_environment_is_filled_in_whatever_the_options_say() -> None:
    model = model_of(
        mlflow="3.1.4", recorded_python="3.9.17", flavors=SKLEARN, loader="mlflow.sklearn"
    )

    first, *_ = plans(model, NO_SERVER, options=MergeOptions(fill_in=False))

    assert pins(first) == "mlflow==3.1.4 scikit-learn==0.24.1"
    assert first.python == Version("3.9.17")
    assert len(notice_lines(first, "environment-derived")) == 1


def test_beside_another_mlflow_skinny_the_rules_are_those_of_full_mlflow() -> None:
    model = model_of("mlflow==2.9.2", "mlflow-skinny==2.8.1", python="3.8.18")

    first, *_ = plans(model, NO_SERVER)

    assert pins(first) == "mlflow==2.9.2 mlflow-skinny==2.8.1 setuptools<81"
    assert constraint_lines(first) == ['numpy<2; python_version < "3.13"', "pandas<3"]


def test_a_model_without_mlflow_gets_what_the_server_needs_of_it() -> None:
    model = model_of("scikit-learn==1.5.0", mlflow="2.21.3")

    first, second, *_ = plans(model)

    assert pins(first) == (
        "azureml-inference-server-http>=1.4.1 mlflow-skinny==2.21.3 numpy pandas"
        " scikit-learn==1.5.0"
    )
    assert change_lines(first) == [
        (
            "added: nothing -> mlflow-skinny: azureml-online needs it, and the model does not ask"
            " for it"
        ),
        "filled-in: mlflow-skinny -> mlflow-skinny==2.21.3: MLmodel: mlflow_version records 2.21.3",
    ]
    assert "mlflow-skinny numpy" in pins(second)


def test_mlflows_own_server_needs_full_mlflow_of_the_same_version() -> None:
    first, *_ = plans(model_of("mlflow-skinny==3.1.4"), "mlflow")

    assert pins(first) == "mlflow==3.1.4 mlflow>=3 mlflow-skinny==3.1.4"


def test_mlflows_own_server_is_the_one_of_the_model_without_a_warning() -> None:
    first, *_ = plans(model_of("mlflow==2.9.2"), "mlflow")

    assert pins(first) == "mlflow<3,>=2.9 mlflow==2.9.2 setuptools<81"
    assert [change.kind for change in first.changes] == ["added"]
    assert notice_lines(first, "server-of-model") == [
        (
            "conda.yaml: dependencies[1].pip[0]: the server is that of mlflow==2.9.2, the release"
            " of the model"
        )
    ]


def test_mlflows_own_server_of_a_release_that_it_is_not_made_for_is_a_warning() -> None:
    (only,) = plans(model_of("mlflow==1.20.2", python="3.8"), "mlflow")

    assert pins(only) == "mlflow==1.20.2 setuptools<81"
    assert change_lines(only)[0] == (
        "older-server: mlflow>=2.17 -> mlflow==1.20.2: conda.yaml: dependencies[1].pip[0] asks for"
        " it; mlflow is made for mlflow>=2.17"
    )


def test_mlflows_own_server_steps_down_with_a_warning_where_the_model_leaves_it_open() -> None:
    first, second, _ = plans(model_of("mlflow", "flask==2.0.1"), "mlflow")

    assert pins(first) == "flask==2.0.1 mlflow mlflow>=3"
    assert change_lines(second) == [
        (
            "older-server: mlflow>=3 -> mlflow<3,>=2.9: requirements of the model exclude mlflow 3,"
            " and with those nothing resolves"
        )
    ]


def test_a_batch_model_gets_azures_packages_and_what_the_script_reads_with() -> None:
    first, *_ = plans(model_of("mlflow==3.12.0", "scikit-learn==1.8.0"), "azureml-batch")

    assert pins(first) == (
        "azureml-core>=1.61 azureml-dataset-runtime[fuse]>=1.62.0.post1 mlflow==3.12.0 pillow"
        " scikit-learn==1.8.0"
    )


def test_without_a_server_there_is_one_plan_that_adds_nothing() -> None:
    (only,) = plans(model_of("mlflow==3.17.2", "numpy==2.1.3"), "none")

    assert pins(only) == "mlflow==3.17.2 numpy==2.1.3"
    assert (only.constraints, only.changes, only.notices) == ((), (), ())


def test_what_a_model_asks_for_itself_is_stronger_than_what_is_known_of_mlflow() -> None:
    model = model_of("mlflow==2.9.2", "setuptools==82.0.0", "numpy==2.0.0", "pandas==2.2.0")

    first, *_ = plans(model, NO_SERVER)

    assert pins(first) == "mlflow==2.9.2 numpy==2.0.0 pandas==2.2.0 setuptools==82.0.0"
    assert constraint_lines(first) == ["mlflow-skinny==2.9.2", "pandas<3"]


def test_skinny_is_held_to_the_release_of_mlflow_where_mlflow_does_not_do_it_itself() -> None:
    (older,) = plans(model_of("mlflow==2.12.2", "azureml-mlflow"), NO_SERVER)
    (newer,) = plans(model_of("mlflow==2.15.0", "azureml-mlflow"), NO_SERVER)
    (both,) = plans(model_of("mlflow==2.12.2", "mlflow-skinny"), NO_SERVER)

    assert "mlflow-skinny==2.12.2" in constraint_lines(older)
    assert "mlflow-skinny==2.15.0" not in constraint_lines(newer)
    assert "mlflow-skinny==2.12.2" not in constraint_lines(both)


def test_a_need_that_is_asked_for_already_is_not_added_twice() -> None:
    first, *_ = plans(model_of("mlflow==1.24.0", "scipy", python="3.8"), NO_SERVER)

    assert pins(first) == "mlflow==1.24.0 scipy setuptools<81"


def test_constraints_of_the_model_and_the_user_go_to_the_resolver() -> None:
    model = model_of("mlflow", "numpy", mlflow="3.1.4")
    spec = replace(parse_environment(model), constraints=(constraint("numpy<2"),))
    options = MergeOptions(constraints=(option("mlflow<3.1"),))

    first, *_ = plans(model, NO_SERVER, spec=spec, options=options)

    assert constraint_lines(first) == ["mlflow<3.1", "numpy<2"]
    assert pins(first) == "mlflow numpy"  # the constraint decides, not the record


def test_relaxed_pins_stay_for_the_resolver_to_move_and_exclude_no_server() -> None:
    model = model_of("mlflow-skinny", "pydantic==1.10.13", "pydantic==1.9.0")

    first, *_ = plans(model, options=MergeOptions(relax=("Pydantic",)))

    assert pins(first).startswith("azureml-inference-server-http>=1.4.1")
    assert "pydantic==1.10.13 pydantic==1.9.0" in pins(first)


def test_any_pin_may_contradict_another_when_all_may_move() -> None:
    model = model_of("mlflow-skinny", "numpy==1.21", "numpy==1.22")

    assert plans(model, options=MergeOptions(relax=("auto",)))


def test_indexes_of_the_model_are_used_unless_the_user_says_otherwise() -> None:
    model = model_of("mlflow", "--extra-index-url https://example.org/simple")

    (used, *_) = plans(model, NO_SERVER)
    (unused, *_) = plans(model, NO_SERVER, options=MergeOptions(use_model_indexes=False))

    assert [str(found) for found in used.index_options] == [
        "--extra-index-url https://example.org/simple"
    ]
    assert unused.index_options == ()


def test_setuptools_of_conda_is_there_for_programs_too() -> None:
    model = model_of("mlflow==3.1.4", conda=["pip<=23", "setuptools=65.5", "wheel"])

    (only,) = plans(model, NO_SERVER)

    assert pins(only) == "mlflow==3.1.4 setuptools==65.5.*"


def test_conda_packages_are_tried_under_their_names_on_pypi_when_the_user_says_so() -> None:
    model = model_of("mlflow==3.1.4", conda=["pytorch=2.1", "cudatoolkit=11.8", "numpy 1.26.4"])

    first, *_ = plans(model, NO_SERVER, options=MergeOptions(runtime="pip"))

    assert pins(first) == "mlflow==3.1.4 numpy==1.26.4 torch==2.1.*"
    assert change_lines(first) == [
        (
            "dropped: cudatoolkit=11.8 -> nothing: no Python package: wheels bring such libraries,"
            " or the image has them"
        ),
        "renamed: pytorch=2.1 -> torch==2.1.*: the same package on PyPI",
    ]


def test_requirements_for_other_systems_do_not_count() -> None:
    model = model_of(
        "mlflow==3.1.4; sys_platform == 'linux'", "mlflow==2.9.2; sys_platform == 'win32'"
    )

    first, *_ = plans(model)

    assert "mlflow==3.1.4" in pins(first)
    assert pins(first).startswith("azureml-inference-server-http>=1.4.1")


def test_all_that_was_noticed_before_is_in_every_plan() -> None:
    read, parsed = (Notice(code=code, message="hm", level="note") for code in ("read", "parsed"))
    model = replace(
        model_of("mlflow==2.9.2", mlflow="2.8.0", loader="mlflow.spark", flavors={"spark": {}}),
        notices=(read,),
    )
    spec = replace(parse_environment(model), notices=(parsed,))

    for plan in plans(model, spec=spec):
        assert [notice.code for notice in plan.notices] == [
            "read",
            "parsed",
            "needs-java",
            "record-differs",
        ]


@pytest.mark.parametrize(
    ("python", "recorded", "chosen"),
    [("3.8", None, "3.8.20"), ("3.8", "3.8.5", "3.8.5"), ("3.8.1", "3.8.5", "3.8.1")],
)
def test_the_record_chooses_the_release_of_the_minor_version(
    python: str, recorded: str | None, chosen: str
) -> None:
    model = model_of("mlflow", python=python, recorded_python=recorded)

    assert str(plans(model)[0].python) == chosen


def test_the_users_python_counts_and_a_difference_is_told() -> None:
    model = model_of("mlflow", python="3.8", recorded_python="3.8.5")

    (first, *_) = plans(model, options=MergeOptions(python="3.11"))
    (same, *_) = plans(model, options=MergeOptions(python="3.8"))

    assert first.python == Version("3.11.18")
    assert notice_lines(first, "python-differs") == [
        "--python: Python 3.11.18 counts, though conda.yaml: dependencies[0] has python=3.8"
    ]
    assert same.python == Version("3.8.5")
    assert notice_lines(same, "python-differs") == []


def test_a_python_that_does_not_exist_is_refused_where_it_stands() -> None:
    with pytest.raises(PythonVersionError) as raised:
        plans(model_of("mlflow", python="3.9.99"))

    assert (
        str(raised.value)
        == """\
conda.yaml: dependencies[0]: no release of Python satisfies python=3.9.99
  nearest release: 3.9.25
  try: --python 3.9.25"""
    )


def test_a_recorded_python_that_does_not_exist_is_named_as_such() -> None:
    model = model_of("mlflow", python="", recorded_python="2.7.18")

    with pytest.raises(PythonVersionError) as raised:
        plans(model)

    assert (
        str(raised.value)
        == """\
MLmodel: flavors.python_function.python_version: Python 2.7.18 is too old: the oldest Python with a\
 server is 3.6
  nearest release: 3.6.15
  try: --python 3.6.15"""
    )


def test_a_model_that_names_no_python_is_refused() -> None:
    with pytest.raises(PythonVersionError) as raised:
        plans(model_of("mlflow", python=""))

    assert (
        str(raised.value)
        == """\
model: the model does not say which Python it needs
  try: --python 3.10, or the one that the model was made with"""
    )


def test_a_python_that_the_server_has_no_packages_for_is_refused_with_those_it_has() -> None:
    with pytest.raises(PythonVersionError) as raised:
        plans(model_of("mlflow", python="3.14"), "azureml-batch")

    assert (
        str(raised.value)
        == """\
azureml-batch: azureml-batch has no packages for Python 3.14.9
  it has some for <3.14,>=3.10
  it has some for <3.10,>=3.8
  it has some for ==3.7.*
  it has some for ==3.6.*
  try: --python with one of these, or another --server"""
    )


def test_a_users_profile_without_packages_for_the_python_is_named_by_its_file() -> None:
    profile = ServerProfile(
        name="gateway",
        summary="",
        package_sets=(PackageSet(python=SpecifierSet(), packages=()),),
        path=Path("profiles/gateway.toml"),
    )
    none = replace(profile, package_sets=())

    assert plans(model_of("mlflow"), profile)
    with pytest.raises(
        PythonVersionError, match=r"profiles/gateway\.toml: gateway has no packages"
    ):
        plans(model_of("mlflow"), none)


def test_what_mlmodel_does_not_say_ends_the_merge() -> None:
    with pytest.raises(SpecError):
        plans(model_of(flavors={"mystery": {}}))


@pytest.mark.parametrize(
    ("marker", "platform", "answer"),
    [
        ("", "linux-64", True),
        ("python_version < '3.9'", "linux-64", False),
        ("platform_machine == 'aarch64'", "linux-aarch64", True),
        ("sys_platform == 'win32'", "linux-64", False),
        ("extra == 'test'", "linux-64", False),
        ("implementation_name == 'cpython'", "osx-arm64", True),
    ],
)
def test_markers_are_evaluated_for_the_target(marker: str, platform: str, answer: bool) -> None:
    requirement = replace(constraint("numpy"), marker=Marker(marker) if marker else None)

    assert applies(requirement, target("3.11.7", platform)) is answer


def test_changes_are_notes_unless_something_is_given_up() -> None:
    kinds = ("filled-in", "swapped", "added", "renamed", "older-server", "relaxed", "dropped")
    change = Change(kind="", name="a", before="", after="", reason="", origin="")

    assert [replace(change, kind=kind).level for kind in kinds] == [
        "note",
        "note",
        "note",
        "note",
        "warning",
        "warning",
        "warning",
    ]


REQUIREMENTS = st.lists(
    st.sampled_from(
        [
            "mlflow",
            "mlflow==2.9.2",
            "mlflow-skinny",
            "scikit-learn",
            "scikit-learn>=1",
            "numpy==1.26.4",
            "pandas",
            "pydantic<2",
            "flask>=2",
            "cloudpickle==2.2.1",
            "azureml-inference-server-http",
            "torch==2.0.1; sys_platform == 'linux'",
        ]
    ),
    unique=True,
    max_size=8,
)


@given(texts=REQUIREMENTS, order=st.randoms(use_true_random=False))
def test_the_order_of_entries_does_not_change_the_plans(
    texts: list[str], order: random.Random
) -> None:
    model = model_of("mlflow-skinny>=1", *texts, mlflow="2.9.2", flavors=SKLEARN)
    spec = parse_environment(model)
    shuffled = list(spec.pip)
    order.shuffle(shuffled)

    one = plans(model, spec=spec)
    other = plans(model, spec=replace(spec, pip=tuple(shuffled)))

    assert [_content(plan) for plan in one] == [_content(plan) for plan in other]


@given(texts=REQUIREMENTS)
def test_plans_differ_and_each_has_the_server(texts: list[str]) -> None:
    found = plans(model_of("mlflow-skinny>=1", *texts, mlflow="2.9.2", flavors=SKLEARN))

    solved = [(plan.requirements, plan.constraints) for plan in found]
    assert len(set(solved)) == len(solved)
    assert all("azureml-inference-server-http" in pins(plan) for plan in found)


@given(texts=REQUIREMENTS)
def test_nothing_that_the_model_pins_is_lost(texts: list[str]) -> None:
    model = model_of("mlflow-skinny>=1", *texts, flavors=SKLEARN)
    pinned = {
        (entry.name, entry.specifier)
        for entry in parse_environment(model).pip
        if entry.specifier and entry.name != "mlflow"
    }

    for plan in plans(model):
        assert pinned <= {(entry.name, entry.specifier) for entry in plan.requirements}


@given(texts=REQUIREMENTS)
def test_merging_what_was_merged_asks_for_nothing_more(texts: list[str]) -> None:
    model = model_of("mlflow-skinny>=1", *texts, mlflow="2.9.2", flavors=SKLEARN)
    spec = parse_environment(model)
    first, *_ = plans(model, NO_SERVER, spec=spec)

    again, *_ = plans(model, NO_SERVER, spec=replace(spec, pip=first.requirements))

    assert again.requirements == first.requirements


def _content(plan: object) -> object:
    return replace(plan, spec=None)  # type: ignore[type-var]


def test_the_same_inputs_give_the_same_plans() -> None:
    model = model_of("mlflow", "scikit-learn", mlflow="2.9.2", flavors=SKLEARN)
    server = load_profile("azureml-online")

    def merged() -> object:
        return merge(
            model,
            parse_environment(model),
            server,
            platforms=(parse_platform("linux-64"), parse_platform("linux-aarch64")),
            options=MergeOptions(),
        )

    assert merged() == merged()
