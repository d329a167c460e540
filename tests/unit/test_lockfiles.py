"""Lock files as text, for PEP 751 and for plain pip."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.pylock import Package, PackageArchive, PackageDirectory, PackageVcs, Pylock

from envbuild.emit.lockfiles import (
    index_lines,
    needs_credentials,
    packages_text,
    pin,
    pylock_text,
    requirements_name,
    requirements_text,
    unhashed_name,
    unhashed_text,
)
from envbuild.emit.toml import render_pairs, render_tables
from envbuild.entries.requirements import IndexKind
from envbuild.locking.canonical import FILES, PlatformLock, canonicalize
from envbuild.locking.header import content_digest, parse_header, split_lock
from envbuild.origins import Origin
from tests.support.locks import (
    archive,
    git,
    index,
    make_model,
    package,
    resolution,
    sha256,
)
from tests.unit.test_header import HEADER

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

KEYS = st.text(min_size=1)
SCALARS = (
    st.text()
    | st.integers(min_value=-(2**63), max_value=2**63 - 1)
    | st.booleans()
    | st.datetimes(timezones=st.just(timezone.utc))
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner), max_leaves=10
)


def locked(tmp_path: Path, *packages: Package) -> PlatformLock:
    return canonicalize(make_model(tmp_path), resolution(packages))[0]


@given(st.dictionaries(KEYS, VALUES))
def test_tables_are_read_back_as_they_were_written(table: dict[str, Any]) -> None:
    assert tomllib.loads(render_tables(table)) == table


@given(st.dictionaries(KEYS, VALUES))
def test_pairs_are_read_back_as_they_were_written(table: dict[str, Any]) -> None:
    assert tomllib.loads(render_pairs(table)) == table


def test_a_row_is_one_line_whatever_its_length() -> None:
    rows = [{"url": "https://example.org/" + "x" * 200, "hashes": {"sha256": "0"}}, {}]

    assert render_pairs({"rows": rows, "none": []}) == (
        "rows = [\n"
        f'    {{ url = "{rows[0]["url"]}", hashes = {{ sha256 = "0" }} }},\n'
        "    {},\n"
        "]\n"
        "none = []\n"
    )


def test_tables_in_tables_are_sections() -> None:
    table = {"a": 1, "t": {"u": {"b": 2}, "v.w": {}, "c": 3}, "e": {"f": {"d": 4}}}

    assert render_tables(table) == (
        'a = 1\n\n[t]\nc = 3\n\n[t.u]\nb = 2\n\n[t."v.w"]\n\n[e.f]\nd = 4\n'
    )


def test_a_lock_is_valid_pep_751_and_read_back_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    lock = locked(tmp_path, package("a==1", "py3-none-any"), git("b", "https://e.org/b", "0" * 40))

    text = pylock_text(HEADER, lock.pylock)

    document = tomllib.loads(text)
    del document["tool"]
    assert Pylock.from_dict(document) == lock.pylock


def test_the_header_stands_before_the_packages_and_knows_their_digest(tmp_path: Path) -> None:
    lock = locked(tmp_path, package("a==1", "py3-none-any"), package("b==1", "py3-none-any"))

    text = pylock_text(HEADER, lock.pylock)

    assert split_lock(text)[1] == packages_text(lock.pylock)
    assert parse_header(text, where="").content_digest == content_digest(split_lock(text)[1])


def test_a_lock_of_nothing_is_valid_too(tmp_path: Path) -> None:
    text = pylock_text(HEADER, locked(tmp_path).pylock)

    assert tomllib.loads(text)["packages"] == []
    assert split_lock(text)[1] == ""
    assert parse_header(text, where="").content_digest == content_digest("")


def test_names_carry_the_platform_when_there_are_several() -> None:
    assert requirements_name("linux-64", ["linux-64"]) == "requirements.txt"
    assert requirements_name("win-64", ["linux-64", "win-64"]) == "requirements.win-64.txt"
    assert unhashed_name("linux-64", ["linux-64"]) == "requirements.vcs.txt"
    assert unhashed_name("win-64", ["linux-64", "win-64"]) == "requirements.vcs.win-64.txt"


def test_every_fitting_file_of_a_pin_has_its_hash(tmp_path: Path) -> None:
    tags = ("cp37-cp37m-manylinux1_x86_64", "cp37-cp37m-manylinux2014_x86_64")
    hashes = sorted(sha256(f"a-1-{tag}.whl") for tag in tags)

    text = requirements_text(locked(tmp_path, package("a==1", *tags)), name="requirements.txt")

    assert text == (
        "# CPython 3.7.11 on linux-64; in this folder:\n"
        "#   python -m pip install --no-deps --require-hashes -r requirements.txt\n"
        f"a==1 \\\n    --hash=sha256:{hashes[0]} \\\n    --hash=sha256:{hashes[1]}\n"
    )


def test_an_archive_is_named_by_its_address(tmp_path: Path) -> None:
    found = archive("a==1", url="https://example.org/a.zip")
    below = Package(
        name=package("b==1").name,
        archive=PackageArchive(
            url="https://example.org/b.zip", subdirectory="py", hashes={"sha256": sha256("b")}
        ),
    )

    text = requirements_text(locked(tmp_path, found, below), name="r.txt")

    assert "\na @ https://example.org/a.zip \\\n" in text
    assert "\nb @ https://example.org/b.zip#subdirectory=py \\\n" in text


def test_repositories_and_folders_stand_apart(tmp_path: Path) -> None:
    (tmp_path / "lib" / "py").mkdir(parents=True)
    directory = PackageDirectory(path="lib", subdirectory="py")
    local = PackageVcs(type="git", path="../c", commit_id="1" * 40)
    lock = locked(
        tmp_path,
        package("a==1", "py3-none-any"),
        Package(name=package("b==1").name, directory=directory),
        Package(name=package("c==1").name, vcs=local),
        git("d", "ssh://git@example.org/d", "2" * 40, subdirectory="x"),
    )

    assert requirements_text(lock, name="r.txt").splitlines()[2] == "a==1 \\"
    assert unhashed_text(lock, name="v.txt").splitlines()[3:] == [
        "#   python -m pip install --no-deps -r v.txt",
        f"./{FILES}/b/py",
        f"c @ git+../c@{'1' * 40}",
        f"d @ git+ssh://git@example.org/d@{'2' * 40}#subdirectory=x",
    ]


def test_without_any_there_is_no_such_file(tmp_path: Path) -> None:
    assert unhashed_text(locked(tmp_path, package("a==1", "py3-none-any")), name="v.txt") == ""


def test_a_pin_takes_a_line_for_each_hash() -> None:
    assert pin("a==1", ["0", "1"]) == "a==1 \\\n    --hash=sha256:0 \\\n    --hash=sha256:1"


HINT = (
    "# The next address needs credentials, which are never written: give them to pip by"
    " a netrc file or a keyring, or use a bundle."
)


@pytest.mark.parametrize(
    ("kind", "value", "lines"),
    [
        ("index-url", "https://example.org/simple", ["--index-url https://example.org/simple"]),
        ("index-url", "https://pypi.org/simple/", []),
        ("index-url", "https://u:p@example.org/x", [HINT, "--index-url https://example.org/x"]),
        ("find-links", "https://${T}@example.org/", [HINT, "--find-links https://example.org/"]),
        ("find-links", "https://e.org/?sig=x", [HINT, "# --find-links https://e.org/?sig=****"]),
        ("find-links", "wheels", []),
        ("find-links", "/opt/wheels", []),
        ("extra-index-url", "file:///opt/index", []),
        ("trusted-host", "example.org", ["--trusted-host example.org"]),
        ("no-index", "", ["--no-index"]),
        ("pre", "", []),
        ("only-binary", ":all:", []),
    ],
)
def test_options_are_written_as_far_as_pip_needs_them(
    kind: IndexKind, value: str, lines: list[str]
) -> None:
    assert index_lines([index(kind, value)]) == lines
    assert needs_credentials(index(kind, value)) == (HINT in lines)


def test_the_index_that_was_asked_is_the_one_that_is_written() -> None:
    theirs = [index("index-url", f"https://{name}.org/simple") for name in ("a", "b")]
    origin = Origin(side="option", file="--index-url")
    ours = replace(index("index-url", "https://c.org/simple"), origin=origin)
    more = index("extra-index-url", "https://d.org/simple")
    also = "--extra-index-url https://d.org/simple"

    assert index_lines([more, *theirs]) == ["--index-url https://b.org/simple", also]
    assert index_lines([ours, more, *theirs]) == ["--index-url https://c.org/simple", also]


def test_an_option_is_written_once() -> None:
    option = index("extra-index-url", "https://example.org/simple")

    assert index_lines([option, option]) == ["--extra-index-url https://example.org/simple"]
