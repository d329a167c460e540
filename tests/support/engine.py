"""A Docker engine that answers what it is told to, and remembers what it was asked."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any, cast

from docker.errors import APIError, ImageNotFound, NotFound

if TYPE_CHECKING:
    from docker import DockerClient

__all__ = ["FakeContainer", "FakeEngine", "FakeImage"]

HISTORY = (
    {"Size": 30, "CreatedBy": "/bin/sh -c #(nop) COPY   dir:1 in /opt/venv "},
    {"Size": 100, "CreatedBy": "/bin/sh -c #(nop) ADD file:0 in /"},
)


@dataclass
class FakeImage:
    """What an engine knows of an image."""

    id: str = "sha256:1"
    labels: Mapping[str, str] = field(default_factory=dict)
    attrs: Mapping[str, Any] = field(default_factory=lambda: {"Size": 130})
    layers: Sequence[Mapping[str, Any]] = HISTORY  # the newest first, as engines say it

    def history(self) -> Sequence[Mapping[str, Any]]:
        return self.layers


@dataclass
class FakeContainer:
    """A container whose files are bytes by path."""

    id: str = "c1"
    files: dict[str, bytes] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    log: bytes = b""

    def start(self) -> None:
        self.told.append("start")

    def kill(self) -> None:
        self.told.append("kill")

    def remove(self, *, force: bool, v: bool) -> None:
        self.told.append(f"remove force={force} volumes={v}")

    def logs(self) -> bytes:
        return self.log

    def put_archive(self, path: str, stream: IO[bytes]) -> None:
        with tarfile.open(fileobj=stream) as archive:
            for member in archive:
                assert (member.uid, member.gid) == (0, 0)
                data = archive.extractfile(member) if member.isreg() else None
                self.files[f"{path}{member.name}"] = data.read() if data else b""

    def get_archive(self, path: str, chunk_size: int) -> tuple[Iterator[bytes], object]:
        if path not in self.files:
            raise NotFound("no such file")
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w") as archive:
            member = tarfile.TarInfo(path.rpartition("/")[2])
            member.size = len(self.files[path])
            archive.addfile(member, io.BytesIO(self.files[path]))
        return iter([stream.getvalue()]), {}


class FakeEngine:
    """Stands in for ``DockerClient`` and its ``api``, ``images`` and ``containers`` at once.

    ``events`` are what a build or push streams, ``results`` what programs in containers give: the
    output, the errors, the exit code.
    """

    def __init__(
        self,
        *,
        images: Mapping[str, FakeImage] | None = None,
        events: Sequence[Mapping[str, Any]] = (),
        results: Sequence[tuple[bytes | None, bytes | None, int]] = (),
        machine: str = "amd64",
        broken: str = "",
    ) -> None:
        self.known = dict(images or {})
        self.events = events
        self.results = list(results)
        self.machine = machine
        self.broken = broken
        self.asked: dict[str, Any] = {}
        self.sent: tuple[str, ...] = ()
        self.programs: list[dict[str, Any]] = []
        self.container = FakeContainer()

    def client(self) -> DockerClient:
        return cast("DockerClient", self)

    @property
    def api(self) -> FakeEngine:
        return self

    @property
    def images(self) -> FakeEngine:
        return self

    @property
    def containers(self) -> FakeEngine:
        return self

    def _refuse(self, what: str) -> None:
        if what == self.broken:
            raise APIError("refused", explanation=f"no {what} for https://u:canary@host/")

    def version(self) -> Mapping[str, str]:
        self._refuse("version")
        return {"Arch": self.machine}

    def get(self, name: str) -> FakeImage:
        self._refuse("get")
        if name not in self.known:
            raise ImageNotFound(f"no such image: {name}")
        return self.known[name]

    def build(self, *, fileobj: IO[bytes], **options: object) -> Iterator[Mapping[str, Any]]:
        self._refuse("build")
        with tarfile.open(fileobj=fileobj) as archive:
            self.sent = tuple(sorted(member.name for member in archive if member.isreg()))
        self.asked = options
        return (event for event in self.events)

    def push(self, tag: str, **options: object) -> Iterator[Mapping[str, Any]]:
        self._refuse("push")
        self.asked = {"tag": tag, **options}
        return iter(self.events)

    def create(self, image: str, **options: object) -> FakeContainer:
        self._refuse("create")
        self.asked = {"image": image, **options}
        return self.container

    def exec_create(self, container: str, argv: Sequence[str], **options: object) -> dict[str, str]:
        self._refuse("exec")
        self.programs.append({"argv": list(argv), **options})
        return {"Id": "e1"}

    def exec_start(self, identity: str, *, demux: bool) -> tuple[bytes | None, bytes | None]:
        out, err, self._code = self.results.pop(0)
        return out, err

    def exec_inspect(self, identity: str) -> Mapping[str, int]:
        return {"ExitCode": self._code}
