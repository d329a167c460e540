"""The machinery of the live tests itself: the interpreters, the engine, the base images."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.interpreters import SUPPORTED

if TYPE_CHECKING:
    from docker import DockerClient

WHO = "import sys; print('%d.%d' % sys.version_info[:2])"


@pytest.mark.parametrize("minor", SUPPORTED)
def test_every_target_python_is_there(interpreter: Callable[[str], Path], minor: str) -> None:
    done = subprocess.run(
        [interpreter(minor), "-c", WHO], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == minor


@pytest.mark.parametrize("minor", ["3.7", "3.12"])
def test_base_images_are_laid_out_like_dockers(
    docker_engine: DockerClient, python_image: Callable[[str], str], minor: str
) -> None:
    script = f'which python python3 pip; python -c "{WHO}"; pip --version | cut -d" " -f1'

    output = docker_engine.containers.run(
        python_image(minor), ["sh", "-c", script], network_mode="none", remove=True
    )

    assert output.decode().split() == [
        "/usr/local/bin/python",
        "/usr/local/bin/python3",
        "/usr/local/bin/pip",
        minor,
        "pip",
    ]


def test_an_image_is_made_once(
    python_image: Callable[[str], str], docker_engine: DockerClient
) -> None:
    first = docker_engine.images.get(python_image("3.7")).id

    assert docker_engine.images.get(python_image("3.7")).id == first


def test_a_container_reaches_the_index(
    docker_engine: DockerClient, python_image: Callable[[str], str]
) -> None:
    output = docker_engine.containers.run(
        python_image("3.7"),
        ["pip", "download", "--no-deps", "--quiet", "--dest", "/tmp/files", "six==1.16.0"],
        remove=True,
        stderr=True,
    )

    assert b"ERROR" not in output
