"""The only module that starts programs. Callers take a ``Runner``: tests pass a fake."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from envbuild.errors import ToolError

__all__ = ["Completed", "Runner", "plain_environment", "run"]

# What a program needs to find itself, the network and its certificates; nothing that is a secret
# and nothing that configures pip or uv behind our back (PIP_*, UV_*, CONDA_*).
_KEPT = (
    "PATH",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "TEMP",
    "TMP",
    "SYSTEMROOT",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "NO_PROXY",
    "no_proxy",
)
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """A program that has ended: its argument list, return code and what it printed."""

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str


class Runner(Protocol):
    """Starts a program and waits for it."""

    def __call__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path | None = None,
        stdin: str = "",
        timeout: float | None = None,
    ) -> Completed:
        """Run ``argv`` as ``run`` does."""


def run(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path | None = None,
    stdin: str = "",
    timeout: float | None = None,
) -> Completed:
    """Run ``argv`` with exactly the environment ``env``; never through a shell.

    ``timeout`` is in seconds; None waits for ever. The program gets a process group of its own,
    which ends with it when time runs out or Ctrl-C comes: nothing it started is left behind.

    Raises:
        ToolError: the program is not there, cannot be started, or ran out of time.
    """
    try:
        child = subprocess.Popen(
            list(argv),
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        raise ToolError(f"cannot start {argv[0]}: {error.strerror or error}") from error
    with child:
        try:
            stdout, stderr = child.communicate(stdin, timeout=timeout)
        except subprocess.TimeoutExpired as error:
            _kill_group(child)
            raise ToolError(f"{argv[0]} did not end within {timeout:g} s") from error
        except BaseException:
            _kill_group(child)
            raise
    return Completed(argv=tuple(argv), returncode=child.returncode, stdout=stdout, stderr=stderr)


def _kill_group(child: subprocess.Popen[str]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)


def plain_environment(ambient: Mapping[str, str], *, home: Path) -> dict[str, str]:
    """An environment for programs that may run foreign code: no secret, no ambient configuration.

    ``home`` becomes HOME, so that no ``.netrc``, ``.pypirc`` or ``pip.conf`` is in reach. A proxy
    is kept unless its address holds credentials.
    """
    kept = {name: ambient[name] for name in _KEPT if name in ambient}
    for name in _PROXIES:
        if name in ambient and "@" not in ambient[name]:
            kept[name] = ambient[name]
    kept.setdefault("PATH", os.defpath)
    kept["HOME"] = str(home)
    kept["PYTHONUTF8"] = "1"
    return kept
