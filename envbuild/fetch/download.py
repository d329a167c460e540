"""Artefacts of a lock into the cache: parallel, resumed, retried, and hashed while they arrive."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

from envbuild.errors import EnvbuildError, IndexUnavailableError, IntegrityError, OutputError
from envbuild.fetch.artefact import Artefact
from envbuild.fetch.cache import ArtefactCache, Claim
from envbuild.fetch.transport import Refused, Transport, Unreachable, shown_host
from envbuild.reporter import SILENT, Reporter

if TYPE_CHECKING:
    from requests import Response

__all__ = ["Artefact", "Downloader", "Patience"]

_CHUNK = 1 << 18
_REPORT_EVERY = 0.1  # seconds
# A connection that brought this much has earned its retries back.
_PROGRESS = 1 << 16
_AGAIN = "the same command again; what has arrived is kept"


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to try: ``attempts`` in a row without progress, waiting twice as long each time."""

    attempts: int = 5
    first_wait: float = 0.5  # seconds
    longest_wait: float = 30.0
    sleep: Callable[[float], None] = time.sleep

    def wait_before(self, attempt: int, wish: float) -> float:
        """Seconds before retry number ``attempt`` (from 1), at least the server's ``wish``."""
        backoff = self.first_wait * float(2 ** (attempt - 1)) * random.uniform(0.75, 1.25)  # noqa: S311
        return min(max(backoff, wish), self.longest_wait)


@dataclass(slots=True)
class _Counter:
    """Bytes that have arrived. Written by one thread each, read by the one that reports."""

    done: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Downloader:
    """Fills the cache from the network with ``connections`` at a time."""

    cache: ArtefactCache
    transport: Transport
    connections: int = 8
    patience: Patience = field(default_factory=Patience)
    offline: bool = False

    def fetch_all(
        self, artefacts: Iterable[Artefact], *, reporter: Reporter = SILENT
    ) -> dict[str, Path]:
        """Every artefact in the cache, by its key. What is there and sound is not fetched again.

        The largest start first, so that none of them is left running alone at the end.

        Raises:
            IntegrityError: an index serves other bytes than the lock records.
            IndexUnavailableError: an artefact is gone, refused, or its server unreachable.
            OutputError: the cache cannot be written.
        """
        wanted = sorted(
            {artefact.key: artefact for artefact in artefacts}.values(),
            key=lambda artefact: (-(artefact.size or 0), artefact.url),
        )
        found: dict[str, Path] = {}
        failures: list[EnvbuildError] = []
        counters = {artefact.key: _Counter() for artefact in wanted}
        total = sum(artefact.size or 0 for artefact in wanted)
        with ThreadPoolExecutor(max_workers=self.connections) as pool:
            jobs = {
                pool.submit(self._obtain, artefact, counters[artefact.key]): artefact
                for artefact in wanted
            }
            try:
                for job in _as_done(jobs, counters.values(), total, reporter):
                    _collect(job, jobs[job], found, failures)
                    if _hopeless(failures):
                        break
            finally:
                pool.shutdown(cancel_futures=True)
        if failures:
            raise _one_error(failures)
        return found

    def _obtain(self, artefact: Artefact, counter: _Counter) -> Path:
        path = self.cache.find(artefact.key)
        if path is None:
            with self.cache.claim(artefact.key) as claim:
                # Another process may have been quicker while we waited for the claim.
                path = self.cache.find(artefact.key) or self._fill(artefact, claim, counter)
        counter.done = artefact.size or path.stat().st_size
        return path

    def _fill(self, artefact: Artefact, claim: Claim, counter: _Counter) -> Path:
        """Fill the claim until its hash is right. A wrong hash gets one more try from the start,
        since a resumed file may have begun with other bytes.
        """
        if urlsplit(artefact.url).scheme == "file":
            return self._copy(artefact, claim)
        if self.offline:
            raise IndexUnavailableError(
                f"{artefact.name} is not in the cache",
                where=artefact.url,
                remedy="without --offline",
            )
        resumed = claim.size > 0
        got = self._stream(artefact, claim, counter)
        if resumed and not artefact.is_right(got):
            claim.restart()
            got = self._stream(artefact, claim, counter)
        if not artefact.is_right(got):
            claim.restart()
            raise _wrong_hash(artefact, got)
        return self.cache.settle(claim, artefact.key)

    def _copy(self, artefact: Artefact, claim: Claim) -> Path:
        source = Path(url2pathname(urlsplit(artefact.url).path))
        claim.restart()
        digest = artefact.hasher()
        try:
            with source.open("rb") as stream:
                while chunk := stream.read(_CHUNK):
                    digest.update(chunk)
                    _write(claim, chunk)
        except OSError as error:
            raise IndexUnavailableError(
                f"{artefact.name} cannot be read: {error.strerror or error}", where=artefact.url
            ) from error
        if not artefact.is_right(digest.hexdigest()):
            claim.restart()
            raise _wrong_hash(artefact, digest.hexdigest())
        return self.cache.settle(claim, artefact.key)

    def _stream(self, artefact: Artefact, claim: Claim, counter: _Counter) -> str:
        """Append to the claim until the server says that all is there; the sha256 of the whole."""
        failures = 0
        while True:
            before = claim.size
            try:
                return self._attempt(artefact, claim, counter)
            except Refused as refused:
                raise _refused(artefact, refused) from None
            except Unreachable as broken:
                failures = 1 if claim.size - before >= _PROGRESS else failures + 1
                if failures >= self.patience.attempts:
                    raise _unreachable(artefact, broken, failures) from None
                self.patience.sleep(self.patience.wait_before(failures, broken.wait))

    def _attempt(self, artefact: Artefact, claim: Claim, counter: _Counter) -> str:
        offset = claim.size
        if artefact.size is not None and offset >= artefact.size:
            if offset == artefact.size:  # all was there before, only its check was cut short
                return _digest_of(claim, artefact).hexdigest()
            claim.restart()
            offset = 0
        try:
            with self.transport.get(artefact.url, offset=offset) as response:
                if offset and not _continues(response, offset):
                    claim.restart()
                return _receive(artefact, claim, counter, response)
        except Refused as refused:
            if refused.status == 416 and offset:  # our part is longer than the file
                claim.restart()
                raise Unreachable("it cannot resume") from None
            raise


