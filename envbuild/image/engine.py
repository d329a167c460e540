"""The Docker engine: here or at ``DOCKER_HOST``, or an error that says what to do."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from envbuild.errors import ImageError, MissingExtraError
from envbuild.image.remedies import remedy_for
from envbuild.redact import redact

if TYPE_CHECKING:
    from docker import DockerClient

__all__ = ["connect", "engine_errors", "has_image"]

_ANSWER_S = 30
_LONG_S = 3600  # a build step that compiles, or a layer that is pushed, may be silent for long


def connect(environ: Mapping[str, str]) -> DockerClient:
    """A client of the engine that ``DOCKER_HOST`` names, else of the local one.

    Since 7.2 docker-py looks for that in Docker's contexts first, as Docker's own client does.
    ``DOCKER_TLS_VERIFY`` and ``DOCKER_CERT_PATH`` count as for Docker's own client.

    Raises:
        MissingExtraError: docker-py is not installed.
        ImageError: no engine answers.
    """
    try:
        import docker
        from docker.errors import DockerException
    except ImportError as error:
        raise MissingExtraError(
            "images need the docker extra", remedy="pip install 'envbuild[docker]'"
        ) from error
    try:
        client = docker.from_env(environment=dict(environ), timeout=_ANSWER_S)
        client.ping()
    except DockerException as error:
        host = environ.get("DOCKER_HOST", "")
        raise ImageError(
            "no Docker engine answers",
            where=redact(host),
            details=(redact(str(error)),),
            remedy=_way_to(str(error), host),
        ) from error
    client.api.timeout = _LONG_S
    return client


def _way_to(error: str, host: str) -> str:
    """What to do about an engine that does not answer."""
    if "paramiko" in error:
        return "pip install 'docker[ssh]', which an engine behind ssh needs"
    if "permission denied" in error.lower():
        return "sudo usermod -aG docker $USER and a new login, or run as root"
    if host:
        return "docker version, which asks the same engine; or unset DOCKER_HOST for this machine's"
    return "start Docker, or set DOCKER_HOST to an engine that runs"


@contextmanager
def engine_errors(what: str) -> Iterator[None]:
    """What the engine refuses becomes an ImageError that says ``what`` was tried."""
    from docker.credentials.errors import StoreError
    from docker.errors import DockerException
    from requests.exceptions import RequestException
    from urllib3.exceptions import HTTPError  # what docker-py lets through while it reads a stream

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the error says it too
            yield
    except StoreError as error:
        raise ImageError(
            what,
            details=(redact(str(error)),),
            remedy="docker logout and login, or Docker's config.json without credsStore, "
            "where its helper is not in order",
        ) from error
    except (DockerException, RequestException, HTTPError) as error:
        explanation = str(getattr(error, "explanation", None) or error)
        remedy = remedy_for(explanation, base="the image")
        raise ImageError(what, details=(redact(explanation),), remedy=remedy) from error


def has_image(client: DockerClient, name: str) -> bool:
    """Whether the engine has the image already, so that nothing has to be pulled.

    Raises:
        ImageError: the engine does not say.
    """
    from docker.errors import ImageNotFound

    with engine_errors(f"cannot look for the image {name}"):
        try:
            client.images.get(name)
        except ImageNotFound:
            return False
    return True
