"""Base images like Docker's ``python:X.Y.Z-slim``, made without a registry.

A Debian 12 root comes from ``debootstrap`` and is kept between runs; a CPython of this machine is
copied to its ``/usr/local``, where Docker's own images have theirs. Where that cannot be done (no
root, another Linux) the image of the registry is taken instead.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

from tests.support.interpreters import find_interpreter, full_version
from tests.support.kept import alone, kept_folder

if TYPE_CHECKING:
    from docker import DockerClient

__all__ = ["ImageUnavailableError", "provide_debian_image", "provide_python_image"]

_REPOSITORY = "envbuild-test/python"
_DEBIAN = "envbuild-test/debian:12"
_LABEL = "org.envbuild.test.recipe"

# What Docker's slim images have, and the shared libraries that CPython's own modules load.
_DEBIAN_PACKAGES = (
    "ca-certificates,netbase,tzdata,libbz2-1.0,libcrypt1,libexpat1,libffi8,libgdbm6,liblzma5,"
    "libncursesw6,libnsl2,libreadline8,libsqlite3-0,libssl3,libtirpc3,libuuid1,zlib1g"
)

_DOCKERFILE = """\
FROM {debian}
ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8
COPY local/ /usr/local/
COPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
# The index of this machine may be behind a certificate authority of its own.
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt \\
    REQUESTS_CA_BUNDLE=/etc/ssl/certs/ca-certificates.crt \\
    PIP_CERT=/etc/ssl/certs/ca-certificates.crt
RUN ldconfig && python -m ensurepip && ln -sf pip3 /usr/local/bin/pip \\
    && python -c "import bz2, ctypes, lzma, readline, sqlite3, ssl, uuid, zlib"
{upgrade}CMD ["python3"]
"""

# Docker's image of 3.6 has this pip; the one inside CPython 3.6 predates manylinux2014.
_UPGRADES = {"3.6": "RUN pip install --no-cache-dir pip==21.2.4\n"}

# Not in Docker's images either, or of no use to what runs there.
_LEFT_OUT = frozenset({"test", "idlelib", "tkinter", "turtledemo", "site-packages", "__pycache__"})


class ImageUnavailableError(Exception):
    """The image can be neither made nor fetched here."""


def provide_python_image(engine: DockerClient, minor: str) -> str:
    """The tag of an image with CPython ``minor`` at ``/usr/local/bin/python``, made if need be.

    Raises:
        ImageUnavailableError: with the reason.
    """
    interpreter = find_interpreter(minor)
    with alone():
        if interpreter and os.geteuid() == 0 and shutil.which("debootstrap"):
            return _make(engine, minor, interpreter)
        return _fetch(engine, minor)


def provide_debian_image(engine: DockerClient) -> str:
    """The tag of a small Debian 12 without a Python, made if need be.

    Raises:
        ImageUnavailableError: with the reason.
    """
    if os.geteuid() != 0 or not shutil.which("debootstrap"):
        raise ImageUnavailableError(f"{_DEBIAN} cannot be made here (root, debootstrap)")
    with alone():
        _import_debian(engine)
    return _DEBIAN


def _make(engine: DockerClient, minor: str, interpreter: Path) -> str:
    from docker.errors import BuildError

    tag = f"{_REPOSITORY}:{full_version(interpreter)}-slim"
    dockerfile = _DOCKERFILE.format(debian=_DEBIAN, upgrade=_UPGRADES.get(minor, ""))
    authorities = _certificates().read_bytes()
    recipe = _digest(_DEBIAN_PACKAGES.encode(), dockerfile.encode(), authorities)
    if _recipe_of(engine, tag) == recipe:
        return tag
    _import_debian(engine)
    with tempfile.TemporaryFile() as context:
        _write_context(context, interpreter.parents[1], dockerfile, authorities)
        context.seek(0)
        try:
            engine.images.build(
                fileobj=context, custom_context=True, tag=tag, rm=True, labels={_LABEL: recipe}
            )
        except BuildError as error:
            log = "".join(str(line.get("stream", "")) for line in error.build_log)
            raise ImageUnavailableError(f"cannot build {tag}: {error}\n{log}") from error
    return tag


def _fetch(engine: DockerClient, minor: str) -> str:
    from docker.errors import DockerException

    tag = f"python:{minor}-slim"
    try:
        engine.images.pull("python", tag=f"{minor}-slim")
    except DockerException as error:
        reason = f"{tag} can be neither made here (root, debootstrap, CPython {minor}) nor fetched"
        raise ImageUnavailableError(f"{reason}: {error}") from error
    return tag


def _import_debian(engine: DockerClient) -> None:
    recipe = _digest(_DEBIAN_PACKAGES.encode())
    if _recipe_of(engine, _DEBIAN) == recipe:
        return
    archive = kept_folder() / f"debian-12-{recipe[:12]}.tar"
    if not archive.exists():
        _debootstrap(archive)
    repository, _, version = _DEBIAN.partition(":")
    engine.api.import_image_from_file(
        str(archive), repository=repository, tag=version, changes=[f"LABEL {_LABEL}={recipe}"]
    )


def _debootstrap(archive: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="envbuild-debian-") as folder:
        root = Path(folder) / "root"
        _run("debootstrap", "--variant=minbase", f"--include={_DEBIAN_PACKAGES}", "bookworm", root)
        shutil.rmtree(root / "var/cache/apt/archives", ignore_errors=True)
        shutil.rmtree(root / "var/lib/apt/lists", ignore_errors=True)
        partial = archive.with_suffix(".partial")
        _run("tar", "--numeric-owner", "--one-file-system", "-C", root, "-cf", partial, ".")
        partial.replace(archive)


def _write_context(stream: IO[bytes], prefix: Path, dockerfile: str, authorities: bytes) -> None:
    with tarfile.open(fileobj=stream, mode="w") as archive:
        _add_bytes(archive, "Dockerfile", dockerfile.encode())
        _add_bytes(archive, "ca-certificates.crt", authorities)
        for name in ("bin", "include", "lib"):
            archive.add(prefix / name, f"local/{name}", filter=_as_docker_has_it)


def _as_docker_has_it(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    path = PurePosixPath(member.name)
    # Scripts of the machine's own packages name an interpreter that the image does not have.
    foreign = path.parent.name == "bin" and not path.name.startswith(("python", "2to3", "pydoc"))
    if foreign or path.suffix == ".a" or not _LEFT_OUT.isdisjoint(path.parts):
        return None
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    return member


def _add_bytes(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    archive.addfile(member, io.BytesIO(data))


def _certificates() -> Path:
    named = os.environ.get("SSL_CERT_FILE")
    return Path(named) if named else Path("/etc/ssl/certs/ca-certificates.crt")


def _recipe_of(engine: DockerClient, tag: str) -> str:
    from docker.errors import ImageNotFound

    try:
        labels = engine.images.get(tag).labels
    except ImageNotFound:
        return ""
    return str(labels.get(_LABEL, ""))


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _run(*argv: str | Path) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ImageUnavailableError(f"{argv[0]} failed:\n{done.stdout}{done.stderr}")
