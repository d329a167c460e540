"""Signals that ask a command to end: it ends what it started, then itself."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from envbuild.errors import EnvbuildError

__all__ = ["InterruptedRunError", "TerminatedError", "ended_by_signals"]

# SIGHUP comes when the terminal is closed; Windows has none.
_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")


class InterruptedRunError(EnvbuildError):
    """Ctrl-C."""

    exit_code = 130


class TerminatedError(KeyboardInterrupt):
    """A signal asked for the end; ``code`` is what a shell makes of it."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.code = 128 + number


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Raise TerminatedError where the process would just end, so that every block is left."""

    def end(number: int, _: FrameType | None) -> None:
        raise TerminatedError(number)

    known = [getattr(signal, name) for name in _SIGNALS if hasattr(signal, name)]
    before = {number: signal.signal(number, end) for number in known}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
