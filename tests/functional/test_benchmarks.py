"""The benchmarks take turns, measure children, and refuse to time a failure."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from benchmarks.report import replace_block, table
from benchmarks.timing import CommandFailedError, Figures, Program, Run, paired, run_in_turn

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
