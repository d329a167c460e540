"""The user's options for the conda part, read into what its solver takes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from envbuild.errors import UsageError
from envbuild.images import cuda_release
from envbuild.options import LockOptions
from envbuild.redact import quote
from envbuild.resolve.conda.interface import CondaOptions

__all__ = ["conda_options"]

_VIRTUAL = re.compile(r"__[a-z0-9_]+")


def conda_options(options: LockOptions, *, cwd: Path) -> CondaOptions:
    """What ``options`` say of the conda part; a base image for CUDA says that there is ``__cuda``.

    Raises:
        UsageError: a value that is no NAME=VALUE, or a program that is not there.
    """
    problems: list[str] = []
    virtual = tuple(_pairs(options.virtual_packages, "--virtual-package", "__cuda=12.4", problems))
    channels = tuple(
        _pairs(options.channel_map, "--channel-map", "conda-forge=https://host/forge", problems)
    )
    problems += [
        f"--virtual-package {name}: expected a name that begins with two underscores"
        for name, _ in virtual
        if not _VIRTUAL.fullmatch(name)
    ]
    if (cuda := cuda_release(options.base_image)) and "__cuda" not in dict(virtual):
        virtual = (*virtual, ("__cuda", cuda))
    if problems:
        raise UsageError("options of the conda part cannot be understood", details=problems)
    return CondaOptions(
        conda_exe=options.conda_exe and _program(options.conda_exe, cwd),
        channel_alias=options.channel_alias.rstrip("/"),
        channel_map=channels,
        virtual_packages=virtual,
        exclude_newer=options.exclude_newer,
        upgrade=options.upgrade,
        upgrade_packages=options.upgrade_packages,
        cache_dir=options.cache_dir,
        offline=options.offline,
    )


def _pairs(
    values: Iterable[str], option: str, example: str, problems: list[str]
) -> Iterable[tuple[str, str]]:
    for value in values:
        name, equals, rest = value.partition("=")
        if not equals or not name.strip() or not rest.strip():
            problems.append(f"{option}: expected {example}, got {quote(value)}")
        else:
            yield name.strip(), rest.strip()


def _program(given: str, cwd: Path) -> str:
    """A name is looked for on the path by conda-lock; a path is from here, not from there."""
    if "/" not in given:
        return given
    path = (cwd / given).resolve()
    if not path.is_file():
        raise UsageError("there is no such program", where=f"--conda-exe {given}")
    return str(path)
