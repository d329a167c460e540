"""The calls of conda-lock, as it makes them, and answers that it can read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envbuild.ambient import Ambient
from envbuild.errors import IndexUnavailableError, UsageError
from envbuild.resolve.conda.channel_names import localize, spec_name
from envbuild.resolve.conda.protocol import (
    AskInfo,
    AskVersion,
    Create,
    ListPrefix,
    Update,
    failure_json,
    parse_request,
    solution_json,
)
from envbuild.resolve.conda.reasons import Facts, read_reasons, unsolvable
from envbuild.resolve.conda.records import SolvedRecord
from envbuild.resolve.conda.settings import LockedRecord, Settings
from envbuild.resolve.conda.solver import answer
from envbuild.resolve.conda.virtual import virtual_packages

NOWHERE = Ambient(environ={}, home=Path("/nowhere"), cwd=Path("/nowhere"))

names = st.text("abcxyz_-.0189", min_size=1, max_size=8).map("p{}".format)
versions = st.lists(st.sampled_from(["0", "1", "12", "3rc1"]), min_size=1, max_size=3).map(".".join)
conditions = st.one_of(
    st.just(""),
    versions.map(" =={}".format),
    versions.map("={}".format),
    versions.map(" >={}".format),
)
channels = st.one_of(names, names.map("https://host.example/{}".format), st.just("file:///srv/ch"))
prefixes = st.one_of(st.just(""), names.map("{}::".format))
specs = st.builds(lambda prefix, name, rest: f"{prefix}{name}{rest}", prefixes, names, conditions)
words = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=12)
records = st.builds(
    SolvedRecord,
    name=names,
    version=versions,
    build=names,
    build_number=st.integers(0, 2000),
    subdir=st.sampled_from(["linux-64", "noarch"]),
    channel=channels.map("{}/".format),
    url=names.map("https://host.example/c/linux-64/{}.conda".format),
    filename=names.map("{}.conda".format),
    md5=st.sampled_from(["", "0" * 32]),
    sha256=st.sampled_from(["", "0" * 64]),
    depends=st.lists(specs, max_size=3).map(tuple),
)


@given(st.lists(channels, max_size=4), st.lists(specs, max_size=4))
def test_a_solve_from_nothing_is_read_as_conda_lock_writes_it(
    given_channels: list[str], given_specs: list[str]
) -> None:
    flags = [part for channel in given_channels for part in ("--channel", channel)]
    argv = ["create", "--prefix", "/tmp/x/prefix", "--dry-run", "--json", "--override-channels"]

    request = parse_request([*argv, *flags, *given_specs])

    assert request == Create(channels=tuple(given_channels), specs=tuple(given_specs))


@given(
    st.sampled_from(["install", "update"]),
    st.lists(channels, max_size=4),
    st.lists(specs, max_size=4),
)
def test_an_update_is_read_as_conda_lock_writes_it(
    command: str, given_channels: list[str], given_specs: list[str]
) -> None:
    flags = [part for channel in given_channels for part in ("--channel", channel)]
    argv = [command, "--override-channels", *flags, "-p", "/env", "--json", "--dry-run"]

    request = parse_request([*argv, *given_specs])

    assert request == Update(
        prefix="/env", channels=tuple(given_channels), specs=tuple(given_specs)
    )


def test_the_other_calls_are_read_as_conda_lock_writes_them() -> None:
    assert parse_request(["--version"]) == AskVersion()
    assert parse_request(["info", "--json"]) == AskInfo()
    assert parse_request(["config", "--json", "list", "pkgs_dirs"]) == AskInfo()
    assert parse_request(["list", "--no-pip", "-p", "/env", "--json"]) == ListPrefix(prefix="/env")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["create", "--json", "x"], "this solver installs nothing\n  try: --dry-run"),
        (["create", "--dry-run", "x"], "create answers in JSON only\n  try: --json"),
        (
            ["install", "--nonsense"],
            "not a call that this solver knows: unrecognized arguments: --nonsense",
        ),
    ],
)
def test_what_would_install_or_is_unknown_is_refused(argv: list[str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_request(argv)

    assert str(caught.value) == message


@given(st.lists(words, max_size=5))
def test_whatever_is_asked_the_answer_is_json_or_a_version(argv: list[str]) -> None:
    said = answer(["list", *argv], NOWHERE)

    document = json.loads(said.text)
    assert said.code == (0 if isinstance(document, list) else 1)
    assert isinstance(document, list) or document["success"] is False


@given(st.lists(records, max_size=4, unique_by=lambda one: one.name), st.lists(records, max_size=2))
def test_an_answer_has_each_package_once_to_fetch_and_once_to_link(
    found: list[SolvedRecord], gone: list[SolvedRecord]
) -> None:
    text = solution_json(found, prefix="/p", gone=gone)
    document = json.loads(text)
    actions = document["actions"]

    assert text.isascii()
    assert document["success"] is True
    assert [one["name"] for one in actions["FETCH"]] == sorted(one.name for one in found)
    assert [one["name"] for one in actions["LINK"]] == sorted(one.name for one in found)
    # conda-lock 4.0: FetchAction and LinkAction in models/dry_run_install.py.
    for one in actions["FETCH"]:
        assert one.keys() >= {"channel", "depends", "fn", "name", "subdir", "url", "version"}
    for one in actions["LINK"]:
        assert one.keys() >= {"base_url", "channel", "dist_name", "name", "platform", "version"}


@given(st.permutations(range(4)))
def test_the_order_of_what_was_found_does_not_reach_the_answer(order: list[int]) -> None:
    made = [
        SolvedRecord(
            name=f"n{index}", version="1", build="0", build_number=0, subdir="noarch",
            channel="https://h/c/", url="https://h/c/x", filename="x",
        )
        for index in order
    ]  # fmt: skip

    assert solution_json(made) == solution_json(sorted(made, key=lambda one: one.name))


@given(specs, st.lists(names, max_size=3))
def test_a_localized_spec_asks_for_the_same_package(spec: str, known: list[str]) -> None:
    addresses = [(name, f"https://host.example/{name}") for name in known]
    localized = localize(spec, addresses)

    assert spec_name(localized) == spec_name(spec)
    assert localize(localized, addresses) == localized


def test_an_error_keeps_its_family_and_its_parts() -> None:
    error = IndexUnavailableError("it is gone", where="https://h/c", details=["why"], remedy="wait")

    assert json.loads(failure_json(error)) == {
        "success": False,
        "exception_name": "IndexUnavailableError",
        "exception_type": "envbuild.errors.IndexUnavailableError",
        "error": "IndexUnavailableError: it is gone",
        "message": "https://h/c: it is gone\n  why\n  try: wait",
        "envbuild": {
            "family": "IndexUnavailableError",
            "problem": "it is gone",
            "where": "https://h/c",
            "details": ["why"],
            "remedy": "wait",
        },
    }


CHAIN = """\
Cannot solve the request because of: The following packages are incompatible
├─ numpy >=2 can be installed with any of the following options:
│  └─ numpy 2.0
└─ https://host/t/s3cret/forge::old-thing ==1 cannot be installed because there are no options:
   └─ old-thing 1 would require
      ├─ numpy >=1,<2, which conflicts with any installable versions previously reported
      └─ __cuda >=12,<13, for which no candidates were found.
