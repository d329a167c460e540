"""The parsed command line as the library's frozen options."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from envbuild.options import ExportOptions, LockOptions
from envbuild.platforms import parse_platform

if TYPE_CHECKING:
    from envbuild.image.build import BuildOptions
    from envbuild.serving import ServeOptions

__all__ = ["build_options", "export_options", "lock_options", "serve_options"]


def lock_options(args: argparse.Namespace) -> LockOptions:
    """The options of ``lock``, ``fleet`` and ``inspect``; what a command lacks keeps its default.

    Raises:
        UsageError: an unknown platform.
    """
    given = {
        "server": args.server,
        "runtime": args.runtime,
        "platforms": tuple(dict.fromkeys(parse_platform(name) for name in args.platform or ())),
        "python": args.python,
        "base_image": args.base_image,
        "fill_in": not args.no_fill_in,
        "keep_mlflow": args.keep_mlflow,
        "strict_server": args.strict_server,
        "model_indexes": not args.ignore_model_indexes,
        "channels": tuple(args.channel or ()),
        "name_map": args.name_map,
        "relax": tuple(args.relax or ()),
    }
    if args.command != "inspect":
        given |= {
            "resolver": args.resolver,
            "channel_alias": args.channel_alias,
            "channel_map": tuple(args.channel_map or ()),
            "virtual_packages": tuple(args.virtual_package or ()),
            "conda_exe": args.conda_exe,
            "index_url": args.index_url,
            "extra_index_urls": tuple(args.extra_index_url or ()),
            "find_links": tuple(args.find_links or ()),
            "constraint_files": tuple(args.constraint or ()),
            "exclude_newer": args.exclude_newer,
            "only_binary": args.only_binary,
            "prerelease": args.prerelease,
            "upgrade": args.upgrade,
            "upgrade_packages": tuple(args.upgrade_package or ()),
            "cache_dir": args.cache_dir,
            "offline": args.offline,
        }
    return LockOptions(**{name: value for name, value in given.items() if value not in (None, ())})


def export_options(args: argparse.Namespace) -> ExportOptions:
    """The options of ``export``."""
    return ExportOptions(
        platforms=tuple(args.platform or ()),
        index_url=args.index_url or "",
        extra_index_urls=tuple(args.extra_index_url or ()),
        channels=tuple(args.channel or ()),
        connections=args.connections,
        model=Path(args.with_model) if args.with_model else None,
        builder=args.builder,
        builder_image=args.builder_image or "",
        python_exe=args.python_exe or "",
        build_constraints=tuple(Path(name) for name in args.build_constraint or ()),
        split=args.split or 0,
        diff=Path(args.diff) if args.diff else None,
        offline=args.offline,
    )


def build_options(args: argparse.Namespace) -> BuildOptions:
    """The options of ``build``."""
    from envbuild.image.build import BuildOptions

    return BuildOptions(
        offline=args.offline,
        base_image=args.base_image or "",
        model=Path(args.with_model) if args.with_model else None,
        platform=args.platform or "",
        labels=dict(args.label or ()),
    )


def serve_options(args: argparse.Namespace) -> ServeOptions:
    """The options of ``serve``; what was not said keeps its default."""
    from envbuild.serving import ServeOptions

    given = {"port": args.port, "patience": args.patience, "grace": args.grace}
    return ServeOptions(
        host=args.host,
        python_exe=args.python_exe or "",
        variables=dict(args.env or ()),
        **{name: value for name, value in given.items() if value is not None},
    )
