"""What a lock depends on, as lines of text that people can read and machines can compare.

A line says what is asked for, not where or in which order it stands, so that a lock goes stale
only when the meaning of its inputs changes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from itertools import groupby
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from packaging.utils import canonicalize_name

from envbuild.fs import sha256_file, sha256_tree
from envbuild.model import Model
from envbuild.options import LockOptions
from envbuild.platforms import parse_platform
from envbuild.redact import redact
from envbuild.spec import EnvSpec, FileSource, IndexOption, PipRequirement

if TYPE_CHECKING:
    from envbuild.merging.name_map import NameMap
    from envbuild.server import ServerProfile

__all__ = [
    "OptionValue",
    "compare_inputs",
    "describe_inputs",
    "describe_options",
    "describe_request",
    "describe_server",
    "digest_inputs",
    "restore_options",
]

OptionValue = bool | str | tuple[str, ...]

# Raised when the same inputs would be locked in another form, so that older locks go stale.
_SCHEMA = "envbuild: inputs 1"

# How a lock is made, not what is in it.
_NO_INPUT = frozenset({"upgrade", "upgrade_packages", "cache_dir", "offline"})

# The part of a line that says what it is about; the rest is what is asked of it.
_SUBJECT = re.compile(
    r"for Python [^:]+"
    r"|(?:(?:conda|constraint|environment|find-links|flavor|name|platform|relax) )?"
    r"(?:--)?[^\s=<>!~;@\[]+"
)


def describe_inputs(
    model: Model,
    spec: EnvSpec,
    server: ServerProfile,
    options: LockOptions,
    *,
    constraints: Sequence[PipRequirement] = (),
    names: NameMap | None = None,
) -> tuple[str, ...]:
    """One line for each thing the lock depends on, sorted: ``conda.yaml: scikit-learn==0.24.1``.

    ``constraints`` are those of the user's own constraint files, ``names`` holds their own names of
    conda packages. No positions, comments or order
    of lines; no credentials. Files of the model that are installed count by their sha256.

    Raises:
        ModelError: a file that the environment installs is not in the model.
    """
    asked = describe_request(model, spec, options, constraints=constraints, names=names)
    return tuple(sorted({*asked, *describe_server(server)}))


def describe_request(
    model: Model,
    spec: EnvSpec,
    options: LockOptions,
    *,
    constraints: Sequence[PipRequirement] = (),
    names: NameMap | None = None,
) -> frozenset[str]:
    """The lines of the model and the user, without those of the server."""
    return frozenset(
        (
            _SCHEMA,
            *_model_lines(model),
            *_spec_lines(model, spec),
            *(f"{_plain(entry.origin.file)}: constraint {entry.pep508()}" for entry in constraints),
            *_name_lines(options, names),
            *(f"option: {line}" for line in _option_lines(options)),
        )
    )


def describe_server(server: ServerProfile) -> frozenset[str]:
    """The lines of a server profile, each of which begins with its name."""
    lines: list[str] = []
    for packages in server.package_sets:
        needed = ", ".join(sorted(entry.pep508() for entry in packages.packages)) or "nothing"
        beside = ", ".join(sorted(str(entry) for entry in packages.beside))
        line = f"for Python {packages.python or 'any'}, rank {packages.rank}: {needed}"
        lines.append(f"{line}; beside {beside}" if beside else line)
    lines += [f"{entry.pep508()} (script)" for entry in server.scoring_needs]
    lines += [f"environment {key}={value}" for key, value in (server.environment or {}).items()]
    lines.append(f"kind {server.kind}")
    if server.mlflow != "none":
        lines.append(f"needs-mlflow {server.mlflow}")
    if server.skinny_swap:
        lines.append("mlflow-may-be-swapped yes")
    if server.model_decides_mlflow:
        lines.append("model-decides-mlflow yes")
    if server.command:
        lines.append(f"command {' '.join(server.command)}")
    if server.port:
        lines.append(f"port {server.port}")
    if probes := server.probes:
        lines.append(f"probes {probes.liveness} {probes.readiness} {probes.scoring}")
    if server.path and server.script and (script := server.path.parent / server.script).is_file():
        # The scripts that envbuild ships change with envbuild, which is no reason to solve again.
        lines.append(f"script sha256:{sha256_file(script)}")
    return frozenset(f"{server.name}: {line}" for line in lines)


def digest_inputs(inputs: Iterable[str]) -> str:
    """The sha256 (hex) of the lines."""
    return hashlib.sha256("".join(f"{line}\n" for line in inputs).encode()).hexdigest()


def describe_options(options: LockOptions) -> dict[str, OptionValue]:
    """The options that count as inputs and differ from the default, as a lock file keeps them.

    Credentials are masked. Of an absolute path only the last part is kept: where a checkout lies
    is no property of its lock.
    """
    return dict(_choices(options))


def restore_options(described: Mapping[str, OptionValue]) -> LockOptions:
    """The options that ``describe_options`` described; what this version does not know is left out.

    Raises:
        UsageError: an unknown platform.
    """
    usual = LockOptions()
    given: dict[str, Any] = {}
    for field in fields(LockOptions):
        value = described.get(field.name.replace("_", "-"))
        if field.name not in _NO_INPUT and type(value) is type(getattr(usual, field.name)):
            given[field.name] = value
    if "platforms" in given:
        given["platforms"] = tuple(parse_platform(name) for name in given["platforms"])
    return replace(usual, **given)


def compare_inputs(before: Iterable[str], after: Iterable[str]) -> tuple[str, ...]:
    """What changed: ``conda.yaml: numpy==1 -> numpy==2``, ``… added``, ``… removed``; sorted."""
    old, new = set(before), set(after)
    gone, come = _by_subject(old - new), _by_subject(new - old)
    differences: list[str] = []
    for subject in sorted({*gone, *come}):
        removed, added = gone.get(subject, []), come.get(subject, [])
        if len(removed) == len(added) == 1:
            differences.append(f"{removed[0]} -> {_text(added[0])}")
        else:
            differences += [f"{line} removed" for line in removed]
            differences += [f"{line} added" for line in added]
    return tuple(differences)


def _model_lines(model: Model) -> Iterator[str]:
    """What the merge may fill in or decide from: MLmodel's record of versions and flavors."""
    recorded = {
        "mlflow_version": model.mlflow_version,
        "python_version": model.python_version,
        "loader_module": model.loader_module,
    }
    yield from (f"MLmodel: {name} {value}" for name, value in recorded.items() if value)
    for flavor in model.flavors:
        yield f"MLmodel: flavor {flavor.name}"
        for key, value in flavor.settings.items():
            if key.endswith("_version"):
                yield f"MLmodel: {flavor.name}.{key} {value}"


