"""Every error envbuild raises: one root, one class per family, the exit code in the class.

A class takes data, keeps it, and words it in ``__str__``: what is wrong, where, what was
expected and found, and what to do next. Exit codes are listed in ``docs/reference/exit-codes.md``;
a test checks that they are unique and that the page is complete.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as of typing, whose import costs more than this module
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import ClassVar

__all__ = [
    "BuildError",
    "ConflictError",
    "EnvbuildError",
    "FleetError",
    "ImageError",
    "IndexUnavailableError",
    "IntegrityError",
    "LockFileError",
    "MissingExtraError",
    "ModelError",
    "OutputError",
    "ProfileError",
    "PythonVersionError",
    "ResolutionError",
    "RuntimeUnsupportedError",
    "ServerError",
    "SpecError",
    "ToolError",
    "UsageError",
]


class EnvbuildError(Exception):
    """Root of every error that envbuild raises on purpose.

    ``problem`` says what is wrong in one sentence, ``where`` names the file and position,
    ``details`` are further lines, ``remedy`` is the next thing to try.
    """

    exit_code: ClassVar[int] = 70

    def __init__(
        self,
        problem: str,
        *,
        where: str = "",
        details: Sequence[str] = (),
        remedy: str = "",
    ) -> None:
        super().__init__(problem)
        self.problem = problem
        self.where = where
        self.details = tuple(details)
        self.remedy = remedy

    def __str__(self) -> str:
        head = f"{self.where}: {self.problem}" if self.where else self.problem
        lines = [head, *(f"  {detail}" for detail in self.details)]
        if self.remedy:
            lines.append(f"  try: {self.remedy}")
        return "\n".join(lines)


class UsageError(EnvbuildError):
    """The command line or the arguments of a library call are wrong."""

    exit_code = 2


class ModelError(EnvbuildError):
    """The folder is not a readable MLflow model, or a file in it is broken or hostile."""

    exit_code = 3


class SpecError(EnvbuildError):
    """An entry of the model's environment files cannot be understood."""

    exit_code = 4


class ProfileError(EnvbuildError):
    """A server profile is unknown or does not fit the schema."""

    exit_code = 5


class PythonVersionError(EnvbuildError):
    """No Python release satisfies what the model, the profile or the user asks for."""

    exit_code = 6


class ConflictError(EnvbuildError):
    """Requirements contradict each other before any index was asked."""

    exit_code = 7


class ResolutionError(EnvbuildError):
    """The resolver found that no set of releases satisfies the requirements."""

    exit_code = 8


class IndexUnavailableError(EnvbuildError):
    """A package index or model registry could not be reached or refused us."""

    exit_code = 9


class ToolError(EnvbuildError):
    """A program that envbuild runs failed in a way that is not one of the other families."""

    exit_code = 10


class MissingExtraError(EnvbuildError):
    """A feature needs an optional dependency; the message gives the command that installs it."""

    exit_code = 11


class OutputError(EnvbuildError):
    """The output cannot be written, or lies where envbuild refuses to write."""

    exit_code = 12


class LockFileError(EnvbuildError):
    """A context, lock or manifest is missing, unreadable or not written by envbuild."""

    exit_code = 13


class IntegrityError(EnvbuildError):
    """A file differs from the hash that the lock or manifest records."""

    exit_code = 14


class BuildError(EnvbuildError):
    """A source distribution or VCS dependency could not be built.

    ``package`` is its normalized name where it comes from an index, else empty.
    """

    exit_code = 15

    def __init__(
        self,
        problem: str,
        *,
        where: str = "",
        details: Sequence[str] = (),
        remedy: str = "",
        package: str = "",
    ) -> None:
        super().__init__(problem, where=where, details=details, remedy=remedy)
        self.package = package


class RuntimeUnsupportedError(EnvbuildError):
    """The model needs a runtime (conda packages, a platform) that is not there."""

    exit_code = 16


class ImageError(EnvbuildError):
    """The Docker engine cannot be reached or a build failed."""

    exit_code = 17


class ServerError(EnvbuildError):
    """A server ended by itself or did not come up: most often, its model does not load."""

    exit_code = 18


class FleetError(EnvbuildError):
    """Some models of a fleet could not be locked; all the others were."""

    exit_code = 19
