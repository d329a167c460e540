"""What conda is to solve: Python, the tools, the packages, and where they come from. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from packaging.specifiers import Specifier, SpecifierSet
from packaging.utils import NormalizedName
from packaging.version import Version

from envbuild.entries.requirements import CondaRequirement, PipRequirement
from envbuild.merging.conda_names import pep440, show
from envbuild.merging.name_map import NameMap
from envbuild.merging.plans import MergeOptions
from envbuild.origins import Origin
from envbuild.redact import redact
from envbuild.spec import EnvSpec

__all__ = [
    "DEFAULT_CHANNEL",
    "channels_of",
    "combined",
    "conda_version",
    "find_conda_contradictions",
    "needs_conda",
    "packages_of",
    "python_of",
]

DEFAULT_CHANNEL = "conda-forge"  # MLflow's own default: mlflow/utils/environment.py
_NO_DEFAULTS = "nodefaults"
_PIP = "pip"
_OPTION = Origin(side="option", file="--python")


def needs_conda(spec: EnvSpec, options: MergeOptions) -> bool:
    """Whether the runtime is conda's: asked for, or needed by what conda.yaml lists."""
    return options.runtime == "conda" or (options.runtime == "auto" and bool(spec.conda))


def channels_of(spec: EnvSpec, options: MergeOptions) -> tuple[str, ...]:
    """The channels by priority: the user's, then the model's; conda-forge where there are none.

    ``nodefaults`` says that nothing else is to be asked, which is so anyway.
    """
    own = spec.channels if options.use_model_indexes else ()
    named = dict.fromkeys((*options.channels, *own))
    return tuple(name for name in named if name != _NO_DEFAULTS) or (DEFAULT_CHANNEL,)


def packages_of(
    spec: EnvSpec,
    options: MergeOptions,
    python: Version,
    *,
    decided: Iterable[PipRequirement],
    names: NameMap,
) -> tuple[CondaRequirement, ...]:
    """Python, pip, the tools and the packages; several for one name are to hold together.

    ``decided`` are pip requirements, the recorded versions among them: where one is for the same
    package, conda is asked for what suits both.
    """
    own = [*spec.conda_tools, *spec.conda]
    if not any(tool.name == _PIP for tool in own):
        # What installs the pip part, as ``conda env create`` adds it.
        installs = Origin(side="server", file="envbuild", position="what installs the pip part")
        own.append(CondaRequirement(name=_PIP, origin=installs, text=_PIP))
    suiting: defaultdict[NormalizedName, list[PipRequirement]] = defaultdict(list)
    for entry in decided:
        if entry.name and entry.specifier and entry.source is None and entry.marker is None:
            suiting[entry.name].append(entry)
    beside: dict[CondaRequirement, None] = {}
    for package in own:
        for name in names.verdict(package.name).names[:1]:
            beside.update((_beside(package, entry), None) for entry in suiting[name])
    return (*python_of(spec, options, python), *own, *(one for one in beside if one.version))


def python_of(spec: EnvSpec, options: MergeOptions, python: Version) -> Iterator[CondaRequirement]:
    """What is asked of Python, and that it stays of the minor version that the plan is for."""
    minor = f"={python.major}.{python.minor}"
    origin, text = _OPTION, f"python={options.python}"
    version = f"=={python}" if options.python == str(python) else minor
    if not options.python and spec.python is not None:
        origin, text = spec.python.origin, spec.python.text
        version = conda_version(spec.python.specifier)
        if not version.lstrip("=").startswith(minor[1:]):  # a range, or nothing
            version = f"{version},{minor}" if version else minor
    yield CondaRequirement(name="python", origin=origin, text=text, version=version)


def conda_version(specifier: SpecifierSet) -> str:
    """A PEP 440 specifier as a constraint of conda; empty for any version.

    A local version is left out: conda has builds in its place.
    """
    return ",".join(sorted(filter(None, map(_conda_atom, specifier))))


