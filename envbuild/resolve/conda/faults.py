"""A channel that cannot be read: rattler's words made an error of its own for each fault. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from envbuild.errors import IndexUnavailableError
from envbuild.redact import redact

__all__ = ["channel_fault"]

_URL = re.compile(r"(?:https?|file)://[^\s'()]+")
_STATUS = re.compile(r"HTTP status \w+ error \((\d{3})[^)]*\)")
_CAUSE = "Caused by: "
_NO_CONNECTION = "sending request"


@dataclass(frozen=True, slots=True)
class _Fault:
    """``sign`` is what rattler's text has, addresses taken out; a ``plain`` one needs no cause."""

    sign: str
    problem: str
    remedy: str
    plain: bool = False


# The first that fits counts; {} is the status.
_FAULTS = (
    _Fault(
        "no usable repodata cache", "the channel is not in the cache", "without --offline", True
    ),
    _Fault(
        r"\(401 ", "the channel wants a login (401)", "a user and password or a token for it", True
    ),
    _Fault(r"\(403 ", "the channel refuses us (403)", "a login or token that may read it", True),
    _Fault(r"\(404 ", "there is no such channel (404)", "another address for it", True),
    _Fault(r"\(4\d\d ", "the channel refuses the request ({})", "another address for it", True),
    _Fault(r"\(5\d\d ", "the channel's server fails ({})", "again later, or a mirror", True),
    _Fault(
        "could not find subdir", "there is no such channel: it has no noarch", "its address", True
    ),
    _Fault(
        _NO_CONNECTION, "the channel cannot be reached", "its address, --offline, or --runtime pip"
    ),
    _Fault(
        r"(?i)parse|decod|zstd|frame|extract|shard|invalid type|missing field",
        "the repodata of the channel cannot be read",
        "who runs the channel, or a proxy between that answers with pages of its own",
    ),
    _Fault("", "the channel cannot be read", "its address, the proxy and the certificates"),
)


def channel_fault(text: str, channels: Iterable[str], *, place: str = "") -> IndexUnavailableError:
    """The error for what rattler's gateway said of one of ``channels``.

    ``place`` is the address of the folder, where the text does not say it.
    """
    text = redact(text)
    found = _URL.search(text)
    url = place or (found[0].rstrip("/.:") if found else "")
    channel = next((one for one in map(redact, channels) if f"{url}/".startswith(f"{one}/")), url)
    words = _URL.sub("", text)
    fault = next(fault for fault in _FAULTS if re.search(fault.sign, words))
    status = _STATUS.search(text)
    # Which file was asked for first is chance; where one is broken it is the news.
    file = "" if fault.sign == _NO_CONNECTION else url.removeprefix(channel).strip("/")
    return IndexUnavailableError(
        fault.problem.format(status[1] if status else ""),
        where=channel,
        details=() if fault.plain else (_cause(words, file),),
        remedy=fault.remedy,
    )


def _cause(words: str, file: str) -> str:
    """The innermost cause, with the file of the channel that it is about."""
    lines = [line.strip().removeprefix(_CAUSE) for line in words.splitlines() if line.strip()]
    innermost = lines[-1] if lines else "no reason is given"
    return f"{file}: {innermost}" if file else innermost
