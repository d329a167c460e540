"""The pip part by uv, run as a program: one call for each target."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version as version_of
from pathlib import Path

from packaging.pylock import Pylock, PylockValidationError
from packaging.utils import NormalizedName, canonicalize_name

from envbuild.ambient import Ambient
from envbuild.entries.requirements import PipRequirement
from envbuild.errors import EnvbuildError, ResolutionError, ToolError
from envbuild.fetch.credentials import CredentialStore, split_credentials
from envbuild.notices import Notice
from envbuild.platforms import Target
from envbuild.process import Completed, Runner, run
from envbuild.resolve.artefacts import Tidier, was_built
from envbuild.resolve.failures import classify, parse_report, refused_urls
from envbuild.resolve.interface import Problem, Resolution
from envbuild.resolve.interpreters import Interpreters
from envbuild.resolve.preferences import preferences, read_toml
from envbuild.resolve.session import Inputs, Session, open_session
from envbuild.resolve.stand_ins import stand_in_names, without_stand_ins

__all__ = ["UvResolver", "find_uv"]

_LOCK = "pylock.toml"
_NO_EXTRA = re.compile(r"The package (?P<name>[^\s=@]+).* not have an extra named (?P<extra>\S+)$")
# What uv's --python-platform knows of glibc 2.X (uv 0.13); a floor in between takes the one below.
_GLIBC_LEVELS = (17, 28, *range(31, 41))


@dataclass(frozen=True, slots=True, kw_only=True)
class UvResolver:
    """Solves with the uv that is installed with envbuild. Safe to share between threads."""

    ambient: Ambient
    interpreters: Interpreters
    run: Runner

    @classmethod
    def of(cls, ambient: Ambient, *, runner: Runner = run) -> UvResolver:
        """The resolver of this user."""
        return cls(
            ambient=ambient,
            interpreters=Interpreters(ambient=ambient, run=runner),
            run=runner,
        )

    @property
    def name(self) -> str:
        """``uv 0.13.9``."""
        return f"uv {version_of('uv')}"

    def resolve(self, problem: Problem) -> Resolution:
        """Solve ``problem``; see ``Resolver``.

        Raises:
            SpecError: an address needs an environment variable that is not set.
            IntegrityError: an index gives no sha256.
        """
        arguments = ["--generate-hashes", "--format", "pylock.toml", "--output-file", _LOCK]
        if problem.options.upgrade:
            arguments.append("--upgrade")
        for name in problem.options.upgrade_packages:
            arguments += ["--upgrade-package", canonicalize_name(name)]
        with self._solved(problem, arguments) as (call, done):
            pylock = call.lock()
        remarks = (
            *_warnings(done.stderr, problem.requirements),
            *self._build_remark(pylock, problem.target),
        )
        notices = (*call.session.inputs.notices, *remarks)
        return Resolution(target=problem.target, pylock=pylock, resolver=self.name, notices=notices)

    def satisfiable(self, problem: Problem) -> bool:
        """Whether ``problem`` has a solution; see ``Resolver``."""
        try:
            with self._solved(problem, ()):
                return True
        except ResolutionError:
            return False

    def cache(self, problem: Problem) -> Path:
        """The cache that is asked for, else the user's own of uv, so that both share it."""
        ambient = self.ambient
        given = problem.options.cache_dir or ambient.environ.get("UV_CACHE_DIR")
        if given:
            return ambient.cwd / given
        return Path(ambient.environ.get("XDG_CACHE_HOME") or ambient.home / ".cache") / "uv"

    @contextmanager
    def _solved(
        self, problem: Problem, arguments: Sequence[str]
    ) -> Iterator[tuple[_Call, Completed]]:
        """A call of uv that went well, its folder still there."""
        inputs = Inputs.of(problem, self.ambient)
        store = CredentialStore.of(self.ambient, inputs.addresses, runner=self.run)
        while True:
            with open_session(inputs, store, self.ambient) as session:
                call = _Call(resolver=self, session=session)
                done = call.run(arguments)
                if done.returncode == 0:
                    yield call, done
                    return
                error = call.error(done)
            refused = [url for url in refused_urls(done.stderr) if store.for_url(url) is None]
            if not any(store.after_refusal(url) for url in refused):
                raise _with_remark(error, store.remark) if refused else error

    def _build_remark(self, pylock: Pylock, target: Target) -> Iterator[Notice]:
        """Say so when a script of another Python told what a package depends on."""
        built = [package.name for package in pylock.packages if was_built(package)]
        python = self.interpreters.find(target.python_minor) or self.interpreters.running()
        if built and python.minor != target.python_minor:
            yield Notice(
                code="built-by-other-python",
                message=f"what {', '.join(built)} depends on was found out by Python "
                f"{python.version}, since there is no Python "
                f"{target.python.major}.{target.python.minor} on this machine",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """One call of uv, laid out in a folder of its own."""

    resolver: UvResolver
    session: Session

    @property
    def problem(self) -> Problem:
        return self.session.inputs.problem

    def run(self, arguments: Sequence[str]) -> Completed:
        """Write what uv reads and run it."""
        session = self.session
        session.write("requirements.in", session.lines())
        for name, entries in self._bounds():
            session.write(f"{name}.txt", [one.pep508() for one in entries])
        configuration = session.indexes.configuration(session.inside)
        session.write("uv.toml", configuration.splitlines())
        if pins := preferences(self.problem.previous):
            session.write(_LOCK, pins.splitlines())
        return self.resolver.run(
            [*self._command(), *arguments], env=session.environment, cwd=session.folder
        )

    def error(self, done: Completed) -> EnvbuildError:
        """Why uv failed, in addresses as they are outside."""
        plain = replace(done, stderr=self.session.outside(done.stderr))
        return self.session.relay_error() or classify(plain, self.session.indexes.options)

    def lock(self) -> Pylock:
        """What uv wrote, for the target and with addresses as they are outside."""
        allowed: dict[NormalizedName, frozenset[str]] = {}
        for one in self.problem.requirements:
            if one.name and one.hashes:
                allowed[one.name] = allowed.get(one.name, frozenset()) | set(one.hashes)
        text = (self.session.folder / _LOCK).read_text(encoding="utf-8")
        try:
            pylock = Pylock.from_dict(read_toml(text))
        except PylockValidationError as error:
            raise ToolError("uv wrote a lock that is not valid", details=[str(error)]) from error
        return Tidier(
            target=self.problem.target,
            folder=self.session.folder,
            model=self.session.inputs.model,
            real_url=lambda url: split_credentials(self.session.outside(url))[0],
            no_binary=frozenset(self.session.indexes.no_binary),
            hashes=allowed,
        ).tidy(without_stand_ins(pylock, self.problem.requirements))

    def _bounds(self) -> Iterator[tuple[str, tuple[PipRequirement, ...]]]:
        if self.problem.constraints:
            yield "constraints", self.problem.constraints
        if self.problem.overrides:
            yield "overrides", self.problem.overrides

    def _command(self) -> Iterator[str]:
        options, target, indexes = self.problem.options, self.problem.target, self.session.indexes
        yield from (find_uv(), "pip", "compile", "requirements.in")
        yield from (
            "--config-file",
            "uv.toml",
            "--cache-dir",
            str(self.resolver.cache(self.problem)),
        )
        yield from ("--python-version", str(target.python), "--python-platform", _platform(target))
        yield from ("--python", str(self._interpreter()), "--no-python-downloads", "--no-sources")
        yield from ("--index-strategy", indexes.strategy)
        yield from ("--color", "never", "--no-progress", "--no-header", "--no-annotate")
        for name, _ in self._bounds():
            yield from (f"--{name}", f"{name}.txt")
        if options.exclude_newer:
            yield from ("--exclude-newer", options.exclude_newer)
        if options.prerelease or indexes.prereleases:
            yield from ("--prerelease", "allow")
        if options.offline:
            yield "--offline"
        if options.no_deps:
            yield "--no-deps"
        if options.lowest_direct:
            yield from ("--resolution", "lowest-direct")
        for name in (":all:",) if options.only_binary else indexes.only_binary:
            yield from ("--only-binary", name)
        for name in indexes.no_binary:
            yield from ("--no-binary", name)

    def _interpreter(self) -> Path:
        """A Python like the target's runs build scripts best; searching for one costs uv 0.8 s."""
        found = self.resolver.interpreters
        return (found.find(self.problem.target.python_minor) or found.running()).path


def _with_remark(error: EnvbuildError, remark: str) -> EnvbuildError:
    """``error`` with why the netrc file, which may have the password, was of no use."""
    if not remark:
        return error
    details = (*error.details, remark)
    return type(error)(error.problem, where=error.where, details=details, remedy=error.remedy)


def _platform(target: Target) -> str:
    if target.platform.system != "Linux":
        return target.uv_platform()
    level = max(level for level in _GLIBC_LEVELS if level <= max(target.glibc[1], 17))
    return replace(target, glibc=(2, level)).uv_platform()


def _warnings(stderr: str, requirements: Sequence[PipRequirement]) -> Iterator[Notice]:
    from_conda = stand_in_names(requirements)
    for text in parse_report(stderr).warnings:
        message = text.splitlines()[0].replace("`", "")
        if (found := _NO_EXTRA.match(message)) and found["name"] in from_conda:
            yield Notice(
                code="conda-extra",
                message=f"conda brings {found['name']}, so what its extra {found['extra']} asks for"
                " is not added",
            )
            continue
        code = "yanked" if " is yanked" in message else "resolver-warning"
        yield Notice(code=code, message=message)


def find_uv() -> str:
    """The uv program of the installed package.

    Raises:
        ToolError: it is not there.
    """
    from uv import find_uv_bin

    try:
        return find_uv_bin()
    except FileNotFoundError as error:
        raise ToolError(
            "the uv program is missing, although its package is installed",
            details=[str(error)],
            remedy="python -m pip install --force-reinstall uv",
        ) from None
