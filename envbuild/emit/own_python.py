"""The Python of a lock as one tar file, for machines that have none to start an installer with.

Conda's Python and the libraries that it loads find each other relative to themselves, so they run
wherever they are unpacked. Only what the installer may load is in it.
"""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath

from packaging.version import Version

from envbuild.emit.channel import HousedPackage
from envbuild.emit.conda_archive import Member, members
from envbuild.emit.content import Entry
from envbuild.locking.canonical import PlatformLock

__all__ = ["own_python"]

_INSTALLER_FLOOR = Version("3.10")  # of py-rattler
_LIBRARY = re.compile(r"lib/[^/]+\.(so(\.[\d.]+)?|dylib)")
_NOT_NEEDED = frozenset(
    {"test", "tests", "idlelib", "tkinter", "turtledemo", "lib2to3", "ensurepip", "pydoc_data"}
    | {"site-packages", "__pycache__"}
)
# Packages that python depends on for other purposes: the linker, the windows, what pip needs.
_OTHER_PURPOSES = frozenset({"tk", "pip", "setuptools", "wheel"})


def own_python(lock: PlatformLock, packages: Sequence[HousedPackage]) -> Entry | None:
    """The tar file, or None where the lock's Python is older than py-rattler can use.

    Not packed, so that its bytes depend on the packages alone.
    """
    if lock.target.python < _INSTALLER_FLOOR or lock.target.platform.system == "Windows":
        return None
    by_name = {housed.package.name: housed for housed in packages}
    if "python" not in by_name:
        return None
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for member in _wanted(_closure(by_name), lock):
            _add(archive, member)
    return Entry.of_bytes(stream.getvalue())


def _closure(by_name: Mapping[str, HousedPackage]) -> tuple[HousedPackage, ...]:
    """Python and what it depends on, directly or not, sorted by name."""
    found: dict[str, HousedPackage] = {}
    pending = ["python"]
    while pending:
        name = pending.pop()
        if name in found or name not in by_name or _is_other(name):
            continue
        found[name] = by_name[name]
        depends = by_name[name].info.index.get("depends") or []
        pending += [str(entry).split()[0] for entry in depends]
    return tuple(found[name] for name in sorted(found))


def _is_other(name: str) -> bool:
    return name in _OTHER_PURPOSES or name.startswith("ld_impl_")


def _wanted(packages: Iterable[HousedPackage], lock: PlatformLock) -> Iterator[Member]:
    minor = "{}.{}".format(*lock.target.python_minor)
    for housed in packages:
        for member in members(housed.path, file=housed.package.filename):
            if _is_wanted(member.path, minor):
                yield member


def _is_wanted(path: str, minor: str) -> bool:
    if path in {"bin/python", "bin/python3", f"bin/python{minor}"} or _LIBRARY.fullmatch(path):
        return True
    parts = PurePosixPath(path).parts
    config = len(parts) > 2 and parts[2].startswith("config-")
    return parts[:2] == ("lib", f"python{minor}") and _NOT_NEEDED.isdisjoint(parts) and not config


def _add(archive: tarfile.TarFile, member: Member) -> None:
    entry = tarfile.TarInfo(member.path)
    entry.mode = 0o755 if member.executable else 0o644
    entry.size = len(member.data)
    if member.link:
        entry.type, entry.linkname = tarfile.SYMTYPE, member.link
    archive.addfile(entry, io.BytesIO(member.data))
