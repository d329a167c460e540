"""Solved conda parts by hand, and a solver that answers from a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from envbuild.entries.conda_entries import parse_match_spec
from envbuild.entries.requirements import CondaRequirement
from envbuild.errors import ResolutionError
from envbuild.origins import Origin
from envbuild.resolve.conda.interface import CondaPackage, CondaProblem, CondaResolution
from tests.support.merging import target

__all__ = ["FakeSolver", "asked", "package", "solved"]

CHANNEL = "https://conda.anaconda.org/conda-forge"


def package(name: str, version: str, *depends: str, subdir: str = "linux-64") -> CondaPackage:
    """A package with hashes that say its name."""
    return CondaPackage(
        name=name,
        version=version,
        build="0",
        subdir=subdir,
        channel=CHANNEL,
        url=f"{CHANNEL}/{subdir}/{name}-{version}-0.conda",
        sha256=name.encode().hex().ljust(64, "0")[:64],
        md5=name.encode().hex().ljust(32, "0")[:32],
        depends=depends,
    )


def solved(*packages: CondaPackage) -> CondaResolution:
    """A resolution for linux-64."""
    ordered = tuple(sorted(packages, key=lambda one: one.name))
    return CondaResolution(target=target(), packages=ordered, solver="by hand")


def asked(*specs: str) -> tuple[CondaRequirement, ...]:
    """The requirements of a conda.yaml, in order."""
    return tuple(
        parse_match_spec(
            text, origin=Origin(side="model", file="conda.yaml", position=f"dependencies[{number}]")
        )
        for number, text in enumerate(specs)
    )


class FakeSolver:
    """Answers with what ``choose`` gives for the versions asked for; None is no solution."""

    def __init__(
        self, choose: Callable[[dict[str, list[str]]], Iterable[CondaPackage] | None]
    ) -> None:
        self.choose = choose
        self.problems: list[CondaProblem] = []

    def solve(self, problem: CondaProblem) -> CondaResolution:
        self.problems.append(problem)
        versions: dict[str, list[str]] = {}
        for one in problem.requirements:
            versions.setdefault(one.name, []).append(one.version)
        found = self.choose(versions)
        if found is None:
            raise ResolutionError("no", details=["the chain"])
        return solved(*found)
