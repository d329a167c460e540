"""An image registry on loopback: as much of the distribution API as a push needs.

https://github.com/opencontainers/distribution-spec. Engines speak plain HTTP to 127.0.0.0/8.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from urllib.parse import parse_qs, urlsplit

from envbuild.fetch.loopback_server import LoopbackHandler, LoopbackServer

__all__ = ["Registry"]

_UPLOAD = "/v2/upload"


class Registry(LoopbackServer):
    """Serves while the block runs; ``blobs`` are kept by digest, ``manifests`` by tag."""

    def __init__(self) -> None:
        super().__init__(_Handler)
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, bytes] = {}


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class _Handler(LoopbackHandler):
    server: Registry

    def do_GET(self) -> None:
        self._answer(200 if self.path == "/v2/" else 404)

    def do_HEAD(self) -> None:
        digest = self.path.rpartition("/")[2]
        blob = self.server.blobs.get(digest)
        self._answer(404 if blob is None else 200, size=len(blob or b""))

    def do_POST(self) -> None:
        place = f"http://{self.server.host}{_UPLOAD}/{uuid.uuid4()}"
        self._answer(202, {"Location": place})

    def do_PATCH(self) -> None:
        name = urlsplit(self.path).path
        data = self.server.blobs[name] = self._body()
        place = f"http://{self.server.host}{name}"
        self._answer(202, {"Location": place, "Range": f"0-{len(data) - 1}"})

    def do_PUT(self) -> None:
        address = urlsplit(self.path)
        if address.path.startswith(_UPLOAD):
            data = self.server.blobs.pop(address.path, b"") + self._body()
            (wanted,) = parse_qs(address.query)["digest"]
            good = _digest(data) == wanted
            if good:
                self.server.blobs[wanted] = data
            self._answer(201 if good else 400)
            return
        data = self._body()
        self.server.manifests[address.path.rpartition("/")[2]] = data
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
