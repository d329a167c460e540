"""Wheels that stand for what conda brings."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path

from packaging.pylock import Package, PackageVcs, Pylock
from packaging.utils import canonicalize_name
from packaging.version import Version

from envbuild.origins import Origin
from envbuild.resolve.stand_ins import stand_in_names, without_stand_ins, write_stand_ins
from envbuild.spec import parse_requirements

OWN, NUMPY = parse_requirements("flask>=2\nnumpy==1.26.4\n", file="a.txt", side="model")
FROM_CONDA = replace(NUMPY, origin=Origin(side="conda", file="conda.yaml"))


def test_only_what_conda_brings_becomes_an_address(tmp_path: Path) -> None:
    flask, numpy = write_stand_ins(tmp_path, (OWN, FROM_CONDA))

    path = tmp_path / "conda" / "numpy-1.26.4-py3-none-any.whl"
    assert flask == OWN
    assert numpy.resolvable({}) == f"numpy @ {path.as_uri()}"
    with zipfile.ZipFile(path) as archive:
        assert archive.read("numpy-1.26.4.dist-info/METADATA") == (
            b"Metadata-Version: 2.1\nName: numpy\nVersion: 1.26.4\n"
        )


def test_a_stand_in_is_the_same_every_time(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        write_stand_ins(tmp_path / name, (FROM_CONDA,))

    wheel = "conda/numpy-1.26.4-py3-none-any.whl"
    assert (tmp_path / "one" / wheel).read_bytes() == (tmp_path / "other" / wheel).read_bytes()


def test_a_stand_in_is_not_left_to_install() -> None:
    vcs = PackageVcs(type="git", url="https://host/x", commit_id="0" * 40)
    packages = [Package(name=canonicalize_name(name), vcs=vcs) for name in ("flask", "numpy")]
    pylock = Pylock(lock_version=Version("1.0"), created_by="uv", packages=packages)

    left = without_stand_ins(pylock, (OWN, FROM_CONDA))

    assert [package.name for package in left.packages] == ["flask"]
    assert stand_in_names((OWN, FROM_CONDA)) == {"numpy"}
