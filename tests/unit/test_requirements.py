"""The texts of a requirement: one to show, one to resolve."""

from __future__ import annotations

import pytest
from packaging.markers import Marker
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName

from envbuild.entries.requirements import (
    CondaRequirement,
    FileSource,
    IndexOption,
    PipRequirement,
    UrlSource,
    VcsSource,
    variables_in,
)
from envbuild.errors import SpecError
from envbuild.origins import Origin

ORIGIN = Origin(side="model", file="conda.yaml", position="dependencies[2].pip[0]")
NAME = NormalizedName("wine")
GIT = VcsSource(vcs="git", url="https://host/wine.git", ref="v1", subdirectory="python")
RAW = "git+https://user:secret@host/wine.git@v1#subdirectory=python"


@pytest.mark.parametrize(
    ("requirement", "line"),
    [
        (PipRequirement(name=NAME, origin=ORIGIN, text=""), "wine"),
        (
            PipRequirement(
                name=NAME,
                origin=ORIGIN,
                text="",
                extras=("a", "b"),
                specifier=SpecifierSet(">=1,<2"),
                marker=Marker("python_version < '3.9'"),
            ),
            'wine[a,b]<2,>=1; python_version < "3.9"',
        ),
        (
            PipRequirement(name=NAME, origin=ORIGIN, text="", source=GIT),
            "wine @ git+https://host/wine.git@v1#subdirectory=python",
        ),
        (
            PipRequirement(
                name=NAME,
                origin=ORIGIN,
                text="",
                extras=("a",),
                source=UrlSource(url="https://host/x.whl"),
                marker=Marker("python_version < '3.9'"),
            ),
            'wine[a] @ https://host/x.whl ; python_version < "3.9"',
        ),
        (
            PipRequirement(name=None, origin=ORIGIN, text="", source=VcsSource(vcs="hg", url="u:")),
            "hg+u:",
        ),
        (
            PipRequirement(
                name=None, origin=ORIGIN, text="", extras=("a",), source=FileSource(path="lib")
            ),
            "./lib[a]",
        ),
    ],
)
def test_a_requirement_is_one_line(requirement: PipRequirement, line: str) -> None:
    assert requirement.pep508() == line
    assert requirement.resolvable({}) == line


def test_credentials_are_only_in_the_line_for_the_resolver() -> None:
    requirement = PipRequirement(name=NAME, origin=ORIGIN, text=RAW, source=GIT, raw_url=RAW)

    assert requirement.resolvable({}) == f"wine @ {RAW}"
    assert "secret" not in requirement.pep508()
    assert "secret" not in repr(requirement)


def test_variables_are_filled_in_for_the_resolver() -> None:
    raw = "git+https://${USER_1}:${TOKEN}@host/wine.git"
    requirement = PipRequirement(name=NAME, origin=ORIGIN, text=raw, source=GIT, raw_url=raw)

    line = requirement.resolvable({"USER_1": "me", "TOKEN": "secret", "OTHER": "x"})

    assert line == "wine @ git+https://me:secret@host/wine.git"


def test_a_variable_that_is_not_set_is_named() -> None:
    option = IndexOption(kind="index-url", value="https://u:secret@${A}/${B}", origin=ORIGIN)

    with pytest.raises(SpecError) as caught:
        option.resolvable({})

    assert str(caught.value) == (
        "conda.yaml: dependencies[2].pip[0]: 'https://****:****@${A}/${B}' needs the environment "
        "variable A, B, which is not set\n"
        "  try: export A=… and run again"
    )


def test_an_option_shows_no_credential() -> None:
    option = IndexOption(kind="extra-index-url", value="https://u:secret@h/simple", origin=ORIGIN)

    assert str(option) == "--extra-index-url https://****:****@h/simple"
    assert "secret" not in repr(option)
    assert option.resolvable({}) == "https://u:secret@h/simple"
    assert str(IndexOption(kind="pre", value="", origin=ORIGIN)) == "--pre"


@pytest.mark.parametrize(
    ("package", "spec"),
    [
        (CondaRequirement(name="numpy", origin=ORIGIN, text=""), "numpy"),
        (
            CondaRequirement(
                name="numpy",
                origin=ORIGIN,
                text="",
                channel="conda-forge",
                version="==1.2",
                build="py*",
                subdir="linux-64",
            ),
            "conda-forge::numpy[version='==1.2',build='py*',subdir='linux-64']",
        ),
    ],
)
def test_a_conda_package_has_one_spelling(package: CondaRequirement, spec: str) -> None:
    assert package.match_spec() == spec


def test_variables_are_found_as_pip_finds_them() -> None:
    assert variables_in("${A}/${B_2}/${A}/$C/${d}/{E}") == ("A", "B_2")
