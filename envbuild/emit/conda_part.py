"""What a conda context has in its bundle beside the wheels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from envbuild.emit.channel import (
    HousedPackage,
    channel_files,
    conda_entries,
    explicit_text,
    house_conda,
    local_lock_text,
    refuse_overlaps,
)
from envbuild.emit.conda_files import explicit_name
from envbuild.emit.content import Content, Entry
from envbuild.emit.own_python import own_python
from envbuild.emit.wheelhouse import HousedWheel
from envbuild.locking.canonical import PlatformLock
from envbuild.locking.header import CONDA_LOCK

__all__ = ["CondaPart"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CondaPart:
    """The conda packages of a bundle, by platform; empty for the pip runtime."""

    locks: Mapping[str, PlatformLock]
    packages: Mapping[str, Sequence[HousedPackage]]
    wheels: Mapping[str, Sequence[HousedWheel]]

    @classmethod
    def of(
        cls,
        locks: Mapping[str, PlatformLock],
        wheels: Mapping[str, Sequence[HousedWheel]],
        fetched: Mapping[str, Path],
    ) -> CondaPart:
        """The conda part of these locks; ``fetched`` is by artefact key.

        Raises:
            IntegrityError: see ``house_conda``.
            LockFileError: see ``refuse_overlaps``.
        """
        conda = {name: lock for name, lock in locks.items() if lock.conda}
        packages = {name: house_conda(lock.conda, fetched) for name, lock in conda.items()}
        for name, lock in conda.items():
            refuse_overlaps(lock, packages[name], wheels[name])
        return cls(locks=conda, packages=packages, wheels=wheels)

    def files(self, carried: Content) -> dict[str, Entry]:
        """The channel, the lists of it, and the Pythons of its own; ``carried`` is the context."""
        if not self.packages:
            return {}
        every = [housed for group in self.packages.values() for housed in group]
        entries = channel_files(every)
        for name, group in self.packages.items():
            entries[explicit_name(name)] = Entry.of_bytes(explicit_text(name, group))
            if own := own_python(self.locks[name], group):
                entries[f"tools/python-{name}.tar"] = own
        if CONDA_LOCK in carried:
            text = carried[CONDA_LOCK].data.decode()
            wheels = [wheel for group in self.wheels.values() for wheel in group]
            entries[CONDA_LOCK] = Entry.of_bytes(local_lock_text(text, every, wheels))
        return entries

    @property
    def entries(self) -> list[dict[str, Any]]:
        """``conda[]`` of the manifest."""
        return conda_entries(self.packages)
