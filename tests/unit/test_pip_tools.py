"""The pip-tools resolver, with programs that are only played."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from envbuild.entries.requirements import UrlSource
from envbuild.errors import (
    BuildError,
    EnvbuildError,
    IndexUnavailableError,
    ResolutionError,
    RuntimeUnsupportedError,
    ToolError,
    UsageError,
)
from envbuild.platforms import parse_platform
from envbuild.resolve.interface import Problem, Resolution, ResolverOptions
from envbuild.resolve.pip_tools import PipToolsResolver
from tests.support.problems import ambient_of, index_option, problem, requirement
from tests.support.scripted_runner import Answer, ScriptedRunner

INDEX = "https://ada:CANARY@pypi.example/simple"
LOCK = """\
lock-version = "1.0"
created-by = "uv"
[[packages]]
name = "eggs"
version = "1.0"
wheels = [{{ url = "{origin}/eggs-1.0-py3-none-any.whl", hashes = {{ sha256 = "0" }} }}]
"""


@pytest.fixture(autouse=True)
def linux(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the tests run, this is the machine of the target."""
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")


def scripted(
    compiled: Answer, *, python: str = "3.7.16", other: Mapping[str, Answer] = MappingProxyType({})
) -> ScriptedRunner:
    return ScriptedRunner(
        {
            "sys.implementation": Answer(stdout=f"cpython {python}\n"),
            " venv --python": other.get("venv", Answer()),
            " pip install ": other.get("install", Answer()),
            " pip show ": Answer(stdout="Name: pip-tools\nVersion: 6.14.0\n"),
            " -m piptools compile ": compiled,
            " pip compile ": Answer(
                files={"pylock.toml": LOCK.format(origin="https://pypi.example")},
            ),
        }
    )


def compiled(*lines: str) -> Answer:
    return Answer(files={"requirements.txt": "\n".join(lines) + "\n"})


def resolver(tmp_path: Path, runner: ScriptedRunner, python: str = "3.7") -> PipToolsResolver:
    """A resolver on a machine that has this Python in pyenv."""
    ambient = ambient_of(tmp_path)
    executable = ambient.home / ".pyenv" / "versions" / f"{python}.16" / "bin" / "python"
    executable.parent.mkdir(parents=True, exist_ok=True)
    executable.touch()
    return PipToolsResolver.of(ambient, runner=runner)


def wanted(*requirements: str, **fields: object) -> Problem:
    return replace(problem(requirements, python="3.7.16"), **fields)  # type: ignore[arg-type]


def solve(tmp_path: Path, runner: ScriptedRunner, asked: Problem) -> Resolution:
    return resolver(tmp_path, runner).resolve(asked)


def failure(tmp_path: Path, answer: Answer, **other: Answer) -> EnvbuildError:
    with pytest.raises(EnvbuildError) as caught:
        solve(tmp_path, scripted(answer, other=other), wanted("eggs"))
    return caught.value


def test_pip_compile_finds_the_pins_and_uv_the_files(tmp_path: Path) -> None:
    runner = scripted(compiled("# by pip-compile", "--find-links x", "eggs==1.0"))

    resolution = solve(tmp_path, runner, wanted("eggs"))

    assert resolution.resolver == "pip-tools 6.14.0"
    assert [package.name for package in resolution.pylock.packages] == ["eggs"]
    compile_call = next(call for call in runner.calls if "piptools" in call.line)
    assert compile_call.line.partition(" -m ")[2] == (
        "piptools compile requirements.in --output-file requirements.txt --quiet --no-header"
        " --no-annotate --no-emit-index-url --no-emit-trusted-host --allow-unsafe"
        f" --cache-dir {tmp_path}/home/.cache/envbuild/pip-tools --resolver=backtracking"
        " --index-url https://pypi.org/simple"
    )
    assert runner.files[-1]["requirements.in"] == "eggs==1.0\n"
    assert "--no-deps" in runner.calls[-1].argv


def test_pips_own_configuration_has_no_say(tmp_path: Path) -> None:
    runner = scripted(compiled("eggs==1.0"))

    solve(tmp_path, runner, wanted("eggs"))

    call = next(call for call in runner.calls if "piptools" in call.line)
    pip = {name: value for name, value in call.env.items() if name.startswith("PIP_")}
    assert pip == {
        "PIP_CONFIG_FILE": "/dev/null",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
    }
    assert call.env["HOME"].endswith("/home")
    assert call.env["LC_ALL"] == "C.UTF-8"


