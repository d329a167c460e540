"""Server profiles: what an inference server needs, as data. TOML in, ServerProfile out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.specifiers import SpecifierSet

from envbuild.spec import PipRequirement

__all__ = ["BUILT_IN", "PackageSet", "Probes", "ServerProfile", "load_profile"]

BUILT_IN = ("azureml-online", "azureml-batch", "mlflow", "none")


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageSet:
    """Packages for the Pythons in ``python``. Lower ``rank`` is tried first; a higher rank is an
    older server, taken only when the model's own pins exclude the newer, and said aloud with ``reason``."""

    python: SpecifierSet
    packages: tuple[PipRequirement, ...]
    rank: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probes:
    """HTTP paths of the server on its port."""

    liveness: str
    readiness: str
    scoring: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerProfile:
    """One server. ``script`` is the file name of a shipped scoring script or a path beside the profile; empty for none."""

    name: str
    summary: str
    package_sets: tuple[PackageSet, ...]
    skinny_swap: bool = False  # full mlflow may be replaced by mlflow-skinny
    full_mlflow: SpecifierSet = SpecifierSet()  # full mlflow releases known to stand beside rank 0
    scoring_needs: tuple[PipRequirement, ...] = ()  # what the script imports beside mlflow-skinny
    script: str = ""
    command: tuple[str, ...] = ()
    port: int | None = None
    probes: Probes | None = None
    environment: Mapping[str, str] | None = None
    kind: str = "online"  # online | batch | none: which azureml/ files are written
    path: Path | None = None  # the user's file

    def sets_for(self, python: str) -> tuple[PackageSet, ...]:
        """The package sets for a full Python version, best rank first."""
        raise NotImplementedError


def load_profile(name_or_path: str) -> ServerProfile:
    """A built-in profile by name, or a user's TOML file by path.

    Raises:
        ProfileError: unknown name, unreadable file, or every violation of the schema at once.
    """
    raise NotImplementedError
