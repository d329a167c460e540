"""A package index on loopback, of wheels and sdists made by hand.

    with Index() as index:
        index.add(wheel("spam", "1.0", requires=["eggs>=2"]))
        ...index.url is http://127.0.0.1:PORT/simple

Speaks the HTML and JSON forms of the simple API (PEP 503, PEP 691) with metadata files (PEP 658),
byte ranges and ETags, asks for a password if told to, and logs every request.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import io
import json
import tarfile
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from packaging.utils import canonicalize_name

from envbuild.fetch.loopback_server import LoopbackHandler, LoopbackServer

__all__ = ["Distribution", "Index", "Request", "sample_wheels", "sdist", "wheel"]

_EPOCH = (1980, 1, 1, 0, 0, 0)
_JSON = "application/vnd.pypi.simple.v1+json"
_SETUP_PY = "from setuptools import setup\nsetup({arguments})\n"


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """A file of an index: ``metadata`` is the core metadata of a wheel, empty for an sdist."""

    project: str
    version: str
    filename: str
    data: bytes = field(repr=False)
    metadata: bytes = field(default=b"", repr=False)
    requires_python: str = ""
    upload_time: str = "2020-01-01T00:00:00Z"
    yanked: str = ""

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a client asked; header names in lower case."""

    method: str
    path: str
    status: int
    headers: Mapping[str, str] = field(repr=False)


