"""EnvSpec + ServerProfile -> the plans to solve, best first; or every contradiction at once. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from packaging.version import Version

from envbuild.model import Model
from envbuild.notices import Notice
from envbuild.platforms import Platform
from envbuild.server import ServerProfile
from envbuild.spec import EnvSpec, IndexOption, PipRequirement

__all__ = ["Change", "MergeOptions", "Plan", "merge"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeOptions:
    """The user's choices that shape the requirements."""

    python: str = ""  # --python
    fill_in: bool = True  # recorded versions fill in unpinned requirements
    keep_mlflow: bool = False
    strict_server: bool = False  # never take an older server than rank 0
    use_model_indexes: bool = True
    constraints: tuple[PipRequirement, ...] = ()
    relax: tuple[str, ...] = ()  # normalized names whose pins may move
    runtime: str = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Something a plan does to what the model asked for.

    ``kind``: ``filled-in``, ``swapped``, ``added``, ``older-server``, ``relaxed``, ``renamed``, ``dropped``.
    """

    kind: str
    name: str
    before: str
    after: str
    reason: str
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A merged environment, ready to solve: requirements with origins for one Python."""

    python: Version
    runtime: str  # pip | conda
    server: ServerProfile
    requirements: tuple[PipRequirement, ...]
    constraints: tuple[PipRequirement, ...]
    index_options: tuple[IndexOption, ...]
    spec: EnvSpec
    changes: tuple[Change, ...] = ()
    notices: tuple[Notice, ...] = ()


def merge(
    model: Model,
    spec: EnvSpec,
    server: ServerProfile,
    *,
    platforms: tuple[Platform, ...],
    options: MergeOptions,
) -> tuple[Plan, ...]:
    """The plans to try in order: the first that resolves is the lock.

    The first keeps all that the model says and fills in; later ones swap mlflow for mlflow-skinny,
    give up a filled-in version, or step to an older server: each with the change that says so.

    Raises:
        ConflictError: contradictions that need no index to see, all at once, naming both origins.
        PythonVersionError: no release of Python fits.
        RuntimeUnsupportedError: conda packages without the conda runtime.
    """
    raise NotImplementedError
