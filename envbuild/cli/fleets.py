"""The commands that work on many models at a time."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from envbuild.ambient import Ambient
from envbuild.cli.options import export_options, lock_options
from envbuild.cli.signals import InterruptedRunError, TerminatedError, ended_by_signals
from envbuild.cli.terminal import Terminal
from envbuild.errors import FleetError, UsageError
from envbuild.fleet import FleetOptions, FleetReport, Source, check_fleet, list_models, lock_fleet
from envbuild.fleet.crews import crew_of
from envbuild.fleet.sources import distinct, gather, parse_list

if TYPE_CHECKING:
    from envbuild.fleet.advisories import Advisory

__all__ = ["export_several", "lock_several", "run_fleet"]

_OK = 0
_CHECK_SAID_NO = 1
_STANDARD_INPUT = "-"


def run_fleet(args: argparse.Namespace, terminal: Terminal, ambient: Ambient) -> int:
    """``envbuild fleet``."""
    if args.pins or args.advisory or args.sizes:
        return _ask(args, terminal, ambient)
    if not args.output:
        raise UsageError("where do the contexts go?", remedy="-o DIR")
    named = [text for text in args.source if text != _STANDARD_INPUT]
    sources = gather(named, ambient=ambient, output=Path(args.output))
    if _STANDARD_INPUT in args.source:
        addresses = parse_list(sys.stdin.buffer.read(), where="standard input")
        sources = distinct((*sources, *list_models(addresses, base=ambient.cwd)))
    how = FleetOptions(executor=args.executor, jobs=args.jobs or 0, dry_run=args.dry_run)
    report = _run(args, sources, terminal=terminal, ambient=ambient, how=how)
    report = replace(report, only_changed=args.changed_only)
    if args.junit:
        from envbuild.fs import write_file

        write_file(ambient.cwd / args.junit, report.junit().encode())
    return _tell(report, terminal, check=args.check)


def lock_several(args: argparse.Namespace, terminal: Terminal, ambient: Ambient) -> int:
    """``envbuild lock`` of more than one model: each context as it is of one alone."""
    listed = distinct(list_models(args.model, base=ambient.cwd))
    sources = tuple(replace(source, name=f"{source.name}-env") for source in listed)
    how = FleetOptions(executor="processes")
    report = _run(args, sources, terminal=terminal, ambient=ambient, how=how)
    return _tell(report, terminal, check=args.check)


def export_several(args: argparse.Namespace, terminal: Terminal, ambient: Ambient) -> int:
    """``envbuild export`` of more than one context."""
    from envbuild.cli.summary import shared_document, shared_text
    from envbuild.emit.shared import export_shared
    from envbuild.fleet.contexts import find_contexts
    from envbuild.locking.context import read_context

    sources = find_contexts(args.context, cwd=ambient.cwd)
    with closing(terminal.progress()) as progress:
        shared = export_shared(
            {source.name: read_context(source.address) for source in sources},
            Path(args.output),
            ambient=ambient,
            progress=progress,
            options=export_options(args),
        )
    terminal.document(shared_document(shared))
    terminal.say(shared_text(shared, terminal=terminal))
    return _OK


def _ask(args: argparse.Namespace, terminal: Terminal, ambient: Ambient) -> int:
    """A question about contexts; nothing is written, and no network needed."""
    from envbuild.fleet.contexts import find_contexts, read_contexts
    from envbuild.fleet.questions import hits_of, parse_pin, pinned, savings_of

    wanted = parse_pin(args.pins) if args.pins else None
    advisories = [one for name in args.advisory or () for one in _advisories(name, ambient)]
    sources = find_contexts(args.source, cwd=ambient.cwd)
    crew = crew_of(args.executor, args.jobs or 0)
    with ended_by_signals(), closing(terminal.progress()) as progress, crew:
        progress.step(f"reading {len(sources)} contexts")
        contexts = read_contexts(sources, crew)
        if args.sizes:
            savings = savings_of(contexts)
            terminal.document(savings.document())
            terminal.say(savings.table())
            return _OK
        answer = pinned(contexts, wanted) if wanted else hits_of(contexts, advisories)
    terminal.document(answer.document())
    terminal.say(answer.table())
    return _CHECK_SAID_NO if args.advisory and (answer.hits or answer.unreadable) else _OK


def _advisories(name: str, ambient: Ambient) -> tuple[Advisory, ...]:
    from envbuild.fleet.advisories import parse_advisories

    try:
        text = (ambient.cwd / name).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the advisory: {error}", where=name) from error
    return parse_advisories(text, where=name)


def _run(
    args: argparse.Namespace,
    sources: Sequence[Source],
    *,
    terminal: Terminal,
    ambient: Ambient,
    how: FleetOptions,
) -> FleetReport:
    work = check_fleet if args.check else lock_fleet
    try:
        with ended_by_signals(), closing(terminal.progress()) as progress:
            how = replace(how, ambient=ambient, reporter=progress)
            return work(sources, args.output or ".", options=lock_options(args), how=how)
    except TerminatedError:
        again = "the same command again: it does the rest only"
        whole = "interrupted; every context that is there is whole"
        terminal.fail(InterruptedRunError(whole, remedy=again))
        raise


def _tell(report: FleetReport, terminal: Terminal, *, check: bool) -> int:
    terminal.document(report.document())
    terminal.say(report.table())
    if report.error():
        return FleetError.exit_code
    return _CHECK_SAID_NO if check and not report.up_to_date else _OK
