"""The channels of a conda part: names made addresses, and who may know their passwords."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from envbuild.entries.requirements import variables_in
from envbuild.errors import SpecError
from envbuild.redact import quote
from envbuild.resolve.conda.channel_names import DEFAULT_ALIAS, default_channels
from envbuild.resolve.conda.interface import CondaOptions, CondaProblem
from envbuild.resolve.conda.lockfile import bare_address

__all__ = ["Channel", "expanded", "settle_channels"]

_VARIABLE = r"\$\{([A-Z0-9_]+)\}"
_WHERE = "--channel"


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """``name`` is what specs call it and may be shown; ``address`` may hold credentials."""

    name: str
    address: str = field(repr=False)

    @property
    def shown(self) -> str:
        """The address without credentials."""
        return bare_address(self.address)


def settle_channels(
    problem: CondaProblem, environ: Mapping[str, str], *, cwd: Path
) -> tuple[Channel, ...]:
    """The channels in the order of priority; those that only a package names come last.

    Raises:
        SpecError: an address needs a variable that is not set.
    """
    named = (package.channel for package in problem.requirements if package.channel)
    names = dict.fromkeys((*problem.channels, *named))
    found = [
        channel
        for name in names
        for channel in _settled(name, problem.options, problem.target.platform.name, environ, cwd)
    ]
    unique = {channel.shown: channel for channel in reversed(found)}
    return tuple(channel for channel in found if unique[channel.shown] is channel)


def _settled(
    name: str, options: CondaOptions, subdir: str, environ: Mapping[str, str], cwd: Path
) -> Iterable[Channel]:
    mapped = dict(options.channel_map).get(name)
    if mapped is None and name == "defaults" and not options.channel_alias:
        for address in default_channels(subdir):
            yield Channel(name=name, address=address)
        return
    address = mapped or name
    if "://" not in address and not _is_path(address):
        address = f"{options.channel_alias or DEFAULT_ALIAS}/{address.strip('/')}"
    address = expanded(address, environ)
    if "://" not in address:
        address = (cwd / address).resolve().as_uri()
    yield Channel(name=bare_address(name), address=address.rstrip("/"))


def _is_path(text: str) -> bool:
    return text.startswith(("/", "./", "../"))


def expanded(text: str, environ: Mapping[str, str]) -> str:
    """The address of a channel with the values of its variables.

    Raises:
        SpecError: a variable that is not set.
    """
    missing = [name for name in variables_in(text) if name not in environ]
    if missing:
        raise SpecError(
            f"{quote(text)} needs the environment variable {missing[0]}, which is not set",
            where=_WHERE,
            remedy=f"export {missing[0]}=… and run again",
        )
    return re.sub(_VARIABLE, lambda match: environ[match[1]], text)
