"""The parts of a bundle's install.py and apply.py, which run without envbuild on old Pythons."""

from __future__ import annotations

import argparse
import ast
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envbuild.emit.bundle_files import apply, install

HERE = {"system": os.uname().sysname, "machine": os.uname().machine}
ENTRY: dict[str, Any] = {
    "platform": "linux-64",
    **HERE,
    "python": ".".join(str(part) for part in sys.version_info[:3]),
    "glibc": "2.17",
    "lock": "pylock.toml",
    "requirements": "requirements.txt",
    "tools": "tools/requirements.txt",
    "pip": "pip-24.0-py3-none-any.whl",
}


@pytest.mark.parametrize("program", [install, apply])
def test_the_programs_speak_the_language_of_python_3_6(program: Any) -> None:
    source = Path(program.__file__).read_text("utf-8")

    tree = ast.parse(source, feature_version=(3, 6))

    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported <= sys.stdlib_module_names
    assert "from __future__ import annotations" not in source  # 3.7


@pytest.mark.parametrize(
    ("name", "inside"),
    [
        ("a", True),
        ("a/b c/ü.whl", True),
        (".hidden", True),
        ("..a/b..", True),
        ("", False),
        ("/a", False),
        ("a//b", False),
        ("../a", False),
        ("a/../b", False),
        ("./a", False),
        ("a\\b", False),
        ("a\rb", False),
        ("C:/a", False),
    ],
)
def test_names_stay_inside(name: str, inside: bool) -> None:
    assert install.is_inside(name) is inside


@given(st.text(max_size=30))
def test_no_name_that_is_accepted_leaves_the_folder(name: str) -> None:
    if install.is_inside(name):
        joined = os.path.normpath(f"/bundle/{name}")
        assert joined.startswith("/bundle/")


@given(st.text(max_size=30))
def test_any_name_can_be_shown(name: str) -> None:
    assert install.show(name).isprintable()


def test_the_platform_of_this_machine_is_chosen() -> None:
    other = {**ENTRY, "platform": "win-64", "system": "Windows", "machine": "AMD64"}

    assert install.choose_platform({"platforms": [other, ENTRY]}) == ENTRY
    with pytest.raises(install.RefusedError) as caught:
        install.choose_platform({"platforms": [other]})
    assert str(caught.value) == (
        f"this machine is {HERE['system']} {HERE['machine']}; the bundle is for win-64"
    )


@pytest.mark.parametrize("libc", ["glibc 2.17", "glibc 2.36", "glibc 3.0", "glibc 2.36.9000"])
def test_the_same_or_a_newer_glibc_serves(libc: str) -> None:
    install.check_glibc("2.17", libc)


@pytest.mark.parametrize(
    ("libc", "words"),
    [
        ("glibc 2.9", "the wheels need glibc 2.17; this machine has 2.9"),
        ("", "the wheels need glibc 2.17; this Python uses another C library"),
        ("musl 1.2", "the wheels need glibc 2.17; this Python uses musl"),
    ],
)
def test_another_c_library_is_refused(libc: str, words: str) -> None:
    with pytest.raises(install.RefusedError) as caught:
        install.check_glibc("2.17", libc)

    assert str(caught.value) == words


