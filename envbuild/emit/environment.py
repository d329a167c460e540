"""``environment.yml``: the merged environment before it was solved, for people. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from envbuild.emit.lockfiles import index_lines
from envbuild.emit.scalars import scalar
from envbuild.entries.requirements import CondaRequirement, FileSource, PipRequirement
from envbuild.locking.canonical import FILES
from envbuild.locking.lock import Lock
from envbuild.merging.conda_part import DEFAULT_CHANNEL, combined
from envbuild.redact import redact

__all__ = ["environment_text"]

_SIDES = ("model", "record", "server", "option")


def environment_text(lock: Lock) -> str:
    """Channels, Python and every requirement with the file it is from; nothing is locked in it."""
    channels = lock.plan.channels or lock.plan.spec.channels or (DEFAULT_CHANNEL,)
    lines = [
        f"# What {lock.model.name} and its server ask for; what they get is in the lock files.",
        f"name: {scalar(_environment_name(lock.model.name))}",
        "channels:",
        *(f"  - {scalar(redact(name))}" for name in channels),
        "dependencies:",
        *(f"  - {scalar(text)}" for text in _conda_lines(lock)),
    ]
    pip = _pip_lines(lock)
    return "".join(f"{line}\n" for line in (*lines, *(["  - pip:", *pip] if pip else [])))


def _conda_lines(lock: Lock) -> Iterator[str]:
    """Python, then the rest by name: as solved for with the conda runtime, else as asked for."""
    plan = lock.plan
    if plan.conda:
        asked = sorted(combined(plan.conda), key=lambda one: (one.name != "python", one.name))
        yield from map(_conda_line, asked)
        return
    yield f"python={plan.python}"
    texts = {one.name: redact(one.text) for one in (*plan.spec.conda_tools, *plan.spec.conda)}
    yield from (text for _, text in sorted({"pip": "pip", **texts}.items()))


def _conda_line(one: CondaRequirement) -> str:
    """As people write it; in full where that would mean something else."""
    is_plain = not one.build and not one.subdir and "|" not in one.version
    text = f"{one.name}{one.version}" if is_plain else replace(one, channel="").match_spec()
    return f"{redact(one.channel)}::{text}" if one.channel else text


def _pip_lines(lock: Lock) -> list[str]:
    options = index_lines(lock.plan.index_options)
    lines = [f"      {line}" if line.startswith("#") else _item(line) for line in options]
    entries = sorted(lock.plan.requirements, key=_rank)
    return lines + [f"{_item(_line(lock, entry))}  # {entry.origin.file}" for entry in entries]


def _item(text: str) -> str:
    return f"      - {scalar(text)}"


def _rank(entry: PipRequirement) -> tuple[int, str]:
    return (_SIDES.index(entry.origin.side), entry.pep508())


def _line(lock: Lock, entry: PipRequirement) -> str:
    """The requirement; a file of the model by its place in the context."""
    if not isinstance(entry.source, FileSource):
        return entry.pep508()
    original = lock.model.path / entry.source.path
    for name, path in lock.local_files.items():
        if path == original:
            return f"./{name}"
    return f"./{FILES}/{entry.name}"


def _environment_name(name: str) -> str:
    # conda refuses these in the name of an environment.
    return re.sub(r"[\s/:#]+", "-", name)
