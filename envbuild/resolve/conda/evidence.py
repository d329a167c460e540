"""What a conda package itself says it holds, where the package is at hand."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from envbuild.fs import sha256_file
from envbuild.resolve.conda.interface import CondaPackage
from envbuild.resolve.conda.provided import Evidence

__all__ = ["find_evidence"]

_DIST_INFO = re.compile(
    r"(?:^|/)site-packages/([^/-]+)-([^/-]+)(?:-py[\d.]+)?\.(?:dist|egg)-info/(?:METADATA|PKG-INFO)$"
)


def find_evidence(packages: Iterable[CondaPackage]) -> Evidence:
    """The distributions in each package of a ``file://`` channel; the others are left out.

    Only what belongs to the inputs is looked at, not what happens to lie in a cache: a lock must
    not depend on what was locked before. A file that is not what was locked tells nothing.
    """
    found: dict[str, tuple[tuple[str, str], ...]] = {}
    for package in packages:
        if (path := _local(package)) is not None:
            found[package.name] = _dist_infos(path)
    return found


def _local(package: CondaPackage) -> Path | None:
    parts = urlsplit(package.url)
    if parts.scheme != "file":
        return None
    path = Path(url2pathname(parts.path))
    if not path.is_file() or sha256_file(path) != package.sha256:
        return None
    return path


def _dist_infos(path: Path) -> tuple[tuple[str, str], ...]:
    """Read off the list of files that every conda package carries; nothing is unpacked."""
    from rattler import PathsJson

    listed = (str(entry.relative_path) for entry in PathsJson.from_package_archive(path).paths)
    matches = (_DIST_INFO.search(name) for name in listed)
    return tuple(sorted({(match[1], match[2]) for match in matches if match}))