def test_programs_see_nothing_that_configures_them(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PIP_INDEX_URL", "UV_INDEX_URL", "PYTHONPATH", "VIRTUAL_ENV", "PYTHONHOME"):
        monkeypatch.setenv(name, "canary")
    monkeypatch.setenv("LANG", "C")

    environment = install.plain_environment()

    assert "canary" not in environment.values()
    assert environment["LANG"] == "C"
    assert environment["PIP_CONFIG_FILE"] == os.devnull


def test_pip_runs_from_its_wheel_and_sees_the_bundle_alone() -> None:
    assert install.installer_command("/b", ENTRY, "/env/bin/python", "pip") == [
        *("/env/bin/python", "-I", "/b/tools/pip-24.0-py3-none-any.whl/pip", "--isolated"),
        *("install", "--no-cache-dir", "--disable-pip-version-check", "--no-input", "--quiet"),
        *("--no-index", "--no-deps", "--require-hashes", "--only-binary", ":all:"),
        *("--find-links", "/b/tools", "--find-links", "/b/wheels"),
        *("-r", "/b/tools/requirements.txt", "-r", "/b/requirements.txt"),
    ]


def test_uv_sees_the_bundle_alone() -> None:
    command = install.installer_command("/b", ENTRY, "/env/bin/python", "uv")

    assert command[:7] == [
        *("uv", "pip", "install", "--python", "/env/bin/python", "--offline", "--no-config")
    ]


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A folder with one file and its checksums."""
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "a").write_text("a")
    (folder / "SHA256SUMS").write_text(f"{install.digest_of(str(folder / 'a'))}  a\n")
    return folder


def test_what_is_as_it_was_made_has_no_problems(bundle: Path) -> None:
    assert install.check(str(bundle)) == []


@pytest.mark.parametrize(
    ("sums", "problem"),
    [
        (b"", "SHA256SUMS is cut short"),
        (b"\xff\n", "SHA256SUMS cannot be read: "),
        (b"0" * 64 + b"  a", "SHA256SUMS is cut short"),
        (b"G" * 64 + b"  a\n", "SHA256SUMS: line 1 cannot be understood"),
        (b"0" * 64 + b"  a\n\n", "SHA256SUMS: line 2 cannot be understood"),
    ],
)
def test_broken_checksums_are_told(bundle: Path, sums: bytes, problem: str) -> None:
    (bundle / "SHA256SUMS").write_bytes(sums)

    (found,) = install.check(str(bundle))

    assert found.startswith(problem)


def test_missing_checksums_are_told(bundle: Path) -> None:
    (bundle / "SHA256SUMS").unlink()

    assert install.check(str(bundle)) == [
        f"SHA256SUMS cannot be read: [Errno 2] No such file or directory: '{bundle / 'SHA256SUMS'}'"
    ]


def test_a_file_that_cannot_be_read_is_told(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str) -> str:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(install, "digest_of", refuse)

    assert install.check(str(bundle)) == ["a: cannot be read: Permission denied"]


def options(target: Path, **changes: str) -> argparse.Namespace:
    made = install.parse([str(target)])
    for name, value in changes.items():
        setattr(made, name, value)
    return made


class TestClaim:
    def test_folders_on_the_way_are_made_and_named(self, tmp_path: Path) -> None:
        target = tmp_path / "deep/down/env"

        assert install.claim(str(target)) == str(tmp_path / "deep")
        assert (target / install.MARK).exists()

    def test_a_marked_folder_is_made_anew(self, tmp_path: Path) -> None:
        (tmp_path / "env").mkdir()
        (tmp_path / "env" / install.MARK).touch()
        (tmp_path / "env/half").touch()

        install.claim(str(tmp_path / "env"))

        assert [path.name for path in (tmp_path / "env").iterdir()] == [install.MARK]

    @pytest.mark.parametrize("kind", ["folder", "file", "dangling link"])
    def test_whatever_else_is_there_stays(self, tmp_path: Path, kind: str) -> None:
        target = tmp_path / "env"
        if kind == "folder":
            target.mkdir()
        elif kind == "file":
            target.touch()
        else:
            target.symlink_to("nowhere")

        with pytest.raises(install.RefusedError) as caught:
            install.claim(str(target))

        assert str(caught.value) == f"{target} exists; name a new folder"

    def test_what_cannot_be_made_is_told(self) -> None:
        with pytest.raises(install.RefusedError, match="/proc/no/env cannot be made: "):
            install.claim("/proc/no/env")


class TestMain:
    """What a user sees, with the installation itself replaced."""

    @pytest.fixture(autouse=True)
    def _signals(self) -> Iterator[None]:
        before = signal.getsignal(signal.SIGTERM)
        yield
        signal.signal(signal.SIGTERM, before)

    @pytest.mark.parametrize(
        ("error", "code", "told"),
        [
            (install.RefusedError("no"), 1, "install.py: no\nnothing was installed\n"),
            (KeyboardInterrupt(), 130, "install.py: interrupted\nnothing was installed\n"),
        ],
    )
    def test_failures_are_told(
        self,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        error: BaseException,
        code: int,
        told: str,
    ) -> None:
        def fail(root: str, given: argparse.Namespace) -> None:
            raise error

        monkeypatch.setattr(install, "install", fail)

        assert install.main(["env"]) == code
        assert capsys.readouterr() == ("", told)

    def test_success_is_told(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(install, "install", lambda root, given: None)

        assert install.main(["env", "--installer", "uv"]) == 0
        assert capsys.readouterr() == ("installed in env\n", "")

    def test_a_signal_ends_as_an_error_would(self) -> None:
        with pytest.raises(SystemExit) as caught:
            install.stop(15, None)

        assert caught.value.code == 143


class TestApply:
    @pytest.mark.parametrize(
        "line", ["", "0" * 64, f"{'0' * 64}  ../a", f"{'0' * 64}  a\\b", f"{'0' * 64}  C:a"]
    )
    def test_checksums_of_an_older_bundle_are_not_believed(self, line: str) -> None:
        with pytest.raises(apply.RefusedError, match="SHA256SUMS cannot be understood"):
            apply.parse_sums(f"{'1' * 64}  fine\n{line}\n")

    def test_failures_are_told(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert apply.main([str(tmp_path / "older"), str(tmp_path / "new")]) == 1

        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith("apply.py: ")
        assert err.endswith("nothing was made\n")
        assert list(tmp_path.iterdir()) == []

    def test_success_is_told(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(apply, "apply", lambda root, older, output: None)

        assert apply.main(["older", "new"]) == 0
        assert capsys.readouterr() == ("made new\n", "")

    def test_an_output_that_cannot_be_made_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(apply.RefusedError, match="/proc/no/new cannot be made: "):
            apply.apply(str(tmp_path), str(tmp_path), "/proc/no/new")

    def test_a_file_that_cannot_be_copied_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "b").touch()

        with pytest.raises(apply.RefusedError, match="cannot be copied: File exists"):
            apply.copy(str(tmp_path / "b"), str(tmp_path / "b"), "0" * 64)
