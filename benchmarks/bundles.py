"""From a lock to its files: export, pip download, and a plain parallel fetch of the same."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.contestants import ENVBUILD, environment
from benchmarks.timing import Program
from envbuild.emit.selection import ReadyWheel, select
from envbuild.fetch.download import Artefact
from envbuild.locking.context import read_context
from envbuild.options import ExportOptions

__all__ = ["bundle_programs", "locked_wheels"]


def locked_wheels(context: Path) -> tuple[Artefact, ...]:
    """The wheels of a context's one lock, as export chooses them."""
    read = read_context(context)
    (lock,) = read.locks.values()
    choices = select(lock, context=read.path, lock_name="pylock.toml")
    return tuple(choice.artefact for choice in choices if isinstance(choice, ReadyWheel))


def bundle_programs(context: Path, folder: Path) -> Iterator[Program]:
    """Each program fetches the same files. ``folder`` keeps the filled cache of the warm run."""
    wheels = locked_wheels(context)
    requirements = folder / "requirements.txt"
    read = read_context(context)
    (lock,) = read.locks.values()
    pins = {str(package.name): package.version for package in lock.pylock.packages}
    requirements.write_text(
        "".join(f"{one.name}=={pins[one.name]} --hash=sha256:{one.sha256}\n" for one in wheels)
    )
    filled = folder / "filled"
    filled.mkdir()
    subprocess.run(
        export(context, folder / "first"), env=environment(filled), check=True, capture_output=True
    )

    def fetch(own: Path) -> tuple[Sequence[str], Mapping[str, str]]:
        config = own / "curl"
        config.write_text(
            "".join(f'url = "{one.url}"\noutput = "{own / one.sha256}"\n' for one in wheels)
        )
        connections = str(ExportOptions().connections)
        command = ["curl", "--silent", "--show-error", "--fail", "--parallel"]
        return [
            *command, "--parallel-max", connections, "--config", str(config)
        ], environment(own)  # fmt: skip

    def cold(own: Path) -> tuple[Sequence[str], Mapping[str, str]]:
        return export(context, own / "bundle"), environment(own)

    def warm(own: Path) -> tuple[Sequence[str], Mapping[str, str]]:
        return export(context, own / "bundle"), environment(filled)

    def pip(own: Path) -> tuple[Sequence[str], Mapping[str, str]]:
        command = [sys.executable, "-m", "pip", "--isolated", "download", "--quiet", "--no-deps"]
        options = ["--no-cache-dir", "--disable-pip-version-check", "--require-hashes"]
        return [
            *command, *options, "--requirement", str(requirements), "--dest", str(own / "wheels")
        ], environment(own)  # fmt: skip

    yield Program(name="curl, as many connections, nothing checked", prepare=fetch)
    yield Program(name="envbuild export, cold", prepare=cold)
    yield Program(name="envbuild export, warm", prepare=warm)
    yield Program(name="pip download --require-hashes", prepare=pip, rounds=1)


def export(context: Path, output: Path) -> list[str]:
    """The command line of an export."""
    return [*ENVBUILD, "export", str(context), "-o", str(output), "--quiet"]
