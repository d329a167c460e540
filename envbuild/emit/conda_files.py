"""The conda part as text: ``conda-lock.yml`` and the ``@EXPLICIT`` list of a platform. Pure.

``conda-lock.yml`` is version 1, as conda-lock's ``lockfile/v1/models.py`` has it: keys that it does
not know are refused there, and micromamba wants a hash on every entry.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import yaml
from packaging.pylock import Package, PackageArchive, PackageSdist, PackageWheel
from packaging.utils import parse_wheel_filename

from envbuild import __version__
from envbuild.locking.canonical import PlatformLock
from envbuild.platforms import Target
from envbuild.resolve.conda.interface import CondaPackage
from envbuild.resolve.conda.lockfile import bare_address

__all__ = ["conda_lock_text", "explicit_name", "explicit_text"]


def explicit_name(platform: str) -> str:
    """The name of a platform's ``@EXPLICIT`` list."""
    return f"conda-{platform}.lock"


def explicit_text(lock: PlatformLock) -> str:
    """What ``conda create --file`` and ``micromamba create --file`` install without solving."""
    platform = lock.target.platform.name
    lines = [
        f"# {len(lock.conda)} conda packages; the pip part is in the requirements file:",
        f"#   conda create --prefix TARGET --file {explicit_name(platform)}",
        f"# platform: {platform}",
        "@EXPLICIT",
        *(f"{package.url}#{_fragment(package)}" for package in lock.conda),
    ]
    return "".join(f"{line}\n" for line in lines)


def conda_lock_text(
    locks: Sequence[PlatformLock], *, channels: Iterable[str], input_digest: str
) -> str:
    """All packages of all platforms, conda's and pip's, each with its hash.

    A pip package that nothing can check by a hash (a repository, a folder) cannot be in it.
    """
    rows = [row for lock in locks for row in (*_conda_rows(lock), *_pip_rows(lock))]
    document = {
        "version": 1,
        "metadata": {
            "content_hash": {lock.target.platform.name: input_digest for lock in locks},
            "channels": [
                {"url": bare_address(channel), "used_env_vars": []} for channel in channels
            ],
            "platforms": [lock.target.platform.name for lock in locks],
            "sources": ["environment.yml"],
            "custom_metadata": {"written_by": f"envbuild {__version__}", "runtime": "conda"},
        },
        "package": rows,
    }
    head = [
        "# Read by conda-lock (conda-lock install --prefix TARGET conda-lock.yml) and micromamba.",
        *(f"# Not in here, since it has no hash: {name}" for name in _left_out(locks)),
    ]
    text: str = yaml.safe_dump(document, sort_keys=False, width=float("inf"), allow_unicode=True)
    return "".join(f"{line}\n" for line in head) + text


def _fragment(package: CondaPackage) -> str:
    # conda's own spelling; conda before 24 and micromamba before 2 know only the md5.
    return package.md5 or f"sha256:{package.sha256}"


def _conda_rows(lock: PlatformLock) -> Iterator[dict[str, Any]]:
    for package in lock.conda:
        yield {
            "name": package.name,
            "version": package.version,
            "manager": "conda",
            "platform": lock.target.platform.name,
            "dependencies": dict(_dependency(text) for text in package.depends),
            "url": package.url,
            # conda-lock insists on the md5 of a conda package, if only an empty one.
            "hash": {"md5": package.md5} | ({"sha256": package.sha256} if package.sha256 else {}),
            "category": "main",
            "optional": False,
        }


def _dependency(text: str) -> tuple[str, str]:
    name, _, version = text.partition(" ")
    return name, version


def _pip_rows(lock: PlatformLock) -> Iterator[dict[str, Any]]:
    for package in lock.pylock.packages:
        artefact = _installed(package, lock.target)
        if artefact is None:
            continue
        yield {
            "name": str(package.name),
            "version": str(package.version or "0"),
            "manager": "pip",
            "platform": lock.target.platform.name,
            "dependencies": {},
            "url": artefact.url or artefact.path or "",
            "hash": {"sha256": artefact.hashes["sha256"]},
            "category": "main",
            "optional": False,
        }


def _installed(
    package: Package, target: Target
) -> PackageWheel | PackageSdist | PackageArchive | None:
    """The one file of a pip package that an installer would take: there is room for one hash."""
    if package.wheels:
        order = {tag: rank for rank, tag in enumerate(target.tags())}
        return min(package.wheels, key=lambda wheel: _rank(wheel, order))
    return package.archive or package.sdist


def _rank(wheel: PackageWheel, order: Mapping[Any, int]) -> tuple[int, str]:
    tags = parse_wheel_filename(wheel.filename)[3]
    return min(order.get(tag, len(order)) for tag in tags), wheel.filename


def _left_out(locks: Iterable[PlatformLock]) -> tuple[str, ...]:
    return tuple(
        dict.fromkeys(
            f"{package.name} ({package.vcs.type if package.vcs else 'a folder of the model'})"
            for lock in locks
            for package in lock.pylock.packages
            if _installed(package, lock.target) is None
        )
    )
