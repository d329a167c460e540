"""A built wheel made reproducible: the same members give the same bytes, whoever zipped them.

Members are stored, not deflated: deflate's output differs between zlib and its replacements, and
a bundle is compressed as a whole if at all.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import stat
import time
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from packaging.tags import Tag
from packaging.utils import (
    InvalidWheelFilename,
    NormalizedName,
    canonicalize_version,
    parse_wheel_filename,
)
from packaging.version import Version

from envbuild.errors import BuildError

__all__ = ["EARLIEST", "WheelFile", "read_wheel"]

EARLIEST = 315532800
"""1980-01-01T00:00:00Z, the first time that a zip can hold."""
_LATEST = 4354819198  # 2107-12-31T23:59:58Z, the last

Members = Mapping[str, tuple[bytes, bool]]  # content, and whether executable


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelFile:
    """A wheel in memory: what its name says and what is in it."""

    file: str
    name: NormalizedName
    version: Version
    tags: frozenset[Tag]
    members: Members

    @property
    def pure(self) -> bool:
        """Whether it runs on any platform and names no ABI."""
        return all(tag.platform == "any" and tag.abi == "none" for tag in self.tags)

    def check_is(self, name: NormalizedName, version: Version | None) -> None:
        """Refuse another project, or another version, than was locked.

        Raises:
            BuildError: it is another.
        """
        if self.name == name and (version is None or _same(self.version, version)):
            return
        expected = f"{name} {version}" if version else name
        raise BuildError(
            f"the build of {expected} made {self.file}",
            details=(f"expected {expected}", f"got {self.name} {self.version}"),
        )

    def to_bytes(self, *, epoch: int) -> bytes:
        """The wheel as a zip in which only the members count. ``epoch`` (s) becomes their time."""
        stamp = time.gmtime(min(max(epoch, EARLIEST), _LATEST))[:6]
        members = dict(self.members)
        record = self._record_name()
        members[record] = (_record(members, record), False)
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
            for name in sorted(members, key=lambda name: _rank(name, record)):
                data, executable = members[name]
                info = zipfile.ZipInfo(name, stamp)
                info.create_system = 3  # Unix, also when made elsewhere
                mode = stat.S_IFREG | (0o755 if executable else 0o644)
                info.external_attr = mode << 16
                archive.writestr(info, data)
        return buffer.getvalue()

    def _record_name(self) -> str:
        names = [
            name
            for name in self.members
            if name.endswith(".dist-info/WHEEL") and name.count("/") == 1
        ]
        if len(names) != 1:
            raise BuildError(f"{self.file} is no wheel: it has no WHEEL file of its own")
        return names[0].removesuffix("WHEEL") + "RECORD"


def read_wheel(path: Path) -> WheelFile:
    """Read a wheel that a build backend has made.

    Raises:
        BuildError: not a wheel, or with members outside of it.
    """
    try:
        name, version, _, tags = parse_wheel_filename(path.name)
        with zipfile.ZipFile(path) as archive:
            infos = [info for info in archive.infolist() if not info.is_dir()]
            members = {info.filename: (archive.read(info), _executable(info)) for info in infos}
    except (InvalidWheelFilename, zipfile.BadZipFile, OSError, RuntimeError) as error:
        raise BuildError(f"{path.name} is no wheel: {error}") from error
    for member in members:
        pure = PurePosixPath(member)
        if pure.is_absolute() or ".." in pure.parts or "\\" in member:
            raise BuildError(f"{path.name} has a member outside of it: {member!r}")
    return WheelFile(file=path.name, name=name, version=version, tags=tags, members=members)


def _executable(info: zipfile.ZipInfo) -> bool:
    return bool((info.external_attr >> 16) & 0o111)


def _same(one: Version, other: Version) -> bool:
    return canonicalize_version(one) == canonicalize_version(other)


def _rank(name: str, record: str) -> tuple[bool, bool, str]:
    """Metadata last, as the binary distribution format asks for, and RECORD behind it."""
    return name == record, ".dist-info/" in name, name


def _record(members: Members, record: str) -> bytes:
    """RECORD (binary distribution format): urlsafe sha256 without padding, and the size."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for name in sorted(members, key=lambda name: _rank(name, record)):
        if name == record:
            continue
        data, _ = members[name]
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        writer.writerow((name, f"sha256={digest}", len(data)))
    writer.writerow((record, "", ""))
    return text.getvalue().encode()
