"""What is known of the world: the tables in ``data/``, which ship with envbuild."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["read_table"]


def read_table(name: str) -> dict[str, Any]:
    """``data/NAME.toml`` as plain values."""
    file = Path(__file__).parent / "data" / f"{name}.toml"
    return tomllib.loads(file.read_text(encoding="utf-8"))
