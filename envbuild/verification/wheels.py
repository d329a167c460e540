"""Whether a bundle has a wheel for every locked package, and whether it runs on the target."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from packaging.pylock import Package, PackageWheel
from packaging.tags import Tag
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from envbuild.emit.bundle_files import install
from envbuild.locking.context import Context
from envbuild.verification.report import StepResult, failed, passed

__all__ = ["STEP", "check_wheels"]

STEP = "wheels fit"


def check_wheels(context: Context, folder: Path) -> StepResult:
    """Every locked package has one wheel, in the bundle, of the locked hash, for the target.

    The hashes are compared with SHA256SUMS, which the files were held against before.
    """
    sums = install.read_sums(str(folder))
    problems: list[str] = []
    counts: list[str] = []
    for name, lock in sorted(context.locks.items()):
        tags = frozenset(lock.target.tags())
        for package in lock.pylock.packages:
            problems += [f"{name}: {line}" for line in _problems(package, sums, tags)]
        counts.append(f"{len(lock.pylock.packages)} for Python {lock.target.python} on {name}")
    if problems:
        return failed(STEP, f"{len(problems)} packages have no wheel that fits", *problems)
    return passed(STEP, ", ".join(counts))


def _problems(package: Package, sums: Mapping[str, str], tags: frozenset[Tag]) -> Iterator[str]:
    wheels = package.wheels or ()
    if len(wheels) != 1:
        yield f"{package.name}: {len(wheels)} wheels in the lock, expected one"
        return
    wheel = wheels[0]
    path = wheel.path or ""
    if path not in sums:
        yield f"{package.name}: {path or 'the wheel'} is not in the bundle"
    elif wheel.hashes.get("sha256") != sums[path]:
        yield f"{package.name}: {path} has sha256 {sums[path]}, the lock another"
    elif not _tags_of(wheel) & tags:
        yield f"{package.name}: {path} does not run on the target"


def _tags_of(wheel: PackageWheel) -> frozenset[Tag]:
    try:
        return parse_wheel_filename(wheel.filename)[3]
    except InvalidWheelFilename:
        return frozenset()
