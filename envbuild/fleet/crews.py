"""The executors that a run can be given by name, and how each is begun and ended."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from typing import Protocol
from urllib.parse import urlsplit

from envbuild.errors import IndexUnavailableError, MissingExtraError, UsageError
from envbuild.fleet.schedule import Crew, Hired
from envbuild.process import worker_processes, worker_threads

__all__ = ["DEFAULT_EXECUTOR", "crew_of", "given_crew", "parse_executor"]

DEFAULT_EXECUTOR = "threads"
_KINDS = ("processes", "threads", "dask://HOST:PORT")
_PATIENCE_S = 10
# Half of the time or more, who locks waits for an index; who only reads never does.
_LOCKING_PER_PROCESSOR = 2


def given_crew(executor: str | Executor, jobs: int) -> Crew | None:
    """A crew around an executor that the caller made and will end; None for a name."""
    if isinstance(executor, str):
        return None
    return Crew(hire=lambda: (executor, _leave), jobs=jobs or _processors(), is_here=False)


def parse_executor(text: str) -> str:
    """``text`` if it names an executor.

    Raises:
        UsageError: it does not.
    """
    if text in {"processes", "threads"}:
        return text
    parts = urlsplit(text)
    if parts.scheme == "dask" and parts.netloc:
        return text
    raise UsageError(f"no executor is called {text!r}", details=[f"there are: {', '.join(_KINDS)}"])


def crew_of(name: str, jobs: int, *, locking: bool = False) -> Crew:
    """The crew that ``name`` names, of ``jobs`` workers or, for 0, as many as suit the work.

    Raises:
        UsageError: there is none of that name.
        MissingExtraError: Dask is not installed.
        IndexUnavailableError: the Dask scheduler cannot be reached.
    """
    count = jobs or _processors() * (_LOCKING_PER_PROCESSOR if locking else 1)
    match parse_executor(name):
        case "threads":
            return Crew(hire=lambda: worker_threads(count), jobs=count)
        case "processes":
            return Crew(hire=lambda: worker_processes(count), jobs=count)
        case address:
            return _dask_crew(f"tcp://{urlsplit(address).netloc}", jobs)


class _Client(Protocol):
    """The part of ``distributed.Client`` that is used here."""

    def nthreads(self) -> Mapping[str, int]: ...

    def get_executor(self, **settings: object) -> Executor: ...

    def close(self) -> None: ...


def _dask_crew(address: str, jobs: int) -> Crew:
    client = _dask_client(address)
    workers = max(1, sum(client.nthreads().values()))

    def hire() -> Hired:
        # pure=False: a second try is another task, not the lost one's result.
        return client.get_executor(pure=False), lambda _: client.close()

    return Crew(hire=hire, jobs=jobs or workers, is_here=False)


def _dask_client(address: str) -> _Client:
    try:
        import distributed
    except ImportError as error:
        raise MissingExtraError(
            f"{address} needs Dask, which is not installed",
            remedy="pip install 'envbuild[dask]'",
        ) from error
    make: Callable[..., _Client] = distributed.Client
    try:
        return make(address, timeout=_PATIENCE_S, set_as_default=False)
    except (OSError, TimeoutError) as error:
        raise IndexUnavailableError(
            f"no Dask scheduler answers: {error}", where=address, remedy="dask scheduler"
        ) from error


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _leave(_: bool) -> None:  # noqa: FBT001 - what a crew calls
    """It is the caller's, who ends it."""
