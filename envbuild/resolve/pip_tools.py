"""The pip part by pip-tools, for those whose rules ask for pip's own resolver.

pip-compile cannot look beyond the interpreter it runs under, so it runs under one like the
target's, in an environment made for it. It finds the pins; uv then adds files and hashes, since
pip-compile takes minutes for that (490 s for 85 packages, where uv takes 1.4 s).
"""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from envbuild.ambient import Ambient
from envbuild.entries.requirements import PipRequirement, UrlSource
from envbuild.errors import (
    BuildError,
    EnvbuildError,
    IndexUnavailableError,
    ResolutionError,
    RuntimeUnsupportedError,
    ToolError,
    UsageError,
)
from envbuild.fetch.credentials import CredentialStore
from envbuild.notices import Notice
from envbuild.origins import Origin
from envbuild.process import Completed, Runner, run
from envbuild.redact import redact
from envbuild.resolve.indexes import Indexes
from envbuild.resolve.interface import Problem, Resolution
from envbuild.resolve.interpreters import Interpreter
from envbuild.resolve.preferences import pins_of
from envbuild.resolve.session import Inputs, Session, open_session
from envbuild.resolve.stand_ins import stand_in_names
from envbuild.resolve.uv import UvResolver, find_uv

__all__ = ["PipToolsResolver"]

_OUTPUT = "requirements.txt"
_LOG_LINES = 25
_LONGEST_LINE = 200
# pip-tools 6.14, the last for Python 3.7, imports a name that pip 23.2 no longer has.
_OLD_PIP = {(3, 6): "pip<22", (3, 7): "pip<23.2"}
_CONNECTION = re.compile(r"connection broken by|Max retries exceeded|Could not fetch URL|HTTPError")
_BUILD = re.compile(r"Failed to build|subprocess-exited-with-error|InstallationSubprocessError|"
                    r"MetadataGenerationFailed|metadata-generation-failed")  # fmt: skip
_UNSOLVED = re.compile(r"DistributionNotFound|ResolutionImpossible|NoCandidateFound|"
                       r"Could not find a version")  # fmt: skip
_FROM_COMPILE = Origin(side="option", file="--resolver pip-tools")


