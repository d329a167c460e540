"""Why there is no solution, out of rattler's words. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from envbuild.errors import ResolutionError
from envbuild.redact import redact

__all__ = ["Reasons", "explained", "read_reasons"]

_LEAD = "Cannot solve the request because of: "
_BRANCH = re.compile(r"^[\s│├└─]*")
_NAME = r"(?P<name>[A-Za-z0-9_.-]+)"
_ABSENT = re.compile(rf"{_NAME}[^,]*, for which no candidates were found")
_NO_CANDIDATES = re.compile(rf"No candidates were found for {_NAME}")
_ASKED = re.compile(
    rf"^(?:the constraint )?{_NAME}\b.*(?:can be installed|cannot be|is locked|is excluded)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reasons:
    """``lines`` as rattler wrote them; ``asked`` are the names of the specs that head a chain,
    ``absent`` those that no channel has in a form that is wanted, in the order of their mention.
    """

    lines: tuple[str, ...]
    asked: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()


def read_reasons(text: str) -> Reasons:
    """The parts of what rattler says of a solve that has no solution."""
    lines = [line.rstrip() for line in redact(text).removeprefix(_LEAD).splitlines()]
    lines = [line for line in dict.fromkeys(lines) if line]
    asked, absent = [], []
    for line in lines:
        words = _BRANCH.sub("", line)
        depth = len(line) - len(words)
        if found := _NO_CANDIDATES.search(words):
            asked.append(found["name"])
            absent.append(found["name"])
        elif depth <= len("└─ ") and (found := _ASKED.match(words)):
            asked.append(found["name"])
        if found := _ABSENT.search(words):
            absent.append(found["name"])
    return Reasons(
        lines=tuple(lines),
        asked=tuple(dict.fromkeys(asked)),
        absent=tuple(dict.fromkeys(absent)),
    )


def explained(text: str, subdir: str) -> ResolutionError:
    """The error for a solve for ``subdir`` that rattler gave up with ``text``."""
    reasons = read_reasons(text)
    return ResolutionError(
        f"no set of conda packages for {subdir} satisfies what is asked for",
        details=reasons.lines,
    )
