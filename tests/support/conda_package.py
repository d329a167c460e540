"""Conda packages made by hand, in both formats, with all that installers read.

    greet = conda_package("greet", "1.0", files={"site-packages/greet.py": "..."}, noarch=True)
    greet.filename   # greet-1.0-0.conda

The formats: https://docs.conda.io/projects/conda-build/en/stable/resources/package-spec.html;
``.conda`` is a zip of two zstd tar files, stored.
"""

from __future__ import annotations

import bz2
import hashlib
import io
import json
import sys
import tarfile
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from envbuild.resolve.conda.interface import CondaPackage

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["PLACEHOLDER", "CondaFile", "Item", "conda_package", "dist_info"]

PLACEHOLDER = "/opt/" + "_placehold" * 25
"""What stands for the prefix in files; as long as conda-build's, since a binary cannot grow."""

_EPOCH = (1980, 1, 1, 0, 0, 0)
_TIMESTAMP = 1_672_531_200_000  # 2023-01-01, in milliseconds
_ZSTD_LEVEL = 3

Archive = Literal[".conda", ".tar.bz2"]


@dataclass(frozen=True, kw_only=True)
class Item:
    """A file of a package; ``link`` is what a symbolic link points to.

    ``prefix`` says how ``PLACEHOLDER`` in it becomes the prefix: ``text`` or ``binary``.
    """

    data: bytes = field(default=b"", repr=False)
    executable: bool = False
    link: str = ""
    prefix: Literal["", "text", "binary"] = ""


@dataclass(frozen=True, kw_only=True)
class CondaFile:
    """A package: its file, and the ``info/index.json`` in it."""

    data: bytes = field(repr=False)
    index: Mapping[str, Any]
    archive: Archive = ".conda"

    @property
    def filename(self) -> str:
        return "{name}-{version}-{build}".format(**self.index) + self.archive

    @property
    def subdir(self) -> str:
        return str(self.index["subdir"])

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @cached_property
    def md5(self) -> str:
        return hashlib.md5(self.data, usedforsecurity=False).hexdigest()

    def locked(self, channel: str) -> CondaPackage:
        """The package as a solver gives it, from the channel at this address."""
        return CondaPackage(
            name=self.index["name"],
            version=self.index["version"],
            build=self.index["build"],
            subdir=self.subdir,
            channel=channel,
            url=f"{channel}/{self.subdir}/{self.filename}",
            sha256=self.sha256,
            md5=self.md5,
            size=len(self.data),
            depends=tuple(self.index["depends"]),
        )


def conda_package(
    name: str,
    version: str,
    *,
    build: str = "0",
    subdir: str = "linux-64",
    depends: Iterable[str] = (),
    constrains: Iterable[str] = (),
    files: Mapping[str, str | bytes | Item] | None = None,
    noarch: bool = False,
    entry_points: Iterable[str] = (),
    archive: Archive = ".conda",
    **index: object,
) -> CondaFile:
    """A package with these files (name to content).

    A ``noarch`` package is one of Python: its modules are in ``site-packages/``, and its
    ``entry_points`` become programs when it is installed. ``index`` adds to ``info/index.json``
    (``timestamp`` in milliseconds, ``track_features``).
    """
    number = build.rpartition("_")[2]
    record: dict[str, Any] = {
        "arch": None if noarch or subdir == "noarch" else "x86_64",
        "build": build,
        "build_number": int(number) if number.isdecimal() else 0,
        "depends": [*depends],
        "license": "MIT",
        "name": name,
        "platform": None if noarch or subdir == "noarch" else "linux",
        "subdir": "noarch" if noarch else subdir,
        "timestamp": _TIMESTAMP,
        "version": version,
        **index,
    }
    if constrains:
        record["constrains"] = [*constrains]
    if noarch:
        record["noarch"] = "python"
    items = {path: _item(content) for path, content in sorted((files or {}).items())}
    info = _info(record, items, [*entry_points])
    pack = _pack_conda if archive == ".conda" else _pack_tar_bz2
    stem = f"{name}-{version}-{build}"
    return CondaFile(data=pack(stem, info, items), index=record, archive=archive)


