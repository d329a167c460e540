"""Installing, checking and importing, judged on made-up answers."""

from __future__ import annotations

from pathlib import Path

import pytest
import uv
from packaging.utils import canonicalize_name

from envbuild.errors import ToolError
from envbuild.process import Completed
from envbuild.verification import environment
from envbuild.verification.imports import excuses, judge_imports, skipped_modules
from envbuild.verification.report import passed, skipped
from envbuild.verification.sandbox import Open
from tests.support.verifying import Answers, bench, done


def row(distribution: str, module: str, error: str | None, *skips: str) -> dict[str, object]:
    return {
        "distribution": distribution,
        "skipped": list(skips),
        "modules": [{"module": module, "error": error}],
    }


def test_a_known_exception_is_named_and_does_not_fail_the_step() -> None:
    found = judge_imports(
        [
            row("GitPython", "git", "ImportError: Bad git executable.\nThe git executable must"),
            row("spam", "spam", None, "tests"),
        ]
    )

    assert found.outcome == "passed"
    assert found.reason == "1 modules of 2 distributions"
    assert found.details == (
        (
            "known exception: GitPython: git: ImportError: Bad git executable. "
            "(needs the git program to be used, and mlflow does without)"
        ),
        "not imported: spam: tests (tests, documents or examples that were installed by accident)",
    )


@pytest.mark.parametrize(
    ("distribution", "module", "error"),
    [
        ("GitPython", "git", "ImportError: another one"),
        ("GitPython", "gitdb", "ImportError: Bad git executable"),
        ("other", "git", "ImportError: Bad git executable"),
    ],
)
def test_an_exception_excuses_nothing_else(distribution: str, module: str, error: str) -> None:
    found = judge_imports([row(distribution, module, error)])

    assert found.outcome == "failed"
    assert found.details == (f"{distribution}: {module}: {error}",)


def test_every_exception_has_its_reason_and_says_of_which_error() -> None:
    assert skipped_modules()
    assert all(entry.reason and entry.modules for entry in (*excuses(), *skipped_modules()))
    assert all(entry.error and entry.distributions for entry in excuses())
    names = {name for entry in excuses() for name in entry.distributions}
    assert names == {canonicalize_name(name) for name in names}


def test_install_sh_that_fails_shows_the_end_of_its_log(tmp_path: Path) -> None:
    log = "\n".join(f"line {number}" for number in range(100))
    sandbox = Open(runner=Answers(done(stderr=log, returncode=3), ToolError("no sh")))

    def install() -> tuple[str, tuple[str, ...]]:
        found = environment.install_bundle(
            sandbox, folder=tmp_path, target=tmp_path / "venv", python="python3", env={}
        )
        assert found.outcome == "failed"
        return found.reason, found.details

    reason, details = install()
    assert reason == "install.sh ended with code 3"
    assert details == tuple(f"line {number}" for number in range(60, 100))
    assert install() == ("no sh", ())


def test_a_context_is_installed_with_its_tools_from_its_own_indexes(tmp_path: Path) -> None:
    runner = Answers(done(), done(), done())
    tools = tmp_path / "requirements.txt"
    tools.write_text("")
    installer = environment.ContextInstaller(
        runner=runner, env={}, cache=Path("/cache"), indexes=("--index-url", "http://i")
    )

    found = installer.install(
        Path("pylock.toml"), tools, target=Path("/venv"), python="/usr/bin/python3"
    )

    assert found.outcome == "passed"
    start = (
        uv.find_uv_bin(), "pip", "install", "--no-config", "--no-deps", "--quiet",
        "--compile-bytecode", "--index-url", "http://i",
        "--python", "/venv/bin/python", "--cache-dir", "/cache",
    )  # fmt: skip
    assert runner.asked == [
        ("/usr/bin/python3", "-I", "-m", "venv", "/venv"),
        (*start, "--require-hashes", "-r", str(tools)),
        (*start, "-r", "pylock.toml"),
    ]


def test_a_context_that_cannot_be_installed_says_what_failed(tmp_path: Path) -> None:
    def install(*answers: Completed | ToolError) -> str:
        installer = environment.ContextInstaller(
            runner=Answers(*answers), env={}, cache=Path("/cache")
        )
        found = installer.install(
            Path("pylock.toml"), tmp_path / "absent", target=Path("/venv"), python="python3"
        )
        assert found.outcome == "failed"
        return found.reason

    assert install(done(returncode=1)) == "python3 ended with code 1"
    assert install(done(), ToolError("uv did not end within 1800 s")) == (
        "uv did not end within 1800 s"
    )


NO_PIP = done(stderr="/venv/bin/python: No module named pip\n", returncode=1)


def test_without_pip_uv_looks_for_what_is_missing() -> None:
    assert environment.check_dependencies(bench(NO_PIP, done(), with_uv=True)) == passed(
        "pip check"
    )


def test_without_pip_and_uv_the_check_is_skipped() -> None:
    assert environment.check_dependencies(bench(NO_PIP)) == skipped(
        "pip check", "there is no pip in it"
    )


def test_a_check_that_cannot_run_fails() -> None:
    assert environment.check_dependencies(bench(ToolError("gone"))).reason == "gone"


def test_what_pip_complains_of_is_shown_and_counted() -> None:
    said = (
        "WARNING: noise\nspam 1.0 requires eggs, which is not installed.\n"
        "ham 2.0 has requirement eggs>3, but you have eggs 2.\n"
    )

    found = environment.check_dependencies(bench(done(said, returncode=1)))

    assert found.reason == "requirements not met: 2"
    assert found.details == tuple(said.splitlines()[1:])


def test_a_check_that_fails_without_a_complaint_shows_all_it_said() -> None:
    found = environment.check_dependencies(bench(done("boom\n", returncode=2)))

    assert found.reason == "requirements not met: 0"
    assert found.details == ("boom",)


def test_an_import_probe_that_dies_fails_the_step() -> None:
    found = environment.import_everything(bench(done(stderr="Killed\n", returncode=137)))

    assert found.reason == "the interpreter ended with code 137"
    assert found.details == ("Killed",)
