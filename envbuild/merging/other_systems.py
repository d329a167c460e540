"""Requirements that the target cannot install as they stand, and what means the same there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from packaging.markers import Marker
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName

from envbuild.entries.requirements import PipRequirement
from envbuild.merging.plans import Change, applies
from envbuild.misnamed import Misnamed, load_misnamed
from envbuild.platforms import Target

__all__ = ["adapt"]

_SYSTEMS = {"windows": ("Windows", "win32"), "macos": ("Darwin", "darwin")}


def adapt(
    entries: Iterable[PipRequirement], targets: Sequence[Target]
) -> tuple[tuple[PipRequirement, ...], tuple[Change, ...]]:
    """The requirements as ``targets`` can have them, and the changes.

    A package of another system gives way to what it is called elsewhere, or is left out where there
    is none; ``sklearn``, which no longer installs, to scikit-learn.
    """
    kept: list[PipRequirement] = []
    changes: dict[Change, None] = {}
    for entry in entries:
        found = None if entry.source else load_misnamed().get(entry.name or "")
        if found is None or not _is_out_of_place(found, entry, targets):
            kept.append(entry)
        elif found.instead:
            kept.append(_renamed(entry, found))
            changes[_change("renamed", entry, found, kept[-1].pep508())] = None
        elif any(target.platform.system == _SYSTEMS[found.kind][0] for target in targets):
            kept.append(_marked_off(entry, found))
        else:
            changes[_change("dropped", entry, found, "")] = None
    return tuple(kept), tuple(changes)


def _is_out_of_place(found: Misnamed, entry: PipRequirement, targets: Sequence[Target]) -> bool:
    if found.kind not in _SYSTEMS:
        return found.kind == "stand-in"
    system, _ = _SYSTEMS[found.kind]
    return any(target.platform.system != system and applies(entry, target) for target in targets)


def _renamed(entry: PipRequirement, found: Misnamed) -> PipRequirement:
    specifier = SpecifierSet() if found.kind == "stand-in" else entry.specifier
    other = replace(entry, name=NormalizedName(found.instead), specifier=specifier, hashes=())
    return replace(other, text=other.pep508())


def _marked_off(entry: PipRequirement, found: Misnamed) -> PipRequirement:
    own = f"sys_platform == '{_SYSTEMS[found.kind][1]}'"
    marker = Marker(f"({entry.marker}) and {own}" if entry.marker else own)
    marked = replace(entry, marker=marker)
    return replace(marked, text=marked.pep508())


def _change(kind: str, entry: PipRequirement, found: Misnamed, after: str) -> Change:
    return Change(
        kind=kind,
        name=str(entry.name),
        before=entry.pep508(),
        after=after,
        reason=found.explanation(),
        origin=str(entry.origin),
    )
