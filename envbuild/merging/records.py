"""What MLmodel records of versions.

It fills in what the environment leaves open, contradicts what was edited since, and stands in for
an environment that is not there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace

from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName
from packaging.version import InvalidVersion, Version

from envbuild.entries.requirements import PipRequirement
from envbuild.errors import SpecError
from envbuild.merging.flavors import known_flavors, matches, needed_packages, runs_own_code
from envbuild.merging.mlflow_releases import MLFLOW, SKINNY
from envbuild.merging.plans import Change
from envbuild.model import Model
from envbuild.notices import Notice
from envbuild.origins import Origin
from envbuild.spec import EnvSpec

__all__ = [
    "Record",
    "derive_environment",
    "fill_in",
    "is_open",
    "remarks_on_flavors",
    "remarks_on_records",
    "versions_recorded",
]

_MLFLOW_KEY = "mlflow_version"
_MLFLOWS = frozenset({MLFLOW, SKINNY})


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A version that MLmodel records: ``text`` as it stands there, for ``package``.

    ``specifier`` is what it means for a requirement; None where it is no release that an index
    could have (a development version).
    """

    package: NormalizedName
    text: str
    specifier: SpecifierSet | None
    origin: Origin
    flavor: str = ""  # empty for MLflow's own

    def fits(self, requirement: PipRequirement) -> bool:
        """Whether the requirement is of this package; both kinds of MLflow have its version."""
        if self.package == MLFLOW:
            return requirement.name in _MLFLOWS
        return requirement.name == self.package


def versions_recorded(model: Model) -> tuple[Record, ...]:
    """The versions of MLflow and of the flavors' packages, one for each package."""
    records: dict[NormalizedName, Record] = {}
    if model.mlflow_version:
        origin = Origin(side="record", file="MLmodel", position=_MLFLOW_KEY)
        records[MLFLOW] = _record(MLFLOW, model.mlflow_version, origin, is_minor=False)
    for flavor, facts in known_flavors(model, loaded=False):
        for key in facts.records:
            text = flavor.settings.get(key.key)
            if text is None or not matches(flavor, key.when):
                continue
            position = f"flavors.{flavor.name}.{key.key}"
            origin = Origin(side="record", file="MLmodel", position=position)
            record = _record(key.package, text, origin, is_minor=key.is_minor)
            if _is_within(text, key.within):
                records.setdefault(key.package, replace(record, flavor=flavor.name))
    return tuple(records.values())


def is_open(requirement: PipRequirement) -> bool:
    """Whether the requirement takes any release of an index."""
    return not (requirement.specifier or requirement.source or requirement.hashes)


def fill_in(
    requirements: Iterable[PipRequirement],
    records: Iterable[Record],
    *,
    decided: Collection[NormalizedName] = (),
) -> tuple[tuple[PipRequirement, ...], tuple[Change, ...]]:
    """The requirements, those that are open with the recorded version; and the changes.

    A name of which another requirement decides the version stays as it is, as do those in
    ``decided`` (of constraints, or that the user lets move).
    """
    entries = tuple(requirements)
    closed = {entry.name for entry in entries if not is_open(entry)} | set(decided)
    if closed & _MLFLOWS:
        closed |= _MLFLOWS  # the two are one version
    filled: list[PipRequirement] = []
    changes: dict[Change, None] = {}
    known = [record for record in records if record.specifier is not None]
    for entry in entries:
        record = next((record for record in known if record.fits(entry)), None)
        if record is None or entry.name in closed or record.specifier is None:
            filled.append(entry)
            continue
        full = replace(entry, specifier=record.specifier, origin=record.origin)
        full = replace(full, text=full.pep508())
        filled.append(full)
        changes[_filled(entry, full, record)] = None
    return tuple(filled), tuple(changes)


def remarks_on_records(
    requirements: Iterable[PipRequirement], records: Iterable[Record]
) -> Iterator[Notice]:
    """Records that cannot be used as they are, and requirements that contradict one."""
    entries = tuple(requirements)
    for record in records:
        own = [entry for entry in entries if record.fits(entry)]
        if remark := _unusable(record, own):
            yield remark
        for entry in own:
            if record.specifier and (entry.specifier & record.specifier).is_unsatisfiable():
                yield _contradicted(entry, record, record.specifier)


def remarks_on_flavors(model: Model) -> Iterator[Notice]:
    """That loading needs what no Python package brings."""
    for flavor, facts in known_flavors(model, loaded=True):
        if facts.java:
            message = (
                f"loading the {flavor.name} flavor starts a Java VM, which no Python package"
                " brings: take a base image that has one"
            )
            yield Notice(
                code="needs-java", message=message, where=f"MLmodel: flavors.{flavor.name}"
            )


