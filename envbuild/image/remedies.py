"""What to do about what engines, registries and pip say when a build fails. Pure.

The words are those of Docker's engine (moby, distribution), of pip, and of our own Dockerfile.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["remedy_for"]

_GET_BASE = (
    "docker pull {base} where the registry is in reach, docker load where it is not, "
    "or --base-image with one that the engine has"
)
# The first that fits counts: what tells more stands first.
_REMEDIES: Mapping[str, tuple[str, ...]] = {
    "docker system df shows what the engine keeps; docker system prune removes what is unused": (
        r"no space left on device",
        r"disk quota exceeded",
    ),
    "--base-image with the Python of the lock": (r"^no Python \d+\.\d+$",),
    "the index has other files than were locked: envbuild lock again, or build a bundle": (
        r"do not match the hashes",
    ),
    _GET_BASE: (
        r"pull access denied",
        r"manifest unknown",
        r"manifest for .+ not found",
        r"repository .+ not found",
        r"no matching manifest",
        r"no such image",
        r"dial tcp",
        r"no such host",
        r"i/o timeout",
        r"tls handshake timeout",
        r"server misbehaving",
    ),
    "docker login": (r"unauthorized", r"authentication required", r"no basic auth", r"\bdenied:"),
    "export a bundle and build that with --offline, where builds do not reach the index": (
        r"could not find a version",
        r"no matching distribution",
        r"newconnectionerror",
        r"temporary failure in name resolution",
        r"network is unreachable",
    ),
    "--platform with the engine's own, or an engine that can emulate it": (r"exec format error",),
    "more memory for the engine": (r"code: 137\b", r"out of memory", r"cannot allocate memory"),
}


def remedy_for(text: str, *, base: str) -> str:
    """The next thing to try when a build on the image ``base`` said ``text``; empty if unknown."""
    for remedy, patterns in _REMEDIES.items():
        if any(re.search(each, text, re.IGNORECASE | re.MULTILINE) for each in patterns):
            return remedy.format(base=base)
    return ""
