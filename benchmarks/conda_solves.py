"""Solves over a channel as big as conda-forge: from nothing, from a cache, and where it goes.

The channel is served on loopback, whole or in shards. Each row is a program of its own, so that
the difference of two rows is what the step between them costs.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import BinaryIO

import yaml

from benchmarks.conda_channel import Shape, write_channel, write_shards
from benchmarks.contestants import environment, tool
from benchmarks.timing import Figures, Program, run_in_turn
from envbuild.resolve.conda.settings import Settings
from envbuild.resolve.conda.solver import write_launcher

__all__ = ["SIZES", "conda_programs", "measure_conda"]

SIZES = (60_000, 630_000)  # of which about 60,000 and 600,000 are made
# A model's conda section: a Python, and packages that many others need beside ones that few do.
_WANTED = ("python=3.11", "pip", "ext00001", "ext00002", "ext00010", "ext00100", "ext00040",
           "pure00005", "pure00010", "pure00100", "pure00200", "pure00500")  # fmt: skip
_OPENING = """
import asyncio, os, sys
from pathlib import Path
from rattler import Channel, Client, Gateway

gateway = Gateway(cache_dir=Path(sys.argv[1]), client=Client())
names = gateway.names([Channel(sys.argv[2])], ["linux-64", "noarch"])
asyncio.run(names)
os._exit(0)  # rattler may crash the way out
"""


class _Handler(SimpleHTTPRequestHandler):
    """Answers ``If-None-Match``, as the servers of channels do, and says nothing."""

    def send_head(self) -> io.BytesIO | BinaryIO | None:
        path = Path(self.translate_path(self.path))
        self.tag = f'"{path.stat().st_mtime_ns}"' if path.is_file() else ""
        if self.tag and self.headers.get("If-None-Match") == self.tag:
            self.send_response(304)
            self.end_headers()
            return None
        return super().send_head()

    def end_headers(self) -> None:
        if self.tag:
            self.send_header("ETag", self.tag)
            self.send_header("Cache-Control", "max-age=0")
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@contextmanager
def _served(folder: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def measure_conda(rounds: int, *, report: Callable[[str], None]) -> dict[str, tuple[Figures, ...]]:
    """Every way to solve, for each size."""
    results = {}
    for size in SIZES:
        with (
            tempfile.TemporaryDirectory(prefix="envbuild-benchmark-") as folder,
            _served(Path(folder)) as address,
        ):
            report(f"making a channel of {size} records")
            count = write_channel(Path(folder) / "whole", Shape(records=size))
            write_shards(Path(folder) / "shards", Shape(records=size))
            programs = conda_programs(address, Path(folder))
            found = run_in_turn(programs, rounds=rounds, report=report)
            results[f"{count:,} records"] = found
    return results


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """One of the channels at ``address``, and caches for it below ``folder``."""

    address: str
    folder: Path

    def solve(
        self, own: Path, cache: Path, *, offline: bool = False
    ) -> tuple[list[str], Mapping[str, str]]:
        """The call that conda-lock makes."""
        channels = (("synthetic", self.address),)
        exe = write_launcher(
            own, Settings(channels=channels, cache_dir=str(cache), offline=offline)
        )
        argv = ["create", "--prefix", str(own), "--dry-run", "--json", *_WANTED]
        return [str(exe), *argv], environment(own)

    def cold(self, own: Path) -> tuple[Sequence[str], Mapping[str, str]]:
        return self.solve(own, own / "cache")

    def warm(self, own: Path) -> tuple[Sequence[str], Mapping[str, str]]:
        return self.solve(own, self.filled())

    def offline(self, own: Path) -> tuple[Sequence[str], Mapping[str, str]]:
        return self.solve(own, self.filled(), offline=True)

    def opening(self, own: Path) -> tuple[Sequence[str], Mapping[str, str]]:
        cache = self.filled() / "repodata"
        return [sys.executable, "-c", _OPENING, str(cache), self.address], environment(own)

    def conda_lock(self, own: Path) -> tuple[Sequence[str], Mapping[str, str]]:
        """The whole of conda-lock, unmodified, on our solver."""
        argv, environ = self.solve(own, self.filled())
        source = own / "environment.yml"
        source.write_text(
            yaml.safe_dump({"channels": ["synthetic"], "dependencies": list(_WANTED)})
        )
        (own / "names.json").write_text("{}")
        command = [tool("conda-lock"), "lock", "--conda", argv[0], "--file", str(source)]
        rest = ["--platform", "linux-64", "--lockfile", str(own / "conda-lock.yml")]
        names = ["--pypi_to_conda_lookup_file", str(own / "names.json")]
        return [*command, *rest, *names], environ

    def filled(self) -> Path:
        """A cache that one solve has filled."""
        cache = self.folder / f"filled-{self.address.rpartition('/')[2]}"
        if not cache.exists():
            own = self.folder / "filling"
            own.mkdir()
            argv, environ = self.solve(own, cache)
            subprocess.run(argv, env=environ, check=True, capture_output=True)
            shutil.rmtree(own)
        return cache


def conda_programs(address: str, folder: Path) -> Iterator[Program]:
    """The rows of the table for the channels ``whole`` and ``shards`` at ``address``."""
    whole = _Way(address=f"{address}/whole", folder=folder)
    shards = _Way(address=f"{address}/shards", folder=folder)

    def start(own: Path) -> tuple[Sequence[str], Mapping[str, str]]:
        argv, environ = whole.solve(own, own / "cache")
        return [argv[0], "--version"], environ

    yield Program(name="solver --version", prepare=start)
    yield Program(name="repodata opened, names read, nothing solved", prepare=whole.opening)
    yield Program(name="solve, cold", prepare=whole.cold)
    yield Program(name="solve, warm", prepare=whole.warm)
    yield Program(name="solve, offline", prepare=whole.offline)
    yield Program(name="solve over shards, cold", prepare=shards.cold)
    yield Program(name="solve over shards, warm", prepare=shards.warm)
    yield Program(name="conda-lock lock, warm", prepare=whole.conda_lock)
