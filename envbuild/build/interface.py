"""What a builder is given and gives back: a source of a lock in, one wheel of this target out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from packaging.utils import NormalizedName
from packaging.version import Version

from envbuild.fetch.download import Artefact
from envbuild.platforms import Target

__all__ = [
    "ArchiveSource",
    "BuildProblem",
    "Builder",
    "BuiltWheel",
    "FolderSource",
    "GitSource",
    "Source",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveSource:
    """A source archive, checked by its hash. ``file`` is its name, which tells its format."""

    artefact: Artefact
    file: str
    subdirectory: str = ""

    def identity(self) -> str:
        """What the bytes are, wherever they lie."""
        return f"sha256:{self.artefact.sha256}#{self.subdirectory}"


@dataclass(frozen=True, slots=True, kw_only=True)
class GitSource:
    """A commit of a git repository. ``url`` is without ``git+`` and without credentials."""

    url: str
    commit: str
    subdirectory: str = ""

    def identity(self) -> str:
        """The commit, since a commit is its content."""
        return f"git:{self.commit}#{self.subdirectory}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderSource:
    """A project folder. ``tree`` is the digest of its files (``fs.sha256_tree``)."""

    path: Path
    tree: str
    subdirectory: str = ""

    def identity(self) -> str:
        """The digest of the files."""
        return f"tree:{self.tree}#{self.subdirectory}"


Source = ArchiveSource | GitSource | FolderSource


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildProblem:
    """One package to build for one target. ``version`` is None where only the build can tell.

    What the build needs is taken as it was at ``cutoff``, or as it is now where that is None.
    """

    name: NormalizedName
    version: Version | None
    source: Source
    target: Target
    cutoff: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltWheel:
    """A wheel in the cache. ``requirements`` are the pins it was built with (``name==version``),
    ``libraries`` the shared libraries it needs from the system, ``glibc`` the floor it needs,
    ``builder`` says by what (``local cp37``, ``docker python:3.7-slim``).
    """

    file: str
    path: Path
    sha256: str
    size: int
    version: Version
    builder: str
    requirements: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()
    glibc: tuple[int, int] | None = None


class Builder(Protocol):
    """A way to build wheels."""

    def build(self, problem: BuildProblem) -> BuiltWheel:
        """Build, or take from the cache.

        Raises:
            BuildError: the build failed, or its result does not run on the target.
            IndexUnavailableError: a source or build requirement cannot be fetched.
            IntegrityError: a source differs from its hash.
        """
