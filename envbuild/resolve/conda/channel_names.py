"""The channels that a call names made addresses, and its specs made unambiguous. Pure.

Source: conda's ``channel_alias``, ``default_channels`` and the ``channel::package`` syntax
(https://docs.conda.io/projects/conda/en/stable/user-guide/concepts/channels.html).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from envbuild.platforms import PLATFORMS

__all__ = [
    "DEFAULT_ALIAS",
    "ChannelAddress",
    "channel_addresses",
    "clarify",
    "default_channels",
    "localize",
    "spec_name",
]

ChannelAddress = tuple[str, str]
"""The name by which specs call a channel, and its address without a slash at the end."""

DEFAULT_ALIAS = "https://conda.anaconda.org"
_DEFAULTS = "https://repo.anaconda.com/pkgs"
_SUBDIRS = frozenset({platform.name for platform in PLATFORMS} | {"noarch", "linux-ppc64le"})
_ENDS_OF_NAME = frozenset(" =<>!~[")
_NAME = r"(?P<name>[^\s=<>!~\[]+)"
_APART = re.compile(rf"{_NAME}\s+(?P<version>\S+)\s+(?P<build>\S+)")
_FUZZY = re.compile(rf"{_NAME}===(?P<version>[^\s=\[]+)(?:=(?P<build>[^\s=\[]+))?")
_FUZZY_GLOB = re.compile(rf"{_NAME}===(?P<version>[^\s=\[]+)\[build=(?P<build>[^\]]+)\]")


def default_channels(subdir: str) -> tuple[str, ...]:
    """What ``defaults`` stands for: addresses, the most important first."""
    names = ("main", "r", "msys2") if subdir.startswith("win-") else ("main", "r")
    return tuple(f"{_DEFAULTS}/{name}" for name in names)


def channel_addresses(
    given: Iterable[str], specs: Iterable[str], *, known: Sequence[ChannelAddress], subdir: str
) -> tuple[ChannelAddress, ...]:
    """The channels of a call in the order of their priority, those that only a spec names last.

    With ``known`` channels nothing else counts, wherever the call says to look.
    """
    if known:
        return tuple((name, address.rstrip("/")) for name, address in known)
    found = [address for one in given if one != "nodefaults" for address in _expand(one, subdir)]
    for prefix in filter(None, (_split(spec)[0] for spec in specs)):
        bare, _ = _without_subdir(prefix)
        if _address_of(bare, found) is None:
            found.extend(_expand(bare, subdir))
    return tuple(dict.fromkeys(found))


def clarify(spec: str) -> str:
    """``spec``, as conda-lock writes it, in a spelling that has one meaning for every reader.

    conda-lock 4.0 writes ``x =1.2 h*`` for any 1.2 (rattler reads 1.2 exactly), and of a spec with
    a channel ``c::x===1.2`` for any 1.2 and ``c::x=[build=h*]`` for any version: no reader takes
    these. Each is given back as what was asked of conda-lock.
    """
    prefix, colons, rest = spec.rpartition("::")
    rest = rest.strip()
    found = _APART.fullmatch(rest)
    if found is None and (found := _FUZZY.fullmatch(rest) or _FUZZY_GLOB.fullmatch(rest)):
        rest = _bracketed(found["name"], f"={found['version']}", found["build"])
    elif found is not None:
        rest = _bracketed(found["name"], found["version"], found["build"])
    else:
        rest = rest.replace("=[", "[", 1)
    return f"{prefix}{colons}{rest}"


def _bracketed(name: str, version: str, build: str | None) -> str:
    tail = f",build='{build}'" if build else ""
    return f"{name}[version='{version}'{tail}]"


def localize(spec: str, channels: Sequence[ChannelAddress]) -> str:
    """``spec`` with the address of its channel, if it names one: ``forge::x`` is ``https://…::x``.

    A name of several parts, as ``defaults``, stays where it leads nowhere else: rattler then says
    that no channel is called so.
    """
    prefix, rest = _split(spec)
    if not prefix:
        return spec
    bare, subdir = _without_subdir(prefix)
    address = _address_of(bare, channels)
    if address is None:
        return spec
    if not subdir:
        return f"{address}::{rest}"
    inner = f"subdir='{subdir}'"
    return (
        f"{address}::{rest[:-1]},{inner}]" if rest.endswith("]") else f"{address}::{rest}[{inner}]"
    )


def spec_name(spec: str) -> str:
    """The package that a spec asks for, in lower case."""
    rest = _split(spec)[1]
    end = next((index for index, char in enumerate(rest) if char in _ENDS_OF_NAME), len(rest))
    return rest[:end].strip().lower()


def _split(spec: str) -> tuple[str, str]:
    prefix, colons, rest = spec.partition("::")
    return (prefix.strip(), rest.strip()) if colons else ("", spec.strip())


def _without_subdir(channel: str) -> tuple[str, str]:
    head, _, last = channel.rstrip("/").rpartition("/")
    return (head, last) if head and last in _SUBDIRS else (channel.rstrip("/"), "")


def _address_of(name: str, channels: Iterable[ChannelAddress]) -> str | None:
    """The channel called ``name``: by its name or address, else by the end of its address, which
    is all that conda leaves of an address in a spec.
    """
    channels = tuple(channels)
    exact = (address for known, address in channels if name in {known, address})
    ending = (address for _, address in channels if address.endswith(f"/{name}"))
    return next(exact, None) or next(ending, None)


def _expand(name: str, subdir: str) -> Iterator[ChannelAddress]:
    if name == "defaults":
        for address in default_channels(subdir):
            yield name, address
    elif "://" in name:
        yield name.rstrip("/").rpartition("/")[2], name.rstrip("/")
    elif name.startswith("/"):
        yield name.rstrip("/").rpartition("/")[2], f"file://{name.rstrip('/')}"
    else:
        yield name, f"{DEFAULT_ALIAS}/{name.strip('/')}"
