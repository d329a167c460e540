"""A folder, an environment and perhaps a relay: what a resolver program is run with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from envbuild.ambient import Ambient
from envbuild.entries.requirements import FileSource, PipRequirement
from envbuild.errors import EnvbuildError
from envbuild.fetch.credentials import CredentialStore, origin_of, split_credentials
from envbuild.fetch.routes import Routes
from envbuild.fetch.transport import Transport
from envbuild.fs import scratch_folder
from envbuild.notices import Notice
from envbuild.process import plain_environment
from envbuild.resolve.failures import unreachable
from envbuild.resolve.indexes import Indexes, refuse_secret_query, sent_variables, settle_indexes
from envbuild.resolve.interface import Problem
from envbuild.resolve.stand_ins import write_stand_ins

if TYPE_CHECKING:
    from envbuild.fetch.relay import Relay

__all__ = ["Inputs", "Session", "open_session"]

# Configuration of uv that is taken over on purpose: it changes how long we try, not what we find.
_PATIENCE = ("UV_HTTP_TIMEOUT", "UV_HTTP_RETRIES", "UV_CONCURRENT_DOWNLOADS")


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """A problem with its addresses expanded, credentials inside."""

    problem: Problem
    indexes: Indexes
    model: Path | None
    requirements: tuple[PipRequirement, ...] = field(repr=False)
    addresses: tuple[str, ...] = field(repr=False)

    @property
    def notices(self) -> tuple[Notice, ...]:
        """Remarks about where packages come from."""
        requirements = self.problem.requirements
        sent = (sent_variables(one.raw_url, one.origin) for one in requirements)
        return (*self.indexes.notices, *chain.from_iterable(sent))

    @classmethod
    def of(cls, problem: Problem, ambient: Ambient) -> Inputs:
        """The inputs of ``problem`` in these surroundings.

        Raises:
            SpecError: a variable is not set, or a credential stands where it would be shown.
        """
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
class Session:
    """``folder`` is empty but for ``home``; nothing written into it may hold a credential."""

    inputs: Inputs
    folder: Path
    environment: Mapping[str, str] = field(repr=False)
    relay: Relay | None

    @property
    def indexes(self) -> Indexes:
        """Where packages come from, credentials inside."""
        return self.inputs.indexes

    def lines(self) -> list[str]:
        """The requirements as lines for the program."""
        requirements = write_stand_ins(self.folder, self.inputs.requirements)
        return [self._line(one) for one in requirements]

    def write(self, name: str, lines: list[str]) -> None:
        """Write a file of lines into the folder."""
        text = "".join(f"{line}\n" for line in lines)
        (self.folder / name).write_text(text, encoding="utf-8")

    def inside(self, url: str) -> str:
        """``url`` as the program is to ask for it: without credentials, through the relay."""
        bare = split_credentials(url)[0]
        return self.relay.routes.inside(bare) if self.relay else bare

    def outside(self, text: str) -> str:
        """What the program says, with addresses as they are outside."""
        return self.relay.routes.outside(text) if self.relay else text

    def relay_error(self) -> EnvbuildError | None:
        """The error for a server that the relay could not reach, if there was one."""
        failures = self.relay.failures.items() if self.relay else ()
        errors = (unreachable(*failure, self.indexes.options) for failure in failures)
        return next(errors, None)

    def _line(self, requirement: PipRequirement) -> str:
        return replace(requirement, raw_url=self.inside(requirement.raw_url)).resolvable({})


@contextmanager
def open_session(inputs: Inputs, store: CredentialStore, ambient: Ambient) -> Iterator[Session]:
    """A session that is gone afterwards. The relay runs only if something needs a password."""
    transport = Transport(environ=ambient.environ, credentials=store)
    private = {origin_of(url) for url in inputs.addresses if store.for_url(url)}
    with ExitStack() as stack:
        folder = stack.enter_context(scratch_folder())
        (folder / "home").mkdir()
        environment = _environment(ambient.environ, folder / "home")
        relay = None
        if private or _has_private_proxy(ambient.environ):
            from envbuild.fetch.relay import Relay

            relay = stack.enter_context(Relay(transport, Routes.of(private)))
            environment = relay.environment(environment)
        yield Session(inputs=inputs, folder=folder.resolve(), environment=environment, relay=relay)


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
