"""The tools of a bundle: fixed by Python, found on the user's own index, trusted by our hashes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import pytest
from packaging.specifiers import SpecifierSet
from packaging.utils import parse_wheel_filename
from packaging.version import Version

from envbuild.emit.tools import locate, seeded, tools_for
from envbuild.errors import IndexUnavailableError
from envbuild.fetch.transport import Refused, Transport

if TYPE_CHECKING:
    from requests import Response


@dataclass(frozen=True)
class Page:
    text: str


@dataclass(frozen=True)
class FakeTransport:
    """Pages by URL; everything else is not found."""

    pages: Mapping[str, str]
    asked: list[str] = field(default_factory=list)

    @contextmanager
    def get(self, url: str, *, offset: int = 0, accept: str = "") -> Iterator[Response]:
        self.asked.append(url)
        if url not in self.pages:
            raise Refused("404 Not Found", 404)
        yield cast("Response", Page(self.pages[url]))


def transport(pages: Mapping[str, str] | None = None) -> Transport:
    return cast("Transport", FakeTransport(pages or {}))


@pytest.mark.parametrize(
    ("python", "versions"),
    [
        ("3.6.15", ("21.3.1", "59.6.0", "0.37.1")),
        ("3.7.1", ("24.0", "68.0.0", "0.42.0")),
        ("3.8.18", ("25.0.1", "75.3.2", "0.45.1")),
        ("3.9.0", ("25.3", "80.9.0", "0.45.1")),
        ("3.14.2", ("25.3", "80.9.0", "0.45.1")),
    ],
)
def test_every_python_has_its_tools(python: str, versions: tuple[str, ...]) -> None:
    tools = tools_for(Version(python))

    assert [tool.name for tool in tools] == ["pip", "setuptools", "wheel"]
    assert tuple(tool.version for tool in tools) == versions
    for tool in tools:
        name, version, _, tags = parse_wheel_filename(tool.file)
        assert (name, str(version)) == (tool.name, tool.version)
        assert "py3-none-any" in {str(tag) for tag in tags}
        assert len(tool.artefact.sha256) == 64
        assert tool.artefact.url.startswith("https://files.pythonhosted.org/packages/")


def test_setuptools_still_has_what_old_servers_import() -> None:
    for minor in range(6, 15):
        tools = {tool.name: tool.version for tool in tools_for(Version(f"3.{minor}.0"))}
        assert tools["setuptools"] in SpecifierSet("<81"), minor


@pytest.mark.parametrize(
    ("python", "locked", "expected"),
    [
        ("3.7.11", [], ["pip", "setuptools", "wheel"]),
        ("3.11.9", ["setuptools"], ["pip", "wheel"]),
        ("3.12.0", [], ["pip"]),
        ("3.12.0", ["pip"], []),
    ],
)
def test_an_environment_gets_what_its_python_came_with(
    python: str, locked: list[str], expected: list[str]
) -> None:
    found = seeded(tools_for(Version(python)), python=Version(python), locked=locked)

    assert [tool.name for tool in found] == expected


@pytest.mark.parametrize(
    "indexes", [(), ("https://pypi.org/simple",), ("https://a.test/s", "https://pypi.org/simple/")]
)
def test_with_pypi_in_reach_no_page_is_asked_for(indexes: tuple[str, ...]) -> None:
    tools = tools_for(Version("3.7.11"))

    assert locate(tools, indexes, transport()) == tools


def test_a_private_index_is_asked_where_its_files_are() -> None:
    (pip, *_) = tools_for(Version("3.7.11"))
    page = (
        f'<a href="../../files/{pip.file}#sha256=0">pip</a> <a name="x"></a> <a href="x.whl">x</a>'
    )

    (found,) = locate(
        (pip,),
        ("https://b.test/simple/", "https://a.test/simple"),
        transport({"https://a.test/simple/pip/": page}),
    )

    assert found.artefact.url == f"https://a.test/files/{pip.file}"
    assert found.artefact.sha256 == pip.artefact.sha256


def test_a_private_index_without_a_tool_is_told_what_it_lacks() -> None:
    (pip, *_) = tools_for(Version("3.7.11"))

    with pytest.raises(IndexUnavailableError) as caught:
        locate(
            (pip,),
            ("https://a.test/simple", "https://b.test/simple"),
            transport({"https://a.test/simple/pip/": '<a href="pip-1.0.zip">pip</a>'}),
        )

    assert str(caught.value) == (
        "the bundle needs pip-24.0-py3-none-any.whl and no index has it\n"
        "  https://a.test/simple/pip/: not there\n"
        "  https://b.test/simple/pip/: 404 Not Found\n"
        "  try: adding that file to the index, or another --index-url"
    )
