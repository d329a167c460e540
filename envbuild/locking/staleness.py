"""Whether a context still fits its model: from digests alone, with no network and no solving."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from envbuild import __version__
from envbuild.ambient import Ambient
from envbuild.endpoints import BUILT_IN
from envbuild.errors import LockFileError, ProfileError, UsageError
from envbuild.fs import sha256_file
from envbuild.locking.header import (
    Header,
    content_digest,
    find_locks,
    lock_name,
    parse_header,
    split_lock,
)
from envbuild.locking.inputs import (
    compare_inputs,
    describe_request,
    describe_server,
    digest_inputs,
    restore_options,
)
from envbuild.model import Model
from envbuild.options import LockOptions
from envbuild.spec import PipRequirement, parse_environment, parse_requirements

if TYPE_CHECKING:
    from envbuild.merging.name_map import NameMap

__all__ = ["CheckResult", "check"]

# Files that say what is installed. The others are renderings that people do adapt.
_LOCK_FILES = ("conda-", "requirements", "files/", "tools/")


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """``differences`` make a lock stale, ``notes`` do not; both are whole lines for people."""

    fresh: bool
    differences: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def check(
    model: Model,
    directory: str | Path,
    *,
    options: LockOptions | None = None,
    ambient: Ambient | None = None,
) -> CheckResult:
    """Compare the context in ``directory`` with what ``model`` and ``options`` ask for now.

    The options count that the lock was made with; where ``options`` differ from the defaults, they
    count instead. Fresh means that nothing that the
    lock depends on has changed and that its lock files are as they were written.

    Raises:
        LockFileError: there is no context, or its lock files cannot be read.
        ModelError, SpecError: the model cannot be read any more.
    """
    path = Path(directory)
    texts = {file.name: _read(file) for file in find_locks(path)}
    headers = {name: parse_header(text, where=str(path / name)) for name, text in texts.items()}
    first = next(iter(headers.values()))
    cwd = (ambient or Ambient.of_process()).cwd
    differences = [
        *_lock_problems(texts, headers),
        *_input_changes(model, first, _asked(first, options), cwd),
    ]
    notes: list[str] = []
    for name, problem in _file_problems(path, first.files):
        found = differences if name.startswith(_LOCK_FILES) else notes
        found.append(f"{name}: {problem}")
    return CheckResult(
        fresh=not differences, differences=tuple(dict.fromkeys(differences)), notes=tuple(notes)
    )


def _asked(header: Header, options: LockOptions | None) -> LockOptions:
    recorded, usual = restore_options(header.options), LockOptions()
    if options is None:
        return recorded
    names = (field.name for field in fields(LockOptions))
    given = {name: getattr(options, name) for name in names}
    return replace(
        recorded,
        **{name: value for name, value in given.items() if value != getattr(usual, name)},
    )


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise LockFileError(f"cannot be read: {error}", where=str(file)) from error


def _lock_problems(texts: Mapping[str, str], headers: Mapping[str, Header]) -> Iterator[str]:
    for name, header in headers.items():
        if content_digest(split_lock(texts[name])[1]) != header.content_digest:
            yield f"{name}: its packages were edited by hand"
        if digest_inputs(header.inputs) != header.input_digest:
            yield f"{name}: its inputs were edited by hand"
    first = next(iter(headers.values()))
    expected = {lock_name(platform, first.platforms) for platform in first.platforms}
    yield from (f"{name}: missing" for name in sorted(expected - set(headers)))
    for name, header in headers.items():
        if name not in expected or header.input_digest != first.input_digest:
            yield f"{name}: from another lock than {next(iter(headers))}"


def _input_changes(
    model: Model, header: Header, options: LockOptions, cwd: Path
) -> tuple[str, ...]:
    try:
        server = _server_lines(header, options)
    except ProfileError as error:
        return (f"option: server {options.server}: {error.problem}",)
    unreadable: list[str] = []
    constraints: list[PipRequirement] = []
    for name in options.constraint_files:
        try:
            text = (cwd / name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            unreadable.append(f"{name}: cannot be read, and the lock depends on it")
        else:
            constraints += parse_requirements(text, file=name, side="option")
    names: NameMap | None = None
    if options.name_map:
        from envbuild.merging.name_map import load_name_map

        try:
            text = (cwd / options.name_map).read_text(encoding="utf-8")
            names = load_name_map().with_overrides(text, where=options.name_map)
        except (OSError, UnicodeDecodeError, UsageError):
            unreadable.append(f"{options.name_map}: cannot be read, and the lock depends on it")
    now = describe_request(
        model, parse_environment(model), options, constraints=constraints, names=names
    )
    return (*unreadable, *compare_inputs(header.inputs, now | server))


def _server_lines(header: Header, options: LockOptions) -> frozenset[str]:
    """What the profile says now, without reading it again where it cannot have changed."""
    if options.server == header.server in BUILT_IN and header.version == __version__:
        recorded = (line for line in header.inputs if line.startswith(f"{header.server}: "))
        return frozenset(recorded)
    from envbuild.server import load_profile

    return describe_server(load_profile(options.server))


def _file_problems(path: Path, files: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, digest in files.items():
        file = path / name
        if not file.is_file():
            yield name, "missing"
        elif sha256_file(file) != digest:
            yield name, "edited by hand"
