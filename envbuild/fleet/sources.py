"""Which models a fleet has: those below a folder, or those that a list names."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from envbuild.ambient import Ambient
from envbuild.errors import ModelError
from envbuild.redact import redact

__all__ = [
    "Source",
    "chunks",
    "distinct",
    "find_folders",
    "find_models",
    "gather",
    "list_models",
    "parse_list",
]

_MODEL = "MLmodel"
_CHUNK = 16
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
_Wanted = Callable[[frozenset[str]], bool]  # by the names of a folder's files


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A model of a fleet, not read yet.

    ``address`` is a path or URI and may hold credentials; ``name`` is the posix path of its context
    below the folder that the fleet is written to. ``problem`` says why what lies there cannot even
    be looked at.
    """

    address: str = field(repr=False)
    name: str
    problem: str = ""

    @property
    def shown(self) -> str:
        """The address without credentials."""
        return redact(self.address)


def find_models(folder: Path, *, leave_out: Path | None = None) -> tuple[Source, ...]:
    """The models below ``folder``, each once however many links lead to it, sorted by name.

    A folder that cannot be listed is a source with a ``problem``: it may hold models. Folders that
    begin with a dot are left out, as is ``leave_out``, where the contexts go.

    Raises:
        ModelError: ``folder`` itself cannot be listed.
    """
    return find_folders(folder, _is_model, leave_out=leave_out)


def find_folders(
    folder: Path, wanted: _Wanted, *, leave_out: Path | None = None
) -> tuple[Source, ...]:
    """As ``find_models``, for the folders of which ``wanted`` says so by the names in them."""
    try:
        os.scandir(folder).close()
    except OSError as error:
        raise ModelError(
            f"cannot be searched for models: {error.strerror or error}", where=str(folder)
        ) from error
    walk = _Walk(root=folder, wanted=wanted)
    if leave_out is not None:
        walk.leave_out(leave_out)
    return tuple(sorted(walk.sources(), key=lambda source: source.name))


def list_models(addresses: Iterable[str], *, base: Path) -> tuple[Source, ...]:
    """The models at ``addresses`` (paths relative to ``base``, or URIs), each once.

    A name is the last part of a path (``wine``), or the model and version of a URI (``wine-3``).
    """
    return tuple(_place(address, base) for address in dict.fromkeys(addresses))


def distinct(sources: Iterable[Source]) -> tuple[Source, ...]:
    """Each address once, sorted by name, and no two of one name.

    Where several would have the same, each gets a part of the digest of its address behind it, so
    that a name does not depend on the order in which they come.
    """
    places = {source.address: source for source in reversed(tuple(sources))}
    counts = Counter(source.name for source in places.values())
    named = (
        source
        if counts[source.name] == 1
        else replace(source, name=f"{source.name}-{_digest(source.address)}")
        for source in places.values()
    )
    return tuple(sorted(named, key=lambda source: source.name))


def chunks(sources: Iterable[Source]) -> Iterator[tuple[Source, ...]]:
    """As many at a time as are read in one task."""
    every = iter(sources)
    while chunk := tuple(islice(every, _CHUNK)):
        yield chunk


def gather(arguments: Iterable[str], *, ambient: Ambient, output: Path) -> tuple[Source, ...]:
    """The models that the arguments of ``envbuild fleet`` name.

    A folder is searched, unless it is a model itself; a file is a list, with paths relative to
    where it lies, or, in a pipe, to the working directory; ``models:/`` is every registered model,
    and any other URI one model.

    Raises:
        ModelError: an argument cannot be read, or a folder has no model.
        MissingExtraError, IndexUnavailableError: see ``registered_models``.
    """
    found: list[Source] = []
    for argument in arguments:
        path = ambient.cwd / argument
        if _URI.match(argument):
            found += list_models(_behind(argument), base=ambient.cwd)
        elif path.is_dir() and not (path / _MODEL).exists():
            found += _in_folder(path, ambient.cwd / output, shown=argument)
        elif path.is_file() and path.name != _MODEL:
            found += _listed(path, base=path.parent)
        elif path.is_fifo():  # <(find ...) of a shell
            found += _listed(path, base=ambient.cwd)
        else:
            found += list_models([argument], base=ambient.cwd)
    return distinct(found)


