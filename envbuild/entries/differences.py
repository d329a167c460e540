"""What two lists of requirements that should say the same do not agree on."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from envbuild.entries.requirements import PipRequirement

__all__ = ["describe_differences"]

_SHOWN = 5  # names of each kind


def describe_differences(
    kept: Iterable[PipRequirement],
    other: Iterable[PipRequirement],
    *,
    also_kept: Collection[str] = (),
    whole: bool = True,
) -> str:
    """What ``other`` ("here") says otherwise, for people; empty where it says the same.

    ``also_kept`` are names that ``kept`` provides in another way (conda packages). Unless ``other``
    is ``whole``, what it lacks means nothing.
    """
    mine, theirs = _by_name(kept), _by_name(other)
    added = [theirs[name] for name in theirs if name not in mine and name not in also_kept]
    lacking = [mine[name] for name in mine if name not in theirs and whole]
    changed = [
        f"{name} ({_version(mine[name], name)}, here {_version(theirs[name], name)})"
        for name in mine
        if name in theirs and mine[name] != theirs[name]
    ]
    parts = (
        _listing("only here", added),
        _listing("not here", lacking),
        _listing("other versions", changed),
    )
    return "; ".join(filter(None, parts))


def _by_name(requirements: Iterable[PipRequirement]) -> dict[str, str]:
    """Every requirement of a name in one text, the same for the same meaning."""
    found: dict[str, set[str]] = {}
    for requirement in requirements:
        text = requirement.pep508()
        found.setdefault(requirement.name or text, set()).add(text)
    return {name: " and ".join(sorted(texts)) for name, texts in sorted(found.items())}


def _version(text: str, name: str) -> str:
    return text.removeprefix(name).strip() or "any"


def _listing(what: str, items: list[str]) -> str:
    if not items:
        return ""
    more = f" and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
    return f"{what}: {', '.join(items[:_SHOWN])}{more}"
