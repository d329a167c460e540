"""``conda-lock.yml``, version 1, as conda-lock writes and reads it: its conda packages. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

import yaml

from envbuild.errors import IntegrityError, LockFileError
from envbuild.redact import redact, without_userinfo
from envbuild.resolve.conda.interface import CondaPackage

__all__ = ["bare_address", "parse_conda_lock", "raise_unhashed"]

_SUFFIXES = (".conda", ".tar.bz2")
_MASKED_TOKEN = "/t/****"  # noqa: S105


def parse_conda_lock(text: str, *, where: str) -> Mapping[str, tuple[CondaPackage, ...]]:
    """The conda packages by platform, sorted by name; ``where`` names the file in messages.

    Raises:
        LockFileError: not such a file.
    """
    try:
        document = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
        if document["version"] != 1:
            raise LockFileError(
                f"its version is {document['version']}, and version 1 is read", where=where
            )
        found: defaultdict[str, list[CondaPackage]] = defaultdict(list)
        for platform in document["metadata"]["platforms"]:
            found[platform] = []
        for row in document["package"]:
            if row["manager"] == "conda":
                found[row["platform"]].append(_package(row))
    except (yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        detail = " ".join(f"{type(error).__name__}: {error}".split())
        raise LockFileError("not a conda-lock.yml", where=where, details=[detail]) from error
    return {
        platform: tuple(sorted(packages, key=lambda one: one.name))
        for platform, packages in found.items()
    }


def _package(row: Mapping[str, Any]) -> CondaPackage:
    name, version = str(row["name"]), str(row["version"])
    url = bare_address(row["url"])
    head, _, filename = url.rpartition("/")
    channel, _, subdir = head.rpartition("/")
    stem = next((filename.removesuffix(end) for end in _SUFFIXES if filename.endswith(end)), "")
    depends = row.get("dependencies") or {}
    return CondaPackage(
        name=name,
        version=version,
        build=stem.rpartition("-")[2],  # name-version-build, and no build has a hyphen
        subdir=subdir,
        channel=channel,
        url=url,
        sha256=(row["hash"].get("sha256") or "").lower(),
        md5=(row["hash"].get("md5") or "").lower(),
        depends=tuple(f"{key} {value}".strip() for key, value in sorted(depends.items())),
    )


def bare_address(url: str) -> str:
    """``url`` without user, password and the token that anaconda.org has in its path."""
    return redact(without_userinfo(url)).replace(_MASKED_TOKEN, "", 1)


def raise_unhashed(packages: Iterable[CondaPackage]) -> None:
    """Do nothing where every package has a hash.

    Raises:
        IntegrityError: naming those that have none.
    """
    bare = [one for one in packages if not one.sha256 and not one.md5]
    if bare:
        raise IntegrityError(
            "conda packages without a hash, which nothing could check",
            details=[f"{one.filename} of {_host(one.channel)}" for one in bare],
            remedy="a channel whose repodata has hashes",
        )


def _host(channel: str) -> str:
    return urlsplit(channel).hostname or channel
