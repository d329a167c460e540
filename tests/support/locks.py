"""Plans, resolutions and locks by hand: all that the lock stage is given, without solving."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime, timezone
from pathlib import Path

from packaging.markers import Marker
from packaging.pylock import (
    Package,
    PackageArchive,
    PackageDirectory,
    PackageSdist,
    PackageVcs,
    PackageWheel,
    Pylock,
)
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from envbuild.emit.context import render
from envbuild.entries.requirements import (
    FileSource,
    IndexKind,
    IndexOption,
    PipRequirement,
    VcsSource,
)
from envbuild.locking.lock import Lock, make_lock
from envbuild.merge import Change, Plan
from envbuild.model import Flavor, Model
from envbuild.options import LockOptions
from envbuild.origins import Origin, Side
from envbuild.platforms import Target, parse_platform
from envbuild.resolve.conda.interface import CondaPackage
from envbuild.resolve.interface import Resolution
from envbuild.server import PackageSet, Probes, ServerProfile
from envbuild.spec import EnvSpec, PythonRequest

__all__ = [
    "UPLOADED",
    "archive",
    "folder",
    "git",
    "index",
    "lock",
    "make_model",
    "make_plan",
    "online_profile",
    "package",
    "python_request",
    "requirement",
    "resolution",
    "sdist",
    "sha256",
    "target",
    "wheel",
]

UPLOADED = datetime(2021, 1, 31, 12, 30, 5, tzinfo=timezone.utc)
_FILES = "https://files.pythonhosted.org/packages"


def sha256(text: str) -> str:
    """A digest that belongs to ``text``."""
    return hashlib.sha256(text.encode()).hexdigest()


def target(
    python: str = "3.7.11", platform: str = "linux-64", glibc: tuple[int, int] = (2, 28)
) -> Target:
    return Target(python=Version(python), platform=parse_platform(platform), glibc=glibc)


def wheel(filename: str, *, url: str = "", path: str | None = None) -> PackageWheel:
    """A wheel of PyPI, of another ``url``, or of a ``path`` in the model."""
    address = None if path is not None else url or f"{_FILES}/{filename}"
    return PackageWheel(
        name=filename,
        url=address,
        path=path,
        size=1000 + len(filename),
        upload_time=UPLOADED,
        hashes={"sha256": sha256(filename)},
    )


def sdist(filename: str) -> PackageSdist:
    return PackageSdist(
        name=filename,
        url=f"{_FILES}/{filename}",
        size=2000 + len(filename),
        upload_time=UPLOADED,
        hashes={"sha256": sha256(filename)},
    )


def package(
    pin: str,
    *tags: str,
    with_sdist: bool = False,
    marker: str = "",
    wheels: Iterable[PackageWheel] = (),
) -> Package:
    """``package("numpy==1.21.6", "cp37-cp37m-manylinux_2_17_x86_64")``: a wheel for each tag."""
    name, _, version = pin.partition("==")
    stem = f"{name.replace('-', '_')}-{version}"
    own = [wheel(f"{stem}-{tag}.whl") for tag in tags] + list(wheels)
    return Package(
        name=canonicalize_name(name),
        version=Version(version),
        marker=Marker(marker) if marker else None,
        index="https://pypi.org/simple",
        sdist=sdist(f"{stem}.tar.gz") if with_sdist or not own else None,
        wheels=own or None,
    )


def git(name: str, url: str, commit: str, *, subdirectory: str | None = None) -> Package:
    vcs = PackageVcs(type="git", url=url, commit_id=commit, subdirectory=subdirectory)
    return Package(name=canonicalize_name(name), vcs=vcs)


def folder(name: str, path: str) -> Package:
    directory = PackageDirectory(path=path, editable=True)
    return Package(name=canonicalize_name(name), directory=directory)


def archive(
    pin: str, *, url: str | None = None, path: str | None = None, data: str = ""
) -> Package:
    """A wheel or source archive named by a requirement; ``data`` is what its digest belongs to."""
    name, _, version = pin.partition("==")
    digest = sha256(data or url or path or "")
    return Package(
        name=canonicalize_name(name),
        version=Version(version),
        archive=PackageArchive(url=url, path=path, hashes={"sha256": digest}),
    )


def conda_package(
    name: str,
    version: str,
    build: str,
    *,
    subdir: str = "linux-64",
    depends: tuple[str, ...] = (),
) -> CondaPackage:
    """A package as a solver gives it."""
    file = f"{name}-{version}-{build}.conda"
    return CondaPackage(
        name=name,
        version=version,
        build=build,
        subdir=subdir,
        channel="https://conda.example.org/forge",
        url=f"https://conda.example.org/forge/{subdir}/{file}",
        sha256=sha256(file),
        md5=sha256(file)[:32],
        depends=depends,
    )


def requirement(text: str, *, file: str = "conda.yaml", side: Side = "model") -> PipRequirement:
    """A requirement as a parser would give it. ``name @ ./x`` is a file of the model."""
    origin = Origin(side=side, file=file, position="dependencies[2].pip[0]")
    name, _, source = text.partition(" @ ")
    if source.startswith("./"):
        return PipRequirement(
            name=canonicalize_name(name),
            origin=origin,
            text=text,
            source=FileSource(path=source.removeprefix("./")),
        )
    if source.startswith("git+"):
        url, _, ref = source.removeprefix("git+").rpartition("@")
        return PipRequirement(
            name=canonicalize_name(name),
            origin=origin,
            text=text,
            source=VcsSource(vcs="git", url=url, ref=ref),
        )
    parsed = Requirement(text)
    return PipRequirement(
        name=canonicalize_name(parsed.name),
        origin=origin,
        text=text,
        extras=tuple(sorted(parsed.extras)),
        specifier=parsed.specifier,
        marker=parsed.marker,
    )


def index(kind: IndexKind, value: str, *, file: str = "conda.yaml") -> IndexOption:
    return IndexOption(kind=kind, value=value, origin=Origin(side="model", file=file))


def python_request(text: str) -> PythonRequest:
    return PythonRequest(
        specifier=SpecifierSet(f"=={text}"),
        text=f"={text}",
        origin=Origin(side="model", file="conda.yaml", position="dependencies[0]"),
    )


def online_profile(
    path: Path | None = None, *, packages: Iterable[str] = ("azureml-inference-server-http>=0.8",)
) -> ServerProfile:
    """A profile like ``azureml-online``; with ``path`` a user's, with ``score.py`` beside it."""
    entries = tuple(requirement(text, file="azureml-online", side="server") for text in packages)
    return ServerProfile(
        name="azureml-online",
        summary="Azure ML managed online endpoint",
        package_sets=(PackageSet(python=SpecifierSet(">=3.7"), packages=entries),),
        script="score.py" if path else "online.py",
        command=("azmlinfsrv", "--entry_script", "score.py", "--port", "5001"),
        port=5001,
        probes=Probes(liveness="/", readiness="/", scoring="/score"),
        environment={"AML_APP_ROOT": "/app", "WORKER_COUNT": "1"},
        kind="online",
        path=path,
    )


