"""Results as JUnit XML, the form that CI systems show. Pure."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = ["Case", "junit_text"]

# Characters that XML 1.0 has no way to write, escaped or not; logs have them.
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One test case; ``group`` is its class name, ``seconds`` wall-clock time."""

    group: str
    name: str
    outcome: Literal["passed", "failed", "skipped"]
    seconds: float = 0.0
    reason: str = ""
    details: tuple[str, ...] = ()


def junit_text(suite_name: str, cases: Sequence[Case]) -> str:
    """One suite of ``cases``, in their order."""
    counts = {
        "tests": str(len(cases)),
        "failures": str(sum(case.outcome == "failed" for case in cases)),
        "skipped": str(sum(case.outcome == "skipped" for case in cases)),
        "errors": "0",
        "time": f"{sum(case.seconds for case in cases):.3f}",
    }
    suites = ET.Element("testsuites", counts)
    suite = ET.SubElement(suites, "testsuite", {"name": _xml_text(suite_name), **counts})
    for case in cases:
        _add_case(suite, case)
    ET.indent(suites)
    body = ET.tostring(suites, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{body}\n'


def _add_case(suite: ET.Element, case: Case) -> None:
    attributes = {
        "classname": _xml_text(case.group),
        "name": _xml_text(case.name),
        "time": f"{case.seconds:.3f}",
    }
    element = ET.SubElement(suite, "testcase", attributes)
    reason, details = _xml_text(case.reason), _xml_text("\n".join(case.details))
    match case.outcome:
        case "failed":
            ET.SubElement(element, "failure", {"message": reason}).text = details
        case "skipped":
            ET.SubElement(element, "skipped", {"message": reason})
        case "passed":
            text = "\n".join(part for part in (reason, details) if part)
            if text:
                ET.SubElement(element, "system-out").text = text


def _xml_text(text: str) -> str:
    return _NOT_XML.sub("�", text)
