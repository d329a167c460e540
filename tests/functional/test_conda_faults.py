"""Channels that cannot be read, and solves without a solution: each with its own words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from envbuild.resolve.conda.settings import Settings
from tests.support.conda_channel import ChannelServer
from tests.support.repodata import create, record, solution, write_repodata

zstandard = pytest.importorskip("zstandard")

RECORDS = (
    record("app", "1.0", ["lib 1.*"]),
    record("app", "2.0", ["lib >=2", "__glibc >=2.17"]),
    record("lib", "1.0"),
    record("lib", "2.0", ["__cuda >=12"]),
    record("pure", "1.0", subdir="noarch"),
)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ChannelServer]:
    folder = tmp_path / "channels"
    write_repodata(folder / "ch", RECORDS)
    with ChannelServer(folder) as running:
        yield running


def said(server: ChannelServer, tmp_path: Path, message: str) -> str:
    """A message with the port and folders of this run taken out."""
    return message.replace(server.host, "host").replace(str(tmp_path), "/tmp")


def failure(server: ChannelServer, tmp_path: Path, *specs: str, **options: Any) -> str:
    """The family of the error and its message."""
    answer = create([server.url("ch")], *(specs or ("app",)), cache=tmp_path / "cache", **options)
    return f"{answer['exception_name']}: {said(server, tmp_path, answer['message'])}"


@pytest.mark.parametrize(
    ("status", "problem", "remedy"),
    [
        (401, "the channel wants a login (401)", "a user and password or a token for it"),
        (403, "the channel refuses us (403)", "a login or token that may read it"),
        (404, "there is no such channel (404)", "another address for it"),
        (410, "the channel refuses the request (410)", "another address for it"),
        (503, "the channel's server fails (503)", "again later, or a mirror"),
    ],
)
def test_a_refusal_says_what_the_server_wants(
    server: ChannelServer, tmp_path: Path, status: int, problem: str, remedy: str
) -> None:
    server.failures[""] = status

    assert failure(server, tmp_path) == (
        f"IndexUnavailableError: http://host/ch: {problem}\n  try: {remedy}"
    )


def test_a_server_that_is_not_there_is_told_from_a_channel_that_is_not(tmp_path: Path) -> None:
    with ChannelServer(tmp_path) as server:
        address = server.url("ch")
        missing = create([address], "app", cache=tmp_path / "cache")
    gone = create([address], "app", cache=tmp_path / "cache")

    assert said(server, tmp_path, missing["message"]) == (
        "http://host/ch: there is no such channel (404)\n  try: another address for it"
    )
    assert said(server, tmp_path, gone["message"]) == (
        "http://host/ch: the channel cannot be reached\n"
        "  Connection refused (os error 111)\n"
        "  try: its address, --offline, or --runtime pip"
    )


def test_a_folder_that_is_no_channel_is_named(tmp_path: Path) -> None:
    answer = create(["file:///nowhere/at/all"], "app", cache=tmp_path)

    assert answer["message"] == (
        "file:///nowhere/at/all: there is no such channel: it has no noarch\n  try: its address"
    )


def test_repodata_cut_short_is_named_with_its_folder(server: ChannelServer, tmp_path: Path) -> None:
    file = server.folder / "ch" / "linux-64" / "repodata.json"
    file.write_bytes(file.read_bytes()[:900])

    assert failure(server, tmp_path) == (
        "IndexUnavailableError: http://host/ch: the repodata of the channel cannot be read\n"
        "  linux-64: EOF while parsing a string at line 1 column 900\n"
        "  try: who runs the channel, or a proxy between that answers with pages of its own"
    )


def test_a_page_instead_of_repodata_is_no_repodata(server: ChannelServer, tmp_path: Path) -> None:
    page = server.folder / "ch" / "noarch" / "repodata.json"
    page.write_text("<html>who are you?</html>")

    assert failure(server, tmp_path).splitlines()[1] == (
        "  noarch: expected value at line 1 column 1"
    )


@pytest.mark.parametrize(
    ("cut", "reason"), [(60, "zstd stream did not finish"), (0, "Unknown frame descriptor")]
)
def test_a_broken_archive_of_repodata_is_named(
    server: ChannelServer, tmp_path: Path, cut: int, reason: str
) -> None:
    folder = server.folder / "ch" / "linux-64"
    data = zstandard.compress((folder / "repodata.json").read_bytes())
    (folder / "repodata.json.zst").write_bytes(data[:cut] or b"no archive")

    assert failure(server, tmp_path) == (
        "IndexUnavailableError: http://host/ch: the repodata of the channel cannot be read\n"
        f"  linux-64/repodata.json.zst: {reason}\n"
        "  try: who runs the channel, or a proxy between that answers with pages of its own"
    )


def test_a_broken_index_of_shards_is_named(server: ChannelServer, tmp_path: Path) -> None:
    (server.folder / "ch" / "linux-64" / "repodata_shards.msgpack.zst").write_bytes(b"no shards")

    assert failure(server, tmp_path).splitlines()[1] == (
        "  linux-64/repodata_shards.msgpack.zst: Unknown frame descriptor"
    )


def test_a_record_that_is_none_is_named_with_its_folder(
    server: ChannelServer, tmp_path: Path
) -> None:
    file = server.folder / "ch" / "linux-64" / "repodata.json"
    file.write_text(file.read_text().replace('"version": "2.0"', '"version": 2'))

    assert failure(server, tmp_path).splitlines()[:2] == [
        "IndexUnavailableError: http://host/ch: the repodata of the channel cannot be read",
        "  linux-64: invalid type: integer `2`, expected a string at line 1 column 28",
    ]


def test_a_channel_without_the_platform_is_told_from_one_without_the_package(
    server: ChannelServer, tmp_path: Path
) -> None:
    other = failure(server, tmp_path, "app", subdir="linux-aarch64")
    here = failure(server, tmp_path, "aps")

    assert other == (
        "ResolutionError: no set of conda packages for linux-aarch64 satisfies what is asked for\n"
        "  No candidates were found for app *.\n"
        "  app is in no channel (http://host/ch)\n"
        "  http://host/ch has no packages for linux-aarch64"
    )
    assert here == (
        "ResolutionError: no set of conda packages for linux-64 satisfies what is asked for\n"
        "  No candidates were found for aps *.\n"
        "  aps is in no channel (http://host/ch); there is app"
    )


def test_the_chain_of_reasons_ends_at_what_the_target_lacks(
    server: ChannelServer, tmp_path: Path
) -> None:
    answer = create([server.url("ch")], "app >=2", cache=tmp_path / "cache")

    assert answer["message"] == (
        "no set of conda packages for linux-64 satisfies what is asked for\n"
        "  app >=2 cannot be installed because there are no viable options:\n"
        "  └─ app 2.0 would require\n"
        "     └─ lib >=2, which cannot be installed because there are no viable options:\n"
        "        └─ lib 2.0 would require\n"
        "           └─ __cuda >=12, for which no candidates were found.\n"
        "  the target has no __cuda"
    )
    assert answer["envbuild"]["reasons"]["asked"] == ["app"]
    assert answer["envbuild"]["reasons"]["absent"] == ["__cuda"]


def test_two_specs_that_fight_are_both_named(server: ChannelServer, tmp_path: Path) -> None:
    answer = create([server.url("ch")], "app ==1.0", "lib >=2", cache=tmp_path / "cache")

    assert "lib >=2" in answer["message"]
    assert answer["exception_name"] == "ResolutionError"


def test_a_solve_that_does_not_end_in_time_is_stopped(
    server: ChannelServer, tmp_path: Path
) -> None:
    settings = tmp_path / "settings.json"
    settings.write_text(Settings(timeout=0.000001).to_json())

    assert failure(server, tmp_path, settings=settings) == (
        "ToolError: linux-64: the solve came to no end within 1e-06 s\n"
        "  try: narrower versions of the packages that are asked for"
    )


def test_offline_solves_from_the_copy_of_the_last_time(
    server: ChannelServer, tmp_path: Path
) -> None:
    settings = tmp_path / "settings.json"
    settings.write_text(Settings(offline=True).to_json())
    cache, address = tmp_path / "cache", server.url("ch")

    before = create([address], "app", cache=cache, settings=settings)
    online = create([address], "app", cache=cache)
    count = len(server.requests)
    after = create([address], "app", cache=cache, settings=settings)

    assert said(server, tmp_path, before["message"]) == (
        "http://host/ch: the channel is not in the cache\n  try: without --offline"
    )
    assert solution(after) == solution(online) == ["app-1.0-h0_0", "lib-1.0-h0_0"]
    assert len(server.requests) == count


def test_what_did_not_change_is_not_fetched_again(server: ChannelServer, tmp_path: Path) -> None:
    for _ in range(2):
        assert create([server.url("ch")], "app", cache=tmp_path / "cache")["success"]

    answers = [one.status for one in server.requests if one.path.endswith("repodata.json")]
    gets = [one.status for one in server.requests if one.method == "GET"]
    assert answers.count(200) == 2
    assert gets.count(304) == 2
