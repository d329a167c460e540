"""A runner that starts nothing: it remembers what it was asked and answers by rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from envbuild.errors import ToolError
from envbuild.process import Completed

__all__ = ["Answer", "Call", "ScriptedRunner"]


@dataclass(frozen=True, kw_only=True)
class Call:
    """One program that would have been started."""

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(repr=False)
    cwd: Path | None

    @property
    def line(self) -> str:
        return " ".join(self.argv)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """How a program ends; ``files`` are written into its working directory first."""

    returncode: int = 0
    stdout: str = ""
    stderr: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    missing: bool = False  # it cannot be started at all


class ScriptedRunner:
    """Answers a program by the first rule whose text stands in its command line.

    A rule's answer may be a function of the call. ``files`` of each call are kept as they were.
    """

    def __init__(self, rules: Mapping[str, Answer | Callable[[Call], Answer]]) -> None:
        self.rules = rules
        self.calls: list[Call] = []
        self.files: list[dict[str, str]] = []

    def __call__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path | None = None,
        stdin: str = "",
        timeout: float | None = None,
    ) -> Completed:
        call = Call(argv=tuple(argv), env=env, cwd=cwd)
        self.calls.append(call)
        present = sorted(cwd.glob("*.*")) if cwd else []
        self.files.append({path.name: path.read_text() for path in present if path.is_file()})
        for text, answer in self.rules.items():
            if text in call.line:
                return self._complete(call, answer if isinstance(answer, Answer) else answer(call))
        raise AssertionError(f"no rule for {call.line}")

    def _complete(self, call: Call, answer: Answer) -> Completed:
        if answer.missing:
            raise ToolError(f"cannot start {call.argv[0]}: No such file or directory")
        for name, text in answer.files.items():
            assert call.cwd is not None
            (call.cwd / name).write_text(text)
        return Completed(
            argv=call.argv,
            returncode=answer.returncode,
            stdout=answer.stdout,
            stderr=answer.stderr,
        )
