"""Contexts with a conda part by hand, from what a channel gives for some specs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from envbuild.emit.conda_files import conda_lock_text, explicit_name, explicit_text
from envbuild.locking.canonical import PlatformLock
from envbuild.locking.context import Context
from envbuild.locking.header import CONDA_LOCK, Serving
from envbuild.resolve.conda.interface import CondaPackage
from tests.support.conda_channel import Channel
from tests.support.conda_installing import solve_from
from tests.support.contexts import SERVING, context_of, lock_of

__all__ = ["MIXED", "conda_context", "conda_lock"]

MIXED = ("python 3.11.*", "pip", "spam-native", "greet")
"""Python, a native library with what loads it, and a noarch package with a program."""


def conda_lock(
    channel: Channel, specs: Sequence[str], *pip: str, address: str = "", glibc: str = "2.17"
) -> PlatformLock:
    """What the channel gives for ``specs``, with these packages of a pylock on top.

    ``address`` is where the packages are to be fetched, if not from the folder.
    """
    names = [record.file_name for record in solve_from(channel.address, *specs, glibc=glibc)]
    packages = tuple(channel.find(name).locked(address or channel.address) for name in names)
    major, minor = glibc.split(".")
    lock = lock_of("".join(pip), python=_python(packages), glibc=(int(major), int(minor)))
    return replace(lock, conda=packages)


def conda_context(
    folder: Path,
    lock: PlatformLock,
    *,
    serving: Serving = SERVING,
    files: Mapping[str, str] | None = None,
) -> Context:
    """A written context with this lock, and ``files`` beside what every context has; read back."""
    channels = sorted({package.channel for package in lock.conda})
    name = explicit_name(lock.target.platform.name)
    written = {
        **(files or {}),
        name: explicit_text(lock),
        CONDA_LOCK: conda_lock_text([lock], channels=channels, input_digest="0" * 64),
    }
    return context_of(folder, lock, files=written, serving=serving, runtime="conda")


def _python(packages: Sequence[CondaPackage]) -> str:
    return next(package.version for package in packages if package.name == "python")
