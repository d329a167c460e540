"""What is known of base images without asking a registry: their C library."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase

from envbuild.errors import RuntimeUnsupportedError
from envbuild.platforms import DEFAULT_GLIBC
from envbuild.tables import read_table

__all__ = ["conda_base_image", "conda_builder_image", "cuda_release", "glibc_floor"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Images:
    musl: tuple[str, ...]
    glibc: tuple[tuple[str, tuple[int, int]], ...]  # pattern, version
    conda_base: str
    conda_builder: str
    cuda: tuple[tuple[tuple[int, int], str], ...]  # release, image; the oldest first


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


def conda_base_image(cuda: str = "") -> str:
    """The base of an environment with a Python of its own; ``cuda`` is ``12.4``, or empty.

    A release of CUDA that no image is known for gets the plain base: the environment has all but
    the driver, which is the host's.
    """
    table = _load()
    if not cuda:
        return table.conda_base
    wanted = _version(cuda)
    same = [(release, image) for release, image in table.cuda if release[0] == wanted[0]]
    fitting = [image for release, image in same if release <= wanted]
    return fitting[-1] if fitting else next((image for _, image in same), table.conda_base)


def conda_builder_image() -> str:
    """The image that makes a conda environment from channels."""
    return _load().conda_builder


def cuda_release(image: str) -> str:
    """``12.4`` of ``nvidia/cuda:12.4.1-base-ubuntu22.04``; empty for an image without CUDA."""
    found = re.search(r"cuda[:/-]?v?(\d+\.\d+)", image.partition("@")[0].lower())
    return found[1] if found else ""


@functools.cache
def _load() -> _Images:
    table = read_table("images")
    return _Images(
        musl=tuple(table["musl"]),
        glibc=tuple(
            (pattern, _version(row["version"]))
            for row in table["glibc"]
            for pattern in row["match"]
        ),
        conda_base=table["conda"]["base"],
        conda_builder=table["conda"]["builder"],
        cuda=tuple(
            sorted((_version(row["release"]), row["image"]) for row in table["conda"]["cuda"])
        ),
    )


def _version(text: str) -> tuple[int, int]:
    major, minor = text.split(".")[:2]
    return int(major), int(minor)
