"""Why there is no solution: rattler's words, their parts, and what the channels have. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from envbuild.errors import ResolutionError
from envbuild.redact import redact

__all__ = ["Facts", "Reasons", "UnsolvableError", "read_reasons", "unsolvable"]

_LEAD = "Cannot solve the request because of: "
_BRANCH = re.compile(r"^[\s│├└─]*")
_NAME = r"(?P<name>[A-Za-z0-9_.-]+)"
_ABSENT = re.compile(rf"{_NAME}[^,]*(?:,[^,]*)*, for which no candidates were found")
_NO_CANDIDATES = re.compile(rf"No candidates were found for (?:\S+::)?{_NAME}")
_ASKED = re.compile(
    rf"^(?:the constraint )?(?:\S+::)?{_NAME}\b.*(?:can be installed|cannot be|is locked|excluded)"
)
_TOP = len("└─ ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reasons:
    """``lines`` as rattler wrote them; ``asked`` are the names of the specs that head a chain,
    ``absent`` those that no channel has in a form that is wanted, in the order of their mention.
    """

    lines: tuple[str, ...]
    asked: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the channels have for ``subdir``: ``names`` in all of them together, ``without`` the
    addresses of those with nothing but noarch packages. ``virtual`` is what the target has, as
    version by name.
    """

    subdir: str
    channels: tuple[str, ...]
    names: frozenset[str] = frozenset()
    without: tuple[str, ...] = ()
    virtual: Mapping[str, str] = field(default_factory=dict)


class UnsolvableError(ResolutionError):
    """``reasons`` and ``remarks`` (what the channels and the target lack) for whoever knows more
    of where the specs come from.
    """

    def __init__(
        self, problem: str, *, reasons: Reasons, remarks: Sequence[str], remedy: str = ""
    ) -> None:
        super().__init__(problem, details=(*reasons.lines, *remarks), remedy=remedy)
        self.reasons = reasons
        self.remarks = tuple(remarks)


def read_reasons(text: str) -> Reasons:
    """The parts of what rattler says of a solve that has no solution."""
    lines = [line.rstrip() for line in redact(text).removeprefix(_LEAD).splitlines()]
    lines = [line for line in dict.fromkeys(lines) if line]
    asked, absent = [], []
    for line in lines:
        words = _BRANCH.sub("", line)
        if found := _NO_CANDIDATES.search(words):
            asked.append(found["name"])
            absent.append(found["name"])
        elif len(line) - len(words) <= _TOP and (found := _ASKED.match(words)):
            asked.append(found["name"])
        if found := _ABSENT.match(words):
            absent.append(found["name"])
    return Reasons(
        lines=tuple(lines),
        asked=tuple(dict.fromkeys(asked)),
        absent=tuple(dict.fromkeys(absent)),
    )


def unsolvable(text: str, facts: Facts) -> UnsolvableError:
    """The error for a solve that rattler gave up with ``text``."""
    reasons = read_reasons(text)
    return UnsolvableError(
        f"no set of conda packages for {facts.subdir} satisfies what is asked for",
        reasons=reasons,
        remarks=tuple(_remarks(reasons, facts)),
    )


def _remarks(reasons: Reasons, facts: Facts) -> Iterator[str]:
    places = ", ".join(map(redact, facts.channels))
    for name in reasons.absent:
        if name.startswith("__"):
            version = facts.virtual.get(name)
            yield f"the target has {name} {version}" if version else f"the target has no {name}"
        elif name not in facts.names:
            near = get_close_matches(name, sorted(facts.names), n=3)
            hint = f"; there is {' and '.join(near)}" if near else ""
            yield f"{name} is in no channel ({places}){hint}"
    for address in facts.without:
        yield f"{redact(address)} has no packages for {facts.subdir}"
