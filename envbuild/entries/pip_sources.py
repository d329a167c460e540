"""Where a pip requirement comes from when it is no index: a repository, a web server, the model."""

from __future__ import annotations

import posixpath
import re
import sys
from dataclasses import dataclass
from urllib.parse import unquote

from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    NormalizedName,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)

from envbuild.entries.requirements import FileSource, UrlSource, VcsSource
from envbuild.errors import ModelError
from envbuild.model import Model
from envbuild.origins import Origin
from envbuild.reading.model_files import inner_name
from envbuild.redact import quote, redact, without_userinfo

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = [
    "EntryError",
    "NamedSource",
    "check_hash",
    "find_file",
    "find_source",
    "is_archive",
    "is_url",
]

_VCS = ("git", "hg", "svn", "bzr")
_TRANSPORTS = frozenset({"https", "http", "ssh", "git", "file", "svn", "lp", "static-http"})

_URL = r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+):"
_SCP = r"(?P<vcs>git|hg)\+(?P<user>[\w.-]+)@(?P<host>[\w.-]+):(?!//)"
_ARCHIVE = r"(?i).+\.(?:whl|zip|tar|tgz|tar\.(?:gz|bz2|xz))"
_ABSOLUTE = r"[/\\~]|[A-Za-z]:"
# What someone meant to be filled in: {ARTIFACT_PATH}, ${HOME}, {{ x }}, $HOME, %HOME%, <dir>.
_PLACEHOLDER = r"\$?\{+[^{}]*\}+|\$\w+|%\w+%|<[^<>]*>"
_TRAILING_EXTRAS = r"(?P<path>.+?)\[(?P<extras>[^\[\]]*)\]"
_EGG = r"(?P<name>[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?)(?:\[(?P<extras>[^\]]*)\])?(?:[=<>!~].*)?"
_HASH = r"sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128}"
_FRAGMENT_HASHES = ("sha256", "sha384", "sha512")


