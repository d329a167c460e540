"""Merging with the conda runtime: what conda is to solve, and what contradicts itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest
from packaging.specifiers import SpecifierSet

from envbuild.errors import ConflictError
from envbuild.merge import MergeOptions, Plan
from envbuild.merging.conda_part import conda_version
from envbuild.spec import parse_environment
from tests.support.merging import NO_SERVER, change_lines, model_of, notice_lines, pins, plans

CONDA = MergeOptions(runtime="conda")


def conda_lines(plan: Plan) -> list[str]:
    """The conda part of a plan with the place of each entry."""
    return [f"{one.match_spec()} ({one.origin})" for one in plan.conda]


def merged(
    *pip: str, conda: Iterable[str], options: MergeOptions | None = None, python: str = "3.11.7"
) -> Plan:
    model = model_of(*pip, conda=conda, python=python)
    return plans(model, NO_SERVER, options=options)[0]


def message(*pip: str, conda: Iterable[str], options: MergeOptions = CONDA) -> str:
    with pytest.raises(ConflictError) as raised:
        merged(*pip, conda=conda, options=options)
    return str(raised.value)


@pytest.mark.parametrize(
    ("conda", "runtime", "expected"),
    [
        ([], "auto", "pip"),
        (["pip<=22.1", "setuptools", "wheel"], "auto", "pip"),
        (["libgomp"], "auto", "conda"),
        (["libgomp"], "pip", "pip"),
        (["pip"], "conda", "conda"),
    ],
)
def test_conda_is_taken_when_it_is_needed_or_asked_for(
    conda: list[str], runtime: str, expected: str
) -> None:
    plan = merged("flask", conda=conda, options=MergeOptions(runtime=runtime))

    assert plan.runtime == expected
    assert bool(plan.conda) == (expected == "conda")


def test_conda_gets_python_the_tools_and_the_packages_with_their_places() -> None:
    plan = merged("flask", conda=["pip<=22.1", "conda-forge::pytorch=1.13=py311*", "libgomp"])

    assert conda_lines(plan) == [
        "python[version='==3.11.7'] (conda.yaml: dependencies[0])",
        "pip[version='<=22.1'] (conda.yaml: dependencies[1])",
        "conda-forge::pytorch[version='==1.13',build='py311*'] (conda.yaml: dependencies[2])",
        "libgomp (conda.yaml: dependencies[3])",
    ]
    assert pins(plan) == "flask"
    assert plan.changes == ()


def test_pip_is_added_since_it_installs_the_pip_part() -> None:
    plan = merged("flask", conda=["libgomp"])

    assert conda_lines(plan)[-1] == "pip (envbuild: what installs the pip part)"


@pytest.mark.parametrize(
    ("asked", "option", "spec"),
    [
        ("3.11.7", "", "python[version='==3.11.7']"),
        ("3.11", "", "python[version='=3.11']"),
        ("*", "", "python[version='=3.11']"),
        ("3.11", "3.9", "python[version='=3.9']"),
        ("3.11", "3.9.7", "python[version='==3.9.7']"),
    ],
)
def test_python_is_asked_for_as_the_model_or_the_user_does(
    asked: str, option: str, spec: str
) -> None:
    model = replace(model_of("flask", conda=["libgomp"], python=asked), python_version="3.11.2")
    plan = plans(model, NO_SERVER, options=MergeOptions(python=option))[0]

    assert plan.conda[0].match_spec() == spec


@pytest.mark.parametrize(
    ("own", "users", "channels"),
    [
        ((), (), ("conda-forge",)),
        (("pytorch", "conda-forge", "nodefaults"), (), ("pytorch", "conda-forge")),
        (
            ("conda-forge",),
            ("https://host/own", "conda-forge"),
            ("https://host/own", "conda-forge"),
        ),
        ((), ("own",), ("own",)),
    ],
)
def test_the_users_channels_come_first(
    own: tuple[str, ...], users: tuple[str, ...], channels: tuple[str, ...]
) -> None:
    model = model_of("flask", conda=["libgomp"])
    spec = replace(parse_environment(model), channels=own)

    plan = plans(model, NO_SERVER, spec=spec, options=MergeOptions(channels=users))[0]

    assert plan.channels == channels


def test_the_models_channels_can_be_left_out_as_its_indexes_can() -> None:
    model = model_of("flask", conda=["libgomp"])
    spec = replace(parse_environment(model), channels=("gone",))
    options = MergeOptions(channels=("own",), use_model_indexes=False)

    assert plans(model, NO_SERVER, spec=spec, options=options)[0].channels == ("own",)


def test_the_same_package_from_both_is_asked_of_conda_as_suits_both() -> None:
    plan = merged("torch==1.13.1", "flask", conda=["pytorch>=1.12"])

    assert conda_lines(plan)[1:] == [
        "pytorch[version='>=1.12'] (conda.yaml: dependencies[1])",
        "pip (envbuild: what installs the pip part)",
        "pytorch[version='==1.13.1'] (conda.yaml: dependencies[2].pip[0])",
    ]
    assert pins(plan) == "flask torch==1.13.1"


def test_a_recorded_version_fills_in_an_open_conda_package_and_can_be_given_up() -> None:
    model = model_of(
        "flask",
        conda=["scikit-learn", "libgomp"],
        flavors={"sklearn": {"sklearn_version": "1.2.0"}},
    )
    first, *_, last = plans(model, NO_SERVER)

    assert "scikit-learn[version='==1.2.0']" in " ".join(conda_lines(first))
    assert "scikit-learn[" not in " ".join(conda_lines(last))
    assert "scikit-learn" not in pins(first)
    assert [line.partition(": MLmodel")[0] for line in change_lines(first)] == [
        "filled-in: scikit-learn -> scikit-learn==1.2.0"
    ]


def test_what_a_flavor_imports_is_not_asked_of_pip_when_conda_brings_it() -> None:
    model = model_of(
        "flask", conda=["py-xgboost=1.7"], flavors={"xgboost": {"xgb_version": "1.7.1"}}
    )
    plan = plans(model, NO_SERVER)[0]

    assert "xgboost" not in pins(plan)


def test_mlflow_of_conda_is_not_swapped_for_the_skinny_one() -> None:
    model = model_of("flask", conda=["mlflow=2.9.2"])

    assert all(
        change.kind != "swapped"
        for plan in plans(model, "azureml-online")
        for change in plan.changes
    )


def test_the_servers_packages_stay_with_pip() -> None:
    model = model_of("mlflow-skinny==2.9.2", conda=["libgomp"])
    plan = plans(model, "azureml-online")[0]

    assert "azureml-inference-server-http" in pins(plan)
    assert [one.name for one in plan.conda] == ["python", "libgomp", "pip"]


def test_a_name_that_may_be_several_is_said() -> None:
    plan = merged("flask", conda=["opencv"])

    assert notice_lines(plan, "conda-name-ambiguous") == [
        'conda.yaml: dependencies[1]: opencv may be opencv-python-headless or opencv-python on PyPI; it is taken for opencv-python-headless, --name-map FILE says otherwise (opencv = "opencv-python")'  # noqa: E501
    ]


def test_a_package_twice_in_conda_that_agrees_is_fine() -> None:
    plan = merged("flask", conda=["numpy>=1.21", "numpy<2", "numpy=1.23"])

    assert [one.version for one in plan.conda if one.name == "numpy"] == [">=1.21", "<2", "=1.23"]


def test_a_package_twice_in_conda_that_disagrees_names_both_entries() -> None:
    assert (
        message("flask", conda=["cudatoolkit=11.3", "libgomp", "cudatoolkit=10.1"])
        == """\
