"""Interpreters to build with: the user's, else the first of this machine that fits."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from packaging.version import Version

from envbuild.ambient import Ambient
from envbuild.build.interpreters import Interpreter, find_interpreter, own_interpreter
from envbuild.errors import ToolError, UsageError
from envbuild.platforms import Target, parse_platform
from tests.support.runners import FakeRunner

TARGET = Target(python=Version("3.7.11"), platform=parse_platform("linux-64"))


def said(version: str, *, machine: str = "x86_64", implementation: str = "CPython") -> str:
    return json.dumps(
        {
            "version": version,
            "implementation": implementation,
            "system": "Linux",
            "machine": machine,
            "libc": "glibc 2.36",
        }
    )


class Machine:
    """A machine on which some programs are Pythons."""

    def __init__(self, folder: Path, pythons: Mapping[str, str], managed: str = "") -> None:
        self.folder = folder
        self.pythons = {str(folder / name): text for name, text in pythons.items()}
        self.managed = managed
        for path in self.pythons:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).touch()
            Path(path).chmod(0o755)
        self.runner = FakeRunner(answer=self.answer)
        self.ambient = Ambient(
            environ={"PATH": str(folder / "bin")}, home=folder / "home", cwd=folder
        )

    def answer(self, argv: Sequence[str]) -> tuple[int, str, str]:
        if "find" in argv:
            return (0, f"{self.managed}\n", "") if self.managed else (2, "", "none\n")
        text = self.pythons.get(argv[0])
        return (0, text, "") if text else (1, "", "")

    def find(self, given: str = "") -> Interpreter | None:
        return find_interpreter(TARGET, given=given, ambient=self.ambient, runner=self.runner)


def test_the_very_release_wins_over_another_patch(tmp_path: Path) -> None:
    machine = Machine(
        tmp_path,
        {
            "home/.pyenv/versions/3.7.16/bin/python3.7": said("3.7.16"),
            "bin/python3.7": said("3.7.11"),
        },
    )

    found = machine.find()

    assert found is not None
    assert (found.exe, found.tag) == (tmp_path / "bin/python3.7", "cp37")


def test_another_patch_serves(tmp_path: Path) -> None:
    machine = Machine(tmp_path, {"home/.pyenv/versions/3.7.16/bin/python3.7": said("3.7.16")})

    found = machine.find()

    assert found is not None
    assert found.version == Version("3.7.16")


def test_uvs_own_serves_last(tmp_path: Path) -> None:
    machine = Machine(tmp_path, {"uv/python3.7": said("3.7.9")}, str(tmp_path / "uv/python3.7"))

    found = machine.find()

    assert found is not None
    assert found.exe == tmp_path / "uv/python3.7"


@pytest.mark.parametrize(
    "text",
    [
        said("3.8.1"),
        said("3.7.11", machine="aarch64"),
        said("3.7.11", implementation="PyPy"),
        "",
        "no json",
        "{}",
        said("not a version"),
    ],
)
def test_what_does_not_fit_is_passed_over(tmp_path: Path, text: str) -> None:
    assert Machine(tmp_path, {"bin/python3.7": text}).find() is None


def test_the_users_choice_is_taken_by_name_or_path(tmp_path: Path) -> None:
    machine = Machine(tmp_path, {"bin/mine": said("3.7.1"), "bin/python3.7": said("3.7.11")})

    by_name, by_path = machine.find("mine"), machine.find(str(tmp_path / "bin/mine"))

    assert by_name is not None
    assert by_name == by_path
    assert by_name.version == Version("3.7.1")


def test_a_choice_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    machine = Machine(tmp_path, {"bin/mine": said("3.8.1")})

    with pytest.raises(UsageError) as caught:
        machine.find("mine")

    assert str(caught.value) == (
        "--python-exe: mine is Python 3.8.1 on Linux x86_64\n  expected Python 3.7.11 on linux-64"
    )


def test_a_choice_that_does_not_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        Machine(tmp_path, {}).find("nothing")

    assert str(caught.value) == "--python-exe: nothing is not a CPython that runs"


def test_a_program_that_cannot_be_started_is_passed_over(tmp_path: Path) -> None:
    machine = Machine(tmp_path, {"bin/python3.7": said("3.7.11")})

    def refuse(argv: Sequence[str]) -> tuple[int, str, str]:
        if "find" in argv:
            return (2, "", "")
        raise ToolError("cannot start")

    machine.runner.answer = refuse
    assert machine.find() is None


def test_our_own_interpreter_stands_in(tmp_path: Path) -> None:
    machine = Machine(tmp_path, {})
    machine.pythons[sys.executable] = said("3.11.7")

    found = own_interpreter(machine.ambient, machine.runner)

    assert found.exe == Path(sys.executable)
    assert found.as_target() == Target(
        python=Version("3.11.7"), platform=parse_platform("linux-64"), glibc=(2, 28)
    )


def test_our_own_interpreter_must_run(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="does not run"):
        own_interpreter(Machine(tmp_path, {}).ambient, FakeRunner(answer=lambda _: (1, "", "")))


@pytest.mark.parametrize(
    ("libc", "glibc"),
    [("glibc 2.17", (2, 17)), ("glibc 2.41", (2, 28)), ("", (2, 28)), ("musl", (2, 28))],
)
def test_newer_machines_choose_the_same_wheels(libc: str, glibc: tuple[int, int]) -> None:
    interpreter = Interpreter(
        exe=Path("python"), version=Version("3.7.16"), system="Linux", machine="x86_64", libc=libc
    )

    assert interpreter.as_target().glibc == glibc


def test_a_machine_that_no_lock_is_for_is_told() -> None:
    interpreter = Interpreter(
        exe=Path("python"), version=Version("3.7.16"), system="Linux", machine="s390x"
    )

    with pytest.raises(ToolError) as caught:
        interpreter.as_target()

    assert str(caught.value) == "nothing can be built on Linux s390x"
