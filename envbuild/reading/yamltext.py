"""YAML as text: every scalar stays what was written, so that ``3.10`` is not ``3.1``.

Built from parser events, never through a constructor: no tag can ask for an object, and a file
made to exhaust memory is refused while it is read.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import yaml

from envbuild.errors import ModelError
from envbuild.notices import Notice
from envbuild.redact import quote

if TYPE_CHECKING:
    from yaml.cyaml import CSafeLoader
    from yaml.events import (
        AliasEvent,
        Event,
        MappingStartEvent,
        ScalarEvent,
        SequenceStartEvent,
    )

    Loader: TypeAlias = yaml.SafeLoader | CSafeLoader
    NodeEvent: TypeAlias = AliasEvent | ScalarEvent | SequenceStartEvent | MappingStartEvent

__all__ = ["MAX_BYTES", "Document", "Value", "decode", "kind_of", "parse_yaml"]

MAX_BYTES: Final = 10 * 1024 * 1024
"""The largest file that is read as text; the largest real MLmodel or conda.yaml seen has 0.1 MB."""

_MAX_DEPTH = 100
_MAX_NODES = 100_000

Value: TypeAlias = "str | list[Value] | dict[str, Value] | None"

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_CORE = "tag:yaml.org,2002:"
_SCALAR_TAGS = frozenset({"str", "int", "float", "bool", "null", "timestamp"})
# A byte order mark says which encoding; UTF-32 before UTF-16, since its mark begins the same.
_MARKS = (
    (codecs.BOM_UTF8, "UTF-8"),
    (codecs.BOM_UTF32_LE, "UTF-32-LE"),
    (codecs.BOM_UTF32_BE, "UTF-32-BE"),
    (codecs.BOM_UTF16_LE, "UTF-16-LE"),
    (codecs.BOM_UTF16_BE, "UTF-16-BE"),
)
# YAML 1.1, 5.1: c-printable, and the byte order mark.
_UNPRINTABLE = "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A parsed file: ``value`` with text for every scalar, and what there is to say about it."""

    value: Value
    notices: tuple[Notice, ...] = ()
    _lines: dict[int, dict[str | int, int]] = field(default_factory=dict, repr=False)

    def line(self, *path: str | int) -> int:
        """The line, from 1, of the node at ``path`` (``"dependencies", 3``); 0 if not there."""
        node, found = self.value, 1
        for step in path:
            found = self._lines.get(id(node), {}).get(step, 0)
            if isinstance(node, dict) and isinstance(step, str):
                node = node.get(step)
            elif isinstance(node, list) and isinstance(step, int) and found:
                node = node[step]
            else:
                return 0
        return found


def decode(data: bytes, *, where: str) -> str:
    """The text of a file: UTF-8, or what its byte order mark says.

    Raises:
        ModelError: too large, binary, or not in that encoding.
    """
    if len(data) > MAX_BYTES:
        raise ModelError(f"larger than {MAX_BYTES // 2**20} MB, which no such file is", where=where)
    encoding = "UTF-8"
    for mark, name in _MARKS:
        if data.startswith(mark):
            data, encoding = data[len(mark) :], name
            break
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        byte = error.object[error.start]
        problem = f"not a text file: line {line} has the byte 0x{byte:02x}, which is not {encoding}"
        raise ModelError(problem, where=where, remedy="save it as UTF-8") from error
    if "\0" in text:
        raise ModelError("not a text file: it holds NUL bytes", where=where)
    return text


def kind_of(value: Value) -> str:
    """What a value is, for a message: ``a list``."""
    match value:
        case None:
            return "nothing"
        case str():
            return "text"
        case list():
            return "a list"
        case _:
            return "a mapping"


def parse_yaml(text: str, *, where: str, loader: type[Loader] | None = None) -> Document:
    """Parse one YAML document into text, lists and dicts; a plain null becomes None.

    Of a key that is there twice the last counts, as it does for MLflow, and a notice says so.
    ``loader`` is a PyYAML loader class: libyaml's where PyYAML has it.

    Raises:
        ModelError: not YAML, more than one document, a tag that is no plain data, or a size or
            nesting that no real file has.
    """
    if bad := re.search(_UNPRINTABLE, text):
        line = text.count("\n", 0, bad.start()) + 1
        problem = f"broken YAML: the character {bad[0]!a} in line {line} is not allowed"
        raise ModelError(problem, where=where)
    if loader is None:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    events = yaml.parse(text, Loader=loader)
    reader = _Reader(events, where)
    try:
        value = _document(events, reader)
    except yaml.MarkedYAMLError as error:
        raise _broken(error, where) from error
    return Document(value=value, notices=tuple(reader.notices), _lines=reader.lines)


def _document(events: Iterator[Any], reader: _Reader) -> Value:
    next(events)  # the start of the stream
    if isinstance(next(events), yaml.StreamEndEvent):
        return None
    value = reader.node(next(events)).value
    next(events)  # the end of the document
    if isinstance(after := next(events), yaml.DocumentStartEvent):
        raise reader.refuse("more than one YAML document", after)
    return value


@dataclass(frozen=True, slots=True)
class _Node:
    """A value with how many nodes it stands for once aliases are written out, and how deep."""

    value: Value
    size: int = 1
    height: int = 1


