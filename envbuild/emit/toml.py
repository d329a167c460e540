"""TOML as lock files are best read and compared: a row of a list is one line, whatever its length.

tomli-w writes keys and values; only where they stand is decided here, since it spreads a table
longer than 100 characters, as every row with a URL is, over a section of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tomli_w

__all__ = ["render_pairs", "render_tables"]


def render_tables(table: Mapping[str, Any], *, name: str = "") -> str:
    """``table`` as ``[name]``, with the tables in it as sections of their own after it."""
    plain = {key: value for key, value in table.items() if not isinstance(value, Mapping)}
    inner = {key: value for key, value in table.items() if isinstance(value, Mapping)}
    header = f"[{name}]\n" if name and (plain or not inner) else ""
    own = f"{header}{render_pairs(plain)}"
    prefix = f"{name}." if name else ""
    sections = [render_tables(value, name=f"{prefix}{_key(key)}") for key, value in inner.items()]
    return "\n".join(block for block in (own, *sections) if block)


def render_pairs(table: Mapping[str, Any]) -> str:
    """``key = value`` lines. Lists take a line for each item, tables in them or beside them one."""
    return "".join(f"{_key(key)} = {_value(value)}\n" for key, value in table.items())


def _value(value: Any) -> str:  # noqa: ANN401 - whatever TOML can hold
    if isinstance(value, list) and value:
        return "".join(["[\n", *(f"    {_inline(item)},\n" for item in value), "]"])
    return _inline(value)


def _inline(value: Any) -> str:  # noqa: ANN401
    if isinstance(value, Mapping):
        pairs = ", ".join(f"{_key(key)} = {_inline(item)}" for key, item in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, list):
        return f"[{', '.join(_inline(item) for item in value)}]"
    return tomli_w.dumps({"x": value}).removeprefix("x = ").rstrip("\n")


def _key(key: str) -> str:
    return tomli_w.dumps({key: 0}).removesuffix(" = 0\n")
