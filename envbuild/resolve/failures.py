"""What uv says when it fails, as the right error: whose fault, where, what to try. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from packaging.utils import canonicalize_name

from envbuild.entries.requirements import IndexOption
from envbuild.errors import (
    BuildError,
    EnvbuildError,
    IndexUnavailableError,
    ResolutionError,
    ToolError,
    UsageError,
)
from envbuild.process import Completed
from envbuild.redact import redact

__all__ = ["Report", "classify", "parse_report", "refused_urls", "unreachable"]

_LOG_LINES = 25
_INDENT = " " * 9  # under "  cause: "
_URL = re.compile(r"(?:https?|file)://[^\s`'\"()]+")
_STATUS = re.compile(r"\b([45]\d\d) ([A-Z][A-Za-z -]+?)(?=\)| error|\.|$)", re.MULTILINE)
_BUILD = re.compile(r"(?:Failed to (?:download and )?build|Failed to download) `(?P<what>[^`]+)`")
_FETCH = re.compile(r"Failed to fetch|Request failed|error sending request")
_BORING = re.compile(r"The `--python-version` value|Build failures usually|`--prerelease`")


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The ``error:`` of uv with its chain of causes, its hints and warnings, of many lines each."""

    problem: str = ""
    causes: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """All but the warnings."""
        return "\n".join((self.problem, *self.causes, *self.hints))


def parse_report(stderr: str) -> Report:
    """Split what uv printed. Lines that continue a part are indented or blank."""
    parts: dict[str, list[list[str]]] = {"error": [], "cause": [], "hint": [], "warning": []}
    current: list[str] | None = None
    for line in stderr.splitlines():
        label, colon, rest = line.strip().partition(": ")
        if colon and label in parts and not line.startswith(_INDENT):
            current = [rest]
            parts[label].append(current)
        elif current is not None and (line.startswith(_INDENT) or not line.strip()):
            current.append(line.removeprefix(_INDENT).rstrip())
        else:
            current = None
    texts = {label: tuple(_join(lines) for lines in found) for label, found in parts.items()}
    return Report(
        problem=next(iter(texts["error"]), ""),
        causes=texts["cause"],
        hints=texts["hint"],
        warnings=texts["warning"],
    )


def classify(completed: Completed, options: Mapping[str, IndexOption]) -> EnvbuildError:
    """The error that a failed run of uv amounts to.

    ``options`` gives the entry that named an address, by the address without credentials.
    """
    report = parse_report(redact(completed.stderr))
    if report.problem.startswith("No solution found when resolving dependencies"):
        return _unsolved(report, options)
    build = _BUILD.match(report.problem)
    if report.problem.startswith("Failed to read `--find-links`") or _FETCH.search(report.text):
        return _unavailable(report, options, what=build["what"] if build else "")
    if build:
        return _build_failed(build["what"], report)
    if report.problem.startswith("invalid value") and "--exclude-newer" in report.problem:
        return UsageError(report.problem, remedy="a date such as 2024-01-31, or an RFC 3339 time")
    return _tool_failed(completed)


def refused_urls(stderr: str) -> tuple[str, ...]:
    """The addresses of indexes that asked for credentials."""
    hints = (hint for hint in parse_report(stderr).hints if "401" in hint)
    return tuple(match[0] for hint in hints for match in _URL.finditer(hint))


def _unsolved(report: Report, options: Mapping[str, IndexOption]) -> EnvbuildError:
    for hint in report.hints:
        if (status := _STATUS.search(hint)) and (url := _URL.search(hint)):
            return _refused(url[0], f"{status[1]} {status[2]}", options)
    if any("network was disabled" in hint for hint in report.hints):
        return IndexUnavailableError(
            "the cache does not hold everything that the solve needs",
            details=_lines(*report.causes),
            remedy="the same command without --offline, once",
        )
    hints = [hint for hint in report.hints if not _BORING.match(hint)]
    return ResolutionError(
        "no set of releases satisfies the requirements", details=_lines(*report.causes, *hints)
    )


