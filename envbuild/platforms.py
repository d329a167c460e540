"""Target platforms: names, wheel tags, marker environments.

Platform names are conda's subdirs (``linux-64``). Wheel tags follow PEP 425 and PEP 600,
marker environments PEP 508.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from envbuild.errors import UsageError

if TYPE_CHECKING:
    from packaging.tags import Tag
    from packaging.version import Version

__all__ = ["DEFAULT_GLIBC", "PLATFORMS", "Platform", "Target", "parse_platform"]

DEFAULT_GLIBC = (2, 28)
"""The glibc of Debian 10, the oldest that a ``python:X.Y.Z-slim`` image of Python 3.6+ has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """One of conda's subdirs, with what PEP 508, PEP 425 and Docker call the same machine."""

    name: str
    system: str  # PEP 508 platform_system
    machine: str  # PEP 508 platform_machine
    docker: str = ""  # empty where no Linux container runs it

    def __str__(self) -> str:
        return self.name


PLATFORMS: tuple[Platform, ...] = (
    Platform(name="linux-64", system="Linux", machine="x86_64", docker="linux/amd64"),
    Platform(name="linux-aarch64", system="Linux", machine="aarch64", docker="linux/arm64"),
    Platform(name="osx-64", system="Darwin", machine="x86_64"),
    Platform(name="osx-arm64", system="Darwin", machine="arm64"),
    Platform(name="win-64", system="Windows", machine="AMD64"),
)

_SYS_PLATFORM = {"Linux": "linux", "Darwin": "darwin", "Windows": "win32"}
_MACOS_FLOOR = {"x86_64": (10, 13), "arm64": (11, 0)}
# PEP 600: manylinux_2_X is readable by every later glibc; the three old names are aliases.
_MANYLINUX_ALIASES = {(2, 17): "manylinux2014", (2, 12): "manylinux2010", (2, 5): "manylinux1"}
_OLDEST_MANYLINUX = {"x86_64": 5, "aarch64": 17}


def parse_platform(name: str) -> Platform:
    """The platform called ``name``.

    Raises:
        UsageError: no such platform.
    """
    for platform in PLATFORMS:
        if platform.name == name:
            return platform
    known = ", ".join(platform.name for platform in PLATFORMS)
    raise UsageError(f"unknown platform {name!r}", details=[f"known: {known}"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A Python release on a platform: what a lock is solved for.

    ``python`` is a full release (``3.7.11``), ``glibc`` the C library floor on Linux.
    """

    python: Version
    platform: Platform
    glibc: tuple[int, int] = DEFAULT_GLIBC

    @property
    def python_minor(self) -> tuple[int, int]:
        """``(3, 7)`` of 3.7.11."""
        return (self.python.major, self.python.minor)

    def marker_environment(self) -> dict[str, str]:
        """The PEP 508 environment, without ``extra``, of CPython on this target."""
        system = self.platform.system
        return {
            "implementation_name": "cpython",
            "implementation_version": str(self.python),
            "os_name": "nt" if system == "Windows" else "posix",
            "platform_machine": self.platform.machine,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": system,
            "platform_version": "",
            "python_full_version": str(self.python),
            "python_version": f"{self.python.major}.{self.python.minor}",
            "sys_platform": _SYS_PLATFORM[system],
        }

    def tags(self) -> Iterator[Tag]:
        """Every wheel tag that installs on this target, the most specific first."""
        from packaging.tags import compatible_tags, cpython_tags

        platforms = list(self._platform_tags())
        minor = self.python_minor
        # PEP 3149: CPython before 3.8 carries the pymalloc flag in its ABI.
        flag = "m" if minor < (3, 8) else ""
        abi = f"cp{minor[0]}{minor[1]}{flag}"
        yield from cpython_tags(minor, abis=[abi], platforms=platforms)
        yield from compatible_tags(
            minor, interpreter=f"cp{minor[0]}{minor[1]}", platforms=platforms
        )

    def uv_platform(self) -> str:
        """The value of uv's ``--python-platform`` for this target."""
        machine = {"AMD64": "x86_64", "arm64": "aarch64"}.get(
            self.platform.machine, self.platform.machine
        )
        if self.platform.system == "Linux":
            return f"{machine}-manylinux_{self.glibc[0]}_{self.glibc[1]}"
        if self.platform.system == "Darwin":
            return f"{machine}-apple-darwin"
        return f"{machine}-pc-windows-msvc"

    def _platform_tags(self) -> Iterator[str]:
        machine = self.platform.machine
        if self.platform.system == "Windows":
            yield "win_amd64"
        elif self.platform.system == "Darwin":
            from packaging.tags import mac_platforms

            yield from mac_platforms(_MACOS_FLOOR[machine], machine)
        else:
            major, minor = self.glibc
            for level in range(minor, _OLDEST_MANYLINUX[machine] - 1, -1):
                yield f"manylinux_{major}_{level}_{machine}"
                if alias := _MANYLINUX_ALIASES.get((major, level)):
                    yield f"{alias}_{machine}"
            yield f"linux_{machine}"