@dataclass(frozen=True, slots=True, kw_only=True)
class PipToolsResolver:
    """Solves with pip-compile, for the platform of this machine only.

    ``uv`` does the rest, and answers ``satisfiable``: only its speed bears being asked often.
    """

    ambient: Ambient
    uv: UvResolver
    run: Runner

    @classmethod
    def of(cls, ambient: Ambient, *, runner: Runner = run) -> PipToolsResolver:
        """The resolver of this user."""
        return cls(ambient=ambient, uv=UvResolver.of(ambient, runner=runner), run=runner)

    def satisfiable(self, problem: Problem) -> bool:
        """Whether ``problem`` has a solution, by uv; see ``Resolver``."""
        return self.uv.satisfiable(problem)

    def resolve(self, problem: Problem) -> Resolution:
        """Solve ``problem``; see ``Resolver``.

        Raises:
            RuntimeUnsupportedError: the target is not of this machine's kind.
            UsageError: an option that pip-compile has no equal for.
        """
        _refuse(problem)
        interpreter = self._interpreter(problem)
        inputs = Inputs.of(problem, self.ambient)
        store = CredentialStore.of(self.ambient, inputs.addresses, runner=self.run)
        with open_session(inputs, store, self.ambient) as session:
            compiler = _Compiler(resolver=self, session=session, interpreter=interpreter)
            version = compiler.install()
            pins = compiler.compile()
        options = replace(problem.options, no_deps=True, upgrade=False, upgrade_packages=())
        locked = self.uv.resolve(
            replace(
                problem,
                requirements=tuple(_with_sources(pins, problem.requirements)),
                constraints=(),
                overrides=(),
                previous="",
                options=options,
            )
        )
        notices = (*locked.notices, *_other_release(problem, interpreter))
        return replace(locked, resolver=f"pip-tools {version}", notices=notices)

    def _interpreter(self, problem: Problem) -> Interpreter:
        minor = problem.target.python_minor
        found = self.uv.interpreters.find(minor)
        if found is None:
            raise ToolError(
                f"pip-compile must run under Python {minor[0]}.{minor[1]}, the target's, and this "
                "machine has none",
                details=["looked for in pyenv, among uv's interpreters and on PATH"],
                remedy=f"install Python {minor[0]}.{minor[1]}, or --resolver uv",
            )
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Compiler:
    """pip-tools in an environment of its own, in the folder of a session."""

    resolver: PipToolsResolver
    session: Session
    interpreter: Interpreter

    @property
    def _python(self) -> str:
        return str(self.session.folder / "venv" / "bin" / "python")

    @property
    def _environment(self) -> dict[str, str]:
        # pip reads files under /etc as well, but for this one name; click wants a UTF-8 locale.
        isolated = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INPUT": "1", "LC_ALL": "C.UTF-8"}
        return {**self.session.environment, **isolated, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}

    def install(self) -> str:
        """Make the environment with the newest pip-tools for its Python; the version it has.

        Raises:
            ToolError, IndexUnavailableError: pip-tools cannot be installed.
        """
        session = self.session
        session.write("uv.toml", session.indexes.configuration(session.inside).splitlines())
        uv = (find_uv(), "--config-file", "uv.toml", "--no-python-downloads", "--no-progress")
        venv = (*uv, "venv", "--python", str(self.interpreter.path), "venv")
        pip = _OLD_PIP.get(self.interpreter.minor, "pip")
        tools = ("pip-tools", pip, "setuptools", "wheel")
        cache = ("--cache-dir", str(self.resolver.uv.cache(session.inputs.problem)))
        self._run_tool(venv, "an environment for pip-tools cannot be made")
        self._run_tool(
            (*uv, *cache, "pip", "install", "--python", self._python, *tools),
            "pip-tools cannot be installed",
        )
        words = (self._python, "-m", "pip", "show", "pip-tools")
        shown = self._run_tool(words, "pip-tools cannot be used").stdout
        found = re.search(r"^Version: (\S+)$", shown, re.MULTILINE)
        return found[1] if found else "of an unknown version"

    def compile(self) -> list[Requirement]:
        """Run pip-compile: every package as a pin or by its address.

        Raises:
            ResolutionError, IndexUnavailableError, BuildError, ToolError: it failed.
        """
        session, problem = self.session, self.session.inputs.problem
        lines = session.lines()
        if problem.constraints:
            session.write("constraints.txt", [one.pep508() for one in problem.constraints])
            lines = ["-c constraints.txt", *lines]
        session.write("requirements.in", lines)
        if pins := pins_of(problem.previous):
            session.write(_OUTPUT, [f"{name}=={version}" for name, version in pins])
        done = self._run(tuple(self._command(problem)))
        if done.returncode != 0:
            raise session.relay_error() or _failure(done, session)
        text = (session.folder / _OUTPUT).read_text(encoding="utf-8")
        return list(_parse(session.outside(text)))

    def _command(self, problem: Problem) -> Iterator[str]:
        yield from (self._python, "-m", "piptools", "compile", "requirements.in")
        yield from ("--output-file", _OUTPUT, "--quiet", "--no-header", "--no-annotate")
        yield from ("--no-emit-index-url", "--no-emit-trusted-host", "--allow-unsafe")
        yield from ("--cache-dir", str(self.resolver.ambient.cache_root() / "pip-tools"))
        if self.interpreter.minor >= (3, 7):
            yield "--resolver=backtracking"
        if problem.options.prerelease or self.session.indexes.prereleases:
            yield "--pre"
        if problem.options.upgrade:
            yield "--upgrade"
        for name in problem.options.upgrade_packages:
            yield from ("--upgrade-package", canonicalize_name(name))
        yield from self._sources(self.session.indexes)

    def _sources(self, indexes: Indexes) -> Iterator[str]:
        for position, url in enumerate(indexes.urls):
            name = "--index-url" if position == 0 else "--extra-index-url"
            yield from (name, self.session.inside(url))
        for url in indexes.find_links:
            yield from ("--find-links", self.session.inside(url))
        hosts = list(indexes.trusted_hosts)
        if self.session.relay:
            # Ours are asked for without TLS, on loopback; the relay checks the certificates.
            hosts += self.session.relay.routes.origins
        for host in hosts:
            yield from ("--trusted-host", host)
        if arguments := list(_format_control(self.session.inputs.problem, indexes)):
            yield f"--pip-args={' '.join(arguments)}"

    def _run_tool(self, argv: Sequence[str], problem: str) -> Completed:
        done = self._run(argv)
        if done.returncode != 0:
            stderr = redact(self.session.outside(done.stderr)).strip().splitlines()
            raise self.session.relay_error() or ToolError(
                problem, details=stderr[-_LOG_LINES:], remedy="--resolver uv"
            )
        return done

    def _run(self, argv: Sequence[str]) -> Completed:
        return self.resolver.run(argv, env=self._environment, cwd=self.session.folder)


