"""Files shared or copied, folders replaced in one step, trees by one digest."""

from __future__ import annotations

import errno
import os
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from envbuild import fs
from envbuild.errors import OutputError
from envbuild.fetch.cache import ArtefactCache
from envbuild.fs import alone_with, link_or_copy, replace_folder, sha256_bytes, sha256_tree


def test_a_shared_file_needs_no_second_copy(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")

    link_or_copy(tmp_path / "a", tmp_path / "b")

    assert (tmp_path / "b").read_text() == "x"


def test_a_file_that_must_not_be_shared_is_a_copy(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")

    link_or_copy(tmp_path / "a", tmp_path / "b", link=False)
    (tmp_path / "b").write_text("y")

    assert (tmp_path / "a").read_text() == "x"


def test_where_links_cannot_be_made_files_are_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(source: object, target: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    (tmp_path / "a").write_text("x")

    link_or_copy(tmp_path / "a", tmp_path / "b")

    assert (tmp_path / "b").read_text() == "x"


def test_where_blocks_can_be_shared_nothing_is_linked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fs, "_clone", lambda source, target: True)

    link_or_copy(tmp_path / "a", tmp_path / "b")

    assert not (tmp_path / "b").exists()  # the clone would have made it


def test_a_copy_that_fails_names_its_target(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot write: No such file or directory"):
        link_or_copy(tmp_path / "nowhere", tmp_path / "b")


@pytest.mark.parametrize("exchange", [True, False])
def test_a_folder_takes_the_place_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exchange: bool
) -> None:
    if not exchange:
        monkeypatch.setattr(fs, "_exchange", lambda one, other: False)
    for name in ("new", "old"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()

    replace_folder(tmp_path / "new", tmp_path / "old")

    assert [path.name for path in tmp_path.iterdir()] == ["old"]
    assert [path.name for path in (tmp_path / "old").iterdir()] == ["new"]


def test_a_folder_takes_an_empty_place(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()

    replace_folder(tmp_path / "new", tmp_path / "place")

    assert [path.name for path in tmp_path.iterdir()] == ["place"]


def test_a_folder_that_cannot_be_moved_is_told(tmp_path: Path) -> None:
    with pytest.raises(OutputError):
        replace_folder(tmp_path / "nowhere", tmp_path / "place")


def test_without_the_system_call_names_are_not_exchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.platform", "darwin")

    assert fs._exchange(tmp_path, tmp_path) is False


def tree(folder: Path) -> Path:
    (folder / "inner").mkdir(parents=True)
    (folder / "inner/a").write_text("a")
    (folder / "b").write_text("b")
    return folder


def test_a_tree_is_its_names_and_bytes(tmp_path: Path) -> None:
    one, other = tree(tmp_path / "one"), tree(tmp_path / "other")
    (other / ".git").mkdir()
    (other / ".git/config").touch()
    (other / "inner/__pycache__").mkdir()
    (other / "inner/__pycache__/a.pyc").touch()

    assert sha256_tree(one) == sha256_tree(other)


@pytest.mark.parametrize("change", ["bytes", "name", "mode", "link"])
def test_every_difference_of_a_tree_counts(tmp_path: Path, change: str) -> None:
    one, other = tree(tmp_path / "one"), tree(tmp_path / "other")
    if change == "bytes":
        (other / "b").write_text("c")
    elif change == "name":
        (other / "b").rename(other / "c")
    elif change == "mode":
        (other / "b").chmod(0o755)
    else:
        (other / "link").symlink_to("b")

    assert sha256_tree(one) != sha256_tree(other)


def test_the_cache_gives_what_it_was_given(tmp_path: Path) -> None:
    cache = ArtefactCache(root=tmp_path / "cache")

    assert cache.find(sha256_bytes(b"a")) is None
    assert cache.add_bytes(b"a") == cache.find(sha256_bytes(b"a"))


def test_a_cache_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    cache = ArtefactCache(root=tmp_path)
    cache.path("0" * 64).mkdir(parents=True)

    with pytest.raises(OutputError, match="cannot use the cache: Is a directory"):
        cache.find("0" * 64)


def test_a_place_in_the_cache_that_is_taken_is_told(tmp_path: Path) -> None:
    cache = ArtefactCache(root=tmp_path)
    (tmp_path / "sha256").touch()

    with (
        pytest.raises(OutputError, match="cannot use the cache: "),
        cache.claim("0" * 64) as claim,
    ):
        cache.settle(claim, "0" * 64)


def alone(folder: Path) -> AbstractContextManager[None]:
    return alone_with(folder, waiting=lambda: None)


def test_a_folder_that_cannot_be_held_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")

    with pytest.raises(OutputError) as error, alone(tmp_path / "file" / "stage"):
        pass

    assert str(error.value) == (
        f"{tmp_path}/file: cannot write: Not a directory\n  try: another folder with -o"
    )


def test_a_folder_that_never_comes_to_be_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def vanish(self: Path, **_: object) -> None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self))

    monkeypatch.setattr(Path, "mkdir", vanish)  # as in /proc

    with pytest.raises(OutputError, match="No such file"), alone(tmp_path / "out" / "stage"):
        pass


def test_a_held_folder_and_those_made_for_it_are_gone_afterwards(tmp_path: Path) -> None:
    with alone(tmp_path / "out" / "stage"):
        assert (tmp_path / "out" / "stage").is_dir()

    assert list(tmp_path.iterdir()) == []