def derive_environment(model: Model, spec: EnvSpec, *, has_python: bool) -> EnvSpec:
    """The environment that MLmodel stands for, where no file says it: MLflow and the flavors.

    Versions are filled in later, like those of any open requirement. ``has_python`` is whether the
    user names a Python.

    Raises:
        SpecError: MLmodel does not say enough.
    """
    _require_enough(model, spec, has_python=has_python)
    records = versions_recorded(model)
    loaded = {flavor.name for flavor, _ in known_flavors(model, loaded=True)}
    names = dict.fromkeys(needed_packages(model))
    names |= dict.fromkeys(record.package for record in records if record.flavor in loaded)
    entries = [_mlflow_requirement(model), *map(_derived, names)]
    notice = _derived_notice(model, entries, records)
    return replace(spec, pip=tuple(entries), notices=(*spec.notices, notice))


def _record(package: NormalizedName, text: str, origin: Origin, *, is_minor: bool) -> Record:
    version = _version(text)
    specifier = None
    if version and not version.is_prerelease:
        wanted = f"{version.major}.{version.minor}.*" if is_minor else version.public
        specifier = SpecifierSet(f"=={wanted}")
    return Record(package=package, text=text, specifier=specifier, origin=origin)


def _is_within(text: str, within: SpecifierSet) -> bool:
    version = _version(text)
    return version is None or within.contains(version, prereleases=True)


def _version(text: str) -> Version | None:
    try:
        return Version(text)
    except InvalidVersion:
        return None


def _filled(entry: PipRequirement, full: PipRequirement, record: Record) -> Change:
    return Change(
        kind="filled-in",
        name=str(entry.name),
        before=entry.pep508(),
        after=full.pep508(),
        reason=f"{record.origin} records {record.text}",
        origin=str(entry.origin),
    )


def _unusable(record: Record, own: Iterable[PipRequirement]) -> Notice | None:
    """That a record is no release, or a local build: only where a requirement leaves it open."""
    if not any(is_open(entry) for entry in own):
        return None
    version = _version(record.text)
    if record.specifier is None:
        message = f"{record.text} is no release of {record.package}, so it fills in nothing"
    elif version and version.local:
        message = (
            f"{record.text} is a build of {record.package} that indexes do not have:"
            f" its release {version.public} is taken"
        )
    else:
        return None
    return Notice(code="record-unusable", message=message, where=str(record.origin), level="note")


def _contradicted(entry: PipRequirement, record: Record, recorded: SpecifierSet) -> Notice:
    asked = f"{entry.pep508()} is asked for, but {record.origin} has {record.text}"
    if record.package != MLFLOW:
        message = f"{asked}: what that version wrote may not load, or give other results"
        return Notice(code="record-differs", message=message, where=str(entry.origin))
    version = next(iter(recorded)).version
    if (entry.specifier & SpecifierSet(f"<={version}")).is_unsatisfiable():
        message = f"{asked}: newer releases read what older ones wrote"
        return Notice(code="record-differs", message=message, where=str(entry.origin), level="note")
    message = f"{asked}: an older release may not read what a newer one wrote"
    return Notice(code="record-differs", message=message, where=str(entry.origin))


def _require_enough(model: Model, spec: EnvSpec, *, has_python: bool) -> None:
    missing = []
    remedies = []
    if spec.python is None and not has_python:
        missing.append("python_version of the python_function flavor: which Python to take")
        remedies.append("--python 3.10, or the one that the model was made with")
    if not model.loader_module and not any(known_flavors(model, loaded=False)):
        names = ", ".join(flavor.name for flavor in model.flavors)
        missing.append(f"a flavor that is known here, or a loader module; there is only {names}")
        remedies.append("a requirements.txt beside MLmodel")
    if missing:
        raise SpecError(
            "there is no environment file, and MLmodel does not say enough to do without",
            where="MLmodel",
            details=[f"missing: {item}" for item in missing],
            remedy="; ".join(remedies),
        )


def _mlflow_requirement(model: Model) -> PipRequirement:
    """``mlflow``; of a development version what MLflow itself writes: its series."""
    origin = Origin(side="record", file="MLmodel", position=_MLFLOW_KEY)
    specifier = SpecifierSet()
    version = _version(model.mlflow_version or "")
    if version and version.is_prerelease:
        specifier = SpecifierSet(f">={version.major}.{version.minor},<{version.major + 1}")
    return PipRequirement(
        name=MLFLOW, origin=origin, text=f"mlflow{specifier}", specifier=specifier
    )


def _derived(name: NormalizedName) -> PipRequirement:
    origin = Origin(side="record", file="MLmodel", position="flavors")
    return PipRequirement(name=name, origin=origin, text=str(name))


def _derived_notice(
    model: Model, entries: Iterable[PipRequirement], records: Collection[Record]
) -> Notice:
    told = [f"python {model.python_version}"] if model.python_version else []
    for entry in entries:
        record = next((record for record in records if record.fits(entry)), None)
        told.append(f"{entry.name} {record.text}" if record else str(entry.name))
    message = f"there is no environment file; taken from MLmodel: {', '.join(told)}"
    if runs_own_code(model):
        message += (
            ". What the model's own code imports is not recorded: list it in a requirements.txt"
            " beside MLmodel"
        )
    return Notice(code="environment-derived", message=message, where="MLmodel")
