"""Resolutions -> Lock: the truth that every written file is a rendering of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from packaging.version import Version

from envbuild.images import conda_base_image
from envbuild.locking.canonical import PlatformLock, canonicalize
from envbuild.locking.context import Context, read_context, write_context
from envbuild.locking.inputs import describe_inputs, digest_inputs
from envbuild.merge import Change, Plan
from envbuild.model import Model
from envbuild.notices import Notice
from envbuild.options import LockOptions
from envbuild.resolve.interface import Resolution
from envbuild.server import ServerProfile

__all__ = [
    "Context",
    "Lock",
    "PlatformLock",
    "Renderer",
    "default_base_image",
    "describe_inputs",
    "digest_inputs",
    "locked_cuda",
    "make_lock",
    "need_full_image",
    "read_context",
]

# Whose version is the release of CUDA, the surest first.
_CUDA_PACKAGES = ("cuda-version", "cudatoolkit", "cuda-cudart", "pytorch-cuda")
# Wheels that load libraries which Docker's slim images lack and its full ones have
# (``readelf -d`` of lightgbm 3.3.2 and 4.6.0: NEEDED libgomp.so.1).
_NEED_FULL_IMAGE = frozenset({"lightgbm"})


class Renderer(Protocol):
    """Turns a lock into the files of its context: ``emit.context.render`` is the one there is."""

    def __call__(self, lock: Lock) -> Mapping[str, bytes]:
        """The files by posix name, the lock files last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """A solved environment.

    ``inputs`` are canonical lines of all that the result depends on, ``input_digest`` their sha256
    in hex. ``local_files`` maps names of the context (``files/x.whl``) to files of the model.
    """

    model: Model
    plan: Plan
    options: LockOptions
    platforms: tuple[PlatformLock, ...]
    inputs: tuple[str, ...]
    input_digest: str
    base_image: str
    local_files: Mapping[str, Path]
    renderer: Renderer = field(repr=False)
    changes: tuple[Change, ...] = ()
    notices: tuple[Notice, ...] = ()

    @property
    def server(self) -> ServerProfile:
        """The profile that was locked."""
        return self.plan.server

    def files(self) -> Mapping[str, bytes]:
        """Every file of the context by posix name, the lock files last.

        The same lock gives the same bytes.

        Raises:
            IntegrityError: a file of the model is no longer what was locked.
            ProfileError: the profile's scoring script is not there.
        """
        return self.renderer(self)

    def write(self, directory: str | Path) -> Context:
        """Write the context; files that are as they should be are not touched.

        Raises:
            OutputError: the directory lies in the model, files are in the way, or it cannot be
                written; then nothing was.
        """
        return write_context(Path(directory), self.files(), model=self.model.path)


def make_lock(
    model: Model,
    plan: Plan,
    resolutions: tuple[Resolution, ...],
    options: LockOptions,
    *,
    renderer: Renderer,
) -> Lock:
    """Put a plan and its resolutions, one for each platform, into canonical form.

    Raises:
        ResolutionError: something has no file for its target, or ``only_binary`` and no wheel.
        IntegrityError: an artefact without a sha256.
        ModelError: a file of the model that is to be installed is not there.
    """
    platforms: list[PlatformLock] = []
    local_files: dict[str, Path] = {}
    for resolution in sorted(resolutions, key=lambda found: found.target.platform.name):
        platform, local = canonicalize(model, resolution, only_binary=options.only_binary)
        platforms.append(platform)
        local_files |= local
    inputs = describe_inputs(
        model,
        plan.spec,
        plan.server,
        options,
        constraints=[entry for entry in plan.constraints if entry.origin.side == "option"],
        names=plan.names,
    )
    found = [notice for resolution in resolutions for notice in resolution.notices]
    base_image = options.base_image or default_base_image(plan.python, platforms)
    return Lock(
        model=model,
        plan=plan,
        options=options,
        platforms=tuple(platforms),
        inputs=inputs,
        input_digest=digest_inputs(inputs),
        base_image=base_image,
        local_files=dict(sorted(local_files.items())),
        renderer=renderer,
        changes=plan.changes,
        notices=tuple(dict.fromkeys((*plan.notices, *found, *_gpu_notice(platforms, base_image)))),
    )


def default_base_image(python: Version, platforms: Iterable[PlatformLock]) -> str:
    """Docker's image of a Python release: slim, unless a package needs what only the full has.

    Where conda brings the Python, a plain system; NVIDIA's where the lock has packages for CUDA.
    """
    platforms = tuple(platforms)
    if any(platform.conda for platform in platforms):
        return conda_base_image(locked_cuda(platforms))
    return f"python:{python}" if need_full_image(platforms) else f"python:{python}-slim"


def locked_cuda(platforms: Iterable[PlatformLock]) -> str:
    """The release of CUDA that the conda part is for, ``12.4``; empty where it is for none."""
    versions = {
        package.name: package.version for platform in platforms for package in platform.conda
    }
    found = next((versions[name] for name in _CUDA_PACKAGES if name in versions), "")
    return ".".join(found.split(".")[:2]) if "." in found else ""


def _gpu_notice(platforms: Iterable[PlatformLock], base_image: str) -> tuple[Notice, ...]:
    cuda = locked_cuda(platforms)
    if not cuda:
        return ()
    message = f"the conda part is for CUDA {cuda}: the host needs its driver and NVIDIA's runtime"
    return (Notice(code="cuda", message=message, where=base_image),)


def need_full_image(platforms: Iterable[PlatformLock]) -> tuple[str, ...]:
    """The packages of a lock that load libraries which slim images lack, sorted."""
    names = {package.name for platform in platforms for package in platform.pylock.packages}
    return tuple(sorted(names & _NEED_FULL_IMAGE))
