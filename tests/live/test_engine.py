"""A real engine, asked for what can go wrong and for what lies beside building."""

from __future__ import annotations

import hashlib
import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from envbuild.ambient import Ambient
from envbuild.errors import ImageError
from envbuild.image.build import BuildOptions, build, push
from envbuild.locking.context import Context
from tests.support.contexts import context_of, lock_of
from tests.support.environments import scrubbed
from tests.support.registry import Registry

if TYPE_CHECKING:
    from docker import DockerClient

pytestmark = pytest.mark.live

TAG = "envbuild-test/engine:live"
SOCKET = "/var/run/docker.sock"
# As little as shows what an engine does with it.
DOCKERFILE = """\
ARG BASE_IMAGE=debian
FROM ${BASE_IMAGE}
LABEL org.opencontainers.image.title=spam
COPY . /app/
"""
TINY = "FROM scratch\nCOPY . /app/\n"


def ambient(**environ: str) -> Ambient:
    return Ambient(environ=scrubbed(**environ), home=Path.home(), cwd=Path("/"))


def context(folder: Path, dockerfile: str = DOCKERFILE) -> Context:
    files = {"Dockerfile": dockerfile, ".dockerignore": "*\n!score.py\n"}
    return context_of(folder, lock_of(""), files=files)


@pytest.fixture
def base(docker_engine: DockerClient, python_image: Callable[[str], str]) -> Iterator[str]:
    yield python_image("3.12")
    with suppress(Exception):
        docker_engine.images.remove(TAG, force=True)


def test_an_image_is_labelled_and_billed(
    docker_engine: DockerClient, base: str, tmp_path: Path
) -> None:
    options = BuildOptions(base_image=base, labels={"team": "a"})

    built = build(context(tmp_path / "env"), TAG, ambient=ambient(), options=options)

    labels = docker_engine.images.get(TAG).labels
    assert labels["org.opencontainers.image.title"] == "spam"
    assert labels["org.opencontainers.image.base.name"] == base
    assert labels["team"] == "a"
    assert built.bill["base image"] == docker_engine.images.get(base).attrs["Size"]
    assert sum(built.bill.values()) == built.size
    assert 0 < built.bill["script"] < 10_000


def test_a_push_gives_the_digest_that_the_registry_has(
    docker_engine: DockerClient, tmp_path: Path
) -> None:
    with Registry() as registry:
        tag = f"{registry.host}/spam:1"
        build(context(tmp_path / "env", TINY), tag, ambient=ambient())
        try:
            digest = push(tag, ambient=ambient())
        finally:
            docker_engine.images.remove(tag, force=True)

    manifest = registry.manifests["1"]
    assert digest == f"sha256:{hashlib.sha256(manifest).hexdigest()}"
    layers = {layer["digest"] for layer in json.loads(manifest)["layers"]}
    assert layers
    assert layers <= set(registry.blobs)


def test_a_registry_that_is_not_there_is_an_error(
    docker_engine: DockerClient, tmp_path: Path
) -> None:
    tag = "127.0.0.1:9/spam:1"
    build(context(tmp_path / "env", TINY), tag, ambient=ambient())

    with pytest.raises(ImageError) as caught:
        push(tag, ambient=ambient())

    docker_engine.images.remove(tag, force=True)
    assert str(caught.value).startswith(f"cannot push {tag}\n")
    assert "connection refused" in str(caught.value)


def test_a_missing_base_image_says_where_to_get_it(
    docker_engine: DockerClient, tmp_path: Path
) -> None:
    image = "127.0.0.1:9/absent:1"

    with pytest.raises(ImageError) as caught:
        build(
            context(tmp_path / "env"),
            TAG,
            ambient=ambient(),
            options=BuildOptions(base_image=image),
        )

    assert caught.value.remedy == (
        f"docker pull {image} where the registry is in reach, docker load where it is not, "
        "or --base-image with one that the engine has"
    )


def test_a_build_that_fails_midway_shows_its_step_and_leaves_nothing(
    docker_engine: DockerClient, base: str, tmp_path: Path
) -> None:
    dockerfile = f"{DOCKERFILE}RUN echo before >&2 && exit 3\n"
    before = {container.id for container in docker_engine.containers.list(all=True)}

    with pytest.raises(ImageError) as caught:
        build(
            context(tmp_path / "env", dockerfile),
            TAG,
            ambient=ambient(),
            options=BuildOptions(base_image=base),
        )

    command = "echo before >&2 && exit 3"
    first, step, *log = str(caught.value).splitlines()
    reason = f"The command '/bin/sh -c {command}' returned a non-zero code: 3"
    assert first == f"cannot build {TAG}: {reason}"
    assert re.fullmatch(rf"  at Step 5/\d+ : RUN {command}", step)
    assert "  before" in log
    kept = {container.id for container in docker_engine.containers.list(all=True)}
    assert kept <= before


@contextmanager
def relay() -> Iterator[str]:
    """The engine's socket as an address of TCP, as a remote engine has one."""
    listener = socket.create_server(("127.0.0.1", 0))

    def copy(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def serve() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                engine = socket.socket(socket.AF_UNIX)
                engine.connect(SOCKET)
                for pair in ((client, engine), (engine, client)):
                    threading.Thread(target=copy, args=pair, daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"tcp://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_engine_behind_docker_host_builds_too(
    docker_engine: DockerClient, base: str, tmp_path: Path
) -> None:
    if not Path(SOCKET).is_socket():
        pytest.skip(f"no engine at {SOCKET}")
    with relay() as address:
        built = build(
            context(tmp_path / "env"),
            TAG,
            ambient=ambient(DOCKER_HOST=address),
            options=BuildOptions(base_image=base),
        )

    assert docker_engine.images.get(TAG).id == built.id


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_no_engine_at_docker_host_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ImageError) as caught:
        build(context(tmp_path / "env"), TAG, ambient=ambient(DOCKER_HOST="tcp://127.0.0.1:9"))

    assert str(caught.value).startswith("tcp://127.0.0.1:9: no Docker engine answers\n")
    assert caught.value.remedy == (
        "docker version, which asks the same engine; or unset DOCKER_HOST for this machine's"
    )
