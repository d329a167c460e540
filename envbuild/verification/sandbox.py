"""Where the steps after unpacking run: with no network but loopback, and proof that it is so."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from envbuild.errors import ToolError
from envbuild.process import Completed, Runner

__all__ = [
    "MARK",
    "NO_ISOLATION",
    "PROBES",
    "Namespace",
    "Open",
    "Sandbox",
    "Verdict",
    "find_namespace",
    "judge",
    "probe_result",
]

PROBES = Path(__file__).resolve().parents[1] / "probes"
MARK = "envbuild-result "
"""What the line begins with on which a probe prints its result."""
NO_ISOLATION = "none: the network was in reach"

_PROOF_SECONDS = 60
# A process namespace as well, where that may be had: when its first process goes, the kernel ends
# all the others, so that not even a server that made itself a daemon survives its step.
_PROCESSES = ("--pid", "--fork", "--kill-child", "--mount-proc")
_AS_USER = ("--user", "--map-root-user")
_WAYS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("network namespace", ("--net", *_PROCESSES)),
    ("network namespace", ("--net",)),
    ("user and network namespace", (*_AS_USER, "--net", *_PROCESSES)),
    ("user and network namespace", (*_AS_USER, "--net")),
)


class Sandbox(Protocol):
    """Runs programs, with the network or without."""

    @property
    def description(self) -> str:
        """How the network is taken away, for the report."""

    def run(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path | None = None,
        stdin: str = "",
        timeout: float | None = None,
    ) -> Completed:
        """Run ``argv`` inside; raises what ``process.run`` raises."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Namespace:
    """A new network namespace for each program, made by util-linux' ``unshare``."""

    description: str
    options: tuple[str, ...]
    runner: Runner

    def run(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path | None = None,
        stdin: str = "",
        timeout: float | None = None,
    ) -> Completed:
        """Run ``argv`` below ``enter.py``, which brings loopback up."""
        enter = (sys.executable, "-I", str(PROBES / "enter.py"))
        wrapped = ("unshare", *self.options, "--", *enter, *argv)
        return self.runner(wrapped, env=env, cwd=cwd, stdin=stdin, timeout=timeout)


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """No isolation at all: what ``allow_network`` permits."""

    runner: Runner
    description: str = NO_ISOLATION

    def run(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path | None = None,
        stdin: str = "",
        timeout: float | None = None,
    ) -> Completed:
        """Run ``argv`` as it is."""
        return self.runner(argv, env=env, cwd=cwd, stdin=stdin, timeout=timeout)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether a sandbox has no network; ``reason`` says what was found."""

    isolated: bool
    reason: str


def find_namespace(runner: Runner, env: Mapping[str, str]) -> tuple[Namespace | None, list[str]]:
    """The first way that this system allows and that is proven, else why each was refused."""
    refusals: list[str] = []
    for sandbox in _namespaces(runner):
        verdict = judge(sandbox, env, python=sys.executable)
        if verdict.isolated:
            return sandbox, refusals
        refusals.append(f"unshare {' '.join(sandbox.options)}: {verdict.reason}")
    return None, refusals


def _namespaces(runner: Runner) -> Iterator[Namespace]:
    for description, options in _WAYS:
        yield Namespace(description=description, options=options, runner=runner)


def judge(
    sandbox: Sandbox, env: Mapping[str, str], *, python: str, probes: str = str(PROBES)
) -> Verdict:
    """Let ``network.py`` look around inside, on the interpreter ``python``."""
    argv = (python, "-I", f"{probes}/network.py")
    try:
        done = sandbox.run(argv, env=env, timeout=_PROOF_SECONDS)
    except ToolError as error:
        return Verdict(isolated=False, reason=str(error))
    found = probe_result(done)
    if found is None:
        return Verdict(isolated=False, reason=_last_line(done))
    open_doors = [f"interface {name} is up" for name in found["interfaces"]]
    open_doors += [f"{door} is open" for door in found["reachable"]]
    if open_doors:
        return Verdict(isolated=False, reason=", ".join(open_doors))
    if not found["loopback"]:
        return Verdict(isolated=False, reason="loopback does not work, which servers need")
    return Verdict(isolated=True, reason="only loopback is up; no public address has a route")


def probe_result(done: Completed) -> dict[str, Any] | None:
    """What a probe printed as its result, among whatever else was printed; None without one."""
    for line in reversed(done.stdout.splitlines()):
        if line.startswith(MARK):
            result = json.loads(line.removeprefix(MARK))
            return dict(result)
    return None


def _last_line(done: Completed) -> str:
    lines = done.stderr.strip().splitlines()
    return lines[-1] if lines else f"it ended with code {done.returncode} and no word"
