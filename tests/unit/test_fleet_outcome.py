"""The report of a fleet as a table, JSON and an error, whole."""

from __future__ import annotations

import pickle
from dataclasses import replace

from envbuild.errors import BuildError, ModelError
from envbuild.fleet.outcome import Failure, FleetReport, Outcome, Status


def outcome(name: str, status: Status, **extra: object) -> Outcome:
    return Outcome(name=name, model=f"m/{name}", context=f"c/{name}", status=status, **extra)  # type: ignore[arg-type]


BROKEN = Failure.of(ModelError("no MLmodel", where="m/a", details=["a", "b"], remedy="log it"))
REPORT = FleetReport(
    outcomes=(
        outcome("a", "failed", failure=BROKEN),
        outcome("long/name", "fresh"),
        outcome("s", "stale", differences=tuple(f"conda.yaml: {n} added" for n in range(8))),
        outcome("w", "locked", environment="0123", seconds=1.5),
    ),
    environments=1,
    solves=2,
    reused=3,
    seconds=4.25,
)


def test_the_table_says_what_is_wrong_below_its_row() -> None:
    assert REPORT.table() == (
        "failed     a          m/a: no MLmodel\n"
        "           a\n"
        "           b\n"
        "           try: log it\n"
        "fresh      long/name\n"
        "stale      s          conda.yaml: 0 added\n"
        "           conda.yaml: 1 added\n"
        "           conda.yaml: 2 added\n"
        "           conda.yaml: 3 added\n"
        "           conda.yaml: 4 added\n"
        "           conda.yaml: 5 added\n"
        "           and 2 more\n"
        "locked     w\n"
        "4 models: 1 locked, 1 fresh, 1 stale, 1 failed; 1 environment, 2 solves, 4.2 s"
    )


def test_a_name_cannot_speak_to_the_terminal() -> None:
    failure = Failure.of(ModelError("no MLmodel", where="m/a\x1b[2J\n"))
    report = FleetReport(outcomes=(outcome("a", "failed", failure=failure),))

    assert report.table() == ("failed     a  m/a\\x1b[2J\\n: no MLmodel\n1 model: 1 failed, 0.0 s")


def test_what_did_not_change_can_be_left_out_but_is_counted() -> None:
    changed = replace(REPORT, only_changed=True)

    assert [one.name for one in changed.listed] == ["a", "s", "w"]
    assert "long/name" not in changed.table()
    assert changed.document()["counts"] == REPORT.document()["counts"]
    assert len(changed.document()["results"]) == 3
    assert changed.junit().count("<testcase") == 3


def test_what_was_done_before_an_interruption_is_said() -> None:
    resumed = replace(REPORT, resumed=1)

    assert resumed.document()["resumed"] == 1
    assert resumed.summary() == (
        "4 models: 1 locked, 1 fresh, 1 stale, 1 failed, 1 of them before an interruption; "
        "1 environment, 2 solves, 4.2 s"
    )


def test_the_document_has_the_error_as_every_command_gives_it() -> None:
    first, *_ = REPORT.document()["results"]

    assert first == {
        "name": "a",
        "model": "m/a",
        "context": "c/a",
        "status": "failed",
        "environment": None,
        "seconds": 0.0,
        "differences": [],
        "error": {
            "type": "ModelError",
            "exit_code": 3,
            "message": "no MLmodel",
            "where": "m/a",
            "details": ["a", "b"],
            "remedy": "log it",
        },
    }


def test_failures_are_one_error_for_a_program() -> None:
    assert str(REPORT.error()) == (
        "1 of 4 models failed\n"
        "  a: m/a: no MLmodel\n"
        "  try: the same command again, when they are mended: it does the rest only"
    )
    assert FleetReport(outcomes=(outcome("w", "locked"),)).error() is None


def test_a_fleet_is_up_to_date_when_every_context_fits() -> None:
    assert FleetReport(outcomes=(outcome("a", "fresh"), outcome("b", "locked"))).up_to_date
    assert not FleetReport(outcomes=(outcome("a", "missing"),)).up_to_date


def test_an_error_travels_between_processes() -> None:
    failure = Failure.of(BuildError("cannot be built", package="spam", details=["line"]))

    assert pickle.loads(pickle.dumps(failure)) == failure


def test_a_bug_shows_no_text_of_its_own() -> None:
    failure = Failure.of_bug(ValueError("https://user:secret@host"))

    assert str(failure) == "this is a bug in envbuild: ValueError"
    assert failure.exit_code == 70
