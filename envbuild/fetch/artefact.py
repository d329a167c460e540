"""What there is to fetch, apart from how, which takes longer to import."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Artefact"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Artefact:
    """One file of a lock. ``url`` is without credentials; ``size`` in bytes, or None if unknown."""

    name: str  # the package, for messages
    url: str
    sha256: str
    size: int | None = None
