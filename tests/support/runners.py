"""Runners that start nothing: they remember what they were asked and answer as told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from envbuild.process import Completed

__all__ = ["Asked", "FakeRunner"]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A program that would have been started."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path | None


@dataclass(kw_only=True)
class FakeRunner:
    """``answer`` gives return code, stdout and stderr for arguments; None for 0 and nothing."""

    answer: Callable[[Sequence[str]], tuple[int, str, str] | None] = lambda _: None
    asked: list[Asked] = field(default_factory=list)

    def __call__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path | None = None,
        stdin: str = "",
        timeout: float | None = None,
    ) -> Completed:
        self.asked.append(Asked(argv=tuple(argv), env=dict(env), cwd=cwd))
        returncode, stdout, stderr = self.answer(argv) or (0, "", "")
        return Completed(argv=tuple(argv), returncode=returncode, stdout=stdout, stderr=stderr)
