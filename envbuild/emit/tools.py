"""The pip, setuptools and wheel that a bundle carries for its Python: fixed data, not resolved."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from envbuild.errors import IndexUnavailableError
from envbuild.fetch.artefact import Artefact

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from envbuild.fetch.transport import Transport

__all__ = ["Tool", "Toolbox", "locate", "seeded", "tools_for", "tools_published"]

_PYPI_FILES = "files.pythonhosted.org"
# Images and environments of older Pythons come with these two, and packages rely on it.
_SEEDED_BEFORE = Version("3.12")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """One wheel of ``tools/``."""

    name: str
    version: str
    file: str
    artefact: Artefact


Toolbox = Callable[[Version], tuple[Tool, ...]]
"""The tools that a bundle for a Python release carries."""


def tools_published(python: Version) -> datetime:
    """When the tools of a Python release were all on PyPI."""
    published: datetime = _row(python)["published"]
    return published


def _row(python: Version) -> dict[str, Any]:
    data = tomllib.loads(files("envbuild.emit").joinpath("tools.toml").read_text("utf-8"))
    return next(row for row in data["set"] if python in SpecifierSet(row["python"]))


def tools_for(python: Version) -> tuple[Tool, ...]:
    """pip, setuptools and wheel for a Python release."""
    row = _row(python)
    return tuple(
        Tool(
            name=name,
            version=row[name]["version"],
            file=PurePosixPath(urlsplit(row[name]["url"]).path).name,
            artefact=Artefact(
                name=name,
                url=row[name]["url"],
                sha256=row[name]["sha256"],
                size=row[name]["size"],
            ),
        )
        for name in ("pip", "setuptools", "wheel")
    )


def seeded(tools: Iterable[Tool], *, python: Version, locked: Iterable[str]) -> tuple[Tool, ...]:
    """Those that an environment gets beside the lock: pip, and what old Pythons came with."""
    wanted = {"pip"} if python >= _SEEDED_BEFORE else {"pip", "setuptools", "wheel"}
    wanted -= set(locked)
    return tuple(tool for tool in tools if tool.name in wanted)


def locate(tools: Sequence[Tool], indexes: Sequence[str], transport: Transport) -> tuple[Tool, ...]:
    """The tools at the addresses that the user's own ``indexes`` give for them.

    Their hashes are ours, so an index needs no trust. Without indexes, or with PyPI, the known
    addresses serve.

    Raises:
        IndexUnavailableError: no index has a tool, or none answers.
    """
    private = [
        index for index in indexes if urlsplit(index).hostname not in {"pypi.org", _PYPI_FILES}
    ]
    if len(private) < len(indexes) or not indexes:
        return tuple(tools)
    return tuple(_locate(tool, private, transport) for tool in tools)


def _locate(tool: Tool, indexes: Sequence[str], transport: Transport) -> Tool:
    from envbuild.fetch.transport import Refused, Unreachable

    reasons = []
    for index in indexes:
        page = f"{index.rstrip('/')}/{tool.name}/"
        try:
            with transport.get(page, accept="text/html") as response:
                links = _links(response.text, page)
        except (Refused, Unreachable) as error:
            reasons.append(f"{page}: {error.reason}")
            continue
        if url := links.get(tool.file):
            return replace(tool, artefact=replace(tool.artefact, url=url))
        reasons.append(f"{page}: not there")
    raise IndexUnavailableError(
        f"the bundle needs {tool.file} and no index has it",
        details=reasons,
        remedy="adding that file to the index, or another --index-url",
    )


def _links(page: str, url: str) -> dict[str, str]:
    """File name to address of a PEP 503 page."""
    parser = _LinkParser()
    parser.feed(page)
    addresses = [urldefrag(urljoin(url, link)).url for link in parser.links]
    return {PurePosixPath(unquote(urlsplit(link).path)).name: link for link in addresses}


class _LinkParser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.links += [value for name, value in attrs if name == "href" and value]