class _Reader:
    def __init__(self, events: Iterator[Any], where: str) -> None:
        self._events = events
        self._where = where
        self._anchors: dict[str, _Node | None] = {}  # None while the node is still open
        self._count = 0
        self.notices: list[Notice] = []
        self.lines: dict[int, dict[str | int, int]] = {}

    def node(self, event: NodeEvent, depth: int = 1) -> _Node:
        """The node that begins with ``event``."""
        if depth > _MAX_DEPTH:
            raise self.refuse(f"nested deeper than {_MAX_DEPTH} levels", event)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, depth)
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        self._add(1, event)
        if isinstance(event, yaml.MappingStartEvent):
            node = self._mapping(event, depth)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = self._sequence(event, depth)
        else:
            node = _Node(self._scalar(event))
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _alias(self, event: AliasEvent, depth: int) -> _Node:
        if event.anchor not in self._anchors:
            raise self.refuse(f"the alias *{event.anchor} has no anchor", event)
        node = self._anchors[event.anchor]
        if node is None:
            raise self.refuse(f"the alias *{event.anchor} contains itself", event)
        if depth + node.height - 1 > _MAX_DEPTH:
            raise self.refuse(f"nested deeper than {_MAX_DEPTH} levels", event)
        self._add(node.size, event)
        return node

    def _sequence(self, start: SequenceStartEvent, depth: int) -> _Node:
        self._check_tag(start, frozenset({"seq"}))
        items: list[Value] = []
        marks = self.lines[id(items)] = {}
        before, height = self._count, 0
        while not isinstance(event := next(self._events), yaml.CollectionEndEvent):
            marks[len(items)] = _line(event)
            node = self.node(event, depth + 1)
            items.append(node.value)
            height = max(height, node.height)
        return _Node(items, 1 + self._count - before, 1 + height)

    def _mapping(self, start: MappingStartEvent, depth: int) -> _Node:
        self._check_tag(start, frozenset({"map"}))
        items: dict[str, Value] = {}
        marks = self.lines[id(items)] = {}
        merged: list[dict[str, Value]] = []
        before, height = self._count, 0
        while not isinstance(event := next(self._events), yaml.CollectionEndEvent):
            key = self._key(event)
            node = self.node(next(self._events), depth + 1)
            height = max(height, node.height)
            if key == "<<" and event.implicit[0]:
                merged += self._merged(node.value, event)
                continue
            if key in items:
                self._note_duplicate(event, marks[key])
            items[key] = node.value
            marks[key] = _line(event)
        for source in merged:
            for key in [name for name in source if name not in items]:
                items[key] = source[key]
                marks[key] = self.lines[id(source)][key]
        return _Node(items, 1 + self._count - before, 1 + height)

    def _key(self, event: NodeEvent) -> str:
        if not isinstance(event, yaml.ScalarEvent):
            raise self.refuse("a key that is not text", event)
        self._scalar(event)  # for its tag and characters: a key keeps its text, null or not
        return event.value

    def _merged(self, value: Value, event: ScalarEvent) -> list[dict[str, Value]]:
        """The mappings of a merge key ``<<``, which MLflow's parser knows, the strongest first."""
        found = value if isinstance(value, list) else [value]
        mappings = [item for item in found if isinstance(item, dict)]
        if len(mappings) < len(found):
            raise self.refuse("a merge key << without a mapping", event)
        self._add(sum(map(len, mappings)), event)
        return mappings

    def _scalar(self, event: ScalarEvent) -> str | None:
        self._check_tag(event, _SCALAR_TAGS)
        value: str = event.value
        if (event.implicit[0] and value in _NULLS) or event.tag == f"{_CORE}null":
            return None
        try:
            value.encode()
        except UnicodeEncodeError:
            raise self.refuse("an escape that is no character", event) from None
        return value

    def _check_tag(
        self, event: ScalarEvent | SequenceStartEvent | MappingStartEvent, allowed: frozenset[str]
    ) -> None:
        tag = event.tag
        if tag is None or tag == "!" or tag.removeprefix(_CORE) in allowed:
            return
        shown = tag.replace(_CORE, "!!", 1)
        raise self.refuse(f"the tag {quote(shown)}, which is more than plain data", event)

    def _note_duplicate(self, event: ScalarEvent, first: int) -> None:
        self.notices.append(
            Notice(
                code="duplicate-key",
                message=f"the key {quote(event.value)} is there twice, first in line {first}: "
                "the last one counts, as it does for MLflow",
                where=f"{self._where}: line {_line(event)}",
            )
        )

    def _add(self, nodes: int, event: Event) -> None:
        self._count += nodes
        if self._count > _MAX_NODES:
            raise self.refuse(f"more than {_MAX_NODES:,} nodes once aliases are written out", event)

    def refuse(self, what: str, event: Event) -> ModelError:
        return ModelError(f"refused: {what} (line {_line(event)})", where=self._where)


def _line(event: Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 0


def _broken(error: yaml.MarkedYAMLError, where: str) -> ModelError:
    mark = error.problem_mark or error.context_mark
    place = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    what = " ".join(part for part in (error.context, error.problem) if part)
    return ModelError(f"broken YAML{place}: {what}", where=where)
