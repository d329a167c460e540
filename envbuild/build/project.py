"""What a project says of its own build: ``[build-system]`` of pyproject.toml (PEP 517, PEP 518)."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from envbuild.errors import BuildError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["LEGACY", "BuildSystem", "read_build_system"]

# PEP 517, "build backend interface": what a project without the table is built by.
_LEGACY_REQUIRES = ("setuptools>=40.8.0",)
_LEGACY_BACKEND = "setuptools.build_meta:__legacy__"


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSystem:
    """``backend_path`` are folders of the project, empty for a backend that is installed."""

    requires: tuple[str, ...] = _LEGACY_REQUIRES
    backend: str = _LEGACY_BACKEND
    backend_path: tuple[str, ...] = ()


LEGACY = BuildSystem()


def read_build_system(project: Path, *, name: str) -> BuildSystem:
    """The build system of a project folder; ``name`` is for messages.

    Raises:
        BuildError: there is no project, or its table breaks PEP 518.
    """
    file = project / "pyproject.toml"
    if not file.is_file():
        if not (project / "setup.py").is_file():
            raise BuildError(f"{name}: there is neither pyproject.toml nor setup.py in it")
        return LEGACY
    try:
        table = tomllib.loads(file.read_text("utf-8")).get("build-system")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise BuildError(f"{name}: its pyproject.toml cannot be read: {error}") from error
    return LEGACY if table is None else _parse(table, name)


def _parse(table: Any, name: str) -> BuildSystem:  # noqa: ANN401 - whatever is in the file
    match table:
        case {"requires": [*requires], **rest} if all(isinstance(one, str) for one in requires):
            pass
        case _:
            raise BuildError(f"{name}: [build-system] of its pyproject.toml has no list 'requires'")
    backend = rest.get("build-backend", _LEGACY_BACKEND)
    path = rest.get("backend-path", [])
    if not isinstance(backend, str) or not _are_inner(path):
        raise BuildError(f"{name}: [build-system] of its pyproject.toml cannot be understood")
    return BuildSystem(requires=tuple(requires), backend=backend, backend_path=tuple(path))


def _are_inner(paths: Any) -> TypeGuard[list[str]]:  # noqa: ANN401
    """PEP 517: "directories must be relative to the project root", and inside it."""
    return isinstance(paths, list) and all(
        isinstance(path, str) and not Path(path).is_absolute() and ".." not in Path(path).parts
        for path in paths
    )
