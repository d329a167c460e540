"""How a long step says what it is doing: the library calls, the command line draws."""

from __future__ import annotations

from typing import Protocol

__all__ = ["SILENT", "Reporter", "Silent"]


class Reporter(Protocol):
    """Told what happens; never asked anything. Called from the thread that runs the step."""

    def step(self, text: str) -> None:
        """A step begins: ``resolving 12 requirements for linux-64``."""

    def advance(self, done: int, total: int) -> None:
        """Part of the step is done, in bytes; ``total`` 0 where it is not known."""


class Silent:
    """Says nothing."""

    def step(self, text: str) -> None:
        """Ignore the step."""

    def advance(self, done: int, total: int) -> None:
        """Ignore the progress."""


SILENT = Silent()
