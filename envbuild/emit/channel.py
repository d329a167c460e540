"""The conda part of a bundle: a channel of its own, with what installs from it."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from packaging.utils import canonicalize_name

from envbuild.emit.conda_archive import PackageInfo, read_info
from envbuild.emit.conda_files import explicit_name
from envbuild.emit.content import Entry
from envbuild.emit.wheelhouse import HousedWheel
from envbuild.errors import IntegrityError, LockFileError
from envbuild.fetch.artefact import Artefact
from envbuild.fs import md5_file, sha256_file
from envbuild.locking.canonical import PlatformLock
from envbuild.resolve.conda.interface import CondaPackage

__all__ = [
    "CHANNEL",
    "HousedPackage",
    "artefacts",
    "channel_files",
    "conda_entries",
    "explicit_text",
    "house_conda",
    "local_lock_text",
    "refuse_overlaps",
]

CHANNEL = "channel"
_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class HousedPackage:
    """A conda package in the cache. Hashes are of the file that is there; ``size`` in bytes."""

    package: CondaPackage
    path: Path
    sha256: str
    md5: str
    size: int
    info: PackageInfo = field(repr=False)

    @property
    def name(self) -> str:
        """Where it lies in the bundle."""
        return f"{CHANNEL}/{self.package.subdir}/{self.package.filename}"


def artefacts(locks: Iterable[PlatformLock]) -> tuple[Artefact, ...]:
    """What is to be fetched for the conda parts of these locks."""
    return tuple(_artefact(package) for lock in locks for package in lock.conda)


def _artefact(package: CondaPackage) -> Artefact:
    return Artefact(
        name=package.name,
        url=package.url,
        sha256=package.sha256,
        md5=package.md5,
        size=package.size or None,
    )


def house_conda(
    packages: Iterable[CondaPackage], fetched: Mapping[str, Path]
) -> tuple[HousedPackage, ...]:
    """The packages of a lock with what they say of themselves; ``fetched`` is by artefact key.

    Raises:
        IntegrityError: files that are no conda packages, or other packages than the lock says,
            all of them at once.
    """
    housed: list[HousedPackage] = []
    problems: list[str] = []
    for package in packages:
        try:
            housed.append(_house(package, fetched[_artefact(package).key]))
        except IntegrityError as error:
            problems.append(f"{error.problem}: {'; '.join(error.details)}")
    if problems:
        raise IntegrityError(
            "conda packages are not what the lock says",
            details=problems,
            remedy="find out what the channel serves before locking again",
        )
    return tuple(housed)


def _house(package: CondaPackage, path: Path) -> HousedPackage:
    info = read_info(path, file=package.filename)
    said = [str(info.index.get(key)) for key in ("name", "version", "build")]
    if said != [package.name, package.version, package.build]:
        wanted = f"{package.name} {package.version} {package.build}"
        raise IntegrityError(
            f"{package.filename} is another package",
            details=(f"locked {wanted}", f"got {' '.join(said)}"),
        )
    return HousedPackage(
        package=package,
        path=path,
        sha256=package.sha256 or sha256_file(path),
        md5=package.md5 or md5_file(path),
        size=path.stat().st_size,
        info=info,
    )


def channel_files(packages: Iterable[HousedPackage]) -> dict[str, Entry]:
    """The packages and each subdir's ``repodata.json``, by name in the bundle.

    ``noarch`` is always there: clients take a channel without it for none.
    """
    subdirs: dict[str, dict[str, HousedPackage]] = {"noarch": {}}
    entries: dict[str, Entry] = {}
    for housed in packages:
        subdirs.setdefault(housed.package.subdir, {})[housed.package.filename] = housed
        earlier = entries.setdefault(
            housed.name, Entry.of_cached(housed.path, housed.sha256, housed.size)
        )
        if earlier.sha256 != housed.sha256:
            raise LockFileError(
                f"two channels have different files called {housed.package.filename}",
                remedy="one bundle for each platform: envbuild export --platform",
            )
    for subdir, group in sorted(subdirs.items()):
        entries[f"{CHANNEL}/{subdir}/repodata.json"] = Entry.of_bytes(_repodata(subdir, group))
    return entries


def _repodata(subdir: str, group: Mapping[str, HousedPackage]) -> bytes:
    """The records are those of the packages themselves, with what tells that a file is whole."""
    tables: dict[str, dict[str, object]] = {"packages": {}, "packages.conda": {}}
    for file, housed in sorted(group.items()):
        table = tables["packages.conda" if file.endswith(".conda") else "packages"]
        table[file] = {
            **housed.info.index,
            # Packages of old builders leave it out, and clients ask for it.
            "subdir": subdir,
            "md5": housed.md5,
            "sha256": housed.sha256,
            "size": housed.size,
        }
    document = {"info": {"subdir": subdir}, **tables, "removed": [], "repodata_version": 1}
    return (json.dumps(document, indent=1, sort_keys=True) + "\n").encode()


def explicit_text(platform: str, packages: Iterable[HousedPackage]) -> bytes:
    """The ``@EXPLICIT`` list of a platform, each file by its path in the bundle and its md5.

    conda takes paths from the folder it is run in; micromamba wants addresses.
    """
    lines = [
        "# In the folder of the bundle, when sha256sum --check SHA256SUMS is content:",
        f"#   conda create --offline --prefix TARGET --file {explicit_name(platform)}",
        f'#   sed "s|^{CHANNEL}/|file://$PWD/&|" {explicit_name(platform)} > /tmp/explicit.txt',
        "#   micromamba create --offline --prefix TARGET --file /tmp/explicit.txt",
        f"# platform: {platform}",
        "@EXPLICIT",
        *(f"{housed.name}#{housed.md5}" for housed in packages),
    ]
    return "".join(f"{line}\n" for line in lines).encode()


def local_lock_text(
    text: str, packages: Iterable[HousedPackage], wheels: Iterable[HousedWheel]
) -> bytes:
    """A ``conda-lock.yml`` with each file's path in the bundle instead of its address.

    What was built here has another hash than its source, and stays as it was.
    """
    local = {housed.package.url: housed.name for housed in packages}
    local |= {wheel.origin: f"wheels/{wheel.file}" for wheel in wheels if wheel.built is None}
    return "".join(_with_path(line, local) for line in text.splitlines(keepends=True)).encode()


def _with_path(line: str, local: Mapping[str, str]) -> str:
    key, found, value = line.partition("url: ")
    path = local.get(value.strip().strip("'\"")) if found and not key.strip(" -") else None
    return f"{key}{found}{path}\n" if path else line


def conda_entries(packages: Mapping[str, Sequence[HousedPackage]]) -> list[dict[str, Any]]:
    """``conda[]`` of the manifest; ``packages`` are by platform."""
    entries: dict[str, dict[str, Any]] = {}
    for platform, group in packages.items():
        for housed in group:
            entry = entries.setdefault(housed.name, _conda_entry(housed))
            entry["platforms"].append(platform)
    return [entries[name] for name in sorted(entries, key=lambda n: (entries[n]["name"], n))]


def _conda_entry(housed: HousedPackage) -> dict[str, Any]:
    package = housed.package
    return {
        "name": package.name,
        "version": package.version,
        "build": package.build,
        "subdir": package.subdir,
        "file": housed.name,
        "sha256": housed.sha256,
        "md5": housed.md5,
        "size": housed.size,
        "platforms": [],
        "source": {"kind": "conda", "from": package.url, "channel": package.channel},
        "checked": "sha256" if package.sha256 else "md5",
    }


def refuse_overlaps(
    lock: PlatformLock, packages: Sequence[HousedPackage], wheels: Sequence[HousedWheel]
) -> None:
    """Refuse wheels that would overwrite what conda packages put into the environment.

    The packages themselves are asked, so this holds whatever names a map has for them.

    Raises:
        LockFileError: a distribution in both, or one file in both with different bytes.
    """
    site = "lib/python{}.{}/site-packages".format(*lock.target.python_minor)
    owners: dict[str, tuple[str, str]] = {}
    distributions: dict[str, str] = {}
    for housed in packages:
        for path, digest in housed.info.paths.items():
            inner = path.removeprefix(f"{site}/") if path.startswith(f"{site}/") else ""
            if path.startswith("site-packages/"):  # of a noarch package
                inner = path.removeprefix("site-packages/")
            if inner:
                owners[inner] = (housed.package.name, digest)
            if name := _distribution(inner):
                distributions[name] = housed.package.name
    problems: list[str] = []
    for wheel in wheels:
        if owner := distributions.get(wheel.name):
            problems.append(f"{wheel.name}: conda's {owner} has it already")
            continue
        problems += _clashes(wheel, owners)
    if problems:
        raise LockFileError(
            "the pip part would overwrite packages of conda",
            details=problems,
            remedy="taking both from conda, or both from pip, in the model's conda.yaml",
        )


def _distribution(path: str) -> str:
    """``pillow`` of ``Pillow-9.5.0.dist-info/METADATA``; old builds have an egg-info."""
    folder = PurePosixPath(path).parts[0] if path else ""
    stem, _, suffix = folder.rpartition(".")
    return canonicalize_name(stem.split("-")[0]) if suffix in {"dist-info", "egg-info"} else ""


def _clashes(wheel: HousedWheel, owners: Mapping[str, tuple[str, str]]) -> list[str]:
    clashes: list[str] = []
    with zipfile.ZipFile(wheel.path) as archive:
        for name in archive.namelist():
            if name not in owners:
                continue
            owner, digest = owners[name]
            # An empty __init__.py of a shared folder is in both, and the same.
            if digest != Entry.of_bytes(archive.read(name)).sha256:
                clashes.append(f"{wheel.name}: {name} is of conda's {owner}")
    more = [f"{wheel.name}: and {len(clashes) - _SHOWN} more"] if len(clashes) > _SHOWN else []
    return [*clashes[:_SHOWN], *more]
