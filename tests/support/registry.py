"""An image registry on loopback: as much of the distribution API as a push needs.

https://github.com/opencontainers/distribution-spec. Engines speak plain HTTP to 127.0.0.0/8.
"""

from __future__ import annotations

import hashlib
import http.server
import threading
import uuid
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Registry"]

_UPLOAD = "/v2/upload"


class Registry:
    """Serves while the block runs; ``blobs`` are kept by digest, ``manifests`` by tag."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, bytes] = {}

        class Handler(_Handler):
            registry = self

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class _Handler(http.server.BaseHTTPRequestHandler):
    registry: ClassVar[Registry]
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(200 if self.path == "/v2/" else 404)

    def do_HEAD(self) -> None:
        digest = self.path.rpartition("/")[2]
        blob = self.registry.blobs.get(digest)
        self._answer(404 if blob is None else 200, size=len(blob or b""))

    def do_POST(self) -> None:
        place = f"http://{self.registry.address}{_UPLOAD}/{uuid.uuid4()}"
        self._answer(202, {"Location": place})

    def do_PATCH(self) -> None:
        name = urlsplit(self.path).path
        data = self.registry.blobs[name] = self._body()
        place = f"http://{self.registry.address}{name}"
        self._answer(202, {"Location": place, "Range": f"0-{len(data) - 1}"})

    def do_PUT(self) -> None:
        address = urlsplit(self.path)
        if address.path.startswith(_UPLOAD):
            data = self.registry.blobs.pop(address.path, b"") + self._body()
            (wanted,) = parse_qs(address.query)["digest"]
            good = _digest(data) == wanted
            if good:
                self.registry.blobs[wanted] = data
            self._answer(201 if good else 400)
            return
        data = self._body()
        self.registry.manifests[address.path.rpartition("/")[2]] = data
        self._answer(201, {"Docker-Content-Digest": _digest(data)})

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        data = bytearray()
        while size := int(self.rfile.readline().strip() or b"0", 16):
            data += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return bytes(data)

    def _answer(
        self, status: int, headers: Mapping[str, str] | None = None, *, size: int = 0
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(size))
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        """Says nothing."""
