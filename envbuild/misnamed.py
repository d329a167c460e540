"""Names that are not the package they are taken for: modules, parts of Python, other systems."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from packaging.utils import NormalizedName

from envbuild.tables import read_table

__all__ = ["Misnamed", "MisnamedKind", "load_misnamed"]

MisnamedKind = Literal[
    "module", "stand-in", "renamed", "windows", "macos", "system", "standard-library", "backport"
]
_WITH_SUBSTITUTE: tuple[MisnamedKind, ...] = (
    *("module", "stand-in", "renamed", "windows", "macos", "system"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Misnamed:
    """A name that stands for something else; ``instead`` is the package meant, empty for none."""

    name: NormalizedName
    kind: MisnamedKind
    instead: str = ""

    @property
    def is_installable(self) -> bool:
        """Whether an index has the package under this name, for the target it is locked for."""
        return self.kind in {"renamed", "backport"}

    def explanation(self) -> str:
        """A whole sentence without its full stop."""
        name = repr(str(self.name))
        match self.kind:
            case "module" | "stand-in":
                return f"{name} is the name of a module; the package is called {self.instead}"
            case "renamed":
                return f"{name} is an old name; the package is now called {self.instead}"
            case "windows" | "macos":
                system = {"windows": "Windows", "macos": "macOS"}[self.kind]
                elsewhere = (
                    f"the package is called {self.instead}" if self.instead else "there is none"
                )
                return f"{name} is for {system} only; elsewhere {elsewhere}"
            case "system":
                package = f"; the Python package is called {self.instead}" if self.instead else ""
                return f"{name} is no Python package: the system brings it{package}"
            case "standard-library":
                return f"{name} is a part of Python itself; there is no package to install"
            case _:  # a backport
                return f"{name} is for older Pythons: what it brings is a part of Python now"


@functools.cache
def load_misnamed() -> Mapping[str, Misnamed]:
    """The table in ``data/misnamed.toml``, by normalized name."""
    table = read_table("misnamed")
    found = {
        name: Misnamed(name=NormalizedName(name), kind=kind, instead=instead)
        for kind in _WITH_SUBSTITUTE
        for name, instead in table[kind].items()
    }
    library = table["standard-library"]
    for name in library["names"]:
        found[name] = Misnamed(name=NormalizedName(name), kind="standard-library")
    for name in library["backports"]:
        found[name] = Misnamed(name=NormalizedName(name), kind="backport")
    return MappingProxyType(found)
