"""``[tool.envbuild]`` of a lock file: what it is for, from what it was made, what lies beside it.

It stands before the packages, so that a question about a lock can be answered from its first few
kilobytes. The keys are described in ``docs/reference/files.md``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from packaging.version import InvalidVersion, Version

from envbuild.endpoints import Probes
from envbuild.errors import LockFileError, UsageError
from envbuild.fs import sha256_bytes
from envbuild.locking.inputs import OptionValue
from envbuild.merging.changes import Change
from envbuild.platforms import Target, parse_platform

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = [
    "CONDA_LOCK",
    "SCHEMA",
    "DirectRequirement",
    "Header",
    "Serving",
    "content_digest",
    "find_locks",
    "lock_name",
    "parse_header",
    "split_lock",
]

SCHEMA = 1
CONDA_LOCK = "conda-lock.yml"
"""The conda part of every platform, beside the lock files of the pip part."""

_PACKAGES = "[[packages]]\n"
_AGAIN = "envbuild lock again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """How the server of a context is started and asked: its profile, made independent of files."""

    kind: str = "none"  # online | batch | none
    script: str = ""  # the scoring script in the context; empty for none
    command: tuple[str, ...] = ()
    port: int | None = None
    probes: Probes | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectRequirement:
    """A requirement that somebody asked for: ``side`` as in ``Origin``, ``origin`` the file."""

    name: str
    requirement: str
    side: str
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The whole table. Digests are sha256 in hex; ``files`` are the other files of the context."""

    version: str  # of envbuild
    model: str
    server: str
    runtime: str
    target: Target
    platforms: tuple[str, ...]  # all that the context has a lock for
    resolver: str
    base_image: str
    input_digest: str
    inputs: tuple[str, ...]
    content_digest: str = ""  # of the packages' text, see ``content_digest``
    to_build: tuple[str, ...] = ()
    requirements: tuple[DirectRequirement, ...] = ()
    changes: tuple[Change, ...] = ()
    options: Mapping[str, OptionValue] = field(default_factory=dict)
    serving: Serving = field(default_factory=Serving)
    files: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The table as it is written, in the order in which people read it."""
        glibc = {"glibc": "{}.{}".format(*self.target.glibc)}
        relaxed = [change.name for change in self.changes if change.kind == "relaxed"]
        return {
            "schema": SCHEMA,
            "version": self.version,
            "model": self.model,
            "server": self.server,
            "runtime": self.runtime,
            "python": str(self.target.python),
            "platform": self.target.platform.name,
            **(glibc if self.target.platform.system == "Linux" else {}),
            "platforms": list(self.platforms),
            "resolver": self.resolver,
            "base-image": self.base_image,
            "input-digest": f"sha256:{self.input_digest}",
            "content-digest": f"sha256:{self.content_digest}",
            "to-build": list(self.to_build),
            **({"relaxed": relaxed} if relaxed else {}),
            "inputs": list(self.inputs),
            "requirements": [asdict(entry) for entry in self.requirements],
            "changes": [asdict(change) for change in self.changes],
            "options": {key: _listed(value) for key, value in self.options.items()},
            "serving": _serving_dict(self.serving),
            "files": {name: f"sha256:{digest}" for name, digest in self.files.items()},
        }


def lock_name(platform: str, platforms: Iterable[str]) -> str:
    """The name of a platform's lock file: ``pylock.toml``, or one for each when there are several.

    PEP 751 allows no dot within the middle part.
    """
    return f"pylock.{platform}.toml" if len(tuple(platforms)) > 1 else "pylock.toml"


def find_locks(directory: Path) -> tuple[Path, ...]:
    """The lock files of a directory, sorted.

    Raises:
        LockFileError: there are none.
    """
    found = sorted(path for path in directory.glob("pylock*.toml") if path.is_file())
    if not found:
        problem = "no pylock.toml in it" if directory.is_dir() else "there is no such folder"
        raise LockFileError(
            f"not a context: {problem}", where=str(directory), remedy="envbuild lock MODEL -o DIR"
        )
    return tuple(found)


def split_lock(text: str) -> tuple[str, str]:
    """A lock file as what stands before its packages, and the packages."""
    start = text.find(f"\n{_PACKAGES}") + 1
    return (text[:start], text[start:]) if start else (text, "")


def content_digest(packages: str) -> str:
    """The sha256 (hex) of the packages' text."""
    return sha256_bytes(packages.encode())


def parse_header(text: str, *, where: str) -> Header:
    """The header of a lock file; ``where`` names the file in messages.

    Raises:
        LockFileError: not TOML, not written by envbuild, or of another schema.
    """
    head, _ = split_lock(text)
    try:
        document = tomllib.loads(head)
    except tomllib.TOMLDecodeError as error:
        raise LockFileError(f"not TOML: {error}", where=where, remedy=_AGAIN) from error
    table = document.get("tool", {}).get("envbuild")
    if not isinstance(table, dict):
        raise LockFileError("not written by envbuild: it has no [tool.envbuild]", where=where)
    reader = _Reader(table, where)
    if (schema := reader.number("schema")) != SCHEMA:
        raise LockFileError(
            f"its schema is {schema}, and this envbuild reads {SCHEMA}",
            where=where,
            remedy="a newer envbuild, or envbuild lock again",
        )
    return _header(reader)


