"""A proxy on loopback that adds passwords on the way out, so that a resolver need not have them.

A resolver runs build scripts, which inherit its environment and can read its arguments. So it is
given addresses without credentials (see ``routes``) and this proxy, which knows them. Its port and
secret are new each time.

The secret keeps other users of the machine out. A build script could use the proxy while it runs
to read an index that this user may read; it does not get the password.
"""

from __future__ import annotations

import secrets
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import replace
from hmac import compare_digest
from typing import TYPE_CHECKING

from envbuild.fetch.credentials import origin_of
from envbuild.fetch.loopback_server import LoopbackHandler, LoopbackServer
from envbuild.fetch.routes import Routes
from envbuild.fetch.transport import Transport, describe
from envbuild.fetch.tunnel import TunnelError, open_tunnel, splice

if TYPE_CHECKING:
    from requests import Response

__all__ = ["Relay"]

_CHUNK = 1 << 16
# RFC 9110 7.6.1, and what says who asks.
_NOT_FORWARDED = frozenset({
    "authorization", "connection", "host", "keep-alive", "proxy-authenticate",
    "proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
})  # fmt: skip
_PAGES = ("text/html", "application/vnd.pypi.simple.")
_NO_BODY = frozenset({204, 304})


class Relay(LoopbackServer):
    """Serves until it is closed; a context manager.

    The servers of ``routes`` get the transport's credentials. Everything else passes through as it
    is, by the upstream proxy of the transport's environment if it names one. ``failures`` says why
    a server could not be reached, by origin. One that ``follows`` redirects of these servers asks
    further by itself, with its own certificates, and the program need not.
    """

    def __init__(self, transport: Transport, routes: Routes, *, follows: bool = False) -> None:
        super().__init__(_Handler)
        self.transport = transport
        self.follows = follows
        self.bare_transport = replace(transport, credentials=None)
        self.failures: dict[str, str] = {}
        self.routes = routes
        self._secret = secrets.token_urlsafe(32)

    @property
    def proxy(self) -> str:
        """The address of the proxy, with the secret of this run."""
        return f"http://relay:{self._secret}@{self.host}"

    def environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        """``environ`` with this proxy instead of any other: exceptions are made here as well."""
        names = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
        kept = {name: value for name, value in environ.items() if name.lower() not in names}
        # libcurl, and so git, reads only the lower-case name for http.
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"):
            kept[name] = self.proxy
        return kept

    def is_allowed(self, header: str) -> bool:
        """Whether a ``Proxy-Authorization`` is ours."""
        token = b64encode(f"relay:{self._secret}".encode()).decode()
        return compare_digest(header.encode(), f"Basic {token}".encode())


class _Handler(LoopbackHandler):
    timeout = 600
    server: Relay

    def do_GET(self) -> None:
        self._forward()

    def do_HEAD(self) -> None:
        self._forward()

    def do_POST(self) -> None:
        self._forward()

    def do_CONNECT(self) -> None:
        if not self._allowed():
            return
        relay = self.server
        try:
            upstream = open_tunnel(self.path, relay.transport)
        except TunnelError as error:
            relay.failures[f"https://{self.path.removesuffix(':443')}"] = str(error)
            self._refuse(502, str(error))
            return
        with upstream:
            self.send_response(200)
            self.end_headers()
            self.close_connection = True
            splice(self.connection, upstream)

    def _allowed(self) -> bool:
        if self.server.is_allowed(self.headers.get("Proxy-Authorization", "")):
            return True
        self.close_connection = True
        self._refuse(407, "this proxy is private")
        return False

    def _forward(self) -> None:
        from requests import RequestException

        if not self._allowed():
            return
        relay = self.server
        routed = relay.routes.upstream(self.path)
        url, transport = routed or self.path, relay.transport if routed else relay.bare_transport
        headers = {
            name: value
            for name, value in self.headers.items()
            if name.lower() not in _NOT_FORWARDED
        }
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else None
        try:
            exchange = transport.follow if routed and relay.follows else transport.exchange
            with exchange(self.command, url, headers=headers, body=body) as response:
                self._answer(response)
        except RequestException as error:
            relay.failures[origin_of(url)] = describe(error)
            self._refuse(502, describe(error))

    def _answer(self, response: Response) -> None:
        kind = response.headers.get("Content-Type", "").lower()
        headers = {
            name: value
            for name, value in response.headers.items()
            if name.lower() not in _NOT_FORWARDED
        }
        if location := headers.get("Location"):
            headers["Location"] = self.server.routes.inside(location)
        if kind.startswith(_PAGES) and self.command == "GET" and response.status_code == 200:
            self._send_page(response, headers)
        else:
            self._send_stream(response, headers)

    def _send_page(self, response: Response, headers: dict[str, str]) -> None:
        """A page of links: those to our servers are to come back here."""
        page = response.content.decode("utf-8", "surrogateescape")
        data = self.server.routes.inside(page).encode("utf-8", "surrogateescape")
        changed = {"content-encoding", "content-length"}
        kept = {name: value for name, value in headers.items() if name.lower() not in changed}
        self._send_head(response, kept | {"Content-Length": str(len(data))})
        self.wfile.write(data)

    def _send_stream(self, response: Response, headers: dict[str, str]) -> None:
        if "Content-Length" not in response.headers and response.status_code not in _NO_BODY:
            self.close_connection = True  # the end of the connection is the end of the body
            headers["Connection"] = "close"
        self._send_head(response, headers)
        if self.command == "HEAD":
            return
        # The raw stream: what is encoded stays so.
        while chunk := response.raw.read(_CHUNK, decode_content=False):
            self.wfile.write(chunk)

    def _send_head(self, response: Response, headers: Mapping[str, str]) -> None:
        self.send_response_only(response.status_code, response.reason)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _refuse(self, status: int, reason: str) -> None:
        data = f"{reason}\n".encode()
        self.send_response(status)
        if status == 407:  # git says who it is only when asked
            self.send_header("Proxy-Authenticate", 'Basic realm="envbuild"')
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)
