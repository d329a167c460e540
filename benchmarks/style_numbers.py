"""Measure the source against the numbers that the contributing guide asks for.

    python benchmarks/style_numbers.py

Lengths are in lines from ``def`` to the last statement, the docstring included. The programs that
envbuild ships to be run elsewhere, some on Python 3.6, count like the rest, but for annotations.
"""

from __future__ import annotations

import ast
import io
import statistics
import sys
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROGRAMS = ("envbuild/scoring/", "envbuild/probes/", "envbuild/emit/bundle_files/")
AIM_FILE_LINES = 400
AIM_FUNCTION_LINES = 60
AIM_PARAMETERS = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A function with what is measured of it."""

    where: str
    lines: int
    parameters: int
    annotated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file: ``code`` counts lines that are neither empty, nor comment or docstring alone."""

    path: Path
    lines: int
    code: int
    comments: int


def main() -> int:
    package = sorted((ROOT / "envbuild").rglob("*.py"))
    tests = sorted((ROOT / "tests").rglob("*.py"))
    functions = [function for path in package for function in functions_of(path)]
    sources = [measure(path) for path in package]
    for name, value in numbers(functions, sources, [measure(path) for path in tests]):
        print(f"{name:34} {value}")
    for complaint in outliers(functions, sources):
        print(f"  {complaint}")
    return 0


def numbers(
    functions: list[Function], sources: list[Source], tests: list[Source]
) -> Iterator[tuple[str, str]]:
    """The figures, each with its name."""
    lengths = sorted(function.lines for function in functions)
    code = sum(source.code for source in sources)
    under = sum(length < AIM_FUNCTION_LINES for length in lengths)
    yield "functions", str(len(functions))
    yield "function length, median", f"{statistics.median(lengths):g} lines"
    yield "function length, 95th percentile", f"{lengths[int(len(lengths) * 0.95)]} lines"
    yield f"functions under {AIM_FUNCTION_LINES} lines", share(under, len(lengths))
    yield "longest function", longest(functions)
    yield "most parameters", str(max(function.parameters for function in functions))
    library = [function for function in functions if not function.where.startswith(PROGRAMS)]
    yield "annotated", share(sum(function.annotated for function in library), len(library))
    biggest = max(sources, key=lambda source: source.lines)
    yield "longest file", f"{biggest.lines} lines ({biggest.path.relative_to(ROOT)})"
    yield "source lines of code", str(code)
    yield "test lines of code", str(sum(test.code for test in tests))
    yield "test lines for a source line", f"{sum(test.code for test in tests) / code:.2f}"
    yield "comments", share(sum(source.comments for source in sources), code)


def outliers(functions: Iterable[Function], sources: Iterable[Source]) -> Iterator[str]:
    """What is past an aim."""
    for source in sources:
        if source.lines > AIM_FILE_LINES:
            yield f"{source.path.relative_to(ROOT)}: {source.lines} lines"
    for function in functions:
        if function.lines >= AIM_FUNCTION_LINES:
            yield f"{function.where}: {function.lines} lines"
        if function.parameters > AIM_PARAMETERS:
            yield f"{function.where}: {function.parameters} parameters"


def longest(functions: Iterable[Function]) -> str:
    function = max(functions, key=lambda function: function.lines)
    return f"{function.lines} lines ({function.where})"


def share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %"


def functions_of(path: Path) -> Iterator[Function]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            parameters = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            given = [parameter for parameter in parameters if parameter.arg not in {"self", "cls"}]
            yield Function(
                where=f"{path.relative_to(ROOT)}:{node.lineno} {node.name}",
                lines=(node.end_lineno or node.lineno) - node.lineno + 1,
                parameters=len(given),
                annotated=node.returns is not None
                and all(parameter.annotation is not None for parameter in given),
            )


def measure(path: Path) -> Source:
    text = path.read_text(encoding="utf-8")
    tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    comments = {token.start[0] for token in tokens if token.type == tokenize.COMMENT}
    layout = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    code = {
        line
        for token in tokens
        if token.type not in layout and token.string
        for line in range(token.start[0], token.end[0] + 1)
    }
    code -= docstring_lines(ast.parse(text))
    return Source(path=path, lines=text.count("\n"), code=len(code), comments=len(comments))


def docstring_lines(tree: ast.Module) -> set[int]:
    """Lines of strings that stand as statements."""
    return {
        line
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }


if __name__ == "__main__":
    sys.exit(main())
