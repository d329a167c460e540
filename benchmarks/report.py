"""Figures as JSON for machines and as tables in the documentation."""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from benchmarks.timing import Figures, paired

__all__ = ["machine", "replace_block", "table", "write_json"]

_RATIOS = (
    ("envbuild lock, cold", "uv pip compile, cold"),
    ("envbuild lock, warm", "uv pip compile, warm"),
    ("envbuild lock again", "uv pip compile, warm"),
)


def machine() -> dict[str, str]:
    """What the figures were taken on and with."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processors": str(os.cpu_count()),
        "python": platform.python_version(),
        "envbuild": version("envbuild"),
        "uv": version("uv"),
        "pip-tools": version("pip-tools"),
    }


def table(figures: Sequence[Figures]) -> str:
    """A Markdown table: seconds of wall clock, processor seconds, peak memory."""
    head = (
        "| | minimum s | median s | maximum s | processor s | peak MB |\n"
        "| --- | ---: | ---: | ---: | ---: | ---: |\n"
    )
    return head + "".join(_row(one) for one in figures) + "".join(_ratio_lines(figures))


def _row(figures: Figures) -> str:
    low, middle, high = figures.wall()
    once = " (once)" if len(figures.runs) == 1 else ""
    return (
        f"| {figures.program}{once} | {_seconds(low)} | {_seconds(middle)} | {_seconds(high)} "
        f"| {_seconds(figures.cpu())} | {figures.memory():.0f} |\n"
    )


def _seconds(value: float) -> str:
    return f"{value:.3f}" if value < 1 else f"{value:.2f}"


def _ratio_lines(figures: Sequence[Figures]) -> Iterator[str]:
    by_name = {one.program: one for one in figures}
    for ours, theirs in _RATIOS:
        if ours in by_name and theirs in by_name:
            low, middle, high = paired(by_name[ours], by_name[theirs])
            spread = f"{middle:.2f} (run by run {low:.2f} to {high:.2f})"
            yield f"\n`{ours}` to `{theirs}`: {spread}.\n"


def write_json(path: Path, results: Mapping[str, Sequence[Figures]]) -> None:
    """Every single run, for whoever wants to compute something else."""
    document = {
        "machine": machine(),
        "cases": {name: [one.document() for one in figures] for name, figures in results.items()},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1) + "\n")


def replace_block(page: Path, name: str, text: str) -> None:
    """Put ``text`` between the page's ``<!-- name -->`` and ``<!-- /name -->``."""
    old = page.read_text()
    block = f"<!-- {name} -->\n{text}\n<!-- /{name} -->"
    new, found = re.subn(
        rf"<!-- {name} -->.*?<!-- /{name} -->", lambda _: block, old, flags=re.DOTALL
    )
    if not found:
        raise LookupError(f"{page} has no block {name!r}")
    page.write_text(new)
