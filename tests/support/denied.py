"""Files that may not be opened, whoever runs the tests: root may open everything."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

__all__ = ["deny"]


def deny(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    """From here on, opening ``path`` fails as it does for a user without permission."""
    real = Path.open

    def refuse(self: Path, *args: Any, **kwargs: Any) -> Any:
        if self == path:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))
        return real(self, *args, **kwargs)

    monkeypatch.setattr(Path, "open", refuse)