def _receive(artefact: Artefact, claim: Claim, counter: _Counter, response: Response) -> str:
    from urllib3.exceptions import HTTPError

    digest = _digest_of(claim, artefact)
    expected = _announced(response, claim.size)
    limit = artefact.size if artefact.size is not None else expected
    counter.done = claim.size
    try:
        # The raw stream: a server that labels a .tar.gz as encoded must not have it unpacked.
        while chunk := response.raw.read(_CHUNK, decode_content=False):
            digest.update(chunk)
            _write(claim, chunk)
            counter.done += len(chunk)
            if limit is not None and counter.done > limit:
                break  # more than there can be: the hash will say so
    except (HTTPError, OSError) as error:
        claim.stream.flush()
        raise Unreachable(_broken(error)) from None
    claim.stream.flush()
    got = digest.hexdigest()
    if not artefact.is_right(got) and limit is not None and claim.size < limit:
        raise Unreachable(f"it ended after {claim.size} of {limit} bytes")
    return got


def _digest_of(claim: Claim, artefact: Artefact) -> hashlib._Hash:
    digest = artefact.hasher()
    claim.stream.flush()
    if claim.size:
        with claim.path.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
    return digest


def _write(claim: Claim, chunk: bytes) -> None:
    try:
        claim.stream.write(chunk)
    except OSError as error:
        raise OutputError(
            f"cannot write to the cache: {error.strerror or error}",
            where=str(claim.path),
            remedy="another folder in ENVBUILD_CACHE_DIR, or more room",
        ) from error


def _continues(response: Response, offset: int) -> bool:
    """Whether the answer starts where our part ends (RFC 9110 14.4)."""
    position = response.headers.get("Content-Range", "")
    return response.status_code == 206 and position.startswith(f"bytes {offset}-")


def _announced(response: Response, offset: int) -> int | None:
    """How long the whole file will be by the server's word."""
    length = response.headers.get("Content-Length", "")
    return offset + int(length) if length.isascii() and length.isdigit() else None


def _broken(error: Exception) -> str:
    return "it stalled" if "timed out" in str(error).lower() else "the connection broke"


def _as_done(
    jobs: Iterable[Future[Path]], counters: Iterable[_Counter], total: int, reporter: Reporter
) -> Iterable[Future[Path]]:
    """Jobs as they end, telling the reporter of bytes meanwhile, from this thread."""
    waiting = set(jobs)
    shown = -1
    while waiting:
        ended, waiting = wait(waiting, timeout=_REPORT_EVERY, return_when=FIRST_COMPLETED)
        done = sum(counter.done for counter in counters)
        if done != shown:
            reporter.advance(done, total)
            shown = done
        yield from ended


def _collect(
    job: Future[Path],
    artefact: Artefact,
    found: dict[str, Path],
    failures: list[EnvbuildError],
) -> None:
    try:
        found[artefact.key] = job.result()
    except EnvbuildError as error:
        failures.append(error)


def _hopeless(failures: Sequence[EnvbuildError]) -> bool:
    """A full disk stays full, and a dead server costs minutes for every further file."""
    dead = [error for error in failures if error.remedy == _AGAIN]
    return len(dead) >= 3 or any(isinstance(error, OutputError) for error in failures)


def _one_error(failures: Sequence[EnvbuildError]) -> EnvbuildError:
    """The gravest, the others below it: wrong bytes before a full disk before a dead server."""
    order = (IntegrityError, OutputError, IndexUnavailableError)
    ranked = sorted(failures, key=lambda error: (order.index(type(error)), str(error)))
    first, *others = ranked
    details = [*first.details, *(line for other in others for line in str(other).splitlines())]
    return type(first)(first.problem, where=first.where, details=details, remedy=first.remedy)


def _wrong_hash(artefact: Artefact, got: str) -> IntegrityError:
    return IntegrityError(
        f"{artefact.name} is not the file that was locked",
        where=artefact.url,
        details=(
            f"expected {artefact.algorithm} {artefact.sha256 or artefact.md5}",
            f"got {artefact.algorithm}      {got}",
        ),
        remedy="find out why the index serves other bytes before locking again",
    )


def _refused(artefact: Artefact, refused: Refused) -> IndexUnavailableError:
    if refused.status in {401, 403, 407}:
        remedy = f"credentials for {shown_host(artefact.url)}: a .netrc, or the index address"
    else:
        remedy = ""
    return IndexUnavailableError(
        f"{artefact.name} cannot be had: {refused.reason}", where=artefact.url, remedy=remedy
    )


def _unreachable(artefact: Artefact, broken: Unreachable, attempts: int) -> IndexUnavailableError:
    times = "once" if attempts == 1 else f"{attempts} times"
    return IndexUnavailableError(
        f"{artefact.name} cannot be fetched, tried {times}: {broken.reason}",
        where=artefact.url,
        remedy=_AGAIN,
    )
