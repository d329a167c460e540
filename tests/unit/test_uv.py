"""What uv is started with, by a runner that starts nothing."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pytest
import uv
from packaging.pylock import Pylock
from packaging.version import Version

from envbuild.errors import EnvbuildError, IndexUnavailableError, ResolutionError, ToolError
from envbuild.resolve.explain import explain
from envbuild.resolve.interface import Problem, Resolution, ResolverOptions
from envbuild.resolve.relax import nearer
from envbuild.resolve.remedies import exact_version
from envbuild.resolve.uv import UvResolver
from tests.support.problems import ambient_of, index_option, problem, requirement
from tests.support.scripted_runner import Answer, ScriptedRunner

LOCK = 'lock-version = "1.0"\ncreated-by = "uv"\npackages = []\n'


def scripted(lock: str = LOCK) -> ScriptedRunner:
    return ScriptedRunner(
        {
            "sys.implementation": Answer(stdout="cpython 3.5.9\n"),
            " pip compile ": Answer(files={"pylock.toml": lock}),
        }
    )


def test_the_whole_command_line(tmp_path: Path) -> None:
    runner = scripted()
    asked = problem(
        ["eggs"],
        python="3.5.10",
        constraints=(requirement("spam<2"),),
        overrides=(requirement("ham==1"),),
        index_options=(index_option("no-binary", "eggs"), index_option("only-binary", "spam")),
        options=ResolverOptions(
            exclude_newer="2024-01-01",
            prerelease=True,
            offline=True,
            no_deps=True,
            lowest_direct=True,
            upgrade=True,
            upgrade_packages=("Eggs",),
        ),
    )
    ambient = ambient_of(tmp_path)
    python = ambient.home / ".pyenv" / "versions" / "3.5.9" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()

    resolution = UvResolver.of(ambient, runner=runner).resolve(asked)

    assert resolution.resolver == f"uv {version('uv')}"
    assert runner.calls[-1].argv[1:] == (
        *("pip", "compile", "requirements.in", "--config-file", "uv.toml"),
        *("--cache-dir", f"{tmp_path}/uv-cache"),
        *("--python-version", "3.5.10", "--python-platform", "x86_64-manylinux_2_28"),
        *("--python", str(python), "--no-python-downloads", "--no-sources"),
        *("--index-strategy", "first-index"),
        *("--color", "never", "--no-progress", "--no-header", "--no-annotate"),
        *("--constraints", "constraints.txt", "--overrides", "overrides.txt"),
        *("--exclude-newer", "2024-01-01", "--prerelease", "allow", "--offline", "--no-deps"),
        *("--resolution", "lowest-direct", "--only-binary", "spam", "--no-binary", "eggs"),
        *("--generate-hashes", "--format", "pylock.toml", "--output-file", "pylock.toml"),
        *("--upgrade", "--upgrade-package", "eggs"),
    )
    files = runner.files[-1]
    assert {name: files[name] for name in files if name != "uv.toml"} == {
        "constraints.txt": "spam<2\n",
        "overrides.txt": "ham==1\n",
        "requirements.in": "eggs\n",
    }


def test_nothing_ambient_reaches_uv_but_patience_proxies_and_certificates(
    tmp_path: Path,
) -> None:
    runner = scripted()
    ambient = ambient_of(
        tmp_path,
        UV_INDEX_URL="https://elsewhere.example",
        UV_HTTP_TIMEOUT="90",
        PIP_INDEX_URL="https://elsewhere.example",
        SECRET="CANARY",
        HTTPS_PROXY="http://proxy.example:3128",
        REQUESTS_CA_BUNDLE="/etc/corp.pem",
    )

    UvResolver.of(ambient, runner=runner).resolve(problem(["eggs"]))

    assert dict(runner.calls[-1].env) == {
        "PATH": "/usr/bin:/bin",
        "HOME": str(runner.calls[-1].cwd and runner.calls[-1].cwd / "home"),
        "PYTHONUTF8": "1",
        "HTTPS_PROXY": "http://proxy.example:3128",
        "REQUESTS_CA_BUNDLE": "/etc/corp.pem",
        "SSL_CERT_FILE": "/etc/corp.pem",
        "UV_HTTP_TIMEOUT": "90",
        "UV_HTTP_RETRIES": "0",
        "GIT_TERMINAL_PROMPT": "0",
    }


def test_a_lock_that_is_not_valid_is_a_tool_error(tmp_path: Path) -> None:
    runner = scripted('lock-version = "1.0"\ncreated-by = "uv"\n')

    with pytest.raises(ToolError) as caught:
        UvResolver.of(ambient_of(tmp_path), runner=runner).resolve(problem(["eggs"]))

    assert str(caught.value) == (
        "uv wrote a lock that is not valid\n  Missing required value in 'packages'"
    )


def test_a_uv_package_without_its_program_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nowhere() -> str:
        raise FileNotFoundError("not in /a, /b")

    monkeypatch.setattr(uv, "find_uv_bin", nowhere)

    with pytest.raises(ToolError) as caught:
        UvResolver.of(ambient_of(tmp_path), runner=scripted()).resolve(problem(["eggs"]))

    assert str(caught.value) == (
        "the uv program is missing, although its package is installed\n"
        "  not in /a, /b\n"
        "  try: python -m pip install --force-reinstall uv"
    )


# The oracle's answers may fail on the way.


class Flaky:
    """Says no to what has both a and b; its network goes away once a version is let go."""

    def satisfiable(self, asked: Problem) -> bool:
        if any(not one.specifier for one in asked.requirements):
            raise IndexUnavailableError("pypi.org cannot be reached")
        return {"a", "b"} > {str(one.name) for one in asked.requirements}

    def resolve(self, asked: Problem) -> Resolution:
        if not self.satisfiable(asked):
            raise ResolutionError("no", details=["a and b are incompatible"])
        empty = Pylock.from_dict({"lock-version": "1.0", "created-by": "x", "packages": []})
        return Resolution(target=asked.target, pylock=empty, resolver="flaky")


def test_what_cannot_be_tried_is_not_offered() -> None:
    explanation = explain(problem(["a==1", "b==1"]), Flaky())

    assert explanation.choices == (("a",), ("b",))
    assert not explanation.relaxable
    assert explanation.remedies == ("the model without a",)


class OnePython:
    """Cannot be asked about any Python but the first."""

    def satisfiable(self, asked: Problem) -> bool:
        if asked.target.python_minor != (3, 11):
            raise IndexUnavailableError("pypi.org cannot be reached")
        return not asked.requirements

    def resolve(self, asked: Problem) -> Resolution:
        raise ResolutionError("no", details=["the current Python does not satisfy Python>=3.12"])


def test_a_python_that_cannot_be_tried_is_not_offered() -> None:
    explanation = explain(problem(["a==1"]), OnePython())

    assert explanation.remedies == ("the model without a",)


class Refusing:
    """Has no network at all after its first word."""

    def satisfiable(self, asked: Problem) -> bool:
        if len(asked.requirements) > 1:
            return False
        raise IndexUnavailableError("pypi.org cannot be reached")

    def resolve(self, asked: Problem) -> Resolution:
        raise ResolutionError("no", details=["the current Python does not satisfy Python>=3.12"])


def test_a_network_that_goes_away_is_no_answer() -> None:
    with pytest.raises(EnvbuildError, match=r"pypi\.org cannot be reached"):
        explain(problem(["a==1", "b==1"]), Refusing())


@pytest.mark.parametrize(
    ("old", "up", "down", "expected"),
    [
        ("1.21.0", "1.21.6", "1.20.3", "1.21.6"),
        ("1.21.0", "1.23.0", "1.20.3", "1.23.0"),
        ("1.21.0", "2.0.0", "1.19.5", "1.19.5"),
        ("1.21.0", None, "1.0.0", "1.0.0"),
        ("1.21.0", "9.9", None, "9.9"),
        ("1.21.0", None, None, None),
    ],
)
def test_nearer_shares_more_leading_numbers_and_a_tie_goes_up(
    old: str, up: str | None, down: str | None, expected: str | None
) -> None:
    assert nearer(Version(old), parsed(up), parsed(down)) == parsed(expected)


def parsed(text: str | None) -> Version | None:
    return Version(text) if text else None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a==1.2", "1.2"),
        ("a===1.2", "1.2"),
        ("a==1.2+cu102", "1.2+cu102"),
        ("a==1.*", None),
        ("a>=1,<2", None),
        ("a>=1", None),
        ("a", None),
    ],
)
def test_only_a_pin_has_an_exact_version(text: str, expected: str | None) -> None:
    assert exact_version(requirement(text)) == parsed(expected)
