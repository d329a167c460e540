"""A bench in a container: for a Python that this machine lacks, or another machine altogether.

The container has no network and gets what it needs as an archive, so an engine elsewhere serves as
well. pip drives the build in it, from the image's own Python.
"""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from envbuild.ambient import Ambient
from envbuild.build.builder import Made
from envbuild.build.interface import BuildProblem
from envbuild.build.pins import BuildPins, PinResolver, Question
from envbuild.build.project import LEGACY, read_build_system
from envbuild.build.sources import SourceTrees
from envbuild.build.wheelfile import read_wheel
from envbuild.errors import BuildError, MissingExtraError
from envbuild.redact import redact

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

__all__ = ["DockerBench", "builder_image"]

_ROOT = PurePosixPath("/build")
_SECONDS = 3600
# Backends ask for these when they are asked, which takes running them.
_ASKED_FOR_LATER = {
    "setuptools": ("wheel",),
    "mesonpy": ("ninja",),
    "scikit_build_core": ("cmake", "ninja"),
}
_LACKING = re.compile(r"No matching distribution found for (?P<requirement>[^\n]+)")
_MOST_ROUNDS = 4


def builder_image(base_image: str) -> str:
    """An image with compilers for a base image: Docker's own ``-slim`` ones lack them."""
    name, _, tag = base_image.partition(":")
    if name != "python" or "@" in tag:
        return base_image
    return f"{name}:{re.sub(r'-slim(?=-|$)', '', tag)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DockerBench:
    """Builds in containers of ``image``, which has the target's Python, pip and compilers."""

    sources: SourceTrees
    pins: PinResolver
    ambient: Ambient
    image: str

    def identity(self) -> tuple[str, ...]:
        """The pins' and the image."""
        return ("docker", self.image, *self.pins.identity())

    def work(self, problem: BuildProblem, workdir: Path, log: list[str]) -> Made:
        """See ``Bench``.

        Raises:
            MissingExtraError: docker-py is not installed.
        """
        checkout = self.sources.lay_out(problem.source, workdir / "source", name=problem.name)
        system = read_build_system(checkout.project, name=problem.name)
        _ask_for_pep517(checkout.project)
        requires = {*system.requires, *_ASKED_FOR_LATER.get(_root_of(system.backend), ())}
        project = _ROOT / "source" / checkout.project.relative_to(workdir / "source").as_posix()
        question = Question(name=problem.name, target=problem.target, cutoff=problem.cutoff)
        client = _connect(self.ambient.environ)
        for _ in range(_MOST_ROUNDS):
            pins = self.pins.pin(sorted(requires), question, workdir=workdir)
            self.pins.gather(pins, workdir / "requires")
            run = _ContainerRun(client, self.image, problem, workdir)
            failed = run.build(project, checkout.epoch, log)
            if not failed:
                return self._made(workdir, checkout.epoch, pins)
            lacking = _LACKING.search(failed)
            if lacking is None or lacking["requirement"].strip() in requires:
                break
            requires.add(lacking["requirement"].strip())
        raise BuildError(
            f"{problem.name} cannot be built in a container of {self.image}",
            remedy="--builder-image with an image that has what is missing",
        )

    def _made(self, workdir: Path, epoch: int, pins: BuildPins) -> Made:
        wheels = sorted((workdir / "wheel").glob("*.whl"))
        if len(wheels) != 1:
            raise BuildError(f"the build made {len(wheels)} wheels, not one")
        return Made(
            wheel=read_wheel(wheels[0]), epoch=epoch, pins=pins, builder=f"docker {self.image}"
        )


