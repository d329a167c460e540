"""What to do about what engines, registries and pip say when a build fails. Pure.

The words are those of Docker's engine (moby, distribution), of pip, and of our own Dockerfile.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["push_remedy_for", "remedy_for"]

_GET_BASE = (
    "docker pull {base} where the registry is in reach, docker load where it is not, "
    "or --base-image with one that the engine has"
)
_REFUSED = (r"unauthorized", r"authentication required", r"no basic auth", r"\bdenied:")
# The first that fits counts: what tells more stands first.
_REMEDIES: Mapping[str, tuple[str, ...]] = {
    "docker system df shows what the engine keeps; docker system prune removes what is unused": (
        r"no space left on device",
        r"disk quota exceeded",
    ),
    "--base-image with the Python of the lock, its venv and its pip": (
        r"^no Python \d+\.\d+$",
        r"python3: (command )?not found",
        r"\bensurepip\b",
        r"no module named '?venv",
    ),
    # pip was shown the wheels of a bundle, which are all there.
    "--base-image for which the wheels are: with glibc, as new a one as the Dockerfile says": (
        r"(?s:looking in links: wheels.*no matching distribution)",
        r"is not a supported wheel on this platform",
    ),
    "the index has other files than were locked: envbuild lock again, or build a bundle": (
        r"do not match the hashes",
    ),
    "docker pull {base} for the platform that was asked for, or --base-image with one for it": (
        r"does not match the specified platform",
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
    "docker login": _REFUSED,
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
        if _fits(text, patterns):
            return remedy.format(base=base)
    return ""


def push_remedy_for(text: str, *, tag: str) -> str:
    """The next thing to try when pushing ``tag`` gave ``text``."""
    registry, slash, _ = tag.partition("/")
    if not _fits(text, _REFUSED):
        return f"docker push {tag} where its registry is in reach; the image is built"
    # Docker's own rule: what has a dot or a port is a host, anything else is a name at Docker Hub.
    named = slash and (registry == "localhost" or any(sign in registry for sign in ".:"))
    return f"docker login {registry}" if named else "docker login"


def _fits(text: str, patterns: tuple[str, ...]) -> bool:
    return any(re.search(each, text, re.IGNORECASE | re.MULTILINE) for each in patterns)
