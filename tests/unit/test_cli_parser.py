"""The command line as a parser, and the library's options made of it."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from envbuild import __version__
from envbuild.api import LockChoices
from envbuild.cli.options import build_options, export_options, lock_options
from envbuild.cli.parser import build_parser
from envbuild.errors import UsageError
from envbuild.options import LockOptions
from envbuild.platforms import parse_platform
from tests.support.cli_reference import PAGE, cli_reference


def options(*arguments: str) -> LockOptions:
    return lock_options(build_parser().parse_args(arguments))


@pytest.mark.parametrize("command", ["lock", "inspect"])
def test_no_arguments_are_the_librarys_defaults(command: str) -> None:
    assert options(command, "model") == LockOptions()


def test_every_option_of_lock_reaches_the_library() -> None:
    found = options(
        *("lock", "model", "--server", "mlflow", "--runtime", "pip", "--python", "3.11"),
        *("--platform", "linux-64", "--platform", "linux-aarch64", "--platform", "linux-64"),
        *("--base-image", "registry/python@sha256:0", "--no-fill-in", "--keep-mlflow"),
        *("--strict-server", "--ignore-model-indexes", "--relax", "numpy", "pandas"),
        *("--resolver", "pip-tools", "--upgrade", "--upgrade-package", "numpy"),
        *("--exclude-newer", "2026-01-01", "--only-binary", "--prerelease"),
        *("--constraint", "c.txt", "--offline", "--cache-dir", "/c", "--index-url", "https://i"),
        *("--extra-index-url", "https://e", "--find-links", "https://f"),
    )

    assert found == LockOptions(
        server="mlflow",
        runtime="pip",
        python="3.11",
        platforms=(parse_platform("linux-64"), parse_platform("linux-aarch64")),
        base_image="registry/python@sha256:0",
        fill_in=False,
        keep_mlflow=True,
        strict_server=True,
        model_indexes=False,
        relax=("numpy", "pandas"),
        resolver="pip-tools",
        upgrade=True,
        upgrade_packages=("numpy",),
        exclude_newer="2026-01-01",
        only_binary=True,
        prerelease=True,
        constraint_files=("c.txt",),
        offline=True,
        cache_dir="/c",
        index_url="https://i",
        extra_index_urls=("https://e",),
        find_links=("https://f",),
    )


def test_the_library_call_takes_what_the_command_line_takes() -> None:
    own = {field.name for field in fields(LockOptions)} - {"server", "platforms"}

    assert set(LockChoices.__annotations__) == own


def test_an_unknown_platform_is_an_error_of_usage() -> None:
    with pytest.raises(UsageError, match="unknown platform 'linux-32'"):
        options("lock", "model", "--platform", "linux-32")


def test_options_of_export_and_build_reach_the_library() -> None:
    export = export_options(
        build_parser().parse_args(
            ["export", "env", "-o", "b", "--with-model", "m", "--connections", "3", "--offline"]
        )
    )
    build = build_options(
        build_parser().parse_args(
            ["build", "b", "-t", "t", "--offline", "--label", "a=b=c", "--with-model", "m"]
        )
    )

    assert (export.model, export.connections, export.offline) == (Path("m"), 3, True)
    assert (build.model, build.offline, build.labels) == (Path("m"), True, {"a": "b=c"})


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["lock"], "the following arguments are required: MODEL"),
        (["frobnicate"], "invalid choice: 'frobnicate'"),
        (["lock", "model", "--serv", "none"], "unrecognized arguments: --serv none"),
        (["export", "env"], "the following arguments are required: -o/--output"),
        (["export", "env", "-o", "b", "--connections", "0"], "expected 1 or more"),
        (["export", "env", "-o", "b", "--connections", "x"], "expected 1 or more, got 'x'"),
        (["build", "b", "-t", "t", "--label", "x"], "expected KEY=VALUE, got 'x'"),
        (["serve", "b", "--port", "x"], "expected 0 to 65535, got 'x'"),
        (["serve", "b", "--port", "65536"], "expected 0 to 65535, got '65536'"),
        (["serve", "b", "--patience", "-1"], "expected a number of seconds, got '-1'"),
        (["serve", "b", "--grace", "nan"], "expected a number of seconds, got 'nan'"),
    ],
)
def test_wrong_usage_ends_with_2_and_says_what_is_wrong(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        build_parser().parse_args(arguments)

    assert caught.value.code == 2
    assert complaint in capsys.readouterr().err


def test_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        build_parser().parse_args(["--version"])

    assert caught.value.code == 0
    assert capsys.readouterr().out == f"envbuild {__version__}\n"


def test_the_reference_says_what_the_parser_does() -> None:
    assert PAGE.read_text(encoding="utf-8") == cli_reference()
