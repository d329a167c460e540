"""CPython releases on this machine, wherever they come from."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

__all__ = ["SUPPORTED", "find_interpreter", "full_version"]

SUPPORTED = ("3.6", "3.7", "3.8", "3.9", "3.10", "3.11", "3.12", "3.13")
"""The target Pythons that the tests use; a machine that must run every test has them all."""

_WHO = "import sys; print(sys.implementation.name, '%d.%d.%d' % sys.version_info[:3])"


@functools.cache
def find_interpreter(minor: str) -> Path | None:
    """CPython ``minor`` (``3.7``), the newest patch release that pyenv has first, or None."""
    for candidate in _candidates(minor):
        if (version := _identify(candidate)) and version.startswith(f"{minor}."):
            return candidate
    return None


def full_version(interpreter: Path) -> str:
    """``3.7.16`` of an interpreter that ``find_interpreter`` gave."""
    version = _identify(interpreter)
    assert version is not None, interpreter
    return version


def _candidates(minor: str) -> Iterator[Path]:
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    releases = pyenv.glob(f"versions/{minor}.*/bin/python")
    yield from sorted(releases, key=_patch_release, reverse=True)
    if on_path := shutil.which(f"python{minor}"):
        yield Path(on_path)
    if uv := shutil.which("uv"):
        found = _output(uv, "python", "find", "--no-python-downloads", "--no-project", minor)
        if found:
            yield Path(found)


def _patch_release(interpreter: Path) -> int:
    patch = interpreter.parts[-3].rpartition(".")[2]
    return int(patch) if patch.isdigit() else -1


@functools.cache
def _identify(candidate: Path) -> str | None:
    """The version of a CPython that starts; None for another implementation or a dead shim."""
    name, _, version = _output(str(candidate), "-I", "-c", _WHO).partition(" ")
    return version if name == "cpython" else None


def _output(*argv: str) -> str:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
