"""The report as JSON, JUnit XML and a table, byte for byte."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envbuild.verification.report import Outcome, Report, StepResult, failed, passed, skipped

GOOD = passed("install", "install.sh, without a network").after(4.4561)
BAD = failed("modules import", "1 of 2 modules cannot be imported", "spam: spam: <boom>").after(0.5)
UNKNOWN = skipped("model loads", "no model was given; try: --model DIR")


def report(*steps: StepResult) -> Report:
    return Report(
        target="seed-bundle", kind="bundle", isolation="network namespace", steps=tuple(steps)
    )


def test_a_failed_step_fails_the_report() -> None:
    assert not report(GOOD, BAD).passed
    assert not report(GOOD, BAD).complete


def test_a_skipped_step_neither_fails_the_report_nor_counts_as_passed() -> None:
    found = report(GOOD, UNKNOWN)

    assert found.passed
    assert not found.complete
    assert (found.count("passed"), found.count("skipped"), found.count("failed")) == (1, 1, 0)


def test_what_proved_nothing_has_not_passed() -> None:
    assert not report(UNKNOWN).passed
    assert not report().passed


def test_all_passed_is_complete() -> None:
    assert report(GOOD).complete


def test_the_json_has_every_step() -> None:
    assert (
        report(GOOD, BAD, UNKNOWN).to_json()
        == """\
{
  "target": "seed-bundle",
  "kind": "bundle",
  "isolation": "network namespace",
  "passed": false,
  "complete": false,
  "steps": [
    {
      "name": "install",
      "outcome": "passed",
      "seconds": 4.456,
      "reason": "install.sh, without a network",
      "details": []
    },
    {
      "name": "modules import",
      "outcome": "failed",
      "seconds": 0.5,
      "reason": "1 of 2 modules cannot be imported",
      "details": [
        "spam: spam: <boom>"
      ]
    },
    {
      "name": "model loads",
      "outcome": "skipped",
      "seconds": 0.0,
      "reason": "no model was given; try: --model DIR",
      "details": []
    }
  ]
}
"""
    )


def test_the_junit_file_has_a_case_for_each_step() -> None:
    assert (
        report(GOOD, BAD, UNKNOWN).junit()
        == """\
<?xml version="1.0" encoding="utf-8"?>
<testsuites tests="3" failures="1" skipped="1" errors="0" time="4.956">
  <testsuite name="seed-bundle" tests="3" failures="1" skipped="1" errors="0" time="4.956">
    <testcase classname="envbuild.verification.bundle" name="install" time="4.456">
      <system-out>install.sh, without a network</system-out>
    </testcase>
    <testcase classname="envbuild.verification.bundle" name="modules import" time="0.500">
      <failure message="1 of 2 modules cannot be imported">spam: spam: &lt;boom&gt;</failure>
    </testcase>
    <testcase classname="envbuild.verification.bundle" name="model loads" time="0.000">
      <skipped message="no model was given; try: --model DIR" />
    </testcase>
  </testsuite>
</testsuites>
"""
    )


def test_a_step_that_passed_in_silence_has_no_output_in_junit() -> None:
    case = ET.fromstring(report(passed("pip check")).junit()).find(".//testcase")

    assert case is not None
    assert list(case) == []


def test_the_table_shows_the_details_of_what_failed() -> None:
    assert (
        report(GOOD, BAD, UNKNOWN).table()
        == """\
bundle seed-bundle, isolation: network namespace
  ok      install             4.5 s  install.sh, without a network
  FAILED  modules import      0.5 s  1 of 2 modules cannot be imported
            spam: spam: <boom>
  skipped model loads         0.0 s  no model was given; try: --model DIR
not verified: 1 passed, 1 failed, 1 skipped"""
    )


def test_the_table_ends_with_what_was_proven() -> None:
    assert report(GOOD, UNKNOWN).table().splitlines()[-1] == "verified: 1 passed, 1 skipped"
    assert report().table().splitlines()[-1] == "not verified: no step ran"


@pytest.mark.parametrize("make", [passed, failed])
def test_no_password_of_a_log_gets_into_a_report(make: object) -> None:
    assert callable(make)
    step = make("install", "GET https://ada:canary@host/simple", "retry //ada:canary@host/")

    assert "canary" not in report(step).to_json() + report(step).junit() + report(step).table()


@given(st.text(), st.sampled_from(["passed", "failed", "skipped"]))
def test_whatever_a_log_holds_the_junit_file_is_xml(text: str, outcome: Outcome) -> None:
    step = StepResult(name="install", outcome=outcome, reason=text, details=(text, text))

    case = ET.fromstring(report(step).junit()).find(".//testcase")

    assert case is not None
    assert case.get("name") == "install"
