"""Which models have the same environment: what a solve depends on, and asking for it once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from envbuild.entries.requirements import FileSource, IndexOption, PipRequirement
from envbuild.errors import EnvbuildError
from envbuild.fs import sha256_file, sha256_tree
from envbuild.locking.header import CONDA_LOCK
from envbuild.merge import Plan
from envbuild.model import Model
from envbuild.resolve.conda.interface import CondaProblem, CondaResolution, CondaSolver
from envbuild.resolve.interface import Problem, Resolution, Resolver
from envbuild.resolve.preferences import pins_of
from envbuild.resolve.stand_ins import is_stand_in

__all__ = ["Answers", "AskedOnce", "CondaAskedOnce", "environment_key", "problem_key"]


def environment_key(model: Model, plans: Iterable[Plan], previous: Mapping[str, str]) -> str:
    """The same (sha256, hex) for models that are solved alike, under the options of one run.

    What a plan says about its origin, and so the files and lines that it is from, does not count;
    nor does the name of the model. ``previous`` are the locks that the result is to stay close to.
    """
    lines: list[str] = []
    for plan in plans:
        lines += [f"python {plan.python}", f"runtime {plan.runtime}", f"server {plan.server.name}"]
        lines += _entries("requirement", plan.requirements, model.path)
        lines += _entries("constraint", plan.constraints, model.path)
        lines += _options(plan.index_options, model.path)
        lines += [f"conda {entry.match_spec()}" for entry in plan.conda]
        lines += [f"channel {channel}" for channel in plan.channels]
    for platform, text in sorted(previous.items()):
        lines += [f"{platform} {line}" for line in _previous(text)]
        if platform == CONDA_LOCK:
            lines.append(f"previous conda part {text}")
    return _digest(lines)


def problem_key(problem: Problem) -> str:
    """The same (sha256, hex) for problems that have the same solution."""
    model = Path(problem.model_path) if problem.model_path else None
    lines = [repr(problem.target), repr(problem.options)]
    lines += _entries("requirement", problem.requirements, model)
    lines += _entries("constraint", problem.constraints, model)
    lines += _entries("override", problem.overrides, model)
    lines += _options(problem.index_options, model)
    lines += _previous(problem.previous)
    return _digest(lines)


T = TypeVar("T")


@dataclass(slots=True)
class Answers(Generic[T]):
    """What was answered to which question; an error is an answer too.

    ``asked`` counts questions that nobody knew the answer to, ``reused`` the others.
    """

    asked: int = 0
    reused: int = 0
    _known: dict[str, T | EnvbuildError] = field(default_factory=dict)

    def get(self, key: str, ask: Callable[[], T]) -> T:
        """The answer to the question ``key``, which ``ask`` finds if nobody knows it.

        Raises:
            EnvbuildError: what ``ask`` raised, now or then.
        """
        if key in self._known:
            self.reused += 1
        else:
            self.asked += 1
            try:
                self._known[key] = ask()
            except EnvbuildError as error:
                self._known[key] = error
        answer = self._known[key]
        if isinstance(answer, EnvbuildError):
            raise answer
        return answer


@dataclass(slots=True, kw_only=True)
class AskedOnce:
    """A resolver that asks another one and keeps its answers. Not for sharing between threads.

    A refusal is an answer too: many models that contradict themselves alike cost one search for
    the reason, and an index that is away is not waited for again.
    """

    resolver: Resolver
    found: Answers[Resolution] = field(default_factory=Answers[Resolution])
    _satisfiable: Answers[bool] = field(default_factory=Answers[bool])

    def resolve(self, problem: Problem) -> Resolution:
        """As ``Resolver.resolve``."""
        return self.found.get(problem_key(problem), lambda: self.resolver.resolve(problem))

    def satisfiable(self, problem: Problem) -> bool:
        """As ``Resolver.satisfiable``."""
        return self._satisfiable.get(
            problem_key(problem), lambda: self.resolver.satisfiable(problem)
        )


@dataclass(slots=True, kw_only=True)
class CondaAskedOnce:
    """As ``AskedOnce``, for the solver of the conda part; made when it is first asked."""

    make: Callable[[], CondaSolver]
    found: Answers[CondaResolution] = field(default_factory=Answers[CondaResolution])

    def solve(self, problem: CondaProblem) -> CondaResolution:
        """As ``CondaSolver.solve``."""
        return self.found.get(_conda_key(problem), lambda: self.make().solve(problem))


def _conda_key(problem: CondaProblem) -> str:
    options = astuple(problem.options)
    lines = [repr(problem.target), repr(options), *problem.channels, problem.previous]
    # The entries that contradict each other are named in the answer, so where they stand counts.
    lines += [f"{entry.match_spec()} {entry.origin}" for entry in problem.requirements]
    return _digest(lines)


def _previous(text: str) -> list[str]:
    return [f"previous {name}=={version}" for name, version in pins_of(text)]


def _entries(kind: str, entries: Iterable[PipRequirement], model: Path | None) -> Iterator[str]:
    for entry in entries:
        # Their order counts: a resolver looks at what comes first, first.
        hashes = ",".join(sorted(entry.hashes))
        side = "conda's " if is_stand_in(entry) else ""
        yield f"{side}{kind} {entry.pep508()} {entry.raw_url} {hashes}{_content(entry, model)}"


def _content(entry: PipRequirement, model: Path | None) -> str:
    """What a file of the model is, as its path is the same in every model."""
    if not isinstance(entry.source, FileSource):
        return ""
    path = (model or Path()) / entry.source.path
    try:
        return f" {sha256_tree(path)}" if path.is_dir() else f" {sha256_file(path)}"
    except OSError:
        return f" {path}"  # whoever solves it says what is wrong with it


def _options(options: Iterable[IndexOption], model: Path | None) -> Iterator[str]:
    for option in options:
        # A folder of the model holds what it holds; and errors name the entry of an address.
        ours = option.kind == "find-links" and option.origin.side in {"model", "record"}
        place = f" {model}" if ours and "://" not in option.value else ""
        yield f"option {option.kind} {option.value} {option.origin.side}{place}"


def _digest(lines: Iterable[str]) -> str:
    text = "".join(f"{line}\n" for line in lines)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
