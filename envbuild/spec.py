"""conda.yaml, requirements.txt, python_env.yaml -> EnvSpec with origins."""

from __future__ import annotations

from dataclasses import dataclass, field

from packaging.specifiers import SpecifierSet

from envbuild.model import Model
from envbuild.notices import Notice
from envbuild.origins import Origin, Side
from envbuild.requirements import (
    CondaRequirement,
    FileSource,
    IndexOption,
    PipRequirement,
    UrlSource,
    VcsSource,
)

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
    "parse_requirements",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonRequest:
    """The Python that is asked for: ``specifier`` in PEP 440 terms, ``text`` as written."""

    specifier: SpecifierSet
    text: str
    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvSpec:
    """Requirements with their origins.

    ``conda`` has neither python nor the tools (pip, setuptools, wheel), which stand in
    ``conda_tools``. ``build_tools`` are the ``build_dependencies`` of python_env.yaml: what the
    machine that logged the model had, whichever file counts. ``channels`` may hold credentials.
    """

    pip: tuple[PipRequirement, ...]
    python: PythonRequest | None
    conda: tuple[CondaRequirement, ...] = ()
    conda_tools: tuple[CondaRequirement, ...] = ()
    build_tools: tuple[PipRequirement, ...] = ()
    channels: tuple[str, ...] = field(default=(), repr=False)
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


def parse_requirements(text: str, *, file: str, side: Side) -> tuple[PipRequirement, ...]:
    """The requirements of a file in pip's format that is not a model's: constraints of the user.

    ``file`` names it in origins and messages. Options and included files are refused.

    Raises:
        SpecError: entries that cannot be understood, all of them at once.
    """
    raise NotImplementedError
