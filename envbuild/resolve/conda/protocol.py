"""The part of conda's command line and JSON that conda-lock uses of a solver. Pure.

Source: conda_lock/conda_solver.py and invoke_conda.py of conda-lock 4.0. It calls

    EXE --version
    EXE create --prefix P --dry-run --json --override-channels --channel C … SPEC …
    EXE list --no-pip -p P --json                     (--update: what the fake prefix P holds)
    EXE install --override-channels --channel C … -p P --json --dry-run SPEC …
    EXE info --json                                   (only where an answer lacks a FETCH)
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import NoReturn

from envbuild.errors import EnvbuildError, UsageError
from envbuild.resolve.conda.reasons import UnsolvableError
from envbuild.resolve.conda.records import SolvedRecord

__all__ = [
    "AskInfo",
    "AskVersion",
    "Create",
    "ListPrefix",
    "Request",
    "Update",
    "failure_json",
    "info_json",
    "listing_json",
    "parse_request",
    "solution_json",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class AskVersion:
    """``--version``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskInfo:
    """``info --json`` or ``config --json list pkgs_dirs``: where packages are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPrefix:
    """``list --json``: what an environment holds."""

    prefix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Create:
    """``create --dry-run``: a solve from nothing."""

    channels: tuple[str, ...]
    specs: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """``install`` or ``update``, ``--dry-run``: the named packages anew, the others as they are."""

    prefix: str
    channels: tuple[str, ...]
    specs: tuple[str, ...]


Request = AskVersion | AskInfo | ListPrefix | Create | Update


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"not a call that this solver knows: {message}")


def parse_request(argv: Sequence[str]) -> Request:
    """What ``argv``, without the program, asks for.

    Raises:
        UsageError: nothing that conda-lock asks for; a solve that is no dry run among them.
    """
    if tuple(argv) in {("--version",), ("-V",)}:
        return AskVersion()
    given = _parser().parse_args(list(argv))
    if given.command in {"info", "config"}:
        return AskInfo()
    if not given.json:
        raise UsageError(f"{given.command} answers in JSON only", remedy="--json")
    if given.command == "list":
        return ListPrefix(prefix=given.prefix)
    if not given.dry_run:
        raise UsageError("this solver installs nothing", remedy="--dry-run")
    channels, specs = tuple(given.channel), tuple(given.specs)
    if given.command == "create":
        return Create(channels=channels, specs=specs)
    return Update(prefix=given.prefix, channels=channels, specs=specs)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="envbuild-conda", add_help=False, allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("create", "install", "update"):
        command = commands.add_parser(name, add_help=False, allow_abbrev=False)
        command.add_argument("--channel", "-c", action="append", default=[])
        command.add_argument("--override-channels", action="store_true")
        command.add_argument("--dry-run", "-d", action="store_true")
        command.add_argument("--yes", "-y", action="store_true")
        command.add_argument("specs", nargs="*")
        _add_common(command)
    listing = commands.add_parser("list", add_help=False, allow_abbrev=False)
    listing.add_argument("--no-pip", action="store_true")
    _add_common(listing)
    for name in ("info", "config"):
        command = commands.add_parser(name, add_help=False, allow_abbrev=False)
        command.add_argument("--json", action="store_true")
        command.add_argument("rest", nargs="*")
    return parser


def _add_common(command: argparse.ArgumentParser) -> None:
    command.add_argument("--prefix", "-p", default="")
    command.add_argument("--json", action="store_true")
    command.add_argument("--quiet", "-q", action="store_true")


def solution_json(
    records: Iterable[SolvedRecord], *, prefix: str = "", gone: Iterable[SolvedRecord] = ()
) -> str:
    """Success: everything to fetch and to link, sorted by name, and what would be removed."""
    ordered = sorted(records, key=lambda record: record.name)
    actions = {
        "FETCH": [record.fetch_action() for record in ordered],
        "LINK": [record.link_action() for record in ordered],
        "UNLINK": [record.link_action() for record in sorted(gone, key=lambda one: one.name)],
        "PREFIX": prefix,
    }
    return _dump({"success": True, "dry_run": True, "prefix": prefix, "actions": actions})


def failure_json(error: EnvbuildError) -> str:
    """Failure, as conda words it; ``envbuild`` holds the parts of the error."""
    family = _family(error)
    name = family.__name__
    parts: dict[str, object] = {
        "family": name,
        "problem": error.problem,
        "where": error.where,
        "details": list(error.details),
        "remedy": error.remedy,
    }
    if isinstance(error, UnsolvableError):
        parts |= {"reasons": asdict(error.reasons), "remarks": list(error.remarks)}
    return _dump(
        {
            "success": False,
            "exception_name": name,
            "exception_type": f"{family.__module__}.{name}",
            "error": f"{name}: {error.problem}",
            "message": str(error),
            "envbuild": parts,
        }
    )


def _family(error: EnvbuildError) -> type[EnvbuildError]:
    """The class of the errors module that ``error`` is."""
    mine = type(error)
    return next(
        kind
        for kind in mine.__mro__
        if issubclass(kind, EnvbuildError) and kind.__module__ == EnvbuildError.__module__
    )


def info_json(cache_dir: str) -> str:
    """The package cache; nothing is ever in it, since every answer says what to fetch."""
    return _dump({"pkgs_dirs": [cache_dir], "package cache": [cache_dir]})


def listing_json(records: Iterable[SolvedRecord]) -> str:
    """``conda list --json``."""
    ordered = sorted(records, key=lambda record: record.name)
    return _dump([record.link_action() for record in ordered])


def _dump(document: object) -> str:
    return json.dumps(document, indent=1, ensure_ascii=True) + "\n"
