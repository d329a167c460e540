"""The versions of a lock that a new one is to stay close to. Pure."""

from __future__ import annotations

import sys
from typing import Any

import tomli_w

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["pins_of", "preferences", "read_toml"]


def read_toml(text: str) -> dict[str, Any]:
    """A TOML document as tables."""
    return tomllib.loads(text)


def pins_of(previous: str) -> tuple[tuple[str, str], ...]:
    """The names and versions in the pylock ``previous`` that came from an index.

    What cannot be read prefers nothing.
    """
    try:
        return tuple(
            (str(package["name"]), str(package["version"]))
            for package in read_toml(previous).get("packages", [])
            if "version" in package and ("wheels" in package or "sdist" in package)
        )
    except (tomllib.TOMLDecodeError, AttributeError, KeyError, TypeError):
        return ()


def preferences(previous: str) -> str:
    """The pins of ``previous`` as a pylock of their own, for uv to prefer.

    It prefers what stands in the file it is to write, and gets no more than it needs: addresses of
    an old lock may be of files that are gone.
    """
    packages = [{"name": name, "version": version} for name, version in pins_of(previous)]
    if not packages:
        return ""
    return tomli_w.dumps({"lock-version": "1.0", "created-by": "envbuild", "packages": packages})
