"""A file server on loopback that fails as told: resets, stalls, cuts short, lies about lengths."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType

from envbuild.fetch.loopback_server import LoopbackHandler, LoopbackServer

__all__ = ["Answer", "FlakyServer"]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One way to answer. ``after`` is how many bytes of the body come before it goes wrong.

    ``how``: ``whole``, ``reset``, ``cut`` (closed early), ``stall`` (until the client gives up),
    ``endless`` (more than there is), ``unranged`` (ignores Range), ``unlengthed`` (no length).
    """

    how: str = "whole"
    status: int = 200
    after: int = 0
    stalled: float = 10.0  # seconds, before a stalled connection is closed
    headers: dict[str, str] = field(default_factory=dict)


class FlakyServer(LoopbackServer):
    """Serves ``files``; ``answers`` are used up in order, then every answer is whole."""

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(_Handler)
        self.files = files
        self.answers: list[Answer] = []
        self.choose: Callable[[], Answer | None] = lambda: None
        self.asked: list[tuple[str, str]] = []  # path and Range
        self.authorization: list[str] = []
        self.lock = threading.Lock()
        self.closing = threading.Event()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.closing.set()
        super().__exit__(kind, error, trace)

    def url(self, name: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}/{name}"

    def next_answer(self) -> Answer:
        with self.lock:
            return self.answers.pop(0) if self.answers else self.choose() or Answer()


class _Handler(LoopbackHandler):
    server: FlakyServer

    def do_GET(self) -> None:
        flaky = self.server
        answer = flaky.next_answer()
        with flaky.lock:
            flaky.asked.append((self.path, self.headers.get("Range", "")))
            flaky.authorization.append(self.headers.get("Authorization", ""))
        data = flaky.files.get(self.path.lstrip("/"))
        if answer.status != 200 or data is None:
            self._status(answer.status if answer.status != 200 else 404, answer)
            return
        self._body(answer, data)

    def _status(self, status: int, answer: Answer) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _body(self, answer: Answer, data: bytes) -> None:
        span = self.headers.get("Range", "")
        start = int(span.removeprefix("bytes=").rstrip("-") or 0) if span else 0
        if answer.how == "unranged":
            start = 0
        if start >= len(data) > 0:
            self._status(416, answer)
            return
        body = data[start:]
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        if answer.how in {"unlengthed", "endless", "shorter"}:
            self.send_header("Connection", "close")
        else:
            self.send_header("Content-Length", str(len(body)))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self._write(answer, body)

    def _write(self, answer: Answer, body: bytes) -> None:
        match answer.how:
            case "whole" | "unranged":
                self.wfile.write(body)
                return
            case "unlengthed":
                self.wfile.write(body)
            case "endless":
                self.wfile.write(body + b"more" * 100_000)
            case "shorter":
                self.wfile.write(body[: answer.after])
            case "cut":
                self.wfile.write(body[: answer.after])
            case "stall":
                self.wfile.write(body[: answer.after])
                self.wfile.flush()
                self.server.closing.wait(answer.stalled)
            case "reset":
                self.wfile.write(body[: answer.after])
                self.wfile.flush()
                # Close with RST: what is left in the buffers is thrown away.
                linger = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            case other:
                raise ValueError(other)
        self.close_connection = True
