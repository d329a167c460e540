"""A whole registry: one run of ``envbuild fleet``, and bare uv on one model after the other."""

from __future__ import annotations

import json
import os
import shlex
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.contestants import ENVBUILD, environment, merged_requirements, uv_compile
from benchmarks.registry import write_registry
from benchmarks.timing import Program
from envbuild.errors import FleetError
from envbuild.fleet import find_models
from envbuild.locking.header import parse_header

__all__ = ["Fleet", "fleet_programs"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """A registry of ``models`` models, some of which ``may_fail``; contexts go below ``folder``."""

    folder: Path
    registry: Path
    models: int
    may_fail: bool = False

    @classmethod
    def made_up(cls, folder: Path, models: int) -> Fleet:
        """Write a registry, untimed; each of its models can be locked."""
        registry = folder / "registry"
        write_registry(registry, models)
        return cls(folder=folder, registry=registry, models=models)

    @classmethod
    def of_folder(cls, folder: Path, registry: Path) -> Fleet:
        """The models that somebody has, as they are."""
        models = len(find_models(registry))
        return cls(folder=folder, registry=registry, models=models, may_fail=True)

    @property
    def contexts(self) -> Path:
        return self.folder / "contexts"

    @property
    def home(self) -> Path:
        """With the caches that the last cold run has filled."""
        return self.folder / "home"

    @property
    def cold_report(self) -> Path:
        """The JSON document of the last cold run."""
        return self.folder / "cold.json"

    def command(self, *options: str, report: Path = Path(os.devnull)) -> list[str]:
        """``envbuild fleet``, with its JSON document in ``report``."""
        argv = [*ENVBUILD, "fleet", str(self.registry), "-o", str(self.contexts), "--json"]
        script = '"$@" > "$0"'
        if self.may_fail:
            script += f"; case $? in 0 | 1 | {FleetError.exit_code}) ;; *) exit 1 ;; esac"
        # $0 is the first word after the script: elsewhere it is a name for messages.
        return ["sh", "-c", script, str(report), *argv, *options]

    def description(self) -> str:
        """How many environments, solves and answers that served again the last cold run had."""
        report = self.cold_report
        document: dict[str, Any] = json.loads(report.read_text())
        failed = document["counts"].get("failed", 0)
        cannot = f"{failed} that cannot be locked, " if failed else ""
        return cannot + (
            f"{document['environments']} environments, {document['solves']} solves, "
            f"{document['reused']} answers used again"
        )

    def serial_uv(self, folder: Path, models: int, *options: str) -> list[str]:
        """A shell script that calls uv with ``options`` for ``models`` models, spread evenly over
        the registry, with what envbuild merged for each.
        """
        locks = sorted(self.contexts.rglob("pylock.toml"))
        count = len(locks) * models // self.models
        lines = ["set -e"]
        for number in range(count):
            lock = locks[number * len(locks) // count]
            requirements = folder / f"{number}.in"
            merged = merged_requirements(lock.parent)
            requirements.write_text("".join(f"{line}\n" for line in merged))
            target = parse_header(lock.read_text(), where=str(lock)).target
            output = folder / f"{number}.txt"
            command = uv_compile(requirements, str(target.python), output)
            lines.append(shlex.join([*command, *options]))
        script = folder / "serial.sh"
        script.write_text("".join(f"{line}\n" for line in lines))
        return ["sh", str(script)]


def fleet_programs(fleet: Fleet, *, serial: int) -> Iterator[Program]:
    """Cold, again, checked; and bare uv on ``serial`` of the models, one by one: from as empty
    a cache, and without the index on the cache that envbuild has filled.
    """

    def cold(_: Path) -> tuple[Sequence[str], Mapping[str, str]]:
        shutil.rmtree(fleet.contexts, ignore_errors=True)
        shutil.rmtree(fleet.home, ignore_errors=True)
        fleet.home.mkdir()
        return fleet.command(report=fleet.cold_report), environment(fleet.home)

    def again(_: Path) -> tuple[Sequence[str], Mapping[str, str]]:
        return fleet.command(), environment(fleet.home)

    def check(_: Path) -> tuple[Sequence[str], Mapping[str, str]]:
        return fleet.command("--check"), environment(fleet.home)

    def uv(folder: Path) -> tuple[Sequence[str], Mapping[str, str]]:
        return fleet.serial_uv(folder, serial), environment(folder)

    def uv_offline(folder: Path) -> tuple[Sequence[str], Mapping[str, str]]:
        return fleet.serial_uv(folder, serial, "--offline"), environment(fleet.home)

    yield Program(name="envbuild fleet, cold", prepare=cold)
    yield Program(name="envbuild fleet again", prepare=again)
    yield Program(name="envbuild fleet --check", prepare=check)
    if serial:
        share = serial / fleet.models
        name = "uv pip compile, model by model"
        yield Program(name=f"{name}, offline on envbuild's cache", prepare=uv_offline, share=share)
        yield Program(name=f"{name}, cold", prepare=uv, share=share)
