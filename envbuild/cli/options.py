"""The parsed command line as the library's frozen options."""

from __future__ import annotations

import argparse

from envbuild.options import LockOptions
from envbuild.platforms import parse_platform

__all__ = ["lock_options"]


def lock_options(args: argparse.Namespace) -> LockOptions:
    """The options of ``lock`` and ``inspect``; what the command does not offer keeps its default.

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
        "relax": tuple(args.relax or ()),
    }
    if args.command == "lock":
        given |= {
            "resolver": args.resolver,
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
