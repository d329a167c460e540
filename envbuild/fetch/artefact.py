"""What there is to fetch, apart from how, which takes longer to import."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

__all__ = ["MD5", "Artefact"]

MD5 = "md5-"
"""What the key of a file begins with of which nobody knows a sha256."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Artefact:
    """One file of a lock. ``url`` is without credentials; ``size`` in bytes, or None if unknown.

    ``md5`` counts only where ``sha256`` is empty: some conda channels have no more.
    """

    name: str  # the package, for messages
    url: str
    sha256: str
    size: int | None = None
    md5: str = ""

    @property
    def key(self) -> str:
        """What the cache and the results of a download know the file by."""
        return self.sha256 or f"{MD5}{self.md5}"

    @property
    def algorithm(self) -> str:
        """``sha256`` or ``md5``."""
        return "sha256" if self.sha256 else "md5"

    def hasher(self) -> hashlib._Hash:
        """What the file's bytes are to be fed to."""
        return hashlib.new(self.algorithm, usedforsecurity=False)

    def is_right(self, digest: str) -> bool:
        """Whether ``digest`` (hex) is what the lock says."""
        return digest == (self.sha256 or self.md5)
