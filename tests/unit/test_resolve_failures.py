"""What uv prints, as the right error."""

from __future__ import annotations

import pytest

from envbuild.errors import (
    BuildError,
    EnvbuildError,
    IndexUnavailableError,
    ResolutionError,
    ToolError,
)
from envbuild.process import Completed
from envbuild.resolve.failures import Report, classify, parse_report, refused_urls, unreachable
from tests.support.problems import index_option

UNSOLVED = """\
warning: The requested Python version 3.9.18 is not available; 3.11.7 will be used.
error: No solution found when resolving dependencies
  cause: Because spam==1.0 depends on eggs>=2 and you require spam==1.0, we can conclude that you
         require eggs>=2.

         And because you require eggs<2, we can conclude that your requirements are unsatisfiable.

hint: Pre-releases are available for `eggs` in the requested range (e.g., 2.0rc1)
hint: The `--python-version` value (>=3.9.18) includes Python versions that are not supported
"""
BUILD = """\
   Building broken==1.0
error: Failed to build `broken==1.0`
  cause: The build backend returned an error
  cause: Call to `setuptools.build_meta.build_wheel` failed (exit status: 1)

         [stderr]
         Traceback (most recent call last):
         ModuleNotFoundError: No module named 'numpy'

hint: Build failures usually indicate a problem with the package or the build environment
"""
DEAD = """\
error: Request failed after 3 retries in 9.7s
  cause: Failed to fetch: https://files.example/simple/spam/
  cause: error sending request for url (https://files.example/simple/spam/)
  cause: client error (Connect)
  cause: Connection refused (os error 111)
"""


def error_of(stderr: str, *, returncode: int = 1, side: str = "") -> EnvbuildError:
    options = {}
    if side:
        url = "https://files.example/simple"
        options = {url: index_option("extra-index-url", url, side=side)}  # type: ignore[arg-type]
    done = Completed(argv=("uv", "pip"), returncode=returncode, stdout="", stderr=stderr)
    return classify(done, options)


def test_a_report_is_split_into_its_parts() -> None:
    cause = (
        "Because spam==1.0 depends on eggs>=2 and you require spam==1.0, we can conclude that you\n"
        "require eggs>=2.\n\n"
        "And because you require eggs<2, we can conclude that your requirements are unsatisfiable."
    )
    first = "Pre-releases are available for `eggs` in the requested range (e.g., 2.0rc1)"
    second = (
        "The `--python-version` value (>=3.9.18) includes Python versions that are not supported"
    )
    warning = "The requested Python version 3.9.18 is not available; 3.11.7 will be used."

    assert parse_report(UNSOLVED) == Report(
        problem="No solution found when resolving dependencies",
        causes=(cause,),
        hints=(first, second),
        warnings=(warning,),
    )


def test_a_report_of_nothing_is_empty() -> None:
    assert parse_report("Resolved 3 packages in 1ms\n") == Report()


def test_no_solution_keeps_the_derivation_and_the_hints_that_help() -> None:
    error = error_of(UNSOLVED)

    assert isinstance(error, ResolutionError)
    assert error.details == (
        "Because spam==1.0 depends on eggs>=2 and you require spam==1.0, we can conclude that you",
        "require eggs>=2.",
        "And because you require eggs<2, we can conclude that your requirements are unsatisfiable.",
        "Pre-releases are available for `eggs` in the requested range (e.g., 2.0rc1)",
    )


def test_a_failed_build_keeps_the_end_of_its_log() -> None:
    error = error_of(BUILD)

    assert isinstance(error, BuildError)
    assert str(error) == (
        "broken==1.0 has no wheel that says what it depends on, and its build script fails\n"
        "  Call to `setuptools.build_meta.build_wheel` failed (exit status: 1)\n"
        "  [stderr]\n"
        "  Traceback (most recent call last):\n"
        "  ModuleNotFoundError: No module named 'numpy'\n"
        "  try: another version of it that has a wheel, --only-binary to take none without, or a"
        " wheel of your own by --find-links"
    )


def test_a_failed_build_without_a_log_says_what_there_is() -> None:
    error = error_of("error: Failed to build `broken==1.0`\n")

    assert error.details == ("Failed to build `broken==1.0`",)


