"""The versions of a lock that a new one is to stay close to. Pure."""

from __future__ import annotations

import sys
from typing import Any

import tomli_w

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["preferences", "read_toml"]


def read_toml(text: str) -> dict[str, Any]:
    """A TOML document as tables."""
    return tomllib.loads(text)


def preferences(previous: str) -> str:
    """The names and versions in the pylock ``previous`` as a pylock of their own.

    uv prefers what stands in the file it is to write. It gets no more than it needs: addresses of
    an old lock may be of files that are gone. What cannot be read prefers nothing.
    """
    try:
        packages = read_toml(previous).get("packages", [])
        pins = [
            {"name": str(package["name"]), "version": str(package["version"])}
            for package in packages
            if "version" in package and ("wheels" in package or "sdist" in package)
        ]
    except (tomllib.TOMLDecodeError, AttributeError, KeyError, TypeError):
        return ""
    if not pins:
        return ""
    return tomli_w.dumps({"lock-version": "1.0", "created-by": "envbuild", "packages": pins})
