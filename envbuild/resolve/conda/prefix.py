"""What an environment holds, by the records in its ``conda-meta``."""

from __future__ import annotations

import json
from pathlib import Path

from envbuild.errors import ToolError
from envbuild.resolve.conda.records import SolvedRecord

__all__ = ["read_prefix"]


def read_prefix(prefix: Path) -> tuple[SolvedRecord, ...]:
    """The packages of the environment at ``prefix``, sorted by name.

    Raises:
        ToolError: a record is none.
    """
    files = sorted((prefix / "conda-meta").glob("*.json"))
    return tuple(sorted(map(_read, files), key=lambda record: record.name))


def _read(file: Path) -> SolvedRecord:
    try:
        entry = json.loads(file.read_text(encoding="utf-8"))
        return SolvedRecord(
            name=entry["name"],
            version=entry["version"],
            build=entry["build"],
            build_number=entry.get("build_number", 0),
            subdir=entry["subdir"],
            channel=entry["channel"].removesuffix(f"/{entry['subdir']}"),
            url=entry["url"],
            filename=entry["fn"],
            md5=entry.get("md5") or "",
            sha256=entry.get("sha256") or "",
            depends=tuple(entry.get("depends", ())),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ToolError(f"not the record of a conda package: {error!r}", where=str(file)) from None
