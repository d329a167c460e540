"""The package's own source as syntax trees, for tests that hold it to the rules of the project."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.paths import PACKAGE, ROOT

__all__ = ["Import", "Module", "library_modules", "program_modules"]

# Run by other interpreters, in places where nothing of ours is: programs of their own.
_PROGRAMS = ("emit/bundle_files/", "probes/", "scoring/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """One thing that is imported, with where that is written: ``import module`` has no ``name``,
    ``from module import name`` has one, which may be a module as well.
    """

    module: str
    name: str
    line: int

    def __str__(self) -> str:
        return f"{self.module}.{self.name}" if self.name else self.module


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """A source file: ``name`` is what Python calls it (``envbuild.fetch.cache``)."""

    path: Path
    name: str

    @property
    def layer(self) -> str:
        """The module or sub-package directly below ``envbuild``; empty for the package itself."""
        return f"{self.name}.".split(".")[1]

    def where(self, line: int) -> str:
        return f"{self.path.relative_to(ROOT)}:{line}"

    def tree(self) -> ast.Module:
        return _parse(self.path)

    def imports(self) -> Iterator[Import]:
        """Everything imported anywhere in the file, also inside functions."""
        for node in ast.walk(self.tree()):
            match node:
                case ast.Import(names=names):
                    for alias in names:
                        yield Import(module=alias.name, name="", line=node.lineno)
                case ast.ImportFrom(module=str(module), names=names):
                    for alias in names:
                        yield Import(module=module, name=alias.name, line=node.lineno)
                case _:
                    pass

    def calls(self) -> Iterator[tuple[str, int]]:
        """Every dotted name that is called (``os.getcwd``), with its line."""
        for node in ast.walk(self.tree()):
            if isinstance(node, ast.Call) and (name := dotted(node.func)):
                yield name, node.lineno

    def names(self) -> Iterator[tuple[str, int]]:
        """Every dotted name that is used in an expression, with its line."""
        for node in ast.walk(self.tree()):
            if isinstance(node, ast.Attribute | ast.Name) and (name := dotted(node)):
                yield name, node.lineno


def dotted(node: ast.expr) -> str:
    """``os.path.join`` of an expression that is only that, else an empty string."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=attribute):
            return f"{prefix}.{attribute}" if (prefix := dotted(value)) else ""
        case _:
            return ""


def library_modules() -> tuple[Module, ...]:
    """What ``import envbuild`` can reach."""
    return tuple(module for module in _modules() if not _is_program(module))


def program_modules() -> tuple[Module, ...]:
    """The scripts that envbuild ships to be run elsewhere."""
    return tuple(module for module in _modules() if _is_program(module))


def _is_program(module: Module) -> bool:
    path = module.path.relative_to(PACKAGE).as_posix()
    return path.startswith(_PROGRAMS)


def _modules() -> Iterator[Module]:
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        yield Module(path=path, name=name)


@functools.cache
def _parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
