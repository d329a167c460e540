"""The artefact cache: every file under its own sha256, shared by all models and all runs.

A name in the cache is a promise about the bytes, so a file enters only when its hash was checked,
and is hashed again whenever it is used: a disk that flips a bit must not reach a bundle.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from envbuild.ambient import Ambient
from envbuild.errors import OutputError
from envbuild.fetch.artefact import MD5
from envbuild.fs import md5_file, sha256_bytes, sha256_file, write_file

__all__ = ["ArtefactCache", "Claim"]


@dataclass(slots=True, kw_only=True)
class Claim:
    """A file being filled, open for appending, that no other thread or process fills meanwhile."""

    path: Path
    stream: BinaryIO

    @property
    def size(self) -> int:
        """How many bytes are there already, from this run or one that was cut short."""
        return self.stream.tell()

    def restart(self) -> None:
        """Throw away what is there."""
        self.stream.seek(0)
        self.stream.truncate()


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtefactCache:
    """Files under ``root``: ``sha256/ab/ab12…``, and ``partial/`` for those on their way.

    A key is a sha256, or ``md5-`` and an md5 (``md5/ab/ab12…``).
    """

    root: Path

    @classmethod
    def of(cls, ambient: Ambient) -> ArtefactCache:
        """The cache of this user."""
        return cls(root=ambient.cache_root() / "artefacts")

    def path(self, key: str) -> Path:
        """Where the file with this key is, or would be."""
        kind, digest = ("md5", key.removeprefix(MD5)) if key.startswith(MD5) else ("sha256", key)
        return self.root / kind / digest[:2] / digest

    def find(self, key: str) -> Path | None:
        """The file with this key, or None. One whose bytes have changed is removed."""
        path = self.path(key)
        digest_of = md5_file if key.startswith(MD5) else sha256_file
        try:
            if digest_of(path) == path.name:
                return path
            path.unlink(missing_ok=True)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise _unusable(path, error) from error
        return None

    def add_bytes(self, data: bytes) -> Path:
        """Put ``data`` into the cache."""
        path = self.path(sha256_bytes(data))
        write_file(path, data)
        return path

    def settle(self, claim: Claim, key: str) -> Path:
        """Move a claimed file, whose hash the caller has checked, to its place in one step."""
        claim.stream.flush()
        target = self.path(key)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            claim.path.chmod(0o644)
            claim.path.replace(target)
        except OSError as error:
            raise _unusable(target, error) from error
        return target

    @contextmanager
    def claim(self, key: str) -> Iterator[Claim]:
        """The partial file of this key, alone: who comes second waits for the first to be done.

        The lock is the kernel's, so it ends with the process, however that ends. What is left
        unsettled stays for the next run to resume.
        """
        path = self.root / "partial" / key
        while True:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                stream = path.open("ab")
            except OSError as error:
                raise _unusable(path, error) from error
            with stream:
                _lock(stream)
                if not _is_at(stream, path):
                    continue  # the one before us has settled it: this is the file it moved away
                yield Claim(path=path, stream=stream)
                return


def _lock(stream: BinaryIO) -> None:
    try:
        import fcntl
    except ImportError:  # pragma: no cover - Windows, where an open file cannot be moved anyway
        return
    fcntl.flock(stream, fcntl.LOCK_EX)


def _is_at(stream: BinaryIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(stream.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _unusable(path: Path, error: OSError) -> OutputError:
    return OutputError(
        f"cannot use the cache: {error.strerror or error}",
        where=str(path),
        remedy="another folder in ENVBUILD_CACHE_DIR",
    )
