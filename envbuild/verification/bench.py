"""What every step works with: a sandbox, the environment under test, and what is run in it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from envbuild.errors import ToolError
from envbuild.process import Completed
from envbuild.verification.report import StepResult, failed
from envbuild.verification.sandbox import MARK, Sandbox, probe_result

__all__ = ["PATIENCE_S", "Bench", "tail"]

PATIENCE_S = 1800.0
"""Seconds that any one program may take: a big environment on a slow disk takes minutes."""

_TAIL_LINES = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """``python`` is the interpreter of the environment under test, ``probes`` the folder of the
    probes, both as seen inside the sandbox. ``env`` is all that programs inside get.
    """

    sandbox: Sandbox
    env: Mapping[str, str]
    python: str
    probes: str
    uv: str = ""  # where uv can be run inside, if it can

    def with_variables(self, more: Mapping[str, str]) -> Bench:
        """The same with further variables."""
        return replace(self, env={**self.env, **more})

    def run(self, argv: Sequence[str], *, stdin: str = "") -> Completed:
        """Run ``argv`` inside."""
        return self.sandbox.run(argv, env=self.env, stdin=stdin, timeout=PATIENCE_S)

    def probe(
        self, step: str, name: str, *args: str, task: Mapping[str, Any] | None = None
    ) -> tuple[dict[str, Any], Completed] | StepResult:
        """Run the probe ``name`` on the interpreter under test: its result, or a failed ``step``.

        -I keeps the probe's folder off ``sys.path``; -B keeps byte code out of the model's folder.
        """
        argv = (self.python, "-I", "-B", f"{self.probes}/{name}", *args)
        try:
            done = self.run(argv, stdin=json.dumps(task) if task is not None else "")
        except ToolError as error:
            return failed(step, error.problem)
        result = probe_result(done)
        if result is None:
            return failed(step, f"the interpreter ended with code {done.returncode}", *tail(done))
        return result, done


def tail(done: Completed) -> tuple[str, ...]:
    """The end of what a program wrote on standard error, or on standard output if only there."""
    text = done.stderr.strip() or done.stdout.strip()
    lines = [line for line in text.splitlines() if not line.startswith(MARK)]
    return tuple(lines[-_TAIL_LINES:])
