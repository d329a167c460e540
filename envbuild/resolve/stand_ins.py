"""Wheels without content that stand for what conda brings, so that no index is asked for it.

An index may not have the version of conda's package at all, or only as source that does not build
here. A resolver that is given the address of such a wheel takes it for the only release there is.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from packaging.pylock import Pylock
from packaging.utils import NormalizedName

from envbuild.entries.requirements import PipRequirement, UrlSource

__all__ = ["is_stand_in", "stand_in_names", "without_stand_ins", "write_stand_ins"]

_FOLDER = "conda"
_EPOCH = (1980, 1, 1, 0, 0, 0)
_WHEEL = "Wheel-Version: 1.0\nGenerator: envbuild\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def is_stand_in(requirement: PipRequirement) -> bool:
    """Whether conda brings it."""
    return requirement.origin.side == "conda"


def stand_in_names(requirements: Iterable[PipRequirement]) -> frozenset[NormalizedName]:
    """The names that conda brings."""
    return frozenset(one.name for one in requirements if is_stand_in(one) and one.name)


def write_stand_ins(
    folder: Path, requirements: Iterable[PipRequirement]
) -> tuple[PipRequirement, ...]:
    """``requirements``, those of conda with the address of their wheel in ``folder``."""
    found: list[PipRequirement] = []
    for one in requirements:
        if is_stand_in(one):
            (clause,) = one.specifier
            name, data = _wheel(str(one.name), clause.version)
            path = folder / _FOLDER / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(data)
            url = path.as_uri()
            one = replace(one, source=UrlSource(url=url), raw_url=url)  # noqa: PLW2901
        found.append(one)
    return tuple(found)


def without_stand_ins(pylock: Pylock, requirements: Iterable[PipRequirement]) -> Pylock:
    """What is left to install: the packages that conda does not bring."""
    names = stand_in_names(requirements)
    return replace(pylock, packages=[one for one in pylock.packages if one.name not in names])


def _wheel(name: str, version: str) -> tuple[str, bytes]:
    stem = f"{name.replace('-', '_')}-{version}"
    members = {
        "METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        "WHEEL": _WHEEL,
        "RECORD": "",
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for member, text in members.items():
            info = zipfile.ZipInfo(f"{stem}.dist-info/{member}", date_time=_EPOCH)
            archive.writestr(info, text)
    return f"{stem}-py3-none-any.whl", buffer.getvalue()
