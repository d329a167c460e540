"""Bundles are written whole or not at all, and nothing of a killed run stays."""

from __future__ import annotations

import sys
import tarfile
from pathlib import Path

import pytest

from envbuild.emit import archive
from envbuild.emit.archive import archive_suffix, read_member, write, write_parts
from envbuild.emit.content import Content, Entry
from envbuild.errors import LockFileError, MissingExtraError, OutputError
from envbuild.fs import sha256_bytes, sha256_file

CONTENT: Content = {
    "b/c.txt": Entry.of_bytes(b"hello\n"),
    "a.sh": Entry.of_bytes(b"#!/bin/sh\n", executable=True),
}


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("bundle", ""),
        ("bundle.zip", ""),
        ("bundle.tar", ".tar"),
        ("bundle.tar.gz", ".tar.gz"),
        ("bundle.tgz", ".tgz"),
        ("bundle.tar.zst", ".tar.zst"),
    ],
)
def test_the_name_says_the_form(name: str, suffix: str) -> None:
    assert archive_suffix(Path(name)) == suffix


def test_the_bytes_of_an_archive_are_those_of_last_year(tmp_path: Path) -> None:
    """The whole format in one hash: order, names, modes, owners, times, padding."""
    write(CONTENT, tmp_path / "bundle.tar")

    assert sha256_file(tmp_path / "bundle.tar") == (
        "4975fcc9ed0763b8825fce504336c2345f5089123a617b873ae0bfdaa53fa540"
    )


def test_members_are_sorted_and_have_neither_owner_nor_time(tmp_path: Path) -> None:
    write(CONTENT, tmp_path / "bundle.tar")

    with tarfile.open(tmp_path / "bundle.tar") as tar:
        members = tar.getmembers()
    assert [(member.name, member.mode) for member in members] == [
        ("bundle/a.sh", 0o755),
        ("bundle/b/c.txt", 0o644),
    ]
    assert {(member.uid, member.gid, member.uname, member.mtime) for member in members} == {
        (0, 0, "", 0)
    }


def test_long_and_strange_names_survive(tmp_path: Path) -> None:
    name = f"wheels/{'ü' * 90}/{'n' * 120}.whl"

    write({name: Entry.of_bytes(b"x")}, tmp_path / "bundle.tar")

    assert read_member(tmp_path / "bundle.tar", name) == b"x"


@pytest.mark.parametrize("output", ["bundle", "bundle.tar"])
def test_what_a_killed_run_left_is_removed_and_what_another_holds_is_not(
    tmp_path: Path, output: str
) -> None:
    left, held = tmp_path / f".{output}.envbuild-left", tmp_path / f".{output}.envbuild-held"
    other = tmp_path / f".{output}2.envbuild-other"
    for folder in (left, held, other):
        folder.mkdir()
        (folder / "half").touch()

    with archive._held(held) as ours:
        assert ours
        write(CONTENT, tmp_path / output)

    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [output, held.name, other.name]
    )


def test_names_with_brackets_are_plain_names(tmp_path: Path) -> None:
    (tmp_path / ".b[1].envbuild-left").touch()
    (tmp_path / ".b1.envbuild-other").touch()

    write(CONTENT, tmp_path / "b[1]")

    assert sorted(path.name for path in tmp_path.iterdir()) == [".b1.envbuild-other", "b[1]"]


def test_what_vanishes_meanwhile_is_no_problem(tmp_path: Path) -> None:
    archive._remove_unheld(tmp_path / "gone")


@pytest.mark.parametrize("output", ["bundle", "bundle.tar"])
def test_a_file_that_vanishes_leaves_nothing(tmp_path: Path, output: str) -> None:
    entry = Entry.of_cached(tmp_path / "gone", "0" * 64, 7)

    with pytest.raises(OutputError):
        write({"a": entry}, tmp_path / output)

    assert list(tmp_path.iterdir()) == []


def test_parts_that_cannot_be_written_leave_nothing(tmp_path: Path) -> None:
    entry = Entry.of_cached(tmp_path / "gone", "0" * 64, 7)

    with pytest.raises(OutputError, match="cannot write the bundle: No such file or directory"):
        write_parts({"a": entry}, tmp_path / "bundle.tar", 1 << 16)

    assert list(tmp_path.iterdir()) == []


def test_what_is_not_in_an_archive_is_told(tmp_path: Path) -> None:
    write(CONTENT, tmp_path / "bundle.tar")

    with pytest.raises(LockFileError) as caught:
        read_member(tmp_path / "bundle.tar", "manifest.json")

    assert str(caught.value) == f"{tmp_path / 'bundle.tar'}: there is no manifest.json in it"


def test_without_its_package_zstd_names_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "backports", None)
    monkeypatch.setitem(sys.modules, "compression", None)

    with pytest.raises(MissingExtraError) as caught:
        write(CONTENT, tmp_path / "bundle.tar.zst")

    assert str(caught.value) == (
        ".tar.zst needs a package on this Python\n  try: pip install 'envbuild[zstd]'"
    )
    assert list(tmp_path.iterdir()) == []


def test_entries_know_their_hash() -> None:
    assert CONTENT["b/c.txt"].sha256 == sha256_bytes(b"hello\n")
