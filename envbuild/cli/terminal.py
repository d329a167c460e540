"""Where the command line prints: results on standard output, everything else on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TextIO

from envbuild.errors import EnvbuildError

__all__ = ["Progress", "Terminal"]

_STYLES = {"bold": "1", "red": "31", "green": "32", "yellow": "33", "dim": "2"}
_REDRAW_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminal:
    """Two streams and how much to say on them."""

    out: TextIO
    err: TextIO
    json_output: bool = False
    quiet: bool = False
    verbose: bool = False
    colour: bool = False

    @classmethod
    def of_process(
        cls, environ: Mapping[str, str], *, json_output: bool, quiet: bool, verbose: bool
    ) -> Terminal:
        """The streams of this process; colours as https://no-color.org asks."""
        colour = sys.stdout.isatty() and not environ.get("NO_COLOR")
        return cls(
            out=sys.stdout,
            err=sys.stderr,
            json_output=json_output,
            quiet=quiet,
            verbose=verbose,
            colour=colour and environ.get("TERM") != "dumb",
        )

    def style(self, text: str, style: str) -> str:
        """``text`` in a colour or weight, where colours are on."""
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if self.colour else text

    def say(self, text: str) -> None:
        """A result for people; nothing under ``--json`` or ``--quiet``."""
        if not (self.quiet or self.json_output):
            print(_fitting(text, self.out), file=self.out, flush=True)

    def relay(self, line: str) -> None:
        """A line of a program that runs for the user, on standard error; none with ``--quiet``."""
        if not self.quiet:
            self.err.write(f"{line}\n")
            self.err.flush()

    def document(self, value: Mapping[str, Any]) -> None:
        """A result for machines; nothing without ``--json``."""
        if self.json_output:
            import json

            text = json.dumps(value, indent=2, ensure_ascii=False)
            if _fitting(text, self.out) != text:
                text = json.dumps(value, indent=2)  # all of it escaped as JSON does
            print(text, file=self.out, flush=True)

    def fail(self, error: EnvbuildError) -> None:
        """The error, on standard error for people or as the document for machines."""
        if self.json_output:
            self.document({"error": error_document(error)})
        else:
            print(f"{self.style('error', 'red')}: {error}", file=self.err)

    def progress(self) -> Progress:
        """A reporter: one redrawn line on a terminal, plain lines with ``--verbose``."""
        return Progress(terminal=self, live=self.err.isatty() and not (self.quiet or self.verbose))


class Progress:
    """Draws the current step on one line of standard error until it is closed."""

    def __init__(self, *, terminal: Terminal, live: bool) -> None:
        self._terminal = terminal
        self._live = live
        self._text = ""
        self._started = time.monotonic()
        self._drawn = 0.0

    def close(self) -> None:
        """Wipe the line."""
        if self._live and self._text:
            self._write("\r\x1b[K")

    def step(self, text: str) -> None:
        """Show ``text`` as what is being done."""
        self._text = text
        if self._live:
            self._write(f"\r\x1b[K{text} …")
        elif self._terminal.verbose:
            elapsed = time.monotonic() - self._started
            self._write(f"[{elapsed:6.2f}s] {text}\n")

    def advance(self, done: int, total: int) -> None:
        """Show bytes done, their rate and the time left, ten times a second at the most."""
        now = time.monotonic()
        if not self._live or (now - self._drawn < _REDRAW_S and done != total):
            return
        self._drawn = now
        self._write(f"\r\x1b[K{self._text} … {_transfer(done, total, now - self._started)}")

    def _write(self, text: str) -> None:
        self._terminal.err.write(text)
        self._terminal.err.flush()


def _fitting(text: str, stream: TextIO) -> str:
    """``text`` with what the stream has no bytes for escaped: file names may be no text at all."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _transfer(done: int, total: int, elapsed: float) -> str:
    rate = done / elapsed if elapsed > 0 else 0.0
    text = f"{done / 1e6:.1f} MB" if not total else f"{done / 1e6:.1f} of {total / 1e6:.1f} MB"
    if rate > 0:
        text += f", {rate / 1e6:.1f} MB/s"
        if total > done:
            text += f", {(total - done) / rate:.0f} s left"
    return text


def error_document(error: EnvbuildError) -> dict[str, Any]:
    """An error as ``--json`` gives it; documented in ``docs/reference/json.md``."""
    return {
        "type": type(error).__name__,
        "exit_code": error.exit_code,
        "message": error.problem,
        "where": error.where,
        "details": list(error.details),
        "remedy": error.remedy,
    }
