"""What an interrupted upgrade has done is known, and nothing else is taken for it."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from envbuild.fleet.journal import JOURNAL, Journal
from envbuild.options import LockOptions

OPTIONS = LockOptions(upgrade=True)


@pytest.fixture
def output(tmp_path: Path) -> Path:
    for name in ("red", "team/Red \udcff"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "pylock.toml").write_text(f"the lock of {name!r}")
    return tmp_path


def journal(output: Path, options: LockOptions = OPTIONS, version: str = "1.0") -> Journal:
    return Journal.of(output, options, version)


def test_what_was_made_is_known_to_a_run_of_the_same_options(output: Path) -> None:
    assert journal(output).made(["red"]) == {}

    journal(output).note("red", "locked")
    journal(output).note("team/Red \udcff", "unchanged")

    noted = {"red": "locked", "team/Red \udcff": "unchanged"}
    assert journal(output).made(["red", "team/Red \udcff", "white"]) == noted
    assert journal(output).made(["red"]) == {"red": "locked"}
    elsewhere = replace(OPTIONS, cache_dir="elsewhere")
    assert journal(output, elsewhere).made(noted) == noted


@pytest.mark.parametrize(
    "options",
    [
        replace(OPTIONS, exclude_newer="2026-01-01"),
        replace(OPTIONS, upgrade=False, upgrade_packages=("spam",)),
        replace(OPTIONS, index_url="https://other/simple"),
    ],
)
def test_a_run_of_other_options_does_it_all(output: Path, options: LockOptions) -> None:
    journal(output).note("red", "locked")

    assert journal(output, options).made(["red"]) == {}
    assert journal(output, version="1.1").made(["red"]) == {}


def test_a_password_neither_counts_nor_leaves_a_trace(output: Path) -> None:
    one = replace(OPTIONS, index_url="https://user:one@host/simple")
    other = replace(OPTIONS, index_url="https://user:other@host/simple")

    assert journal(output, one) == journal(output, other)


def test_a_context_that_was_changed_since_is_made_anew(output: Path) -> None:
    journal(output).note("red", "locked")
    (output / "red" / "pylock.toml").write_text("an older one, out of a repository")

    assert journal(output).made(["red"]) == {}


def test_what_is_older_than_half_a_day_is_made_anew(
    output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal(output).note("red", "locked")
    now = time.time()

    monkeypatch.setattr(time, "time", lambda: now + 11 * 3600)
    assert journal(output).made(["red"]) == {"red": "locked"}
    monkeypatch.setattr(time, "time", lambda: now + 13 * 3600)
    assert journal(output).made(["red"]) == {}


@pytest.mark.parametrize(
    "line",
    [
        b'["torn", "re',
        b"\xff\x00",
        b"null",
        b"[1, 2, 3, 4, 5]",
        b'["a", ["b"], "locked", {}, "c"]',
        b"[" * 100_000,
    ],
)
def test_a_line_that_is_none_harms_no_other(output: Path, line: bytes) -> None:
    journal(output).note("red", "locked")
    with (output / JOURNAL).open("ab") as stream:
        stream.write(b"\n" + line)
    journal(output).note("team/Red \udcff", "locked")

    assert len(journal(output).made(["red", "team/Red \udcff"])) == 2


def test_a_status_of_no_context_that_was_made_does_not_count(output: Path) -> None:
    journal(output).note("red", "locked")
    entry = json.loads((output / JOURNAL).read_bytes())
    entry[2] = "failed"
    (output / JOURNAL).write_text(json.dumps(entry))

    assert journal(output).made(["red"]) == {}


def test_where_nothing_can_be_noted_nothing_is_known(output: Path) -> None:
    (output / JOURNAL).mkdir()

    journal(output).note("red", "locked")
    journal(output).remove()

    assert journal(output).made(["red"]) == {}


def test_an_upgrade_that_ended_leaves_nothing(output: Path) -> None:
    journal(output).note("red", "locked")

    journal(output).remove()
    journal(output).remove()

    assert not (output / JOURNAL).exists()