def make_model(path: Path, *, name: str = "seed") -> Model:
    """The model in ``path`` as it would be read."""
    return Model(
        path=path,
        name=name,
        flavors=(
            Flavor(name="python_function", settings={"loader_module": "mlflow.sklearn"}),
            Flavor(name="sklearn", settings={"sklearn_version": "0.24.1", "code": ""}),
        ),
        mlflow_version="1.26.1",
        python_version="3.7.11",
        loader_module="mlflow.sklearn",
    )


def make_plan(
    server: ServerProfile,
    requirements: Iterable[PipRequirement],
    *,
    python: str = "3.7.11",
    index_options: tuple[IndexOption, ...] = (),
    constraints: tuple[PipRequirement, ...] = (),
    changes: tuple[Change, ...] = (),
    channels: tuple[str, ...] = ("conda-forge",),
) -> Plan:
    """A plan whose spec asks for the requirements of the model's side."""
    entries = tuple(requirements)
    spec = EnvSpec(
        pip=tuple(entry for entry in entries if entry.origin.side == "model"),
        python=python_request(python),
        channels=channels,
        index_options=index_options,
        files=("conda.yaml",),
    )
    return Plan(
        python=Version(python),
        runtime="pip",
        server=server,
        requirements=entries,
        constraints=constraints,
        index_options=index_options,
        spec=spec,
        changes=changes,
    )


def resolution(packages: Iterable[Package], *, on: Target | None = None) -> Resolution:
    pylock = Pylock(lock_version=Version("1.0"), created_by="uv", packages=list(packages))
    return Resolution(target=on or target(), pylock=pylock, resolver="uv 0.13.9")


def lock(
    model: Model,
    plan: Plan,
    *resolutions: Resolution,
    options: LockOptions | None = None,
) -> Lock:
    return make_lock(model, plan, resolutions, options or LockOptions(), renderer=render)
