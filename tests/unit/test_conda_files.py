"""The conda part as files: whole texts."""

from __future__ import annotations

from dataclasses import replace

from packaging.pylock import Pylock
from packaging.version import Version

from envbuild.emit.conda_files import conda_lock_text, explicit_name, explicit_text
from envbuild.locking.canonical import PlatformLock
from envbuild.resolve.conda.lockfile import parse_conda_lock
from tests.support.locks import conda_package, git, package, sha256, target

ZLIB = conda_package("zlib", "1.3", "h1_0", depends=("__glibc >=2.17", "libzlib 1.3"))
TZDATA = conda_package("tzdata", "2024a", "h2_0", subdir="noarch")


def lock(platform: str = "linux-64") -> PlatformLock:
    numpy = package(
        "numpy==1.26.4",
        "cp311-cp311-manylinux_2_5_x86_64",
        "cp311-cp311-manylinux_2_17_x86_64",
        "cp311-cp311-manylinux_2_17_aarch64",
    )
    repository = git("own", "https://host/own", "0" * 40)
    return PlatformLock(
        target=target("3.11.7", platform),
        pylock=Pylock(
            lock_version=Version("1.0"), created_by="envbuild", packages=[numpy, repository]
        ),
        to_build=(),
        resolver="by hand",
        conda=(TZDATA, ZLIB),
    )


def test_the_explicit_list_has_an_address_and_a_hash_a_line() -> None:
    without_md5 = replace(ZLIB, md5="")
    assert explicit_name("linux-64") == "conda-linux-64.lock"
    assert (
        explicit_text(replace(lock(), conda=(TZDATA, without_md5)))
        == f"""\
# 2 conda packages; the pip part is in the requirements file:
#   conda create --prefix TARGET --file conda-linux-64.lock
# platform: linux-64
@EXPLICIT
{TZDATA.url}#{TZDATA.md5}
{ZLIB.url}#sha256:{ZLIB.sha256}
"""
    )


def test_conda_lock_yml_has_both_parts_of_all_platforms() -> None:
    text = conda_lock_text(
        [lock(), lock("linux-aarch64")],
        channels=["https://ann:secret@host/forge", "conda-forge"],
        input_digest="ab" * 32,
    )
    head, _, packages = text.partition("package:\n")

    assert (
        head.partition("  custom_metadata")[0]
        == f"""\
# Read by conda-lock (conda-lock install --prefix TARGET conda-lock.yml) and micromamba.
# Not in here, since it has no hash: own (git)
version: 1
metadata:
  content_hash:
    linux-64: {"ab" * 32}
    linux-aarch64: {"ab" * 32}
  channels:
  - url: https://host/forge
    used_env_vars: []
  - url: conda-forge
    used_env_vars: []
  platforms:
  - linux-64
  - linux-aarch64
  sources:
  - environment.yml
"""
    )
    best = "numpy-1.26.4-cp311-cp311-manylinux_2_17_x86_64.whl"
    assert packages.startswith(f"""\
- name: tzdata
  version: 2024a
  manager: conda
  platform: linux-64
  dependencies: {{}}
  url: {TZDATA.url}
  hash:
    md5: {TZDATA.md5}
    sha256: {TZDATA.sha256}
  category: main
  optional: false
- name: zlib
  version: '1.3'
  manager: conda
  platform: linux-64
  dependencies:
    __glibc: '>=2.17'
    libzlib: '1.3'
  url: {ZLIB.url}
  hash:
    md5: {ZLIB.md5}
    sha256: {ZLIB.sha256}
  category: main
  optional: false
- name: numpy
  version: 1.26.4
  manager: pip
  platform: linux-64
  dependencies: {{}}
  url: https://files.pythonhosted.org/packages/{best}
  hash:
    sha256: {sha256(best)}
  category: main
  optional: false
""")


def test_what_is_written_is_read_back_as_it_was() -> None:
    text = conda_lock_text([lock()], channels=["conda-forge"], input_digest="0" * 64)

    # Sizes have no place in the format.
    written = tuple(replace(one, size=0) for one in lock().conda)
    assert parse_conda_lock(text, where="conda-lock.yml") == {"linux-64": written}
