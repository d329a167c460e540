"""The documents only speak of commands and options that exist."""

from __future__ import annotations

from pathlib import Path

import pytest

from envbuild.cli.parser import build_parser
from tests.support.documents import PAGES, envbuild_commands
from tests.support.paths import ROOT

CALLS = [
    pytest.param(arguments, id=f"{page.relative_to(ROOT)}: {' '.join(arguments)}")
    for page in PAGES
    for arguments in envbuild_commands(page)
]


@pytest.mark.parametrize("arguments", CALLS)
def test_every_command_in_the_documents_parses(arguments: list[str]) -> None:
    if arguments not in (["--version"], ["--help"]):
        assert build_parser().parse_args(arguments).command == arguments[0]


def test_the_documents_have_commands() -> None:
    pages = [page for page in PAGES if any(envbuild_commands(page))]

    assert Path(ROOT / "README.md") in pages
    assert len(pages) >= 5