requirements contradict each other
  cudatoolkit: conda.yaml: dependencies[1] asks for cudatoolkit=11.3 from conda, \
conda.yaml: dependencies[3] for cudatoolkit=10.1
  try: change one of the entries"""
    )


def test_two_builds_or_two_channels_of_one_package_contradict_each_other() -> None:
    assert (
        message(
            "flask",
            conda=["mkl=2021=a_0", "mkl=2021=b_0", "main::zlib", "conda-forge::zlib"],
        )
        == """\
requirements contradict each other
  mkl: conda.yaml: dependencies[1] asks for mkl==2021=a_0 from conda, \
conda.yaml: dependencies[2] for mkl==2021=b_0
  zlib: conda.yaml: dependencies[3] asks for main::zlib from conda, \
conda.yaml: dependencies[4] for conda-forge::zlib
  try: change one of the entries"""
    )


def test_a_package_in_conda_and_under_its_pypi_name_names_both_entries() -> None:
    assert (
        message("torch==1.9.0", "xgboost==2.0.0", conda=["pytorch=1.13", "py-xgboost==1.7.1"])
        == """\
requirements contradict each other
  torch: conda.yaml: dependencies[1] asks for pytorch=1.13 from conda, \
conda.yaml: dependencies[3].pip[0] for torch==1.9.0 from pip
  xgboost: conda.yaml: dependencies[2] asks for py-xgboost==1.7.1 from conda, \
