"""One requirement, pip's or conda's, and one index option: what the entries of a file become.

Texts and URLs may hold credentials. The fields that do are kept out of ``repr``; what a method
returns is safe to show unless its name is ``resolvable``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from packaging.markers import Marker
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName

from envbuild.errors import SpecError
from envbuild.origins import Origin
from envbuild.redact import quote, redact

__all__ = [
    "CondaRequirement",
    "FileSource",
    "IndexKind",
    "IndexOption",
    "PipRequirement",
    "PythonRequest",
    "UrlSource",
    "VcsSource",
    "variables_in",
]

# The names that pip expands in a requirements file: POSIX environment variables in upper case.
_VARIABLE = r"\$\{([A-Z0-9_]+)\}"

IndexKind = Literal[
    "index-url",
    "extra-index-url",
    "find-links",
    "trusted-host",
    "no-index",
    "pre",
    "no-binary",
    "only-binary",
    "prefer-binary",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class VcsSource:
    """``git+https://host/repo@ref#subdirectory=x``.

    ``url`` is without the ``git+``, the ref and any credentials; ``ref`` is empty for the default
    branch.
    """

    vcs: str
    url: str
    ref: str = ""
    subdirectory: str = ""

    def __str__(self) -> str:
        ref = f"@{self.ref}" if self.ref else ""
        subdirectory = f"#subdirectory={self.subdirectory}" if self.subdirectory else ""
        return f"{self.vcs}+{self.url}{ref}{subdirectory}"


@dataclass(frozen=True, slots=True, kw_only=True)
class UrlSource:
    """A wheel or sdist on a web server; ``url`` is redacted."""

    url: str

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSource:
    """A wheel, sdist or project folder inside the model; ``path`` is posix, relative to it."""

    path: str
    editable: bool = False

    def __str__(self) -> str:
        return f"./{self.path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PipRequirement:
    """One pip requirement.

    ``source`` None means an index. ``name`` is None only for a VCS, URL or folder entry that does
    not say it. ``text`` is the entry as written, without its comment; ``raw_url`` the address with
    credentials and ``${VAR}``: never print or store either.
    """

    name: NormalizedName | None
    origin: Origin
    text: str = field(repr=False)
    extras: tuple[str, ...] = ()
    specifier: SpecifierSet = field(default_factory=SpecifierSet)
    marker: Marker | None = None
    source: VcsSource | UrlSource | FileSource | None = None
    hashes: tuple[str, ...] = ()  # "sha256:…"
    raw_url: str = field(default="", repr=False)

    def pep508(self) -> str:
        """The requirement as one PEP 508 line (``torch[cuda]==1.9; python_version < "3.9"``).

        Credentials are removed. A file of the model is given relative to it (``x @ ./x.whl``).
        """
        return self._line("" if self.source is None else str(self.source))

    def resolvable(self, environ: Mapping[str, str]) -> str:
        """The line for a resolver: credentials inside, ``${VAR}`` expanded. Never print it.

        For a file of the model this is ``pep508()``: the caller knows where the model lies.

        Raises:
            SpecError: a variable is not set.
        """
        if not self.raw_url:
            return self.pep508()
        return self._line(_expand(self.raw_url, environ, where=str(self.origin)))

    def _line(self, url: str) -> str:
        extras = f"[{','.join(self.extras)}]" if self.extras else ""
        marker = f"; {self.marker}" if self.marker else ""
        if not url:
            return f"{self.name}{extras}{self.specifier}{marker}"
        # PEP 508: a space ends the URL, so that the semicolon is not taken for a part of it.
        space = " " if marker else ""
        address = f"{self.name}{extras} @ {url}" if self.name else f"{url}{extras}"
        return f"{address}{space}{marker}"


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexOption:
    """An option line such as ``--extra-index-url URL``.

    ``value`` may hold ``${VAR}`` or credentials: never print it raw. It is empty for switches. A
    ``find-links`` folder of the model is posix, relative to it.
    """

    kind: IndexKind
    value: str = field(repr=False)
    origin: Origin

    def __str__(self) -> str:
        return f"--{self.kind} {redact(self.value)}".rstrip()

    def resolvable(self, environ: Mapping[str, str]) -> str:
        """The value with ``${VAR}`` expanded. Never print it.

        Raises:
            SpecError: a variable is not set.
        """
        return _expand(self.value, environ, where=str(self.origin))


@dataclass(frozen=True, slots=True, kw_only=True)
class CondaRequirement:
    """One conda MatchSpec: ``conda-forge::pytorch=1.13=py38*``.

    ``version`` is a conda version constraint without spaces that says what it means whatever
    stands beside it: ``==1.13`` exactly, ``=1.13`` any 1.13, ``>=1,<2``, ``1.8|1.9``. ``build`` may
    hold ``*``. ``text`` is as written, redacted; ``channel`` may be an address with credentials.
    """

    name: str
    origin: Origin
    text: str
    channel: str = field(default="", repr=False)
    version: str = ""
    build: str = ""
    subdir: str = ""

    def match_spec(self) -> str:
        """The same in one unambiguous spelling (``conda-forge::pytorch[version='==1.13']``).

        The channel may hold credentials.
        """
        fields = {"version": self.version, "build": self.build, "subdir": self.subdir}
        inner = ",".join(f"{key}='{value}'" for key, value in fields.items() if value)
        channel = f"{self.channel}::" if self.channel else ""
        return f"{channel}{self.name}[{inner}]" if inner else f"{channel}{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonRequest:
    """The Python that is asked for: ``specifier`` in PEP 440 terms, ``text`` as written."""

    specifier: SpecifierSet
    text: str
    origin: Origin


def variables_in(text: str) -> tuple[str, ...]:
    """The names of the environment variables that ``text`` refers to as ``${NAME}``, in order."""
    return tuple(dict.fromkeys(re.findall(_VARIABLE, text)))


def _expand(text: str, environ: Mapping[str, str], *, where: str) -> str:
    missing = [name for name in variables_in(text) if name not in environ]
    if missing:
        names = ", ".join(missing)
        raise SpecError(
            f"{quote(text)} needs the environment variable {names}, which is not set",
            where=where,
            remedy=f"export {missing[0]}=… and run again",
        )
    return re.sub(_VARIABLE, lambda match: environ[match[1]], text)
