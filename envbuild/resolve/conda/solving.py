"""A solve by rattler: channels, specs and what the target has, to records."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from envbuild.errors import (
    MissingExtraError,
    SpecError,
    ToolError,
    UsageError,
)
from envbuild.redact import quote, redact
from envbuild.resolve.conda.faults import channel_fault
from envbuild.resolve.conda.reasons import Facts, unsolvable
from envbuild.resolve.conda.records import SolvedRecord
from envbuild.resolve.conda.settings import LockedRecord
from envbuild.resolve.conda.virtual import VirtualPackage

if TYPE_CHECKING:
    from rattler import Gateway, GenericVirtualPackage, MatchSpec, RepoDataRecord

__all__ = ["Solve", "solve", "solver_release"]

_RETRIES = 2  # of what may pass: 5xx, a connection that breaks


@dataclass(frozen=True, slots=True, kw_only=True)
class Solve:
    """What is asked of rattler.

    ``channels`` are addresses in the order of priority, ``specs`` MatchSpecs whose channel, if they
    name one, is one of these addresses. ``locked`` are preferred to newer ones, those named in
    ``upgrade`` excepted, which become the newest that a solve from nothing would find. ``timeout``
    is in seconds.
    """

    subdir: str
    channels: tuple[str, ...]
    specs: tuple[str, ...]
    virtual_packages: tuple[VirtualPackage, ...] = ()
    locked: tuple[LockedRecord, ...] = ()
    upgrade: tuple[str, ...] = ()
    exclude_newer: str = ""
    cache_dir: Path
    offline: bool = False
    timeout: float = 600.0


def solver_release() -> str:
    """``py-rattler 0.28.0``.

    Raises:
        MissingExtraError: it is not installed.
    """
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"py-rattler {version('py-rattler')}"
    except PackageNotFoundError:
        raise _missing() from None


def solve(problem: Solve) -> tuple[SolvedRecord, ...]:
    """The packages that satisfy ``problem``, sorted by name.

    Raises:
        SpecError: a spec that is no MatchSpec.
        ResolutionError: no solution; ``details`` are rattler's reasons.
        IndexUnavailableError: a channel cannot be read.
        ToolError: rattler came to no end in time.
        MissingExtraError: py-rattler is not installed.
    """
    try:
        import rattler  # noqa: F401
    except ImportError:
        raise _missing() from None
    specs = _parsed(problem.specs)
    return asyncio.run(_solve(problem, specs))


async def _solve(problem: Solve, specs: Sequence[MatchSpec]) -> tuple[SolvedRecord, ...]:
    from rattler.exceptions import GatewayError, SolverError

    gateway = _gateway(problem)
    try:
        found = await asyncio.wait_for(_found(problem, gateway, specs), problem.timeout)
    except asyncio.TimeoutError:
        raise _endless(problem) from None
    except SolverError as error:
        if "has been cancelled" in str(error):  # its own clock was faster
            raise _endless(problem) from None
        raise unsolvable(str(error), await _facts(problem, gateway)) from None
    except GatewayError as error:
        place = await _broken(problem, gateway, error)
        raise channel_fault(str(error), problem.channels, place=place) from None
    records = (_record(record) for record in found)
    # conda-lock offers virtual packages as a channel of its own, too.
    real = (record for record in records if not record.name.startswith("__"))
    return tuple(sorted(real, key=lambda record: record.name))


async def _found(
    problem: Solve, gateway: Gateway, specs: Sequence[MatchSpec]
) -> list[RepoDataRecord]:
    # A gateway reads of a package only what its spec admits. Strict priority then overlooks that
    # an earlier channel has the package at all, and reasons say that it is not there. With the
    # bare names beside the specs, all candidates are known.
    specs = [*specs, *_parsed({_name(spec) for spec in specs})]
    locked = await _locked(problem, gateway)
    newest: list[str] = []
    if locked and problem.upgrade:
        # What is locked holds back what depends on it: the best release of what is to move is
        # that of a solve from nothing.
        free = await _ask(problem, gateway, specs, ())
        newest = [_exactly(one) for one in free if one.name.normalized in problem.upgrade]
    return await _ask(problem, gateway, specs, locked, newest)


async def _facts(problem: Solve, gateway: Gateway) -> Facts:
    """What a message needs to know of channels that could be read."""
    names: set[str] = set()
    without = []
    for address in problem.channels:
        native = await _names(gateway, address, problem.subdir)
        names |= native | await _names(gateway, address, "noarch")
        if not native:
            without.append(address)
    return Facts(
        subdir=problem.subdir,
        channels=problem.channels,
        names=frozenset(names),
        without=tuple(without),
        virtual={name: version for name, version, _ in problem.virtual_packages},
    )


async def _broken(problem: Solve, gateway: Gateway, error: Exception) -> str:
    """The first folder of a channel that fails alone, where the error does not say which."""
    from rattler.exceptions import GatewayError

    if "://" in str(error):
        return ""
    for address in problem.channels:
        for subdir in (problem.subdir, "noarch"):
            try:
                names = await _names(gateway, address, subdir)
                await _query(gateway, [address], [subdir], names)
            except GatewayError:
                return f"{address}/{subdir}"
    return ""


async def _names(gateway: Gateway, address: str, subdir: str) -> set[str]:
    from rattler import Channel

    found = await gateway.names([Channel(address)], [subdir])  # type: ignore[list-item]
    return {name.normalized for name in found}


async def _query(
    gateway: Gateway, addresses: Iterable[str], subdirs: Iterable[str], names: Iterable[str]
) -> list[RepoDataRecord]:
    from rattler import Channel

    answer = await gateway.query(
        [Channel(address) for address in addresses],
        list(subdirs),  # type: ignore[arg-type] # any of conda's subdirs
        sorted(names),
        recursive=False,
        channel_relations="disabled",
    )
    return [record for records in answer for record in records]


async def _ask(
    problem: Solve,
    gateway: Gateway,
    specs: Sequence[MatchSpec],
    locked: Sequence[RepoDataRecord],
    constraints: Sequence[str] = (),
) -> list[RepoDataRecord]:
    from rattler import Channel, ChannelPriority
    from rattler import solve as rattler_solve

    found: list[RepoDataRecord] = await rattler_solve(
        [Channel(address) for address in problem.channels],
        specs,
        gateway=gateway,
        platforms=[problem.subdir, "noarch"],  # type: ignore[list-item] # any of conda's subdirs
        locked_packages=locked,
        constraints=_parsed(constraints),
        virtual_packages=_virtual(problem.virtual_packages),
        timeout=timedelta(seconds=problem.timeout),
        channel_priority=ChannelPriority.Strict,
        exclude_newer=_moment(problem.exclude_newer),
        channel_relations="disabled",
    )
    return found


def _gateway(problem: Solve) -> Gateway:
    from rattler import Client, Gateway, SourceConfig
    from rattler.networking import RetryMiddleware

    config = SourceConfig(cache_action="force-cache-only" if problem.offline else "cache-or-fetch")
    problem.cache_dir.mkdir(parents=True, exist_ok=True)
    return Gateway(
        cache_dir=problem.cache_dir,
        default_config=config,
        # No more middleware: nothing of the user's keychain or of rattler's own login file.
        client=Client([RetryMiddleware(_RETRIES)]),
    )


async def _locked(problem: Solve, gateway: Gateway) -> list[RepoDataRecord]:
    """The records that the channels have for what is locked: a lock file knows less of them."""
    kept = (one for one in problem.locked if one.name not in problem.upgrade)
    wanted = {(one.name, one.version, one.build, one.subdir) for one in kept}
    if not wanted:
        return []
    names = {name for name, *_ in wanted}
    found = await _query(gateway, problem.channels, (problem.subdir, "noarch"), names)
    return [record for record in found if _identity(record) in wanted]


def _identity(record: RepoDataRecord) -> tuple[str, str, str, str]:
    name, version = record.name.normalized, str(record.version)
    return name, version, str(record.build), str(record.subdir)


def _exactly(record: RepoDataRecord) -> str:
    return f"{record.name.normalized}[version='=={record.version}',build='{record.build}']"


def _parsed(specs: Iterable[str]) -> list[MatchSpec]:
    from rattler import MatchSpec
    from rattler.exceptions import InvalidMatchSpecError

    parsed, wrong = [], []
    for spec in sorted(set(specs)):
        try:
            parsed.append(MatchSpec(spec, strict=False))
        except InvalidMatchSpecError as error:
            wrong.append(f"{quote(spec)}: {redact(str(error))}")
    if wrong:
        raise SpecError("not what conda calls a match spec", details=wrong)
    return parsed


def _name(spec: MatchSpec) -> str:
    return str(spec.name.normalized)


def _virtual(packages: Iterable[VirtualPackage]) -> list[GenericVirtualPackage]:
    from rattler import GenericVirtualPackage, PackageName, Version
    from rattler.package import BuildString

    return [
        GenericVirtualPackage(PackageName(name), Version(version), BuildString(build))
        for name, version, build in packages
    ]


def _moment(text: str) -> datetime | None:
    """RFC 3339, a date alone being its midnight; rattler wants UTC.

    Raises:
        UsageError: it is neither.
    """
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(f"{text[:-1]}+00:00" if text[-1] in "zZ" else text)
    except ValueError:
        raise UsageError(
            f"{quote(text)} is no moment", remedy="2024-05-31 or 2024-05-31T12:00:00Z"
        ) from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
    return moment.astimezone(timezone.utc)


def _record(record: RepoDataRecord) -> SolvedRecord:
    moment = record.timestamp
    return SolvedRecord(
        name=record.name.normalized,
        version=str(record.version),
        build=str(record.build),
        build_number=record.build_number,
        subdir=str(record.subdir),
        channel=record.channel,
        url=record.url,
        filename=record.file_name,
        md5=record.md5.hex() if record.md5 else "",
        sha256=record.sha256.hex() if record.sha256 else "",
        size=record.size or 0,
        timestamp=round(moment.timestamp() * 1000) if moment else 0,
        depends=tuple(record.depends),
        constrains=tuple(record.constrains),
    )


def _endless(problem: Solve) -> ToolError:
    return ToolError(
        f"the solve came to no end within {problem.timeout:g} s",
        where=problem.subdir,
        remedy="narrower versions of the packages that are asked for",
    )


def _missing() -> MissingExtraError:
    return MissingExtraError(
        "conda packages need py-rattler", remedy="pip install 'envbuild[conda]'"
    )