def _conda_atom(clause: Specifier) -> str:
    operator, version = clause.operator, clause.version
    if operator == "==" and version.endswith(".*"):
        return f"={version.removesuffix('.*')}"
    version = version.partition("+")[0]
    return f"=={version}" if operator == "===" else f"{operator}{version}"


def _beside(package: CondaRequirement, entry: PipRequirement) -> CondaRequirement:
    return replace(
        package,
        origin=entry.origin,
        text=entry.pep508(),
        version=conda_version(entry.specifier),
        build="",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CondaContradiction:
    """Two entries that no version satisfies, one of them at least conda's."""

    name: str
    first: CondaRequirement
    second: CondaRequirement | PipRequirement

    def __str__(self) -> str:
        if isinstance(self.second, PipRequirement):
            second = f"{self.second.origin} for {self.second.pep508()} from pip"
        else:
            second = f"{self.second.origin} for {_shown(self.second)}"
        return f"{self.first.origin} asks for {_shown(self.first)} from conda, {second}"

    @property
    def can_relax(self) -> bool:
        """Whether another version of the pip requirement could do."""
        match self.second:
            case PipRequirement(source=None, origin=Origin(side=side)):
                return side != "option"
            case _:
                return False


def find_conda_contradictions(
    packages: Sequence[CondaRequirement], pip: Iterable[PipRequirement], names: NameMap
) -> tuple[CondaContradiction, ...]:
    """Conda packages that contradict each other, or a pip requirement of the same package."""
    by_name: defaultdict[str, list[CondaRequirement]] = defaultdict(list)
    for package in packages:
        by_name[package.name].append(package)
    found = [
        CondaContradiction(name=name, first=one, second=other)
        for name, group in sorted(by_name.items())
        for one, other in combinations(group, 2)
        if _clash(one, other)
    ]
    by_pypi = _by_pypi_name(packages, names)
    found += [
        CondaContradiction(name=str(entry.name), first=package, second=entry)
        for entry in pip
        for package in by_pypi.get(entry.name, ())
        if entry.source is not None or _excludes(package, entry)
    ]
    return tuple(found)


def _shown(package: CondaRequirement) -> str:
    channel = f"{redact(package.channel)}::" if package.channel else ""
    return f"{channel}{show(package)}"


def combined(requirements: Iterable[CondaRequirement]) -> tuple[CondaRequirement, ...]:
    """One requirement for each package, which means all that are asked of it."""
    by_name: defaultdict[str, list[CondaRequirement]] = defaultdict(list)
    for one in requirements:
        by_name[one.name].append(one)
    return tuple(_together(group) for group in by_name.values())


def _together(group: Sequence[CondaRequirement]) -> CondaRequirement:
    versions = dict.fromkeys(one.version for one in group if one.version)
    parts = [f"({part})" if "|" in part and len(versions) > 1 else part for part in versions]
    return replace(
        group[0],
        version=",".join(parts),
        # Of two patterns the longer says more; what excludes each other was refused before.
        build=max((one.build for one in group), key=len),
        channel=next((one.channel for one in group if one.channel), ""),
        subdir=next((one.subdir for one in group if one.subdir), ""),
    )


def _by_pypi_name(
    packages: Iterable[CondaRequirement], names: NameMap
) -> Mapping[NormalizedName | None, list[CondaRequirement]]:
    found: defaultdict[NormalizedName | None, list[CondaRequirement]] = defaultdict(list)
    for package in packages:
        for name in names.verdict(package.name).names:
            found[name].append(package)
    return found


def _clash(one: CondaRequirement, other: CondaRequirement) -> bool:
    builds = {package.build for package in (one, other) if package.build}
    if len(builds) > 1 and not any("*" in build for build in builds):
        return True
    channels = {package.channel for package in (one, other) if package.channel}
    if len(channels) > 1:
        return True
    return (pep440(one)[0] & pep440(other)[0]).is_unsatisfiable()


def _excludes(package: CondaRequirement, entry: PipRequirement) -> bool:
    """Whether no version is both; a local version is one that conda never has."""
    local = any("+" in clause.version for clause in entry.specifier)
    return local or (pep440(package)[0] & entry.specifier).is_unsatisfiable()
