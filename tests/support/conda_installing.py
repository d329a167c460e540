"""Solve and install from a channel by py-rattler directly, as an oracle beside our own ways."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from rattler import (
    BuildString,
    GenericVirtualPackage,
    PackageName,
    RepoDataRecord,
    Version,
    install,
    solve,
)

__all__ = ["install_from", "solve_from"]


def solve_from(
    address: str, *specs: str, glibc: str = "2.36", cuda: str = "", subdir: str = "linux-64"
) -> tuple[RepoDataRecord, ...]:
    """The records for these specs, sorted by name."""
    virtual = {"__glibc": glibc, "__cuda": cuda}
    records = asyncio.run(
        solve(
            [address],
            specs,
            platforms=[subdir, "noarch"],  # type: ignore[list-item]
            virtual_packages=[
                GenericVirtualPackage(PackageName(name), Version(version), BuildString("0"))
                for name, version in virtual.items()
                if version
            ],
        )
    )
    return tuple(sorted(records, key=lambda record: record.name.normalized))


def install_from(records: Sequence[RepoDataRecord], prefix: Path, *, cache: Path) -> None:
    """Put packages into a prefix."""
    asyncio.run(install([*records], prefix, cache_dir=cache, show_progress=False))
