"""conda.yaml, requirements.txt and python_env.yaml -> EnvSpec with origins. Pure but for included files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from packaging.markers import Marker
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName

from envbuild.model import Model
from envbuild.notices import Notice
from envbuild.origins import Origin

__all__ = [
    "CondaRequirement",
    "EnvSpec",
    "FileSource",
    "IndexOption",
    "PipRequirement",
    "PythonRequest",
    "UrlSource",
    "VcsSource",
    "parse_environment",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class VcsSource:
    """``git+https://host/repo@ref#subdirectory=x``: ``url`` without the ``git+`` and the ref, no credentials kept in text output."""

    vcs: str
    url: str
    ref: str = ""
    subdirectory: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UrlSource:
    """A wheel or sdist at an http(s) or file URL outside the model."""

    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSource:
    """A wheel, sdist or project folder inside the model; ``path`` is posix, relative to the model."""

    path: str
    editable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PipRequirement:
    """One pip requirement. ``source`` None means an index; ``name`` is None only for an unnamed VCS or URL entry."""

    name: NormalizedName | None
    origin: Origin
    text: str  # as written, without comment
    extras: tuple[str, ...] = ()
    specifier: SpecifierSet = SpecifierSet()
    marker: Marker | None = None
    source: VcsSource | UrlSource | FileSource | None = None
    hashes: tuple[str, ...] = ()  # "sha256:…"

    def pep508(self) -> str:
        """The requirement as one PEP 508 line (``torch[cuda]==1.9; python_version < "3.9"``), credentials removed."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexOption:
    """An option line such as ``--extra-index-url URL``; ``value`` may hold ``${VAR}`` or credentials, never print it raw."""

    kind: Literal[
        "index-url",
        "extra-index-url",
        "find-links",
        "trusted-host",
        "no-index",
        "pre",
        "no-binary",
        "only-binary",
        "prefer-binary",
    ]
    value: str
    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class CondaRequirement:
    """One conda MatchSpec: ``conda-forge::pytorch=1.13=py38*``."""

    name: str
    origin: Origin
    text: str
    channel: str = ""
    version: str = ""
    build: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonRequest:
    """The Python that is asked for: ``specifier`` in PEP 440 terms, ``text`` as written."""

    specifier: SpecifierSet
    text: str
    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvSpec:
    """Requirements with their origins. ``conda`` has neither python nor the tools (pip, setuptools, wheel), which stand in ``conda_tools``."""

    pip: tuple[PipRequirement, ...]
    python: PythonRequest | None
    conda: tuple[CondaRequirement, ...] = ()
    conda_tools: tuple[CondaRequirement, ...] = ()
    channels: tuple[str, ...] = ()
    constraints: tuple[PipRequirement, ...] = ()
    index_options: tuple[IndexOption, ...] = ()
    notices: tuple[Notice, ...] = ()
    files: tuple[str, ...] = ()  # the files it was read from, the one that counts first


def parse_environment(model: Model) -> EnvSpec:
    """The environment that the model's files ask for.

    conda.yaml wins over requirements.txt, which wins over python_env.yaml; differences are notices.
    Without any environment file ``files`` is empty, as are the requirements.

    Raises:
        SpecError: entries that cannot be understood, all of them at once.
    """
    raise NotImplementedError
