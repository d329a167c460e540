"""[build-system] as PEP 517 and PEP 518 have it."""

from __future__ import annotations

from pathlib import Path

import pytest

from envbuild.build.project import LEGACY, BuildSystem, read_build_system
from envbuild.errors import BuildError


def read(folder: Path, text: str) -> BuildSystem:
    (folder / "pyproject.toml").write_text(text)
    return read_build_system(folder, name="spam")


def test_a_project_says_what_builds_it(tmp_path: Path) -> None:
    text = (
        '[build-system]\nrequires = ["flit_core>=3"]\n'
        'build-backend = "flit_core.buildapi"\nbackend-path = ["tools/build"]\n'
    )

    assert read(tmp_path, text) == BuildSystem(
        requires=("flit_core>=3",),
        backend="flit_core.buildapi",
        backend_path=("tools/build",),
    )


@pytest.mark.parametrize("text", ["", "[project]\nname = 'spam'\n"])
def test_without_the_table_setuptools_builds(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text) == LEGACY


def test_without_the_file_setuptools_builds(tmp_path: Path) -> None:
    (tmp_path / "setup.py").touch()

    assert read_build_system(tmp_path, name="spam") == LEGACY


def test_without_a_backend_setuptools_builds_with_the_given_requirements(tmp_path: Path) -> None:
    assert read(tmp_path, '[build-system]\nrequires = ["cython"]\n') == BuildSystem(
        requires=("cython",)
    )


def test_a_folder_without_a_project_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BuildError) as caught:
        read_build_system(tmp_path, name="spam")

    assert str(caught.value) == "spam: there is neither pyproject.toml nor setup.py in it"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[build-system", "its pyproject.toml cannot be read: "),
        ("[build-system]\n", "[build-system] of its pyproject.toml has no list 'requires'"),
        ("[build-system]\nrequires = 'setuptools'\n", "has no list 'requires'"),
        ("[build-system]\nrequires = [1]\n", "has no list 'requires'"),
        ("build-system = 1\n", "has no list 'requires'"),
        ("[build-system]\nrequires = []\nbuild-backend = 1\n", "cannot be understood"),
        ("[build-system]\nrequires = []\nbackend-path = '.'\n", "cannot be understood"),
        ("[build-system]\nrequires = []\nbackend-path = ['..']\n", "cannot be understood"),
        ("[build-system]\nrequires = []\nbackend-path = ['/etc']\n", "cannot be understood"),
    ],
)
def test_what_breaks_the_rules_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(BuildError) as caught:
        read(tmp_path, text)

    assert problem in str(caught.value)


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_bytes(b"\xff\xfe")

    with pytest.raises(BuildError, match=r"spam: its pyproject.toml cannot be read: "):
        read_build_system(tmp_path, name="spam")
