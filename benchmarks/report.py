"""Figures as JSON for machines; as tables and plots in the documentation."""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

from benchmarks.plots import Bar, Panel, draw
from benchmarks.timing import Figures, Run, paired

__all__ = [
    "Results",
    "append_history",
    "machine",
    "plot",
    "read_results",
    "replace_block",
    "summary",
    "table",
    "write_results",
]

Results: TypeAlias = Mapping[str, Sequence[Figures]]
"""By the title of the case."""

# Ours, and what does the same or the nearest to it.
_RATIOS = (
    ("envbuild --version", "python -c pass"),
    ("envbuild lock, cold", "uv pip compile, cold"),
    ("envbuild lock, cold", "pip-compile, cold"),
    ("envbuild lock, warm", "uv pip compile, warm"),
    ("envbuild lock again", "uv pip compile, warm"),
    ("envbuild fleet, cold", "uv pip compile, model by model, cold"),
    ("envbuild fleet, cold", "uv pip compile, model by model, offline on envbuild's cache"),
    ("envbuild export, cold", "curl, as many connections, nothing checked"),
    ("envbuild export, cold", "pip download --require-hashes"),
    ("pip from the lock", "mlflow models prepare-env, virtualenv"),
    ("uv from the lock", "mlflow models prepare-env, uv"),
    ("solve, warm", "conda-lock lock, warm"),
)
_OURS = ("envbuild ", "pip from the lock", "uv from the lock")
# Minutes beside seconds: in the table, but in a plot it would leave no room for the others.
_NOT_PLOTTED = ("pip-compile, cold",)


def machine() -> dict[str, str]:
    """What the figures were taken on and with."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processors": str(os.cpu_count()),
        "memory": f"{memory:.0f} GB",
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


def summary(published: Iterable[Results]) -> str:
    """A Markdown table of every pair that was measured together."""
    head = "| | envbuild | s | beside it | s | ratio |\n| --- | --- | ---: | --- | ---: | ---: |\n"
    return head + "".join(
        f"| {title.partition(':')[0]} | {ours.program} | {_seconds(ours.wall()[1])} "
        f"| {_label(theirs)} | {_seconds(theirs.wall()[1])} | {_ratio(paired(ours, theirs)[1])} |\n"
        for results in published
        for title, figures in results.items()
        for ours, theirs in _pairs(figures)
    )


def plot(results: Results) -> str:
    """The medians of every case as bars (SVG)."""
    panels = [
        Panel(
            title=title,
            bars=[_bar(one) for one in figures if _is_plotted(one)],
        )
        for title, figures in results.items()
    ]
    return draw(panels, unit="s")


def _is_plotted(figures: Figures) -> bool:
    return figures.share == 1 and figures.program not in _NOT_PLOTTED


def _bar(figures: Figures) -> Bar:
    low, middle, high = figures.wall()
    ours = figures.program.startswith(_OURS)
    return Bar(label=figures.program, value=middle, low=low, high=high, ours=ours)


def _row(figures: Figures) -> str:
    low, middle, high = figures.wall()
    once = " (once)" if len(figures.runs) == 1 else ""
    return (
        f"| {_label(figures)}{once} | {_seconds(low)} | {_seconds(middle)} | {_seconds(high)} "
        f"| {_seconds(figures.cpu())} | {figures.memory():.0f} |\n"
    )


def _label(figures: Figures) -> str:
    """The program, and how much of the work it was given if not all."""
    return figures.program + (f", {figures.share:.0%} of it" if figures.share < 1 else "")


def _seconds(value: float) -> str:
    return f"{value:.3f}" if value < 1 else f"{value:.2f}"


def _ratio(value: float) -> str:
    return f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def _ratio_lines(figures: Sequence[Figures]) -> Iterator[str]:
    for ours, theirs in _pairs(figures):
        low, middle, high = paired(ours, theirs)
        spread = f"{_ratio(middle)} (run by run {_ratio(low)} to {_ratio(high)})"
        if theirs.share < 1:
            spread += ", for as much work"
        yield f"\n`{ours.program}` to `{theirs.program}`: {spread}.\n"


def _pairs(figures: Sequence[Figures]) -> Iterator[tuple[Figures, Figures]]:
    by_name = {one.program: one for one in figures}
    for ours, theirs in _RATIOS:
        if ours in by_name and theirs in by_name:
            yield by_name[ours], by_name[theirs]


def write_results(path: Path, results: Results, *, date: str) -> None:
    """Every single run, for whoever wants to compute something else. ``date`` is ISO 8601."""
    document = {
        "date": date,
        "machine": machine(),
        "cases": {name: [one.document() for one in figures] for name, figures in results.items()},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1) + "\n")


def read_results(path: Path) -> Results:
    """What ``write_results`` wrote; nothing where there is no file."""
    if not path.is_file():
        return {}
    cases: dict[str, list[dict[str, Any]]] = json.loads(path.read_text())["cases"]
    return {
        title: tuple(
            Figures(
                program=row["program"],
                runs=tuple(Run(**run) for run in row["runs"]),
                share=row.get("share", 1.0),
            )
            for row in rows
        )
        for title, rows in cases.items()
    }


def append_history(path: Path, command: str, results: Results, *, date: str) -> None:
    """One line of JSON with the medians (seconds of wall clock), after those of earlier dates."""
    medians = {
        title: {one.program: round(one.wall()[1], 3) for one in figures}
        for title, figures in results.items()
    }
    entry = {"date": date, "command": command, "machine": machine(), "medians": medians}
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(entry) + "\n")


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
