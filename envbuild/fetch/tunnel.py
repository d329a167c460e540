"""Bytes to a host and back (CONNECT, RFC 9110 9.3.6), by an upstream proxy if there is one."""

from __future__ import annotations

import selectors
import socket
import ssl
from base64 import b64encode
from urllib.parse import unquote, urlsplit

from envbuild.fetch.transport import Transport

__all__ = ["TunnelError", "open_tunnel", "splice"]

_CHUNK = 1 << 16
_IDLE = 600.0  # seconds without a byte in either direction
_LONGEST_HEAD = 1 << 16


class TunnelError(Exception):
    """There is no way through; the text names no secret."""


def open_tunnel(target: str, transport: Transport) -> socket.socket:
    """A socket connected to ``target`` (``host:port``), if need be through the user's proxy.

    Raises:
        TunnelError: nothing answers, or the proxy refuses.
    """
    host, _, port = target.rpartition(":")
    proxy = transport.proxy_for(f"https://{target}")
    try:
        if not proxy:
            address = (host.strip("[]"), int(port))
            return socket.create_connection(address, timeout=transport.connect_timeout)
        return _through(proxy, target, transport.connect_timeout)
    except ValueError:
        raise TunnelError("the address cannot be read") from None
    except OSError as error:
        raise TunnelError(f"no connection ({error.strerror or error})") from None


def _through(proxy: str, target: str, timeout: float) -> socket.socket:
    parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    if parts.scheme not in {"http", "https"}:
        raise TunnelError(f"a {parts.scheme} proxy cannot be used beside an index with a password")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    connection = socket.create_connection((parts.hostname or "", port), timeout=timeout)
    try:
        if parts.scheme == "https":
            context = ssl.create_default_context()
            connection = context.wrap_socket(connection, server_hostname=parts.hostname)
        lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
        if parts.username:
            login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            lines.append(f"Proxy-Authorization: Basic {b64encode(login.encode()).decode()}")
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        _expect_success(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _expect_success(connection: socket.socket) -> None:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        # One byte at a time: what follows the head belongs to the tunnel.
        byte = connection.recv(1)
        if not byte or len(head) > _LONGEST_HEAD:
            raise TunnelError("the proxy does not answer as one")
        head += byte
    status = head.split(b"\r\n", 1)[0].decode("latin-1").partition(" ")[2]
    if not status.startswith("2"):
        raise TunnelError(f"the proxy refuses: {status}")


def splice(one: socket.socket, other: socket.socket) -> None:
    """Copy in both directions until either side ends or nothing comes for ten minutes."""
    opposite = {one: other, other: one}
    for side in opposite:
        side.settimeout(_IDLE)
    with selectors.DefaultSelector() as selector:
        for side in opposite:
            selector.register(side, selectors.EVENT_READ, side)
        while ready := selector.select(_IDLE):
            for key, _ in ready:
                if not _pass_on(key.data, opposite[key.data]):
                    return


def _pass_on(source: socket.socket, sink: socket.socket) -> bool:
    """Copy what has arrived; whether the connection goes on."""
    try:
        while data := source.recv(_CHUNK):
            sink.sendall(data)
            # TLS reads ahead, and what it holds back wakes no selector.
            if not (isinstance(source, ssl.SSLSocket) and source.pending()):
                return True
    except OSError:
        return False
    return False
