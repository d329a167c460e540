"""Whole contexts, byte for byte. ``python -m tests.support.goldens`` writes them anew."""

from __future__ import annotations

import difflib
from pathlib import Path

import pytest

from tests.support.goldens import CASES, GOLDEN, SCRIPT, rendered

EACH_CASE = pytest.mark.parametrize("case", CASES)


@EACH_CASE
def test_a_context_is_what_its_golden_files_say(case: str, tmp_path: Path) -> None:
    files = rendered(case, tmp_path)
    golden = {
        path.relative_to(GOLDEN / case).as_posix(): path.read_bytes()
        for path in (GOLDEN / case).rglob("*")
        if path.is_file()
    }

    assert sorted(files) == sorted(golden)
    for name in sorted(golden):
        difference = difflib.unified_diff(
            golden[name].decode().splitlines(), files[name].decode().splitlines(), lineterm=""
        )
        assert files[name] == golden[name], "\n".join([name, *difference])


@EACH_CASE
def test_a_context_has_no_trace_of_where_or_when_it_was_made(case: str, tmp_path: Path) -> None:
    text = b"".join(rendered(case, tmp_path).values()).decode()

    assert str(tmp_path) not in text
    assert "pa55word" not in text
    assert "\r" not in text


def test_scripts_and_files_of_the_model_are_copied_as_they_are(tmp_path: Path) -> None:
    files = CASES["sources"](tmp_path).files()

    assert files["score.py"] == SCRIPT.encode()
    assert files["files/spam-1.0-py3-none-any.whl"] == b"the wheel of the model"
    assert files["files/eggs/pyproject.toml"] == b"[project]\nname = 'eggs'\nversion = '2'\n"
    assert files["files/eggs/eggs/__init__.py"] == b""


def test_a_batch_script_lies_in_a_folder_of_its_own_too(tmp_path: Path) -> None:
    files = CASES["batch"](tmp_path).files()

    assert files["azureml/code/score.py"] == files["score.py"] == SCRIPT.encode()


def test_the_lock_files_come_last(tmp_path: Path) -> None:
    files = CASES["two-platforms"](tmp_path).files()

    assert list(files)[-2:] == ["pylock.linux-64.toml", "pylock.linux-aarch64.toml"]