"""


def test_the_parts_of_a_reason_are_who_asked_and_what_is_absent() -> None:
    reasons = read_reasons(CHAIN)

    assert reasons.asked == ("numpy", "old-thing")
    assert reasons.absent == ("__cuda",)
    assert reasons.lines[0] == "The following packages are incompatible"
    assert "s3cret" not in "".join(reasons.lines)


def test_a_reason_is_remarked_on_by_what_channels_and_target_have() -> None:
    facts = Facts(
        subdir="linux-64",
        channels=("https://h/forge", "https://h/other"),
        names=frozenset({"pytorch", "numpy"}),
        without=("https://h/other",),
    )
    text = "Cannot solve the request because of: No candidates were found for pytorhc *."

    error = unsolvable(text, facts)

    assert error.remarks == (
        "pytorhc is in no channel (https://h/forge, https://h/other); there is pytorch",
        "https://h/other has no packages for linux-64",
    )
    assert json.loads(failure_json(error))["envbuild"]["family"] == "ResolutionError"
    assert json.loads(failure_json(error))["envbuild"]["reasons"]["absent"] == ["pytorhc"]


def test_settings_come_back_from_their_file(tmp_path: Path) -> None:
    locked = LockedRecord(
        name="a", version="1", build="0", subdir="noarch", url="https://h/c/noarch/a-1-0.conda"
    )
    settings = Settings(
        channels=(("forge", "https://h/forge"),),
        virtual_packages=(("__cuda", "12.4"), ("__archspec", "1", "x86_64")),
        locked=(locked,),
        upgrade=("b",),
        exclude_newer="2024-05-31",
        offline=True,
    )
    file = tmp_path / "settings.json"
    file.write_text(settings.to_json())

    assert Settings.read(file) == settings


@pytest.mark.parametrize("text", ["", "[]", '{"nonsense": 1}', '{"locked": [{"name": "a"}]}'])
def test_settings_that_are_none_are_an_answer_as_well(tmp_path: Path, text: str) -> None:
    file = tmp_path / "settings.json"
    file.write_text(text)

    said = answer(["--settings", str(file), "--version"], NOWHERE)

    assert said.code == 1
    assert json.loads(said.text)["message"].startswith(f"{file}: not the settings of a solve: ")


def test_a_target_is_what_is_said_and_not_this_machine() -> None:
    assert virtual_packages("linux-64", {}) == (
        ("__archspec", "1", "x86_64"),
        ("__glibc", "2.28", "0"),
        ("__linux", "5.10", "0"),
        ("__unix", "0", "0"),
    )
    changed = {
        "CONDA_OVERRIDE_GLIBC": "2.17",
        "CONDA_OVERRIDE_CUDA": "12.4",
        "CONDA_OVERRIDE_LINUX": "",
        "CONDA_OVERRIDE_ARCHSPEC": "x86_64_v3",
    }
    assert virtual_packages("linux-64", changed) == (
        ("__archspec", "1", "x86_64_v3"),
        ("__cuda", "12.4", "0"),
        ("__glibc", "2.17", "0"),
        ("__unix", "0", "0"),
    )
    assert [name for name, *_ in virtual_packages("osx-arm64", {})] == [
        "__archspec", "__osx", "__unix",
    ]  # fmt: skip
    assert [name for name, *_ in virtual_packages("win-64", {})] == ["__archspec", "__win"]
    assert virtual_packages("noarch", {}) == ()
