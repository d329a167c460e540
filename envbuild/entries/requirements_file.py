"""Files in pip's requirements format, with what they include and all that is wrong in them."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from envbuild.entries.pip_entries import Entry, Include, parse_entry
from envbuild.entries.pip_sources import EntryError
from envbuild.entries.requirements import IndexOption, PipRequirement
from envbuild.errors import ModelError, SpecError
from envbuild.model import Model
from envbuild.notices import Notice
from envbuild.origins import Origin, Side
from envbuild.reading.model_files import inner_name
from envbuild.redact import quote

__all__ = ["BadEntry", "EntryReader", "logical_lines", "raise_bad_entries"]

# pip's own: a hash begins a comment at the start of a line or after a space.
_COMMENT = r"(?:^|(?<!\s)\s+)#.*$"
_MAX_DEPTH = 50
_WEB = r"[A-Za-z][A-Za-z0-9+.-]+://"


@dataclass(frozen=True, slots=True, kw_only=True)
class BadEntry:
    """An entry that cannot be understood; ``line`` is 0 where it is not known."""

    origin: Origin
    text: str
    problem: str
    line: int = 0

    def __str__(self) -> str:
        known = not self.line or self.origin.position == f"line {self.line}"
        line = "" if known else f" (line {self.line})"
        return f"{self.origin}{line}: {quote(self.text)}: {self.problem}"


def raise_bad_entries(bad: Iterable[BadEntry]) -> None:
    """Do nothing where there are none.

    Raises:
        SpecError: naming all of them.
    """
    entries = list(bad)
    if not entries:
        return
    count = "an entry" if len(entries) == 1 else f"{len(entries)} entries"
    files = list(dict.fromkeys(entry.origin.file for entry in entries))
    entries.sort(key=lambda entry: (files.index(entry.origin.file), entry.line))
    raise SpecError(
        f"{count} cannot be understood", where=", ".join(files), details=[*map(str, entries)]
    )


def logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines without comments, continued ones joined, empty ones left out, with their number from 1.

    As ``pip/_internal/req/req_file.py``: a backslash continues a line, but a comment ends it.
    """
    joined, start = "", 0
    for number, line in enumerate(text.splitlines(), start=1):
        is_comment = re.match(_COMMENT, line) is not None
        start = start or number
        if line.endswith("\\") and not is_comment:
            joined += line.removesuffix("\\")
            continue
        # A comment that continues a line must stay one, so it keeps its distance.
        joined += f" {line}" if is_comment else line
        if stripped := re.sub(_COMMENT, "", joined).strip():
            yield start, stripped
        joined, start = "", 0
    if stripped := re.sub(_COMMENT, "", joined).strip():
        yield start, stripped


@dataclass(slots=True, kw_only=True)
class EntryReader:
    """Collects what entries say, following the files they include.

    Without a ``model`` there is nothing to include and no local file. Where ``absent_is_noted``, an
    included file that is not there is a notice instead of a bad entry; with ``only_requirements``
    every option is a bad one.
    """

    model: Model | None = None
    side: Side = "model"
    absent_is_noted: bool = False
    only_requirements: bool = False
    requirements: list[PipRequirement] = field(default_factory=list)
    constraints: list[PipRequirement] = field(default_factory=list)
    options: list[IndexOption] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    bad: list[BadEntry] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    _open: list[str] = field(default_factory=list)
    _done: set[tuple[str, bool]] = field(default_factory=set)

    @property
    def has_entries(self) -> bool:
        """Whether anything was asked for."""
        return bool(self.requirements or self.constraints or self.options or self.bad)

    def read_file(self, text: str, file: str, *, constraints: bool = False) -> None:
        """Read the text of the file called ``file``."""
        self._done.add((file, constraints))
        self._open.append(file)
        self.files.append(file)
        for number, line in logical_lines(text):
            origin = Origin(side=self.side, file=file, position=f"line {number}")
            self.read_line(line, origin, constraints=constraints, line=number)
        self._open.pop()

    def read_line(
        self, text: str, origin: Origin, *, constraints: bool = False, line: int = 0
    ) -> None:
        """Read one logical line; ``line`` is its number in the file."""
        try:
            for entry in parse_entry(text, origin=origin, model=self.model):
                self._add(entry, constraints=constraints)
        except EntryError as error:
            self.bad.append(BadEntry(origin=origin, text=text, problem=str(error), line=line))

    def _add(self, entry: Entry, *, constraints: bool) -> None:
        match entry:
            case PipRequirement():
                (self.constraints if constraints else self.requirements).append(entry)
            case IndexOption() if self.only_requirements:
                raise EntryError("an option has no place here")
            case IndexOption():
                self.options.append(entry)
            case Notice():
                self.notices.append(entry)
            case _:  # an include
                self._include(entry, constraints=constraints)

    def _include(self, include: Include, *, constraints: bool) -> None:
        if self.model is None:
            raise EntryError("another file cannot be included here")
        if re.match(_WEB, include.path):
            raise EntryError("a file on a web server is not read; put a copy into the model")
        try:
            # pip looks beside the file that includes.
            folder = posixpath.dirname(include.origin.file)
            file = inner_name(include.path, where="", folder=folder)
            if file in self._open:
                chain = " -> ".join([*self._open[self._open.index(file) :], file])
                raise EntryError(f"the files include each other: {chain}")
            if len(self._open) > _MAX_DEPTH:
                raise EntryError(f"files that include files, more than {_MAX_DEPTH} deep")
            if self.absent_is_noted and not self.model.contains(file):
                self._note_absent(file, include.origin)
                return
            kind = constraints or include.constraints
            # Two ways to the same file give the same entries, and many ways would take for ever.
            if (file, kind) not in self._done:
                text = self.model.read_text(file, where=str(include.origin))
                self.read_file(text, file, constraints=kind)
        except ModelError as error:
            raise EntryError(error.problem) from error

    def _note_absent(self, file: str, origin: Origin) -> None:
        message = f"the file {quote(file)} is not in the model; what it listed is unknown"
        self.notices.append(Notice(code="include-absent", message=message, where=str(origin)))
