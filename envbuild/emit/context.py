"""A lock as the files of its context: every renderer called once, in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path

from envbuild import __version__
from envbuild.emit.azureml import CODE_FOLDER, azureml_files
from envbuild.emit.conda_files import conda_lock_text, explicit_name, explicit_text
from envbuild.emit.conda_stages import CondaImage
from envbuild.emit.dockerfile import Recipe, dockerfile_text, dockerignore_text
from envbuild.emit.environment import environment_text
from envbuild.emit.lockfiles import (
    needs_credentials,
    packages_text,
    pin,
    pylock_text,
    requirements_name,
    requirements_text,
    unhashed_name,
    unhashed_text,
)
from envbuild.emit.tools import seeded, tools_for
from envbuild.errors import IntegrityError, ProfileError
from envbuild.fs import sha256_bytes
from envbuild.locking.canonical import PlatformLock
from envbuild.locking.header import CONDA_LOCK, DirectRequirement, Header, Serving, lock_name
from envbuild.locking.inputs import describe_options
from envbuild.locking.lock import Lock, locked_cuda, need_full_image
from envbuild.merge import Change
from envbuild.server import ServerProfile

__all__ = ["SCRIPT", "render"]

SCRIPT = "score.py"
_SCRIPTS = "envbuild.scoring"
_VERSION_LENGTH = 12  # characters of a digest that name an image's version


def render(lock: Lock) -> Mapping[str, bytes]:
    """Every file of the context by posix name, the lock files last.

    Raises:
        IntegrityError: a file of the model is no longer what was locked.
        ProfileError: the profile's scoring script is not there.
    """
    names = _Names.of(lock)
    beside: dict[str, bytes] = {
        **_requirements(lock, names),
        **_conda_files(lock),
        **({} if lock.plan.conda else _tools(lock, names)),
        **_local_files(lock),
        "environment.yml": environment_text(lock).encode(),
    }
    if lock.server.script:
        beside[SCRIPT] = _script(lock.server)
    headers = {
        platform.target.platform.name: _header(lock, platform) for platform in lock.platforms
    }
    beside |= _image_files(lock, names, beside, headers)
    recorded = {name: sha256_bytes(data) for name, data in sorted(beside.items())}
    locks = {
        names.locks[platform.target.platform.name]: pylock_text(
            _header(lock, platform, recorded), platform.pylock
        ).encode()
        for platform in lock.platforms
    }
    return {**dict(sorted(beside.items())), **locks}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Names:
    """File names by platform name."""

    locks: Mapping[str, str]
    requirements: Mapping[str, str]
    unhashed: Mapping[str, str]

    @classmethod
    def of(cls, lock: Lock) -> _Names:
        platforms = tuple(platform.target.platform.name for platform in lock.platforms)
        return cls(
            locks={name: lock_name(name, platforms) for name in platforms},
            requirements={name: requirements_name(name, platforms) for name in platforms},
            unhashed={name: unhashed_name(name, platforms) for name in platforms},
        )


def _requirements(lock: Lock, names: _Names) -> dict[str, bytes]:
    texts: dict[str, str] = {}
    for platform in lock.platforms:
        name = platform.target.platform.name
        hashed, unhashed = names.requirements[name], names.unhashed[name]
        texts[hashed] = requirements_text(
            platform, name=hashed, index_options=lock.plan.index_options
        )
        texts[unhashed] = unhashed_text(platform, name=unhashed)
    return {name: text.encode() for name, text in texts.items() if text}


def _conda_files(lock: Lock) -> dict[str, bytes]:
    """The conda part; there is none with the pip runtime."""
    if not lock.plan.conda:
        return {}
    texts = {
        explicit_name(platform.target.platform.name): explicit_text(platform)
        for platform in lock.platforms
    }
    texts[CONDA_LOCK] = conda_lock_text(
        lock.platforms, channels=lock.plan.channels, input_digest=lock.input_digest
    )
    return {name: text.encode() for name, text in texts.items()}


def _tools(lock: Lock, names: _Names) -> dict[str, bytes]:
    """What an environment gets beside the lock, pinned as in a bundle.

    pip, and setuptools and wheel where a new environment of that Python has always had them.
    """
    texts: dict[str, bytes] = {}
    for platform in lock.platforms:
        python = platform.target.python
        locked = [package.name for package in platform.pylock.packages]
        pins = [
            f"{pin(f'{tool.name}=={tool.version}', [tool.artefact.sha256])}\n"
            for tool in seeded(tools_for(python), python=python, locked=locked)
        ]
        file = f"tools/{names.requirements[platform.target.platform.name]}"
        texts[file] = "".join(pins).encode()
    return texts


def _local_files(lock: Lock) -> dict[str, bytes]:
    """The model's own files; those with a hash in a lock are checked against it."""
    expected: dict[str, str] = {}
    for platform in lock.platforms:
        for package in platform.pylock.packages:
            for artefact in (*(package.wheels or ()), package.sdist, package.archive):
                if artefact is not None and artefact.path is not None:
                    expected[artefact.path] = artefact.hashes["sha256"]
    data = {name: _read(path) for name, path in lock.local_files.items()}
    changed = [
        f"{name}: expected sha256 {digest}, got {sha256_bytes(data[name])}"
        for name, digest in sorted(expected.items())
        if sha256_bytes(data[name]) != digest
    ]
    if changed:
        raise IntegrityError(
            "files of the model are not what was locked",
            where=str(lock.model.path),
            details=changed,
            remedy="envbuild lock again",
        )
    return data


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise IntegrityError(
            f"a locked file cannot be read: {error.strerror}", where=str(path)
        ) from error


