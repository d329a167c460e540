"""What a resolver is given and gives back.

A resolution is a PEP 751 pylock, so every resolver speaks one language.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from packaging.pylock import Pylock

from envbuild.entries.requirements import IndexOption, PipRequirement
from envbuild.notices import Notice
from envbuild.platforms import Target
from envbuild.resolve.conda.interface import CondaPackage

__all__ = ["Problem", "Resolution", "Resolver", "ResolverOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolverOptions:
    """What the user decides about resolving, the same for every problem of a run."""

    exclude_newer: str = ""  # RFC 3339 date or time
    only_binary: bool = False
    upgrade: bool = False
    upgrade_packages: tuple[str, ...] = ()
    prerelease: bool = False
    cache_dir: str = ""
    offline: bool = False
    lowest_direct: bool = False  # the oldest release of what is required directly
    no_deps: bool = False  # only what is required directly


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Requirements for one target. ``previous`` is the pylock text to stay close to, or empty."""

    target: Target
    requirements: tuple[PipRequirement, ...]
    constraints: tuple[PipRequirement, ...] = ()
    overrides: tuple[PipRequirement, ...] = ()
    index_options: tuple[IndexOption, ...] = ()
    model_path: str = ""  # where FileSource paths are relative to
    previous: str = ""
    options: ResolverOptions = ResolverOptions()


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """A solved problem.

    ``pylock`` holds every package with its artefacts: URLs without credentials, a sha256 each.
    Paths of local files are posix, relative to the model (``code/x.whl``).
    """

    target: Target
    pylock: Pylock
    resolver: str  # "uv 0.13.9"
    notices: tuple[Notice, ...] = ()
    conda: tuple[CondaPackage, ...] = ()  # what it stands on


class Resolver(Protocol):
    """A way to solve the pip part."""

    def resolve(self, problem: Problem) -> Resolution:
        """Solve.

        Raises:
            ResolutionError: no solution; details hold the resolver's own derivation.
            IndexUnavailableError: an index cannot be reached or refused us.
            BuildError: metadata of a source distribution could not be had.
            ToolError: anything else.
        """

    def satisfiable(self, problem: Problem) -> bool:
        """Whether a solution exists; same errors as ``resolve`` but for ResolutionError."""
