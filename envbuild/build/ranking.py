"""Wheels by how well they fit a target: the order of its tags (PEP 425)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from packaging.pylock import PackageWheel
from packaging.tags import Tag
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from envbuild.platforms import Target

__all__ = ["WheelRanking"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelRanking:
    """The place of each of the target's tags, 0 for the most specific."""

    places: Mapping[Tag, int]

    @classmethod
    def of(cls, target: Target) -> WheelRanking:
        """The ranking of ``target``."""
        return cls(places={tag: place for place, tag in reversed(list(enumerate(target.tags())))})

    def place(self, file: str) -> int | None:
        """The place of a wheel by its file name, None where it does not run on the target."""
        try:
            tags = parse_wheel_filename(file)[3]
        except InvalidWheelFilename:
            return None
        return min((self.places[tag] for tag in tags if tag in self.places), default=None)

    def best(self, wheels: Sequence[PackageWheel]) -> PackageWheel | None:
        """The wheel that fits best; of equals the first by name."""
        ranked = [
            (place, wheel.filename, wheel)
            for wheel in wheels
            if (place := self.place(wheel.filename)) is not None
        ]
        return min(ranked, key=lambda entry: entry[:2])[2] if ranked else None