@pytest.mark.parametrize(
    ("side", "where", "named", "remedy"),
    [
        ("", "", "", "the same command again, or an index that answers with --index-url"),
        (
            "model",
            "conda.yaml: dependencies[1].pip[0]",
            "--extra-index-url https://files.example/simple: ",
            "--ignore-model-indexes, if what it has is elsewhere as well",
        ),
        (
            "option",
            "--extra-index-url",
            "--extra-index-url https://files.example/simple: ",
            "another address for --extra-index-url",
        ),
    ],
)
def test_a_dead_index_is_named_with_who_named_it(
    side: str, where: str, named: str, remedy: str
) -> None:
    error = error_of(DEAD, returncode=2, side=side)

    assert isinstance(error, IndexUnavailableError)
    assert error.where == where
    assert error.problem == f"{named}files.example cannot be reached: connection refused"
    assert error.details == ("asked for https://files.example/simple/spam/",)
    assert error.remedy == remedy


def test_a_dead_host_of_a_file_is_named_with_the_package() -> None:
    error = error_of(
        "error: Failed to download `eggs @ https://gone.example/eggs.whl`\n"
        "  cause: Failed to fetch: https://gone.example/eggs.whl\n"
        "  cause: dns error\n"
    )

    assert isinstance(error, IndexUnavailableError)
    assert error.problem == "gone.example cannot be reached: dns error"
    assert error.details == ("asked for eggs @ https://gone.example/eggs.whl",)


def test_a_folder_that_is_not_there_is_named() -> None:
    error = error_of(
        "error: Failed to read `--find-links` directory: /wheels\n"
        "  cause: No such file or directory (os error 2)\n"
    )

    assert isinstance(error, IndexUnavailableError)
    assert error.problem == "the folder cannot be reached: no such file or directory"
    assert error.details == ("asked for /wheels",)


def test_a_refusal_of_the_models_index_may_be_got_around() -> None:
    error = error_of(
        "error: No solution found when resolving dependencies\n"
        "  cause: Because spam was not found in the package registry\n\n"
        "hint: An index URL (https://files.example/simple) could not be queried due to a lack of"
        " valid authentication credentials (401 Unauthorized)\n",
        side="model",
    )

    assert isinstance(error, IndexUnavailableError)
    assert error.remedy == (
        "credentials for files.example: ${VARIABLE} in its address, or a .netrc; or"
        " --ignore-model-indexes"
    )


def test_a_server_error_of_an_index_is_no_matter_of_credentials() -> None:
    error = error_of(
        "error: Failed to fetch: https://files.example/simple/spam/\n"
        "  cause: HTTP status server error (500 Internal Server Error) for url (https://x)\n"
    )

    assert error.problem == "files.example answers 500 Internal Server Error"
    assert error.remedy == "the same command again, or an index that answers with --index-url"


def test_a_host_that_serves_an_index_of_ours_is_known_by_its_entry() -> None:
    error = error_of(
        "error: Failed to fetch: https://files.example/packages/spam.whl\n"
        "  cause: error sending request\n",
        side="model",
    )

    assert error.where == "conda.yaml: dependencies[1].pip[0]"


def test_what_is_not_understood_is_a_tool_error() -> None:
    error = error_of("thread 'main' panicked\n", returncode=101)

    assert isinstance(error, ToolError)
    assert str(error) == "uv ended with 101\n  command: uv pip\n  thread 'main' panicked"


def test_a_silent_end_is_said() -> None:
    assert error_of("").details == ("command: uv pip", "it printed nothing")


def test_no_password_comes_through() -> None:
    error = error_of("error: odd https://u:CANARY@host.example/simple\n")

    assert "CANARY" not in str(error)


def test_an_index_that_asks_for_credentials_is_told() -> None:
    stderr = (
        "error: x\n\nhint: An index URL (https://a.example/simple) could not be queried"
        " (401 Unauthorized)\nhint: An index (https://b.example) returned a 403 Forbidden error.\n"
    )

    assert refused_urls(stderr) == ("https://a.example/simple",)


def test_a_server_that_the_relay_cannot_reach_is_named_with_its_entry() -> None:
    url = "https://files.example/simple"
    options = {url: index_option("extra-index-url", url, side="model")}

    assert str(unreachable("https://files.example", "no connection in time", options)) == (
        "conda.yaml: dependencies[1].pip[0]: --extra-index-url https://files.example/simple:"
        " files.example cannot be reached: no connection in time\n"
        "  try: --ignore-model-indexes, if what it has is elsewhere as well"
    )
