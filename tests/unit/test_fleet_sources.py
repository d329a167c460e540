"""Which models a fleet has, in folders as they really are."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from envbuild.ambient import Ambient
from envbuild.errors import ModelError
from envbuild.fleet.sources import Source, distinct, find_models, gather, list_models, parse_list


def model(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "MLmodel").touch()
    return folder


def names(sources: tuple[Source, ...]) -> list[str]:
    return [source.name for source in sources]


def ambient(folder: Path) -> Ambient:
    return Ambient(environ={}, home=folder, cwd=folder)


def test_models_are_found_at_any_depth_and_named_by_where_they_are(tmp_path: Path) -> None:
    for name in ("wine", "team/iris", "mlruns/0/abc/artifacts/model"):
        model(tmp_path / name)
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").touch()

    found = find_models(tmp_path)

    assert names(found) == ["mlruns/0/abc/artifacts/model", "team/iris", "wine"]
    assert found[2].address == str(tmp_path / "wine")


def test_a_folder_of_ten_thousand_things_gives_its_models(tmp_path: Path) -> None:
    for number in range(10_000):
        (tmp_path / f"thing{number}").touch()
    for number in range(20):
        model(tmp_path / f"model{number:02}")

    assert names(find_models(tmp_path)) == [f"model{number:02}" for number in range(20)]


def test_nothing_inside_a_model_is_another_model(tmp_path: Path) -> None:
    model(tmp_path / "wine")
    model(tmp_path / "wine" / "artifacts" / "inner")

    assert names(find_models(tmp_path)) == ["wine"]


def test_a_folder_called_like_the_file_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "wine" / "MLmodel").mkdir(parents=True)

    assert find_models(tmp_path) == ()


def test_hidden_folders_and_the_output_are_left_out(tmp_path: Path) -> None:
    model(tmp_path / ".trash" / "old")
    model(tmp_path / "out" / "odd")
    model(tmp_path / "wine")

    assert names(find_models(tmp_path, leave_out=tmp_path / "out")) == ["wine"]


def test_an_output_that_is_not_there_yet_is_no_obstacle(tmp_path: Path) -> None:
    model(tmp_path / "wine")

    assert names(find_models(tmp_path, leave_out=tmp_path / "out")) == ["wine"]


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    model(tmp_path / "team" / "wine")
    (tmp_path / "team" / "up").symlink_to(tmp_path)
    (tmp_path / "team" / "self").symlink_to(tmp_path / "team" / "self")

    assert names(find_models(tmp_path)) == ["team/wine"]


def test_a_model_that_links_lead_to_is_found_once_under_its_own_name(tmp_path: Path) -> None:
    model(tmp_path / "wine")
    (tmp_path / "best").symlink_to(tmp_path / "wine")
    (tmp_path / "also").symlink_to(tmp_path / "best")

    assert names(find_models(tmp_path)) == ["wine"]


def test_of_several_links_out_of_the_folder_the_first_by_name_counts(tmp_path: Path) -> None:
    elsewhere = model(tmp_path / "elsewhere" / "wine")
    (tmp_path / "fleet").mkdir()
    for name in ("b", "a", "c"):
        (tmp_path / "fleet" / name).symlink_to(elsewhere)

    assert names(find_models(tmp_path / "fleet")) == ["a"]


def test_what_cannot_be_listed_is_told_and_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model(tmp_path / "wine")
    (tmp_path / "secret").mkdir()
    listed = os.scandir

    def scandir(path: Path) -> object:
        if Path(path).name == "secret":
            raise PermissionError(13, "Permission denied")
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)

    assert find_models(tmp_path) == (
        Source(
            address=str(tmp_path / "secret"),
            name="secret",
            problem="cannot be searched for models: Permission denied",
        ),
        Source(address=str(tmp_path / "wine"), name="wine"),
    )


def test_what_goes_while_it_is_searched_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model(tmp_path / "wine")
    going = model(tmp_path / "going")
    listed = os.scandir

    def scandir(path: Path) -> Iterator[os.DirEntry[str]]:
        if Path(path).name == "going":
            (going / "MLmodel").unlink()
            going.rmdir()
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)

    assert names(find_models(tmp_path)) == ["wine"]


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as error:
        find_models(tmp_path / "nowhere")

    assert str(error.value) == (
        f"{tmp_path}/nowhere: cannot be searched for models: No such file or directory"
    )


def test_a_list_has_one_model_a_line() -> None:
    text = b"# wines\nred/1\n\n  models:/wine/3  \r\nred/1\n"

    assert parse_list(text, where="list") == ("red/1", "models:/wine/3", "red/1")


def test_a_list_may_begin_with_the_mark_of_windows() -> None:
    assert parse_list(b"\xef\xbb\xbfred/1\r\n", where="list") == ("red/1",)


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("red/Wine No.1", "wine-no.1"),
        ("red/wine/MLmodel", "wine"),
        ("red/wine/", "wine"),
        ("models:/wine/3", "wine-3"),
        ("models:/wine@best", "wine-best"),
        ("runs:/abc/model", "abc-model"),
        ("s3://user:secret@bucket/path/wine", "wine"),
    ],
)
def test_a_listed_model_is_named_like_the_model(tmp_path: Path, address: str, name: str) -> None:
    assert names(list_models([address], base=tmp_path)) == [name]


def test_models_of_one_name_keep_apart_whatever_the_order(tmp_path: Path) -> None:
    one = list_models(["a/model", "b/model", "c/wine"], base=Path("/"))
    other = list_models(["c/wine", "b/model", "a/model", "b/model"], base=Path("/"))

    assert distinct(one) == distinct(other)
    assert names(distinct(one)) == ["model-602006d3", "model-e1974436", "wine"]


def test_arguments_are_folders_lists_and_models(tmp_path: Path) -> None:
    for name in ("fleet/red", "fleet/white", "single", "lists/near"):
        model(tmp_path / name)
    (tmp_path / "lists" / "models.txt").write_text("near\nmodels:/rose/2\n")

    found = gather(
        ["fleet", "single", "lists/models.txt", "fleet/red"],
        ambient=ambient(tmp_path),
        output=Path("out"),
    )

    assert names(found) == ["near", "red", "rose-2", "single", "white"]


def test_a_list_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.pkl").write_bytes(b"\x80\x04\xff")

    with pytest.raises(ModelError) as error:
        gather(["model.pkl"], ambient=ambient(tmp_path), output=Path("out"))

    assert str(error.value) == f"{tmp_path}/model.pkl: not a list of models: it is not UTF-8 text"


def test_a_list_out_of_a_pipe_is_of_the_working_directory(tmp_path: Path) -> None:
    model(tmp_path / "red")
    pipe = tmp_path / "elsewhere" / "pipe"
    pipe.parent.mkdir()
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=("red\n",), daemon=True)
    writer.start()

    (found,) = gather(["elsewhere/pipe"], ambient=ambient(tmp_path), output=Path("out"))

    assert found.address == str(tmp_path / "red")
    writer.join()


def test_a_folder_without_a_model_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "models" / "empty").mkdir(parents=True)

    with pytest.raises(ModelError) as error:
        gather(["models"], ambient=ambient(tmp_path), output=Path("out"))

    assert str(error.value) == "models: no model in it, at any depth\n  try: another folder"


def test_what_is_no_text_or_no_line_is_not_in_the_name_of_a_context(tmp_path: Path) -> None:
    for name in ("team/new\nline", "\udcff\udcfe", "-dash", "caf\u00e9", "cafe\u0301"):
        model(tmp_path / name)

    found = find_models(tmp_path)

    assert names(found) == [
        "-dash", "cafe\u0301", "caf\u00e9", "model-b3d510ef", "team/new-line-58fb6729",
    ]  # fmt: skip
    assert found[4].address == f"{tmp_path}/team/new\nline"


def test_an_address_is_shown_without_its_password() -> None:
    (source,) = list_models(["https://user:secret@host/wine"], base=Path("/"))

    assert "secret" not in source.shown
    assert "secret" not in repr(source)
