"""Contexts by hand: a folder with lock files, without resolving anything."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from packaging.pylock import Pylock
from packaging.version import Version

from envbuild.emit.lockfiles import lock_name, pylock_text
from envbuild.fs import sha256_bytes
from envbuild.locking.canonical import PlatformLock
from envbuild.locking.context import Context, read_context
from envbuild.locking.header import Header, Serving
from envbuild.platforms import Target, parse_platform

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["SERVING", "context_of", "lock_of"]

CARRIED = {
    "Dockerfile": "FROM python:3.11-slim\n",
    ".dockerignore": "*\n!wheels\n",
    "score.py": "def init():\n    pass\n",
    "azureml/environment.yml": "name: spam\n",
}
SERVING = Serving(kind="online", script="score.py")


def lock_of(
    packages: str,
    *,
    python: str = "3.11.7",
    platform: str = "linux-64",
    glibc: tuple[int, int] = (2, 36),
) -> PlatformLock:
    """A platform's lock from the packages of a pylock, as TOML."""
    target = Target(python=Version(python), platform=parse_platform(platform), glibc=glibc)
    head = 'lock-version = "1.0"\ncreated-by = "envbuild"\n'
    head = head if "[[packages]]" in packages else f"{head}packages = []\n"
    pylock = Pylock.from_dict(tomllib.loads(f"{head}{packages}"))
    return PlatformLock(target=target, pylock=pylock, to_build=(), resolver="uv 0.13.9")


def context_of(
    folder: Path,
    *locks: PlatformLock,
    files: Mapping[str, str | bytes] | None = None,
    serving: Serving = SERVING,
    runtime: str = "pip",
) -> Context:
    """Write a context with these locks, and ``files`` beside what every context has; read back."""
    every = {**CARRIED, **(files or {})}
    data = {name: text.encode() if isinstance(text, str) else text for name, text in every.items()}
    for name, content in data.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    platforms = tuple(sorted(lock.target.platform.name for lock in locks))
    for lock in locks:
        digests = {name: sha256_bytes(data[name]) for name in sorted(data)}
        header = replace(_header(lock, platforms, digests, serving), runtime=runtime)
        name = lock_name(lock.target.platform.name, platforms)
        (folder / name).write_text(pylock_text(header, lock.pylock))
    return read_context(folder)


def _header(
    lock: PlatformLock, platforms: Iterable[str], files: Mapping[str, str], serving: Serving
) -> Header:
    return Header(
        version="0.1.0",
        model="spam",
        server="azureml-online",
        runtime="pip",
        target=lock.target,
        platforms=tuple(platforms),
        resolver=lock.resolver,
        base_image="python:3.11-slim",
        input_digest="0" * 64,
        inputs=("conda.yaml: spam==1.0",),
        serving=serving,
        files=files,
    )
