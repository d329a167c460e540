"""Channels that are repodata only: what a solver sees, without packages."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from envbuild.ambient import Ambient

__all__ = ["Record", "ask", "create", "record", "solution", "write_repodata"]

Record = dict[str, Any]
_ROOM = Path("/nowhere")


def record(
    name: str,
    version: str,
    depends: Sequence[str] = (),
    *,
    build: str = "h0_0",
    subdir: str = "linux-64",
    timestamp: int = 1_600_000_000_000,
    **more: object,
) -> Record:
    """One package; its hashes are made of its name."""
    stem = f"{name}-{version}-{build}"
    return {
        "name": name,
        "version": version,
        "build": build,
        "build_number": int(build.rpartition("_")[2]) if "_" in build else 0,
        "depends": list(depends),
        "subdir": subdir,
        "timestamp": timestamp,
        "size": 1000 + len(stem),
        "md5": hashlib.md5(stem.encode(), usedforsecurity=False).hexdigest(),
        "sha256": hashlib.sha256(stem.encode()).hexdigest(),
        **more,
    }


def write_repodata(
    folder: Path, records: Iterable[Record], *, subdirs: Sequence[str] = ("linux-64", "noarch")
) -> str:
    """Write the repodata of a channel; its address as a file."""
    records = tuple(records)
    for subdir in subdirs:
        packages = {
            f"{one['name']}-{one['version']}-{one['build']}.conda": one
            for one in records
            if one["subdir"] == subdir
        }
        document = {"info": {"subdir": subdir}, "packages": {}, "packages.conda": packages}
        (folder / subdir).mkdir(parents=True, exist_ok=True)
        (folder / subdir / "repodata.json").write_text(json.dumps(document))
    return folder.absolute().as_uri()


def ask(
    *argv: str, cache: Path, subdir: str = "linux-64", settings: Path | None = None
) -> dict[str, Any]:
    """What our solver says to a call, asked in this process."""
    from envbuild.resolve.conda.solver import answer

    environ = {"ENVBUILD_CACHE_DIR": str(cache), "CONDA_SUBDIR": subdir}
    ambient = Ambient(environ=environ, home=_ROOM, cwd=_ROOM)
    start = ["--settings", str(settings)] if settings else []
    said = answer([*start, *argv], ambient)
    document: dict[str, Any] = json.loads(said.text)
    assert document["success"] is (said.code == 0)
    return document


def create(channels: Iterable[str], *specs: str, **options: Any) -> dict[str, Any]:
    """The answer to ``create``, as conda-lock asks for it."""
    named = [part for channel in channels for part in ("--channel", channel)]
    call = ["create", "--prefix", "/p", "--dry-run", "--json", "--override-channels"]
    return ask(*call, *named, *specs, **options)


def solution(document: dict[str, Any]) -> list[str]:
    """``name-version-build`` of a success."""
    assert document["success"], document["message"]
    found = document["actions"]["FETCH"]
    return [f"{one['name']}-{one['version']}-{one['build']}" for one in found]
