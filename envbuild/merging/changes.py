"""What a plan does to what the model asked for; a lock keeps it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Change"]

_WARNED_OF = frozenset({"dropped", "older-server", "relaxed"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Something a plan does to what the model asked for.

    ``kind``: ``filled-in``, ``swapped``, ``added``, ``older-server``, ``relaxed``, ``renamed``,
    ``dropped``.
    """

    kind: str
    name: str
    before: str
    after: str
    reason: str
    origin: str

    @property
    def level(self) -> Literal["note", "warning"]:
        """``warning`` where something is given up, ``note`` where it is only said otherwise."""
        return "warning" if self.kind in _WARNED_OF else "note"
