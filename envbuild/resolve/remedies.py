"""What may help against a resolution that failed; where it costs little, it is tried first."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName
from packaging.version import Version

from envbuild.entries.requirements import PipRequirement
from envbuild.errors import EnvbuildError
from envbuild.misnamed import load_misnamed
from envbuild.resolve.interface import Problem, Resolver

__all__ = ["exact_version", "find_remedies", "is_no_package", "release_beside"]

_NEWEST_MINOR, _OLDEST_MINOR = 13, 7
_MOST_PYTHONS = 4
_PYTHON = re.compile(r"does not satisfy Python|matching Python (?:ABI|implementation|version)")
# https://pytorch.org/get-started/previous-versions: each kind of build has an index of its own.
_TORCH = frozenset({"torch", "torchaudio", "torchtext", "torchvision"})
_TORCH_BUILD = re.compile(r"cpu|cu\d+|rocm[\d.]+")


def find_remedies(
    problem: Problem,
    resolver: Resolver,
    *,
    conflict: Sequence[PipRequirement],
    derivation: Sequence[str],
    give_way: Sequence[Sequence[PipRequirement]],
    relaxable: bool,
) -> tuple[str, ...]:
    """What to try, the most specific first.

    ``relaxable`` says whether other versions of the sets in ``give_way`` resolve.
    """
    case = _Case(
        problem=problem, resolver=resolver, conflict=tuple(conflict), text=" ".join(derivation)
    )
    found = [
        *case.other_names(),
        *case.other_indexes(),
        *case.other_options(),
        *case.other_servers(),
        *case.other_pythons(),
    ]
    names = [sorted({one.name for one in entries if one.name}) for entries in give_way]
    if relaxable:
        found.append("--relax auto" if len(names) > 1 else f"--relax {' '.join(names[0])}")
    elif names:
        found.append(f"the model without {', '.join(names[0])}")
    return tuple(dict.fromkeys(found))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    problem: Problem
    resolver: Resolver
    conflict: tuple[PipRequirement, ...]
    text: str

    def other_names(self) -> Iterator[str]:
        """A module's name for a package's, a part of Python, another system's package."""
        for one in self.conflict:
            entry = load_misnamed().get(one.name) if one.name else None
            if entry is None or not (is_no_package(entry.name) or self._is_unknown(one.name)):
                continue
            new = f"{entry.instead} instead of {one.name}" if entry.instead else f"no {one.name}"
            yield f"{new} at {one.origin}, since {entry.explanation()}"

    def other_indexes(self) -> Iterator[str]:
        """Where a release may be that the indexes asked do not have."""
        for one in self.conflict:
            version = exact_version(one)
            if one.name is None or one.name in load_misnamed():
                continue
            if self._is_unknown(one.name):
                yield f"the index that has {one.name}, with --extra-index-url"
            elif version is not None and f"no version of {one.name}" in self.text:
                yield from self._missing_release(one, version)

    def other_options(self) -> Iterator[str]:
        """Choices of the user that take releases away."""
        if self.problem.options.only_binary and "no usable wheels" in self.text:
            yield "the same without --only-binary, which builds what has no wheel"
        if self.problem.options.exclude_newer and "exclude-newer" in self.text:
            yield "a later --exclude-newer"

    def other_servers(self) -> Iterator[str]:
        """Whether the model resolves by itself, or with the light mlflow."""
        if not any(one.origin.side == "server" for one in self.conflict):
            return
        requirements = self.problem.requirements
        if any(one.name == "mlflow" and one.origin.side != "server" for one in self.conflict):
            skinny = tuple(
                replace(one, name=NormalizedName("mlflow-skinny")) if one.name == "mlflow" else one
                for one in requirements
            )
            if self._resolves(replace(self.problem, requirements=skinny)):
                yield "mlflow-skinny for mlflow, by leaving out --keep-mlflow"
        own = tuple(one for one in requirements if one.origin.side != "server")
        if self._resolves(replace(self.problem, requirements=own)):
            yield "another --server, since the model resolves without this one"

    def other_pythons(self) -> Iterator[str]:
        """The nearest Python that resolves, newer ones first, if Python was a reason at all."""
        if not _PYTHON.search(self.text):
            return
        minor = self.problem.target.python.minor
        newer = range(minor + 1, _NEWEST_MINOR + 1)
        older = range(minor - 1, _OLDEST_MINOR - 1, -1)
        for other in [*newer, *older][:_MOST_PYTHONS]:
            # A patch release above all there are: its number decides nothing here.
            target = replace(self.problem.target, python=Version(f"3.{other}.99"))
            if self._resolves(replace(self.problem, target=target)):
                yield f"--python 3.{other}"
                return

    def _missing_release(self, one: PipRequirement, version: Version) -> Iterator[str]:
        name = one.name or ""
        if version.local and name in _TORCH and _TORCH_BUILD.fullmatch(version.local):
            yield f"--extra-index-url https://download.pytorch.org/whl/{version.local}"
        elif version.local:
            yield f"the index that has {name} {version}, with --extra-index-url"
        near = [
            release_beside(self.problem, self.resolver, one, f"{operator}{version.public}")
            for operator in ("<", ">=" if version.local else ">")
        ]
        if versions := [str(release) for release in near if release is not None]:
            yield f"a release of {name} that exists, such as {' or '.join(versions)}"

    def _is_unknown(self, name: str | None) -> bool:
        return f"{name} was not found in" in self.text

    def _resolves(self, problem: Problem) -> bool:
        try:
            return self.resolver.satisfiable(problem)
        except EnvbuildError:
            return False


def is_no_package(name: NormalizedName) -> bool:
    """Whether ``name`` stands for something that is not to be had under it for this target."""
    entry = load_misnamed().get(name)
    return entry is not None and not entry.is_installable


def release_beside(
    problem: Problem, resolver: Resolver, one: PipRequirement, specifier: str
) -> Version | None:
    """The release of ``one`` next to a bound (``<1.2``, ``>=1.2``), whatever it needs, or None."""
    alone = replace(
        problem,
        requirements=(replace(one, specifier=SpecifierSet(specifier)),),
        constraints=(),
        overrides=(),
        previous="",
        options=replace(
            problem.options, no_deps=True, lowest_direct=specifier.startswith(">"), upgrade=False
        ),
    )
    try:
        packages = resolver.resolve(alone).pylock.packages
    except EnvbuildError:
        return None
    return next((package.version for package in packages if package.name == one.name), None)


def exact_version(requirement: PipRequirement) -> Version | None:
    """The version of ``==1.2`` or ``===1.2``, or None for anything else."""
    clauses = list(requirement.specifier)
    if len(clauses) != 1 or clauses[0].operator not in {"==", "==="}:
        return None
    text = clauses[0].version
    return None if text.endswith(".*") else Version(text)
