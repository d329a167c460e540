"""Wheels made reproducible: the members decide the bytes, and nothing else does."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import random
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.utils import canonicalize_name
from packaging.version import Version

from envbuild.build.wheelfile import WheelFile, read_wheel
from envbuild.errors import BuildError

INFO = "spam-1.0.dist-info"
SPAM = {
    "spam/__init__.py": b"VERSION = 1\n",
    f"{INFO}/METADATA": b"Metadata-Version: 2.1\nName: spam\nVersion: 1.0\n",
    f"{INFO}/WHEEL": b"Wheel-Version: 1.0\nTag: py3-none-any\n",
    f"{INFO}/RECORD": b"whatever\n",
}


def zipped(
    folder: Path,
    members: Mapping[str, bytes],
    *,
    name: str = "spam-1.0-py3-none-any.whl",
    mode: int = 0o644,
    year: int = 2020,
    deflate: bool = False,
) -> Path:
    path = folder / name
    how = zipfile.ZIP_DEFLATED if deflate else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", how) as archive:
        for member, data in members.items():
            info = zipfile.ZipInfo(member, (year, 1, 1, 0, 0, 0))
            info.external_attr = mode << 16
            archive.writestr(info, data)
    return path


def contents(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def test_order_times_and_compression_do_not_count(tmp_path: Path) -> None:
    one = read_wheel(zipped(tmp_path, SPAM)).to_bytes(epoch=1_500_000_000)
    shuffled = list(SPAM.items())
    random.Random(1).shuffle(shuffled)

    other = zipped(tmp_path, dict(shuffled), year=1999, deflate=True, mode=0o600)

    assert read_wheel(other).to_bytes(epoch=1_500_000_000) == one


def test_metadata_is_last_and_record_behind_it(tmp_path: Path) -> None:
    data = read_wheel(zipped(tmp_path, SPAM)).to_bytes(epoch=0)

    assert list(contents(data)) == [
        "spam/__init__.py",
        f"{INFO}/METADATA",
        f"{INFO}/WHEEL",
        f"{INFO}/RECORD",
    ]


def test_record_tells_the_truth(tmp_path: Path) -> None:
    data = read_wheel(zipped(tmp_path, SPAM)).to_bytes(epoch=0)

    members = contents(data)
    rows = list(csv.reader(members[f"{INFO}/RECORD"].decode().splitlines()))
    assert rows.pop() == [f"{INFO}/RECORD", "", ""]
    for name, digest, size in rows:
        expected = base64.urlsafe_b64encode(hashlib.sha256(members[name]).digest())
        assert digest == f"sha256={expected.decode().rstrip('=')}"
        assert int(size) == len(members[name])
    assert {name for name, _, _ in rows} == set(members) - {f"{INFO}/RECORD"}


@pytest.mark.parametrize(("mode", "expected"), [(0o755, 0o755), (0o700, 0o755), (0o640, 0o644)])
def test_only_the_executable_bit_of_permissions_stays(
    tmp_path: Path, mode: int, expected: int
) -> None:
    data = read_wheel(zipped(tmp_path, SPAM, mode=mode)).to_bytes(epoch=0)

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        info = archive.getinfo("spam/__init__.py")
    assert (info.external_attr >> 16) & 0o777 == expected


@pytest.mark.parametrize(
    ("epoch", "year"), [(0, 1980), (1_500_000_000, 2017), (99_999_999_999, 2107)]
)
def test_times_stay_within_what_a_zip_can_hold(tmp_path: Path, epoch: int, year: int) -> None:
    data = read_wheel(zipped(tmp_path, SPAM)).to_bytes(epoch=epoch)

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert {info.date_time[0] for info in archive.infolist()} == {year}


@given(
    extra=st.dictionaries(
        st.from_regex(r"[a-z]{1,8}(/[a-z]{1,8}){0,2}\.py", fullmatch=True),
        st.binary(max_size=50),
        max_size=8,
    ),
    seed=st.integers(0, 1000),
)
def test_any_order_of_any_members_gives_the_same_bytes(extra: dict[str, bytes], seed: int) -> None:
    members = {name: (data, False) for name, data in {**extra, **SPAM}.items()}
    shuffled = list(members.items())
    random.Random(seed).shuffle(shuffled)

    def wheel(of: Mapping[str, tuple[bytes, bool]]) -> WheelFile:
        return WheelFile(
            file="spam-1.0-py3-none-any.whl",
            name=canonicalize_name("spam"),
            version=Version("1.0"),
            tags=frozenset(),
            members=of,
        )

    assert wheel(dict(shuffled)).to_bytes(epoch=0) == wheel(members).to_bytes(epoch=0)


@pytest.mark.parametrize(
    ("tag", "pure"),
    [
        ("py3-none-any", True),
        ("py2.py3-none-any", True),
        ("cp37-none-any", True),
        ("cp37-cp37m-linux_x86_64", False),
        ("py3-none-manylinux_2_17_x86_64", False),
        ("cp37-abi3-any", False),
    ],
)
def test_pure_is_what_runs_anywhere(tmp_path: Path, tag: str, pure: bool) -> None:
    assert read_wheel(zipped(tmp_path, SPAM, name=f"spam-1.0-{tag}.whl")).pure is pure


def test_the_locked_version_may_be_spelled_otherwise(tmp_path: Path) -> None:
    wheel = read_wheel(zipped(tmp_path, SPAM))

    wheel.check_is(canonicalize_name("Spam"), Version("1.0.0"))
    wheel.check_is(canonicalize_name("spam"), None)


@pytest.mark.parametrize(("name", "version"), [("spam", "1.1"), ("eggs", "1.0")])
def test_another_project_is_refused(tmp_path: Path, name: str, version: str) -> None:
    wheel = read_wheel(zipped(tmp_path, SPAM))

    with pytest.raises(BuildError) as caught:
        wheel.check_is(canonicalize_name(name), Version(version))

    assert str(caught.value) == (
        f"the build of {name} {version} made spam-1.0-py3-none-any.whl\n"
        f"  expected {name} {version}\n"
        "  got spam 1.0"
    )


@pytest.mark.parametrize("member", ["../outside", "/etc/passwd", "a\\b", "a/../../b"])
def test_members_outside_are_refused(tmp_path: Path, member: str) -> None:
    with pytest.raises(BuildError, match="has a member outside of it"):
        read_wheel(zipped(tmp_path, {**SPAM, member: b""}))


def test_a_wheel_without_its_metadata_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BuildError) as caught:
        read_wheel(zipped(tmp_path, {"spam.py": b""})).to_bytes(epoch=0)

    assert str(caught.value) == (
        "spam-1.0-py3-none-any.whl is no wheel: it has no WHEEL file of its own"
    )


@pytest.mark.parametrize("name", ["spam.whl", "spam-1.0-py3-none-any.whl"])
def test_what_is_no_wheel_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"hello")

    with pytest.raises(BuildError, match=f"{name} is no wheel: "):
        read_wheel(tmp_path / name)
