"""Which versions an advisory hits: the evaluation algorithm of the OSV schema. Pure.

Source: https://ossf.github.io/osv-schema/ ("Evaluation", fields ``affected``); for the ecosystem
PyPI, whose names are normalized as PEP 503 says and whose versions are ordered as PEP 440 says.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import InvalidVersion, Version

from envbuild.errors import UsageError

__all__ = ["Advisory", "Affected", "parse_advisories"]

_ECOSYSTEM = "PyPI"
_OF_VERSIONS = {"ECOSYSTEM", "SEMVER"}  # the commits of GIT say nothing about releases
_FROM_THE_START = "0"  # of ``introduced``: before any version
_SCHEMA = "a JSON file of the OSV schema, as https://osv.dev publishes it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A point of a range: ``kind`` is ``introduced``, ``fixed``, ``last_affected`` or ``limit``.

    ``version`` None is the start of everything.
    """

    kind: str
    version: Version | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Affected:
    """What an advisory says of one package: versions that are hit by name, and ranges of them."""

    name: NormalizedName
    versions: frozenset[str] = frozenset()  # normalized where they are PEP 440
    ranges: tuple[tuple[Event, ...], ...] = ()

    def hits(self, version: Version) -> bool:
        """Whether ``version`` is affected; a local one (``1.0+cu118``) as what it was built of."""
        public = Version(version.public)
        return not self.versions.isdisjoint({str(version), str(public)}) or any(
            _in_range(public, events) for events in self.ranges
        )

    def fixed_in(self, version: Version) -> Version | None:
        """The first release after ``version`` that mends it, where the advisory names one."""
        fixes = [
            event.version
            for events in self.ranges
            for event in events
            if event.kind == "fixed" and event.version is not None and event.version > version
        ]
        return min((fix for fix in fixes if not self.hits(fix)), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Advisory:
    """One advisory: ``aliases`` are its other names, such as a CVE."""

    id: str
    summary: str = ""
    aliases: tuple[str, ...] = ()
    affected: tuple[Affected, ...] = ()


def parse_advisories(text: str, *, where: str) -> tuple[Advisory, ...]:
    """The advisories in a file: one, a list of them, or the ``vulns`` of an answer of osv.dev.

    Those that were withdrawn and those of other ecosystems are left out.

    Raises:
        UsageError: not JSON, or not of that schema.
    """
    try:
        document = json.loads(text)
    except ValueError as error:
        raise UsageError(f"not JSON: {error}", where=where, remedy=_SCHEMA) from error
    entries = document.get("vulns", [document]) if isinstance(document, dict) else document
    if not isinstance(entries, list):
        raise UsageError("no advisories in it", where=where, remedy=_SCHEMA)
    found: list[Advisory] = []
    for position, entry in enumerate(entries):
        try:
            if not entry.get("withdrawn"):
                found.append(_advisory(entry))
        except (AttributeError, KeyError, TypeError, InvalidVersion) as error:
            raise UsageError(
                f"advisory {position + 1} is not of the OSV schema: {error!r}",
                where=where,
                remedy=_SCHEMA,
            ) from error
    return tuple(one for one in found if one.affected)


def _advisory(entry: Mapping[str, Any]) -> Advisory:
    return Advisory(
        id=str(entry["id"]),
        summary=str(entry.get("summary", "")),
        aliases=tuple(map(str, entry.get("aliases") or ())),
        affected=tuple(_affected(entry["affected"])),
    )


def _affected(entries: Iterable[Mapping[str, Any]]) -> Iterator[Affected]:
    for entry in entries:
        package = entry.get("package") or {}
        # "PyPI", perhaps with a suffix after a colon.
        if str(package.get("ecosystem", "")).partition(":")[0] != _ECOSYSTEM:
            continue
        yield Affected(
            name=canonicalize_name(package["name"]),
            versions=frozenset(_normalized(text) for text in entry.get("versions") or ()),
            ranges=tuple(
                tuple(_events(one["events"]))
                for one in entry.get("ranges") or ()
                if one["type"] in _OF_VERSIONS
            ),
        )


def _events(entries: Iterable[Mapping[str, str]]) -> Iterator[Event]:
    for entry in entries:
        for kind, text in entry.items():
            start = kind == "introduced" and text == _FROM_THE_START
            # "limit": "*" stands for no limit.
            if kind == "limit" and text == "*":
                continue
            yield Event(kind=kind, version=None if start else Version(text))


def _normalized(text: str) -> str:
    try:
        return str(Version(text))
    except InvalidVersion:
        return text


def _in_range(version: Version, events: tuple[Event, ...]) -> bool:
    limits = [one.version for one in events if one.kind == "limit" and one.version is not None]
    if limits and not any(version < limit for limit in limits):
        return False
    vulnerable = False
    for event in sorted(events, key=_order):
        match event.kind:
            case "introduced" if event.version is None or version >= event.version:
                vulnerable = True
            case "fixed" if event.version is not None and version >= event.version:
                vulnerable = False
            case "last_affected" if event.version is not None and version > event.version:
                vulnerable = False
            case _:
                pass
    return vulnerable


def _order(event: Event) -> tuple[bool, Version, bool]:
    """The start of everything first; of one version, what is mended before what begins."""
    version = event.version or Version("0.dev0")
    return (event.version is not None, version, event.kind == "introduced")
