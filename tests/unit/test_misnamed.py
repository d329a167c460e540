"""The table of names that are no packages."""

from __future__ import annotations

import sys
from collections import Counter

import pytest
from packaging.utils import canonicalize_name

from envbuild.misnamed import load_misnamed


@pytest.mark.parametrize(
    ("name", "explanation"),
    [
        ("sklearn", "'sklearn' is the name of a module; the package is called scikit-learn"),
        ("fbprophet", "'fbprophet' is an old name; the package is now called prophet"),
        (
            "tensorflow-intel",
            "'tensorflow-intel' is for Windows only; elsewhere the package is called tensorflow",
        ),
        ("pywin32", "'pywin32' is for Windows only; elsewhere there is none"),
        ("appnope", "'appnope' is for macOS only; elsewhere there is none"),
        ("libgl1", "'libgl1' is no Python package: the system brings it"),
        (
            "tesseract-ocr",
            (
                "'tesseract-ocr' is no Python package: the system brings it; the Python package is "
                "called pytesseract"
            ),
        ),
        ("sys", "'sys' is a part of Python itself; there is no package to install"),
        ("uuid", "'uuid' is for older Pythons: what it brings is a part of Python now"),
    ],
)
def test_each_kind_of_name_has_its_sentence(name: str, explanation: str) -> None:
    assert load_misnamed()[name].explanation() == explanation


def test_every_name_is_normalized_and_stands_for_itself() -> None:
    for name, found in load_misnamed().items():
        assert name == found.name == canonicalize_name(name)
        assert found.instead == "" or found.instead == canonicalize_name(found.instead)


def test_no_name_leads_to_another_that_is_misnamed() -> None:
    table = load_misnamed()

    assert [name for name, found in table.items() if found.instead in table] == []


def test_every_kind_is_there() -> None:
    kinds = Counter(found.kind for found in load_misnamed().values())

    assert set(kinds) == {
        *("module", "stand-in", "renamed", "windows", "macos", "system"),
        *("standard-library", "backport"),
    }


def test_modules_of_the_library_are_modules_of_the_library() -> None:
    library = {canonicalize_name(name) for name in sys.stdlib_module_names}
    gone = {"asynchat", "asyncore", "binhex", "distutils", "imp", "smtpd"}  # after 3.10
    since = {"tomllib"}  # 3.11
    listed = {name for name, found in load_misnamed().items() if found.kind == "standard-library"}

    if sys.version_info < (3, 12):
        assert listed - since <= library
    assert not (listed & {"numpy", "requests"})
    assert gone - {"binhex"} <= listed


@pytest.mark.parametrize(
    ("name", "installable"),
    [("sys", False), ("sklearn", False), ("uuid", True), ("fbprophet", True)],
)
def test_an_old_name_can_still_be_installed(name: str, installable: bool) -> None:
    assert load_misnamed()[name].is_installable is installable
