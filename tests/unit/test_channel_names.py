from __future__ import annotations

import pytest

from envbuild.resolve.conda.channel_names import channel_addresses, clarify, localize, spec_name

FORGE = ("conda-forge", "https://conda.anaconda.org/conda-forge")


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ("conda-forge", "https://conda.anaconda.org/conda-forge"),
        ("org/label/dev", "https://conda.anaconda.org/org/label/dev"),
        ("https://host/a/b/", "https://host/a/b"),
        ("file:///srv/channel", "file:///srv/channel"),
        ("/srv/channel", "file:///srv/channel"),
    ],
)
def test_a_channel_is_a_name_an_address_or_a_path(given: str, address: str) -> None:
    found = channel_addresses([given], [], known=(), subdir="linux-64")

    assert [one for _, one in found] == [address]


def test_defaults_are_its_real_channels_and_nodefaults_is_none() -> None:
    found = channel_addresses(["defaults", "nodefaults"], [], known=(), subdir="win-64")

    assert found == (
        ("defaults", "https://repo.anaconda.com/pkgs/main"),
        ("defaults", "https://repo.anaconda.com/pkgs/r"),
        ("defaults", "https://repo.anaconda.com/pkgs/msys2"),
    )


def test_a_channel_that_only_a_spec_names_comes_last() -> None:
    specs = ["pytorch::pytorch", "conda-forge::numpy"]

    found = channel_addresses(["conda-forge"], specs, known=(), subdir="linux-64")

    assert found == (FORGE, ("pytorch", "https://conda.anaconda.org/pytorch"))


def test_known_channels_are_the_only_ones() -> None:
    given = ["file:///tmp/of-the-caller", "conda-forge"]

    found = channel_addresses(
        given, ["x::y"], known=[("conda-forge", "http://mirror/forge/")], subdir="linux-64"
    )

    assert found == (("conda-forge", "http://mirror/forge"),)


@pytest.mark.parametrize(
    ("spec", "localized"),
    [
        ("numpy >=1,<2", "numpy >=1,<2"),
        ("conda-forge::numpy=1.0", "https://conda.anaconda.org/conda-forge::numpy=1.0"),
        ("b/label/dev::numpy", "http://h:443/a/b/label/dev::numpy"),
        (
            "conda-forge/linux-64::numpy[version='1|2']",
            "https://conda.anaconda.org/conda-forge::numpy[version='1|2',subdir='linux-64']",
        ),
        (
            "conda-forge/noarch::pip",
            "https://conda.anaconda.org/conda-forge::pip[subdir='noarch']",
        ),
        ("elsewhere::numpy", "elsewhere::numpy"),
    ],
)
def test_the_channel_of_a_spec_becomes_an_address(spec: str, localized: str) -> None:
    assert localize(spec, [FORGE, ("dev", "http://h:443/a/b/label/dev")]) == localized


@pytest.mark.parametrize(
    "spec", ["NumPy", "numpy >=1,<2 py38*", "numpy==1.0", "x::numpy=1", "numpy[version='1']"]
)
def test_the_name_of_a_spec_is_what_stands_before_its_conditions(spec: str) -> None:
    assert spec_name(spec) == "numpy"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("numpy =1.2 py38*", "numpy[version='=1.2',build='py38*']"),
        ("numpy * py38*", "numpy[version='*',build='py38*']"),
        ("forge::numpy===1.2", "forge::numpy[version='=1.2']"),
        ("forge::numpy===1.2=h1_0", "forge::numpy[version='=1.2',build='h1_0']"),
        ("forge::numpy===1.2[build=h*]", "forge::numpy[version='=1.2',build='h*']"),
        ("forge::numpy=[build=h*]", "forge::numpy[build=h*]"),
        ("forge::numpy==1.2=h1_0", "forge::numpy==1.2=h1_0"),
        ("numpy >=1,<2", "numpy >=1,<2"),
        ("https://host/ch::numpy[version='>=1,<2']", "https://host/ch::numpy[version='>=1,<2']"),
    ],
)
def test_what_conda_lock_writes_gets_one_meaning(written: str, meant: str) -> None:
    assert clarify(written) == meant
