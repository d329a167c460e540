"""``environment.yml``: the merged environment before it was solved, for people. Pure."""

from __future__ import annotations

import re

from envbuild.emit.lockfiles import index_lines
from envbuild.emit.scalars import scalar
from envbuild.entries.requirements import FileSource, PipRequirement
from envbuild.locking.canonical import FILES
from envbuild.locking.lock import Lock
from envbuild.redact import redact

__all__ = ["environment_text"]

_SIDES = ("model", "record", "server", "option")
_DEFAULT_CHANNEL = "conda-forge"  # MLflow's own default: mlflow/utils/environment.py


def environment_text(lock: Lock) -> str:
    """Channels, Python and every requirement with the file it is from; nothing is locked in it."""
    spec, plan = lock.plan.spec, lock.plan
    tools = {entry.name: redact(entry.text) for entry in spec.conda_tools}
    conda = {entry.name: redact(entry.text) for entry in spec.conda}
    lines = [
        f"# What {lock.model.name} and its server ask for; what they get is in the lock files.",
        f"name: {scalar(_environment_name(lock.model.name))}",
        "channels:",
        *(f"  - {scalar(redact(name))}" for name in spec.channels or (_DEFAULT_CHANNEL,)),
        "dependencies:",
        f"  - python={plan.python}",
        *(f"  - {scalar(text)}" for _, text in sorted({"pip": "pip", **tools, **conda}.items())),
    ]
    pip = _pip_lines(lock)
    return "".join(f"{line}\n" for line in (*lines, *(["  - pip:", *pip] if pip else [])))


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
