"""Where a bundle or context is installed and put to work: namespace, container, or in the open."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from envbuild.ambient import Ambient
from envbuild.build.interpreters import find_interpreter
from envbuild.errors import EnvbuildError
from envbuild.image.container import running
from envbuild.image.engine import connect, has_image
from envbuild.platforms import Target
from envbuild.process import Runner, plain_environment
from envbuild.verification.report import StepResult, failed, passed, skipped
from envbuild.verification.sandbox import Open, Sandbox, find_namespace, judge

__all__ = ["NO_NETWORK", "Found", "Room", "Search", "quiet_environment"]

NO_NETWORK = "no network"

_PROXIES = frozenset({"http_proxy", "https_proxy", "all_proxy", "no_proxy"})
_CONTAINER_PATH = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
_ALLOW = "try: --allow-network, which proves less"


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """``python`` makes the environment, and is empty where that brings its own; ``env`` is all that
    programs get.
    """

    sandbox: Sandbox
    python: str
    env: Mapping[str, str]

    def env_for(self, venv: Path) -> dict[str, str]:
        """The variables once ``venv`` is there: as if it were activated."""
        path = f"{venv / 'bin'}{os.pathsep}{self.env['PATH']}"
        return {
            **self.env,
            "PATH": path,
            "VIRTUAL_ENV" if self.python else "CONDA_PREFIX": str(venv),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The step that tells of the isolation, and the room unless there is none."""

    step: StepResult
    room: Room | None = None


def quiet_environment(plain: Mapping[str, str]) -> dict[str, str]:
    """What isolated programs get: no proxy, no configuration of pip, and no byte code left in
    folders that are not ours.
    """
    kept = {name: value for name, value in plain.items() if name.lower() not in _PROXIES}
    return {**kept, "PIP_CONFIG_FILE": os.devnull, "PYTHONDONTWRITEBYTECODE": "1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What a room is looked for with.

    ``image`` is the base image that may stand in for this machine, empty where it may not;
    ``readable`` and ``writable`` are the folders that must be seen in there. An environment of
    conda's ``brings_python``.
    """

    target: Target
    python_exe: str
    image: str
    readable: tuple[Path, ...]
    writable: Path
    allow_network: bool
    ambient: Ambient
    runner: Runner
    brings_python: bool = False

    def find(self, stack: ExitStack) -> Found:
        """The first of: a namespace, a container, the open where that is allowed.

        ``stack`` ends the container.

        Raises:
            UsageError: ``python_exe`` is no Python, or another than the lock is for.
        """
        env = quiet_environment(plain_environment(self.ambient.environ, home=self._home()))
        python = "" if self.brings_python else self._interpreter()
        ready = bool(python) or self.brings_python
        namespace, refusals = find_namespace(self.runner, env)
        if namespace is not None and ready:
            step = passed(NO_NETWORK, f"{namespace.description}: only loopback is up")
            return Found(step=step, room=Room(sandbox=namespace, python=python, env=env))
        if not ready:
            minor = ".".join(map(str, self.target.python_minor))
            refusals = [f"no CPython {minor} on this machine; try: --python-exe EXE"]
        contained = self._contained(stack, refusals)
        if contained is not None:
            return contained
        if self.allow_network and ready:
            step = skipped(NO_NETWORK, f"the network was in reach: {'; '.join(refusals)}")
            room = Room(sandbox=Open(runner=self.runner), python=python, env=env)
            return Found(step=step, room=room)
        if not ready:
            return Found(step=failed(NO_NETWORK, "there is nothing to run it on", *refusals))
        return Found(step=failed(NO_NETWORK, "isolation is not possible here", *refusals, _ALLOW))

    def _interpreter(self) -> str:
        found = find_interpreter(
            self.target, given=self.python_exe, ambient=self.ambient, runner=self.runner
        )
        return str(found.exe) if found else ""

    def _contained(self, stack: ExitStack, refusals: list[str]) -> Found | None:
        """A container of the base image, or None and one refusal more."""
        if not self.image:
            return None
        try:
            client = connect(self.ambient.environ)
            if not has_image(client, self.image):
                refusals.append(f"docker: the engine does not have {self.image}")
                return None
            container = stack.enter_context(
                running(
                    client,
                    self.image,
                    binds={**dict.fromkeys(self.readable, "ro"), self.writable: "rw"},
                    user=f"{os.getuid()}:{os.getgid()}",
                )
            )
        except EnvbuildError as error:
            refusals.append(f"docker: {' '.join((error.problem, *error.details))}")
            return None
        env = quiet_environment({"HOME": str(self._home()), "PATH": _CONTAINER_PATH})
        verdict = judge(container, env, python="python3")
        if not verdict.isolated:
            refusals.append(f"docker: {verdict.reason}")
            return None
        step = passed(NO_NETWORK, f"docker run --network none of {self.image}: {verdict.reason}")
        return Found(step=step, room=Room(sandbox=container, python="python3", env=env))

    def _home(self) -> Path:
        home = self.writable / "home"
        home.mkdir(exist_ok=True)
        return home