def _unavailable(
    report: Report, options: Mapping[str, IndexOption], *, what: str = ""
) -> IndexUnavailableError:
    url = next(iter(_URL.findall(report.text)), "").rstrip(".,")
    option = _entry(url, options)
    if url and (status := _STATUS.search(report.text)):
        return _refused(url, f"{status[1]} {status[2]}", options)
    host = urlsplit(url).hostname or "the folder" if url else "the folder"
    last = report.causes[-1] if report.causes else report.problem
    return IndexUnavailableError(
        f"{_named(option)}{host} cannot be reached: {_reason(last)}",
        where=str(option.origin) if option else "",
        details=[f"asked for {what or url or report.problem.rpartition(': ')[2]}"],
        remedy=_remedy(option),
    )


def unreachable(
    origin: str, reason: str, options: Mapping[str, IndexOption]
) -> IndexUnavailableError:
    """The error for a server that the relay could not reach."""
    option = _entry(origin, options)
    return IndexUnavailableError(
        f"{_named(option)}{urlsplit(origin).hostname} cannot be reached: {reason}",
        where=str(option.origin) if option else "",
        remedy=_remedy(option),
    )


def _refused(url: str, status: str, options: Mapping[str, IndexOption]) -> IndexUnavailableError:
    option = _entry(url, options)
    host = urlsplit(url).hostname or url
    if status[:3] in {"401", "403", "407"}:
        variable = "${VARIABLE} in its address, or a .netrc"
        remedy = f"credentials for {host}: {variable}"
        if option and option.origin.side == "model":
            remedy += "; or --ignore-model-indexes"
    else:
        remedy = _remedy(option)
    return IndexUnavailableError(
        f"{_named(option)}{host} answers {status}",
        where=str(option.origin) if option else "",
        details=[f"asked for {url}"],
        remedy=remedy,
    )


def _entry(url: str, options: Mapping[str, IndexOption]) -> IndexOption | None:
    """The option whose address begins ``url``, else one on the same host."""
    for address, option in options.items():
        if url.startswith(address.rstrip("/")):
            return option
    host = urlsplit(url).netloc
    same = (
        option for address, option in options.items() if host and urlsplit(address).netloc == host
    )
    return next(same, None)


def _named(option: IndexOption | None) -> str:
    return f"{option}: " if option else ""


def _remedy(option: IndexOption | None) -> str:
    if option is None:
        return "the same command again, or an index that answers with --index-url"
    if option.origin.side == "option":
        return f"another address for --{option.kind}"
    return "--ignore-model-indexes, if what it has is elsewhere as well"


def _reason(cause: str) -> str:
    text = re.sub(r" \(os error \d+\)", "", cause.splitlines()[0] if cause else "no answer")
    return text[:1].lower() + text[1:]


def _build_failed(what: str, report: Report) -> BuildError:
    if any(cause.startswith("Git operation failed") for cause in report.causes):
        return BuildError(
            f"{what} cannot be fetched with git",
            details=_lines(report.causes[-1])[-_LOG_LINES:],
            remedy="a repository and revision that exist and that this machine may read",
        )
    log = report.causes[-1] if report.causes else report.problem
    name, equals, _ = what.partition("==")
    return BuildError(
        f"{what} has no wheel that says what it depends on, and its build script fails",
        details=_lines(log)[-_LOG_LINES:],
        remedy=(
            "another version of it that has a wheel, --only-binary to take none without, or a wheel"
            " of your own by --find-links"
        ),
        package=canonicalize_name(name) if equals else "",
    )


def _tool_failed(completed: Completed) -> ToolError:
    argv = " ".join(redact(word) for word in completed.argv)
    stderr = redact(completed.stderr).strip() or "it printed nothing"
    return ToolError(
        f"uv ended with {completed.returncode}", details=[f"command: {argv}", *stderr.splitlines()]
    )


def _lines(*texts: str) -> list[str]:
    return [line for text in texts for line in text.splitlines() if line.strip()]


def _join(lines: list[str]) -> str:
    return "\n".join(lines).strip()
