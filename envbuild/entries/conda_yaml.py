"""The file conda.yaml: channels, conda packages, and the pip section with what it includes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from packaging.specifiers import SpecifierSet

from envbuild.entries.conda_entries import parse_match_spec, python_specifier
from envbuild.entries.pip_sources import EntryError
from envbuild.entries.requirements import CondaRequirement, PythonRequest
from envbuild.entries.requirements_file import BadEntry, EntryReader, logical_lines
from envbuild.errors import SpecError
from envbuild.model import EnvironmentFile, Model
from envbuild.notices import Notice
from envbuild.origins import Origin
from envbuild.reading.yamltext import Document, Value, kind_of, parse_yaml
from envbuild.redact import quote

__all__ = ["TOOLS", "CondaFile", "parse_conda_yaml"]

TOOLS = frozenset({"pip", "setuptools", "wheel"})
"""What installs packages rather than being one of the model's."""

_KNOWN_KEYS = frozenset({"name", "channels", "dependencies"})


@dataclass(slots=True, kw_only=True)
class CondaFile:
    """What conda.yaml says. ``pip`` is empty where there is no pip section or nothing in it."""

    name: str
    pip: EntryReader
    python: PythonRequest | None = None
    conda: list[CondaRequirement] = field(default_factory=list)
    tools: list[CondaRequirement] = field(default_factory=list)
    channels: tuple[str, ...] = ()
    has_pip_section: bool = False
    notices: list[Notice] = field(default_factory=list)
    bad: list[BadEntry] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Whether it asks for nothing at all."""
        anything = self.python or self.conda or self.tools or self.has_pip_section or self.bad
        return not anything


def parse_conda_yaml(file: EnvironmentFile, model: Model) -> CondaFile:
    """What the file says; entries that cannot be understood are in ``bad``.

    Raises:
        ModelError: no YAML.
        SpecError: YAML, but not a conda environment.
    """
    document = parse_yaml(file.text, where=file.name)
    root = document.value
    if root is None:
        root = {}
    if not isinstance(root, dict):
        raise SpecError("expected channels and dependencies, got no mapping", where=file.name)
    found = CondaFile(name=file.name, pip=EntryReader(model=model))
    found.notices += document.notices
    found.notices += _remarks_on_keys(root, file.name)
    found.channels = tuple(_channels(root.get("channels"), found))
    reading = _Reading(found, document)
    reading.dependencies(root.get("dependencies"))
    found.python = _python(reading.pythons, found)
    return found


def _remarks_on_keys(root: dict[str, Value], file: str) -> Iterator[Notice]:
    """Each key that a conda environment may have and that says nothing about what to lock."""
    for key in root:
        if key == "prefix":
            message = "prefix is left out: it is a folder of the machine that logged the model"
            yield Notice(code="key-ignored", message=message, where=f"{file}: prefix", level="note")
        elif key == "variables":
            message = "variables are left out: environment variables are set where the model is run"
            yield Notice(code="key-ignored", message=message, where=f"{file}: variables")
        elif key not in _KNOWN_KEYS:
            message = f"the key {quote(key)} is no part of a conda environment, and left out"
            yield Notice(code="key-ignored", message=message, where=file)


def _channels(value: Value, found: CondaFile) -> Iterator[str]:
    items = value if isinstance(value, list) else [value]
    for position, item in enumerate(items):
        if isinstance(item, str):
            yield item
        elif item is not None:
            origin = Origin(side="model", file=found.name, position=f"channels[{position}]")
            found.bad.append(_not_text(origin, item, "the name or address of a channel"))


class _Reading:
    """The list of dependencies on its way into a ``CondaFile``."""

    def __init__(self, found: CondaFile, document: Document) -> None:
        self._found = found
        self._document = document
        self.pythons: list[tuple[CondaRequirement, int]] = []

    def dependencies(self, value: Value) -> None:
        if value is None:
            return
        if not isinstance(value, list):
            origin = Origin(side="model", file=self._found.name, position="dependencies")
            self._found.bad.append(_not_text(origin, value, "a list"))
            return
        for position, item in enumerate(value):
            self._dependency(item, position)

    def _dependency(self, item: Value, position: int) -> None:
        line = self._document.line("dependencies", position)
        origin = self._origin(f"dependencies[{position}]")
        match item:
            case str():
                self._package(item, origin, line)
            case None:
                self._note_empty(origin)
            case dict():
                for key, section in item.items():
                    self._section(key, section, position)
            case _:  # a list
                self._found.bad.append(_not_text(origin, item, "a package", line))

    def _package(self, text: str, origin: Origin, line: int) -> None:
        if text.lstrip().startswith("#"):
            return
        try:
            package = parse_match_spec(text, origin=origin)
        except EntryError as error:
            bad = BadEntry(origin=origin, text=text, problem=str(error), line=line)
            self._found.bad.append(bad)
            return
        if package.name == "python":
            self.pythons.append((package, line))
        elif package.name in TOOLS:
            self._found.tools.append(package)
        else:
            self._found.conda.append(package)

    def _section(self, key: str, section: Value, position: int) -> None:
        line = self._document.line("dependencies", position)
        if key != "pip":
            origin = self._origin(f"dependencies[{position}]")
            problem = "expected a package or 'pip:' with a list"
            self._found.bad.append(BadEntry(origin=origin, text=key, problem=problem, line=line))
        elif isinstance(section, list):
            for index, item in enumerate(section):
                line = self._document.line("dependencies", position, "pip", index)
                self._pip_entry(item, self._origin(f"dependencies[{position}].pip[{index}]"), line)
        elif section is not None:
            origin = self._origin(f"dependencies[{position}].pip")
            self._found.bad.append(_not_text(origin, section, "a list", line))

    def _pip_entry(self, item: Value, origin: Origin, line: int) -> None:
        if item is None:
            self._note_empty(origin)
        elif not isinstance(item, str):
            self._found.bad.append(_not_text(origin, item, "a requirement (in quotes?)", line))
        else:
            for _, entry in logical_lines(item):
                self._found.has_pip_section = True
                self._found.pip.read_line(entry, origin, line=line)

    def _note_empty(self, origin: Origin) -> None:
        message = "an empty entry is left out"
        self._found.notices.append(
            Notice(code="entry-ignored", message=message, where=str(origin), level="note")
        )

    def _origin(self, position: str) -> Origin:
        return Origin(side="model", file=self._found.name, position=position)


def _python(pythons: list[tuple[CondaRequirement, int]], found: CondaFile) -> PythonRequest | None:
    """All the lines that speak of Python as one request, at the place of the first."""
    specifier = SpecifierSet()
    for package, line in pythons:
        try:
            specifier &= python_specifier(package)
        except EntryError as error:
            found.bad.append(
                BadEntry(origin=package.origin, text=package.text, problem=str(error), line=line)
            )
    if not pythons:
        return None
    first = pythons[0][0]
    for package, _ in pythons:
        if package.version.startswith("==") and package.version.count(".") == 1:
            version = package.version[2:]
            message = f"this is exactly Python {version}.0; any {version} would be python={version}"
            where = str(package.origin)
            found.notices.append(Notice(code="python-exact", message=message, where=where))
    text = ", ".join(package.text for package, _ in pythons)
    return PythonRequest(specifier=specifier, text=text, origin=first.origin)


def _not_text(origin: Origin, value: Value, expected: str, line: int = 0) -> BadEntry:
    text = value if isinstance(value, str) else ", ".join(map(str, value or ()))
    return BadEntry(
        origin=origin, text=text, problem=f"expected {expected}, got {kind_of(value)}", line=line
    )
