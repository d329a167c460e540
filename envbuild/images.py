"""What is known of base images without asking a registry: their C library."""

from __future__ import annotations

import functools
import sys
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from envbuild.errors import RuntimeUnsupportedError
from envbuild.platforms import DEFAULT_GLIBC

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["glibc_floor"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Images:
    musl: tuple[str, ...]
    glibc: tuple[tuple[str, tuple[int, int]], ...]  # pattern, version


def glibc_floor(image: str) -> tuple[int, int]:
    """The glibc that wheels for ``image`` may ask for.

    The default floor where the name does not tell: what it runs on may be newer, not older.

    Raises:
        RuntimeUnsupportedError: an image without glibc (Alpine).
    """
    if not image:
        return DEFAULT_GLIBC
    name = image.partition("@")[0].lower()
    table = _load()
    if any(fnmatchcase(name, pattern) for pattern in table.musl):
        raise RuntimeUnsupportedError(
            f"{image} has musl instead of glibc, for which few packages have wheels",
            where="--base-image",
            remedy="an image on Debian or Ubuntu, such as python:3.11-slim",
        )
    known = (version for pattern, version in table.glibc if fnmatchcase(name, pattern))
    return next(known, DEFAULT_GLIBC)


@functools.cache
def _load() -> _Images:
    text = (Path(__file__).parent / "data" / "images.toml").read_text(encoding="utf-8")
    table = tomllib.loads(text)
    return _Images(
        musl=tuple(table["musl"]),
        glibc=tuple(
            (pattern, _version(row["version"]))
            for row in table["glibc"]
            for pattern in row["match"]
        ),
    )


def _version(text: str) -> tuple[int, int]:
    major, minor = text.split(".")
    return int(major), int(minor)
