"""Servers of this machine: whether a port is free, and whether a server answers on it."""

from __future__ import annotations

import http.client
import socket

__all__ = ["free_port", "is_taken", "status_of"]

_ANSWER_S = 5.0


def free_port(host: str) -> int:
    """A port on which nothing listens now, of the range that the system gives out."""
    with _socket(host) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def is_taken(host: str, port: int) -> str:
    """Why no server can listen there, empty where one can.

    What a server left behind a moment ago (TIME_WAIT) does not count, as it does not for servers.
    """
    try:
        with _socket(host) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        return error.strerror or str(error)
    return ""


def status_of(host: str, port: int, path: str) -> int:
    """The status that GET gives; 0 where nothing answers within 5 seconds. No proxy is asked."""
    connection = http.client.HTTPConnection(host, port, timeout=_ANSWER_S)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def _socket(host: str) -> socket.socket:
    return socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
