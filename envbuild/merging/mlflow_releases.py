"""What releases of MLflow need, cannot stand and bring, where they do not say it themselves."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name

from envbuild.entries.requirements import PipRequirement
from envbuild.origins import Origin
from envbuild.tables import read_table

__all__ = [
    "MLFLOW",
    "SKINNY",
    "ReleaseRule",
    "bounds_for",
    "brought_by",
    "has_skinny",
    "is_within",
    "needs_of",
    "shares_files",
]

MLFLOW = canonicalize_name("mlflow")
SKINNY = canonicalize_name("mlflow-skinny")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseRule:
    """What holds of the MLflow releases in ``releases``."""

    releases: SpecifierSet
    requirements: tuple[PipRequirement, ...]
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    skinny_since: str
    requires_skinny_since: str
    brings: Mapping[NormalizedName, str]  # the first release that does
    needs: tuple[ReleaseRule, ...]
    bounds: tuple[ReleaseRule, ...]


def needs_of(mlflow: SpecifierSet) -> tuple[ReleaseRule, ...]:
    """Requirements that every release in ``mlflow`` has without saying so."""
    return _certain(_load().needs, mlflow)


def bounds_for(mlflow: SpecifierSet) -> tuple[ReleaseRule, ...]:
    """Bounds on other packages that every release in ``mlflow`` has without saying so."""
    return _certain(_load().bounds, mlflow)


def brought_by(mlflow: SpecifierSet) -> frozenset[NormalizedName]:
    """The packages that every release of full mlflow in ``mlflow`` brings, and skinny does not."""
    return frozenset(
        name for name, since in _load().brings.items() if is_within(mlflow, f">={since}")
    )


def has_skinny(mlflow: SpecifierSet) -> bool:
    """Whether some release in ``mlflow`` exists as mlflow-skinny."""
    return not (mlflow & SpecifierSet(f">={_load().skinny_since}")).is_unsatisfiable()


def shares_files(mlflow: SpecifierSet) -> bool:
    """Whether every release in ``mlflow`` has the same files as its mlflow-skinny, unsaid."""
    table = _load()
    return is_within(mlflow, f">={table.skinny_since},<{table.requires_skinny_since}")


def _certain(rules: Iterable[ReleaseRule], mlflow: SpecifierSet) -> tuple[ReleaseRule, ...]:
    return tuple(rule for rule in rules if is_within(mlflow, str(rule.releases)))


def is_within(versions: SpecifierSet, releases: str) -> bool:
    """Whether every version in ``versions`` is in the range ``releases`` (of ``>=`` and ``<``).

    Of versions that contradict each other nothing is certain.
    """
    opposite = {">=": "<", "<": ">="}
    return not versions.is_unsatisfiable() and all(
        (versions & SpecifierSet(f"{opposite[bound.operator]}{bound.version}")).is_unsatisfiable()
        for bound in SpecifierSet(releases)
    )


@functools.cache
def _load() -> _Table:
    table = read_table("mlflow")
    brings = {canonicalize_name(name): since for name, since in table["brings"].items()}
    return _Table(
        skinny_since=table["skinny-since"],
        requires_skinny_since=table["requires-skinny-since"],
        brings=MappingProxyType(brings),
        needs=tuple(map(_rule, table["needs"])),
        bounds=tuple(map(_rule, table["bounds"])),
    )


def _rule(row: Mapping[str, Any]) -> ReleaseRule:
    releases = SpecifierSet(row["mlflow"])
    origin = Origin(side="record", file="mlflow", position=f"releases {releases}")
    return ReleaseRule(
        releases=releases,
        requirements=tuple(_requirement(text, origin) for text in row["packages"]),
        reason=row["reason"],
    )


def _requirement(text: str, origin: Origin) -> PipRequirement:
    parsed = Requirement(text)
    return PipRequirement(
        name=canonicalize_name(parsed.name),
        origin=origin,
        text=text,
        specifier=parsed.specifier,
        marker=parsed.marker,
    )
