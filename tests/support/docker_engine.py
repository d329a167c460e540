"""A Docker engine, if one answers."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from docker import DockerClient

__all__ = ["EngineUnavailableError", "connect"]

_TIMEOUT_S = 600  # a build step that installs a big environment says nothing for minutes


class EngineUnavailableError(Exception):
    """No Docker engine answers, or its client library is not installed."""


@functools.cache
def connect() -> DockerClient:
    """A client of the engine that the environment names (``DOCKER_HOST``), else of the local one.

    Raises:
        EngineUnavailableError: with the reason.
    """
    try:
        import docker
        import docker.errors
    except ImportError as error:
        raise EngineUnavailableError(f"the docker extra is not installed: {error}") from error
    try:
        client = docker.from_env(timeout=_TIMEOUT_S)
        client.ping()
    except docker.errors.DockerException as error:
        raise EngineUnavailableError(f"no Docker engine answers: {error}") from error
    return client
