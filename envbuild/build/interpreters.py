"""Interpreters on this machine that can build for a target. Nothing is downloaded."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import uv
from packaging.version import InvalidVersion, Version

from envbuild.ambient import Ambient
from envbuild.errors import ToolError, UsageError
from envbuild.platforms import DEFAULT_GLIBC, PLATFORMS, Target
from envbuild.process import Runner, plain_environment

__all__ = ["Interpreter", "find_interpreter", "own_interpreter"]

_PROBE = """
import json, os, platform
try:
    libc = os.confstr("CS_GNU_LIBC_VERSION") or ""
except (AttributeError, ValueError, OSError):
    libc = ""
print(json.dumps({
    "libc": libc,
    "version": platform.python_version(),
    "implementation": platform.python_implementation(),
    "system": platform.system(),
    "machine": platform.machine(),
}))
"""
_PROBE_SECONDS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """A CPython: its program, release, and the machine it runs on, in PEP 508's words."""

    exe: Path
    version: Version
    system: str
    machine: str
    libc: str = ""  # "glibc 2.36"

    @property
    def tag(self) -> str:
        """``cp37``."""
        return f"cp{self.version.major}{self.version.minor}"

    def as_target(self) -> Target:
        """This machine with this interpreter, as if it were a target.

        Raises:
            ToolError: a machine that no lock can be for.
        """
        here = (self.system, self.machine)
        platform = next((one for one in PLATFORMS if (one.system, one.machine) == here), None)
        if platform is None:
            raise ToolError(f"nothing can be built on {self.system} {self.machine}")
        glibc = re.fullmatch(r"glibc (\d+)\.(\d+)", self.libc)
        floor = (int(glibc[1]), int(glibc[2])) if glibc else DEFAULT_GLIBC
        # Not above the default, so that newer machines choose the same wheels.
        return Target(python=self.version, platform=platform, glibc=min(floor, DEFAULT_GLIBC))

    def builds_for(self, target: Target) -> bool:
        """Whether its compiled wheels are of the target's kind: same minor release and machine."""
        minor = (self.version.major, self.version.minor)
        here = (self.system, self.machine)
        return minor == target.python_minor and here == (
            target.platform.system,
            target.platform.machine,
        )


def find_interpreter(
    target: Target, *, given: str, ambient: Ambient, runner: Runner
) -> Interpreter | None:
    """The interpreter to build for ``target`` with: ``given``, or the first that fits.

    Asked in turn: pyenv, PATH, uv's own. The target's very release wins over another patch.

    Raises:
        UsageError: ``given`` does not run or is another Python.
    """
    if given:
        return _given(given, target, ambient, runner)
    fitting = []
    for exe in _candidates(target, ambient, runner):
        found = _probe(exe, ambient, runner)
        if found is None or not found.builds_for(target):
            continue
        if found.version == target.python:
            return found
        fitting.append(found)
    return fitting[0] if fitting else None


def own_interpreter(ambient: Ambient, runner: Runner) -> Interpreter:
    """The interpreter that envbuild runs on: good enough where the result is pure Python.

    Raises:
        ToolError: it does not start, which only a broken installation does.
    """
    found = _probe(Path(sys.executable), ambient, runner)
    if found is None:
        raise ToolError(f"{sys.executable} does not run")
    return found


def _given(given: str, target: Target, ambient: Ambient, runner: Runner) -> Interpreter:
    exe = shutil.which(given, path=ambient.environ.get("PATH")) or given
    found = _probe(Path(exe), ambient, runner)
    if found is None:
        raise UsageError(f"{given} is not a CPython that runs", where="--python-exe")
    if not found.builds_for(target):
        raise UsageError(
            f"{given} is Python {found.version} on {found.system} {found.machine}",
            where="--python-exe",
            details=(f"expected Python {target.python} on {target.platform}",),
        )
    return found


def _candidates(target: Target, ambient: Ambient, runner: Runner) -> Iterator[Path]:
    minor = ".".join(str(part) for part in target.python_minor)
    pyenv = Path(ambient.environ.get("PYENV_ROOT") or ambient.home / ".pyenv")
    yield from sorted(pyenv.glob(f"versions/{minor}*/bin/python{minor}"), reverse=True)
    for name in (f"python{minor}", "python3", "python"):
        if exe := shutil.which(name, path=ambient.environ.get("PATH")):
            yield Path(exe)
    environment = plain_environment(ambient.environ, home=ambient.home)
    argv = [uv.find_uv_bin(), "python", "find", "--no-config", "--no-project"]
    found = runner([*argv, "--no-python-downloads", minor], env=environment)
    if found.returncode == 0:
        yield Path(found.stdout.strip())


def _probe(exe: Path, ambient: Ambient, runner: Runner) -> Interpreter | None:
    environment = plain_environment(ambient.environ, home=ambient.home)
    try:
        said = runner([str(exe), "-I", "-c", _PROBE], env=environment, timeout=_PROBE_SECONDS)
        facts = json.loads(said.stdout) if said.returncode == 0 else {}
        if facts.get("implementation") != "CPython":
            return None
        return Interpreter(
            exe=exe,
            version=Version(facts["version"]),
            system=facts["system"],
            machine=facts["machine"],
            libc=facts["libc"],
        )
    except (ToolError, ValueError, KeyError, AttributeError, InvalidVersion):
        return None
