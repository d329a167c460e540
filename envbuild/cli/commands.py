"""One function for each command: arguments in, library called, result printed, exit code out."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from envbuild.ambient import Ambient
from envbuild.cli.options import export_options, lock_options
from envbuild.cli.terminal import Terminal
from envbuild.model import Model, read_model

__all__ = ["run_command"]

_OK = 0
_CHECK_SAID_NO = 1


def run_command(args: argparse.Namespace, *, terminal: Terminal, ambient: Ambient) -> int:
    """Run the command that ``args`` names; 0, or 1 where a check said no."""
    return _COMMANDS[args.command](args, terminal, ambient)


def _inspect(args: argparse.Namespace, terminal: Terminal, ambient: Ambient) -> int:
    from envbuild.cli.summary import inspect_document, inspect_text
    from envbuild.pipeline import plan_environment

    model = read_model(args.model, ambient=ambient)
    options = lock_options(args)
    spec, plans = plan_environment(model, options, ambient=ambient)
    terminal.document(inspect_document(model, spec, plans[0]))
    terminal.say(inspect_text(model, spec, plans[0], terminal=terminal))
    return _OK


def _lock(args: argparse.Namespace, terminal: Terminal, ambient: Ambient) -> int:
    if len(args.model) > 1:
        from envbuild.cli.fleets import lock_several

        return lock_several(args, terminal, ambient)
    model = read_model(args.model[0], ambient=ambient)
    directory = Path(args.output) if args.output else Path(f"{model.name}-env")
    if args.check:
        return _check(args, model, directory, terminal=terminal, ambient=ambient)
    return _write_lock(args, model, directory, terminal=terminal, ambient=ambient)


def _write_lock(
    args: argparse.Namespace,
    model: Model,
    directory: Path,
    *,
    terminal: Terminal,
    ambient: Ambient,
) -> int:
    from envbuild.cli.summary import lock_document, lock_text
    from envbuild.pipeline import lock_model, locked_texts

    options = lock_options(args)
    with closing(terminal.progress()) as progress:
        lock = lock_model(
            model,
            options,
            ambient=ambient,
            previous={} if options.upgrade else locked_texts(directory),
            reporter=progress,
        )
        context = lock.write(directory)
    notices = (*lock.notices, *context.notices)
    terminal.document(lock_document(lock, context, notices=notices))
    terminal.say(lock_text(lock, context, notices=notices, terminal=terminal))
    return _OK


def _check(
    args: argparse.Namespace,
    model: Model,
    directory: Path,
    *,
    terminal: Terminal,
    ambient: Ambient,
) -> int:
    from envbuild.locking.staleness import check

    result = check(model, directory, options=lock_options(args), ambient=ambient)
    terminal.document(
        {
            "fresh": result.fresh,
            "context": str(directory),
            "differences": list(result.differences),
            "notes": list(result.notes),
        }
    )
    if result.fresh:
        terminal.say(f"{directory} is up to date")
    else:
        lines = "".join(f"\n  {difference}" for difference in result.differences)
        again = f"\nnext: envbuild lock {args.model[0]} -o {directory}"
        terminal.say(f"{directory} is stale:{lines}{again}")
    return _OK if result.fresh else _CHECK_SAID_NO


def _export(args: argparse.Namespace, terminal: Terminal, ambient: Ambient) -> int:
    from envbuild.cli.summary import bundle_document, bundle_text
    from envbuild.emit.export import export
    from envbuild.fleet.contexts import holds_contexts
    from envbuild.locking.context import read_context

    (first, *more) = args.context
    if more or holds_contexts(ambient.cwd / first):
        from envbuild.cli.fleets import export_several

        return export_several(args, terminal, ambient)
    with closing(terminal.progress()) as progress:
        bundle = export(
            read_context(first),
            Path(args.output),
            ambient=ambient,
            options=export_options(args),
            progress=progress,
        )
    terminal.document(bundle_document(bundle))
    terminal.say(bundle_text(bundle, terminal=terminal))
    return _OK


def _verify(args: argparse.Namespace, terminal: Terminal, ambient: Ambient) -> int:
    from envbuild.fs import write_file
    from envbuild.verification import verify

    with closing(terminal.progress()) as progress:
        report = verify(
            args.target,
            model=args.model,
            python_exe=args.python_exe or "",
            ambient=ambient,
            allow_network=args.allow_network,
            progress=progress,
        )
    if args.junit:
        write_file(ambient.cwd / args.junit, report.junit().encode())
    terminal.document(report.document())
    terminal.say(report.table())
    return _OK if report.passed else _CHECK_SAID_NO


def _build(args: argparse.Namespace, terminal: Terminal, ambient: Ambient) -> int:
    from envbuild.cli.options import build_options
    from envbuild.cli.signals import ended_by_signals
    from envbuild.cli.summary import image_document, image_text
    from envbuild.image.build import build, push

    digest = ""
    # An archive is unpacked for the build, and is not to stay when that is ended.
    with ended_by_signals(), closing(terminal.progress()) as progress:
        image = build(
            Path(args.source),
            args.tag,
            ambient=ambient,
            options=build_options(args),
            progress=progress,
        )
        if args.push:
            digest = push(args.tag, ambient=ambient, progress=progress)
    terminal.document(image_document(image, digest=digest))
    terminal.say(image_text(image, digest=digest, terminal=terminal))
    return _OK


def _serve(args: argparse.Namespace, terminal: Terminal, ambient: Ambient) -> int:
    """Serve until a signal comes; only an error of the server ends it otherwise."""
    from envbuild.cli.options import serve_options
    from envbuild.cli.signals import ended_by_signals
    from envbuild.cli.summary import server_document, server_text
    from envbuild.serving import serve

    with (
        ended_by_signals(),
        closing(terminal.progress()) as progress,
        serve(
            args.source,
            model=args.model,
            options=serve_options(args),
            ambient=ambient,
            hear=terminal.relay,
            progress=progress,
        ) as server,
    ):
        progress.close()
        terminal.document(server_document(server))
        terminal.say(server_text(server, terminal=terminal))
        server.wait()
    return _OK


def _fleet(args: argparse.Namespace, terminal: Terminal, ambient: Ambient) -> int:
    from envbuild.cli.fleets import run_fleet

    return run_fleet(args, terminal, ambient)


def _servers(args: argparse.Namespace, terminal: Terminal, _: Ambient) -> int:
    from envbuild.cli.summary import servers_document, servers_text
    from envbuild.server import BUILT_IN, load_profile

    profiles = tuple(load_profile(name) for name in BUILT_IN)
    terminal.document(servers_document(profiles, python=args.python or ""))
    terminal.say(servers_text(profiles, python=args.python or "", terminal=terminal))
    return _OK


_Command = Callable[[argparse.Namespace, Terminal, Ambient], int]
_COMMANDS: dict[str, _Command] = {
    "inspect": _inspect,
    "lock": _lock,
    "fleet": _fleet,
    "export": _export,
    "verify": _verify,
    "build": _build,
    "serve": _serve,
    "servers": _servers,
}
