"""Keeps offline tests offline: while a guard is up, starting a program or opening a connection
fails the test, through whatever library it is done.

Built on audit events (PEP 578), which no call of the standard library gets around. The failure is
pytest's own, which is not an ``Exception``: code under test that catches broadly cannot hide it.
"""

from __future__ import annotations

import ipaddress
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

__all__ = ["no_network", "nothing_outside"]

_PROGRAM_EVENTS = frozenset(
    {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty"}
)
_CONNECTION_EVENTS = frozenset({"socket.connect", "socket.getaddrinfo", "socket.sendto"})

_Rule = Callable[[str, tuple[object, ...]], str]
_active: list[_Rule] = []
_installed = False


@contextmanager
def nothing_outside() -> Iterator[None]:
    """Inside, starting a program or opening any connection fails the test."""
    with _rule(_program_started), _rule(_connection_opened):
        yield


@contextmanager
def no_network() -> Iterator[None]:
    """Inside, a connection to anything but this machine fails the test."""
    with _rule(_connection_beyond_loopback):
        yield


@contextmanager
def _rule(rule: _Rule) -> Iterator[None]:
    # An audit hook stays for the life of the process, so there is one, and rules come and go.
    global _installed  # noqa: PLW0603
    if not _installed:
        sys.addaudithook(_judge)
        _installed = True
    _active.append(rule)
    try:
        yield
    finally:
        _active.remove(rule)


def _judge(event: str, args: tuple[object, ...]) -> None:
    for rule in _active:
        if complaint := rule(event, args):
            pytest.fail(complaint)


def _program_started(event: str, args: tuple[object, ...]) -> str:
    if event not in _PROGRAM_EVENTS:
        return ""
    return f"a unit test starts no programs: {event}{args[:2]!r}; give the code a fake Runner"


def _connection_opened(event: str, args: tuple[object, ...]) -> str:
    if event not in _CONNECTION_EVENTS:
        return ""
    return f"a unit test opens no connections: {event} {_address(event, args)!r}"


def _connection_beyond_loopback(event: str, args: tuple[object, ...]) -> str:
    if event not in _CONNECTION_EVENTS or _is_local(_address(event, args)):
        return ""
    return f"an offline test leaves this machine alone: {event} {_address(event, args)!r}"


def _address(event: str, args: tuple[object, ...]) -> object:
    # socket.getaddrinfo has (host, port, ...); the others have (socket, address).
    return args[0] if event == "socket.getaddrinfo" else args[1]


def _is_local(address: object) -> bool:
    match address:
        case None | "":  # getaddrinfo for a listening socket
            return True
        case str() | bytes():  # a host, or the path of a Unix socket
            text = address.decode() if isinstance(address, bytes) else address
            return text.startswith(("/", "\0")) or _is_loopback(text)
        case (host, *_):
            return _is_local(host)
        case _:
            return False


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
