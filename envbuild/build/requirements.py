"""Build requirements as a lock of their own: exact versions with hashes, wheels only.

They are those of the time of the lock: nothing newer than its newest artefact is taken, so that
the same lock builds with the same tools next year.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import uv
from packaging.pylock import Pylock

from envbuild.ambient import Ambient
from envbuild.build.interpreters import Interpreter
from envbuild.errors import BuildError
from envbuild.fs import sha256_bytes, write_file
from envbuild.process import Runner, plain_environment
from envbuild.redact import redact, without_userinfo

__all__ = ["BuildPins", "PinResolver", "newest_upload"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildPins:
    """A requirements file with hashes."""

    text: str

    @property
    def names(self) -> tuple[str, ...]:
        """``setuptools==68.0.0``, in order."""
        lines = self.text.splitlines()
        return tuple(line.split(" ")[0] for line in lines if line[:1].isalnum())


@dataclass(frozen=True, slots=True, kw_only=True)
class PinResolver:
    """Asks uv. ``indexes`` are as the user wrote them, the main one first; none means PyPI."""

    ambient: Ambient
    runner: Runner
    folder: Path  # of pins resolved before
    indexes: tuple[str, ...] = ()
    cutoff: datetime | None = None
    constraints: str = ""
    offline: bool = False

    def pin(
        self, requires: Sequence[str], interpreter: Interpreter, *, name: str, workdir: Path
    ) -> BuildPins:
        """Pins for ``requires`` on ``interpreter``; the same question gets the same answer.

        Raises:
            BuildError: they cannot be satisfied by wheels.
        """
        known = self.folder / f"{self._key(requires, interpreter)}.txt"
        if known.exists():
            return BuildPins(text=known.read_text("utf-8"))
        if not requires:
            return BuildPins(text="")
        (workdir / "build-requires.in").write_text("".join(f"{line}\n" for line in requires))
        (workdir / "build-constraints.txt").write_text(self.constraints)
        done = self.runner(self._argv(interpreter), env=self._environment(workdir), cwd=workdir)
        if done.returncode != 0:
            raise BuildError(
                f"{name}: its build requirements cannot be had as wheels",
                details=(
                    f"it asks for {', '.join(requires)}",
                    *(redact(line) for line in done.stderr.strip().splitlines()),
                ),
                remedy="--build-constraint, or a wheel of it by --find-links at lock",
            )
        write_file(known, done.stdout.encode())
        return BuildPins(text=done.stdout)

    def _argv(self, interpreter: Interpreter) -> list[str]:
        argv = [uv.find_uv_bin(), "pip", "compile", "--no-config", "--no-progress", "--quiet"]
        argv += ["--generate-hashes", "--no-header", "--no-annotate", "--only-binary", ":all:"]
        argv += ["--python", str(interpreter.exe), "--no-python-downloads"]
        argv += ["--constraints", "build-constraints.txt"]
        if self.cutoff is not None:
            argv += ["--exclude-newer", self.cutoff.isoformat()]
        if self.offline:
            argv += ["--offline"]
        return [*argv, "build-requires.in"]

    def _environment(self, workdir: Path) -> dict[str, str]:
        """With credentials: nothing is built here, so no foreign code sees them."""
        environment = plain_environment(self.ambient.environ, home=workdir)
        return environment | self.index_environment()

    def index_environment(self) -> dict[str, str]:
        """Where uv finds wheels, with credentials; for a process that runs no foreign code."""
        environment = {"UV_CACHE_DIR": str(self.ambient.cache_root() / "uv")}
        if self.indexes:
            environment["UV_DEFAULT_INDEX"] = self.indexes[0]
            environment["UV_INDEX"] = " ".join(self.indexes[1:])
        return environment

    def _key(self, requires: Sequence[str], interpreter: Interpreter) -> str:
        question = [
            sorted(requires),
            interpreter.tag,
            interpreter.system,
            interpreter.machine,
            [without_userinfo(index) for index in self.indexes],
            self.cutoff.isoformat() if self.cutoff else "",
            self.constraints,
        ]
        return sha256_bytes(json.dumps(question).encode())[:32]


def newest_upload(pylocks: Sequence[Pylock]) -> datetime | None:
    """When the newest locked artefact was published, None where the index does not tell."""
    times = [
        file.upload_time
        for pylock in pylocks
        for package in pylock.packages
        for file in (*(package.wheels or ()), package.sdist, package.archive)
        if file is not None and file.upload_time is not None
    ]
    return max(times, default=None)
