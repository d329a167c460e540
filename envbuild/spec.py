"""conda.yaml, requirements.txt, python_env.yaml -> EnvSpec with origins."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from envbuild.entries.environment_files import EnvironmentFiles
from envbuild.entries.remarks import remarks_on_names, remarks_on_python, remarks_on_variables
from envbuild.entries.requirements import (
    CondaRequirement,
    FileSource,
    IndexOption,
    PipRequirement,
    PythonRequest,
    UrlSource,
    VcsSource,
)
from envbuild.entries.requirements_file import EntryReader, raise_bad_entries
from envbuild.model import Model
from envbuild.notices import Notice
from envbuild.origins import Side

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


T = TypeVar("T")


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
    A conda.yaml without pip requirements takes those of requirements.txt. Python is the one of the
    first file that names one, then the one that MLmodel records. Without any environment file
    ``files`` is empty, as are the requirements.

    Raises:
        SpecError: entries that cannot be understood, all of them at once.
        ModelError: conda.yaml is no YAML.
    """
    files = EnvironmentFiles(model)
    raise_bad_entries(files.bad())
    pip, conda, python_env = files.pip, files.conda, files.python_env
    requests = tuple(files.pythons())
    python = requests[0] if requests else None
    spec = EnvSpec(
        pip=_unique(pip.requirements, _pip_key),
        python=python,
        conda=_unique(conda.conda, CondaRequirement.match_spec) if conda else (),
        conda_tools=_unique(conda.tools, CondaRequirement.match_spec) if conda else (),
        build_tools=tuple(python_env.build_tools) if python_env else (),
        channels=conda.channels if conda else (),
        constraints=_unique(pip.constraints, _pip_key),
        index_options=_unique(pip.options, lambda option: (option.kind, option.value)),
        files=files.names(python),
    )
    notices = (
        *files.notices(),
        *remarks_on_python(python, requests[1:]),
        *remarks_on_names(spec.pip, spec.conda),
        *remarks_on_variables(spec.pip, spec.index_options),
    )
    return replace(spec, notices=notices)


def parse_requirements(text: str, *, file: str, side: Side) -> tuple[PipRequirement, ...]:
    """The requirements of a file in pip's format that is not a model's: constraints of the user.

    ``file`` names it in origins and messages. Options, included and local files are refused.

    Raises:
        SpecError: entries that cannot be understood, all of them at once.
    """
    reader = EntryReader(side=side, only_requirements=True)
    reader.read_file(text, file)
    raise_bad_entries(reader.bad)
    return tuple(reader.requirements)


def _unique(items: Iterable[T], key: Callable[[T], Hashable]) -> tuple[T, ...]:
    """The items without those that say the same as an earlier one."""
    found: dict[Hashable, T] = {}
    for item in items:
        found.setdefault(key(item), item)
    return tuple(found.values())


def _pip_key(requirement: PipRequirement) -> Hashable:
    return (requirement.pep508(), requirement.hashes, requirement.raw_url)
