"""Why conda-lock or its solver failed, in the user's terms. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from envbuild import errors
from envbuild.errors import EnvbuildError, ResolutionError, ToolError
from envbuild.merging.conda_names import show
from envbuild.process import Completed
from envbuild.redact import redact
from envbuild.resolve.conda.channels import Channel
from envbuild.resolve.conda.interface import CondaProblem
from envbuild.resolve.conda.reasons import read_reasons

__all__ = ["classify"]

_MOST_LINES = 30
_UNSOLVED = re.compile(
    r"UnsatisfiableError|PackagesNotFoundError|ResolvePackageNotFound|solver_problems"
    r"|[Cc]ould not solve|nothing provides"
)
_NAME = re.compile(r"[a-z0-9_][a-z0-9_.-]*")


def classify(
    done: Completed,
    report: Mapping[str, Any],
    problem: CondaProblem,
    channels: Sequence[Channel],
    *,
    outside: Callable[[str], str] = str,
) -> EnvbuildError:
    """The error for a conda-lock that failed; ``report`` is what our solver said, if it was ours.

    ``outside`` puts addresses back to what they are outside.
    """
    said = report.get("envbuild")
    if isinstance(said, dict):
        if reasons := said.get("reasons"):
            chain, remarks = (
                [outside(redact(str(line))) for line in part]
                for part in (reasons["lines"], said.get("remarks") or ())
            )
            return _unsolved(chain, problem, remarks=remarks)
        return _restored(said, outside)
    text = outside(redact(f"{done.stdout}\n{done.stderr}"))
    if report.get("success") is not True and _UNSOLVED.search(text):
        chain = _message(text)
        return _unsolved(chain, problem, remarks=_absent(chain, channels))
    solver = Path(problem.options.conda_exe).name or "its solver"
    return ToolError(
        f"conda-lock ended with code {done.returncode}, and {solver} said nothing that is known",
        where=problem.target.platform.name,
        details=[line for line in text.splitlines() if _is_said(line)][-_MOST_LINES:],
    )


def _is_said(line: str) -> bool:
    """Whether a line is for people: not the inside of a traceback, which is of no use to them."""
    return bool(line.strip()) and not line[0].isspace() and not line.startswith("Traceback")


def _restored(said: Mapping[str, Any], outside: Callable[[str], str]) -> EnvbuildError:
    family = getattr(errors, str(said.get("family")), ToolError)
    kind = family if isinstance(family, type) and issubclass(family, EnvbuildError) else ToolError
    return kind(
        outside(redact(str(said.get("problem", "")))),
        where=outside(redact(str(said.get("where", "")))),
        details=[outside(redact(str(line))) for line in said.get("details") or ()],
        remedy=str(said.get("remedy", "")),
    )


def _message(text: str) -> list[str]:
    """What a foreign solver said, out of what conda-lock repeats of it."""
    for match in re.finditer(r"^\s*\{", text, re.MULTILINE):
        try:
            document, _ = json.JSONDecoder().raw_decode(text[match.end() - 1 :])
        except ValueError:
            continue
        if isinstance(document, dict):
            problems = document.get("solver_problems") or [document.get("message") or ""]
            return [line for one in problems for line in str(one).splitlines() if line.strip()]
    return [line for line in text.splitlines() if line.strip()]


def _absent(chain: Iterable[str], channels: Sequence[Channel]) -> list[str]:
    places = ", ".join(dict.fromkeys(channel.shown for channel in channels))
    reasons = read_reasons("\n".join(chain))
    return [f"{name} is in no channel, or not as asked: {places}" for name in reasons.absent]


def _unsolved(
    lines: Sequence[str], problem: CondaProblem, *, remarks: Sequence[str] = ()
) -> ResolutionError:
    """No solution: the chain, what is missing, and which entries asked for what stands in it."""
    chain = [line.rstrip() for line in lines]
    more = len(chain) - _MOST_LINES
    absent = read_reasons("\n".join(chain)).absent
    asked = list(_asked(chain, problem))
    details = [
        "why, in the words of the solver:",
        *(f"  {line}" for line in chain[:_MOST_LINES]),
        *([f"  … and {more} more lines"] if more > 0 else []),
        *remarks,
        *(["asked for by:", *(f"  {line}" for line in asked)] if asked else []),
    ]
    return ResolutionError(
        f"no set of conda packages for {problem.target.platform} satisfies what is asked for",
        details=details,
        remedy=_remedy(absent),
    )


def _remedy(absent: Sequence[str]) -> str:
    virtual = [name for name in absent if name.startswith("__")]
    if virtual:
        options = " ".join(f"--virtual-package {name}=VERSION" for name in virtual)
        return f"{options}, if the machine that will run it has that"
    if absent:
        return f"--channel with a channel that has {' and '.join(absent)}; or another spelling"
    return "another version of one of these entries"


def _asked(lines: Iterable[str], problem: CondaProblem) -> Iterator[str]:
    words = set(_NAME.findall(" ".join(lines).lower()))
    entries = [(show(one), one) for one in problem.requirements if one.name in words]
    width = max((len(shown) for shown, _ in entries), default=0)
    for shown, one in entries:
        yield f"{shown:{width}}  ({one.origin})"
