"""Many bundles in one output: whole each, and every file of the cache in it once."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from envbuild.ambient import Ambient
from envbuild.emit.archive import write
from envbuild.emit.content import Content, Entry
from envbuild.emit.shared import FLEET, export_shared, shared_content
from envbuild.errors import OutputError, UsageError
from envbuild.options import ExportOptions

SPAM = b"a wheel" * 1000


@pytest.fixture
def contents(tmp_path: Path) -> dict[str, Content]:
    (tmp_path / "cached").write_bytes(SPAM)
    shared = Entry.of_cached(tmp_path / "cached", Entry.of_bytes(SPAM).sha256, len(SPAM))
    return {
        "white": {"wheels/spam.whl": shared, "same.txt": Entry.of_bytes(b"text")},
        "team/red": {
            "tools/spam.whl": shared,
            "wheels/spam.whl": shared,
            "same.txt": Entry.of_bytes(b"text"),
        },
    }


def test_what_comes_from_the_cache_is_there_once(contents: dict[str, Content]) -> None:
    whole = shared_content(contents)

    assert {name: entry.same_as for name, entry in whole.items()} == {
        "team/red/same.txt": "",
        "team/red/tools/spam.whl": "",
        "team/red/wheels/spam.whl": "team/red/tools/spam.whl",
        "white/same.txt": "",
        "white/wheels/spam.whl": "team/red/tools/spam.whl",
    }


def test_a_folder_has_one_file_with_several_names(
    contents: dict[str, Content], tmp_path: Path
) -> None:
    write(shared_content(contents), tmp_path / "out")

    names = ("team/red/tools/spam.whl", "team/red/wheels/spam.whl", "white/wheels/spam.whl")
    files = [tmp_path / "out" / name for name in names]
    assert {path.read_bytes() for path in files} == {SPAM}
    assert len({path.stat().st_ino for path in files}) == 1


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz"])
def test_an_archive_has_its_bytes_once_and_gives_whole_bundles(
    contents: dict[str, Content], tmp_path: Path, suffix: str
) -> None:
    write(shared_content(contents), tmp_path / f"one{suffix}")
    write(shared_content(contents), tmp_path / f"two{suffix}")

    archive = tmp_path / f"one{suffix}"
    assert archive.read_bytes() == (tmp_path / f"two{suffix}").read_bytes()
    with tarfile.open(archive) as opened:
        assert sum(member.size for member in opened) == len(SPAM) + 2 * len(b"text")
        opened.extractall(tmp_path / "out", filter="data")
    for folder, content in contents.items():
        for name, entry in content.items():
            path = tmp_path / "out" / "bundle" / folder / name
            assert path.stat().st_size == entry.size


def test_what_is_for_one_context_is_refused(tmp_path: Path) -> None:
    ambient = Ambient(environ={}, home=tmp_path, cwd=tmp_path)
    options = ExportOptions(model=tmp_path, diff=tmp_path)

    with pytest.raises(UsageError) as error:
        export_shared({}, tmp_path / "out", ambient=ambient, options=options)

    assert str(error.value) == (
        "not for several contexts: --with-model and --diff\n  try: each context by itself"
    )


def test_what_is_no_bundle_of_a_fleet_is_not_replaced(tmp_path: Path) -> None:
    ambient = Ambient(environ={}, home=tmp_path, cwd=tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").touch()

    with pytest.raises(OutputError) as error:
        export_shared({}, tmp_path / "out", ambient=ambient)

    assert error.value.problem == "it exists and is not the bundle of a fleet"
    (tmp_path / "out" / FLEET).touch()
    assert export_shared({}, tmp_path / "out", ambient=ambient).bundles == {}
