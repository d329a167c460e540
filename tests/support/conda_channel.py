"""Conda channels of real packages: as folders, and served on loopback.

    channel = Channel(tmp_path / "conda-forge")
    channel.add(*sample_packages("3.11"))
    channel.address                  # file:///…/conda-forge
    with ChannelServer(tmp_path) as server:
        server.url("conda-forge")    # http://127.0.0.1:PORT/conda-forge

What is in the samples:

| package | versions | for |
| --- | --- | --- |
| python, python_abi | of each minor release asked for | runs in its prefix |
| pip, setuptools | one | noarch, with programs |
| libspam | 1.2.0, 1.3.0 (and a build for CUDA 12), 2.0.0 | a native library |
| spam-native | 1.0.0 (.tar.bz2), 1.1.0, a build for each Python | loads libspam; ``spam`` on PyPI |
| greet | 1.0, 1.1, 2.0 | noarch, with a program |
| eggs | 1.0, 2.0 | constrains greet; depends on it |
| newest-glibc | 1.0, 2.0 | needs glibc 2.17, 2.99 |
| only-gpu | 1.0 | needs ``__cuda`` |
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import json
import shutil
import subprocess
import tempfile
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from envbuild.fetch.loopback_server import LoopbackHandler, LoopbackServer
from tests.support.conda_package import (
    PLACEHOLDER,
    Archive,
    CondaFile,
    Item,
    conda_package,
    dist_info,
)
from tests.support.conda_python import bundled_wheel, from_wheel, python_abi, python_package
from tests.support.index import Request

__all__ = ["Channel", "ChannelServer", "pure_package", "read_repodata", "sample_packages"]


class Channel:
    """A channel in a folder, whose name is the channel's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.packages: list[CondaFile] = []
        # Every channel has this one, and clients take its absence for that of the channel.
        (folder / "noarch").mkdir(parents=True, exist_ok=True)

    @property
    def address(self) -> str:
        return self.folder.absolute().as_uri()

    def add(self, *packages: CondaFile, write_zst: bool = True, write_shards: bool = False) -> None:
        """Put packages in, and write repodata anew."""
        self.packages += packages
        for package in packages:
            path = self.folder / package.subdir / package.filename
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(package.data)
        self.index(write_zst=write_zst, write_shards=write_shards)

    def index(self, *, write_zst: bool = True, write_shards: bool = False) -> None:
        """Write ``repodata.json`` of every subdir, and its other forms."""
        from rattler.index import index_fs

        asyncio.run(
            index_fs(self.folder, write_zst=write_zst, write_shards=write_shards, force=True)
        )

    def find(self, filename: str) -> CondaFile:
        """The package of this file name."""
        return next(package for package in self.packages if package.filename == filename)

    def named(self, name: str, version: str = "") -> tuple[CondaFile, ...]:
        """All packages of this name, and version."""
        return tuple(
            package
            for package in self.packages
            if package.index["name"] == name and version in ("", package.index["version"])
        )


class ChannelServer(LoopbackServer):
    """Serves the channels below ``folder`` until it is closed; a context manager.

    ``credentials`` (user, password) or ``token`` (``/t/TOKEN/`` before the path) are asked for on
    every request. ``failures`` maps the end of a path to the status that is answered instead.
    """

    def __init__(
        self,
        folder: Path,
        *,
        credentials: tuple[str, str] | None = None,
        token: str = "",
    ) -> None:
        super().__init__(_Handler)
        self.folder = folder
        self.credentials = credentials
        self.token = token
        self.failures: dict[str, int] = {}
        self.requests: list[Request] = []

    def url(self, channel: str) -> str:
        """The address of a channel, without credentials."""
        return f"http://{self.host}/{channel}"

    def secret_url(self, channel: str) -> str:
        """The address with the token or the user and password in it."""
        if self.token:
            return f"http://{self.host}/t/{self.token}/{channel}"
        assert self.credentials is not None
        user, password = self.credentials
        return f"http://{user}:{password}@{self.host}/{channel}"

    def count(self, end: str) -> int:
        """How many requests asked for a path with this end."""
        return sum(urlsplit(request.path).path.endswith(end) for request in self.requests)


