"""The Pythons of this machine, by minor version: builds run under one like the target's."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from packaging.version import InvalidVersion, Version

from envbuild.ambient import Ambient
from envbuild.errors import ToolError
from envbuild.process import Runner, plain_environment

__all__ = ["Interpreter", "Interpreters"]

_WHO = "import sys; print(sys.implementation.name, '%d.%d.%d' % sys.version_info[:3])"


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """A CPython that starts, and its full version."""

    path: Path
    version: Version

    @property
    def minor(self) -> tuple[int, int]:
        """``(3, 9)``."""
        return (self.version.major, self.version.minor)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreters:
    """Finds interpreters where pyenv, uv and ``PATH`` have them. Each minor is looked for once."""

    ambient: Ambient
    run: Runner
    _found: dict[tuple[int, int], Interpreter | None] = field(default_factory=dict, repr=False)

    def running(self) -> Interpreter:
        """The interpreter of this process."""
        version = Version(".".join(map(str, sys.version_info[:3])))
        return Interpreter(path=Path(sys.executable), version=version)

    def find(self, minor: tuple[int, int]) -> Interpreter | None:
        """A CPython of this minor version, or None. A shim that does not start counts as none."""
        if minor == self.running().minor:
            return self.running()
        if minor not in self._found:
            known = (self._identify(path) for path in self._candidates(minor))
            self._found[minor] = next((one for one in known if one and one.minor == minor), None)
        return self._found[minor]

    def _candidates(self, minor: tuple[int, int]) -> Iterator[Path]:
        text = f"{minor[0]}.{minor[1]}"
        home, environ = self.ambient.home, self.ambient.environ
        pyenv = Path(environ.get("PYENV_ROOT") or home / ".pyenv")
        yield from _newest_first(pyenv.glob(f"versions/{text}.*/bin/python"))
        # uv's own downloads: https://docs.astral.sh/uv/reference/storage/#python-versions
        data = Path(environ.get("XDG_DATA_HOME") or home / ".local" / "share")
        managed = Path(environ.get("UV_PYTHON_INSTALL_DIR") or data / "uv" / "python")
        yield from _newest_first(managed.glob(f"cpython-{text}.*/bin/python{text}"))
        if on_path := shutil.which(f"python{text}", path=environ.get("PATH")):
            yield Path(on_path)

    def _identify(self, path: Path) -> Interpreter | None:
        environment = plain_environment(self.ambient.environ, home=self.ambient.home)
        try:
            done = self.run([str(path), "-I", "-c", _WHO], env=environment, timeout=30)
            name, _, version = done.stdout.strip().partition(" ")
            parsed = Version(version)
        except (ToolError, InvalidVersion):
            return None
        return Interpreter(path=path, version=parsed) if name == "cpython" else None


def _newest_first(paths: Iterator[Path]) -> list[Path]:
    return sorted(paths, key=_release, reverse=True)


def _release(path: Path) -> tuple[int, ...]:
    """``(3, 9, 18)`` of ``.../cpython-3.9.18-linux-x86_64-gnu/bin/python``."""
    digits = path.parts[-3].removeprefix("cpython-").partition("-")[0].split(".")
    return tuple(int(part) if part.isdigit() else -1 for part in digits)