def _script(server: ServerProfile) -> bytes:
    """The user's script beside their profile, or the one that envbuild ships under that name."""
    own = server.path.parent / server.script if server.path else None
    shipped = files(_SCRIPTS).joinpath(server.script)
    source = own if own and own.is_file() else shipped
    try:
        return source.read_bytes()
    except OSError as error:
        raise ProfileError(
            f"its script {server.script!r} is neither beside it nor one of envbuild's",
            where=str(server.path or server.name),
        ) from error


def _image_files(
    lock: Lock, names: _Names, beside: Mapping[str, bytes], headers: Mapping[str, Header]
) -> dict[str, bytes]:
    """The Dockerfile and what deploys its image, where a container can run one of the platforms."""
    linux = [platform for platform in lock.platforms if platform.target.platform.docker]
    if not linux:
        return {}
    machines = {found.target.platform.name: found.target.platform.machine for found in linux}
    recipe = Recipe(
        header=headers[linux[0].target.platform.name],
        digest=sha256_bytes("".join(map(_packages, lock.platforms)).encode()),
        conda=_conda_image(linux),
        machines=machines,
        to_build=tuple(sorted({name for platform in linux for name in platform.to_build})),
        need_full_image=() if lock.options.base_image else need_full_image(linux),
        private_index=any(needs_credentials(option) for option in lock.plan.index_options),
        requirements={name: names.requirements[name] for name in machines},
        unhashed={
            name: names.unhashed[name] for name in machines if names.unhashed[name] in beside
        },
        tools={name: f"tools/{names.requirements[name]}" for name in machines},
    )
    made = {
        "Dockerfile": dockerfile_text(recipe).encode(),
        ".dockerignore": dockerignore_text(recipe).encode(),
    }
    image = {**beside, **made}
    lines = "".join(f"{sha256_bytes(image[name])}  {name}\n" for name in sorted(image))
    version = sha256_bytes(lines.encode())[:_VERSION_LENGTH]
    for name, text in azureml_files(recipe.header, version=version).items():
        made[name] = text.encode()
    if recipe.header.serving.kind == "batch" and SCRIPT in beside:
        made[f"{CODE_FOLDER}/{SCRIPT}"] = beside[SCRIPT]
    return made


def _conda_image(platforms: Sequence[PlatformLock]) -> CondaImage | None:
    conda = [package for platform in platforms for package in platform.conda]
    if not conda:
        return None
    return CondaImage(
        platforms=tuple(platform.target.platform.name for platform in platforms),
        has_pip=any(package.name == "pip" for package in conda),
        has_wheels=any(platform.pylock.packages for platform in platforms),
        cuda=locked_cuda(platforms),
    )


def _packages(platform: PlatformLock) -> str:
    conda = "".join(
        f"{package.url}#{package.sha256 or package.md5}\n" for package in platform.conda
    )
    return conda + packages_text(platform.pylock)


def _header(
    lock: Lock, platform: PlatformLock, recorded: Mapping[str, str] | None = None
) -> Header:
    """What the lock file of a platform says of itself.

    Origins name files without a position: entries may change places without changing the lock.
    """
    server = lock.server
    requirements = {
        DirectRequirement(
            name=entry.name or "",
            requirement=entry.pep508(),
            side=entry.origin.side,
            origin=entry.origin.file,
        )
        for entry in lock.plan.requirements
    }
    return Header(
        version=__version__,
        model=lock.model.name,
        server=server.name,
        runtime=lock.plan.runtime,
        target=platform.target,
        platforms=tuple(found.target.platform.name for found in lock.platforms),
        resolver=platform.resolver,
        base_image=lock.base_image,
        input_digest=lock.input_digest,
        inputs=lock.inputs,
        to_build=platform.to_build,
        requirements=tuple(
            sorted(requirements, key=lambda row: (row.name, row.requirement, row.side, row.origin))
        ),
        changes=_changes(lock),
        options=describe_options(lock.options),
        serving=Serving(
            kind=server.kind,
            script=SCRIPT if server.script else "",
            command=server.command,
            port=server.port,
            probes=server.probes,
            environment=dict(server.environment or {}),
        ),
        files=recorded or {},
    )


def _changes(lock: Lock) -> tuple[Change, ...]:
    changes = [replace(change, origin=change.origin.partition(": ")[0]) for change in lock.changes]
    return tuple(sorted(changes, key=lambda change: (change.name, change.kind, change.before)))