class _Handler(LoopbackHandler):
    server: ChannelServer

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def _answer(self) -> None:
        channels = self.server
        path = unquote(urlsplit(self.path).path)
        for end, status in channels.failures.items():
            if path.endswith(end):
                self._send(status, b"no\n")
                return
        if channels.credentials and not self._authorized(channels.credentials):
            self._send(401, b"who?\n", {"WWW-Authenticate": 'Basic realm="channel"'})
            return
        if channels.token:
            start = f"/t/{channels.token}/"
            if not path.startswith(start):
                self._send(403, b"no token\n")
                return
            path = path.removeprefix(start[:-1])
        self._file(channels.folder / path.strip("/"))

    def _authorized(self, credentials: tuple[str, str]) -> bool:
        expected = b64encode(":".join(credentials).encode()).decode()
        return self.headers.get("Authorization") == f"Basic {expected}"

    def _file(self, path: Path) -> None:
        inside = path.resolve().is_relative_to(self.server.folder.resolve())
        if not (inside and path.is_file()):
            self._send(404, b"not found\n")
            return
        data = path.read_bytes()
        tag = f'"{hashlib.sha256(data).hexdigest()[:16]}"'
        headers = {"ETag": tag, "Accept-Ranges": "bytes", "Cache-Control": "max-age=0"}
        if self.headers.get("If-None-Match") == tag:
            self._send(304, b"", headers)
            return
        start = self.headers.get("Range", "").removeprefix("bytes=").removesuffix("-")
        if start.isdecimal() and int(start) < len(data):
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
            self._send(206, data[int(start) :], headers)
            return
        self._send(200, data, headers)

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.server.requests.append(
            Request(
                method=self.command,
                path=self.path,
                status=status,
                headers={name.lower(): value for name, value in self.headers.items()},
            )
        )
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if status != 304:
            self.send_header("Content-Type", "application/octet-stream")
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@functools.cache
def sample_packages(*minors: str) -> tuple[CondaFile, ...]:
    """The packages of the table above for these Pythons (``3.11``), as far as they are here.

    The first has its pip and setuptools for all.
    """
    return (
        *_pythons(minors),
        *_tools(minors[0] if minors else ""),
        *_native(minors),
        *_pure(),
        *_conditional(),
    )


def _pythons(minors: tuple[str, ...]) -> Iterator[CondaFile]:
    for minor in minors:
        if package := python_package(minor):
            yield package
            yield python_abi(minor)


def _tools(minor: str) -> Iterator[CondaFile]:
    if setuptools := bundled_wheel(minor, "setuptools"):
        yield from_wheel(setuptools, depends=("python >=3.7",), entry_points=())
    if pip := bundled_wheel(minor, "pip"):
        yield from_wheel(
            pip,
            depends=("python >=3.7", "setuptools"),
            entry_points=("pip = pip._internal.cli.main:main",),
        )


_LIBRARY_C = """\
static const char prefix[] = "{prefix}";
static const char version[] = "{version}";
const char *spam_prefix(void) {{ return prefix; }}
const char *spam_version(void) {{ return version; }}
int spam_add(int left, int right) {{ return left + right; }}
"""

_LOADER = """\
import ctypes
import sys

_library = ctypes.CDLL(sys.prefix + "/lib/libspam.so.{major}")
_library.spam_prefix.restype = ctypes.c_char_p
_library.spam_version.restype = ctypes.c_char_p
__version__ = "{version}"


def add(left, right):
    return _library.spam_add(left, right)


def library():
    return _library.spam_version().decode()


def prefix():
    return _library.spam_prefix().decode()
"""


def _native(minors: tuple[str, ...]) -> Iterator[CondaFile]:
    glibc = "__glibc >=2.17,<3.0.a0"
    yield _library("1.2.0", "h1_0", [glibc])
    yield _library("1.3.0", "cpu_h2_0", [glibc], constrains=["only-gpu <0.0a0"])
    yield _library("1.3.0", "cuda12_h3_1", [glibc, "__cuda >=12"])
    yield _library("2.0.0", "h4_0", [glibc])
    for minor in minors:
        yield _loader("1.0.0", minor, "libspam >=1.2.0,<2.0a0", 1, ".tar.bz2")
        yield _loader("1.1.0", minor, "libspam >=1.3.0,<2.0a0", 1, ".conda")