def _header(table: _Reader) -> Header:
    return Header(
        version=table.text("version"),
        model=table.text("model"),
        server=table.text("server"),
        runtime=table.text("runtime"),
        target=_target(table),
        platforms=table.texts("platforms"),
        resolver=table.text("resolver"),
        base_image=table.text("base-image"),
        input_digest=table.digest("input-digest"),
        inputs=table.texts("inputs"),
        content_digest=table.digest("content-digest"),
        to_build=table.texts("to-build"),
        requirements=tuple(
            DirectRequirement(
                name=row.text("name"),
                requirement=row.text("requirement"),
                side=row.text("side"),
                origin=row.text("origin"),
            )
            for row in table.tables("requirements")
        ),
        changes=tuple(
            Change(
                kind=row.text("kind"),
                name=row.text("name"),
                before=row.text("before"),
                after=row.text("after"),
                reason=row.text("reason"),
                origin=row.text("origin"),
            )
            for row in table.tables("changes")
        ),
        options=table.table("options").option_values(),
        serving=_serving(table.table("serving")),
        files=table.table("files").digests(),
    )


def _target(table: _Reader) -> Target:
    try:
        target = Target(
            python=Version(table.text("python")), platform=parse_platform(table.text("platform"))
        )
        if target.platform.system != "Linux":
            return target
        major, minor = table.text("glibc").split(".")
        return Target(
            python=target.python, platform=target.platform, glibc=(int(major), int(minor))
        )
    except (InvalidVersion, UsageError, ValueError) as error:
        raise table.broken("python", f"names no target: {error}") from error


def _serving(table: _Reader) -> Serving:
    probes = None
    if "liveness" in table.values:
        probes = Probes(
            liveness=table.text("liveness"),
            readiness=table.text("readiness"),
            scoring=table.text("scoring"),
        )
    return Serving(
        kind=table.text("kind"),
        script=table.text("script") if "script" in table.values else "",
        command=table.texts("command"),
        port=table.number("port") if "port" in table.values else None,
        probes=probes,
        environment=table.table("environment").text_values(),
    )


def _serving_dict(serving: Serving) -> dict[str, Any]:
    probes = serving.probes
    return {
        "kind": serving.kind,
        **({"script": serving.script} if serving.script else {}),
        "command": list(serving.command),
        **({"port": serving.port} if serving.port is not None else {}),
        **({"liveness": probes.liveness} if probes else {}),
        **({"readiness": probes.readiness} if probes else {}),
        **({"scoring": probes.scoring} if probes else {}),
        "environment": dict(sorted(serving.environment.items())),
    }


def _listed(value: OptionValue) -> bool | str | list[str]:
    return list(value) if isinstance(value, tuple) else value


@dataclass(frozen=True, slots=True)
class _Reader:
    """A TOML table whose values have the types that the schema gives them."""

    values: Mapping[str, Any]
    where: str
    path: str = "tool.envbuild"

    def broken(self, key: str, problem: str) -> LockFileError:
        return LockFileError(f"{self.path}.{key} {problem}", where=self.where, remedy=_AGAIN)

    def text(self, key: str) -> str:
        value: str = _typed(self, key, str, "a string")
        return value

    def number(self, key: str) -> int:
        value: int = _typed(self, key, int, "a number")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        values: list[Any] = _typed(self, key, list, "a list of strings")
        if not all(isinstance(value, str) for value in values):
            raise self.broken(key, "is not a list of strings")
        return tuple(values)

    def digest(self, key: str) -> str:
        algorithm, _, value = self.text(key).partition(":")
        if algorithm != "sha256" or len(value) != 64:
            raise self.broken(key, "is not a sha256")
        return value

    def table(self, key: str) -> _Reader:
        return _Reader(_typed(self, key, dict, "a table"), self.where, f"{self.path}.{key}")

    def tables(self, key: str) -> tuple[_Reader, ...]:
        rows: list[Any] = _typed(self, key, list, "a list of tables")
        if not all(isinstance(row, dict) for row in rows):
            raise self.broken(key, "is not a list of tables")
        return tuple(
            _Reader(row, self.where, f"{self.path}.{key}[{position}]")
            for position, row in enumerate(rows)
        )

    def text_values(self) -> dict[str, str]:
        return {key: self.text(key) for key in self.values}

    def digests(self) -> dict[str, str]:
        return {key: self.digest(key) for key in self.values}

    def option_values(self) -> dict[str, OptionValue]:
        return {
            key: value if isinstance(value, bool | str) else self.texts(key)
            for key, value in self.values.items()
        }


def _typed(table: _Reader, key: str, kind: type[Any], called: str) -> Any:  # noqa: ANN401
    value = table.values.get(key)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        problem = f"is not {called}" if key in table.values else "is missing"
        raise table.broken(key, problem)
    return value
