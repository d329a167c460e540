"""The file python_env.yaml, and what a bare version of Python asks for."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from envbuild.entries.requirements import PipRequirement, PythonRequest
from envbuild.entries.requirements_file import BadEntry, EntryReader, logical_lines
from envbuild.errors import ModelError
from envbuild.model import EnvironmentFile, Model
from envbuild.notices import Notice
from envbuild.origins import Origin
from envbuild.reading.yamltext import Value, parse_yaml
from envbuild.redact import quote

__all__ = ["PythonEnv", "parse_python_env", "request_python"]


@dataclass(slots=True, kw_only=True)
class PythonEnv:
    """What python_env.yaml says of the machine that logged the model."""

    name: str
    pip: EntryReader
    python: PythonRequest | None = None
    build_tools: list[PipRequirement] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)


def parse_python_env(file: EnvironmentFile, model: Model) -> PythonEnv:
    """What the file says. It hardly ever counts, so what is wrong with it is a notice;
    dependencies that cannot be understood are in ``pip.bad``.
    """
    found = PythonEnv(name=file.name, pip=EntryReader(model=model, absent_is_noted=True))
    try:
        document = parse_yaml(file.text, where=file.name)
    except ModelError as error:
        found.notices.append(_left_out(file.name, error.problem))
        return found
    root = document.value
    if not isinstance(root, dict):
        found.notices.append(_left_out(file.name, "expected python and dependencies"))
        return found
    found.notices += document.notices
    if isinstance(text := root.get("python"), str):
        origin = Origin(side="model", file=file.name, position="python")
        found.python = request_python(text, origin)
        if found.python is None:
            found.notices.append(_left_out(str(origin), f"{quote(text)} is no version of Python"))
    _read_list(root.get("dependencies"), "dependencies", file.name, found.pip)
    tools = EntryReader()
    _read_list(root.get("build_dependencies"), "build_dependencies", file.name, tools)
    found.build_tools = tools.requirements
    found.notices += [_left_out(str(bad.origin), bad.problem) for bad in tools.bad]
    return found


def request_python(text: str, origin: Origin) -> PythonRequest | None:
    """The request in ``3.8.14``, ``3.9`` (any 3.9), ``3.8.10+`` (of Debian) or ``>=3.8``."""
    stripped = text.strip().removesuffix("+")
    try:
        version = Version(stripped)
        whole = len(version.release) < 3 and re.fullmatch(r"[\d.]+", stripped)
        specifier = SpecifierSet(f"=={version}.*" if whole else f"=={version}")
    except InvalidVersion:
        try:
            specifier = SpecifierSet(stripped)
        except InvalidSpecifier:
            return None
    return PythonRequest(specifier=specifier, text=text, origin=origin)


def _read_list(value: Value, key: str, file: str, reader: EntryReader) -> None:
    for index, item in enumerate(value if isinstance(value, list) else [value]):
        origin = Origin(side="model", file=file, position=f"{key}[{index}]")
        if isinstance(item, str):
            for _, line in logical_lines(item):
                reader.read_line(line, origin)
        elif item is not None:
            reader.bad.append(BadEntry(origin=origin, text=key, problem="expected a requirement"))


def _left_out(where: str, problem: str) -> Notice:
    message = f"cannot be read, and is left out: {problem}"
    return Notice(code="python-env-unreadable", message=message, where=where)
