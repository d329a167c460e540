"""Load on a server that ``envbuild serve`` starts: good and bad requests, killed workers, SIGTERM.

    python benchmarks/load.py CONTEXT|BUNDLE --model DIR --seconds 600

The model is that of ``fixtures/training/code_folder.py``, whose answer to each request is known.

Semantics of a client, as of any front of such a server: a request that gets no answer, because the
worker that had it was killed, is sent again, up to 5 times within 30 seconds; predictions have no
side effects. A good request is *lost* when that did not help, *wrong* when the answer is not the
right prediction. A bad request has to be answered with a status from 400 to 499, or, where it was
cut off by us, with none.

The oldest worker is spared, so that its memory can be watched; the others die of SIGKILL every few
seconds. SIGTERM comes in the middle of requests: those that the server has taken are answered. What
only waits in the queue of its socket it has not taken, and resets when it ends; as a front sends
nothing any more before it ends a server, so do we: SIGTERM comes as soon as that queue is empty.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import signal
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import envbuild
from envbuild.serving import Server

TRIES = 5
WITHIN_S = 30.0
ANSWER_S = 60.0
WORKERS = 2
NAMES = ("Ada", "Bob", "Çelik", "丁", "", "x" * 1000, "\U0001f600", '"quoted"', "a\nb")
HEADERS = {"Content-Type": "application/json"}
MB = 1 << 20

Request = tuple[str, str, bytes, dict[str, str]]


def good_request(random_: random.Random) -> tuple[Request, list[str]]:
    """A request of 1 to 50 rows in one of the layouts, and its answer."""
    names = [random_.choice(NAMES) for _ in range(random_.randint(1, 50))]
    rows = [[name] for name in names]
    layout: Any = random_.choice(
        (
            {"input_data": {"columns": ["name"], "index": list(range(len(rows))), "data": rows}},
            {"input_data": [{"name": name} for name in names]},
            {"input_data": rows},
            {"dataframe_split": {"columns": ["name"], "data": rows}},
            {"dataframe_records": [{"name": name} for name in names]},
            {"inputs": {"name": names}},
        )
    )
    body = json.dumps(layout).encode()
    return ("POST", "/score", body, HEADERS), [f"hello {name}" for name in names]


def bad_request(random_: random.Random) -> Request:
    """One that breaks the signature, or is none at all."""
    bodies: Sequence[bytes] = (
        b"",
        b"{",
        b"null",
        b"[" * 100_000,
        b'{"input_data": "\xff\xfe"}',
        b'{"input_data": {"columns": ["name"], "data": [[1]]}}',
        b'{"input_data": {"columns": ["name"], "data": [["a"], [{"b": []}]]}}',
        b'{"input_data": {"columns": ["nome"], "data": [["a"]]}}',
        b'{"input_data": {"columns": ["name"], "data": [["a", "b"]]}}',
        b'{"input_data": [[NaN]]}',
        b'{"input_data": [[%d]]}' % 10**4000,
        b'{"inputs": {"name": [["a"], "b"], "more": 1}',
        b'{"dataframe_records": [{"nome": "a"}]}',
        random_.randbytes(random_.randint(1, 10_000)),
    )
    kind = random_.random()
    if kind < 0.05:
        return ("GET", "/score", b"", {})
    if kind < 0.1:
        return ("POST", "/score", b"name\nAda\n", {"Content-Type": "text/csv"})
    if kind < 0.15:
        return ("POST", "/nowhere", b"{}", HEADERS)
    return ("POST", "/score", random_.choice(bodies), HEADERS)


@dataclass
class Tally:
    """What happened; ``problems`` are the first of each kind in words."""

    counts: Counter[str] = field(default_factory=Counter)
    problems: dict[str, str] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, what: str, problem: str = "", *, seconds: float | None = None) -> None:
        with self.lock:
            self.counts[what] += 1
            if problem:
                self.problems.setdefault(what, problem)
            if seconds is not None:
                self.seconds.append(seconds)


@dataclass
class Clients:
    """Threads that ask the server until they are told to stop."""

    host: str
    port: int
    seed: int
    tally: Tally = field(default_factory=Tally)
    stopping: threading.Event = field(default_factory=threading.Event)
    gate: threading.Lock = field(default_factory=threading.Lock)

    def stop(self) -> None:
        """Open no connection from now on; those that are open stay."""
        with self.gate:
            self.stopping.set()

    def run(self) -> list[threading.Thread]:
        threads = [
            threading.Thread(target=self._client, args=(random.Random(f"{self.seed} {number}"),))
            for number in range(WORKERS)
        ]
        for thread in threads:
            thread.start()
        return threads

    def _client(self, random_: random.Random) -> None:
        while not self.stopping.is_set():
            kind = random_.random()
            if kind < 0.6:
                self._good(random_)
            elif kind < 0.97:
                self._bad(random_)
            else:
                self._cut_off(random_)

    def _good(self, random_: random.Random) -> None:
        request, expected = good_request(random_)
        begun = time.monotonic()
        body = b""
        for _ in range(TRIES):
            answer = self._ask(request)
            if answer is None:
                return
            status, body = answer
            if status:
                self._judge(status, body, expected, time.monotonic() - begun)
                return
            if self.stopping.is_set():
                self.tally.add("good, not answered after SIGTERM", body.decode("utf-8", "replace"))
                return
            self.tally.add("good, sent again")
            time.sleep(0.2)
            if time.monotonic() - begun > WITHIN_S:
                break
        self.tally.add("good, lost", body.decode("utf-8", "replace"))

    def _judge(self, status: int, body: bytes, expected: list[str], seconds: float) -> None:
        if status == 200 and json.loads(body) == expected:
            self.tally.add("good, answered", seconds=seconds)
        else:
            self.tally.add("good, wrong", f"{status} {body[:500]!r}")

    def _bad(self, random_: random.Random) -> None:
        request = bad_request(random_)
        answer = self._ask(request)
        if answer is None:
            return
        status, body = answer
        if 400 <= status < 500:
            self.tally.add("bad, refused")
        elif status:
            self.tally.add("bad, not refused", f"{status} {body[:500]!r} for {request!r:.500}")
        else:
            self.tally.add("bad, no answer from a killed worker")

    def _cut_off(self, random_: random.Random) -> None:
        """Send half of a request and hang up."""
        (_, path, body, headers), _ = good_request(random_)
        connection = http.client.HTTPConnection(self.host, self.port, timeout=ANSWER_S)
        try:
            if not self._connect(connection):
                return
            connection.putrequest("POST", path)
            connection.putheader("Content-Length", str(len(body)))
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.endheaders(body[: len(body) // 2])
        except OSError:
            pass
        finally:
            connection.close()
        self.tally.add("cut off by the client")

    def _connect(self, connection: http.client.HTTPConnection) -> bool:
        with self.gate:
            if self.stopping.is_set():
                return False
            connection.connect()
            return True

    def _ask(self, request: Request) -> tuple[int, bytes] | None:
        """Status and body; status 0 where there was no answer, None where it was not sent."""
        method, path, body, headers = request
        connection = http.client.HTTPConnection(self.host, self.port, timeout=ANSWER_S)
        try:
            if not self._connect(connection):
                return None
            connection.request(method, path, body=body, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException) as error:
            return 0, f"{type(error).__name__}: {error}".encode()
        finally:
            connection.close()


def processes_of(group: int) -> Iterator[tuple[int, float]]:
    """The processes of a process group that run, with when each was started."""
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended
        if int(fields[2]) == group and fields[0] != "Z":
            yield int(entry.parent.name), float(fields[19])


def workers_of(server: int) -> list[int]:
    """The workers of a server, the oldest first."""
    found = [(begun, pid) for pid, begun in processes_of(server) if pid != server]
    return [pid for _, pid in sorted(found)]


def queue_of(port: int) -> int:
    """Connections to a port of loopback that no process has accepted yet."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, _, state, queues, *_ = line.split()
        if state == "0A" and int(local.rpartition(":")[2], 16) == port:  # 0A: it listens
            return int(queues.rpartition(":")[2], 16)
    return 0


