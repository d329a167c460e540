"""One entry of a pip section or requirements file, in every form that pip takes.

The rules are pip's own (``pip/_internal/req/req_file.py``, ``constructors.py``) and PEP 508. What
differs: files must lie inside the model, and ``${VAR}`` and credentials stay where they are.
"""

from __future__ import annotations

import functools
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

from packaging.markers import InvalidMarker, Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from envbuild.entries.pip_sources import (
    EntryError,
    check_hash,
    find_file,
    find_source,
    is_archive,
    is_url,
)
from envbuild.entries.requirements import (
    FileSource,
    IndexKind,
    IndexOption,
    PipRequirement,
    VcsSource,
)
from envbuild.model import Model
from envbuild.notices import Notice
from envbuild.origins import Origin
from envbuild.redact import quote

__all__ = ["Entry", "EntryError", "Include", "parse_entry"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Include:
    """``-r`` or ``-c``: another file of the model, as written."""

    path: str
    constraints: bool
    origin: Origin


Entry: TypeAlias = PipRequirement | IndexOption | Include | Notice

_INDEX_OPTIONS: dict[str, tuple[IndexKind, bool]] = {  # with a value or not
    "-i": ("index-url", True),
    "--index-url": ("index-url", True),
    "--pypi-url": ("index-url", True),
    "--extra-index-url": ("extra-index-url", True),
    "-f": ("find-links", True),
    "--find-links": ("find-links", True),
    "--trusted-host": ("trusted-host", True),
    "--no-index": ("no-index", False),
    "--pre": ("pre", False),
    "--no-binary": ("no-binary", True),
    "--only-binary": ("only-binary", True),
    "--prefer-binary": ("prefer-binary", False),
}
_INCLUDES = {"-r": False, "--requirement": False, "-c": True, "--constraint": True}
_EDITABLE = ("-e", "--editable")
_IGNORED = {
    "--require-hashes": False,
    "--use-feature": True,
    "--global-option": True,
    "--install-option": True,
    "--config-settings": True,
    "--config-setting": True,
    "-C": True,
}
_TAKES_VALUE = frozenset(
    {"--hash", *_EDITABLE, *_INCLUDES}
    | {name for name, (_, value) in _INDEX_OPTIONS.items() if value}
    | {name for name, value in _IGNORED.items() if value}
)
_KNOWN = _TAKES_VALUE | _INDEX_OPTIONS.keys() | _IGNORED.keys()

# PEP 508's "name @ URL", told from "git+git@host:path" by what a name may hold.
_NAME_AT_URL = r"(?P<name>[A-Za-z0-9][\w.-]*\s*(?:\[[^\]]*\])?)\s*@\s*(?P<address>\S.*)"
_WEB = r"(?i)https?://\S+"
_MAX_LENGTH = 4_000  # without the hashes
_EXAMPLE = "expected a requirement such as numpy==1.26.4"


def parse_entry(text: str, *, origin: Origin, model: Model | None = None) -> tuple[Entry, ...]:
    """What one logical line says: a requirement, options, included files, remarks.

    Without a ``model`` there are no local files.

    Raises:
        EntryError: it cannot be understood.
    """
    words, options = _split_options(text)
    if len(words) > _MAX_LENGTH:
        raise EntryError(f"longer than {_MAX_LENGTH:,} characters")
    found: list[Entry] = []
    hashes: list[str] = []
    editable = ""
    for name, value in options:
        if name == "--hash":
            hashes.append(check_hash(value))
        elif name in _EDITABLE:
            editable = value
        elif name in _INCLUDES:
            found.append(Include(path=value, constraints=_INCLUDES[name], origin=origin))
        elif name in _INDEX_OPTIONS:
            kind, _ = _INDEX_OPTIONS[name]
            found.append(_index_option(kind, value, origin, model))
        else:
            found.append(_ignored(f"the option {name}", origin))
    if not words and not editable:
        return tuple(found)
    requirement, remark = _requirement(words or editable, text, origin, model, editable=not words)
    if remark:
        found.append(Notice(code="file-taken", message=remark, where=str(origin), level="note"))
    if known := {*requirement.hashes, *hashes}:
        requirement = replace(requirement, hashes=tuple(sorted(known)))
    return (requirement, *found)


def _split_options(text: str) -> tuple[str, list[tuple[str, str]]]:
    """The requirement before the first word that begins with a dash, and the options from there."""
    words = text.split(" ")
    count = next((at for at, word in enumerate(words) if word.startswith("-")), len(words))
    if count == len(words):
        return text.strip(), []
    try:
        tokens = shlex.split(" ".join(words[count:]))
    except ValueError as error:
        raise EntryError("expected quotes in pairs") from error
    return " ".join(words[:count]).strip(), list(_options(tokens))


def _options(tokens: list[str]) -> Iterator[tuple[str, str]]:
    rest = iter(tokens)
    for token in rest:
        name, separator, value = token.partition("=")
        if not token.startswith("--") and token[:2] in _KNOWN and len(token) > 2:
            name, separator, value = token[:2], "=", token[2:].removeprefix("=")
        if name not in _KNOWN:
            if token.startswith("-"):
                raise EntryError(f"the option {quote(name)} has no place in a list of requirements")
            raise EntryError(f"expected an option instead of {quote(token)}")
        if name not in _TAKES_VALUE:
            if separator:
                raise EntryError(f"the option {name} takes no value")
            yield name, ""
            continue
        value = value if separator else next(rest, "")
        if not value.strip():
            raise EntryError(f"the option {name} needs a value")
        yield name, value.strip()


def _index_option(
    kind: IndexKind, value: str, origin: Origin, model: Model | None
) -> IndexOption | Notice:
    if kind in {"index-url", "extra-index-url"} and not _is_remote(value):
        raise EntryError(f"expected the http(s) address of an index, got {quote(value)}")
    if kind == "find-links" and not _is_remote(value):
        try:
            inner = find_file(value, origin=origin, model=model) if model else ""
        except EntryError:
            inner = ""  # as pip, which goes on without a folder that it does not find
        if not inner:
            return _ignored(f"the folder {quote(value)}, which is not in the model,", origin)
        value = inner
    return IndexOption(kind=kind, value=value, origin=origin)


def _is_remote(value: str) -> bool:
    return bool(re.fullmatch(_WEB, value)) or value.startswith("${")


def _requirement(
    words: str, text: str, origin: Origin, model: Model | None, *, editable: bool = False
) -> tuple[PipRequirement, str]:
    """The requirement, and what there is to remark about it."""
    if named := re.fullmatch(_NAME_AT_URL, words):
        name, address = _pep508(named["name"]), named["address"]
    elif editable or is_url(words) or _looks_like_path(words):
        name, address = None, words
    else:
        parsed = _pep508(words)
        return _from_index(parsed, text, origin), ""
    address, marker = _split_marker(address)
    found = find_source(address, origin=origin, model=model)
    said = canonicalize_name(name.name) if name else None
    if said and found.name and said != found.name:
        raise EntryError(f"expected {said}, but the address is that of {found.name}")
    requirement = PipRequirement(
        name=said or found.name,
        origin=origin,
        text=text,
        extras=_extras(name) if name else found.extras,
        marker=marker,
        source=found.source,
        hashes=found.hashes,
        raw_url=found.raw_url,
    )
    return (_as_editable(requirement) if editable else requirement), found.remark


def _from_index(parsed: Requirement, text: str, origin: Origin) -> PipRequirement:
    return PipRequirement(
        name=canonicalize_name(parsed.name),
        origin=origin,
        text=text,
        extras=_extras(parsed),
        specifier=parsed.specifier,
        marker=parsed.marker,
    )


def _as_editable(requirement: PipRequirement) -> PipRequirement:
    """Only a folder of the model can be editable; from a repository it is a plain install."""
    source = requirement.source
    if isinstance(source, FileSource) and not is_archive(source.path):
        return replace(requirement, source=replace(source, editable=True))
    if isinstance(source, VcsSource):
        return requirement
    raise EntryError("expected a project folder or a repository after -e")


def _looks_like_path(words: str) -> bool:
    head = words.partition(";")[0].partition("[")[0].strip()
    return "/" in head or "\\" in head or head.startswith(".") or is_archive(head)


def _split_marker(address: str) -> tuple[str, Marker | None]:
    """PEP 508 wants a space before the semicolon, so that it is no part of the URL; pip does not
    insist. What stands behind the last one is a marker if it can be.
    """
    head, semicolon, tail = address.rpartition(";")
    if not semicolon:
        return address, None
    try:
        return head.strip(), Marker(tail)
    except (InvalidMarker, RecursionError):
        return address, None


def _extras(parsed: Requirement) -> tuple[str, ...]:
    return tuple(sorted({canonicalize_name(extra) for extra in parsed.extras}))


# The files of a model repeat each other, and models do: what is equal is parsed once.
@functools.lru_cache(maxsize=4096)
def _pep508(words: str) -> Requirement:
    try:
        return Requirement(words)
    except RecursionError as error:
        raise EntryError("a marker that is nested too deep") from error
    except InvalidRequirement as error:
        if re.fullmatch(r"[\w.-]+(?:\[.*\])?\s*=\s*[\w.*+!-]+", words):
            raise EntryError(f"{_EXAMPLE}: a single = is conda's, pip needs ==") from error
        if re.fullmatch(r"[\w.-]+(?:\s+[\w.-]+)+", words):
            raise EntryError(f"{_EXAMPLE}, one in an entry") from error
        problem = str(error).splitlines()[0]
        raise EntryError(f"{_EXAMPLE}: {problem[:1].lower()}{problem[1:]}") from error


def _ignored(what: str, origin: Origin) -> Notice:
    return Notice(code="entry-ignored", message=f"{what} is left out", where=str(origin))
