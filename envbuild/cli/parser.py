"""The command line as a parser. No work is done here, and nothing heavy is imported."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Collection

from envbuild import __version__

__all__ = ["build_parser"]

_HIGHEST_PORT = 65_535
_EPILOG = "Documentation: docs/README.md of the source. Exit codes: docs/reference/exit-codes.md."


def build_parser(words: Collection[str] | None = None) -> argparse.ArgumentParser:
    """The parser of ``envbuild``; each sub-command leaves its name in ``command``.

    With the ``words`` of a command line only the commands among them get their options.
    """
    parser = argparse.ArgumentParser(
        prog="envbuild",
        description="Turn an MLflow model into a serving environment that is locked, reproducible "
        "and works without a network.",
        epilog=_EPILOG,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"envbuild {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, summary, fill in _COMMANDS:
        command = commands.add_parser(
            name, help=summary, description=_sentence(summary), allow_abbrev=False
        )
        if words is None or name in words:
            fill(command)
            _add_output_options(command)
    return parser


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _add_output_options(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("output")
    group.add_argument("--json", action="store_true", help="one JSON document on standard output")
    group.add_argument("-q", "--quiet", action="store_true", help="only errors")
    group.add_argument(
        "-v", "--verbose", action="store_true", help="more detail; a traceback for a bug"
    )


def _add_model(command: argparse.ArgumentParser, *, nargs: str | None = None) -> None:
    command.add_argument(
        "model",
        nargs=nargs,
        metavar="MODEL",
        help="an MLflow model directory, or a URI such as models:/name/1 or runs:/id/model",
    )


def _inspect(command: argparse.ArgumentParser) -> None:
    _add_model(command)
    _add_merge_options(command)


def _lock(command: argparse.ArgumentParser) -> None:
    _add_model(command, nargs="+")
    command.add_argument(
        "-o",
        "--output",
        metavar="DIR",
        help="the context to write (default: <model name>-env); of several models, the folder "
        "that has a <model name>-env for each",
    )
    command.add_argument(
        "--check",
        action="store_true",
        help="exit 1 when the lock is stale; no network, no solving, nothing written",
    )
    _add_lock_options(command)


def _add_lock_options(command: argparse.ArgumentParser) -> None:
    _add_merge_options(command)
    _add_resolve_options(command)
    _add_index_options(command)
    _add_conda_options(command)


def _add_merge_options(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("environment")
    group.add_argument(
        "--server",
        metavar="PROFILE",
        help="azureml-online (default), azureml-batch, mlflow, none, or the path of a TOML file",
    )
    group.add_argument(
        "--runtime",
        choices=("auto", "pip", "conda"),
        help="where Python comes from (default: auto)",
    )
    group.add_argument(
        "--platform",
        action="append",
        metavar="NAME",
        help="linux-64 (default), linux-aarch64, osx-64, osx-arm64, win-64; repeatable",
    )
    group.add_argument("--python", metavar="VERSION", help="overrides the model's Python")
    group.add_argument(
        "--base-image", metavar="IMAGE", help="instead of python:X.Y.Z-slim; a digest is kept"
    )
    group.add_argument(
        "--no-fill-in",
        action="store_true",
        help="do not pin unpinned requirements to the versions that MLmodel records",
    )
    group.add_argument(
        "--keep-mlflow",
        action="store_true",
        help="never replace mlflow by mlflow-skinny of the same version",
    )
    group.add_argument(
        "--strict-server",
        action="store_true",
        help="fail rather than take an older server when the model's pins force it",
    )
    group.add_argument(
        "--ignore-model-indexes",
        action="store_true",
        help="leave out the index and find-links options and the channels of the model's own files",
    )
    group.add_argument(
        "--channel",
        action="append",
        metavar="NAME|URL",
        help="a conda channel to ask before the model's own; repeatable",
    )
    group.add_argument(
        "--name-map",
        metavar="FILE",
        help="what conda packages are called on PyPI, where the shipped map is wrong: TOML",
    )
    group.add_argument(
        "--relax",
        nargs="+",
        action="extend",
        metavar="NAME",
        help="let these pins move to the nearest version that resolves; "
        "'auto' picks the smallest set",
    )


def _add_resolve_options(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("resolving")
    group.add_argument(
        "--resolver", choices=("uv", "pip-tools"), help="for the pip part (default: uv)"
    )
    group.add_argument("--upgrade", action="store_true", help="do not stay close to the last lock")
    group.add_argument(
        "--upgrade-package",
        action="append",
        metavar="NAME",
        help="move this package, and only what must move with it; repeatable",
    )
    group.add_argument(
        "--exclude-newer", metavar="DATE", help="nothing uploaded after this RFC 3339 date or time"
    )
    group.add_argument(
        "--only-binary", action="store_true", help="refuse what would have to be built"
    )
    group.add_argument("--prerelease", action="store_true", help="allow pre-releases")
    group.add_argument(
        "--constraint", action="append", metavar="FILE", help="a pip constraints file; repeatable"
    )
    group.add_argument("--offline", action="store_true", help="use the cache only")
    group.add_argument("--cache-dir", metavar="DIR", help="the resolver's cache")


def _add_conda_options(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group(
        "conda", "${VARIABLE} in an address is taken from the environment and never written out"
    )
    group.add_argument(
        "--channel-alias",
        metavar="URL",
        help="where channels lead that are a name (default: https://conda.anaconda.org)",
    )
    group.add_argument(
        "--channel-map",
        action="append",
        metavar="NAME=URL",
        help="where this one leads; repeatable",
    )
    group.add_argument(
        "--virtual-package",
        action="append",
        metavar="NAME=VERSION",
        help="what the machine has that runs it, such as __cuda=12.4; repeatable",
    )
    group.add_argument(
        "--conda-exe",
        metavar="EXE",
        help="solve with this conda, mamba or micromamba (default: envbuild's own solver)",
    )


def _add_index_options(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group(
        "indexes", "${VARIABLE} in an address is taken from the environment and never written out"
    )
    group.add_argument("--index-url", metavar="URL", help="instead of https://pypi.org/simple")
    group.add_argument("--extra-index-url", action="append", metavar="URL", help="repeatable")
    group.add_argument("--find-links", action="append", metavar="URL", help="repeatable")


def _export(command: argparse.ArgumentParser) -> None:
    from envbuild.options import ExportOptions

    command.add_argument(
        "context",
        nargs="+",
        metavar="CONTEXT",
        help="a folder that 'envbuild lock' wrote; of several, or of a folder that has several, "
        "all bundles go into one output, each file in it once",
    )
    command.add_argument(
        "-o",
        "--output",
        metavar="PATH",
        required=True,
        help="a folder, or a file ending in .tar, .tar.gz or .tar.zst",
    )
    command.add_argument(
        "--platform", action="append", metavar="NAME", help="only this one; repeatable"
    )
    command.add_argument(
        "--with-model", metavar="DIR", help="put this model folder into the bundle, as model/"
    )
    command.add_argument(
        "--connections",
        type=_positive,
        default=ExportOptions().connections,
        metavar="N",
        help="downloads at a time (default: %(default)s)",
    )
    command.add_argument("--offline", action="store_true", help="use the cache only")
    group = command.add_argument_group("carrying it to where it is used")
    group.add_argument(
        "--split",
        type=_size,
        metavar="SIZE",
        help="an archive in parts of SIZE, such as 650M or 4G",
    )
    group.add_argument(
        "--diff",
        metavar="OLDER",
        help="only what this bundle lacks: its folder, archive or SHA256SUMS",
    )
    _add_build_options(command)
    _add_download_options(command)
    command.add_argument(
        "--channel",
        action="append",
        metavar="URL",
        help="a conda channel of the lock, with the user, password or token that it wants to know;"
        " repeatable",
    )


def _size(text: str) -> int:
    # Here, so that no other command pays for the import.
    from envbuild.emit.parts import parse_size
    from envbuild.errors import UsageError

    try:
        return parse_size(text)
    except UsageError as error:
        raise argparse.ArgumentTypeError(error.problem) from error


def _positive(text: str) -> int:
    if not (text.isdecimal() and int(text)):
        raise argparse.ArgumentTypeError(f"expected 1 or more, got {text!r}")
    return int(text)


def _add_build_options(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("building what has no wheel")
    group.add_argument(
        "--builder",
        choices=("local", "docker"),
        default="local",
        help="on this machine, or in a container (default: %(default)s)",
    )
    group.add_argument(
        "--builder-image", metavar="IMAGE", help="for docker (default: the context's base image)"
    )
    group.add_argument("--python-exe", metavar="EXE", help="the target's Python on this machine")
    group.add_argument(
        "--build-constraint",
        action="append",
        metavar="FILE",
        help="bounds for what builds need; repeatable",
    )


def _add_download_options(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group(
        "indexes", "for what builds need; ${VARIABLE} is taken from the environment"
    )
    group.add_argument("--index-url", metavar="URL", help="instead of https://pypi.org/simple")
    group.add_argument("--extra-index-url", action="append", metavar="URL", help="repeatable")


def _verify(command: argparse.ArgumentParser) -> None:
    command.add_argument("target", metavar="BUNDLE|CONTEXT|IMAGE", help="what to prove")
    command.add_argument(
        "--model", metavar="DIR", help="the model with its weights, to load, predict and serve"
    )
    command.add_argument(
        "--python-exe", metavar="EXE", help="makes the environment (default: the one that fits)"
    )
    command.add_argument("--junit", metavar="FILE", help="write the report as JUnit XML too")
    command.add_argument(
        "--allow-network",
        action="store_true",
        help="go on where this machine cannot take the network away; the report says so",
    )


def _build(command: argparse.ArgumentParser) -> None:
    command.add_argument("source", metavar="CONTEXT|BUNDLE", help="what 'lock' or 'export' wrote")
    command.add_argument("-t", "--tag", required=True, help="the name of the image")
    command.add_argument(
        "--offline", action="store_true", help="no network while building; takes a bundle"
    )
    command.add_argument(
        "--base-image", metavar="IMAGE", help="instead of the lock's, with the same Python"
    )
    command.add_argument("--with-model", metavar="DIR", help="make this model part of the image")
    command.add_argument(
        "--platform", metavar="NAME", help="one of the lock's (default: the engine's)"
    )
    command.add_argument(
        "--label", action="append", type=_label, metavar="KEY=VALUE", help="repeatable"
    )
    command.add_argument("--push", action="store_true", help="push the image when it is built")


def _serve(command: argparse.ArgumentParser) -> None:
    command.add_argument("source", metavar="CONTEXT|BUNDLE", help="what 'lock' or 'export' wrote")
    command.add_argument(
        "--model", metavar="DIR", help="the model with its weights (default: the bundle's own)"
    )
    command.add_argument(
        "--port", type=_port, metavar="N", help="default: the profile's; 0 for any that is free"
    )
    command.add_argument(
        "--host", default="", help="where the server's command has a host (default: 127.0.0.1)"
    )
    command.add_argument(
        "-e",
        "--env",
        action="append",
        type=_assignment,
        metavar="NAME=VALUE",
        help="a variable for the server, such as WORKER_COUNT=2 for Azure's; repeatable",
    )
    command.add_argument(
        "--python-exe", metavar="EXE", help="makes the environment (default: the one that fits)"
    )
    command.add_argument(
        "--patience",
        type=_seconds,
        metavar="SECONDS",
        help="what the server may take to come up (default: 600)",
    )
    command.add_argument(
        "--grace",
        type=_seconds,
        metavar="SECONDS",
        help="what requests that run may take to end, once it is to stop (default: 30)",
    )


def _port(text: str) -> int:
    if not (text.isdecimal() and int(text) <= _HIGHEST_PORT):
        raise argparse.ArgumentTypeError(f"expected 0 to {_HIGHEST_PORT}, got {text!r}")
    return int(text)


def _seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number of seconds, got {text!r}")
    return number


def _assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError("expected NAME=VALUE")
    return name, value


def _label(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise argparse.ArgumentTypeError(f"expected KEY=VALUE, got {text!r}")
    return key, value


def _fleet(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "source",
        nargs="+",
        metavar="SOURCE",
        help="a folder to search for models, a list of models (a file with a path or URI on each "
        "line, or - for standard input), a model, or models:/ for all that are registered; "
        "for a question, a folder of contexts",
    )
    command.add_argument("-o", "--output", metavar="DIR", help="the folder of the contexts")
    mode = command.add_mutually_exclusive_group()
    mode.add_argument(
        "--check",
        action="store_true",
        help="exit 1 when a context is stale or missing; no network, no solving, nothing written",
    )
    mode.add_argument(
        "--dry-run", action="store_true", help="solve, and say what would change; nothing written"
    )
    mode.add_argument(
        "--pins", metavar="NAME[SPEC]", help="ask which contexts pin it, such as 'numpy<2'"
    )
    mode.add_argument(
        "--advisory",
        action="append",
        metavar="FILE",
        help="ask which contexts an advisory hits (JSON of the OSV schema), exit 1 if any; "
        "repeatable",
    )
    mode.add_argument(
        "--sizes", action="store_true", help="ask how many bytes one wheelhouse for all saves"
    )
    _add_run_options(command)
    _add_lock_options(command)


def _add_run_options(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("running")
    group.add_argument(
        "--changed-only",
        action="store_true",
        help="report only models whose context changed, or is to be changed, or that failed",
    )
    group.add_argument("--junit", metavar="FILE", help="write the report as JUnit XML too")
    group.add_argument(
        "--jobs",
        type=_positive,
        metavar="N",
        help="at a time (default: two for each processor to lock, one for what needs no network)",
    )
    group.add_argument(
        "--executor",
        default="processes",
        metavar="NAME",
        help="processes (default), threads, or dask://HOST:PORT of a scheduler",
    )


def _servers(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--python", metavar="VERSION", help="only what this Python gets, such as 3.9"
    )


_Fill = Callable[[argparse.ArgumentParser], None]
_COMMANDS: tuple[tuple[str, str, _Fill], ...] = (
    (
        "inspect",
        "show the merged requirements with their origins; never touches the network",
        _inspect,
    ),
    ("lock", "resolve every pin and write the context", _lock),
    ("fleet", "lock many models, each distinct environment solved once", _fleet),
    ("export", "write the offline bundle of a context", _export),
    ("verify", "install, import, load, predict and serve with no network, and report", _verify),
    ("build", "build the image through the Docker API", _build),
    ("serve", "start what the container would start, on this machine", _serve),
    ("servers", "list the server profiles and what each needs", _servers),
)
