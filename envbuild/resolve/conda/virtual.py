"""Virtual packages: what the machine that will run the environment is said to have. Pure.

Never what this machine has: a lock must not depend on where it was made. Source of the names:
https://docs.conda.io/projects/conda/en/stable/user-guide/tasks/manage-virtual.html
"""

from __future__ import annotations

from collections.abc import Mapping

from envbuild.platforms import DEFAULT_GLIBC

__all__ = ["VirtualPackage", "virtual_packages"]

VirtualPackage = tuple[str, str, str]
"""Name, version, build: ``("__archspec", "1", "x86_64")``."""

_MACHINES = {"64": "x86_64", "32": "x86", "arm64": "arm64", "aarch64": "aarch64"}
# The kernel of Debian 11; packages ask for 3 or 4 at most.
_LINUX = "5.10"
_MACOS = {"osx-64": "10.15", "osx-arm64": "11.0"}
_OVERRIDE = "CONDA_OVERRIDE_"


def virtual_packages(subdir: str, environ: Mapping[str, str]) -> tuple[VirtualPackage, ...]:
    """The defaults of ``subdir``, changed by ``CONDA_OVERRIDE_GLIBC=2.17`` and its like.

    An empty override takes the package away, as in conda. There is no ``__cuda`` by default: an
    image that has none must not be given packages that need it.
    """
    found = {name: (name, version, build) for name, version, build in _defaults(subdir)}
    for variable, value in sorted(environ.items()):
        if not variable.startswith(_OVERRIDE):
            continue
        name = f"__{variable.removeprefix(_OVERRIDE).lower()}"
        found.pop(name, None)
        if value.strip():
            found[name] = _overridden(name, value.strip())
    return tuple(found[name] for name in sorted(found))


def _overridden(name: str, value: str) -> VirtualPackage:
    """``CONDA_OVERRIDE_ARCHSPEC`` is a build of version 1, every other one a version."""
    return (name, "1", value) if name == "__archspec" else (name, value, "0")


def _defaults(subdir: str) -> tuple[VirtualPackage, ...]:
    system, _, width = subdir.partition("-")
    machine = ("__archspec", "1", _MACHINES.get(width, width))
    unix = ("__unix", "0", "0")
    match system:
        case "linux":
            glibc = ".".join(map(str, DEFAULT_GLIBC))
            return (machine, unix, ("__linux", _LINUX, "0"), ("__glibc", glibc, "0"))
        case "osx":
            return (machine, unix, ("__osx", _MACOS.get(subdir, "11.0"), "0"))
        case "win":
            return (machine, ("__win", "0", "0"))
        case _:
            return ()
