"""The pip part by uv, run as a program: one call for each target."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import version as version_of
from pathlib import Path

from packaging.pylock import Pylock
from packaging.utils import NormalizedName, canonicalize_name

from envbuild.ambient import Ambient
from envbuild.errors import EnvbuildError, ResolutionError, ToolError
from envbuild.fetch.credentials import CredentialStore, origin_of, split_credentials
from envbuild.fetch.relay import Relay
from envbuild.fetch.routes import Routes
from envbuild.fetch.transport import Transport
from envbuild.notices import Notice
from envbuild.platforms import Target
from envbuild.process import Completed, Runner, plain_environment, run
from envbuild.requirements import FileSource, PipRequirement
from envbuild.resolve.artefacts import Tidier, was_built
from envbuild.resolve.failures import classify, parse_report, refused_urls, unreachable
from envbuild.resolve.indexes import Indexes, refuse_secret_query, settle_indexes
from envbuild.resolve.interface import Problem, Resolution
from envbuild.resolve.interpreters import Interpreters
from envbuild.resolve.preferences import preferences, read_toml

__all__ = ["UvResolver"]

_LOCK = "pylock.toml"
# What uv's --python-platform knows of glibc 2.X (uv 0.13); a floor in between takes the one below.
_GLIBC_LEVELS = (17, 28, *range(31, 41))

# Configuration of uv that is taken over on purpose: it changes how long we try, not what we find.
_PATIENCE = ("UV_HTTP_TIMEOUT", "UV_HTTP_RETRIES", "UV_CONCURRENT_DOWNLOADS")


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
            raw = read_toml((call.folder / _LOCK).read_text(encoding="utf-8"))
            pylock = call.tidy(Pylock.from_dict(raw))
        notices = [
            *call.indexes.notices,
            *_warnings(done.stderr),
            *self._build_remark(pylock, call),
        ]
        return Resolution(
            target=problem.target, pylock=pylock, resolver=self.name, notices=tuple(notices)
        )

    def satisfiable(self, problem: Problem) -> bool:
        """Whether ``problem`` has a solution; see ``Resolver``."""
        try:
            with self._solved(problem, ()):
                return True
        except ResolutionError:
            return False

    @contextmanager
    def _solved(
        self, problem: Problem, arguments: Sequence[str]
    ) -> Iterator[tuple[_Call, Completed]]:
        """A call of uv that went well, its folder still there."""
        inputs = _Inputs.of(problem, self.ambient)
        store = CredentialStore.of(self.ambient, inputs.addresses, runner=self.run)
        while True:
            with self._call(inputs, store) as call:
                done = call.run(arguments)
                if done.returncode == 0:
                    yield call, done
                    return
                error = call.error(done)
            refused = [url for url in refused_urls(done.stderr) if store.for_url(url) is None]
            if not any(store.after_refusal(url) for url in refused):
                raise error

    @contextmanager
    def _call(self, inputs: _Inputs, store: CredentialStore) -> Iterator[_Call]:
        transport = Transport(environ=self.ambient.environ, credentials=store)
        private = {origin_of(url) for url in inputs.addresses if store.for_url(url)}
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="envbuild-")))
            (folder / "home").mkdir()
            environment = _environment(self.ambient.environ, folder / "home")
            relay = None
            if private or _has_private_proxy(self.ambient.environ):
                relay = stack.enter_context(Relay(transport, Routes.of(private)))
                environment = relay.environment(environment)
            call = _Call(
                resolver=self,
                inputs=inputs,
                folder=folder.resolve(),
                environment=environment,
                relay=relay,
            )
            call.write()
            yield call

    def _build_remark(self, pylock: Pylock, call: _Call) -> Iterator[Notice]:
        """Say so when a script of another Python told what a package depends on."""
        target = call.inputs.problem.target
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
class _Inputs:
    """A problem with its addresses expanded, credentials inside."""

    problem: Problem
    indexes: Indexes
    model: Path | None
    requirements: tuple[PipRequirement, ...] = field(repr=False)
    addresses: tuple[str, ...] = field(repr=False)

    @classmethod
    def of(cls, problem: Problem, ambient: Ambient) -> _Inputs:
        model = Path(problem.model_path).resolve() if problem.model_path else None
        indexes = settle_indexes(
            problem.index_options, environ=ambient.environ, model=model, cwd=ambient.cwd
        )
        requirements = tuple(
            _expanded(requirement, ambient.environ, model) for requirement in problem.requirements
        )
        urls = (*indexes.urls, *indexes.find_links, *(one.raw_url for one in requirements))
        web = (url for url in urls if origin_of(url).startswith(("http://", "https://")))
        return cls(
            problem=problem,
            indexes=indexes,
            model=model,
            requirements=requirements,
            addresses=tuple(dict.fromkeys(web)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """One call of uv, laid out in a folder of its own."""

    resolver: UvResolver
    inputs: _Inputs
    folder: Path
    environment: Mapping[str, str] = field(repr=False)
    relay: Relay | None

    @property
    def indexes(self) -> Indexes:
        return self.inputs.indexes

    def write(self) -> None:
        """Lay out what uv reads. Nothing of it holds a credential."""
        problem = self.inputs.problem
        texts = {
            "uv.toml": self.indexes.configuration(self._inside),
            "requirements.in": _lines(self._line(one) for one in self.inputs.requirements),
            "constraints.txt": _lines(one.pep508() for one in problem.constraints),
            "overrides.txt": _lines(one.pep508() for one in problem.overrides),
            _LOCK: preferences(problem.previous),
        }
        for name, text in texts.items():
            if text or name in {"uv.toml", "requirements.in"}:
                (self.folder / name).write_text(text, encoding="utf-8")

    def run(self, arguments: Sequence[str]) -> Completed:
        """Run uv in the folder."""
        return self.resolver.run(
            [*self._command(), *arguments], env=self.environment, cwd=self.folder
        )

    def error(self, done: Completed) -> EnvbuildError:
        """Why uv failed, in addresses as they are outside."""
        for origin, reason in self.relay.failures.items() if self.relay else ():
            return unreachable(origin, reason, self.indexes.options)
        stderr = self._outside(done.stderr)
        return classify(replace(done, stderr=stderr), self.indexes.options)

    def tidy(self, pylock: Pylock) -> Pylock:
        """What uv wrote, for the target and with addresses as they are outside."""
        allowed: dict[NormalizedName, frozenset[str]] = {}
        for one in self.inputs.problem.requirements:
            if one.name and one.hashes:
                allowed[one.name] = allowed.get(one.name, frozenset()) | set(one.hashes)
        return Tidier(
            target=self.inputs.problem.target,
            folder=self.folder,
            model=self.inputs.model,
            real_url=lambda url: split_credentials(self._outside(url))[0],
            no_binary=frozenset(self.indexes.no_binary),
            hashes=allowed,
        ).tidy(pylock)

    def _command(self) -> Iterator[str]:
        problem, options = self.inputs.problem, self.inputs.problem.options
        target = problem.target
        yield from (_uv(), "pip", "compile", "requirements.in")
        yield from ("--config-file", "uv.toml", "--cache-dir", str(self._cache()))
        yield from ("--python-version", str(target.python), "--python-platform", _platform(target))
        yield from ("--python", str(self._interpreter()), "--no-python-downloads", "--no-sources")
        yield from ("--index-strategy", self.indexes.strategy)
        yield from ("--color", "never", "--no-progress", "--no-header", "--no-annotate")
        for name in ("constraints", "overrides"):
            if (self.folder / f"{name}.txt").exists():
                yield from (f"--{name}", f"{name}.txt")
        if options.exclude_newer:
            yield from ("--exclude-newer", options.exclude_newer)
        if options.prerelease or self.indexes.prereleases:
            yield from ("--prerelease", "allow")
        if options.offline:
            yield "--offline"
        if options.no_deps:
            yield "--no-deps"
        if options.lowest_direct:
            yield from ("--resolution", "lowest-direct")
        for name in (":all:",) if options.only_binary else self.indexes.only_binary:
            yield from ("--only-binary", name)
        for name in self.indexes.no_binary:
            yield from ("--no-binary", name)

    def _interpreter(self) -> Path:
        """A Python like the target's runs build scripts best; searching for one costs uv 0.8 s."""
        found = self.resolver.interpreters
        return (found.find(self.inputs.problem.target.python_minor) or found.running()).path

    def _cache(self) -> Path:
        """The cache that is asked for, else the user's own of uv, so that both share it."""
        ambient = self.resolver.ambient
        given = self.inputs.problem.options.cache_dir or ambient.environ.get("UV_CACHE_DIR")
        if given:
            return ambient.cwd / given
        return Path(ambient.environ.get("XDG_CACHE_HOME") or ambient.home / ".cache") / "uv"

    def _line(self, requirement: PipRequirement) -> str:
        bare = split_credentials(requirement.raw_url)[0]
        return replace(requirement, raw_url=self._inside(bare)).resolvable({})

    def _inside(self, text: str) -> str:
        return self.relay.routes.inside(text) if self.relay else text

    def _outside(self, text: str) -> str:
        return self.relay.routes.outside(text) if self.relay else text


