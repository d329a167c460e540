"""What the process was started with: environment, home, working directory, user cache.

The one place that reads them, so that the rest of the library takes them as a value and tests
pass their own.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Ambient"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ambient:
    """``environ`` may hold secrets: never print or store it."""

    environ: Mapping[str, str]
    home: Path
    cwd: Path

    @classmethod
    def of_process(cls) -> Ambient:
        """The surroundings of this process."""
        return cls(environ=dict(os.environ), home=Path.home(), cwd=Path.cwd())

    def cache_root(self) -> Path:
        """Where what can be fetched again lies: ``ENVBUILD_CACHE_DIR``, else the user's cache."""
        if given := self.environ.get("ENVBUILD_CACHE_DIR"):
            return Path(given)
        if sys.platform == "darwin":
            return self.home / "Library" / "Caches" / "envbuild"
        if base := self.environ.get("XDG_CACHE_HOME"):
            return Path(base) / "envbuild"
        return self.home / ".cache" / "envbuild"
