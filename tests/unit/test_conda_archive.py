"""Conda packages are read without being unpacked, whatever is wrong with them."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from envbuild.emit.conda_archive import PackageInfo, members, read_info
from envbuild.errors import IntegrityError
from tests.support.conda_package import Archive, Item, conda_package

FORMATS: tuple[Archive, ...] = (".conda", ".tar.bz2")
FILES: dict[str, str | bytes | Item] = {
    "bin/tool": Item(data=b"#!/bin/sh\n", executable=True),
    "lib/libx.so": Item(link="libx.so.1"),
    "site-packages/x.py": "x = 1\n",
}


def package(folder: Path, archive: Archive) -> tuple[Path, str]:
    made = conda_package("x", "1.0", files=FILES, depends=["python >=3.6"], archive=archive)
    path = folder / "package"
    path.write_bytes(made.data)
    return path, made.filename


@pytest.mark.parametrize("archive", FORMATS)
def test_a_package_describes_itself(tmp_path: Path, archive: Archive) -> None:
    path, file = package(tmp_path, archive)

    info = read_info(path, file=file)

    assert isinstance(info, PackageInfo)
    assert info.index["name"] == "x"
    assert info.index["depends"] == ["python >=3.6"]
    assert sorted(info.paths) == ["bin/tool", "lib/libx.so", "site-packages/x.py"]


@pytest.mark.parametrize("archive", FORMATS)
def test_the_files_of_a_package_come_without_its_description(
    tmp_path: Path, archive: Archive
) -> None:
    path, file = package(tmp_path, archive)

    found = list(members(path, file=file))

    assert [(one.path, one.executable, one.link) for one in found] == [
        ("bin/tool", True, ""),
        ("lib/libx.so", False, "libx.so.1"),
        ("site-packages/x.py", False, ""),
    ]
    assert found[2].data == b"x = 1\n"


@pytest.mark.parametrize("archive", FORMATS)
@pytest.mark.parametrize("kept", [0, 10, 60, 200])
def test_a_package_that_was_cut_short_is_named(tmp_path: Path, archive: Archive, kept: int) -> None:
    path, file = package(tmp_path, archive)
    path.write_bytes(path.read_bytes()[:kept])

    with pytest.raises(IntegrityError) as raised:
        read_info(path, file=file)

    assert raised.value.problem == f"{file} cannot be read as a conda package"
    assert raised.value.remedy == ("another build of the package: envbuild lock --upgrade-package")


def test_a_zip_without_the_parts_of_a_package_is_none(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("metadata.json", "{}")
    path = tmp_path / "package"
    path.write_bytes(stream.getvalue())

    with pytest.raises(IntegrityError) as raised:
        read_info(path, file="x-1.0-0.conda")

    assert raised.value.details == ("ReadError: there is no info part in it",)


def test_bytes_that_are_not_zstd_are_refused(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("info-x-1.0-0.tar.zst", b"not packed at all" * 10)
    path = tmp_path / "package"
    path.write_bytes(stream.getvalue())

    with pytest.raises(IntegrityError, match="cannot be read as a conda package"):
        read_info(path, file="x-1.0-0.conda")
