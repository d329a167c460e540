"""What conda packages are called on PyPI: a snapshot, our corrections, and the user's on top."""

from __future__ import annotations

import functools
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Literal

from packaging.utils import InvalidName, NormalizedName, canonicalize_name

from envbuild.errors import UsageError
from envbuild.tables import read_table

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["NameMap", "Verdict", "load_name_map"]

Source = Literal["user", "known", "native", "same"]
_EXAMPLE = 'expected pytorch = "torch", a list of names, or false for no Python package'


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The names on PyPI of a conda package, the likeliest first; none for no Python package.

    ``source``: ``user`` (their file), ``known`` (the shipped tables), ``native`` (known to be a
    library, tool or interpreter), ``same`` (not listed, so taken to have the same name).
    """

    conda: str
    names: tuple[NormalizedName, ...]
    source: Source

    @property
    def is_ambiguous(self) -> bool:
        """Whether the name alone does not tell which of several packages it is."""
        return len(self.names) > 1


@dataclass(frozen=True, slots=True, kw_only=True)
class NameMap:
    """The tables: conda name to PyPI names. ``native`` are shell patterns of conda names."""

    known: Mapping[str, tuple[NormalizedName, ...]]
    native: tuple[str, ...]
    overrides: Mapping[str, tuple[NormalizedName, ...]] = field(default_factory=dict)

    def verdict(self, conda: str) -> Verdict:
        """What is known of the conda package."""
        if (own := self.overrides.get(conda)) is not None:
            return Verdict(conda=conda, names=own, source="user")
        if known := self.known.get(conda):
            return Verdict(conda=conda, names=known, source="known")
        if any(fnmatchcase(conda, pattern) for pattern in self.native):
            return Verdict(conda=conda, names=(), source="native")
        return Verdict(conda=conda, names=(canonicalize_name(conda),), source="same")

    def with_overrides(self, text: str, *, where: str) -> NameMap:
        """The map with the user's own names on top: TOML, a table ``names``.

        Raises:
            UsageError: not TOML, or rows that are no names; all of them at once.
        """
        try:
            document = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise UsageError(f"the name map is not TOML: {error}", where=where) from error
        rows = document.get("names")
        problems = [f"{key}: not known here" for key in sorted(set(document) - {"names"})]
        if not isinstance(rows, dict):
            problems.append("names: expected a table [names]")
            rows = {}
        names: dict[str, tuple[NormalizedName, ...]] = {}
        for conda, value in rows.items():
            found = _names(value)
            if found is None:
                problems.append(f"names.{conda}: {_EXAMPLE}")
            else:
                names[conda.lower()] = found
        if problems:
            raise UsageError("the name map cannot be used", where=where, details=problems)
        return NameMap(known=self.known, native=self.native, overrides=MappingProxyType(names))


@functools.cache
def load_name_map() -> NameMap:
    """The map that is shipped: the snapshot, and what we know better on top of it."""
    snapshot = read_table("conda_pypi")["names"]
    ours = read_table("conda_names")
    rows = {**snapshot, **ours["renamed"]}
    known = {conda: names for conda, value in rows.items() if (names := _names(value))}
    return NameMap(known=MappingProxyType(known), native=tuple(ours["native"]["names"]))


def _names(value: object) -> tuple[NormalizedName, ...] | None:
    """The names that a row gives, or None where it gives none that could be."""
    if value is False:
        return ()
    items = value if isinstance(value, list) else [value]
    try:
        found = [canonicalize_name(item, validate=True) for item in items if isinstance(item, str)]
    except InvalidName:
        return None
    return tuple(found) if found and len(found) == len(items) else None