def _spec_lines(model: Model, spec: EnvSpec) -> Iterator[str]:
    for entry in spec.pip:
        # What was only told from the record is in the lines of MLmodel.
        if entry.origin.side == "model":
            yield f"{entry.origin.file}: {_requirement(model, entry)}"
    for entry in spec.constraints:
        yield f"{entry.origin.file}: constraint {_requirement(model, entry)}"
    for conda in (*spec.conda, *spec.conda_tools):
        yield f"{conda.origin.file}: conda {redact(conda.match_spec())}"
    if spec.python:
        yield f"{spec.python.origin.file}: python {spec.python.specifier or 'any'}"
    if spec.channels:
        # Their order is their priority.
        yield f"{spec.files[0]}: channels {redact(', '.join(spec.channels))}"
    yield from _index_lines(spec.index_options)


def _name_lines(options: LockOptions, names: NameMap | None) -> Iterator[str]:
    """What the user's own name map says; the shipped one changes with envbuild."""
    for conda, pypi in names.overrides.items() if names else ():
        yield f"{_plain(options.name_map)}: name {conda} = {' '.join(pypi) or 'nothing'}"


def _index_lines(options: Iterable[IndexOption]) -> Iterator[str]:
    """A line for each kind of option in a file; the order of its values may be their priority."""

    def key(option: IndexOption) -> tuple[str, str]:
        return (option.origin.file, option.kind)

    for (file, kind), group in groupby(sorted(options, key=key), key):
        values = [redact(option.value) for option in group]
        yield f"{file}: {' '.join([f'--{kind}', *values]).rstrip()}"


def _requirement(model: Model, entry: PipRequirement) -> str:
    hashes = "".join(f" --hash={value}" for value in sorted(entry.hashes))
    if not isinstance(entry.source, FileSource):
        return f"{entry.pep508()}{hashes}"
    folder = model.path / entry.source.path
    if folder.is_dir():
        return f"{entry.pep508()} tree:{sha256_tree(folder)}"
    path = model.locate(entry.source.path, where=str(entry.origin))
    return f"{entry.pep508()} sha256:{sha256_file(path)}"


def _option_lines(options: LockOptions) -> Iterator[str]:
    usual = LockOptions()
    always = {"server": usual.server, "platforms": tuple(map(str, usual.platforms))}
    for name, value in (always | dict(_choices(options))).items():
        match value:
            case bool():
                yield f"{name} {'yes' if value else 'no'}"
            case str() if name == "name-map":
                pass  # what stands in it counts
            case str():
                yield f"{name} {value}"
            case _ if name == "constraint-files":
                pass  # what stands in them counts, not where they are
            case _ if name in {"extra-index-urls", "channels"}:
                yield f"{name} {' '.join(value)}"  # their order is their priority
            case _:
                singular = "platform" if name == "platforms" else name
                yield from (f"{singular} {item}" for item in value)


def _choices(options: LockOptions) -> Iterator[tuple[str, OptionValue]]:
    """The options that count and differ from the default, in the order of the class."""
    usual = LockOptions()
    for field in fields(LockOptions):
        value = getattr(options, field.name)
        if field.name in _NO_INPUT or value == getattr(usual, field.name):
            continue
        name = field.name.replace("_", "-")
        if name == "relax":
            yield name, tuple(sorted({canonicalize_name(item) for item in value}))
        elif isinstance(value, bool):
            yield name, value
        elif isinstance(value, str):
            yield name, _plain(value)
        else:
            yield name, tuple(_plain(str(item)) for item in value)


def _plain(value: str) -> str:
    path = PurePath(value)
    return path.name if path.is_absolute() else redact(value)


def _by_subject(lines: Iterable[str]) -> dict[tuple[str, str], list[str]]:
    grouped: dict[tuple[str, str], list[str]] = {}
    for line in sorted(lines):
        source, _, text = line.partition(": ")
        found = _SUBJECT.match(text)
        grouped.setdefault((source, found[0] if found else text), []).append(line)
    return grouped


def _text(line: str) -> str:
    return line.partition(": ")[2]