class EntryError(Exception):
    """An entry cannot be understood; becomes a line of a SpecError and never leaves this stage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedSource:
    """A source with what its address says of the package; ``raw_url`` may hold credentials."""

    source: VcsSource | UrlSource | FileSource
    name: NormalizedName | None = None
    extras: tuple[str, ...] = ()
    hashes: tuple[str, ...] = ()
    raw_url: str = ""
    remark: str = ""


def is_url(text: str) -> bool:
    """Whether ``text`` begins with a scheme; the letter of a Windows drive is none."""
    return bool(re.match(_URL, text))


def check_hash(text: str) -> str:
    """``text`` in lower case.

    Raises:
        EntryError: no ``sha256:…`` (or 384, 512) of the right length.
    """
    if not re.fullmatch(_HASH, text.lower()):
        raise EntryError(f"expected sha256:… of 64 hexadecimal digits, got {quote(text)}")
    return text.lower()


def is_archive(path: str) -> bool:
    """Whether pip takes the path for a wheel or source archive."""
    return bool(re.fullmatch(_ARCHIVE, path))


def find_source(address: str, *, origin: Origin, model: Model | None) -> NamedSource:
    """The source at a URL or path; a path is looked for in the model, and only there.

    Raises:
        EntryError: no such file, outside the model, or an address of no known kind.
    """
    address = re.sub(_SCP, r"\g<vcs>+ssh://\g<user>@\g<host>/", address, count=1)
    match = re.match(_URL, address)
    scheme = match["scheme"].lower() if match else ""
    address = scheme + address[len(scheme) :]
    vcs, _, transport = scheme.partition("+")
    if vcs in _VCS and (transport or vcs) in _TRANSPORTS:
        return _from_repository(address if transport else f"{vcs}+{address}", vcs)
    if scheme in {"http", "https"}:
        return _from_web(address)
    if scheme in {"", "file"}:
        return _from_model(address, origin, model)
    raise EntryError(f"expected a path, https: or a repository (git+https:), got {quote(address)}")


def find_file(path: str, *, origin: Origin, model: Model) -> str:
    """The path inside the model of what an entry of ``origin.file`` names; empty if not there.

    pip takes a path from the working directory, which is the model for MLflow, and an included
    file from the folder of the file that includes it: both are looked at.

    Raises:
        EntryError: the path leads out of the model.
    """
    problem: ModelError | None = None
    for folder in dict.fromkeys(("", posixpath.dirname(origin.file))):
        try:
            inner = inner_name(path, where="", folder=folder)
        except ModelError as error:
            problem = error
            continue
        if model.contains(inner):
            return inner
        problem = None
    if problem:
        raise EntryError(problem.problem) from problem
    return ""


def _from_repository(address: str, vcs: str) -> NamedSource:
    base, _, fragment = address.partition("#")
    said = _fragment(fragment)
    scheme, _, rest = base.removeprefix(f"{vcs}+").partition("://")
    host, slash, path = rest.partition("/")
    if "@" in path:
        path, _, ref = path.rpartition("@")
    else:
        ref = ""
    # Both reach the command line of git or hg, where a dash would make an option of them.
    if ref.startswith("-") or host.rpartition("@")[2].startswith("-"):
        raise EntryError(f"{quote(address)} has an option where a host or revision belongs")
    subdirectory = said.get("subdirectory", "")
    try:
        subdirectory = subdirectory and inner_name(subdirectory, where="")
    except ModelError as error:
        raise EntryError(error.problem) from error
    url = f"{scheme}://{host}{slash}{path}"
    shown = redact(without_userinfo(url))
    source = VcsSource(vcs=vcs, url=shown, ref=ref, subdirectory=subdirectory)
    name, extras = _egg(said.get("egg", ""))
    raw = str(VcsSource(vcs=vcs, url=url, ref=ref, subdirectory=subdirectory))
    return NamedSource(source=source, name=name, extras=extras, raw_url=raw)


def _from_web(address: str) -> NamedSource:
    base, _, fragment = address.partition("#")
    said = _fragment(fragment)
    name, extras = _egg(said.get("egg", ""))
    file = posixpath.basename(unquote(base.partition("?")[0]))
    subdirectory = said.get("subdirectory", "")
    raw = f"{base}#subdirectory={subdirectory}" if subdirectory else base
    return NamedSource(
        source=UrlSource(url=redact(without_userinfo(raw))),
        name=_name_in(file) or name,
        extras=extras,
        hashes=tuple(
            check_hash(f"{kind}:{said[kind]}") for kind in _FRAGMENT_HASHES if kind in said
        ),
        raw_url=raw,
    )


def _from_model(address: str, origin: Origin, model: Model | None) -> NamedSource:
    path, extras = _local_path(address)
    if model is None:
        raise EntryError(f"a file, {quote(path)}, has no place here")
    remark = ""
    if re.search(_PLACEHOLDER, path) or re.match(_ABSOLUTE, path):
        inner = _find_by_end(path, model)
        remark = f"{quote(address)} is taken from the model: {inner}"
    else:
        inner = find_file(path, origin=origin, model=model)
    if not inner:
        raise EntryError(f"{quote(path)} is not in the model")
    try:
        if is_archive(inner):
            model.locate(inner, where=str(origin))
            name = _name_in(posixpath.basename(inner))
        else:
            model.locate_folder(inner, where=str(origin))
            name = _name_of_project(inner, model)
    except ModelError as error:
        raise EntryError(error.problem) from error
    return NamedSource(source=FileSource(path=inner), name=name, extras=extras, remark=remark)


def _local_path(address: str) -> tuple[str, tuple[str, ...]]:
    """The path without ``file:`` and its slashes, and extras that stand behind it."""
    path = address
    if re.match(_URL, path):
        path = unquote(path.partition(":")[2].partition("#")[0])
        host = re.match(r"//(?P<host>[^/]*)", path)
        if host and host["host"] in {"", "localhost"}:
            path = path[host.end() :]
        path = path.removeprefix("//")
    extras: tuple[str, ...] = ()
    if match := re.fullmatch(_TRAILING_EXTRAS, path):
        path, extras = match["path"], _split_extras(match["extras"])
    return path.replace("\\", "/"), extras


def _find_by_end(path: str, model: Model) -> str:
    """The file of the model that a path of another machine, or one never filled in, ends with.

    The name of an archive says which package and version it is, so the same name is the same
    thing; a folder's says nothing.
    """
    parts = [part for part in path.split("/") if part]
    if parts and is_archive(parts[-1]):
        for at in range(len(parts)):
            if model.contains(end := "/".join(parts[at:])):
                return inner_name(end, where="")
    placeholder = re.search(_PLACEHOLDER, path)
    what = f"was never filled in ({placeholder[0]})" if placeholder else "is outside the model"
    raise EntryError(
        f"the path {quote(path)} {what}; expected a version (name==1.0) or a file in the model"
    )


def _name_in(file: str) -> NormalizedName | None:
    """The package in the file name of a wheel or sdist (PEP 427, PEP 625)."""
    try:
        if file.lower().endswith(".whl"):
            return parse_wheel_filename(file)[0]
        return parse_sdist_filename(file)[0]
    except InvalidWheelFilename as error:
        raise EntryError(f"{quote(file)} is not the name of a wheel (PEP 427)") from error
    except InvalidSdistFilename:
        return None


def _name_of_project(folder: str, model: Model) -> NormalizedName | None:
    """The static name in pyproject.toml, if there is one; nothing is executed to ask for it."""
    if not model.contains(f"{folder}/pyproject.toml"):
        if not model.contains(f"{folder}/setup.py"):
            problem = f"{quote(folder)} is no Python project: neither pyproject.toml nor setup.py"
            raise EntryError(problem)
        return None
    text = model.read_text(f"{folder}/pyproject.toml", where=folder)
    try:
        name = tomllib.loads(text).get("project", {}).get("name")
    except tomllib.TOMLDecodeError as error:
        raise EntryError(f"{folder}/pyproject.toml is broken: {error}") from error
    return canonicalize_name(name) if isinstance(name, str) else None


def _fragment(fragment: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in fragment.split("&"))
    return {key: unquote(value) for key, _, value in pairs if value}


def _egg(egg: str) -> tuple[NormalizedName | None, tuple[str, ...]]:
    """``egg=name[extra]``; older files have ``egg=name==1.0``."""
    match = re.fullmatch(_EGG, egg)
    if not match:
        return None, ()
    return canonicalize_name(match["name"]), _split_extras(match["extras"] or "")


def _split_extras(text: str) -> tuple[str, ...]:
    names = (canonicalize_name(part.strip()) for part in text.split(","))
    return tuple(sorted({name for name in names if name}))
