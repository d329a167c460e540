"""conda packages as requirements from PyPI: names, versions, and what is no Python package."""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from types import MappingProxyType

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name

from envbuild.entries.requirements import CondaRequirement, PipRequirement
from envbuild.merging.plans import Change
from envbuild.notices import Notice

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["Translation", "is_native", "show", "translate"]

_ATOM = r"(?P<operator>==|!=|<=|>=|~=|=|<|>)(?P<version>[\w.!+]+)(?P<star>\.\*)?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Translation:
    """What becomes of conda packages without conda."""

    requirements: tuple[PipRequirement, ...]
    changes: tuple[Change, ...]
    notices: tuple[Notice, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Names:
    renamed: Mapping[str, str]
    native: tuple[str, ...]


def translate(packages: Iterable[CondaRequirement]) -> Translation:
    """The packages under their PyPI names; libraries and tools are left out, with a change each.

    What PyPI has no words for (builds, alternatives of versions) is left out with a notice.
    """
    requirements: list[PipRequirement] = []
    changes: list[Change] = []
    notices: list[Notice] = []
    for package in packages:
        if is_native(package.name):
            changes.append(_dropped(package))
            continue
        specifier, lost = _pep440(package)
        requirement = _requirement(package, specifier)
        requirements.append(requirement)
        if requirement.name != canonicalize_name(package.name):
            changes.append(_renamed(package, requirement))
        if lost:
            notices.append(_lost(package, requirement, lost))
    if requirements:
        notices.append(_summary(requirements))
    return Translation(
        requirements=tuple(requirements), changes=tuple(changes), notices=tuple(notices)
    )


def _requirement(package: CondaRequirement, specifier: SpecifierSet) -> PipRequirement:
    name = _pypi_name(package.name)
    return PipRequirement(
        name=name, origin=package.origin, text=f"{name}{specifier}", specifier=specifier
    )


def _pypi_name(name: str) -> NormalizedName:
    return canonicalize_name(_load().renamed.get(name, name))


def is_native(name: str) -> bool:
    """Whether the conda package is a library, tool or interpreter, not a Python package."""
    table = _load()
    return name not in table.renamed and any(fnmatchcase(name, pattern) for pattern in table.native)


def _pep440(package: CondaRequirement) -> tuple[SpecifierSet, tuple[str, ...]]:
    """The version constraint in PEP 440, and the parts of the package that have no words there."""
    lost = [f"build {package.build}"] if package.build else []
    if not package.version:
        return SpecifierSet(), tuple(lost)
    try:
        atoms = [_atom(atom) for atom in package.version.split(",")]
        return SpecifierSet(",".join(atoms)), tuple(lost)
    except InvalidSpecifier:
        return SpecifierSet(), (f"version {package.version}", *lost)


def _atom(atom: str) -> str:
    found = re.fullmatch(_ATOM, atom)
    if not found:
        raise InvalidSpecifier(atom)
    operator, version, star = found["operator"], found["version"], found["star"] or ""
    if operator == "=":  # conda: this version and all that begin with it
        return f"=={version}.*"
    if operator == "~=" and "." not in version:
        return f">={version}"
    return f"{operator}{version}{star}"


def show(package: CondaRequirement) -> str:
    """The package as people know it, without its channel, which may hold a token."""
    build = f"={package.build}" if package.build else ""
    space = " " if package.version[:1].isalnum() else ""  # a glob, which has no operator
    return f"{package.name}{space}{package.version}{build}"


def _dropped(package: CondaRequirement) -> Change:
    return Change(
        kind="dropped",
        name=package.name,
        before=show(package),
        after="",
        reason="no Python package: wheels bring such libraries, or the image has them",
        origin=str(package.origin),
    )


def _renamed(package: CondaRequirement, requirement: PipRequirement) -> Change:
    return Change(
        kind="renamed",
        name=str(requirement.name),
        before=show(package),
        after=requirement.pep508(),
        reason="the same package on PyPI",
        origin=str(package.origin),
    )


def _lost(package: CondaRequirement, requirement: PipRequirement, lost: tuple[str, ...]) -> Notice:
    return Notice(
        code="conda-constraint-lost",
        message=(
            f"{show(package)} becomes {requirement.pep508()}:"
            f" PyPI has no words for {' and '.join(lost)}"
        ),
        where=str(package.origin),
    )


def _summary(requirements: list[PipRequirement]) -> Notice:
    names = ", ".join(sorted({str(requirement.name) for requirement in requirements}))
    return Notice(
        code="conda-as-pip",
        message=f"conda packages are taken from PyPI: {names}",
        where=requirements[0].origin.file,
        level="note",
    )


@functools.cache
def _load() -> _Names:
    text = (Path(__file__).parents[1] / "data" / "conda_names.toml").read_text(encoding="utf-8")
    table = tomllib.loads(text)
    return _Names(
        renamed=MappingProxyType(table["renamed"]), native=tuple(table["native"]["names"])
    )
