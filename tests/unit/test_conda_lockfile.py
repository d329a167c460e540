"""``conda-lock.yml`` read back."""

from __future__ import annotations

import pytest

from envbuild.errors import IntegrityError, LockFileError
from envbuild.resolve.conda.interface import CondaPackage
from envbuild.resolve.conda.lockfile import bare_address, parse_conda_lock, raise_unhashed
from tests.support.conda_solving import package

TEXT = """\
version: 1
metadata:
  platforms: [linux-64, osx-64]
package:
- name: zlib
  version: '1.3'
  manager: conda
  platform: linux-64
  dependencies: {libzlib: 1.3.1 4_ab, __glibc: '>=2.17'}
  url: https://ann:secret@host/t/token/forge/linux-64/zlib-1.3-hb9d3cd8_2.conda
  hash: {md5: AA, sha256: BB}
- name: flask
  version: '3.0'
  manager: pip
  platform: linux-64
  url: https://host/flask.whl
  hash: {sha256: CC}
- name: aa
  version: 1.0_b
  manager: conda
  platform: linux-64
  url: https://host/forge/noarch/aa-1.0_b-py_0.tar.bz2
  hash: {md5: DD}
"""


def test_the_conda_packages_of_each_platform_sorted_and_without_credentials() -> None:
    found = parse_conda_lock(TEXT, where="conda-lock.yml")

    assert found == {
        "linux-64": (
            CondaPackage(
                name="aa",
                version="1.0_b",
                build="py_0",
                subdir="noarch",
                channel="https://host/forge",
                url="https://host/forge/noarch/aa-1.0_b-py_0.tar.bz2",
                sha256="",
                md5="dd",
            ),
            CondaPackage(
                name="zlib",
                version="1.3",
                build="hb9d3cd8_2",
                subdir="linux-64",
                channel="https://host/forge",
                url="https://host/forge/linux-64/zlib-1.3-hb9d3cd8_2.conda",
                sha256="bb",
                md5="aa",
                depends=("__glibc >=2.17", "libzlib 1.3.1 4_ab"),
            ),
        ),
        "osx-64": (),
    }


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("version: 2\n", "conda-lock.yml: its version is 2, and version 1 is read"),
        ("- a\n", "conda-lock.yml: not a conda-lock.yml\n  TypeError: list indices must be"),
        ("version: 1\n", "conda-lock.yml: not a conda-lock.yml\n  KeyError: 'metadata'"),
        ("a: [\n", "conda-lock.yml: not a conda-lock.yml\n  ParserError: "),
    ],
)
def test_what_is_no_such_file_is_refused(text: str, problem: str) -> None:
    with pytest.raises(LockFileError) as raised:
        parse_conda_lock(text, where="conda-lock.yml")

    assert str(raised.value).startswith(problem)


@pytest.mark.parametrize(
    ("url", "bare"),
    [
        ("https://host/forge", "https://host/forge"),
        ("https://ann:secret@host/forge", "https://host/forge"),
        ("https://host/t/secret/forge", "https://host/forge"),
        ("https://host/t/${TOKEN}/forge", "https://host/forge"),
        ("conda-forge/label/dev", "conda-forge/label/dev"),
    ],
)
def test_an_address_is_shown_without_what_opens_it(url: str, bare: str) -> None:
    assert bare_address(url) == bare


def test_packages_without_any_hash_are_all_named() -> None:
    bare = CondaPackage(
        name="b",
        version="1",
        build="0",
        subdir="noarch",
        channel="https://host/forge",
        url="https://host/forge/noarch/b-1-0.conda",
        sha256="",
    )
    raise_unhashed([package("a", "1")])

    with pytest.raises(IntegrityError) as raised:
        raise_unhashed([package("a", "1"), bare])

    assert (
        str(raised.value)
        == """\
conda packages without a hash, which nothing could check
  b-1-0.conda of host
  try: a channel whose repodata has hashes"""
    )
