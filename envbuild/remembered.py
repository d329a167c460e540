"""Results that are used again for the very same object: those of the last few, and no more.

For values that are equal only at a price (a lock of a hundred packages), which many models share.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

__all__ = ["Remembered"]

_Object = TypeVar("_Object")
_Result = TypeVar("_Result")


@dataclass(slots=True, kw_only=True)
class Remembered(Generic[_Object, _Result]):
    """By the identity of an object that nobody changes, and what else the result depends on."""

    most: int = 8
    # The object is kept with its result: as long as it lives, nothing else has its identity.
    _known: dict[tuple[int, Hashable], tuple[_Object, _Result]] = field(default_factory=dict)

    def find(self, of: _Object, depends_on: Hashable = ()) -> _Result | None:
        """The result that was kept, or None."""
        found = self._known.get((id(of), depends_on))
        return found[1] if found else None

    def keep(self, of: _Object, result: _Result, depends_on: Hashable = ()) -> _Result:
        """Keep ``result``, and give it back."""
        self._known[id(of), depends_on] = (of, result)
        for key in tuple(self._known)[: -self.most]:
            self._known.pop(key, None)
        return result
