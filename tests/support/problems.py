"""Requirements, options and problems made by hand, for tests of what stands behind the merge."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from envbuild.ambient import Ambient
from envbuild.entries.requirements import IndexKind, IndexOption, PipRequirement
from envbuild.origins import Origin, Side
from envbuild.platforms import Target, parse_platform
from envbuild.resolve.interface import Problem, ResolverOptions

__all__ = ["ambient_of", "index_option", "problem", "requirement", "target"]


def target(python: str = "3.11.7", platform: str = "linux-64") -> Target:
    return Target(python=Version(python), platform=parse_platform(platform))


def requirement(text: str, *, side: Side = "model", position: str = "") -> PipRequirement:
    """``spam[extra]>=1; marker`` from an index, as an entry of conda.yaml or the server profile."""
    parsed = Requirement(text)
    files = {"model": "conda.yaml", "record": "MLmodel", "server": "azureml-online"}
    return PipRequirement(
        name=canonicalize_name(parsed.name),
        origin=Origin(side=side, file=files.get(side, "option"), position=position),
        text=text,
        extras=tuple(sorted(parsed.extras)),
        specifier=parsed.specifier,
        marker=parsed.marker,
    )


def index_option(kind: IndexKind, value: str = "", *, side: Side = "option") -> IndexOption:
    origins = {"model": Origin(side="model", file="conda.yaml", position="dependencies[1].pip[0]")}
    origin = origins.get(side, Origin(side=side, file=f"--{kind}"))
    return IndexOption(kind=kind, value=value, origin=origin)


def problem(
    requirements: Iterable[str | PipRequirement],
    *,
    index: str = "",
    python: str = "3.11.7",
    server: Iterable[str] = (),
    options: ResolverOptions | None = None,
    constraints: tuple[PipRequirement, ...] = (),
    overrides: tuple[PipRequirement, ...] = (),
    index_options: tuple[IndexOption, ...] = (),
    model_path: str = "",
    previous: str = "",
) -> Problem:
    """Model requirements numbered as in conda.yaml, then those of a server, on one index."""
    entries = [
        requirement(one, position=f"dependencies[2].pip[{position}]")
        if isinstance(one, str)
        else one
        for position, one in enumerate(requirements)
    ]
    entries += [requirement(one, side="server", position="requires[0]") for one in server]
    indexes = (index_option("index-url", index),) if index else ()
    return Problem(
        target=target(python),
        requirements=tuple(entries),
        constraints=constraints,
        overrides=overrides,
        index_options=(*indexes, *index_options),
        model_path=model_path,
        previous=previous,
        options=options or ResolverOptions(),
    )


def ambient_of(folder: Path, **environ: str) -> Ambient:
    """Surroundings whose home and uv cache lie below ``folder``, with no other variables."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    defaults = {
        "PATH": "/usr/bin:/bin",
        "UV_CACHE_DIR": str(folder / "uv-cache"),
        "UV_HTTP_RETRIES": "0",
    }
    return Ambient(environ=defaults | environ, home=home, cwd=folder)
