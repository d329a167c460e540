"""Conda packages as the solver sees them, and as conda's JSON writes them. Pure."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["SolvedRecord"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SolvedRecord:
    """One package of a solution; ``timestamp`` is in milliseconds since 1970, ``size`` in bytes.

    Hashes are lower-case hex or empty. ``channel`` is the address of the channel, ``url`` that of
    the file; neither holds credentials.
    """

    name: str
    version: str
    build: str
    build_number: int
    subdir: str
    channel: str
    url: str
    filename: str
    md5: str = ""
    sha256: str = ""
    size: int = 0
    timestamp: int = 0
    depends: tuple[str, ...] = ()
    constrains: tuple[str, ...] = ()

    def fetch_action(self) -> dict[str, object]:
        """What conda says of a package that it would fetch.

        Source: ``conda create --dry-run --json``; the fields that conda-lock's ``FetchAction`` and
        micromamba have.
        """
        optional = {
            "md5": self.md5,
            "sha256": self.sha256,
            "size": self.size,
            "timestamp": self.timestamp,
        }
        return {
            "name": self.name,
            "version": self.version,
            "build": self.build,
            "build_string": self.build,
            "build_number": self.build_number,
            "subdir": self.subdir,
            "channel": f"{self.channel.rstrip('/')}/{self.subdir}",
            "url": self.url,
            "fn": self.filename,
            "depends": list(self.depends),
            "constrains": list(self.constrains),
            **{key: value for key, value in optional.items() if value},
        }

    def link_action(self) -> dict[str, object]:
        """What conda says of a package that it would link into the prefix."""
        return {
            "name": self.name,
            "version": self.version,
            "build_string": self.build,
            "build_number": self.build_number,
            "base_url": self.channel.rstrip("/"),
            "channel": self.channel.rstrip("/").rpartition("/")[2],
            "dist_name": self.filename.removesuffix(".conda").removesuffix(".tar.bz2"),
            "platform": self.subdir,
        }
