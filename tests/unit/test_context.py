"""A context on disk: written whole, read back, and careful with what is not its own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from envbuild.errors import IntegrityError, LockFileError, OutputError, ProfileError
from envbuild.locking.context import read_context
from envbuild.locking.lock import Lock
from envbuild.notices import Notice
from envbuild.options import LockOptions
from envbuild.platforms import parse_platform
from tests.support.goldens import CASES, sources, two_platforms
from tests.support.locks import (
    archive,
    lock,
    make_model,
    make_plan,
    online_profile,
    package,
    requirement,
    resolution,
    target,
)

EACH_CASE = pytest.mark.parametrize("case", CASES)


def small(work: Path, version: str = "1") -> Lock:
    """One package, one platform; the same folder may be used again."""
    (work / "model").mkdir(exist_ok=True)
    profile = work / "profile.toml"
    (work / "score.py").write_text("# score\n")
    plan = make_plan(online_profile(profile), [requirement(f"a=={version}")])
    found = resolution([package(f"a=={version}", "py3-none-any")])
    return lock(make_model(work / "model"), plan, found)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def states(folder: Path) -> Mapping[str, tuple[int, int]]:
    return {str(path): (path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.rglob("*")}


@EACH_CASE
def test_a_context_is_read_back_as_it_was_locked(case: str, tmp_path: Path) -> None:
    made = CASES[case](tmp_path)

    context = made.write(tmp_path / "env")

    assert context == read_context(tmp_path / "env")
    assert context.locks == {each.target.platform.name: each for each in made.platforms}
    assert context.inputs == made.inputs
    assert context.input_digest == made.input_digest
    assert context.base_image == made.base_image
    assert (context.model_name, context.server) == (made.model.name, made.server.name)
    assert context.serving.command == made.server.command
    assert context.runtime == made.plan.runtime
    assert contents(tmp_path / "env") == dict(made.files())
    assert set(context.files()) == set(made.files())


def test_writing_the_same_again_touches_nothing(tmp_path: Path) -> None:
    sources(tmp_path).write(tmp_path / "env")
    before = states(tmp_path / "env")
    folder = tmp_path / "env"
    os.utime(folder, ns=(0, 0))

    (tmp_path / "again").mkdir()
    sources(tmp_path / "again").write(folder)

    assert states(folder) == before
    assert folder.stat().st_mtime_ns == 0


def test_a_context_inside_the_model_is_refused(tmp_path: Path) -> None:
    made = small(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path / "model")

    for inside in (tmp_path / "model", tmp_path / "model" / "env", tmp_path / "link" / "env"):
        with pytest.raises(OutputError) as caught:
            made.write(inside)
        assert str(caught.value) == (
            f"{inside}: the context would lie inside the model, which must stay as it is\n"
            "  try: -o with a folder outside the model"
        )
    assert list((tmp_path / "model").iterdir()) == []


def test_a_model_may_lie_in_the_context(tmp_path: Path) -> None:
    small(tmp_path).write(tmp_path)

    assert (tmp_path / "pylock.toml").exists()


def test_files_that_are_not_ours_are_not_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "env"
    (folder / "azureml" / "endpoint.yml").mkdir(parents=True)
    (folder / "Dockerfile").write_text("FROM scratch\n")
    (folder / "tools").write_text("a file")
    (folder / "requirements.txt").symlink_to(tmp_path / "score.py")
    made = small(tmp_path)
    before = contents(folder)

    with pytest.raises(OutputError) as caught:
        made.write(folder)

    assert str(caught.value) == (
        f"{folder}: files are in the way\n"
        "  Dockerfile: not written by envbuild\n"
        "  azureml/endpoint.yml: a folder\n"
        "  requirements.txt: a link leads out of the folder\n"
        "  tools: a file where a folder has to be\n"
        "  try: another folder with -o, or move them away"
    )
    assert contents(folder) == before


def test_a_lock_of_another_tool_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "env").mkdir()
    (tmp_path / "env" / "pylock.toml").write_text('lock-version = "1.0"\ncreated-by = "uv"\n')

    with pytest.raises(OutputError) as caught:
        small(tmp_path).write(tmp_path / "env")

    assert caught.value.details == ("pylock.toml: not written by envbuild",)


def test_files_of_others_stay_where_they_are(tmp_path: Path) -> None:
    (tmp_path / "env" / "azureml").mkdir(parents=True)
    (tmp_path / "env" / "README.md").write_text("mine")
    (tmp_path / "env" / "azureml" / "mine.yml").write_text("mine")

    small(tmp_path).write(tmp_path / "env")
    small(tmp_path, "2").write(tmp_path / "env")

    assert (tmp_path / "env" / "README.md").read_text() == "mine"
    assert (tmp_path / "env" / "azureml" / "mine.yml").read_text() == "mine"


def test_files_that_a_new_lock_no_longer_has_are_removed(tmp_path: Path) -> None:
    (tmp_path / "two").mkdir()
    two_platforms(tmp_path / "two").write(tmp_path / "env")
    made = small(tmp_path)

    context = made.write(tmp_path / "env")

    assert contents(tmp_path / "env") == dict(made.files())
    assert list(context.locks) == ["linux-64"]


def test_folders_left_empty_are_removed_and_others_kept(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    sources(tmp_path / "one").write(tmp_path / "env")
    (tmp_path / "env" / "files" / "mine.txt").write_text("mine")

    small(tmp_path).write(tmp_path / "env")

    assert [path.name for path in (tmp_path / "env" / "files").iterdir()] == ["mine.txt"]


def test_an_edited_file_is_kept_beside_the_new_one(tmp_path: Path) -> None:
    folder = tmp_path / "env"
    small(tmp_path).write(folder)
    (folder / "Dockerfile").write_text("FROM mine:1\n")
    small(tmp_path, "2").write(folder)
    (folder / "Dockerfile").write_text("FROM mine:2\n")
    context = small(tmp_path, "3").write(folder)

    assert (folder / "Dockerfile").read_bytes() == small(tmp_path, "3").files()["Dockerfile"]
    assert (folder / "Dockerfile.edited").read_text() == "FROM mine:1\n"
    assert (folder / "Dockerfile.edited2").read_text() == "FROM mine:2\n"
    assert context.notices == (
        Notice(
            code="edited-file-kept",
            message="it was edited by hand; the edited file is now Dockerfile.edited2",
            where="Dockerfile",
        ),
    )


def test_an_edited_file_that_is_no_longer_written_is_kept_too(tmp_path: Path) -> None:
    (tmp_path / "two").mkdir()
    two_platforms(tmp_path / "two").write(tmp_path / "env")
    name = "requirements.linux-64.txt"
    (tmp_path / "env" / name).write_text("a\n")

    small(tmp_path).write(tmp_path / "env")

    assert not (tmp_path / "env" / name).exists()
    assert (tmp_path / "env" / f"{name}.edited").read_text() == "a\n"


def test_a_deleted_file_is_written_again(tmp_path: Path) -> None:
    small(tmp_path).write(tmp_path / "env")
    (tmp_path / "env" / "Dockerfile").unlink()

    context = small(tmp_path).write(tmp_path / "env")

    assert (tmp_path / "env" / "Dockerfile").exists()
    assert context.notices == ()


def test_a_lock_file_cannot_make_us_touch_what_lies_outside(tmp_path: Path) -> None:
    folder = tmp_path / "env"
    small(tmp_path).write(folder)
    (tmp_path / "precious").write_text("precious")
    hostile = (folder / "pylock.toml").read_text()
    digest = "0" * 64
    for name in ("../precious", str(tmp_path / "precious")):
        hostile = hostile.replace(
            "[tool.envbuild.files]\n", f'[tool.envbuild.files]\n"{name}" = "sha256:{digest}"\n'
        )
    (folder / "pylock.toml").write_text(hostile)

    small(tmp_path, "2").write(folder)

    assert (tmp_path / "precious").read_text() == "precious"
    assert not (tmp_path / "precious.edited").exists()


def test_a_context_whose_packages_were_edited_is_refused(tmp_path: Path) -> None:
    small(tmp_path).write(tmp_path / "env")
    file = tmp_path / "env" / "pylock.toml"
    file.write_text(file.read_text() + "\n")

    with pytest.raises(LockFileError) as caught:
        read_context(tmp_path / "env")

    assert str(caught.value) == (
        f"{file}: its packages were edited by hand\n  try: envbuild lock again"
    )


@pytest.mark.parametrize(
    ("data", "problem"), [(b"\xff", "cannot be read: "), (b"a =", "not TOML: ")]
)
def test_a_context_that_cannot_be_read_is_refused(
    tmp_path: Path, data: bytes, problem: str
) -> None:
    (tmp_path / "pylock.toml").write_bytes(data)

    with pytest.raises(LockFileError) as caught:
        read_context(tmp_path)

    assert str(caught.value).startswith(f"{tmp_path / 'pylock.toml'}: {problem}")


def test_a_lock_with_the_right_digest_still_has_to_be_valid(tmp_path: Path) -> None:
    made = small(tmp_path)
    made.write(tmp_path / "env")
    file = tmp_path / "env" / "pylock.toml"
    file.write_text(file.read_text().replace('lock-version = "1.0"', 'lock-version = "x"'))

    with pytest.raises(LockFileError) as caught:
        read_context(tmp_path / "env")

    assert str(caught.value) == (
        f"{file}: not a valid lock: Invalid version: 'x' in 'lock-version'\n"
        "  try: envbuild lock again"
    )


def test_locks_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    two_platforms(tmp_path).write(tmp_path / "env")
    (tmp_path / "env" / "pylock.linux-64.toml").unlink()

    with pytest.raises(LockFileError) as caught:
        read_context(tmp_path / "env")

    assert str(caught.value) == (
        f"{tmp_path / 'env'}: its lock files do not belong together\n  try: envbuild lock again"
    )


def test_a_file_of_the_model_that_changed_meanwhile_is_refused(tmp_path: Path) -> None:
    made = sources(tmp_path)
    wheel = tmp_path / "model" / "code" / "spam-1.0-py3-none-any.whl"
    wheel.write_bytes(b"other")

    with pytest.raises(IntegrityError) as caught:
        made.write(tmp_path / "env")

    assert str(caught.value) == (
        f"{tmp_path / 'model'}: files of the model are not what was locked\n"
        "  files/spam-1.0-py3-none-any.whl: expected sha256 "
        "88749abcc181c2251c33fe6697dc3930acb12df7a067c38bf97713b4eef3f560, got "
        "d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa\n"
        "  try: envbuild lock again"
    )
    assert not (tmp_path / "env").exists()


def test_a_local_file_that_is_gone_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a-1-py3-none-any.whl"
    plan = make_plan(online_profile(), [requirement("a")])
    made = lock(make_model(tmp_path), plan, resolution([archive("a==1", path=str(path))]))

    with pytest.raises(IntegrityError) as caught:
        made.files()

    assert str(caught.value) == f"{path}: a locked file cannot be read: No such file or directory"


def test_a_script_that_is_nowhere_is_a_fault_of_the_profile(tmp_path: Path) -> None:
    profile = replace(online_profile(tmp_path / "p.toml"), script="mine.py")
    plan = make_plan(profile, [requirement("a")])
    made = lock(make_model(tmp_path), plan, resolution([package("a==1", "py3-none-any")]))

    with pytest.raises(ProfileError) as caught:
        made.files()

    assert str(caught.value) == (
        f"{tmp_path / 'p.toml'}: its script 'mine.py' is neither beside it nor one of envbuild's"
    )


def test_a_profile_of_ours_brings_a_script_of_ours(tmp_path: Path) -> None:
    plan = make_plan(online_profile(), [requirement("a")])
    made = lock(make_model(tmp_path), plan, resolution([package("a==1", "py3-none-any")]))

    assert b"def init():" in made.files()["score.py"]


def test_without_a_container_there_is_no_dockerfile(tmp_path: Path) -> None:
    plan = make_plan(online_profile(), [requirement("a")])
    found = resolution([package("a==1", "py3-none-any")], on=target(platform="win-64"))
    options = LockOptions(platforms=(parse_platform("win-64"),))
    made = lock(make_model(tmp_path), plan, found, options=options)

    assert list(made.files()) == [
        "environment.yml",
        "requirements.txt",
        "score.py",
        "tools/requirements.txt",
        "pylock.toml",
    ]
