"""Channels: names made addresses."""

from __future__ import annotations

from pathlib import Path

import pytest

from envbuild.errors import SpecError, UsageError
from envbuild.options import LockOptions
from envbuild.resolve.conda.channels import settle_channels
from envbuild.resolve.conda.interface import CondaOptions, CondaProblem
from envbuild.resolve.conda.options import conda_options
from tests.support.conda_solving import asked
from tests.support.merging import target


def addresses(
    *channels: str, specs: tuple[str, ...] = (), options: CondaOptions | None = None
) -> list[tuple[str, str]]:
    problem = CondaProblem(
        target=target(),
        requirements=asked(*specs),
        channels=channels,
        options=options or CondaOptions(),
    )
    found = settle_channels(problem, {"TOKEN": "s3cret"}, cwd=Path("/home/ann"))
    return [(channel.name, channel.address) for channel in found]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("conda-forge", [("conda-forge", "https://conda.anaconda.org/conda-forge")]),
        (
            "pytorch/label/dev",
            [("pytorch/label/dev", "https://conda.anaconda.org/pytorch/label/dev")],
        ),
        (
            "defaults",
            [
                ("defaults", "https://repo.anaconda.com/pkgs/main"),
                ("defaults", "https://repo.anaconda.com/pkgs/r"),
            ],
        ),
        ("https://host/forge/", [("https://host/forge/", "https://host/forge")]),
        ("https://host/t/${TOKEN}/forge", [("https://host/forge", "https://host/t/s3cret/forge")]),
        ("file:///srv/forge", [("file:///srv/forge", "file:///srv/forge")]),
        ("./forge", [("./forge", "file:///home/ann/forge")]),
        ("/srv/forge", [("/srv/forge", "file:///srv/forge")]),
    ],
)
def test_a_channel_leads_to_its_address(name: str, expected: list[tuple[str, str]]) -> None:
    assert addresses(name) == expected


def test_the_alias_and_the_map_lead_elsewhere() -> None:
    options = CondaOptions(
        channel_alias="https://mirror/conda", channel_map=(("pytorch", "https://host/torch"),)
    )

    assert addresses("conda-forge", "pytorch", "defaults", options=options) == [
        ("conda-forge", "https://mirror/conda/conda-forge"),
        ("pytorch", "https://host/torch"),
        ("defaults", "https://mirror/conda/defaults"),
    ]


def test_a_channel_that_only_a_package_names_comes_last() -> None:
    found = addresses("conda-forge", specs=("nvidia::cuda", "conda-forge::zlib"))

    assert [name for name, _ in found] == ["conda-forge", "nvidia"]


def test_a_variable_that_is_not_set_is_named() -> None:
    with pytest.raises(SpecError) as raised:
        addresses("https://${NOBODY}@host/forge")

    assert (
        str(raised.value)
        == """\
--channel: 'https://${NOBODY}@host/forge' needs the environment variable NOBODY, which is not set
  try: export NOBODY=… and run again"""
    )


def test_the_users_options_are_read() -> None:
    given = LockOptions(
        channel_alias="https://mirror/",
        channel_map=("conda-forge = https://host/forge",),
        virtual_packages=("__cuda=12.4",),
        conda_exe="micromamba",
        exclude_newer="2024-01-01",
    )

    assert conda_options(given, cwd=Path("/home/ann")) == CondaOptions(
        channel_alias="https://mirror",
        channel_map=(("conda-forge", "https://host/forge"),),
        virtual_packages=(("__cuda", "12.4"),),
        conda_exe="micromamba",
        exclude_newer="2024-01-01",
    )


def test_options_that_cannot_be_understood_are_all_named() -> None:
    given = LockOptions(channel_map=("conda-forge",), virtual_packages=("__cuda", "cuda=12"))

    with pytest.raises(UsageError) as raised:
        conda_options(given, cwd=Path("/home/ann"))

    assert (
        str(raised.value)
        == """\
options of the conda part cannot be understood
  --virtual-package: expected __cuda=12.4, got '__cuda'
  --channel-map: expected conda-forge=https://host/forge, got 'conda-forge'
  --virtual-package cuda: expected a name that begins with two underscores"""
    )


def test_a_program_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as raised:
        conda_options(LockOptions(conda_exe="./conda"), cwd=tmp_path)

    assert str(raised.value) == "--conda-exe ./conda: there is no such program"
