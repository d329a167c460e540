"""Which Python runs build scripts."""

from __future__ import annotations

import sys
from pathlib import Path

from packaging.version import Version

from envbuild.resolve.interpreters import Interpreter, Interpreters
from tests.support.problems import ambient_of
from tests.support.scripted_runner import Answer, Call, ScriptedRunner


def interpreters(tmp_path: Path, runner: ScriptedRunner, **environ: str) -> Interpreters:
    return Interpreters(ambient=ambient_of(tmp_path, **{"PATH": "", **environ}), run=runner)


def executable(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o755)
    return path


def by_path(call: Call) -> Answer:
    """Says the version that stands in its path."""
    version = Path(call.argv[0]).parts[-3].removeprefix("cpython-").partition("-")[0]
    return Answer(stdout=f"cpython {version}\n")


def test_the_running_python_is_not_looked_for(tmp_path: Path) -> None:
    runner = ScriptedRunner({})
    minor = (sys.version_info.major, sys.version_info.minor)

    found = interpreters(tmp_path, runner).find(minor)

    assert found is not None
    assert found.path == Path(sys.executable)
    assert found.minor == minor


def test_the_newest_release_of_pyenv_comes_first(tmp_path: Path) -> None:
    runner = ScriptedRunner({"": by_path})
    for version in ("3.5.2", "3.5.10", "3.5.x"):
        executable(tmp_path / "home" / ".pyenv" / "versions" / version / "bin" / "python")

    found = interpreters(tmp_path, runner).find((3, 5))

    assert found is not None
    assert found.version == Version("3.5.10")
    assert len(runner.calls) == 1


def test_uvs_own_interpreters_are_found(tmp_path: Path) -> None:
    name = "cpython-3.5.9-linux-x86_64-gnu"
    path = executable(
        tmp_path / "home" / ".local" / "share" / "uv" / "python" / name / "bin" / "python3.5"
    )

    found = interpreters(tmp_path, ScriptedRunner({"": by_path})).find((3, 5))

    assert found == Interpreter(path=path, version=Version("3.5.9"))


def test_a_shim_that_does_not_start_is_passed_over(tmp_path: Path) -> None:
    pyenv = executable(tmp_path / "pyenv" / "versions" / "3.5.1" / "bin" / "python")
    on_path = executable(tmp_path / "bin" / "python3.5")
    runner = ScriptedRunner(
        {str(pyenv): Answer(missing=True), str(on_path): Answer(stdout="cpython 3.5.4\n")}
    )
    found = interpreters(
        tmp_path, runner, PYENV_ROOT=str(tmp_path / "pyenv"), PATH=str(on_path.parent)
    )

    assert found.find((3, 5)) == Interpreter(path=on_path, version=Version("3.5.4"))


def test_what_is_no_cpython_of_that_version_does_not_count(tmp_path: Path) -> None:
    for version in ("3.5.1", "3.5.2", "3.5.3"):
        executable(tmp_path / "home" / ".pyenv" / "versions" / version / "bin" / "python")
    runner = ScriptedRunner(
        {
            "3.5.1": Answer(stdout="pypy 3.5.1\n"),
            "3.5.2": Answer(stdout="", returncode=127),
            "3.5.3": Answer(stdout="cpython 3.6.0\n"),
        }
    )

    assert interpreters(tmp_path, runner).find((3, 5)) is None


def test_each_minor_is_looked_for_once(tmp_path: Path) -> None:
    executable(tmp_path / "home" / ".pyenv" / "versions" / "3.5.1" / "bin" / "python")
    runner = ScriptedRunner({"": Answer(returncode=1)})
    found = interpreters(tmp_path, runner)

    assert found.find((3, 5)) is found.find((3, 5)) is None
    assert len(runner.calls) == 1


def test_nothing_of_ours_reaches_a_candidate(tmp_path: Path) -> None:
    executable(tmp_path / "home" / ".pyenv" / "versions" / "3.5.1" / "bin" / "python")
    runner = ScriptedRunner({"": by_path})

    interpreters(tmp_path, runner, SECRET="CANARY").find((3, 5))

    assert "CANARY" not in runner.calls[0].env.values()
