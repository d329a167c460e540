"""``docs/reference/cli.md``, made from the parser: run this module to write it again."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from envbuild.cli.parser import build_parser
from tests.support.paths import ROOT

__all__ = ["PAGE", "cli_reference"]

PAGE = ROOT / "docs" / "reference" / "cli.md"

_HEAD = """\
# Command line

The same parser that reads your arguments wrote this page. A library call with the same name exists
for each command that makes something; see [the library](library.md). What a command ends with is in
[exit codes](exit-codes.md), what `--json` prints in [JSON output](json.md).
"""


def cli_reference() -> str:
    """The whole page."""
    parts = [_HEAD]
    for name, command in _commands(build_parser()):
        parts.append(f"## envbuild {name}\n\n{command.description}\n")
        for group in command._action_groups:
            parts += _group(group)
    return "\n".join(parts)


def _commands(parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices.items()


def _group(group: argparse._ArgumentGroup) -> Iterator[str]:
    rows = [_row(action) for action in group._group_actions if action.dest != "help"]
    if not rows:
        return
    title = {"positional arguments": "", "options": "", None: ""}.get(group.title, group.title)
    if title:
        yield f"**{title}**" + (f": {group.description}" if group.description else "") + "\n"
    yield "\n".join(["| argument | meaning |", "| --- | --- |", *rows]) + "\n"


def _row(action: argparse.Action) -> str:
    names = ", ".join(f"`{name}`" for name in action.option_strings)
    value = action.metavar or "\\|".join(map(str, action.choices or ()))
    if not isinstance(value, str):
        value = " ".join(value)
    if action.nargs == "+":
        value += " …"
    takes_value = action.nargs != 0
    shown = f"`{value}`".replace("\\|", "|").replace("|", "\\|") if takes_value and value else ""
    if takes_value and action.option_strings and not value:
        shown = f"`{action.dest.upper()}`"
    text = (action.help or "") % {"default": action.default}
    return f"| {' '.join(filter(None, (names, shown)))} | {text.replace('|', chr(92) + '|')} |"


if __name__ == "__main__":
    PAGE.write_text(cli_reference(), encoding="utf-8")
