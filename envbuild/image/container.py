"""A container without a network, in which programs are run one after the other."""

from __future__ import annotations

import io
import tarfile
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from envbuild.errors import ImageError, ToolError
from envbuild.image.engine import engine_errors
from envbuild.process import Completed

if TYPE_CHECKING:
    from docker import DockerClient

__all__ = ["Container", "running"]

_STDIN = "/opt/envbuild-stdin"
# Docker's API has no way to hand over standard input and to end it, but for a raw socket.
_WITH_STDIN = ("sh", "-c", f'exec "$@" < {_STDIN}', "sh")
_IDLE = ("sleep", "infinity")
_CHUNK = 1 << 20


@contextmanager
def running(
    client: DockerClient,
    image: str,
    *,
    own_command: bool = False,
    binds: Mapping[Path, str] | None = None,
    user: str = "",
    files: Mapping[str, Path] | None = None,
) -> Iterator[Container]:
    """A container of ``image`` without a network, removed in the end with all that runs in it.

    It runs the image's own command, or only waits. ``binds`` are folders of this machine that lie
    at the same path inside, ``ro`` or ``rw``; ``files`` are copied in before it starts, by their
    path inside.

    Raises:
        ImageError: the engine has no such image, or cannot run it.
    """
    from docker.errors import DockerException

    entry: dict[str, Any] = {} if own_command else {"entrypoint": [_IDLE[0]], "command": [_IDLE[1]]}
    with engine_errors(f"cannot run the image {image}"):
        handle = client.containers.create(
            image,
            network_mode="none",
            init=True,  # reaps what programs leave behind, and passes signals on
            volumes=[f"{path}:{path}:{mode}" for path, mode in (binds or {}).items()],
            user=user or None,
            **entry,
        )
    container = Container(client=client, handle=handle, user=user)
    try:
        for inside, outside in (files or {}).items():
            container.put(outside, inside)
        with engine_errors(f"cannot run the image {image}"):
            handle.start()
        yield container
    finally:
        with suppress(DockerException):
            handle.remove(force=True, v=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """A running container. ``user`` is whom programs run as; empty for the image's own."""

    client: DockerClient
    handle: Any
    user: str = ""

    @property
    def description(self) -> str:
        """For the report of a verification."""
        return "docker run --network none"

    def run(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path | None = None,
        stdin: str = "",
        timeout: float | None = None,
    ) -> Completed:
        """Run ``argv`` inside with the container's environment and ``env``.

        When time runs out the container is stopped, and everything in it ends.

        Raises:
            ToolError: it ran out of time, or the container is gone.
        """
        if stdin:
            self.write(_STDIN, stdin.encode())
            argv = (*_WITH_STDIN, *argv)
        late = threading.Event()
        watch = threading.Timer(timeout, self._stop, (late,)) if timeout else None
        if watch:
            watch.start()
        try:
            code, out, err = self._execute(argv, env, cwd)
        except ImageError as error:
            raise ToolError(f"cannot run {argv[0]} in the container: {error.problem}") from error
        finally:
            if watch:
                watch.cancel()
        if late.is_set():
            raise ToolError(f"{argv[0]} did not end within {timeout:g} s")
        return Completed(
            argv=tuple(argv),
            returncode=code,
            stdout=out.decode("utf-8", "replace"),
            stderr=err.decode("utf-8", "replace"),
        )

    def _execute(
        self, argv: Sequence[str], env: Mapping[str, str], cwd: Path | None
    ) -> tuple[int, bytes, bytes]:
        api = self.client.api
        with engine_errors("the engine refuses"):
            started = api.exec_create(
                self.handle.id,
                list(argv),
                environment=dict(env),
                workdir=str(cwd) if cwd else None,
                user=self.user,
            )
            out, err = api.exec_start(started["Id"], demux=True)
            code = api.exec_inspect(started["Id"])["ExitCode"]
        return int(code or 0), out or b"", err or b""

    def _stop(self, late: threading.Event) -> None:
        from docker.errors import DockerException

        late.set()
        with suppress(DockerException):
            self.handle.kill()

    def put(self, outside: Path, inside: str) -> None:
        """Copy a file or folder of this machine to the absolute path ``inside``, for all to read.

        Raises:
            ImageError: the engine refuses.
        """
        with tempfile.TemporaryFile() as stream:
            with tarfile.open(fileobj=stream, mode="w", dereference=True) as archive:
                archive.add(outside, inside.lstrip("/"), filter=_readable)
            self._send(stream)

    def write(self, inside: str, data: bytes) -> None:
        """Write a file at the absolute path ``inside``, for all to read.

        Raises:
            ImageError: the engine refuses.
        """
        with io.BytesIO() as stream:
            with tarfile.open(fileobj=stream, mode="w") as archive:
                member = tarfile.TarInfo(inside.lstrip("/"))
                member.size = len(data)
                archive.addfile(_readable(member), io.BytesIO(data))
            self._send(stream)

    def _send(self, stream: IO[bytes]) -> None:
        stream.seek(0)
        with engine_errors("cannot copy into the container"):
            self.handle.put_archive("/", stream)

    def read(self, inside: str) -> bytes | None:
        """A file of the container; None where there is none.

        Raises:
            ImageError: the engine refuses.
        """
        from docker.errors import NotFound

        with engine_errors("cannot copy from the container"):
            try:
                chunks, _ = self.handle.get_archive(inside, chunk_size=_CHUNK)
            except NotFound:
                return None
            data = io.BytesIO(b"".join(chunks))
        with tarfile.open(fileobj=data) as archive:
            member = next((entry for entry in archive if entry.isreg()), None)
            found = archive.extractfile(member) if member else None
            return found.read() if found else None

    def logs(self) -> str:
        """What the container's own command has written.

        Raises:
            ImageError: the engine refuses.
        """
        with engine_errors("cannot read the log of the container"):
            data: bytes = self.handle.logs()
        return data.decode("utf-8", "replace")


def _readable(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Owned by root, and for everybody to read: the image's user is not the one of this machine."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
    return member
