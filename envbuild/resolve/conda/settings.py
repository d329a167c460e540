"""What our solver executable is told beside its command line: a JSON file without secrets."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from envbuild.errors import ToolError

__all__ = ["LockedRecord", "Settings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedRecord:
    """A package that a solve is to stay with unless something forces it away."""

    name: str
    version: str
    build: str
    subdir: str
    url: str
    sha256: str = ""
    md5: str = ""
    depends: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """``channels`` are (name, address) in the order of priority; if there are any, only they count.

    ``virtual_packages`` are (name, version) or (name, version, build) and complete: without any,
    the defaults of the platform count. ``locked`` are kept where possible, those whose name is in
    ``upgrade`` excepted. ``exclude_newer`` is RFC 3339, ``timeout`` in seconds. An empty
    ``cache_dir`` means the cache of the user. ``report`` is where the outcome is written as JSON,
    for whoever stands behind a program that only repeats text.
    """

    channels: tuple[tuple[str, str], ...] = ()
    virtual_packages: tuple[tuple[str, ...], ...] = ()
    locked: tuple[LockedRecord, ...] = ()
    upgrade: tuple[str, ...] = ()
    exclude_newer: str = ""
    cache_dir: str = ""
    offline: bool = False
    timeout: float = 600.0
    report: str = ""

    def to_json(self) -> str:
        """The text of the file."""
        return json.dumps(asdict(self), indent=1, sort_keys=True)

    @classmethod
    def read(cls, path: Path) -> Settings:
        """The settings in the file ``path``.

        Raises:
            ToolError: it is not such a file.
        """
        try:
            document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            document["locked"] = tuple(
                LockedRecord(**{**entry, "depends": tuple(entry.get("depends", ()))})
                for entry in document.get("locked", ())
            )
            for name in ("channels", "virtual_packages"):
                document[name] = tuple(tuple(item) for item in document.get(name, ()))
            document["upgrade"] = tuple(document.get("upgrade", ()))
            return cls(**document)
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise ToolError(f"not the settings of a solve: {error}", where=str(path)) from error