conda.yaml: dependencies[3].pip[1] for xgboost==2.0.0 from pip
  try: --relax torch xgboost, or change one of the entries"""
    )


def test_a_local_version_is_none_that_conda_has() -> None:
    assert (
        message("torch==1.9.0+cu102", conda=["pytorch=1.9"])
        == """\
requirements contradict each other
  torch: conda.yaml: dependencies[1] asks for pytorch=1.9 from conda, \
conda.yaml: dependencies[2].pip[0] for torch==1.9.0+cu102 from pip
  try: --relax torch, or change one of the entries"""
    )


def test_an_address_in_the_pip_section_cannot_stand_beside_the_package_of_conda() -> None:
    assert (
        message("numpy @ https://host/numpy-1.21.0-py3-none-any.whl", conda=["numpy"])
        == """\
requirements contradict each other
  numpy: conda.yaml: dependencies[1] asks for numpy from conda, \
conda.yaml: dependencies[2].pip[0] for numpy @ https://host/numpy-1.21.0-py3-none-any.whl from pip
  try: change one of the entries"""
    )


def test_pip_pinned_in_both_sections_names_both_entries() -> None:
    assert (
        message("pip==23.3", conda=["pip<=22.1", "libgomp"])
        == """\
requirements contradict each other
  pip: conda.yaml: dependencies[1] asks for pip<=22.1 from conda, \
conda.yaml: dependencies[3].pip[0] for pip==23.3 from pip
  try: --relax pip, or change one of the entries"""
    )


def test_a_pip_section_that_contradicts_itself_is_told_as_ever() -> None:
    assert (
        message("flask==1.0", "flask==2.0", conda=["libgomp"])
        == """\
requirements contradict each other
  flask: conda.yaml: dependencies[2].pip[0] asks for flask==1.0, \
conda.yaml: dependencies[2].pip[1] for flask==2.0
  try: --relax flask, or change one of the entries"""
    )


@pytest.mark.parametrize(
    ("specifier", "version"),
    [
        ("==1.2.*", "=1.2"),
        ("==1.2", "==1.2"),
        ("===1.2", "==1.2"),
        ("==1.9.0+cu102", "==1.9.0"),
        (">=1,<2,!=1.5.*", "!=1.5.*,<2,>=1"),
        ("~=1.4", "~=1.4"),
        ("", ""),
    ],
)
def test_a_pep_440_specifier_is_a_constraint_of_conda(specifier: str, version: str) -> None:
    assert conda_version(SpecifierSet(specifier)) == version