@pytest.mark.parametrize(
    ("python", "pip", "backtracking"),
    [("3.6", "pip<22", False), ("3.7", "pip<23.2", True), ("3.9", "pip", True)],
)
def test_old_pythons_get_the_tools_that_still_run_there(
    tmp_path: Path, python: str, pip: str, backtracking: bool
) -> None:
    runner = scripted(compiled("eggs==1.0"), python=f"{python}.16")
    asked = problem(["eggs"], python=f"{python}.16")

    resolver(tmp_path, runner, python).resolve(asked)

    install = next(call for call in runner.calls if " pip install " in call.line)
    assert install.argv[-4:] == ("pip-tools", pip, "setuptools", "wheel")
    flagged = any("--resolver=backtracking" in call.argv for call in runner.calls)
    assert flagged is backtracking


def test_every_choice_of_the_user_is_passed_on(tmp_path: Path) -> None:
    runner = scripted(compiled("eggs==1.0"))
    previous = 'packages = [{ name = "eggs", version = "0.9", wheels = [] }]'
    asked = wanted(
        "eggs",
        constraints=(requirement("eggs<2"),),
        previous=previous,
        index_options=(
            index_option("extra-index-url", "https://extra.example/simple"),
            index_option("find-links", "https://links.example/page"),
            index_option("trusted-host", "old.example"),
            index_option("no-binary", "eggs"),
        ),
        options=ResolverOptions(
            prerelease=True, upgrade=True, upgrade_packages=("Eggs",), only_binary=True
        ),
    )

    solve(tmp_path, runner, asked)

    position = next(n for n, call in enumerate(runner.calls) if "piptools" in call.line)
    assert runner.calls[position].line.partition("--resolver=backtracking ")[2] == (
        "--pre --upgrade --upgrade-package eggs --index-url https://pypi.org/simple"
        " --extra-index-url https://extra.example/simple --find-links https://links.example/page"
        " --trusted-host old.example --pip-args=--only-binary=:all: --no-binary=eggs"
    )
    files = runner.files[position]
    assert files["requirements.in"] == "-c constraints.txt\neggs\n"
    assert files["constraints.txt"] == "eggs<2\n"
    assert files["requirements.txt"] == "eggs==0.9\n"


def test_pins_keep_extras_and_markers_and_addresses(tmp_path: Path) -> None:
    runner = scripted(
        compiled(
            'eggs[fried]==1.0 ; python_version < "3.8"',
            "mine @ https://pypi.example/mine.whl",
            "theirs @ https://other.example/theirs.whl",
        )
    )
    mine = replace(
        requirement("mine"),
        source=UrlSource(url="https://pypi.example/mine.whl"),
        raw_url="https://pypi.example/mine.whl",
    )

    solve(tmp_path, runner, wanted("eggs", requirements=(requirement("eggs"), mine)))

    assert runner.files[-1]["requirements.in"] == (
        'eggs[fried]==1.0; python_version < "3.8"\n'
        "mine @ https://pypi.example/mine.whl\n"
        "theirs @ https://other.example/theirs.whl\n"
    )


def test_a_private_index_is_asked_through_the_relay(tmp_path: Path) -> None:
    runner = scripted(compiled("eggs==1.0"))
    asked = wanted("eggs", index_options=(index_option("index-url", INDEX),))

    resolution = solve(tmp_path, runner, asked)

    call = next(call for call in runner.calls if "piptools" in call.line)
    assert call.line.endswith(
        "--index-url http://pypi.example:443/simple --trusted-host pypi.example:443"
    )
    assert "CANARY" not in repr([(call.argv, dict(call.env)) for call in runner.calls])
    assert "CANARY" not in repr(runner.files)
    assert "CANARY" not in repr(resolution)


def test_another_patch_release_is_noted(tmp_path: Path) -> None:
    runner = scripted(compiled("eggs==1.0"))

    notices = solve(tmp_path, runner, problem(["eggs"], python="3.7.11")).notices

    assert [str(notice) for notice in notices] == [
        "pip-compile ran under Python 3.7.16, not 3.7.11, which this machine does not have"
    ]


def test_a_line_that_is_no_requirement_is_a_tool_error(tmp_path: Path) -> None:
    error = failure(tmp_path, compiled("-r other.txt"))

    assert str(error) == "pip-compile wrote a line that is no requirement\n  -r other.txt"


