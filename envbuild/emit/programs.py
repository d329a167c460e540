"""The programs of a bundle: what they are called in it, and what is filled in."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files

from envbuild.emit.content import Entry
from envbuild.errors import LockFileError
from envbuild.locking.canonical import PlatformLock

__all__ = ["program_files"]


def program_files(locks: Mapping[str, PlatformLock]) -> Mapping[str, Entry]:
    """install.sh, which names the Python that it looks for, and what it starts.

    Raises:
        LockFileError: platforms with different Pythons.
    """
    minors = sorted({lock.target.python_minor for lock in locks.values()})
    if len(minors) > 1:
        raise LockFileError("the platforms of the context have different Pythons")
    python = ".".join(str(part) for part in minors[0])
    conda = any(lock.conda for lock in locks.values())
    folder = files("envbuild.emit.bundle_files")
    shell = folder.joinpath("install_conda.sh" if conda else "install.sh").read_text("utf-8")
    programs = ("install.py", "create_prefix.py") if conda else ("install.py",)
    return {
        "install.sh": Entry.of_bytes(shell.replace("@PYTHON@", python).encode(), executable=True),
        **{name: Entry.of_bytes(folder.joinpath(name).read_bytes()) for name in programs},
    }
