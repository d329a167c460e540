"""What a machine lacks makes a test skip with a reason; on CI a skip is a failure.

CI has every interpreter, a Docker engine and the package index, so whatever it skips it should have
run. A test that cannot run there, say for another operating system, says so with
``@pytest.mark.may_skip("why")``.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import TypeVar

import pytest

__all__ = ["Obligations", "on_ci"]

_Report = TypeVar("_Report", pytest.TestReport, pytest.CollectReport)


def on_ci() -> bool:
    """Whether every test must run here (``CI=true``)."""
    return os.environ.get("CI", "").lower() == "true"


class Obligations:
    """A pytest plugin that turns skips into failures, but for those marked ``may_skip``."""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        # An expected failure is reported as skipped too, and is none of our business.
        if report.skipped and not hasattr(report, "wasxfail"):
            if item.get_closest_marker("may_skip"):
                return report
            return _failed(report, item.nodeid)
        return report

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(
        self, collector: pytest.Collector
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        report = yield
        return _failed(report, collector.nodeid) if report.skipped else report


def _failed(report: _Report, nodeid: str) -> _Report:
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    report.outcome = "failed"
    report.longrepr = f"CI must run {nodeid}, which was skipped: {reason}"
    return report
