"""Text as one YAML scalar, for files whose comments a YAML library would not write."""

from __future__ import annotations

import yaml

__all__ = ["quoted", "scalar"]


def scalar(text: str) -> str:
    """``text`` on one line, in quotes only where YAML would read it as something else."""
    return _flow(text, style=None)


def quoted(text: str) -> str:
    """``text`` on one line, always in quotes."""
    return _flow(text, style='"')


def _flow(text: str, *, style: str | None) -> str:
    written: str = yaml.safe_dump(
        [text], default_flow_style=True, default_style=style, width=10**6, allow_unicode=True
    )
    return written.strip().removeprefix("[").removesuffix("]")
