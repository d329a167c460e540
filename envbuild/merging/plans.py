"""What merging gives: plans to solve, each with what it changes and why."""

from __future__ import annotations

from dataclasses import dataclass, field

from packaging.version import Version

from envbuild.entries.requirements import CondaRequirement, IndexOption, PipRequirement
from envbuild.merging.changes import Change
from envbuild.merging.name_map import NameMap, load_name_map
from envbuild.notices import Notice
from envbuild.platforms import Target
from envbuild.server import ServerProfile
from envbuild.spec import EnvSpec

__all__ = ["Change", "MergeOptions", "Plan", "applies"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeOptions:
    """The user's choices that shape the requirements."""

    python: str = ""  # --python
    fill_in: bool = True  # recorded versions fill in unpinned requirements
    keep_mlflow: bool = False
    strict_server: bool = False  # never take an older server than rank 0
    use_model_indexes: bool = True
    constraints: tuple[PipRequirement, ...] = ()
    relax: tuple[str, ...] = ()  # names whose pins may move, or "auto" for any
    runtime: str = "auto"
    channels: tuple[str, ...] = field(default=(), repr=False)  # --channel; may hold credentials
    name_map: NameMap = field(default_factory=load_name_map, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A merged environment, ready to solve: requirements with origins for one Python.

    ``notices`` are all that was noticed so far: by reading the model, parsing and merging. With the
    conda runtime ``conda`` are the packages to solve first, python among them.
    """

    python: Version
    runtime: str  # pip | conda
    server: ServerProfile
    requirements: tuple[PipRequirement, ...]
    constraints: tuple[PipRequirement, ...]
    index_options: tuple[IndexOption, ...]
    spec: EnvSpec
    changes: tuple[Change, ...] = ()
    notices: tuple[Notice, ...] = ()
    conda: tuple[CondaRequirement, ...] = ()
    channels: tuple[str, ...] = field(default=(), repr=False)  # may hold credentials
    names: NameMap = field(default_factory=load_name_map, repr=False, compare=False)


def applies(requirement: PipRequirement, target: Target) -> bool:
    """Whether the requirement's marker holds for the target; markers of extras do not."""
    if requirement.marker is None:
        return True
    environment = {name: str(value) for name, value in target.marker_environment().items()}
    return requirement.marker.evaluate({**environment, "extra": ""})
