"""conda packages as requirements from PyPI: names, versions, and what is no Python package."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name

from envbuild.entries.requirements import CondaRequirement, PipRequirement
from envbuild.merging.name_map import NameMap, Verdict
from envbuild.merging.plans import Change
from envbuild.notices import Notice

__all__ = ["Translation", "ambiguous", "pep440", "same_on_pypi", "show", "translate"]

_ATOM = r"(?P<operator>==|!=|<=|>=|~=|=|<|>)(?P<version>[\w.!]+)(?P<star>\.\*)?"
_LOCAL = r"\+[\w.]+"  # of 1.8.1+cu102, which MLflow wrote down for PyTorch


@dataclass(frozen=True, slots=True, kw_only=True)
class Translation:
    """What becomes of conda packages without conda."""

    requirements: tuple[PipRequirement, ...]
    changes: tuple[Change, ...]
    notices: tuple[Notice, ...]


def translate(packages: Iterable[CondaRequirement], names: NameMap) -> Translation:
    """The packages under their PyPI names; libraries and tools are left out, with a change each.

    What PyPI has no words for (builds, alternatives of versions) is left out with a notice.
    """
    requirements: list[PipRequirement] = []
    changes: list[Change] = []
    notices: list[Notice] = []
    for package in packages:
        verdict = names.verdict(package.name)
        if not verdict.names:
            changes.append(_dropped(package))
            continue
        specifier, lost = pep440(package)
        requirement = _requirement(package, verdict.names[0], specifier)
        requirements.append(requirement)
        if requirement.name != canonicalize_name(package.name):
            changes.append(_renamed(package, requirement))
        if verdict.is_ambiguous:
            notices.append(ambiguous(package, verdict))
        if lost:
            notices.append(_lost(package, requirement, lost))
    if requirements:
        notices.append(_summary(requirements))
    return Translation(
        requirements=tuple(requirements), changes=tuple(changes), notices=tuple(notices)
    )


def same_on_pypi(packages: Iterable[CondaRequirement], names: NameMap) -> Translation:
    """What conda packages are on PyPI, for comparing: conda stays what brings them.

    A package that may be several on PyPI stands for each of them.
    """
    requirements = [
        _requirement(package, name, pep440(package)[0])
        for package in packages
        for name in names.verdict(package.name).names
    ]
    return Translation(requirements=tuple(requirements), changes=(), notices=())


def ambiguous(package: CondaRequirement, verdict: Verdict) -> Notice:
    """That the name map leaves open which package of PyPI it is."""
    first, *others = verdict.names
    return Notice(
        code="conda-name-ambiguous",
        message=(
            f"{package.name} may be {' or '.join(verdict.names)} on PyPI;"
            f" it is taken for {first}, --name-map FILE says otherwise"
            f' ({package.name} = "{others[0]}")'
        ),
        where=str(package.origin),
    )


def _requirement(
    package: CondaRequirement, name: NormalizedName, specifier: SpecifierSet
) -> PipRequirement:
    return PipRequirement(
        name=name, origin=package.origin, text=f"{name}{specifier}", specifier=specifier
    )


def pep440(package: CondaRequirement) -> tuple[SpecifierSet, tuple[str, ...]]:
    """The version constraint in PEP 440, and the parts of the package that have no words there."""
    lost = [f"build {package.build}"] if package.build else []
    if not package.version:
        return SpecifierSet(), tuple(lost)
    lost += [f"build {local}" for local in re.findall(_LOCAL, package.version)]
    try:
        atoms = [_atom(re.sub(_LOCAL, "", atom)) for atom in package.version.split(",")]
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
