"""What importing every distribution gave, held against the known exceptions. Pure."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from packaging.utils import canonicalize_name

from envbuild.verification.report import StepResult, failed, passed

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["STEP", "Excuse", "excuses", "judge_imports", "skipped_modules"]

STEP = "modules import"


@dataclass(frozen=True, slots=True, kw_only=True)
class Excuse:
    """Modules that may fail to import. ``distributions`` are normalized names, ``error`` a part of
    the message that must be there; both are empty where the modules are never imported at all.
    """

    modules: tuple[str, ...]
    reason: str
    distributions: tuple[str, ...] = ()
    error: str = ""

    def covers(self, distribution: str, module: str, error: str) -> bool:
        """Whether this failure is the one that is excused."""
        return (
            canonicalize_name(distribution) in self.distributions
            and module in self.modules
            and self.error in error
        )


@cache
def excuses() -> tuple[Excuse, ...]:
    """The excuses of ``exceptions.toml`` that name an error."""
    return tuple(
        Excuse(
            distributions=tuple(entry["distributions"]),
            modules=tuple(entry["modules"]),
            error=entry["error"],
            reason=entry["reason"],
        )
        for entry in _document()["excuse"]
    )


@cache
def skipped_modules() -> tuple[Excuse, ...]:
    """The entries of ``exceptions.toml`` whose modules are never imported."""
    return tuple(
        Excuse(modules=tuple(entry["modules"]), reason=entry["reason"])
        for entry in _document()["skip"]
    )


@cache
def _document() -> Mapping[str, Any]:
    text = files("envbuild.verification").joinpath("exceptions.toml").read_text("utf-8")
    return tomllib.loads(text)


def judge_imports(distributions: Sequence[Mapping[str, Any]]) -> StepResult:
    """The step's result from what ``probes/imports.py`` prints.

    The known exceptions that applied are named among the details of a step that passed, too.
    """
    tried = [
        (row["distribution"], answer["module"], answer["error"])
        for row in distributions
        for answer in row["modules"]
    ]
    good = [found for found in tried if found[2] is None]
    excused = {found: excuse for found in tried if found[2] and (excuse := _excuse_for(*found))}
    bad = [found for found in tried if found[2] and found not in excused]
    notes = [
        f"known exception: {name}: {module}: {error.splitlines()[0]} ({excuse.reason})"
        for (name, module, error), excuse in excused.items()
    ]
    notes += [line for row in distributions for line in _skipped_lines(row)]
    if bad:
        lines = [line for found in bad for line in ": ".join(found).splitlines()]
        reason = f"{len(bad)} of {len(tried)} modules cannot be imported"
        return failed(STEP, reason, *lines, *notes)
    return passed(STEP, f"{len(good)} modules of {len(distributions)} distributions", *notes)


def _excuse_for(distribution: str, module: str, error: str) -> Excuse | None:
    return next((item for item in excuses() if item.covers(distribution, module, error)), None)


def _skipped_lines(row: Mapping[str, Any]) -> Iterator[str]:
    for module in row["skipped"]:
        reason = next(item.reason for item in skipped_modules() if module in item.modules)
        yield f"not imported: {row['distribution']}: {module} ({reason})"
