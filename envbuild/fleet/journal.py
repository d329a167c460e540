"""What an upgrade has done so far, so that the same command again does the rest only."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from envbuild.fleet.outcome import Status
from envbuild.fs import sha256_bytes
from envbuild.options import LockOptions
from envbuild.redact import redact

__all__ = ["JOURNAL", "Journal"]

JOURNAL = ".envbuild-upgraded"
"""In the folder of a fleet: what an upgrade that has not ended has made anew."""

_FRESH_S = 12 * 3600  # then there may be newer releases, and an upgrade is another one
_MADE: tuple[Status, ...] = ("locked", "unchanged")


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """A line for each context of ``output``, written by whoever made it, when it is whole.

    A line counts for a run of the same options (``run``), for half a day, and while the locks of
    the context are those that it names. So no line that is torn, foreign or old does any harm.
    """

    output: Path
    run: str

    @classmethod
    def of(cls, output: Path, options: LockOptions, version: str) -> Journal:
        """That of the runs with these options; a password in them leaves no trace."""
        words = redact(f"{version} {replace(options, cache_dir='')!r}")
        return cls(output=output, run=sha256_bytes(words.encode("utf-8", "surrogateescape"))[:16])

    def note(self, name: str, status: Status) -> None:
        """Say that the context ``name`` is made anew; without a word where that cannot be kept."""
        with suppress(OSError), (self.output / JOURNAL).open("ab", buffering=0) as stream:
            entry = json.dumps([self.run, name, status, self._locks(name), int(time.time())])
            # Begun with the end of the line before, which may have been torn.
            stream.write(f"\n{entry}".encode())

    def made(self, names: Iterable[str]) -> dict[str, Status]:
        """Which of the contexts ``names`` are made anew, and how each was."""
        try:
            lines = (self.output / JOURNAL).read_bytes().splitlines()
        except OSError:
            return {}
        noted = dict(entry for line in lines if (entry := self._entry(line)))
        keys = {name: (name, self._locks(name)) for name in names}
        return {name: noted[key] for name, key in keys.items() if key in noted}

    def remove(self) -> None:
        """Forget it all: the upgrade has ended."""
        with suppress(OSError):
            (self.output / JOURNAL).unlink(missing_ok=True)

    def _entry(self, line: bytes) -> tuple[tuple[str, str], Status] | None:
        try:
            run, name, status, locks, when = json.loads(line)
            counts = run == self.run and abs(time.time() - when) < _FRESH_S and status in _MADE
        except (ValueError, TypeError, RecursionError):
            return None
        return ((str(name), str(locks)), status) if counts else None

    def _locks(self, name: str) -> str:
        """The digest of the lock files of a context; of nothing where there are none."""
        files = sorted((self.output / name).glob("pylock*.toml"))
        return sha256_bytes(b"".join(map(_bytes_of, files)))


def _bytes_of(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""
