"""What a solved conda part is to the pip part."""

from __future__ import annotations

import pytest

from envbuild.entries.requirements import PipRequirement
from envbuild.merging.name_map import load_name_map
from envbuild.resolve.conda.interface import CondaPackage
from envbuild.resolve.conda.provided import (
    Provided,
    conflict_error,
    contradicted,
    provided_by,
    suiting,
)
from envbuild.spec import parse_requirements
from tests.support.conda_solving import asked, package, solved
from tests.support.merging import target

PYTHON = package("python", "3.11.7")


def provided(
    *packages: CondaPackage,
    specs: tuple[str, ...] = (),
    evidence: dict[str, tuple[tuple[str, str], ...]] | None = None,
) -> Provided:
    return provided_by(
        solved(PYTHON, *packages), asked("python=3.11", *specs), load_name_map(), evidence or {}
    )


def lines(found: Provided) -> list[str]:
    return [f"{one.pep508()} ({one.origin})" for one in found.entries]


def pip(*texts: str) -> tuple[PipRequirement, ...]:
    return parse_requirements("\n".join(texts), file="requirements.txt", side="model")


def test_packages_stand_under_their_pypi_names_with_the_entry_and_the_way() -> None:
    found = provided(
        package("pytorch", "2.1.0", "python >=3.11", "numpy >=1.19"),
        package("numpy", "1.26.4", "python", "libblas 3.*"),
        package("libblas", "3.9.0"),
        specs=("pytorch=2.1",),
    )

    assert lines(found) == [
        (
            "numpy==1.26.4 (conda.yaml: dependencies[1]"
            " (numpy 1.26.4 from conda, by way of pytorch))"
        ),
        "torch==2.1.0 (conda.yaml: dependencies[1] (pytorch 2.1.0 from conda))",
    ]
    assert {one.origin.side for one in found.entries} == {"conda"}
    assert found.conda == {"numpy": "numpy", "torch": "pytorch"}
    assert found.notices == ()


def test_python_itself_is_no_package_of_pypi() -> None:
    assert lines(provided()) == []


def test_a_library_that_is_called_like_a_python_package_is_none() -> None:
    found = provided(package("snappy-c", "1.0"), package("tzdata", "2024a"), specs=("snappy-c",))

    assert lines(found) == []


def test_a_listed_name_counts_without_depending_on_python() -> None:
    found = provided(package("spacy-model-en_core_web_sm", "3.7.1", "spacy >=3.7"))

    assert [one.pep508() for one in found.entries] == ["en-core-web-sm==3.7.1"]


def test_a_package_that_may_be_several_stands_for_all_of_them() -> None:
    found = provided(package("py-opencv", "4.9.0", "python"))

    assert [one.pep508() for one in found.entries] == [
        "opencv-python==4.9.0",
        "opencv-python-headless==4.9.0",
    ]


def test_the_packages_own_dist_info_is_the_best_evidence() -> None:
    found = provided(
        package("py-opencv", "4.9.0", "python"),
        evidence={"py-opencv": (("opencv_python", "4.9.0.80"),)},
    )

    assert [one.pep508() for one in found.entries] == ["opencv-python==4.9.0.80"]


def test_evidence_without_a_dist_info_says_that_there_is_none() -> None:
    assert lines(provided(package("meta", "1.0", "python"), evidence={"meta": ()})) == []


def test_two_packages_for_one_name_are_one_entry_the_surer_one() -> None:
    found = provided(package("dask", "2024.1", "python"), package("dask-core", "2024.2", "python"))

    assert [one.pep508() for one in found.entries] == ["dask==2024.2"]
    assert [notice.message for notice in found.notices] == [
        (
            "dask and dask-core from conda both stand for dask;"
            " the pip part is solved with dask==2024.2"
        )
    ]


def test_two_packages_that_agree_are_nothing_to_tell() -> None:
    found = provided(package("pytorch", "2.1", "python"), package("pytorch-gpu", "2.1", "pytorch"))

    assert [one.pep508() for one in found.entries] == ["torch==2.1"]
    assert found.notices == ()


def test_a_version_that_pip_does_not_understand_is_said() -> None:
    found = provided(package("odd", "9e_b", "python"), specs=("odd",))

    assert lines(found) == []
    assert [str(notice) for notice in found.notices] == [
        (
            "conda.yaml: dependencies[1] (odd 9e_b from conda): odd 9e_b from conda has no version"
            " that pip understands, so the pip part is solved without it"
        )
    ]


@pytest.mark.parametrize(
    ("entry", "excludes"),
    [
        ("numpy>=1.20", False),
        ("numpy==1.26.*", False),
        ("numpy", False),
        ("numpy<1.26", True),
        ("numpy==1.26.4+local", True),
        ("numpy<1.26; python_version < '3.9'", False),
        ("numpy @ https://host/numpy-1.26.4-py3-none-any.whl", True),
        ("scipy<1", False),
    ],
)
def test_a_pip_requirement_that_excludes_what_conda_has(entry: str, *, excludes: bool) -> None:
    found = provided(package("numpy", "1.26.4", "python"))

    assert bool(contradicted(found, pip(entry), target())) == excludes


def test_conda_can_be_asked_for_what_suits_pip_under_its_own_name() -> None:
    found = provided(package("pytorch", "2.1.0", "python"))
    pairs = contradicted(found, pip("torch>=1.9,<2"), target())

    (wanted,) = suiting(pairs, found) or ()
    assert (wanted.match_spec(), str(wanted.origin)) == (
        "pytorch[version='<2,>=1.9']",
        "requirements.txt: line 1",
    )


@pytest.mark.parametrize("entry", ["torch==1.9.0+cu102", "torch @ https://host/torch-1.9.0.zip"])
def test_nothing_of_conda_suits_a_local_version_or_an_address(entry: str) -> None:
    found = provided(package("pytorch", "2.1.0", "python"))

    assert suiting(contradicted(found, pip(entry), target()), found) is None


def test_the_error_names_both_entries_of_every_contradiction() -> None:
    found = provided(
        package("pytorch", "2.1.0", "python", "numpy"),
        package("numpy", "1.26.4", "python"),
        specs=("pytorch",),
    )
    pairs = contradicted(found, pip("torch==1.9.0+cu102", "numpy<1.20"), target())

    assert (
        str(conflict_error(pairs, details=["the chain"]))
        == """\
the pip part contradicts what conda brings
  torch: requirements.txt: line 1 asks for torch==1.9.0+cu102 from pip, \
conda.yaml: dependencies[1] (pytorch 2.1.0 from conda) brings torch==2.1.0
  numpy: requirements.txt: line 2 asks for numpy<1.20 from pip, \
conda.yaml: dependencies[1] (numpy 1.26.4 from conda, by way of pytorch) brings numpy==1.26.4
  the chain
  try: change one of the entries; or --runtime pip, where conda is not needed"""
    )
