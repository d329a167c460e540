"""Addresses that a resolver is given in place of those that need a password, and back. Pure.

An address keeps its host and path: ``https://host/simple`` is asked for as
``http://host:443/simple``, by a proxy that speaks TLS from there on. A resolver's cache, keyed by
address, therefore stays warm from run to run.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from envbuild.fetch.credentials import origin_of, restore_token, split_token

__all__ = ["Routes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Routes:
    """``origins``: the servers (``https://host``) that want a password, by host and port.

    ``secret_urls`` are addresses with a token in the path, which is left out inside.
    """

    origins: Mapping[str, str]
    secret_urls: tuple[str, ...] = field(default=(), repr=False)

    @classmethod
    def of(cls, origins: Iterable[str], secret_urls: Iterable[str] = ()) -> Routes:
        """The routes to ``origins``."""
        return cls(
            origins={_location(origin): origin for origin in sorted(origins)},
            secret_urls=tuple(sorted(url.rstrip("/") for url in secret_urls)),
        )

    def inside(self, text: str) -> str:
        """``text`` with every address of these servers as the resolver is to ask for it."""
        for secret in self.secret_urls:
            text = text.replace(secret, split_token(secret)[0])
        for origin in self.origins.values():
            text = _pattern(origin).sub(_inside(origin), text)
        return text

    def outside(self, text: str) -> str:
        """``text`` with every such address as it is outside."""
        for origin in self.origins.values():
            text = _pattern(_inside(origin)).sub(origin, text)
        return text

    def upstream(self, address: str) -> str | None:
        """Where a request for ``address`` goes, or None if it is not one of these servers."""
        origin = self.origins.get(_location(address))
        if origin is None:
            return None
        parts = urlsplit(address)
        url = origin + address.removeprefix(f"{parts.scheme}://{parts.netloc}")
        return restore_token(url, self.secret_urls)


def _location(url: str) -> str:
    """``host:443``: what an address of ours has in common with the real one."""
    scheme, _, location = origin_of(url).partition("://")
    if ":" in location.rpartition("]")[2]:
        return location
    return f"{location}:{443 if scheme == 'https' else 80}"


def _inside(origin: str) -> str:
    return f"http://{_location(origin)}" if origin.startswith("https:") else origin


def _pattern(origin: str) -> re.Pattern[str]:
    """Matches ``origin`` in text, with escaped slashes as in JSON too, and any user in it."""
    scheme, _, location = origin.partition("://")
    default = "" if ":" in location.rpartition("]")[2] else _default_port(scheme)
    return re.compile(
        rf"{scheme}:(?:\\?/){{2}}(?:[^\s/@\"'<>]+@)?{re.escape(location)}{default}"
        r"(?=[^\w.:-]|[.:](?:\s|$)|$)",
        re.IGNORECASE,
    )


def _default_port(scheme: str) -> str:
    return "(?::443)?" if scheme == "https" else "(?::80)?"
