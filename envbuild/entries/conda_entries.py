"""Conda's MatchSpecs, in every spelling that a conda.yaml has, and what they mean for Python.

The grammar is that of ``conda/models/match_spec.py`` and ``version.py``: ``=1.2`` means any 1.2,
``1.2`` after a space means exactly that, as ``=1.2=build`` does, and ``|`` binds looser than ``,``.
"""

from __future__ import annotations

import re

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from envbuild.entries.pip_sources import EntryError, is_archive
from envbuild.entries.requirements import CondaRequirement
from envbuild.origins import Origin
from envbuild.redact import quote, redact

__all__ = ["parse_match_spec", "python_specifier"]

_EXAMPLE = "expected a conda package such as numpy=1.26 or conda-forge::numpy>=1.26,<2"
# Patterns are text, so that only those in use are compiled: most files need few of them.
_SPEC = r"(?s)(?:(?P<channel>\S+?)::)?(?P<name>[A-Za-z0-9_][\w.-]*)(?P<rest>(?:[\s=<>!~].*)?)"
_BRACKETS = r"(?P<head>[^\[\]]+)\[(?P<inner>[^\[\]]*)\]\s*"
_FIELD = (
    r"\s*(?P<key>\w+)\s*=\s*"
    r"(?:'(?P<single>[^']*)'|\"(?P<double>[^\"]*)\"|(?P<bare>[^,'\"\s]+))\s*(?:,|$)"
)
_SUBDIR = r"noarch|(?:linux|osx|win|emscripten|wasi|zos|freebsd)-[\w]+"
_ATOM = r"(?P<operator>==|!=|<=|>=|~=|=|<|>|)(?P<version>[\w.!+*-]+)"
_MAX_LENGTH = 1_000
_PACKAGE_FILE = r".+\.(?:conda|tar\.bz2)"

# Enough Pythons to tell what alternatives amount to; which exist is for a later stage.
_MINORS = range(40)
_MICROS = (0, 1, 5, 10, 20, 40)


def parse_match_spec(text: str, *, origin: Origin) -> CondaRequirement:
    """The package, version and build that a conda dependency asks for.

    Raises:
        EntryError: it is no MatchSpec, or one of a kind that cannot be locked.
    """
    if len(text) > _MAX_LENGTH:
        raise EntryError(f"longer than {_MAX_LENGTH} characters")
    spec = re.sub(r"\s#.*$", "", text).strip()
    package = spec.rpartition("::")[2]
    if "://" in package or is_archive(package) or re.fullmatch(_PACKAGE_FILE, package):
        raise EntryError(f"{_EXAMPLE}; a file or address belongs into the pip section")
    fields: dict[str, str] = {}
    if match := re.fullmatch(_BRACKETS, spec):
        spec, fields = match["head"].strip(), _fields(match["inner"])
    parts = re.fullmatch(_SPEC, spec)
    if not parts:
        raise EntryError(_EXAMPLE)
    version, build = _split_build(parts["rest"])
    version = _canonical(version, has_build=bool(build))
    if "version" in fields:  # where "=1.2" means the same with a build and without
        version = _canonical(fields["version"], has_build=False)
    channel, subdir = _split_subdir(fields.get("channel", parts["channel"] or ""))
    return CondaRequirement(
        name=parts["name"].lower(),
        origin=origin,
        text=redact(text),
        channel=channel,
        version=version,
        build=fields.get("build", build),
        subdir=fields.get("subdir", subdir),
    )


def python_specifier(requirement: CondaRequirement) -> SpecifierSet:
    """What ``python=3.9`` and the like mean in PEP 440: here ``==3.9.*``.

    Raises:
        EntryError: no specifier means the same.
    """
    alternatives = [
        SpecifierSet(",".join(filter(None, map(_pep440, part.split(",")))))
        for part in requirement.version.split("|")
    ]
    if len(alternatives) == 1:
        return alternatives[0]
    return _union(alternatives)


