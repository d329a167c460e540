"""Platforms: names, wheel tags and marker environments."""

from __future__ import annotations

import pytest
from packaging.markers import Marker
from packaging.version import Version

from envbuild.errors import UsageError
from envbuild.platforms import PLATFORMS, Target, parse_platform


def target(python: str, platform: str, glibc: tuple[int, int] = (2, 28)) -> Target:
    return Target(python=Version(python), platform=parse_platform(platform), glibc=glibc)


def tags(python: str, platform: str, glibc: tuple[int, int] = (2, 28)) -> list[str]:
    return [str(tag) for tag in target(python, platform, glibc).tags()]


def test_unknown_platform_names_the_known_ones() -> None:
    with pytest.raises(UsageError) as caught:
        parse_platform("linux-32")

    assert str(caught.value) == (
        "unknown platform 'linux-32'\n  known: linux-64, linux-aarch64, osx-64, osx-arm64, win-64"
    )


@pytest.mark.parametrize("platform", [platform.name for platform in PLATFORMS])
def test_a_platform_is_printed_as_its_name(platform: str) -> None:
    assert str(parse_platform(platform)) == platform


def test_python_before_3_8_has_the_pymalloc_flag_in_its_abi() -> None:
    assert tags("3.7.11", "linux-64")[0] == "cp37-cp37m-manylinux_2_28_x86_64"
    assert tags("3.8.20", "linux-64")[0] == "cp38-cp38-manylinux_2_28_x86_64"


def test_the_glibc_of_the_target_bounds_the_manylinux_tags() -> None:
    of_2_31 = tags("3.9.25", "linux-64", (2, 31))
    of_2_28 = tags("3.9.25", "linux-64")

    assert "cp39-cp39-manylinux_2_31_x86_64" in of_2_31
    assert "cp39-cp39-manylinux_2_31_x86_64" not in of_2_28


@pytest.mark.parametrize(
    "tag",
    [
        "cp312-cp312-manylinux_2_17_x86_64",
        "cp312-cp312-manylinux2014_x86_64",
        "cp312-cp312-manylinux2010_x86_64",
        "cp312-cp312-manylinux1_x86_64",
        "cp312-cp312-linux_x86_64",
        "cp37-abi3-manylinux_2_28_x86_64",
        "py3-none-manylinux2014_x86_64",
        "py3-none-any",
        "cp312-none-any",
    ],
)
def test_linux_takes_every_older_manylinux_and_pure_wheels(tag: str) -> None:
    assert tag in tags("3.12.4", "linux-64")


@pytest.mark.parametrize(
    "tag",
    [
        "cp312-cp312-musllinux_1_2_x86_64",
        "cp312-cp312-manylinux_2_17_aarch64",
        "cp311-cp311-manylinux_2_17_x86_64",
        "cp312-cp312-win_amd64",
        "py2-none-any",
    ],
)
def test_linux_refuses_wheels_of_other_machines_and_pythons(tag: str) -> None:
    assert tag not in tags("3.12.4", "linux-64")


def test_aarch64_has_no_manylinux_before_2014() -> None:
    found = tags("3.12.4", "linux-aarch64")

    assert "cp312-cp312-manylinux2014_aarch64" in found
    assert not [tag for tag in found if "manylinux2010" in tag or "manylinux1_" in tag]


@pytest.mark.parametrize(
    ("platform", "tag"),
    [
        ("osx-64", "cp312-cp312-macosx_10_9_x86_64"),
        ("osx-arm64", "cp312-cp312-macosx_11_0_arm64"),
        ("win-64", "cp312-cp312-win_amd64"),
    ],
)
def test_macos_and_windows_have_their_own_tags(platform: str, tag: str) -> None:
    assert tag in tags("3.12.4", platform)


@pytest.mark.parametrize(
    ("platform", "expected"),
    [
        ("linux-64", "x86_64-manylinux_2_28"),
        ("linux-aarch64", "aarch64-manylinux_2_28"),
        ("osx-64", "x86_64-apple-darwin"),
        ("osx-arm64", "aarch64-apple-darwin"),
        ("win-64", "x86_64-pc-windows-msvc"),
    ],
)
def test_uv_gets_its_own_name_of_the_platform(platform: str, expected: str) -> None:
    assert target("3.12.4", platform).uv_platform() == expected


@pytest.mark.parametrize(
    ("marker", "holds_on"),
    [
        ('python_version < "3.8"', {"linux-64", "linux-aarch64", "osx-64", "osx-arm64", "win-64"}),
        ('python_full_version >= "3.7.1"', {platform.name for platform in PLATFORMS}),
        ('sys_platform == "win32"', {"win-64"}),
        ('platform_system == "Darwin"', {"osx-64", "osx-arm64"}),
        ('platform_machine == "aarch64"', {"linux-aarch64"}),
        ('os_name == "posix" and sys_platform == "linux"', {"linux-64", "linux-aarch64"}),
        ('implementation_name == "pypy"', set()),
    ],
)
def test_markers_are_evaluated_for_the_target_not_for_this_machine(
    marker: str, holds_on: set[str]
) -> None:
    found = {
        platform.name
        for platform in PLATFORMS
        if Marker(marker).evaluate(target("3.7.11", platform.name).marker_environment())
    }

    assert found == holds_on
