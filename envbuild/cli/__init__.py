"""The command line: the only part that prints, exits, or turns errors into exit codes."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from envbuild.cli.parser import build_parser
from envbuild.errors import EnvbuildError

__all__ = ["main"]

_BUG = 70


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; never raises, never prints a traceback
    unless ``--verbose`` asks for one.
    """
    words = sys.argv[1:] if argv is None else argv
    args = build_parser(words).parse_args(words)
    # Imported here and below, so that --help and --version do not pay for what they do not use.
    from envbuild.ambient import Ambient
    from envbuild.cli.signals import InterruptedRunError, TerminatedError
    from envbuild.cli.terminal import Terminal

    ambient = Ambient.of_process()
    terminal = Terminal.of_process(
        ambient.environ, json_output=args.json, quiet=args.quiet, verbose=args.verbose
    )
    try:
        from envbuild.cli.commands import run_command

        return run_command(args, terminal=terminal, ambient=ambient)
    except EnvbuildError as error:
        terminal.fail(error)
        return error.exit_code
    except TerminatedError as signal:
        return signal.code
    except KeyboardInterrupt:
        terminal.fail(InterruptedRunError("interrupted; nothing was left half written"))
        return InterruptedRunError.exit_code
    except BrokenPipeError:
        # The reader of our output has gone; Python would complain again while it closes the stream.
        sys.stderr.close()
        return 0
    except Exception as error:
        if args.verbose:
            raise
        terminal.fail(_bug(error))
        return _BUG


def _bug(error: Exception) -> EnvbuildError:
    return EnvbuildError(
        f"this is a bug in envbuild: {type(error).__name__}",
        remedy="the same command with --verbose, and report what it prints",
    )