def _fields(inner: str) -> dict[str, str]:
    """The ``key='value'`` pairs of the bracket notation."""
    found: dict[str, str] = {}
    field = re.compile(_FIELD)
    position = 0
    while position < len(inner):
        match = field.match(inner, position)
        if not match:
            raise EntryError(f"{_EXAMPLE}; expected key='value' in brackets, extras are pip's")
        if match["key"] not in {"version", "build", "channel", "subdir"}:
            raise EntryError(f"{quote(match['key'])} of a MatchSpec is not supported")
        found[match["key"]] = match["single"] or match["double"] or match["bare"] or ""
        position = match.end()
    return found


def _split_subdir(channel: str) -> tuple[str, str]:
    head, slash, tail = channel.rpartition("/")
    if slash and re.fullmatch(_SUBDIR, tail):
        return head, tail
    return channel, ""


def _split_build(rest: str) -> tuple[str, str]:
    """Version and build of ``=1.2=py38_0``, ``1.2 py38_0``, ``>=1.2,<2 *cuda*``."""
    rest = re.sub(r"\s*([,|])\s*", r"\1", rest.strip())
    rest = re.sub(r"([=<>!~])\s+", r"\1", rest)
    if match := re.fullmatch(
        r"(?P<version>.*[^=<>!~,|\s])(?:\s+|=)(?P<build>[^\s=<>!~,|-]+)", rest
    ):
        return match["version"], match["build"]
    return rest, ""


def _canonical(version: str, *, has_build: bool) -> str:
    """The constraint in one spelling; see ``CondaRequirement``."""
    if version in {"", "*", "=*", "==*"}:
        return ""
    version = re.sub(r"\s*([,|])\s*", r"\1", version.strip())
    if has_build and re.fullmatch(r"=[^=,|]+", version):
        version = version[1:]
    return "|".join(",".join(map(_canonical_atom, part.split(","))) for part in version.split("|"))


def _canonical_atom(atom: str) -> str:
    match = re.fullmatch(_ATOM, atom)
    if not match:
        raise EntryError(f"{_EXAMPLE}; got the version {quote(atom)}")
    operator, version = match["operator"], match["version"]
    stem = version.rstrip("*").rstrip(".")
    if "*" in stem or not stem:
        return atom  # a glob inside: conda knows what it means
    if "*" not in version:
        return f"{operator or '=='}{version}"
    if operator in {"", "=", "=="}:
        return f"={stem}"
    if operator == "!=":
        return f"!={stem}.*"
    return f"{operator}{stem}"  # conda drops the star after an order


def _pep440(atom: str) -> str:
    match = re.fullmatch(_ATOM, atom)
    if not match or not atom:
        return ""
    operator, version = match["operator"], match["version"]
    if operator == "<":
        version = re.sub(r"\.?a0$", "", version)  # the idiom for "and none of its alphas"
    try:
        parts = len(Version(version.removesuffix(".*")).release)
    except InvalidVersion as error:
        raise EntryError(f"{quote(version)} is no version of Python") from error
    if operator == "=":
        # A release of Python has three parts: with all of them there is nothing left to match.
        operator, version = "==", version if parts > 2 else f"{version}.*"
    if operator == "~=" and parts == 1:
        operator = ">="
    try:
        return str(SpecifierSet(f"{operator}{version}"))
    except InvalidSpecifier as error:
        raise EntryError(f"{quote(atom)} has no meaning for versions of Python") from error


def _union(alternatives: list[SpecifierSet]) -> SpecifierSet:
    """One specifier for alternatives that are whole minor versions: a range with gaps."""
    minors: list[int] = []
    for minor in _MINORS:
        allowed = {
            alternative: {alternative.contains(f"3.{minor}.{micro}") for micro in _MICROS}
            for alternative in alternatives
        }
        if any(answers == {True} for answers in allowed.values()):
            minors.append(minor)
        elif any(True in answers for answers in allowed.values()):
            raise EntryError("alternatives that no single range of versions means; choose one")
    if not minors:
        raise EntryError("alternatives without any version of Python 3")
    parts = [f">=3.{minors[0]}"]
    if minors[-1] != _MINORS[-1]:
        parts.append(f"<3.{minors[-1] + 1}")
    parts += [f"!=3.{gap}.*" for gap in range(minors[0], minors[-1]) if gap not in minors]
    return SpecifierSet(",".join(parts))