def _in_folder(folder: Path, output: Path, *, shown: str) -> tuple[Source, ...]:
    found = find_models(folder, leave_out=output)
    if not found:
        raise ModelError("no model in it, at any depth", where=shown, remedy="another folder")
    return found


def parse_list(data: bytes, *, where: str) -> tuple[str, ...]:
    """The addresses in a list: one a line; empty lines and those that begin with # do not count.

    Raises:
        ModelError: it is not text.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ModelError("not a list of models: it is not UTF-8 text", where=where) from error
    lines = (line.strip() for line in text.splitlines())
    return tuple(line for line in lines if line and not line.startswith("#"))


def _listed(path: Path, *, base: Path) -> tuple[Source, ...]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"cannot read: {error.strerror or error}", where=str(path)) from error
    return list_models(parse_list(data, where=str(path)), base=base)


def _behind(uri: str) -> Iterable[str]:
    if not re.fullmatch(r"models:/*", uri):
        return (uri,)
    from envbuild.fetch.registry import registered_models

    return registered_models()


@dataclass(slots=True, kw_only=True)
class _Walk:
    """Looks into each folder once. Links are followed last, so that a folder keeps its own name."""

    root: Path
    wanted: _Wanted
    seen: set[tuple[int, int]] = field(default_factory=set)
    links: list[str] = field(default_factory=list)

    def leave_out(self, folder: Path) -> None:
        """Do not look into ``folder``, if there is one."""
        with suppress(OSError):
            self._is_new(folder)

    def sources(self) -> Iterator[Source]:
        """What is found; the order is that of the file system."""
        yield from self._below("")
        while self.links:
            yield from self._below(self.links.pop())

    def _below(self, start: str) -> Iterator[Source]:
        folders = [start]
        while folders:
            name = folders.pop()
            try:
                entries = self._entries(name)
            except FileNotFoundError:
                continue  # it has gone since its parent was listed
            except OSError as error:
                problem = f"cannot be searched for models: {error.strerror or error}"
                yield self._source(name, problem)
                continue
            if entries is None:
                continue
            if self.wanted(frozenset(entry.name for entry in entries if not _is_folder(entry))):
                yield self._source(name)
                continue
            below = [entry for entry in entries if _is_searched(entry)]
            folders += [_joined(name, entry.name) for entry in below if not entry.is_symlink()]
            # Taken from the end: the first by name comes first.
            linked = [_joined(name, entry.name) for entry in below if entry.is_symlink()]
            self.links = sorted([*self.links, *linked], reverse=True)

    def _entries(self, name: str) -> list[os.DirEntry[str]] | None:
        """What is in a folder, or None if it was looked into before."""
        path = self.root / name
        if not self._is_new(path):
            return None
        with os.scandir(path) as entries:
            return list(entries)

    def _is_new(self, path: Path) -> bool:
        status = path.stat()
        identity = (status.st_dev, status.st_ino)
        if identity in self.seen:
            return False
        self.seen.add(identity)
        return True

    def _source(self, name: str, problem: str = "") -> Source:
        path = self.root / name
        called = "/".join(map(_called, name.split("/"))) if name else _plain(path.resolve().name)
        return Source(address=str(path), name=called, problem=problem)


def _joined(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _is_model(files: frozenset[str]) -> bool:
    return _MODEL in files


def _is_searched(entry: os.DirEntry[str]) -> bool:
    return not entry.name.startswith(".") and _is_folder(entry)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False  # a link to itself, or an entry that has gone


def _place(address: str, base: Path) -> Source:
    if _URI.match(address):
        parts = [part for part in re.split(r"[/:@?#]+", redact(address)) if part]
        name = "-".join(parts[1:]) if parts[0] in {"models", "runs"} else parts[-1]
        return Source(address=address, name=_plain(name))
    path = Path(os.path.normpath(base / address))
    folder = path.parent if path.name == _MODEL else path
    return Source(address=str(folder), name=_plain(folder.name))


def _called(folder: str) -> str:
    """The name of a folder, unless it holds what cannot stand in a list or is no text."""
    return folder if folder.isprintable() else f"{_plain(folder)}-{_digest(folder)}"


def _plain(name: str) -> str:
    """As ``Model.name`` is made of the name of a folder."""
    return re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-._") or "model"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:8]
