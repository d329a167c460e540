"""What there is to say of an environment without stopping: names, addresses, versions of Python."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from envbuild.entries.requirements import (
    CondaRequirement,
    IndexOption,
    PipRequirement,
    PythonRequest,
    variables_in,
)
from envbuild.misnamed import Misnamed, load_misnamed
from envbuild.notices import Notice

__all__ = ["remarks_on_names", "remarks_on_python", "remarks_on_variables"]

# Micro releases that stand for a whole minor version where only the minor matters.
_MICROS = range(40)
_MINORS = ("2.6", "2.7", *(f"3.{minor}" for minor in range(40)))
_TOLD_LATER = {"stand-in", "windows", "macos"}  # as a change, for the targets that it concerns


def remarks_on_names(
    pip: Iterable[PipRequirement], conda: Iterable[CondaRequirement]
) -> Iterator[Notice]:
    """Each name that is not the package it is taken for."""
    table = load_misnamed()
    for requirement in pip:
        found = table.get(requirement.name or "")
        if found and not requirement.source and found.kind not in _TOLD_LATER:
            yield _misnamed(found, str(requirement.origin))
    for package in conda:
        found = table.get(canonicalize_name(package.name))
        if found and found.kind in {"windows", "macos"}:
            yield _misnamed(found, str(package.origin))


def remarks_on_python(
    chosen: PythonRequest | None, others: Iterable[PythonRequest]
) -> Iterator[Notice]:
    """That the files and the record do not agree on the minor version."""
    if chosen is None:
        return
    against = [other for other in others if not _agree(chosen, other)]
    if against:
        rest = " and ".join(f"{other.origin.file} has {other.text}" for other in against)
        message = f"{_named(chosen.text)} counts, though {rest}"
        yield Notice(code="python-differs", message=message, where=str(chosen.origin))


def remarks_on_variables(
    pip: Iterable[PipRequirement], options: Iterable[IndexOption]
) -> Iterator[Notice]:
    """Each environment variable of the user that an address of the model asks for.

    The model decides where the value goes, so the user is told.
    """
    for entry in pip:
        yield from _variables(entry.raw_url, str(entry.origin))
    for option in options:
        yield from _variables(option.value, str(option.origin))


def _variables(address: str, where: str) -> Iterator[Notice]:
    if not (names := variables_in(address)):
        return
    host = urlsplit(address).netloc.rpartition("@")[2]
    target = host if host and not variables_in(host) else "the address that it names"
    message = f"the value of {', '.join(names)} goes to {target} when this is locked"
    yield Notice(code="variable-used", message=message, where=where, level="note")


def _misnamed(found: Misnamed, where: str) -> Notice:
    return Notice(
        code="misnamed",
        message=found.explanation(),
        where=where,
        level="note" if found.is_installable else "warning",
    )


def _agree(one: PythonRequest, other: PythonRequest) -> bool:
    return _share_a_minor(one.specifier, other.specifier)


@functools.lru_cache(maxsize=1024)  # few pairs of versions make up thousands of models
def _share_a_minor(one: SpecifierSet, other: SpecifierSet) -> bool:
    """Whether some minor version of Python satisfies both."""
    # Those that are named come first: where both agree, they nearly always agree on one of these.
    named = [".".join(part.version.split(".")[:2]) for part in (*one, *other)]
    minors = dict.fromkeys([*filter(_MINORS.__contains__, named), *_MINORS])
    return any(_allows(one, minor) and _allows(other, minor) for minor in minors)


def _allows(specifier: SpecifierSet, minor: str) -> bool:
    return any(specifier.contains(f"{minor}.{micro}") for micro in _MICROS)


def _named(text: str) -> str:
    return text if text.startswith("python") else f"Python {text}"
