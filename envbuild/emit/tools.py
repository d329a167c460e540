"""The pip, setuptools and wheel that a bundle carries for its Python: fixed data, not resolved."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
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


Toolbox = Callable[[Version, str], tuple[Tool, ...]]
"""The tools that a bundle for a Python release carries; the platform is that of conda packages, and
empty for the pip runtime.
"""


def tools_published(python: Version) -> datetime:
    """When the tools of a Python release were all on PyPI."""
    published: datetime = _row(python)["published"]
    return published


def _row(python: Version) -> dict[str, Any]:
    return next(row for row in _data()["set"] if python in SpecifierSet(row["python"]))


def _data() -> dict[str, Any]:
    return tomllib.loads(files("envbuild.emit").joinpath("tools.toml").read_text("utf-8"))


def tools_for(python: Version, conda: str = "") -> tuple[Tool, ...]:
    """pip, setuptools and wheel for a Python release.

    With a platform for ``conda``: pip and py-rattler, which puts conda packages into a prefix.
    What else a conda environment has is in its lock.
    """
    row = _row(python)
    if conda:
        return _tool("pip", row["pip"]), _tool("py-rattler", _data()["py-rattler"][conda])
    return tuple(_tool(name, row[name]) for name in ("pip", "setuptools", "wheel"))


def _tool(name: str, row: Mapping[str, Any]) -> Tool:
    return Tool(
        name=name,
        version=row["version"],
        file=PurePosixPath(urlsplit(row["url"]).path).name,
        artefact=Artefact(name=name, url=row["url"], sha256=row["sha256"], size=row["size"]),
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