def dist_info(
    name: str,
    version: str,
    modules: Mapping[str, str | bytes],
    *,
    requires: Iterable[str] = (),
    entry_points: Iterable[str] = (),
) -> dict[str, str | bytes]:
    """``modules`` below ``site-packages`` and the dist-info that pip writes in a recipe."""
    folder = f"{name.replace('-', '_')}-{version}.dist-info"
    scripts = [*entry_points]
    metadata = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    metadata += [f"Requires-Dist: {requirement}" for requirement in requires]
    files: dict[str, str | bytes] = {
        **modules,
        f"{folder}/INSTALLER": "conda\n",
        f"{folder}/METADATA": "".join(f"{line}\n" for line in metadata),
        f"{folder}/REQUESTED": "",
        f"{folder}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    if scripts:
        lines = ["[console_scripts]", *scripts]
        files[f"{folder}/entry_points.txt"] = "".join(f"{line}\n" for line in lines)
    record = "".join(f"{path},,\n" for path in [*files, f"{folder}/RECORD"])
    return {**files, f"{folder}/RECORD": record}


def _item(content: str | bytes | Item) -> Item:
    match content:
        case str():
            return Item(data=content.encode())
        case bytes():
            return Item(data=content)
        case Item():
            return content


def _info(
    record: Mapping[str, Any], items: Mapping[str, Item], entry_points: list[str]
) -> dict[str, Item]:
    documents: dict[str, object] = {
        "info/about.json": {"channels": [], "summary": f"{record['name']} for tests"},
        "info/index.json": record,
        "info/paths.json": {
            "paths": [_path_entry(path, item) for path, item in items.items()],
            "paths_version": 1,
        },
    }
    if record.get("noarch") == "python":
        documents["info/link.json"] = {
            "noarch": {"entry_points": entry_points, "type": "python"},
            "package_metadata_version": 1,
        }
    info = {
        name: Item(data=(json.dumps(document, indent=2, sort_keys=True) + "\n").encode())
        for name, document in documents.items()
    }
    # What conda itself read before there was paths.json, and still asks for.
    info["info/files"] = Item(data="".join(f"{path}\n" for path in items).encode())
    prefixed = [(path, item) for path, item in items.items() if item.prefix]
    if prefixed:
        lines = [f'"{PLACEHOLDER}" {item.prefix} "{path}"\n' for path, item in prefixed]
        info["info/has_prefix"] = Item(data="".join(lines).encode())
    return info


def _path_entry(path: str, item: Item) -> dict[str, object]:
    entry: dict[str, object] = {
        "_path": path,
        "path_type": "softlink" if item.link else "hardlink",
        "sha256": hashlib.sha256(item.data).hexdigest(),
        "size_in_bytes": len(item.data),
    }
    if item.prefix:
        entry |= {"file_mode": item.prefix, "prefix_placeholder": PLACEHOLDER}
    return entry


def _tar(items: Mapping[str, Item]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for path, item in items.items():
            member = tarfile.TarInfo(path)
            member.mode = 0o775 if item.executable else 0o664
            member.size = len(item.data)
            if item.link:
                member.type, member.linkname = tarfile.SYMTYPE, item.link
            archive.addfile(member, io.BytesIO(item.data))
    return stream.getvalue()


def _pack_conda(stem: str, info: Mapping[str, Item], items: Mapping[str, Item]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name, data in (
            ("metadata.json", b'{"conda_pkg_format_version": 2}'),
            (f"pkg-{stem}.tar.zst", zstd.compress(_tar(items), _ZSTD_LEVEL)),
            (f"info-{stem}.tar.zst", zstd.compress(_tar(info), _ZSTD_LEVEL)),
        ):
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), data)
    return stream.getvalue()


def _pack_tar_bz2(stem: str, info: Mapping[str, Item], items: Mapping[str, Item]) -> bytes:
    del stem
    return bz2.compress(_tar({**info, **items}), 1)
