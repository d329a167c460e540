"""The commands that the documents tell people to type."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from tests.support.paths import ROOT

__all__ = ["PAGES", "blocks", "envbuild_commands", "scripts"]

PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))

_FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of ``language``: ``sh`` is run by tests, ``console`` is only parsed."""
    return [text for name, text in _FENCE.findall(page.read_text("utf-8")) if name == language]


def scripts(page: Path) -> str:
    """All ``sh`` blocks of a page as one script."""
    return "\n".join(blocks(page, "sh"))


def envbuild_commands(page: Path) -> Iterator[list[str]]:
    """The arguments of every call of envbuild on a page."""
    lines = scripts(page).splitlines()
    for text in blocks(page, "console"):
        lines += [line.removeprefix("$ ") for line in text.splitlines() if line.startswith("$ ")]
    for line in lines:
        for part in re.split(r"\|\||&&|[|>;]", line.partition(" #")[0]):
            words = shlex.split(part)
            if words and words[0].rpartition("/")[2] == "envbuild":
                yield words[1:]
