"""What is to be verified: a bundle, a context or an image, however it was named."""

from __future__ import annotations

import platform
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from envbuild.emit.archive import archive_suffix
from envbuild.emit.bundle import MANIFEST, Bundle
from envbuild.errors import LockFileError, UsageError
from envbuild.locking.context import Context, find_locks
from envbuild.platforms import PLATFORMS, Platform

__all__ = ["Archive", "Folder", "Image", "Target", "this_platform", "understand"]

# The grammar of github.com/distribution/reference: registry, path, tag, digest.
_REFERENCE = re.compile(
    r"(?:[A-Za-z0-9][A-Za-z0-9.-]*(?::\d+)?/)?[a-z0-9]+(?:[._/-]+[a-z0-9]+)*"
    r"(?::\w[\w.-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)
_IMAGE_ID = re.compile(r"(?:sha256:)?[0-9a-f]{12,64}")


@dataclass(frozen=True, slots=True)
class Folder:
    """A bundle or context as a folder."""

    path: Path
    kind: Literal["bundle", "context"]


@dataclass(frozen=True, slots=True)
class Archive:
    """A bundle as one file."""

    path: Path


@dataclass(frozen=True, slots=True)
class Image:
    """An image of the Docker engine."""

    name: str


Target = Folder | Archive | Image


def understand(target: Path | str | Bundle | Context, *, cwd: Path) -> Target:
    """What ``target`` names. What lies on the disk comes first; a name of an image is what is left.

    Raises:
        LockFileError: a file or folder that is neither bundle nor context.
        UsageError: nothing there, and no name of an image either.
    """
    if isinstance(target, Bundle | Context):
        return _on_disk(target.path)
    path = cwd / target
    if path.exists():
        return _on_disk(path)
    name = str(target)
    if isinstance(target, str) and (_REFERENCE.fullmatch(name) or _IMAGE_ID.fullmatch(name)):
        return Image(name)
    raise UsageError(
        "there is no such bundle or context, and an image cannot be called that",
        where=name,
        remedy="the path of a bundle or context, or NAME:TAG of an image",
    )


def _on_disk(path: Path) -> Folder | Archive:
    if path.is_dir():
        if (path / MANIFEST).is_file():
            return Folder(path, "bundle")
        find_locks(path)
        return Folder(path, "context")
    if archive_suffix(path):
        return Archive(path)
    raise LockFileError(
        "this is neither a bundle nor a context",
        where=str(path),
        remedy="a folder that envbuild lock or export wrote, or an archive of a bundle",
    )


def this_platform() -> Platform | None:
    """The platform of this machine, if it is one that a lock can be for."""
    here = (platform.system(), platform.machine())
    return next((entry for entry in PLATFORMS if (entry.system, entry.machine) == here), None)
