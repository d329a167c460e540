"""Names that strangers wrote lead to files inside the model, or nowhere."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envbuild.errors import ModelError
from envbuild.reading.model_files import (
    contains,
    find_models,
    inner_name,
    locate,
    locate_folder,
    read_text,
)
from tests.support.denied import deny


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    (folder / "code").mkdir(parents=True)
    (folder / "code" / "x.txt").write_text("hello")
    (tmp_path / "outside.txt").write_text("secret")
    return folder


def refusal(call: Callable[..., object], *args: object) -> str:
    with pytest.raises(ModelError) as caught:
        call(*args, where="here")
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "inner"),
    [
        ("conda.yaml", "conda.yaml"),
        ("./a/b", "a/b"),
        ("a\\b.txt", "a/b.txt"),
        ("a/../b", "b"),
        ("a//b/", "a/b"),
        (".", "."),
        ("name with spaces", "name with spaces"),
        ("a-b", "a-b"),
        ("..a", "..a"),
    ],
)
def test_a_relative_path_is_posix_and_short(name: str, inner: str) -> None:
    assert inner_name(name, where="here") == inner


def test_a_path_may_go_up_as_far_as_the_model() -> None:
    assert inner_name("../b", where="here", folder="a") == "b"
    assert refusal(lambda where: inner_name("../../b", where=where, folder="a")) == (
        "here: the path '../../b' leads out of the model"
    )


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("", "is empty"),
        ("  ", "is empty"),
        ("a\0b", "holds control characters"),
        ("a\nb", "holds control characters"),
        ("--index-url", "looks like an option"),
        ("-", "looks like an option"),
        ("./-x", "looks like an option"),
        ("C:\\x", "is on a Windows drive, not in the model"),
        ("c:x", "is on a Windows drive, not in the model"),
        ("\\\\server\\x", "is on a Windows drive, not in the model"),
        ("file:x", "is an address, not a file of the model"),
        ("https://u:secret@h/x", "is an address, not a file of the model"),
        ("/etc/passwd", "is absolute, not in the model"),
        ("\\x", "is absolute, not in the model"),
        ("~/x", "is absolute, not in the model"),
        ("..", "leads out of the model"),
        ("../x", "leads out of the model"),
        ("a/../../x", "leads out of the model"),
        ("..\\x", "leads out of the model"),
    ],
)
def test_a_path_that_may_leave_the_model_is_refused(name: str, problem: str) -> None:
    said = refusal(inner_name, name)

    assert said.startswith("here: the path ")
    assert said.endswith(problem)
    assert "secret" not in said


@given(st.text(max_size=40))
def test_no_name_leaves_the_model(name: str) -> None:
    try:
        inner = inner_name(name, where="here")
    except ModelError:
        return
    assert not inner.startswith(("/", "../", "-"))
    assert inner != ".."
    assert os.path.normpath(f"/model/{inner}").startswith("/model")


def test_a_file_is_found_and_read(model: Path) -> None:
    assert locate(model, "code\\x.txt", where="here") == model / "code" / "x.txt"
    assert read_text(model, "code/x.txt", where="here") == "hello"
    assert locate_folder(model, "code", where="here") == model / "code"
    assert locate_folder(model, ".", where="here") == model / "."


def test_what_is_in_the_model_is_told(model: Path) -> None:
    assert contains(model, "code")
    assert contains(model, "code/x.txt")
    assert not contains(model, "code/y.txt")
    assert not contains(model, "../outside.txt")
    assert not contains(model, "x" * 5_000)


def test_what_is_absent_or_of_another_kind_is_refused(model: Path) -> None:
    os.mkfifo(model / "pipe")

    assert refusal(locate, model, "y.txt") == "here: 'y.txt' is not in the model"
    assert refusal(locate, model, "code") == "here: 'code' is not a regular file"
    assert refusal(locate, model, "pipe") == "here: 'pipe' is not a regular file"
    assert refusal(locate_folder, model, "code/x.txt") == "here: 'code/x.txt' is not a folder"
    assert refusal(locate, model, "code/x.txt/y").startswith("here: cannot read 'code/x.txt/y': ")


def test_a_link_out_of_the_model_is_refused(model: Path) -> None:
    (model / "link.txt").symlink_to("../outside.txt")
    (model / "folder").symlink_to("..")

    assert refusal(read_text, model, "link.txt") == (
        "here: 'link.txt' is a link that leads out of the model\n"
        "  try: a copy with the links followed: cp -rL"
    )
    assert "leads out of the model" in refusal(read_text, model, "folder/outside.txt")
    assert "leads out of the model" in refusal(locate_folder, model, "folder")


def test_a_link_inside_the_model_is_followed(model: Path) -> None:
    (model / "link.txt").symlink_to("code/x.txt")

    assert read_text(model, "link.txt", where="here") == "hello"


def test_a_model_that_is_a_link_itself_is_fine(model: Path) -> None:
    link = model.parent / "latest"
    link.symlink_to("model")

    assert read_text(link, "code/x.txt", where="here") == "hello"


def test_links_in_a_circle_are_refused(model: Path) -> None:
    (model / "a").symlink_to("b")
    (model / "b").symlink_to("a")

    assert refusal(locate, model, "a").startswith("here: cannot read 'a': ")
    assert not contains(model, "a")


def test_what_is_no_text_is_called_by_its_name(model: Path) -> None:
    (model / "pointer.txt").write_text("version https://git-lfs.github.com/spec/v1\n")
    (model / "latin.txt").write_bytes(b"\xe8")

    assert refusal(read_text, model, "pointer.txt") == (
        "here: 'pointer.txt' is a Git LFS pointer\n  try: git lfs pull, then again"
    )
    assert refusal(read_text, model, "latin.txt").startswith("latin.txt: not a text file: line 1")


def test_a_file_that_may_not_be_read_is_refused(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deny(monkeypatch, model / "code" / "x.txt")

    assert refusal(read_text, model, "code/x.txt") == (
        "here: cannot read 'code/x.txt': Permission denied"
    )


def test_models_below_a_folder_are_found_in_order(tmp_path: Path) -> None:
    for name in ("b", "a/deep/er", ".git/x", "a/deep/er/nested", "b/nested"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "MLmodel").touch()
    (tmp_path / "loop").symlink_to(".")
    (tmp_path / "file").touch()

    assert find_models(tmp_path) == ("a/deep/er", "b")


def test_the_folder_itself_is_not_below_itself(tmp_path: Path) -> None:
    (tmp_path / "MLmodel").touch()

    assert find_models(tmp_path) == ()


def test_the_search_for_models_goes_only_so_deep(tmp_path: Path) -> None:
    for levels in ("abcdef", "uvwxyzz"):
        deep = tmp_path.joinpath(*levels)
        deep.mkdir(parents=True)
        (deep / "MLmodel").touch()

    assert find_models(tmp_path) == ("a/b/c/d/e/f",)


def test_the_search_for_models_ends_when_there_are_enough(tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / f"m{number:02}").mkdir()
        (tmp_path / f"m{number:02}" / "MLmodel").touch()

    found = find_models(tmp_path)

    assert found == tuple(f"m{number:02}" for number in range(20))


def test_a_folder_that_vanishes_while_it_is_searched_is_left_out(tmp_path: Path) -> None:
    assert find_models(tmp_path / "gone") == ()
