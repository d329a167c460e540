"""Resolutions -> Lock: canonical order, input digest, what is to be built. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.pylock import Pylock

from envbuild.merge import Change, Plan
from envbuild.model import Model
from envbuild.notices import Notice
from envbuild.options import LockOptions
from envbuild.platforms import Target
from envbuild.resolve.interface import Resolution
from envbuild.server import ServerProfile
from envbuild.spec import EnvSpec

__all__ = [
    "Context",
    "Lock",
    "PlatformLock",
    "describe_inputs",
    "digest_inputs",
    "make_lock",
    "read_context",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformLock:
    """The pip part for one target. ``to_build`` are the names that have no wheel for the target."""

    target: Target
    pylock: Pylock  # canonical order, no marker, artefacts that fit the target only
    to_build: tuple[str, ...]
    resolver: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """A solved environment: the truth that every written file is a rendering of."""

    model: Model
    plan: Plan
    options: LockOptions
    platforms: tuple[PlatformLock, ...]
    inputs: tuple[str, ...]  # canonical lines: all that the result depends on
    input_digest: str  # sha256 hex of the lines
    base_image: str
    local_files: Mapping[str, Path]  # context name (files/x.whl) -> file in the model
    changes: tuple[Change, ...] = ()
    notices: tuple[Notice, ...] = ()

    @property
    def server(self) -> ServerProfile:
        return self.plan.server

    def files(self) -> Mapping[str, bytes]:
        """Every file of the context by posix name, pylock last. The same lock gives the same bytes."""
        raise NotImplementedError

    def write(self, directory: str | Path) -> Context:
        """Write the context; see ``fs.write_tree`` for what happens when it fails."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """A written context, read back: ``locks`` by platform name."""

    path: Path
    locks: Mapping[str, PlatformLock]
    server: str
    runtime: str
    model_name: str
    base_image: str
    inputs: tuple[str, ...]
    input_digest: str


def describe_inputs(
    model: Model, spec: EnvSpec, server: ServerProfile, options: LockOptions
) -> tuple[str, ...]:
    """One line for each thing the lock depends on, sorted: ``conda.yaml: scikit-learn==0.24.1``.

    No positions, comments or order of lines, so that only a change of meaning makes a lock stale;
    no credentials. Local wheels count by their sha256.
    """
    raise NotImplementedError


def digest_inputs(inputs: tuple[str, ...]) -> str:
    """The sha256 (hex) of the lines."""
    raise NotImplementedError


def make_lock(
    model: Model,
    plan: Plan,
    resolutions: tuple[Resolution, ...],
    options: LockOptions,
) -> Lock:
    """Put a plan and its resolutions, one for each platform, into canonical form.

    Raises:
        ResolutionError: ``only_binary`` and something has no wheel.
        IntegrityError: an artefact without a sha256.
    """
    raise NotImplementedError


def read_context(directory: str | Path) -> Context:
    """Read the lock files of a context or bundle.

    Raises:
        LockFileError: none there, not ours, or edited since it was written.
    """
    raise NotImplementedError
