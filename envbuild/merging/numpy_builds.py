"""Releases that do not load with a newer numpy, and do not say so themselves."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

from envbuild.entries.requirements import PipRequirement
from envbuild.merging.contradictions import intersection
from envbuild.merging.mlflow_releases import is_within
from envbuild.origins import Origin
from envbuild.tables import read_table

__all__ = ["numpy_bounds"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rule:
    bound: Requirement
    before: Mapping[NormalizedName, str]  # the first release that needs no such bound


def numpy_bounds(requirements: Iterable[PipRequirement]) -> Iterator[PipRequirement]:
    """Bounds on numpy of releases that are certain to be taken."""
    entries = tuple(requirements)
    for rule in _load():
        for name, loads_since in rule.before.items():
            own = [entry for entry in entries if entry.name == name]
            if own and is_within(intersection(own), f"<{loads_since}"):
                yield PipRequirement(
                    name=canonicalize_name(rule.bound.name),
                    origin=Origin(side="record", file=name, position=f"releases <{loads_since}"),
                    text=str(rule.bound),
                    specifier=rule.bound.specifier,
                    marker=rule.bound.marker,
                )


@functools.cache
def _load() -> tuple[_Rule, ...]:
    return tuple(
        _Rule(
            bound=Requirement(row["bound"]),
            before=MappingProxyType(
                {canonicalize_name(name): since for name, since in row["before"].items()}
            ),
        )
        for row in read_table("numpy")["rules"]
    )