def _expanded(
    requirement: PipRequirement, environ: Mapping[str, str], model: Path | None
) -> PipRequirement:
    """``requirement`` with the whole address in ``raw_url``, or none if an index has it."""
    if isinstance(requirement.source, FileSource):
        url = ((model or Path()) / requirement.source.path).resolve().as_uri()
    elif requirement.source is not None:
        url = replace(requirement, name=None, marker=None).resolvable(environ)
        refuse_secret_query(url, requirement.origin)
    else:
        url = ""
    return replace(requirement, raw_url=url)


def _environment(environ: Mapping[str, str], home: Path) -> dict[str, str]:
    """What uv, git and build scripts are started with."""
    plain = plain_environment(environ, home=home)
    # uv reads only the first of these names; requests, and so envbuild, the other two as well.
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        if bundle := plain.get(name):
            plain.setdefault("SSL_CERT_FILE", bundle)
    patience = {name: environ[name] for name in _PATIENCE if name in environ}
    return plain | patience | {"GIT_TERMINAL_PROMPT": "0"}


def _has_private_proxy(environ: Mapping[str, str]) -> bool:
    return any(name.lower().endswith("_proxy") and "@" in value for name, value in environ.items())


def _platform(target: Target) -> str:
    if target.platform.system != "Linux":
        return target.uv_platform()
    level = max(level for level in _GLIBC_LEVELS if level <= max(target.glibc[1], 17))
    return replace(target, glibc=(2, level)).uv_platform()


def _warnings(stderr: str) -> Iterator[Notice]:
    for text in parse_report(stderr).warnings:
        message = text.splitlines()[0].replace("`", "")
        code = "yanked" if " is yanked" in message else "resolver-warning"
        yield Notice(code=code, message=message)


def _lines(lines: Iterator[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _uv() -> str:
    from uv import find_uv_bin

    try:
        return find_uv_bin()
    except FileNotFoundError as error:
        raise ToolError(
            "the uv program is missing, although its package is installed",
            details=[str(error)],
            remedy="python -m pip install --force-reinstall uv",
        ) from None
