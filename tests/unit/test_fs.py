"""Files appear whole or not at all."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

from envbuild import fs
from envbuild.errors import OutputError


def names(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*"))


def test_a_tree_is_written_with_its_folders(tmp_path: Path) -> None:
    fs.write_tree(tmp_path / "a" / "b", {"x.txt": b"1", "sub/y.txt": b"2"})

    assert names(tmp_path / "a" / "b") == ["sub", "sub/y.txt", "x.txt"]
    assert (tmp_path / "a/b/sub/y.txt").read_bytes() == b"2"


def test_writing_replaces_named_files_and_keeps_the_others(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("kept")
    (tmp_path / "x.txt").write_text("old")

    fs.write_tree(tmp_path, {"x.txt": b"new"})

    assert (tmp_path / "mine.txt").read_text() == "kept"
    assert (tmp_path / "x.txt").read_text() == "new"


def test_files_to_remove_go_and_absent_ones_are_ignored(tmp_path: Path) -> None:
    (tmp_path / "stale.txt").write_text("stale")

    fs.write_tree(tmp_path, {"x.txt": b"1"}, remove=["stale.txt", "never.txt"])

    assert names(tmp_path) == ["x.txt"]


def test_a_file_in_the_place_of_the_folder_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")

    with pytest.raises(OutputError) as caught:
        fs.write_tree(tmp_path / "taken", {"x.txt": b"1"})

    assert str(caught.value) == (
        f"{tmp_path / 'taken'}: cannot write: File exists\n  try: another folder with -o"
    )
    assert (tmp_path / "taken").read_text() == "a file"


def test_a_failed_write_leaves_no_new_folder_behind(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")

    with pytest.raises(OutputError):
        fs.write_tree(tmp_path / "taken" / "below", {"x.txt": b"1"})

    assert names(tmp_path) == ["taken"]


def test_a_failure_while_staging_touches_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x.txt").write_text("old")
    full = OSError(28, "No space left on device")

    def fail(path: Path, data: bytes) -> int:
        raise full

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(OutputError, match="No space left on device"):
        fs.write_tree(tmp_path, {"x.txt": b"new", "y.txt": b"1"}, remove=["x.txt"])

    assert names(tmp_path) == ["x.txt"]
    assert (tmp_path / "x.txt").read_text() == "old"


def test_one_file_is_replaced_in_one_step(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "x.json"

    fs.write_file(path, b"{}")
    fs.write_file(path, b"[]")

    assert path.read_bytes() == b"[]"
    assert names(tmp_path) == ["deep", "deep/x.json"]


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1])
def test_a_file_has_the_digest_of_its_bytes(tmp_path: Path, size: int) -> None:
    data = bytes(range(256)) * (size // 256 + 1)
    (tmp_path / "f").write_bytes(data[:size])

    expected = hashlib.sha256(data[:size]).hexdigest()

    assert fs.sha256_file(tmp_path / "f") == expected
    assert fs.sha256_bytes(data[:size]) == expected


def test_a_scratch_folder_is_gone_although_its_removal_is_interrupted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    remove = shutil.rmtree
    attempts: list[str] = []

    def interrupted(path: Path, *, ignore_errors: bool) -> None:
        attempts.append(path.name)
        if len(attempts) == 1:
            raise KeyboardInterrupt
        remove(path, ignore_errors=ignore_errors)

    monkeypatch.setattr(shutil, "rmtree", interrupted)
    folders: list[Path] = []
    with pytest.raises(KeyboardInterrupt), fs.scratch_folder() as folder:
        folders.append(folder)

    assert [made.exists() for made in folders] == [False]
    assert attempts == [folders[0].name] * 2