@pytest.mark.parametrize(
    ("stderr", "family", "message"),
    [
        (
            (
                "  ERROR: Ignored the following yanked versions: 2.0\n"
                "  ERROR: Could not find a version that satisfies the requirement eggs==9\n"
                "Traceback (most recent call last):\n"
                "pip._internal.exceptions.DistributionNotFound: No matching distribution\n"
            ),
            ResolutionError,
            (
                "pip finds no set of releases that satisfies the requirements\n"
                "  Could not find a version that satisfies the requirement eggs==9\n"
                "  try: --resolver uv, which explains a conflict"
            ),
        ),
        (
            "pip._internal.exceptions.DistributionNotFound: No matching distribution\n",
            ResolutionError,
            (
                "pip finds no set of releases that satisfies the requirements\n"
                "  pip._internal.exceptions.DistributionNotFound: No matching distribution\n"
                "  try: --resolver uv, which explains a conflict"
            ),
        ),
        (
            (
                "WARNING: Retrying after connection broken by 'NewConnectionError'\n"
                "pip._internal.exceptions.DistributionNotFound: No matching distribution\n"
            ),
            IndexUnavailableError,
            (
                "pip cannot reach an index\n"
                "  WARNING: Retrying after connection broken by 'NewConnectionError'"
            ),
        ),
        (
            "error: subprocess-exited-with-error\nno libfoo\n",
            BuildError,
            (
                "pip cannot build a source distribution to see what it depends on\n"
                "  error: subprocess-exited-with-error\n  no libfoo\n"
                "  try: another version of it that has a wheel, --only-binary to take none"
                " without, or a wheel of your own by --find-links"
            ),
        ),
        ("it broke\n", ToolError, "pip-compile ended with 1\n  it broke"),
    ],
)
def test_failures_are_told_apart(
    tmp_path: Path, stderr: str, family: type[EnvbuildError], message: str
) -> None:
    error = failure(tmp_path, Answer(returncode=1, stderr=stderr))

    assert type(error) is family
    assert str(error) == message


def test_endless_lists_are_cut(tmp_path: Path) -> None:
    releases = ", ".join(f"1.{n}" for n in range(200))
    stderr = f"ERROR: Could not find a version of eggs (from versions: {releases})\n"

    (line,) = failure(tmp_path, Answer(returncode=1, stderr=stderr)).details

    assert len(line) == 201
    assert line.endswith("…")


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ("venv", "an environment for pip-tools cannot be made"),
        ("install", "pip-tools cannot be installed"),
    ],
)
def test_tools_that_cannot_be_had_are_a_tool_error(tmp_path: Path, step: str, message: str) -> None:
    broken = Answer(returncode=2, stderr="error: no\n")
    error = failure(tmp_path, compiled(), **{step: broken})

    assert str(error) == f"{message}\n  error: no\n  try: --resolver uv"


def test_a_target_of_another_kind_is_refused(tmp_path: Path) -> None:
    asked = wanted("eggs")
    other = replace(asked, target=replace(asked.target, platform=parse_platform("osx-arm64")))

    with pytest.raises(RuntimeUnsupportedError) as caught:
        solve(tmp_path, scripted(compiled()), other)

    assert str(caught.value) == (
        "pip-tools solves for the machine it runs on, Linux x86_64, not for osx-arm64\n"
        "  try: --resolver uv, which solves for any platform"
    )


def test_options_without_an_equal_are_refused(tmp_path: Path) -> None:
    options = ResolverOptions(exclude_newer="2024-01-01", offline=True)

    with pytest.raises(UsageError) as caught:
        solve(tmp_path, scripted(compiled()), wanted("eggs", options=options))

    assert str(caught.value) == (
        "pip-compile has no equal to --exclude-newer and --offline\n  try: --resolver uv"
    )


def test_a_python_that_is_not_here_is_named(tmp_path: Path) -> None:
    runner = scripted(compiled())

    with pytest.raises(ToolError) as caught:
        PipToolsResolver.of(ambient_of(tmp_path, PATH=""), runner=runner).resolve(
            problem(["eggs"], python="3.5.10")
        )

    assert str(caught.value) == (
        "pip-compile must run under Python 3.5, the target's, and this machine has none\n"
        "  looked for in pyenv, among uv's interpreters and on PATH\n"
        "  try: install Python 3.5, or --resolver uv"
    )


def test_yes_or_no_is_uvs_to_say(tmp_path: Path) -> None:
    runner = scripted(compiled())

    assert resolver(tmp_path, runner).satisfiable(wanted("eggs"))
    assert not any("piptools" in call.line for call in runner.calls)
