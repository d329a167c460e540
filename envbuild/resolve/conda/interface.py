"""What the solver of the conda part is given and gives back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from envbuild.entries.requirements import CondaRequirement
from envbuild.notices import Notice
from envbuild.platforms import Target

__all__ = ["CondaOptions", "CondaPackage", "CondaProblem", "CondaResolution", "CondaSolver"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CondaOptions:
    """What the user decides about solving, the same for every platform of a run.

    ``virtual_packages`` are ``name=version`` overrides (``__cuda=12.4``, ``__glibc=2.28``).
    ``channel_map`` says where a channel's name leads, ``channel_alias`` where all others do.
    Addresses may hold credentials and ``${VAR}``: never print or store them.
    """

    conda_exe: str = ""  # the user's conda, mamba or micromamba; empty for ours
    channel_alias: str = field(default="", repr=False)
    channel_map: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    virtual_packages: tuple[tuple[str, str], ...] = ()
    exclude_newer: str = ""  # RFC 3339 date or time
    upgrade: bool = False
    upgrade_packages: tuple[str, ...] = ()  # conda names
    cache_dir: str = ""
    offline: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CondaProblem:
    """Packages for one target, python among them; ``channels`` in the order of their priority.

    ``previous`` is the text of the ``conda-lock.yml`` to stay close to, or empty.
    """

    target: Target
    requirements: tuple[CondaRequirement, ...]
    channels: tuple[str, ...] = field(repr=False)
    previous: str = ""
    options: CondaOptions = CondaOptions()


@dataclass(frozen=True, slots=True, kw_only=True)
class CondaPackage:
    """One solved package.

    ``url`` is without credentials; hashes are lower-case hex, ``md5`` may be empty, as may
    ``sha256`` where the channel has no more than an md5. ``depends`` are MatchSpecs. ``size`` is
    in bytes, 0 where the channel does not say.
    """

    name: str
    version: str
    build: str
    subdir: str  # linux-64, noarch
    channel: str  # its name or address, without credentials
    url: str
    sha256: str
    md5: str = ""
    size: int = 0
    depends: tuple[str, ...] = ()

    @property
    def filename(self) -> str:
        """``numpy-1.26.4-py311h64a7726_0.conda``."""
        return self.url.rpartition("/")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class CondaResolution:
    """A solved conda part, sorted by name; ``solver`` names what solved it and its release."""

    target: Target
    packages: tuple[CondaPackage, ...]
    solver: str
    notices: tuple[Notice, ...] = ()


class CondaSolver(Protocol):
    """A way to solve the conda part."""

    def solve(self, problem: CondaProblem) -> CondaResolution:
        """Solve.

        Raises:
            ResolutionError: no solution; details hold the chain and who asked.
            IndexUnavailableError: a channel cannot be reached, refused us or is broken.
            IntegrityError: a package without any hash.
            MissingExtraError: conda-lock or py-rattler is not installed.
            ToolError: the solver crashed or did not come to an end.
        """