def wheel(
    name: str,
    version: str,
    *,
    requires: Iterable[str] = (),
    requires_python: str = "",
    tag: str = "py3-none-any",
    files: Mapping[str, str] | None = None,
    extras: Iterable[str] = (),
    upload_time: str = "2020-01-01T00:00:00Z",
    yanked: str = "",
) -> Distribution:
    """A wheel that installs: one module of the project's name, or ``files`` (name to text)."""
    project = name.replace("-", "_")
    metadata = _metadata(name, version, requires, requires_python, extras)
    info = f"{project}-{version}.dist-info"
    content = dict(files or {f"{project.lower()}.py": f"__version__ = {version!r}\n"})
    content[f"{info}/METADATA"] = metadata
    content[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n"
    content[f"{info}/RECORD"] = "".join(
        [*(_record(path, text) for path, text in content.items()), f"{info}/RECORD,,\n"]
    )
    return Distribution(
        project=canonicalize_name(name),
        version=version,
        filename=f"{project}-{version}-{tag}.whl",
        data=_zip(content),
        metadata=metadata.encode(),
        requires_python=requires_python,
        upload_time=upload_time,
        yanked=yanked,
    )


def sdist(
    name: str,
    version: str,
    *,
    requires: Sequence[str] = (),
    requires_python: str = "",
    setup_py: str = "",
    pyproject: str = "",
    files: Mapping[str, str] | None = None,
    upload_time: str = "2020-01-01T00:00:00Z",
) -> Distribution:
    """A source distribution of setuptools, whose dependencies only ``setup.py`` knows."""
    project = name.replace("-", "_")
    root = f"{project}-{version}"
    arguments = (
        f"name={name!r}, version={version!r}, py_modules=[], install_requires={[*requires]!r}"
    )
    content = dict(files or {})
    content["PKG-INFO"] = _metadata(name, version, (), requires_python, (), "1.2")
    content["setup.py"] = setup_py or _SETUP_PY.format(arguments=arguments)
    if pyproject:
        content["pyproject.toml"] = pyproject
    return Distribution(
        project=canonicalize_name(name),
        version=version,
        filename=f"{root}.tar.gz",
        data=_tar({f"{root}/{path}": text for path, text in content.items()}),
        requires_python=requires_python,
        upload_time=upload_time,
    )


def sample_wheels() -> tuple[Distribution, ...]:
    """Two releases of ``spam``, which asks for ``ham`` and for ``eggs``, of which there are two."""
    return (
        wheel("spam", "1.0", requires=["eggs", "ham"]),
        wheel("spam", "1.1", requires=["eggs", "ham"]),
        wheel("eggs", "2.0"),
        wheel("eggs", "2.1"),
        wheel("ham", "1.0"),
    )


class Index(LoopbackServer):
    """Serves what was added to it until it is closed; a context manager.

    ``credentials`` (user, password) are asked for on every request. ``hashes``, ``metadata`` and
    ``json`` switch off what poor indexes lack. ``absolute`` writes whole URLs into pages, and
    ``files_at`` names another index that has the files. ``failures`` maps the start of a path to
    the status that is answered there instead.
    """

    def __init__(
        self,
        *,
        credentials: tuple[str, str] | None = None,
        hashes: bool = True,
        metadata: bool = True,
        json: bool = True,
        absolute: bool = False,
        files_at: Index | None = None,
    ) -> None:
        super().__init__(_Handler)
        self.credentials = credentials
        self.hashes = hashes
        self.metadata = metadata
        self.json = json
        self.absolute = absolute
        self.files_at = files_at
        self.failures: dict[str, int] = {}
        self.redirects: dict[str, str] = {}
        self.requests: list[Request] = []
        self._files: dict[str, Distribution] = {}

    @property
    def url(self) -> str:
        """What goes into ``--index-url``, without credentials."""
        return f"{self.root}/simple"

    @property
    def find_links(self) -> str:
        """One page with every file, for ``--find-links``."""
        return f"{self.root}/links/"

    @property
    def url_with_credentials(self) -> str:
        assert self.credentials is not None
        user, password = self.credentials
        return f"http://{user}:{password}@127.0.0.1:{self.port}/simple"

    def add(self, *distributions: Distribution) -> None:
        """Offer files."""
        for distribution in distributions:
            self._files[distribution.filename] = distribution

    def file_url(self, filename: str) -> str:
        """Where a file is."""
        return f"{(self.files_at or self).root}/files/{filename}"

    def count(self, start: str = "/") -> int:
        """How many requests asked for a path that begins with ``start``."""
        return sum(request.path.startswith(start) for request in self.requests)

    def projects(self) -> list[str]:
        return sorted({distribution.project for distribution in self._files.values()})

    def files_of(self, project: str) -> list[Distribution]:
        return [file for file in self._files.values() if file.project == project]

    def file(self, filename: str) -> Distribution | None:
        return self._files.get(filename)


class _Handler(LoopbackHandler):
    server: Index

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def _answer(self) -> None:
        index = self.server
        path = unquote(urlsplit(self.path).path)
        for start, status in index.failures.items():
            if path.startswith(start):
                self._send(status, b"no\n", "text/plain")
                return
        if index.credentials is not None and not self._authorized(index.credentials):
            self._send(401, b"who?\n", "text/plain", {"WWW-Authenticate": 'Basic realm="index"'})
            return
        for start, target in index.redirects.items():
            if path.startswith(start):
                self._send(302, b"", "text/plain", {"Location": target + path.removeprefix(start)})
                return
        self._route(index, path)

    def _route(self, index: Index, path: str) -> None:
        match path.strip("/").split("/"):
            case ["simple"]:
                self._page(index, "", [])
            case ["simple", project] if files := index.files_of(project):
                self._page(index, project, files)
            case ["links"]:
                every = [file for project in index.projects() for file in index.files_of(project)]
                self._send(200, _links(index, every, self.path), "text/html")
            case ["files", filename] if filename.endswith(".metadata"):
                found = index.file(filename.removesuffix(".metadata"))
                self._file(found.metadata if found else b"")
            case ["files", filename]:
                found = index.file(filename)
                self._file(found.data if found else b"")
            case _:
                self._send(404, b"not found\n", "text/plain")

    def _page(self, index: Index, project: str, files: list[Distribution]) -> None:
        if index.json and _JSON in self.headers.get("Accept", ""):
            self._send(200, _json_page(index, project, files), _JSON)
        elif project:
            self._send(200, _links(index, files, self.path), "text/html")
        else:
            body = "".join(f'<a href="{name}/">{name}</a>\n' for name in index.projects())
            self._send(200, _document(body), "text/html")

    def _file(self, data: bytes) -> None:
        if not data:
            self._send(404, b"not found\n", "text/plain")
            return
        tag = f'"{hashlib.sha256(data).hexdigest()[:16]}"'
        headers = {"ETag": tag, "Accept-Ranges": "bytes"}
        if self.headers.get("If-None-Match") == tag:
            self._send(304, b"", "", headers)
        elif span := _span(self.headers.get("Range", ""), len(data)):
            first, last = span
            headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
            self._send(206, data[first : last + 1], "application/octet-stream", headers)
        else:
            self._send(200, data, "application/octet-stream", headers)

    def _authorized(self, credentials: tuple[str, str]) -> bool:
        token = base64.b64encode(":".join(credentials).encode()).decode()
        return self.headers.get("Authorization") == f"Basic {token}"

    def _send(
        self, status: int, body: bytes, kind: str, headers: Mapping[str, str] | None = None
    ) -> None:
        self.server.requests.append(
            Request(
                method=self.command,
                path=self.path,
                status=status,
                headers={name.lower(): value for name, value in self.headers.items()},
            )
        )
        self.send_response(status)
        for name, value in {"Content-Type": kind, **(headers or {})}.items():
            if value:
                self.send_header(name, value)
        if status != 304:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _json_page(index: Index, project: str, files: list[Distribution]) -> bytes:
    if not project:
        projects = [{"name": name} for name in index.projects()]
        return json.dumps({"meta": {"api-version": "1.1"}, "projects": projects}).encode()
    entries = [_json_file(index, file) for file in files]
    versions = sorted({file.version for file in files})
    page = {"meta": {"api-version": "1.1"}, "name": project, "versions": versions, "files": entries}
    return json.dumps(page).encode()


def _json_file(index: Index, file: Distribution) -> dict[str, object]:
    entry: dict[str, object] = {
        "filename": file.filename,
        "url": _href(index, file),
        "hashes": {"sha256": file.sha256} if index.hashes else {},
        "size": len(file.data),
        "upload-time": file.upload_time,
        "yanked": file.yanked or False,
    }
    if file.requires_python:
        entry["requires-python"] = file.requires_python
    if index.metadata and file.metadata:
        entry["core-metadata"] = {"sha256": hashlib.sha256(file.metadata).hexdigest()}
    return entry


def _links(index: Index, files: list[Distribution], path: str) -> bytes:
    return _document("".join(_anchor(index, file, path) for file in files))


def _anchor(index: Index, file: Distribution, path: str) -> str:
    url = _href(index, file, depth=len([part for part in path.split("/") if part]))
    href = f"{url}#sha256={file.sha256}" if index.hashes else url
    attributes = f'href="{href}"'
    if file.requires_python:
        attributes += f' data-requires-python="{html.escape(file.requires_python)}"'
    if file.yanked:
        attributes += f' data-yanked="{html.escape(file.yanked)}"'
    if index.metadata and file.metadata:
        digest = hashlib.sha256(file.metadata).hexdigest()
        attributes += f' data-core-metadata="sha256={digest}"'
    return f"<a {attributes}>{file.filename}</a><br/>\n"


def _href(index: Index, file: Distribution, depth: int = 2) -> str:
    if index.absolute or index.files_at is not None:
        return index.file_url(file.filename)
    return f"{'../' * depth}files/{file.filename}"


def _document(body: str) -> bytes:
    return f"<!DOCTYPE html>\n<html><body>\n{body}</body></html>\n".encode()


def _span(header: str, size: int) -> tuple[int, int] | None:
    """First and last byte of a ``Range`` header of one range (RFC 9110 14.1.2), or None."""
    first, dash, last = header.removeprefix("bytes=").partition("-")
    if not (header.startswith("bytes=") and dash):
        return None
    if not first:
        return max(0, size - int(last)), size - 1
    return int(first), min(int(last) if last else size - 1, size - 1)


def _metadata(
    name: str,
    version: str,
    requires: Iterable[str],
    requires_python: str,
    extras: Iterable[str],
    metadata_version: str = "2.1",
) -> str:
    lines = [f"Metadata-Version: {metadata_version}", f"Name: {name}", f"Version: {version}"]
    if requires_python:
        lines.append(f"Requires-Python: {requires_python}")
    lines += [f"Provides-Extra: {extra}" for extra in extras]
    lines += [f"Requires-Dist: {requirement}" for requirement in requires]
    return "\n".join(lines) + "\n"


def _record(path: str, text: str) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=")
    return f"{path},sha256={digest.decode()},{len(text.encode())}\n"


def _zip(content: Mapping[str, str]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, text in content.items():
            archive.writestr(zipfile.ZipInfo(path, _EPOCH), text)
    return stream.getvalue()


def _tar(content: Mapping[str, str]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for path, text in content.items():
            member = tarfile.TarInfo(path)
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return gzip.compress(stream.getvalue(), mtime=0)
