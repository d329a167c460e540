"""The texts of a bundle: manifest, lock files with local paths, index pages. Pure.

The manifest's schema is described in ``docs/reference/bundle.md``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from html import escape
from typing import Any
from urllib.parse import quote

from packaging.pylock import Package, PackageWheel, Pylock
from packaging.version import Version

from envbuild.build.interface import ArchiveSource, BuiltWheel, FolderSource, GitSource
from envbuild.emit.bundle import FORMAT
from envbuild.emit.lockfiles import pin, pylock_text
from envbuild.emit.selection import ReadyWheel, ToBuild
from envbuild.emit.tools import Tool
from envbuild.emit.wheelhouse import HousedWheel
from envbuild.locking.canonical import PlatformLock
from envbuild.locking.context import Context
from envbuild.locking.header import Header

__all__ = [
    "index_pages",
    "local_pylock",
    "local_requirements",
    "platform_entry",
    "render_manifest",
    "tool_requirements",
]

Housed = Mapping[str, Sequence[HousedWheel]]  # by platform name


def local_pylock(header: Header, pylock: Pylock, wheels: Sequence[HousedWheel]) -> bytes:
    """The lock with each package's one wheel, by its path in the bundle (PEP 751)."""
    packages = [
        _local_package(package, wheel)
        for package, wheel in zip(pylock.packages, wheels, strict=True)
    ]
    return pylock_text(header, replace(pylock, packages=packages)).encode()


def _local_package(package: Package, wheel: HousedWheel) -> Package:
    local = PackageWheel(
        name=wheel.file,
        path=f"wheels/{wheel.file}",
        size=wheel.size,
        hashes={"sha256": wheel.sha256},
    )
    return Package(
        name=package.name,
        version=wheel.version,
        requires_python=package.requires_python,
        index=package.index,
        wheels=[local],
    )


def local_requirements(wheels: Iterable[HousedWheel]) -> bytes:
    """The pins with the hashes of the wheels that are there, for plain pip."""
    head = "# pip install --no-index --find-links wheels --require-hashes --no-deps -r <this file>"
    return _lines([head, *(_pin(wheel.name, wheel.version, wheel.sha256) for wheel in wheels)])


def tool_requirements(tools: Iterable[Tool]) -> bytes:
    """The pins of the tools that an environment gets beside the lock."""
    return _lines([_pin(tool.name, tool.version, tool.artefact.sha256) for tool in tools])


def _pin(name: str, version: Version | str, sha256: str) -> str:
    return pin(f"{name}=={version}", [sha256])


def _lines(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def index_pages(wheels: Iterable[HousedWheel]) -> dict[str, bytes]:
    """PEP 503 pages for ``--index-url file:///…/wheels/simple/``, by name in the bundle."""
    projects: dict[str, dict[str, str]] = {}
    for wheel in wheels:
        projects.setdefault(wheel.name, {})[wheel.file] = wheel.sha256
    names = [f'<a href="{name}/index.html">{name}</a>' for name in sorted(projects)]
    pages = {"wheels/simple/index.html": _page("Simple index", names)}
    for name, files in sorted(projects.items()):
        links = [
            f'<a href="../../{quote(file)}#sha256={sha256}">{escape(file)}</a>'
            for file, sha256 in sorted(files.items())
        ]
        pages[f"wheels/simple/{name}/index.html"] = _page(f"Links for {name}", links)
    return pages


def _page(title: str, links: Sequence[str]) -> bytes:
    lines = [
        "<!DOCTYPE html>",
        '<html><head><meta charset="utf-8"><meta name="pypi:repository-version" content="1.0">',
        f"<title>{title}</title></head><body>",
        *(f"{link}<br>" for link in links),
        "</body></html>",
    ]
    return _lines(lines)


def render_manifest(
    context: Context,
    housed: Housed,
    *,
    platforms: Sequence[Mapping[str, Any]],
    tools: Sequence[Tool],
    version: str,
    conda: Sequence[Mapping[str, Any]] = (),
) -> bytes:
    """manifest.json; ``platforms`` from ``platform_entry``, ``conda`` from ``conda_entries``."""
    document = {
        "format": FORMAT,
        "made_by": f"envbuild {version}",
        "model": context.model_name,
        "server": context.server,
        "runtime": context.runtime,
        "base_image": context.base_image,
        "input_digest": context.input_digest,
        "platforms": list(platforms),
        **({"conda": list(conda)} if conda else {}),
        "packages": _packages(housed),
        "tools": [
            {
                "name": tool.name,
                "version": tool.version,
                "file": f"tools/{tool.file}",
                "sha256": tool.artefact.sha256,
                "url": tool.artefact.url,
            }
            for tool in tools
        ],
    }
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()


def platform_entry(
    lock: PlatformLock, wheels: Sequence[HousedWheel], *, names: Mapping[str, str]
) -> dict[str, Any]:
    """What ``install.py`` needs to know of one platform; ``names`` are files of the bundle.

    Its glibc is the lock's, or what the newest of the wheels that were built here needs.
    """
    target = lock.target
    needed = [wheel.built.glibc for wheel in wheels if wheel.built and wheel.built.glibc]
    glibc = max([*needed, target.glibc])
    return {
        "platform": target.platform.name,
        "system": target.platform.system,
        "machine": target.platform.machine,
        "python": str(target.python),
        "glibc": f"{glibc[0]}.{glibc[1]}",
        **names,
    }


def _packages(housed: Housed) -> list[dict[str, Any]]:
    entries: dict[str, dict[str, Any]] = {}
    for platform, wheels in housed.items():
        for wheel in wheels:
            entry = entries.setdefault(wheel.file, _package_entry(wheel))
            entry["platforms"].append(platform)
    return [
        entries[file] for file in sorted(entries, key=lambda file: (entries[file]["name"], file))
    ]


def _package_entry(wheel: HousedWheel) -> dict[str, Any]:
    return {
        "name": wheel.name,
        "version": str(wheel.version),
        "file": f"wheels/{wheel.file}",
        "sha256": wheel.sha256,
        "size": wheel.size,
        "platforms": [],
        "source": _source_entry(wheel),
        "built": _built_entry(wheel.choice.reason, wheel.built)
        if isinstance(wheel.choice, ToBuild) and wheel.built
        else None,
    }


def _source_entry(wheel: HousedWheel) -> dict[str, Any]:
    choice = wheel.choice
    if isinstance(choice, ReadyWheel):
        return {"kind": "wheel", "from": choice.origin}
    match choice.source:
        case ArchiveSource(artefact=artefact):
            return {"kind": "sdist", "from": choice.origin, "sha256": artefact.sha256}
        case GitSource(commit=commit):
            return {"kind": "git", "from": choice.origin, "commit": commit}
        case FolderSource(tree=tree):
            return {"kind": "folder", "from": choice.origin, "tree": tree}


def _built_entry(reason: str, built: BuiltWheel) -> dict[str, Any]:
    return {
        "because": reason,
        "builder": built.builder,
        "requirements": list(built.requirements),
        "libraries": list(built.libraries),
        "glibc": f"{built.glibc[0]}.{built.glibc[1]}" if built.glibc else None,
    }
