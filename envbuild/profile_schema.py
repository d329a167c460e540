"""Reading a TOML table against a schema: every violation with its path, none raised on the way."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from envbuild.entries.requirements import PipRequirement
from envbuild.origins import Origin

__all__ = ["TableReader"]

T = TypeVar("T")

_KINDS: Mapping[type, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    list: "an array",
    dict: "a table",
}
_EXAMPLE = "expected a requirement such as azureml-core>=1.61"


class TableReader:
    """One table of the document. Readers of inner tables share its list of violations.

    A value that is missing or wrong is recorded in ``violations`` and read as its default, so that
    one pass finds everything. ``file`` and ``path`` become the origins of requirements.
    """

    def __init__(
        self,
        values: Mapping[str, Any],
        *,
        file: str,
        path: str = "",
        violations: list[str] | None = None,
    ) -> None:
        self._values = values
        self._file = file
        self._path = path
        self.violations = [] if violations is None else violations

    def only(self, *known: str) -> None:
        """Record the keys that are none of ``known``."""
        for key in self._values:
            if key not in known:
                close = difflib.get_close_matches(key, known, n=1)
                hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"
                self._violate(key, f"unknown key; {hint}")

    def has(self, key: str) -> bool:
        """Whether the table has the key."""
        return key in self._values

    def text(self, key: str, *, default: str | None = None, choices: Collection[str] = ()) -> str:
        """A text, one of ``choices`` if there are any; required without a default."""
        value = self._get(key, str, required=default is None)
        if value is None:
            return default or ""
        if choices and value not in choices:
            self._violate(key, f"expected one of {', '.join(choices)}, got {value!r}")
        elif not value and default is None:
            self._violate(key, "expected a text, got an empty one")
        return value

    def number(self, key: str, *, low: int, high: int) -> int | None:
        """A whole number from ``low`` to ``high``; None where absent."""
        value = self._get(key, int)
        if value is not None and not low <= value <= high:
            self._violate(key, f"expected a whole number from {low} to {high}, got {value}")
        return value

    def flag(self, key: str) -> bool:
        """True or false; false where absent."""
        return self._get(key, bool) or False

    def texts(self, key: str) -> tuple[str, ...]:
        """An array of texts; empty where absent."""
        found = []
        for index, item in enumerate(self._get(key, list) or ()):
            if isinstance(item, str) and item:
                found.append(item)
            else:
                got = "an empty one" if item == "" else _kind(item)
                self._violate(f"{key}[{index}]", f"expected a text, got {got}")
        return tuple(found)

    def assignments(self, key: str) -> dict[str, str]:
        """A table of texts; empty where absent."""
        inner = self.table(key)
        return {name: inner.text(name, default="") for name in inner.keys()}  # noqa: SIM118

    def keys(self) -> Iterable[str]:
        """The keys of the table, in the file's order."""
        return self._values.keys()

    def table(self, key: str) -> TableReader:
        """An inner table; an empty one where absent."""
        return self._inner(self._get(key, dict) or {}, key)

    def tables(self, key: str) -> tuple[TableReader, ...]:
        """An array of tables; required."""
        readers = []
        for index, item in enumerate(self._get(key, list, required=True) or ()):
            if isinstance(item, dict):
                readers.append(self._inner(item, f"{key}[{index}]"))
            else:
                self._violate(f"{key}[{index}]", f"expected a table, got {_kind(item)}")
        return tuple(readers)

    def specifier(self, key: str) -> SpecifierSet:
        """A range of versions; any where absent."""
        text = self.text(key, default="")
        try:
            return SpecifierSet(text)
        except InvalidSpecifier:
            self._violate(key, f"expected a range of versions such as >=3.9,<3.13, got {text!r}")
            return SpecifierSet()

    def requirements(self, key: str) -> tuple[PipRequirement, ...]:
        """An array of requirements by name; empty where absent."""
        items = [self._requirement(text, at) for text, at in self._items(key)]
        return tuple(entry for entry in items if entry)

    def alternatives(self, key: str) -> tuple[tuple[PipRequirement, ...], ...]:
        """An array of ``spam<2 or spam>=3``, each about one package; empty where absent."""
        found = []
        for text, at in self._items(key):
            entries = [self._requirement(part, at) for part in text.split(" or ")]
            known = tuple(entry for entry in entries if entry)
            if len({entry.name for entry in known}) > 1:
                self._violate(at, f"expected alternatives of one package, got {text!r}")
            elif known:
                found.append(known)
        return tuple(found)

    def _items(self, key: str) -> Iterator[tuple[str, str]]:
        return ((text, f"{key}[{index}]") for index, text in enumerate(self.texts(key)))

    def _requirement(self, text: str, at: str) -> PipRequirement | None:
        try:
            parsed = Requirement(text)
        except InvalidRequirement:
            self._violate(at, f"{_EXAMPLE}, got {text!r}")
            return None
        if parsed.url:
            self._violate(at, f"{_EXAMPLE}; an address is not supported, got {text!r}")
            return None
        return PipRequirement(
            name=canonicalize_name(parsed.name),
            origin=Origin(side="server", file=self._file, position=self._at(at)),
            text=text,
            extras=tuple(sorted(parsed.extras)),
            specifier=parsed.specifier,
            marker=parsed.marker,
        )

    def violate(self, problem: str) -> None:
        """Record a violation by the table as a whole."""
        self.violations.append(f"{self._path}: {problem}" if self._path else problem)

    def _get(self, key: str, kind: type[T], *, required: bool = False) -> T | None:
        """The value, or None where it is absent or of another kind."""
        if key not in self._values:
            if required:
                self._violate(key, f"missing; expected {_KINDS[kind]}")
            return None
        value = self._values[key]
        # A bool is an int for Python, but not for people.
        if isinstance(value, kind) and isinstance(value, bool) == (kind is bool):
            return value
        self._violate(key, f"expected {_KINDS[kind]}, got {_kind(value)}")
        return None

    def _inner(self, values: Mapping[str, Any], key: str) -> TableReader:
        return TableReader(values, file=self._file, path=self._at(key), violations=self.violations)

    def _at(self, key: str) -> str:
        return f"{self._path}.{key}" if self._path else key

    def _violate(self, key: str, problem: str) -> None:
        self.violations.append(f"{self._at(key)}: {problem}")


def _kind(value: object) -> str:
    return _KINDS.get(type(value), "a date")
