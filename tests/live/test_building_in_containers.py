"""Builds in containers without a network: for a Python that nobody has installed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from envbuild.ambient import Ambient
from envbuild.emit.bundle import Bundle
from envbuild.emit.export import export
from envbuild.errors import BuildError
from envbuild.locking.context import Context
from envbuild.options import ExportOptions
from tests.live.test_export import resolve
from tests.support.contexts import context_of, lock_of
from tests.support.environments import scrubbed

pytestmark = [pytest.mark.live, pytest.mark.needs_docker, pytest.mark.needs_python("3.9")]


def context(folder: Path, *requirements: str) -> Context:
    lock = lock_of(resolve("3.9.18", *requirements), python="3.9.18", glibc=(2, 36))
    return context_of(folder / "context", lock)


def in_container(folder: Path, made: Context, image: str, output: str = "bundle") -> Bundle:
    environ = {**scrubbed(), "ENVBUILD_CACHE_DIR": str(folder / f"cache-{output}")}
    return export(
        made,
        folder / output,
        ambient=Ambient(environ=environ, home=Path.home(), cwd=folder),
        options=ExportOptions(builder="docker", builder_image=image),
    )


def test_a_pure_sdist_is_built_in_a_container_and_the_same_every_time(
    tmp_path: Path, python_image: Callable[[str], str]
) -> None:
    image = python_image("3.9")
    made = context(tmp_path, "fusepy==3.0.1", "six==1.16.0")

    one = in_container(tmp_path, made, image, "one")
    other = in_container(tmp_path, made, image, "other")

    (built,) = one.built
    assert (one.path / built.file).read_bytes() == (other.path / built.file).read_bytes()
    manifest = json.loads((one.path / "manifest.json").read_text())
    (entry,) = [package["built"] for package in manifest["packages"] if package["built"]]
    assert entry["builder"] == f"docker {image}"
    assert entry["requirements"] == ["setuptools==80.9.0", "wheel==0.45.1"]


def test_what_the_image_lacks_is_named(tmp_path: Path, python_image: Callable[[str], str]) -> None:
    made = context(tmp_path, "psycopg2==2.9.9")

    with pytest.raises(BuildError) as caught:
        in_container(tmp_path, made, python_image("3.9"))

    message = str(caught.value)
    assert message.startswith("psycopg2 cannot be built in a container of ")
    assert "  the program pg_config is missing (Debian: libpq-dev)\n" in message


def test_an_image_that_is_not_there_is_named(tmp_path: Path) -> None:
    made = context(tmp_path, "fusepy==3.0.1")

    with pytest.raises(BuildError) as caught:
        in_container(tmp_path, made, "registry.invalid/nothing:1")

    assert str(caught.value).startswith("fusepy: the Docker engine cannot be used\n")
    assert str(caught.value).endswith(
        "  try: start Docker, set DOCKER_HOST, or name a --builder-image that is there"
    )