def _library(
    version: str, build: str, depends: list[str], constrains: tuple[str, ...] | list[str] = ()
) -> CondaFile:
    major = version.partition(".")[0]
    item = Item(data=_compile(version), executable=True, prefix="binary")
    return conda_package(
        "libspam",
        version,
        build=build,
        depends=depends,
        constrains=constrains,
        files={
            f"lib/libspam.so.{version}": item,
            f"lib/libspam.so.{major}": Item(link=f"libspam.so.{version}"),
            "etc/conda/activate.d/libspam_activate.sh": 'export SPAM_HOME="$CONDA_PREFIX"\n',
        },
    )


@functools.cache
def _compile(version: str) -> bytes:
    """The library, by this machine's compiler; the test is skipped without one."""
    if not shutil.which("cc"):
        pytest.skip("no C compiler on this machine")
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder, "spam.c"), Path(folder, "libspam.so")
        source.write_text(_LIBRARY_C.format(prefix=PLACEHOLDER, version=version))
        argv = ["cc", "-shared", "-fPIC", "-O0", "-s", f"-Wl,-soname,libspam.so.{version[0]}"]
        subprocess.run([*argv, "-o", library, source], check=True)
        return library.read_bytes()


def _loader(version: str, minor: str, library: str, major: int, archive: Archive) -> CondaFile:
    """Called ``spam-native`` by conda and ``spam`` by PyPI."""
    tag = minor.replace(".", "")
    text = _LOADER.format(major=major, version=version)
    files = dist_info("spam", version, {"spam.py": text})
    return conda_package(
        "spam-native",
        version,
        build=f"py{tag}h5_0",
        depends=[
            library,
            f"python >={minor},<{_next(minor)}.0a0",
            f"python_abi {minor}.* *_cp{tag}*",
        ],
        files={f"lib/python{minor}/site-packages/{path}": data for path, data in files.items()},
        archive=archive,
    )


def _next(minor: str) -> str:
    major, _, number = minor.partition(".")
    return f"{major}.{int(number) + 1}"


def _pure() -> Iterator[CondaFile]:
    for version, python in (("1.0", ">=3.6"), ("1.1", ">=3.7"), ("2.0", ">=3.9")):
        code = f"__version__ = {version!r}\n\n\ndef main():\n    print('hello from greet')\n"
        yield pure_package(
            "greet",
            version,
            {"greet/__init__.py": code},
            depends=[f"python {python}"],
            entry_points=["greet = greet:main"],
        )
    yield pure_package("eggs", "1.0", depends=["python >=3.6"], constrains=["greet <2"])
    yield pure_package("eggs", "2.0", depends=["python >=3.9", "greet >=1.1"])


def pure_package(
    name: str,
    version: str,
    modules: dict[str, str | bytes] | None = None,
    *,
    depends: list[str] | None = None,
    constrains: list[str] | None = None,
    entry_points: list[str] | None = None,
    pypi_name: str = "",
    build: str = "pyhd8ed1ab_0",
    archive: Archive = ".conda",
) -> CondaFile:
    """A ``noarch`` package of Python, with its dist-info."""
    modules = modules or {f"{name.replace('-', '_')}.py": f"__version__ = {version!r}\n"}
    files = dist_info(pypi_name or name, version, modules, entry_points=entry_points or [])
    return conda_package(
        name,
        version,
        build=build,
        noarch=True,
        depends=depends or ["python >=3.6"],
        constrains=constrains or [],
        entry_points=entry_points or [],
        files={f"site-packages/{path}": data for path, data in files.items()},
        archive=archive,
    )


def _conditional() -> Iterator[CondaFile]:
    yield conda_package("newest-glibc", "1.0", depends=["__glibc >=2.17"])
    yield conda_package("newest-glibc", "2.0", depends=["__glibc >=2.99"])
    yield conda_package("only-gpu", "1.0", depends=["__cuda", "libspam 1.3.0 cuda*"])


def read_repodata(channel: Path, subdir: str) -> dict[str, object]:
    """The ``repodata.json`` of a subdir."""
    document = json.loads((channel / subdir / "repodata.json").read_text())
    assert isinstance(document, dict)
    return document
