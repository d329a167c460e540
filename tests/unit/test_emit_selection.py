"""The artefact that goes into a bundle: the best wheel of the target, else what can be built."""

from __future__ import annotations

from pathlib import Path

import pytest

from envbuild.build.interface import ArchiveSource, FolderSource, GitSource
from envbuild.emit.selection import Choice, ReadyWheel, ToBuild, select
from envbuild.errors import LockFileError
from envbuild.fs import sha256_tree
from tests.support.contexts import lock_of

SHA = "a" * 64
OTHER = "b" * 64


def choose(packages: str, folder: Path, **target: str) -> tuple[Choice, ...]:
    return select(
        lock_of(packages, python=target.get("python", "3.7.11"), glibc=(2, 28)),
        context=folder,
        lock_name="pylock.toml",
    )


def spam(source: str, *, version: str = 'version = "1.0"\n') -> str:
    return f'[[packages]]\nname = "spam"\n{version}{source}\n'


def row(file: str, *, sha256: str = SHA) -> str:
    return f'{{ url = "https://files.test/{file}", size = 7, hashes = {{ sha256 = "{sha256}" }} }}'


@pytest.mark.parametrize(
    ("files", "best"),
    [
        (
            ["spam-1.0-py3-none-any.whl", "spam-1.0-cp37-cp37m-manylinux_2_17_x86_64.whl"],
            "spam-1.0-cp37-cp37m-manylinux_2_17_x86_64.whl",
        ),
        (
            [
                "spam-1.0-cp37-cp37m-manylinux1_x86_64.whl",
                "spam-1.0-cp37-cp37m-manylinux_2_28_x86_64.whl",
            ],
            "spam-1.0-cp37-cp37m-manylinux_2_28_x86_64.whl",
        ),
        (
            [
                "spam-1.0-cp37-cp37m-manylinux_2_31_x86_64.whl",
                "spam-1.0-cp36-abi3-manylinux2014_x86_64.whl",
            ],
            "spam-1.0-cp36-abi3-manylinux2014_x86_64.whl",
        ),
        (
            ["spam-1.0-1-py3-none-any.whl", "spam-1.0-2-py3-none-any.whl"],
            "spam-1.0-1-py3-none-any.whl",
        ),
    ],
)
def test_the_best_wheel_by_the_order_of_tags_is_taken(
    tmp_path: Path, files: list[str], best: str
) -> None:
    wheels = f"wheels = [{', '.join(row(file) for file in files)}]"

    (choice,) = choose(spam(wheels), tmp_path)

    assert isinstance(choice, ReadyWheel)
    assert choice.file == best
    assert choice.artefact.url == choice.origin == f"https://files.test/{best}"
    assert (choice.artefact.sha256, choice.artefact.size) == (SHA, 7)


def test_a_quoted_address_gives_a_plain_file_name(tmp_path: Path) -> None:
    source = f"wheels = [{row('spam-1.0%2Bcu102-py3-none-any.whl')}]"

    (choice,) = choose(spam(source, version='version = "1.0+cu102"\n'), tmp_path)

    assert isinstance(choice, ReadyWheel)
    assert choice.file == "spam-1.0+cu102-py3-none-any.whl"
    assert str(choice.version) == "1.0+cu102"


def test_an_sdist_is_built_where_no_wheel_fits(tmp_path: Path) -> None:
    wheel, sdist = "spam-1.0-cp38-cp38-win_amd64.whl", "spam-1.0.tar.gz"
    source = f"wheels = [{row(wheel)}]\nsdist = {row(sdist, sha256=OTHER)}"

    (choice,) = choose(spam(source), tmp_path)

    assert isinstance(choice, ToBuild)
    assert choice.reason == "no wheel for Python 3.7.11 on linux-64"
    assert isinstance(choice.source, ArchiveSource)
    assert (choice.source.file, choice.source.artefact.sha256) == (sdist, OTHER)


def test_a_wheel_of_the_context_is_taken_from_there(tmp_path: Path) -> None:
    source = (
        f'archive = {{ path = "files/spam-1.0-py3-none-any.whl", hashes = {{ sha256 = "{SHA}" }} }}'
    )

    (choice,) = choose(spam(source), tmp_path)

    assert isinstance(choice, ReadyWheel)
    assert choice.origin == "files/spam-1.0-py3-none-any.whl"
    assert choice.artefact.url == (tmp_path / choice.origin).as_uri()


def test_an_archive_of_sources_keeps_its_subdirectory(tmp_path: Path) -> None:
    source = (
        'archive = { url = "https://files.test/main.zip", subdirectory = "python", '
        f'hashes = {{ sha256 = "{SHA}" }} }}'
    )

    (choice,) = choose(spam(source), tmp_path)

    assert isinstance(choice, ToBuild)
    assert isinstance(choice.source, ArchiveSource)
    assert choice.source.identity() == f"sha256:{SHA}#python"


def test_a_commit_is_built(tmp_path: Path) -> None:
    source = (
        'vcs = { type = "git", url = "https://git.test/spam.git", commit-id = "abc", '
        'subdirectory = "python" }'
    )

    (choice,) = choose(spam(source, version=""), tmp_path)

    assert isinstance(choice, ToBuild)
    assert choice.version is None
    assert choice.origin == "git+https://git.test/spam.git@abc"
    assert choice.source == GitSource(
        url="https://git.test/spam.git", commit="abc", subdirectory="python"
    )
    assert choice.source.identity() == "git:abc#python"


def test_a_folder_of_the_context_is_built(tmp_path: Path) -> None:
    (tmp_path / "files/spam").mkdir(parents=True)
    (tmp_path / "files/spam/setup.py").write_text("")

    (choice,) = choose(spam('directory = { path = "files/spam" }'), tmp_path)

    assert isinstance(choice, ToBuild)
    assert isinstance(choice.source, FolderSource)
    tree = sha256_tree(tmp_path / "files/spam")
    assert choice.source.identity() == f"tree:{tree}#"


def test_everything_that_cannot_be_exported_is_told_at_once(tmp_path: Path) -> None:
    packages = "".join(
        f'[[packages]]\nname = "{name}"\nversion = "1.0"\n{source}\n'
        for name, source in {
            "a": f"wheels = [{row('a-1.0-cp27-none-any.whl')}]",
            "b": 'vcs = { type = "hg", url = "https://hg.test/b", commit-id = "abc" }',
            "c": 'directory = { path = "files/nowhere" }',
            "d": 'sdist = { url = "https://files.test/d-1.0.zip", hashes = { md5 = "abc" } }',
            "e": f"archive = {row('e-1.0-cp39-cp39-win_amd64.whl')}",
            "f": f"archive = {row('strange.whl')}",
        }.items()
    )

    with pytest.raises(LockFileError) as caught:
        choose(packages, tmp_path)

    assert str(caught.value) == (
        f"{tmp_path}/pylock.toml: 6 of 6 packages cannot be exported\n"
        "  a: no wheel for Python 3.7.11 on linux-64, no sdist; has a-1.0-cp27-none-any.whl\n"
        "  b: only git can be built, not hg\n"
        "  c: there is no folder files/nowhere\n"
        "  d: https://files.test/d-1.0.zip has no sha256\n"
        "  e: e-1.0-cp39-cp39-win_amd64.whl does not run on Python 3.7.11 on linux-64\n"
        "  f: strange.whl does not run on Python 3.7.11 on linux-64\n"
        "  try: envbuild lock for this platform again"
    )