@dataclass(frozen=True, slots=True)
class _ContainerRun:
    """One container: made, filled, run to its end, emptied and removed."""

    client: DockerClient
    image: str
    problem: BuildProblem
    workdir: Path

    def build(self, project: PurePosixPath, epoch: int, log: list[str]) -> str:
        """Build; empty, or what was printed if it failed. The wheel is then in ``wheel/``."""
        with _engine_errors(self.problem.name), self._container(project, epoch) as container:
            container.put_archive("/", _packed(self.workdir, ("source", "requires")))
            container.start()
            status = container.wait(timeout=_SECONDS)["StatusCode"]
            output = container.logs().decode("utf-8", "replace")
            log.append(f"$ docker run {self.image}\n{output}")
            if status != 0:
                return output or f"ended with {status}"
            chunks, _ = container.get_archive(str(_ROOT / "wheel"))
            _unpack_wheels(b"".join(chunks), self.workdir / "wheel")
        return ""

    @contextmanager
    def _container(self, project: PurePosixPath, epoch: int) -> Iterator[Container]:
        container = self.client.containers.create(
            self._pulled(),
            ["python3", "-m", "pip", "--isolated", "wheel", "--no-index", "--no-deps",
             "--no-cache-dir", "--disable-pip-version-check",
             "--find-links", str(_ROOT / "requires"), "--wheel-dir", str(_ROOT / "wheel"),
             str(project)],
            entrypoint="",
            user="0",
            working_dir="/",
            network_mode="none",
            platform=self.problem.target.platform.docker or None,
            environment={
                "HOME": "/tmp/home",  # noqa: S108 - the container's own
                "SOURCE_DATE_EPOCH": str(epoch),
                "PYTHONHASHSEED": "0",
                "LC_ALL": "C.UTF-8",
                "TZ": "UTC",
                "PIP_CONFIG_FILE": "/dev/null",
                "PIP_ROOT_USER_ACTION": "ignore",
            },
        )  # fmt: skip
        try:
            yield container
        finally:
            container.remove(force=True, v=True)

    def _pulled(self) -> str:
        from docker.errors import ImageNotFound

        try:
            self.client.images.get(self.image)
        except ImageNotFound:
            self.client.images.pull(
                self.image, platform=self.problem.target.platform.docker or None
            )
        return self.image


def _ask_for_pep517(project: Path) -> None:
    """Say what goes without saying, since older pips would run setup.py themselves."""
    file = project / "pyproject.toml"
    table = f"[build-system]\nrequires = {json.dumps(LEGACY.requires)}\n"
    if not file.exists():
        file.write_text(f'{table}build-backend = "{LEGACY.backend}"\n')


def _root_of(backend: str) -> str:
    return backend.partition(":")[0].partition(".")[0]


def _connect(environ: Mapping[str, str]) -> DockerClient:
    try:
        import docker
    except ImportError as error:
        raise MissingExtraError(
            "--builder docker needs the docker extra", remedy="pip install 'envbuild[docker]'"
        ) from error
    with _engine_errors("Docker"):
        client = docker.from_env(environment=dict(environ), timeout=_SECONDS)
        client.ping()
        return client


@contextmanager
def _engine_errors(name: str) -> Iterator[None]:
    from docker.errors import DockerException

    try:
        yield
    except (DockerException, OSError) as error:  # requests' errors are OSErrors
        reason = getattr(error, "explanation", None) or str(error)
        raise BuildError(
            f"{name}: the Docker engine cannot be used",
            details=(redact(str(reason)),),
            remedy="start Docker, set DOCKER_HOST, or name a --builder-image that is there",
        ) from error


def _packed(workdir: Path, folders: tuple[str, ...]) -> bytes:
    """The folders as an archive below the root of the build, owned by root."""

    def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        return member

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for folder in folders:
            (workdir / folder).mkdir(exist_ok=True)
            archive.add(workdir / folder, arcname=str(_ROOT / folder), filter=plain)
    return buffer.getvalue()


def _unpack_wheels(data: bytes, folder: Path) -> None:
    """Only plain files, by their names: what runs in the container is not to be trusted."""
    folder.mkdir(exist_ok=True)
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for member in archive:
            stream = archive.extractfile(member) if member.isreg() else None
            if stream is not None:
                (folder / PurePosixPath(member.name).name).write_bytes(stream.read())
