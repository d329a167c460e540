"""The programs that are compared, each given the same requirements, index and caches."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from benchmarks.cases import Case
from benchmarks.timing import Program

__all__ = [
    "ENVBUILD",
    "Bench",
    "environment",
    "lock_programs",
    "merged_requirements",
    "start_programs",
    "tool",
    "uv_compile",
]

# What our image of Debian 12 and newer can run; the floor that envbuild takes too.
_PLATFORM = "x86_64-manylinux_2_28"
_SCRUBBED = ("PIP_", "UV_", "CONDA_", "MLFLOW_", "ENVBUILD_", "PYTHON", "XDG_")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A case, prepared: the merged requirements, a context that is up to date, filled caches."""

    case: Case
    requirements: Path
    context: Path
    packages: int
    ours: Path  # a home whose caches envbuild has filled
    theirs: Path  # one whose caches bare uv has filled: envbuild keeps index pages for longer

    @classmethod
    def prepare(cls, case: Case, folder: Path) -> Bench:
        """Lock once, untimed: that fills the caches and says what the others have to solve."""
        bench = cls(
            case=case,
            requirements=folder / "requirements.in",
            context=folder / "context",
            packages=0,
            ours=folder / "ours",
            theirs=folder / "theirs",
        )
        bench.ours.mkdir(parents=True)
        bench.theirs.mkdir()
        lock = bench.envbuild("lock", case.model, "-o", bench.context)
        _check_call(lock, environment(bench.ours))
        wanted = merged_requirements(bench.context)
        bench.requirements.write_text("".join(f"{line}\n" for line in wanted))
        _check_call(bench.uv(folder / "warm.txt"), environment(bench.theirs))
        locked = (bench.context / "requirements.txt").read_text()
        return replace(bench, packages=sum("==" in line for line in locked.splitlines()))

    def envbuild(self, *arguments: str | Path) -> list[str]:
        """``envbuild`` on the case's model with the case's server."""
        return [*ENVBUILD, *map(str, arguments), "--quiet", "--server", self.case.server]

    def uv(self, output: Path) -> list[str]:
        """Bare uv on the requirements that envbuild merged."""
        return uv_compile(self.requirements, self.case.python, output)

    def pip_compile(self, output: Path) -> list[str]:
        """pip-tools on the same; it solves for the Python that it runs on."""
        command = [tool("pip-compile"), "--no-config", "--quiet", "--generate-hashes"]
        return [*command, "--strip-extras", str(self.requirements), "--output-file", str(output)]


ENVBUILD = (sys.executable, "-m", "envbuild")


def start_programs() -> Iterator[Program]:
    """What starting costs, before any work."""
    yield _plain("python -c pass", [sys.executable, "-c", "pass"])
    yield _plain("envbuild --version", [*ENVBUILD, "--version"])
    yield _plain("uv --version", [tool("uv"), "--version"])


def lock_programs(bench: Bench, *, slow: bool) -> Iterator[Program]:
    """Everything that locks the case, cold (empty caches) and warm (filled ones)."""
    case, ours = bench.case, environment(bench.ours)

    def cold_lock(folder: Path) -> tuple[Sequence[str], Mapping[str, str]]:
        return bench.envbuild("lock", case.model, "-o", folder / "env"), environment(folder)

    def cold_uv(folder: Path) -> tuple[Sequence[str], Mapping[str, str]]:
        return bench.uv(folder / "out.txt"), environment(folder)

    def warm_lock(folder: Path) -> tuple[Sequence[str], Mapping[str, str]]:
        return bench.envbuild("lock", case.model, "-o", folder / "env"), ours

    def warm_uv(folder: Path) -> tuple[Sequence[str], Mapping[str, str]]:
        return bench.uv(folder / "out.txt"), environment(bench.theirs)

    def uv_on_our_cache(folder: Path) -> tuple[Sequence[str], Mapping[str, str]]:
        return bench.uv(folder / "out.txt"), ours

    def relock(_: Path) -> tuple[Sequence[str], Mapping[str, str]]:
        return bench.envbuild("lock", case.model, "-o", bench.context), ours

    def check(_: Path) -> tuple[Sequence[str], Mapping[str, str]]:
        command = [*ENVBUILD, "lock", str(case.model), "-o", str(bench.context), "--check"]
        return command, ours

    def pip_compile(folder: Path) -> tuple[Sequence[str], Mapping[str, str]]:
        return bench.pip_compile(folder / "out.txt"), environment(folder)

    yield Program(name="envbuild lock, cold", prepare=cold_lock)
    yield Program(name="uv pip compile, cold", prepare=cold_uv)
    yield Program(name="envbuild lock, warm", prepare=warm_lock)
    yield Program(name="uv pip compile, warm", prepare=warm_uv)
    yield Program(name="uv pip compile, on envbuild's cache", prepare=uv_on_our_cache)
    yield Program(name="envbuild lock again", prepare=relock)
    yield Program(name="envbuild lock --check", prepare=check)
    solvable = tuple(map(int, case.minor.split("."))) == sys.version_info[:2]
    if solvable and (slow or not case.slow_for_pip_compile):
        yield Program(name="pip-compile, cold", prepare=pip_compile, rounds=1)


def uv_compile(requirements: Path, python: str, output: Path) -> list[str]:
    """Bare uv, for the same target and with hashes."""
    target = ["--python-version", python, "--python-platform", _PLATFORM]
    command = [tool("uv"), "--no-config", "pip", "compile", "--quiet", "--generate-hashes"]
    return [*command, *target, str(requirements), "--output-file", str(output)]


def merged_requirements(context: Path) -> list[str]:
    """The pip section of a context's environment.yml: what envbuild gave to its resolver."""
    document = yaml.safe_load((context / "environment.yml").read_text())
    sections = [entry["pip"] for entry in document["dependencies"] if isinstance(entry, dict)]
    entries = [str(entry) for section in sections for entry in section]
    return [entry for entry in entries if not entry.startswith("-")]


def environment(home: Path) -> dict[str, str]:
    """This machine's environment, with all caches below ``home`` and no ambient configuration."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_SCRUBBED)}
    return {
        **kept,
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home / ".cache"),
        "PIP_CONFIG_FILE": os.devnull,
    }


def _plain(name: str, argv: Sequence[str]) -> Program:
    return Program(name=name, prepare=lambda folder: (argv, environment(folder)))


def tool(name: str) -> str:
    """A program beside this interpreter, so that its version is the one that envbuild uses."""
    beside = Path(sys.executable).parent / name
    return str(beside) if beside.exists() else shutil.which(name) or name


def _check_call(argv: Sequence[str], env: Mapping[str, str]) -> None:
    subprocess.run(argv, env=dict(env), check=True, stdout=subprocess.DEVNULL)