def _refuse(problem: Problem) -> None:
    """What pip-compile cannot do.

    Raises:
        RuntimeUnsupportedError, UsageError: the problem asks for it.
    """
    target = problem.target.platform
    here = (platform.system(), platform.machine())
    if here != (target.system, target.machine):
        raise RuntimeUnsupportedError(
            f"pip-tools solves for the machine it runs on, {here[0]} {here[1]}, not for {target}",
            remedy="--resolver uv, which solves for any platform",
        )
    if stand_in_names(problem.requirements):
        raise RuntimeUnsupportedError(
            "pip-tools cannot solve beside what conda brings", remedy="--resolver uv"
        )
    given = {
        "--exclude-newer": bool(problem.options.exclude_newer),
        "--offline": problem.options.offline,
    }
    if names := [name for name, is_given in given.items() if is_given]:
        raise UsageError(
            f"pip-compile has no equal to {' and '.join(names)}", remedy="--resolver uv"
        )


def _format_control(problem: Problem, indexes: Indexes) -> Iterator[str]:
    only_binary = (":all:",) if problem.options.only_binary else indexes.only_binary
    for name in only_binary:
        yield f"--only-binary={name}"
    for name in indexes.no_binary:
        yield f"--no-binary={name}"


def _failure(done: Completed, session: Session) -> EnvbuildError:
    """Why pip-compile failed. It ends in a traceback, whose last lines say what happened."""
    lines = redact(session.outside(done.stderr)).strip().splitlines()
    text, last = "\n".join(lines), "\n".join(lines[-3:])
    remedy = "--resolver uv, which explains a conflict"
    if _CONNECTION.search(text):
        retries = [line for line in lines if _CONNECTION.search(line)]
        return IndexUnavailableError("pip cannot reach an index", details=retries[-3:])
    if _UNSOLVED.search(last):
        return ResolutionError(
            "pip finds no set of releases that satisfies the requirements",
            details=_messages(lines),
            remedy=remedy,
        )
    if _BUILD.search(text):
        return BuildError(
            "pip cannot build a source distribution to see what it depends on",
            details=lines[-_LOG_LINES:],
            remedy=(
                "another version of it that has a wheel, --only-binary to take none without, or a"
                " wheel of your own by --find-links"
            ),
        )
    return ToolError(f"pip-compile ended with {done.returncode}", details=lines[-_LOG_LINES:])


def _messages(lines: Sequence[str]) -> list[str]:
    """What pip has to say of a conflict, without the traceback and the lists of all releases."""
    errors = [line.strip() for line in lines if line.lstrip().startswith("ERROR:")]
    said = [line for line in errors if not line.startswith("ERROR: Ignored")]
    return [_cut(line.removeprefix("ERROR: ")) for line in said or lines[-1:]]


def _cut(line: str) -> str:
    return line if len(line) <= _LONGEST_LINE else f"{line[:_LONGEST_LINE]}…"


def _parse(text: str) -> Iterator[Requirement]:
    for line in text.splitlines():
        entry = line.strip().removeprefix("-e ")
        if not entry or entry.startswith(("#", "--")):
            continue
        try:
            yield Requirement(entry)
        except InvalidRequirement as error:
            raise ToolError(
                "pip-compile wrote a line that is no requirement", details=[redact(entry)]
            ) from error


def _with_sources(
    pins: Sequence[Requirement], originals: Sequence[PipRequirement]
) -> Iterator[PipRequirement]:
    """The pins; what is required by its address is required so again, credentials included."""
    direct = {one.name: one for one in originals if one.source is not None}
    for pin in pins:
        name = canonicalize_name(pin.name)
        if pin.url is None:
            yield PipRequirement(
                name=name,
                origin=_FROM_COMPILE,
                text=str(pin),
                extras=tuple(sorted(pin.extras)),
                specifier=pin.specifier,
                marker=pin.marker,
            )
        elif name in direct:
            yield direct[name]
        else:
            yield PipRequirement(
                name=name,
                origin=_FROM_COMPILE,
                text=str(pin),
                source=UrlSource(url=redact(pin.url)),
                raw_url=pin.url,
            )


def _other_release(problem: Problem, interpreter: Interpreter) -> Iterator[Notice]:
    if interpreter.version != problem.target.python:
        yield Notice(
            code="other-patch-release",
            message=f"pip-compile ran under Python {interpreter.version}, not "
            f"{problem.target.python}, which this machine does not have",
            level="note",
        )
