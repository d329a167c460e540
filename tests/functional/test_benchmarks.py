"""The benchmarks take turns, measure children, and refuse to time a failure."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import run
from benchmarks.fleets import Fleet, fleet_programs
from benchmarks.phases import phases_table
from benchmarks.plots import Bar, Panel, draw
from benchmarks.report import (
    append_history,
    plot,
    read_results,
    replace_block,
    summary,
    table,
    write_results,
)
from benchmarks.timing import CommandFailedError, Figures, Program, Run, paired, run_in_turn
from tests.support.documents import blocks
from tests.support.paths import MODELS, ROOT

BURN = "import time\nend = time.process_time() + 0.2\nwhile time.process_time() < end: pass"


def program(name: str, code: str, *, rounds: int = 0) -> Program:
    def prepare(_: Path) -> tuple[Sequence[str], Mapping[str, str]]:
        return [sys.executable, "-c", code], {}

    return Program(name=name, prepare=prepare, rounds=rounds)


def figures(name: str, *walls: float) -> Figures:
    return Figures(program=name, runs=tuple(Run(wall=wall, cpu=1, memory=64) for wall in walls))


def test_programs_run_in_turn_and_each_as_often_as_it_asks() -> None:
    said: list[str] = []

    results = run_in_turn(
        [program("a", "pass"), program("b", "pass", rounds=1)], rounds=2, report=said.append
    )

    assert [line.strip().rpartition(":")[0] for line in said] == ["1/2 a", "1/1 b", "2/2 a"]
    assert [(one.program, len(one.runs)) for one in results] == [("a", 2), ("b", 1)]


def test_what_a_program_starts_counts_as_its_own_time() -> None:
    parent = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {BURN!r}])"

    (result,) = run_in_turn([program("parent", parent)], rounds=1, report=lambda _: None)

    assert result.cpu() >= 0.2
    assert result.wall()[0] >= 0.2
    assert result.memory() > 1


def test_a_program_that_fails_has_no_figures() -> None:
    failing = program("broken", "import sys; print('why'); sys.exit(3)")

    with pytest.raises(CommandFailedError, match=r"\Abroken: exit 3\nwhy\n\Z"):
        run_in_turn([failing], rounds=1, report=lambda _: None)


def test_ratios_are_taken_pair_by_pair() -> None:
    assert paired(figures("a", 1, 4, 9), figures("b", 1, 2, 3)) == (1, 2, 3)


def test_a_program_that_did_a_part_is_compared_for_as_much_work() -> None:
    ours, theirs = figures("envbuild fleet, cold", 10), replace(figures("uv", 4), share=0.1)

    assert paired(ours, theirs) == (0.25, 0.25, 0.25)


def test_a_part_of_the_work_is_called_so_and_is_not_plotted() -> None:
    name = "uv pip compile, model by model, cold"
    part = replace(figures(name, 4), share=0.02)
    results = {"Fleet": [figures("envbuild fleet, cold", 10), part]}

    assert table(results["Fleet"]).splitlines()[3:] == [
        f"| {name}, 2% of it (once) | 4.00 | 4.00 | 4.00 | 1.00 | 64 |",
        "",
        f"`envbuild fleet, cold` to `{name}`: 0.050 (run by run 0.050 to 0.050), for as much work.",
    ]
    assert name not in plot(results)


def test_a_table_gives_spread_medians_and_the_ratio() -> None:
    text = table([figures("envbuild lock, warm", 3, 1, 2), figures("uv pip compile, warm", 1)])

    assert text == (
        "| | minimum s | median s | maximum s | processor s | peak MB |\n"
        "| --- | ---: | ---: | ---: | ---: | ---: |\n"
        "| envbuild lock, warm | 1.00 | 2.00 | 3.00 | 1.00 | 64 |\n"
        "| uv pip compile, warm (once) | 1.00 | 1.00 | 1.00 | 1.00 | 64 |\n"
        "\n`envbuild lock, warm` to `uv pip compile, warm`: 3.00 (run by run 3.00 to 3.00).\n"
    )


def test_publishing_replaces_its_block_and_nothing_else(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- lock -->\nold\n<!-- /lock -->\nafter\n")

    replace_block(page, "lock", r"new \1")

    assert page.read_text() == "before\n<!-- lock -->\nnew \\1\n<!-- /lock -->\nafter\n"


def test_a_page_without_the_block_is_an_error(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("nothing\n")

    with pytest.raises(LookupError, match="has no block 'lock'"):
        replace_block(page, "lock", "new")


def test_the_summary_has_a_row_for_each_pair_that_was_measured_together() -> None:
    lock = {
        "Few: 4 pins": [
            figures("envbuild lock, warm", 0.5, 0.7, 0.6),
            figures("uv pip compile, warm", 1, 1, 1),
            figures("envbuild lock --check", 0.1),
        ]
    }
    fleet = {
        "Fleet of 40: 10 environments": [
            figures("envbuild fleet, cold", 20),
            figures("uv pip compile, model by model, cold", 80),
        ]
    }

    assert summary([lock, {}, fleet]) == (
        "| | envbuild | s | beside it | s | ratio |\n"
        "| --- | --- | ---: | --- | ---: | ---: |\n"
        "| Few | envbuild lock, warm | 0.600 | uv pip compile, warm | 1.00 | 0.60 |\n"
        "| Fleet of 40 | envbuild fleet, cold | 20.00 "
        "| uv pip compile, model by model, cold | 80.00 | 0.25 |\n"
    )


def test_results_are_read_as_they_were_written(tmp_path: Path) -> None:
    results = {"Few": (figures("a", 1, 2), figures("b", 3))}

    write_results(tmp_path / "results" / "lock.json", results, date="2025-06-02")

    assert read_results(tmp_path / "results" / "lock.json") == results
    assert read_results(tmp_path / "results" / "export.json") == {}


def test_history_grows_by_a_line_of_medians(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"

    append_history(path, "lock", {"Few": [figures("a", 1, 2, 9)]}, date="2025-06-02")
    append_history(path, "fleet", {"Fleet": [figures("b", 4)]}, date="2025-06-03")

    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(line["date"], line["command"], line["medians"]) for line in lines] == [
        ("2025-06-02", "lock", {"Few": {"a": 2}}),
        ("2025-06-03", "fleet", {"Fleet": {"b": 4}}),
    ]
    assert {"system", "processors", "memory", "python", "uv"} <= set(lines[0]["machine"])


def test_a_bar_is_as_long_as_its_value_and_a_line_spans_its_runs() -> None:
    panel = Panel(
        title="A & B",
        bars=[
            Bar(label="ours", value=1, low=0.5, high=2, ours=True),
            Bar(label="theirs", value=2, low=2, high=2),
        ],
    )

    text = draw([panel], unit="s")

    assert text == draw([panel], unit="s")
    assert text == (
        '<svg xmlns="http://www.w3.org/2000/svg" width="860" height="112" viewBox="0 0 860 112" '
        'font-family="sans-serif" font-size="13" fill="#222222">\n'
        '<rect width="860" height="112" fill="#ffffff"/>\n'
        '<text x="12" y="36" font-weight="bold">A &amp; B</text>\n'
        '<text x="304" y="66" text-anchor="end">ours</text>\n'
        '<rect x="312" y="52" width="223.0" height="19" fill="#2a6f97"/>\n'
        '<path d="M423.5 62H758.0" stroke="#222222"/>\n'
        '<text x="764.0" y="66">1.00 s</text>\n'
        '<text x="304" y="90" text-anchor="end">theirs</text>\n'
        '<rect x="312" y="76" width="446.0" height="19" fill="#b8b8b8"/>\n'
        '<text x="764.0" y="90">2.00 s</text>\n'
        "</svg>\n"
    )


def test_a_plot_shows_every_case_but_not_what_takes_minutes() -> None:
    text = plot(
        {
            "Few": [figures("envbuild lock, cold", 1), figures("pip-compile, cold", 90)],
            "Many": [figures("envbuild lock, cold", 3)],
        }
    )

    words = [element.text for element in ET.fromstring(text).iter() if element.text]
    assert [word for word in words if word.strip()] == [
        "Few", "envbuild lock, cold", "1.00 s", "Many", "envbuild lock, cold", "3.00 s"
    ]  # fmt: skip


def test_a_plot_of_nothing_is_still_a_picture() -> None:
    assert ET.fromstring(draw([Panel(title="none", bars=[])], unit="s")).tag.endswith("svg")


def test_phases_are_given_with_their_share_of_the_whole() -> None:
    assert phases_table({"starting Python": 0.02, "waiting": 0.06}) == (
        "| phase | ms | share |\n"
        "| --- | ---: | ---: |\n"
        "| starting Python | 20 | 25 % |\n"
        "| waiting | 60 | 75 % |\n"
        "| whole | 80 | |\n"
    )


def test_the_documents_run_benchmarks_that_there_are() -> None:
    pages = (ROOT / "CONTRIBUTING.md", run.PAGE)
    lines = [line for page in pages for text in blocks(page, "sh") for line in text.splitlines()]
    words = [shlex.split(line, comments=True) for line in lines]
    commands = [one[2:] for one in words if one[1:2] == ["benchmarks/run.py"]]

    found = {run.parse(arguments).command for arguments in commands}

    assert found == {"all", "conda", "fleet", "scoring"}


def test_real_models_that_cannot_be_locked_do_not_end_a_benchmark(tmp_path: Path) -> None:
    registry = tmp_path / "registry"
    shutil.copytree(MODELS / "not-broken-yaml", registry / "broken")
    fleet = Fleet.of_folder(tmp_path, registry)

    found = run_in_turn(fleet_programs(fleet, serial=0), rounds=1, report=lambda _: None)

    assert [one.program for one in found] == [
        "envbuild fleet, cold",
        "envbuild fleet again",
        "envbuild fleet --check",
    ]
    assert fleet.description() == (
        "1 that cannot be locked, 0 environments, 0 solves, 0 answers used again"
    )


def test_a_long_label_gets_the_room_that_it_needs() -> None:
    def width(label: str) -> int:
        panel = Panel(title="Seed", bars=[Bar(label=label, value=1, low=1, high=1)])
        return int(ET.fromstring(draw([panel], unit="s")).attrib["width"])

    assert width("x" * 60) - width("x" * 50) == 72
    assert width("x" * 10) == width("")
