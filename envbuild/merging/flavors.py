"""What MLflow's flavors say of packages: which version wrote the model, what loading imports."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any

from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name

from envbuild.model import Flavor, Model
from envbuild.tables import read_table

__all__ = [
    "FlavorFacts",
    "Need",
    "RecordKey",
    "is_provided",
    "known_flavors",
    "needed_packages",
    "runs_own_code",
]

_PYFUNC = "python_function"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordKey:
    """A setting that holds the version of ``package``.

    It counts where the flavor's settings match ``when`` and the version lies ``within``; with
    ``is_minor`` only the first two parts of the version do.
    """

    key: str
    package: NormalizedName
    when: Mapping[str, str] = field(default_factory=dict)
    within: SpecifierSet = field(default_factory=SpecifierSet)
    is_minor: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """Packages that loading imports where the flavor's settings match ``when``."""

    packages: tuple[NormalizedName, ...]
    when: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlavorFacts:
    """A flavor of the table; ``modules`` are shell patterns of the loader modules that load it."""

    name: str
    modules: tuple[str, ...]
    records: tuple[RecordKey, ...]
    needs: tuple[Need, ...]
    java: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    flavors: Mapping[str, FlavorFacts]
    loaders: Mapping[str, tuple[NormalizedName, ...]]
    alternatives: Mapping[NormalizedName, frozenset[NormalizedName]]


def known_flavors(model: Model, *, loaded: bool) -> Iterator[tuple[Flavor, FlavorFacts]]:
    """The flavors of the model that the table knows, in the order of MLmodel.

    With ``loaded`` only those that the loader module of python_function loads; where MLmodel names
    no loader module, that is all.
    """
    for flavor in model.flavors:
        facts = _load().flavors.get(flavor.name)
        if facts and (not loaded or not model.loader_module or _loads(facts, model.loader_module)):
            yield flavor, facts


def needed_packages(model: Model) -> tuple[NormalizedName, ...]:
    """What loading the model imports beside MLflow, as far as MLmodel tells."""
    names: dict[NormalizedName, None] = {}
    for flavor, facts in known_flavors(model, loaded=True):
        for need in facts.needs:
            if matches(flavor, need.when):
                names |= dict.fromkeys(need.packages)
    for pattern, packages in _load().loaders.items():
        if fnmatchcase(model.loader_module, pattern):
            names |= dict.fromkeys(packages)
    return tuple(names)


def runs_own_code(model: Model) -> bool:
    """Whether loading runs code that nobody but its author knows the imports of."""
    if model.code_paths or not model.loader_module:
        return bool(model.code_paths)
    facts = _load().flavors
    pickled = _loads(facts[_PYFUNC], model.loader_module)
    return pickled or not any(_loads(known, model.loader_module) for known in facts.values())


def is_provided(package: NormalizedName, names: Collection[NormalizedName]) -> bool:
    """Whether one of ``names`` is ``package`` or brings the same modules."""
    return package in names or bool(_load().alternatives.get(package, frozenset()) & set(names))


def matches(flavor: Flavor, when: Mapping[str, str]) -> bool:
    """Whether the settings match the patterns; an empty pattern is for an absent setting."""
    return all(
        fnmatchcase(flavor.settings[key], pattern) if key in flavor.settings else not pattern
        for key, pattern in when.items()
    )


def _loads(facts: FlavorFacts, module: str) -> bool:
    return any(fnmatchcase(module, pattern) for pattern in facts.modules)


@functools.cache
def _load() -> _Table:
    rows = read_table("flavors")
    loaders, alternatives = rows.pop("loaders"), rows.pop("alternatives")
    return _Table(
        flavors=MappingProxyType({name: _facts(name, row) for name, row in rows.items()}),
        loaders=MappingProxyType({module: _names(names) for module, names in loaders.items()}),
        alternatives=MappingProxyType(
            {
                canonicalize_name(name): frozenset(_names(others))
                for name, others in alternatives.items()
            }
        ),
    )


def _facts(name: str, row: Mapping[str, Any]) -> FlavorFacts:
    return FlavorFacts(
        name=name,
        modules=tuple(row["modules"]),
        records=tuple(
            RecordKey(
                key=record["key"],
                package=canonicalize_name(record["package"]),
                when=record.get("when", {}),
                within=SpecifierSet(record.get("within", "")),
                is_minor=record.get("precision") == "minor",
            )
            for record in row["records"]
        ),
        needs=tuple(
            Need(packages=_names(need["packages"]), when=need.get("when", {}))
            for need in row["needs"]
        ),
        java=row.get("java", False),
    )


def _names(names: Collection[str]) -> tuple[NormalizedName, ...]:
    return tuple(canonicalize_name(name) for name in names)
