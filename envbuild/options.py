"""What the user decided, resolved once into frozen types, by the command line and the library."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from envbuild.platforms import Platform, parse_platform

__all__ = ["AUTO", "ExportOptions", "LockOptions"]

AUTO = "auto"
"""In ``relax``: the smallest set of the model's pins that must give way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockOptions:
    """Every choice of ``envbuild lock``.

    Addresses of indexes and channels are as the user wrote them: ``${VAR}`` and credentials are
    still inside, so nothing here is printed or stored as it is.
    """

    server: str = "azureml-online"
    runtime: str = "auto"  # auto | pip | conda
    platforms: tuple[Platform, ...] = (parse_platform("linux-64"),)
    python: str = ""
    base_image: str = ""
    resolver: str = "uv"  # uv | pip-tools
    index_url: str = ""
    extra_index_urls: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    constraint_files: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()  # before the model's own
    channel_alias: str = ""
    channel_map: tuple[str, ...] = ()  # NAME=URL
    virtual_packages: tuple[str, ...] = ()  # __cuda=12.4
    conda_exe: str = ""
    name_map: str = ""  # a TOML file
    exclude_newer: str = ""
    only_binary: bool = False
    prerelease: bool = False
    fill_in: bool = True
    keep_mlflow: bool = False
    strict_server: bool = False
    model_indexes: bool = True
    relax: tuple[str, ...] = ()  # names, or (AUTO,)
    upgrade: bool = False
    upgrade_packages: tuple[str, ...] = ()
    cache_dir: str = ""
    offline: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions:
    """Every choice of ``envbuild export``. Index addresses as in ``LockOptions``: never shown."""

    platforms: tuple[str, ...] = ()  # names; empty for all that the context has
    index_url: str = ""
    extra_index_urls: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()  # conda's, with what they want to know of us
    connections: int = 8
    split: int = 0  # bytes; 0 for one file
    diff: Path | None = None  # the older bundle: its folder, archive or SHA256SUMS
    model: Path | None = None  # --with-model
    builder: str = "local"  # local | docker
    builder_image: str = ""  # for docker; empty for the context's base image
    python_exe: str = ""  # for local
    build_constraints: tuple[Path, ...] = ()
    offline: bool = False