def memory_of(pid: int) -> int:
    """Resident bytes; 0 for a process that is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


@dataclass
class Watch:
    """Kills workers, and looks at the memory of those that are spared, once a second."""

    server: int
    every: float
    killed: int = 0
    oldest: list[int] = field(default_factory=list)
    master: list[int] = field(default_factory=list)

    def run(self, seconds: float, random_: random.Random) -> None:
        end = time.monotonic() + seconds
        kill_at = time.monotonic() + self.every
        while time.monotonic() < end:
            time.sleep(1)
            oldest, *others = workers_of(self.server) or [self.server]
            self.oldest.append(memory_of(oldest))
            self.master.append(memory_of(self.server))
            spared = time.monotonic() > end - 2  # SIGTERM meets a whole server
            if others and not spared and time.monotonic() > kill_at:
                os.kill(random_.choice(others), signal.SIGKILL)
                self.killed += 1
                kill_at = time.monotonic() + random_.uniform(0.5, 1.5) * self.every


def growth(samples: Sequence[int]) -> dict[str, float]:
    """Megabytes in the second and in the last fifth of the time: the first is warming up."""
    fifth = max(1, len(samples) // 5)
    early, late = samples[fifth : 2 * fifth] or samples, samples[-fifth:]
    return {
        "early": round(statistics.median(early) / MB, 1),
        "late": round(statistics.median(late) / MB, 1),
    }


def end(server: Server, clients: Clients, threads: Sequence[threading.Thread]) -> dict[str, object]:
    """SIGTERM in the middle of requests; what became of the server."""
    clients.stop()
    while queue_of(clients.port):
        pass
    begun = time.monotonic()
    os.kill(server.pid, signal.SIGTERM)
    code = server.program.wait()
    for thread in threads:
        thread.join()
    time.sleep(0.5)
    return {
        "code": code,
        "seconds": round(time.monotonic() - begun - 0.5, 2),
        "left": [pid for pid, _ in processes_of(server.pid)],
    }


def load(source: str, *, model: str, seconds: float, seed: int, every: float) -> dict[str, Any]:
    """Serve, load, kill, end: everything that was seen."""
    variables = {"WORKER_COUNT": str(WORKERS)}
    with envbuild.serve(source, model=model, variables=variables) as server:
        address = urlsplit(server.url)
        clients = Clients(host=str(address.hostname), port=int(address.port or 0), seed=seed)
        threads = clients.run()
        watch = Watch(server=server.pid, every=every)
        try:
            watch.run(seconds, random.Random(seed))
        finally:
            shutdown = end(server, clients, threads)
        tally = clients.tally
        times = statistics.quantiles(tally.seconds, n=100) if len(tally.seconds) > 1 else [0.0] * 99
        return {
            "seconds": seconds,
            "seed": seed,
            "counts": dict(sorted(tally.counts.items())),
            "problems": tally.problems,
            "milliseconds": {"p50": round(times[49] * 1e3, 1), "p99": round(times[98] * 1e3, 1)},
            "killed workers": watch.killed,
            "memory of the oldest worker": growth(watch.oldest),
            "memory of the master": growth(watch.master),
            "shutdown": shutdown,
            "ready after": round(server.seconds, 2),
        }


CHECKS: dict[str, Callable[[dict[str, Any]], bool]] = {
    "no good request is lost": lambda found: "good, lost" not in found["counts"],
    "no answer is wrong": lambda found: "good, wrong" not in found["counts"],
    "every bad request is refused": lambda found: "bad, not refused" not in found["counts"],
    "every request that was taken is answered after SIGTERM": lambda found: (
        "good, not answered after SIGTERM" not in found["counts"]
    ),
    "memory is flat": lambda found: all(
        found[f"memory of the {who}"]["late"] < found[f"memory of the {who}"]["early"] * 1.05 + 2
        for who in ("oldest worker", "master")
    ),
    "the server ends well and leaves nothing": lambda found: (
        found["shutdown"]["code"] == 0 and not found["shutdown"]["left"]
    ),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("source", help="a context or bundle behind azureml-online")
    parser.add_argument("--model", required=True)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--every", type=float, default=5.0, help="seconds between kills")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    found = load(
        args.source, model=args.model, seconds=args.seconds, seed=args.seed, every=args.every
    )
    found["checks"] = {name: check(found) for name, check in CHECKS.items()}
    print(json.dumps(found, indent=2))
    return 0 if all(found["checks"].values()) else 1


if __name__ == "__main__":
    sys.exit(main())
