"""A platform's lock as text: ``pylock.toml`` and the requirements files for plain pip. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from packaging.pylock import Package, PackageArchive, PackageSdist, PackageWheel, Pylock

from envbuild.emit.toml import render_pairs, render_tables
from envbuild.entries.requirements import IndexOption
from envbuild.locking.canonical import PlatformLock
from envbuild.locking.header import Header, content_digest, lock_name
from envbuild.redact import redact, without_userinfo
from envbuild.remembered import Remembered

__all__ = [
    "index_lines",
    "lock_name",
    "needs_credentials",
    "packages_text",
    "pin",
    "pylock_text",
    "requirements_name",
    "requirements_text",
    "unhashed_name",
    "unhashed_text",
]

_MASK = "****"
_PYPI = "https://pypi.org/simple"  # which pip asks by itself
_WITH_ADDRESS = frozenset({"index-url", "extra-index-url", "find-links"})
# Beside exact pins with hashes nothing else of pip's options changes what is installed.
_WRITTEN = _WITH_ADDRESS | {"trusted-host", "no-index"}


def pylock_text(header: Header, pylock: Pylock) -> str:
    """A PEP 751 file: its own keys, ``[tool.envbuild]``, then the packages, a line for each file.

    The content digest in ``header`` is set to that of the packages' text.
    """
    packages = packages_text(pylock)
    document = dict(replace(pylock, packages=[]).to_dict())
    if packages:
        del document["packages"]
    document["tool"] = {
        "envbuild": replace(header, content_digest=content_digest(packages)).to_dict()
    }
    head = render_tables(document)
    return f"{head}\n{packages}" if packages else head


def packages_text(pylock: Pylock) -> str:
    """The packages alone, as they stand at the end of the file."""
    known = _PACKAGES.find(pylock)
    if known is not None:
        return known
    rows: Sequence[Mapping[str, Any]] = pylock.to_dict()["packages"]
    text = "\n".join(f"[[packages]]\n{render_pairs(row)}" for row in rows)
    return _PACKAGES.keep(pylock, text)


# It is asked for by every file that has a digest of it, and by every model that shares the lock.
_PACKAGES: Remembered[Pylock, str] = Remembered()


def requirements_name(platform: str, platforms: Iterable[str]) -> str:
    """``requirements.txt``, or one for each platform when there are several."""
    return f"requirements.{platform}.txt" if len(tuple(platforms)) > 1 else "requirements.txt"


def unhashed_name(platform: str, platforms: Iterable[str]) -> str:
    """The name of the file with what pip cannot check by a hash."""
    return requirements_name(platform, platforms).replace("requirements", "requirements.vcs", 1)


def requirements_text(
    lock: PlatformLock, *, name: str, index_options: Iterable[IndexOption] = ()
) -> str:
    """The pins of ``lock`` with their hashes. Files of the model are relative to the context.

    Addresses of indexes have no credentials: a comment says so where one needs them.
    """
    target = lock.target
    lines = [
        f"# CPython {target.python} on {target.platform}; in this folder:",
        f"#   python -m pip install --no-deps --require-hashes -r {name}",
        *index_lines(index_options),
        *(
            pin(_requirement(package), hashes)
            for package in lock.pylock.packages
            if (hashes := _hashes(package))
        ),
    ]
    return "".join(f"{line}\n" for line in lines)


def unhashed_text(lock: PlatformLock, *, name: str) -> str:
    """The commits and folders of ``lock``, empty when it has none."""
    lines = [found for package in lock.pylock.packages if (found := _unhashed(package))]
    if not lines:
        return ""
    head = [
        "# pip has no hashes for repositories and folders and refuses them beside hashes, so these",
        "# stand in a file of their own. A commit is its own checksum; in a bundle of",
        "# 'envbuild export' they are wheels with hashes like all others.",
        f"#   python -m pip install --no-deps -r {name}",
    ]
    return "".join(f"{line}\n" for line in (*head, *lines))


def pin(requirement: str, hashes: Iterable[str]) -> str:
    """``requirement`` with its sha256 hashes, one on each line, without a final line break."""
    return " \\\n".join([requirement, *(f"    --hash=sha256:{digest}" for digest in hashes)])


def _artefacts(package: Package) -> tuple[PackageWheel | PackageSdist | PackageArchive, ...]:
    found = (*(package.wheels or ()), package.sdist, package.archive)
    return tuple(artefact for artefact in found if artefact is not None)


def _hashes(package: Package) -> list[str]:
    return sorted({artefact.hashes["sha256"] for artefact in _artefacts(package)})


def _requirement(package: Package) -> str:
    """By version where pip can look it up; by address or path where it cannot."""
    for artefact in _artefacts(package):
        if artefact.path is not None:
            return f"./{artefact.path}"
    if (archive := package.archive) is not None:
        subdirectory = f"#subdirectory={archive.subdirectory}" if archive.subdirectory else ""
        return f"{package.name} @ {archive.url}{subdirectory}"
    return f"{package.name}=={package.version}"


def _unhashed(package: Package) -> str:
    if (directory := package.directory) is not None:
        inner = f"/{directory.subdirectory}" if directory.subdirectory else ""
        return f"./{directory.path}{inner}"
    if (vcs := package.vcs) is not None:
        subdirectory = f"#subdirectory={vcs.subdirectory}" if vcs.subdirectory else ""
        return f"{package.name} @ {vcs.type}+{vcs.url or vcs.path}@{vcs.commit_id}{subdirectory}"
    return ""


def index_lines(options: Iterable[IndexOption]) -> list[str]:
    """The option lines that pip needs beside pins; comments stand in for credentials."""
    lines: list[str] = []
    for option in _settled(options):
        if option.kind not in _WRITTEN or (option.kind in _WITH_ADDRESS and not _remote(option)):
            continue  # what a folder of this machine had is in files/
        value = redact(without_userinfo(option.value))
        if needs_credentials(option):
            lines.append(
                "# The next address needs credentials, which are never written: give them to pip by"
                " a netrc file or a keyring, or use a bundle."
            )
        comment = "# " if _MASK in value else ""
        lines.append(f"{comment}--{option.kind} {value}".rstrip())
    return list(dict.fromkeys(lines))


def _settled(options: Iterable[IndexOption]) -> list[IndexOption]:
    """Of several ``index-url`` the one that was asked: the last, the user's before the model's."""
    found = list(options)
    urls = [option for option in found if option.kind == "index-url"]
    chosen = sorted(urls, key=lambda option: option.origin.side == "option")[-1:]
    written = [option for option in chosen if option.value.rstrip("/") != _PYPI]
    return written + [option for option in found if option.kind != "index-url"]


def needs_credentials(option: IndexOption) -> bool:
    """Whether the address of an index has a user, password or token in it."""
    return option.kind in _WITH_ADDRESS and redact(without_userinfo(option.value)) != option.value


def _remote(option: IndexOption) -> bool:
    return urlsplit(option.value).scheme not in {"", "file"}
