"""The synthetic channel is the same each time, whole or in shards; every row can be measured."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from benchmarks.conda_channel import Shape, write_channel, write_shards
from benchmarks.conda_solves import _served, conda_programs
from benchmarks.timing import run_in_turn
from tests.support.repodata import create, solution

SHAPE = Shape(records=20_000)
WANTED = ("python=3.11", "pip", "ext00001", "ext00002", "pure00005", "pure00010")

pytest.importorskip("zstandard")


@pytest.fixture(scope="module")
def channels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("synthetic")
    assert write_channel(folder / "whole", SHAPE) == write_shards(folder / "shards", SHAPE)
    return folder


def test_a_channel_has_as_many_records_as_asked_for(tmp_path: Path) -> None:
    assert write_channel(tmp_path, Shape(records=5000)) == pytest.approx(5000, rel=0.25)


def test_a_channel_is_the_same_bytes_for_the_same_seed(tmp_path: Path, channels: Path) -> None:
    write_channel(tmp_path, SHAPE)

    for subdir in ("linux-64", "noarch"):
        first, second = (
            hashlib.sha256((folder / subdir / "repodata.json").read_bytes()).hexdigest()
            for folder in (tmp_path, channels / "whole")
        )
        assert first == second


def test_shards_and_the_whole_have_the_same_solution(channels: Path, tmp_path: Path) -> None:
    with _served(channels) as address:
        whole = create([f"{address}/whole"], *WANTED, cache=tmp_path)
        shards = create([f"{address}/shards"], *WANTED, cache=tmp_path)

    assert len(solution(whole)) > len(WANTED)
    assert solution(shards) == solution(whole)
    hashes = [one["sha256"] for one in shards["actions"]["FETCH"]]
    assert hashes == [one["sha256"] for one in whole["actions"]["FETCH"]]


def test_every_row_of_the_table_can_be_measured(channels: Path, tmp_path: Path) -> None:
    with _served(channels) as address:
        rows = run_in_turn(conda_programs(address, tmp_path), rounds=1, report=lambda _: None)

    assert [row.program for row in rows] == [
        "solver --version",
        "repodata opened, names read, nothing solved",
        "solve, cold",
        "solve, warm",
        "solve, offline",
        "solve over shards, cold",
        "solve over shards, warm",
        "conda-lock lock, warm",
    ]
    assert all(row.wall()[0] > 0 for row in rows)
