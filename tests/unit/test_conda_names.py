"""conda packages as requirements from PyPI."""

from __future__ import annotations

import pytest
from packaging.requirements import Requirement

from envbuild.entries.conda_entries import parse_match_spec
from envbuild.merging.conda_names import Translation, same_on_pypi, show, translate
from envbuild.merging.name_map import load_name_map
from envbuild.origins import Origin

ORIGIN = Origin(side="model", file="conda.yaml", position="dependencies[1]")


def translated(*specs: str) -> Translation:
    return translate([parse_match_spec(text, origin=ORIGIN) for text in specs], load_name_map())


@pytest.mark.parametrize(
    ("spec", "requirement"),
    [
        ("pandas", "pandas"),
        ("numpy=1.21", "numpy==1.21.*"),
        ("numpy==1.21.5", "numpy==1.21.5"),
        ("numpy 1.21.5", "numpy==1.21.5"),
        ("numpy>=1.21,<1.23", "numpy<1.23,>=1.21"),
        ("numpy!=1.21.*", "numpy!=1.21.*"),
        ("numpy~=1.21", "numpy~=1.21"),
        ("numpy~=1", "numpy>=1"),
        ("conda-forge::pytorch=1.13", "torch==1.13.*"),
        ("py-xgboost==1.7.1", "xgboost==1.7.1"),
        ("opencv", "opencv-python-headless"),
        ("msgpack-python", "msgpack"),
        ("python-graphviz", "graphviz"),
        ("ruamel_yaml", "ruamel-yaml"),
        ("importlib_metadata", "importlib-metadata"),
        ("librosa", "librosa"),
        ("brotlipy=0.7.0", "brotlipy==0.7.0.*"),
    ],
)
def test_a_python_package_has_its_name_and_version_on_pypi(spec: str, requirement: str) -> None:
    (found,) = translated(spec).requirements

    assert found.pep508() == requirement
    assert found.text == requirement
    assert found.origin == ORIGIN


@pytest.mark.parametrize(
    "spec",
    [
        "cudatoolkit=11.3", "libgomp", "cmake", "mkl=2021.4", "openssl", "_libgcc_mutex=0.1=main",
        "ld_impl_linux-64", "libgcc-ng", "xorg-libx11", "r-base=4.1", "python_abi=3.8=2_cp38",
        "pytorch-mutex", "nvidia-cuda-nvcc", "graphviz", "libstdcxx-ng", "conda-package-handling",
        "intel-openmp", "llvm-openmp",
    ],
)  # fmt: skip
def test_libraries_and_tools_are_left_out_with_a_change(spec: str) -> None:
    found = translated(spec)

    assert found.requirements == ()
    assert found.notices == ()
    assert [(change.kind, change.after, change.level) for change in found.changes] == [
        ("dropped", "", "warning")
    ]


def test_a_package_under_another_name_is_a_change_that_names_both() -> None:
    (change,) = translated("pytorch=1.13=py38_cuda11.7").changes

    assert (change.kind, change.name, change.level) == ("renamed", "torch", "note")
    assert (change.before, change.after) == ("pytorch==1.13=py38_cuda11.7", "torch==1.13")
    assert change.reason == "the same package on PyPI"
    assert change.origin == "conda.yaml: dependencies[1]"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            "numpy=1.21=py38h*",
            "numpy==1.21=py38h* becomes numpy==1.21: PyPI has no words for build py38h*",
        ),
        (
            "torchvision=0.9.1+cu102",
            (
                "torchvision=0.9.1+cu102 becomes torchvision==0.9.1.*:"
                " PyPI has no words for build +cu102"
            ),
        ),
        (
            "scipy=1.8|1.9",
            "scipy=1.8|==1.9 becomes scipy: PyPI has no words for version =1.8|==1.9",
        ),
        (
            "scipy=1.*.1=abc",
            "scipy 1.*.1=abc becomes scipy: PyPI has no words for version 1.*.1 and build abc",
        ),
        (
            "tzdata=2024a.b.c",
            "tzdata=2024a.b.c becomes tzdata: PyPI has no words for version =2024a.b.c",
        ),
    ],
)
def test_what_pypi_has_no_words_for_is_left_out_with_a_warning(spec: str, message: str) -> None:
    warnings = [notice for notice in translated(spec).notices if notice.level == "warning"]

    assert [str(notice) for notice in warnings] == [f"conda.yaml: dependencies[1]: {message}"]


def test_one_note_lists_what_is_taken_from_pypi() -> None:
    (notice,) = translated("scipy", "pytorch", "libgomp").notices

    assert notice.level == "note"
    assert str(notice) == "conda.yaml: conda packages are taken from PyPI: scipy, torch"


def test_the_channel_is_never_shown() -> None:
    package = parse_match_spec("https://host/t/secret/forge::numpy=1.21=py38_0", origin=ORIGIN)

    assert show(package) == "numpy==1.21=py38_0"


def test_a_package_that_may_be_several_is_taken_for_the_likeliest_and_said_so() -> None:
    found = translated("opencv=4.5")

    assert [entry.pep508() for entry in found.requirements] == ["opencv-python-headless==4.5.*"]
    (notice,) = (notice for notice in found.notices if notice.level == "warning")
    assert str(notice) == (
        "conda.yaml: dependencies[1]: opencv may be opencv-python-headless or opencv-python on"
        " PyPI; it is taken for opencv-python-headless, --name-map FILE says otherwise"
        ' (opencv = "opencv-python")'
    )


def test_beside_conda_a_package_stands_for_all_that_it_may_be() -> None:
    packages = [parse_match_spec(text, origin=ORIGIN) for text in ("opencv=4.5", "libgomp")]

    found = same_on_pypi(packages, load_name_map())

    assert [entry.pep508() for entry in found.requirements] == [
        "opencv-python-headless==4.5.*",
        "opencv-python==4.5.*",
    ]
    assert found.changes == ()
    assert found.notices == ()


def test_every_translation_is_a_name_that_an_index_could_have() -> None:
    for spec in ("pyqt", "faiss", "ta-lib", "ray-tune", "tensorflow-mkl"):
        for requirement in translated(spec).requirements:
            assert Requirement(requirement.pep508()).name == requirement.name
