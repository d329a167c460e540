"""``[tool.envbuild]``: written and read back, and every way in which it can be broken."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envbuild.emit.toml import render_tables
from envbuild.errors import LockFileError
from envbuild.locking.header import (
    SCHEMA,
    DirectRequirement,
    Header,
    Serving,
    content_digest,
    find_locks,
    lock_name,
    parse_header,
    split_lock,
)
from envbuild.merge import Change
from envbuild.server import Probes
from tests.support.locks import sha256, target

HEADER = Header(
    version="0.1.0",
    model="seed",
    server="azureml-online",
    runtime="pip",
    target=target(),
    platforms=("linux-64",),
    resolver="uv 0.13.9",
    base_image="python:3.7.11-slim",
    input_digest=sha256("inputs"),
    inputs=("conda.yaml: numpy",),
    content_digest=content_digest(""),
    to_build=("fusepy",),
    requirements=(
        DirectRequirement(name="numpy", requirement="numpy", side="model", origin="conda.yaml"),
    ),
    changes=(
        Change(
            kind="relaxed",
            name="numpy",
            before="numpy==1",
            after="numpy",
            reason="asked for",
            origin="conda.yaml",
        ),
    ),
    options={"prerelease": True, "python": "3.7", "relax": ("numpy",)},
    serving=Serving(
        kind="online",
        script="score.py",
        command=("serve", "--port", "5001"),
        port=5001,
        probes=Probes(liveness="/", readiness="/ready", scoring="/score"),
        environment={"A": "1"},
    ),
    files={"Dockerfile": sha256("Dockerfile")},
)


def text_of(header: Header) -> str:
    return render_tables({"lock-version": "1.0", "tool": {"envbuild": header.to_dict()}})


def broken(change: dict[str, Any]) -> str:
    return render_tables({"tool": {"envbuild": HEADER.to_dict() | change}})


def complaint(text: str) -> str:
    with pytest.raises(LockFileError) as caught:
        parse_header(text, where="env/pylock.toml")
    return str(caught.value)


def test_a_header_is_read_back_as_it_was_written() -> None:
    assert parse_header(text_of(HEADER), where="") == HEADER


def test_a_header_without_a_server_is_read_back_as_it_was_written() -> None:
    plain = replace(HEADER, serving=Serving(), changes=(), options={}, files={})

    assert parse_header(text_of(plain), where="") == plain


def test_only_linux_has_a_glibc() -> None:
    windows = replace(HEADER, target=target(platform="win-64"))

    assert "glibc" not in windows.to_dict()
    assert parse_header(text_of(windows), where="").target == target(platform="win-64")


def test_relaxed_pins_are_listed_by_name() -> None:
    assert HEADER.to_dict()["relaxed"] == ["numpy"]
    assert "relaxed" not in replace(HEADER, changes=()).to_dict()


def test_the_packages_of_a_lock_need_not_be_read() -> None:
    text = f"{text_of(HEADER)}\n[[packages]]\nthis is no TOML"

    assert parse_header(text, where="") == HEADER


def test_a_lock_file_is_split_before_its_first_package() -> None:
    head, packages = 'a = "[[packages]]"\n\n', '[[packages]]\nname = "a"\n\n[[packages]]\n'

    assert split_lock(head + packages) == (head, packages)
    assert split_lock(head) == (head, "")


@given(st.text(), st.text())
def test_splitting_a_lock_file_loses_nothing(head: str, packages: str) -> None:
    text = f"{head}\n[[packages]]\n{packages}"

    assert "".join(split_lock(text)) == text


def test_text_that_is_no_toml_is_refused() -> None:
    assert complaint("a =") == (
        "env/pylock.toml: not TOML: Invalid value (at end of document)\n  try: envbuild lock again"
    )


@pytest.mark.parametrize("text", ["", "[tool.uv]\n", "tool = {envbuild = 1}\n"])
def test_a_lock_of_another_tool_is_refused(text: str) -> None:
    assert complaint(text) == (
        "env/pylock.toml: not written by envbuild: it has no [tool.envbuild]"
    )


def test_a_newer_schema_is_refused() -> None:
    assert complaint(broken({"schema": SCHEMA + 1})) == (
        f"env/pylock.toml: its schema is {SCHEMA + 1}, and this envbuild reads {SCHEMA}\n"
        "  try: a newer envbuild, or envbuild lock again"
    )


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"model": 1}, "tool.envbuild.model is not a string"),
        ({"schema": True}, "tool.envbuild.schema is not a number"),
        ({"inputs": "x"}, "tool.envbuild.inputs is not a list of strings"),
        ({"inputs": [1]}, "tool.envbuild.inputs is not a list of strings"),
        ({"input-digest": "md5:0"}, "tool.envbuild.input-digest is not a sha256"),
        ({"input-digest": "sha256:0"}, "tool.envbuild.input-digest is not a sha256"),
        ({"python": "three"}, "tool.envbuild.python names no target: Invalid version: 'three'"),
        ({"requirements": "x"}, "tool.envbuild.requirements is not a list of tables"),
        ({"requirements": [1]}, "tool.envbuild.requirements is not a list of tables"),
        ({"requirements": [{}]}, "tool.envbuild.requirements[0].name is missing"),
        ({"serving": 1}, "tool.envbuild.serving is not a table"),
        ({"files": {"a": "b"}}, "tool.envbuild.files.a is not a sha256"),
        ({"options": {"a": 1}}, "tool.envbuild.options.a is not a list of strings"),
    ],
)
def test_a_broken_value_is_named(change: dict[str, Any], problem: str) -> None:
    assert complaint(broken(change)) == (f"env/pylock.toml: {problem}\n  try: envbuild lock again")


@pytest.mark.parametrize("change", [{"glibc": "2"}, {"glibc": "2.x"}, {"platform": "amiga"}])
def test_a_target_that_does_not_exist_is_refused(change: dict[str, Any]) -> None:
    assert "tool.envbuild.python names no target: " in complaint(broken(change))


def test_one_platform_has_the_plain_name() -> None:
    assert lock_name("linux-64", ["linux-64"]) == "pylock.toml"
    assert lock_name("linux-64", ["linux-64", "win-64"]) == "pylock.linux-64.toml"


def test_locks_are_found_in_order(tmp_path: Path) -> None:
    for name in ("pylock.win-64.toml", "pylock.linux-64.toml", "pylock.txt", "other.toml"):
        (tmp_path / name).write_text("")
    (tmp_path / "pylock.folder.toml").mkdir()

    assert [path.name for path in find_locks(tmp_path)] == [
        "pylock.linux-64.toml",
        "pylock.win-64.toml",
    ]


@pytest.mark.parametrize(
    ("name", "problem"), [("", "no pylock.toml in it"), ("absent", "there is no such folder")]
)
def test_a_folder_without_a_lock_is_no_context(tmp_path: Path, name: str, problem: str) -> None:
    with pytest.raises(LockFileError) as caught:
        find_locks(tmp_path / name)

    assert str(caught.value) == (
        f"{tmp_path / name}: not a context: {problem}\n  try: envbuild lock MODEL -o DIR"
    )
