"""A bundle on disk: what it is called, what its manifest says, whether it is as it was made."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import InvalidVersion, Version

from envbuild.emit.bundle_files import install
from envbuild.errors import IntegrityError, LockFileError

__all__ = [
    "FORMAT",
    "MANIFEST",
    "SUMS",
    "Bundle",
    "BundledPackage",
    "check_files",
    "parse_manifest",
    "read_bundle",
]

FORMAT = 1
MANIFEST = "manifest.json"
SUMS = install.SUMS
_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class BundledPackage:
    """One package of the manifest. ``file`` is posix, relative to the bundle; ``size`` in bytes."""

    name: NormalizedName
    version: Version
    file: str
    sha256: str
    size: int
    built: bool
    platforms: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A bundle: a folder or an archive at ``path``, and what its manifest says."""

    path: Path
    model_name: str
    server: str
    runtime: str
    base_image: str
    input_digest: str
    platforms: tuple[str, ...]
    packages: tuple[BundledPackage, ...]

    @property
    def size(self) -> int:
        """Bytes of all packages."""
        return sum(package.size for package in self.packages)

    @property
    def built(self) -> tuple[BundledPackage, ...]:
        """The packages that had no wheel."""
        return tuple(package for package in self.packages if package.built)


def parse_manifest(data: bytes, *, path: Path) -> Bundle:
    """The bundle that a manifest describes; the schema is in ``docs/reference/bundle.md``.

    Raises:
        LockFileError: not a manifest, or of a newer format.
    """
    where = str(path / MANIFEST)
    try:
        manifest = json.loads(data)
        if not isinstance(manifest, dict) or "format" not in manifest:
            raise LockFileError("this is not the manifest of an envbuild bundle", where=where)
        if manifest["format"] != FORMAT:
            raise LockFileError(
                f"the bundle has format {manifest['format']}; this envbuild reads {FORMAT}",
                where=where,
                remedy="a newer envbuild",
            )
        return _bundle_of(manifest, path)
    except (ValueError, KeyError, TypeError, AttributeError, InvalidVersion) as error:
        raise LockFileError(
            "the manifest cannot be understood", where=where, details=(repr(error),)
        ) from error


def read_bundle(path: str | Path) -> Bundle:
    """Read the manifest of a bundle folder.

    Raises:
        LockFileError: no manifest there, or not one of a bundle.
    """
    folder = Path(path)
    try:
        data = (folder / MANIFEST).read_bytes()
    except OSError as error:
        raise LockFileError(
            f"this is not a bundle: {MANIFEST}: {error.strerror or error}", where=str(folder)
        ) from error
    return parse_manifest(data, path=folder)


def check_files(folder: Path) -> None:
    """Check every file of a bundle folder against its checksums, with what ``install.py`` does.

    Raises:
        IntegrityError: changed, missing or extra files, and whatever is no plain file.
    """
    problems = install.check(str(folder))
    if problems:
        more = [f"and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else []
        raise IntegrityError(
            "this is not the bundle that was made",
            where=str(folder),
            details=(*problems[:_SHOWN], *more),
            remedy="envbuild export again, or copy the bundle again",
        )


def _bundle_of(manifest: dict[str, Any], path: Path) -> Bundle:
    return Bundle(
        path=path,
        model_name=manifest["model"],
        server=manifest["server"],
        runtime=manifest["runtime"],
        base_image=manifest["base_image"],
        input_digest=manifest["input_digest"],
        platforms=tuple(entry["platform"] for entry in manifest["platforms"]),
        packages=tuple(
            BundledPackage(
                name=canonicalize_name(package["name"]),
                version=Version(package["version"]),
                file=package["file"],
                sha256=package["sha256"],
                size=int(package["size"]),
                built=package["built"] is not None,
                platforms=tuple(package["platforms"]),
            )
            for package in manifest["packages"]
        ),
    )
