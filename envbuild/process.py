"""The only module that starts programs. Callers take a ``Runner``: tests pass a fake."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from envbuild.errors import ToolError

if TYPE_CHECKING:
    from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
    from multiprocessing.connection import Connection

__all__ = [
    "Completed",
    "Runner",
    "Started",
    "at_work",
    "plain_environment",
    "run",
    "started",
    "worker_processes",
    "worker_threads",
]

# What a program needs to find itself, the network and its certificates; nothing that is a secret
# and nothing that configures pip or uv behind our back (PIP_*, UV_*, CONDA_*).
_KEPT = (
    "PATH",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "TEMP",
    "TMP",
    "SYSTEMROOT",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "NO_PROXY",
    "no_proxy",
)
_POLL_S = 0.05
_LEFTOVERS_S = 5.0  # for what a program started and did not wait for
_LEAVING_S = 30.0  # for a worker to end what it runs
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """A program that has ended: its argument list, return code and what it printed."""

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str


class Runner(Protocol):
    """Starts a program and waits for it."""

    def __call__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path | None = None,
        stdin: str = "",
        timeout: float | None = None,
    ) -> Completed:
        """Run ``argv`` as ``run`` does."""


def run(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path | None = None,
    stdin: str = "",
    timeout: float | None = None,
) -> Completed:
    """Run ``argv`` with exactly the environment ``env``; never through a shell.

    ``timeout`` is in seconds; None waits for ever. The program gets a process group of its own,
    which ends with it when time runs out or Ctrl-C comes: nothing it started is left behind. In a
    thread of ``worker_threads`` that is to end at once, SystemExit is raised.

    Raises:
        ToolError: the program is not there, cannot be started, or ran out of time.
    """
    with _start(argv, env=env, cwd=cwd, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        try:
            with _killed_on_leave(child):
                stdout, stderr = child.communicate(stdin, timeout=timeout)
        except subprocess.TimeoutExpired as error:
            _kill_group(child)
            raise ToolError(f"{argv[0]} did not end within {timeout:g} s") from error
        except BaseException:
            _kill_group(child)
            raise
    return Completed(argv=tuple(argv), returncode=child.returncode, stdout=stdout, stderr=stderr)


@contextmanager
def _killed_on_leave(child: subprocess.Popen[str]) -> Iterator[None]:
    me = threading.get_ident()
    _WAITED_FOR[me] = child
    try:
        _leave_if_told(me)
        yield
        _leave_if_told(me)
    finally:
        del _WAITED_FOR[me]


def _leave_if_told(me: int) -> None:
    if me in _TO_LEAVE:
        raise SystemExit


@dataclass(frozen=True, slots=True)
class Started:
    """A program that runs, and everything that it starts in its process group."""

    child: subprocess.Popen[str]

    @property
    def pid(self) -> int:
        """Of the program itself, which is the group's number too."""
        return self.child.pid

    def poll(self) -> int | None:
        """The code that it ended with, negative for a signal; None while it runs."""
        return self.child.poll()

    def wait(self) -> int:
        """Wait until it ends by itself; its code."""
        return self.child.wait()

    def stop(self, grace: float) -> int:
        """SIGTERM, and SIGKILL to the whole group for what is left after ``grace`` seconds.

        SIGTERM goes to the program alone, as a container's engine sends it. An interruption while
        it waits, such as a second Ctrl-C, kills at once.
        """
        try:
            if self.child.poll() is None:
                self.child.terminate()
                with suppress(subprocess.TimeoutExpired):
                    self.child.wait(grace)
            self._outlast(_LEFTOVERS_S)
        finally:
            _kill_group(self.child)
            code = self.child.wait()
        return code

    def _outlast(self, seconds: float) -> None:
        """Give what is left of the group ``seconds`` to end by itself."""
        deadline = time.monotonic() + seconds
        while self.child.poll() is not None and time.monotonic() < deadline:
            try:
                os.killpg(self.child.pid, 0)
            except (ProcessLookupError, PermissionError):
                return
            time.sleep(_POLL_S)


@contextmanager
def started(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path,
    hear: Callable[[str], None],
    grace: float,
) -> Iterator[Started]:
    """Start a program that runs until the block ends; ``hear`` gets each line that it prints.

    It has a process group of its own, so that Ctrl-C reaches only us, and we end it: politely,
    and by force after ``grace`` seconds. Where we are killed, it is asked to end all the same.
    ``hear`` is called on a thread of its own.

    Raises:
        ToolError: the program is not there or cannot be started.
    """
    child = _start(argv, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT)
    listener = threading.Thread(target=_listen, args=(child, hear), daemon=True)
    listener.start()
    program = Started(child)
    try:
        with _asked_to_end_after_us(child):
            yield program
    finally:
        program.stop(grace)
        listener.join(_LEFTOVERS_S)
        if not listener.is_alive() and child.stdout is not None:
            child.stdout.close()


@contextmanager
def _asked_to_end_after_us(child: subprocess.Popen[str]) -> Iterator[None]:
    """Have somebody wait for the end of this process, of which a pipe tells, and not in vain."""
    argv = ("/bin/sh", "-c", 'read -r _; kill -TERM "$1"', "sh", str(child.pid))
    with subprocess.Popen(
        argv,
        env={},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as waiting:
        try:
            yield
        finally:
            waiting.kill()  # before its pipe is closed


def _start(
    argv: Sequence[str], *, env: Mapping[str, str], cwd: Path | None, stdin: int, stderr: int
) -> subprocess.Popen[str]:
    try:
        return subprocess.Popen(
            list(argv),
            env=dict(env),
            cwd=cwd,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        raise ToolError(f"cannot start {argv[0]}: {error.strerror or error}") from error


def _listen(child: subprocess.Popen[str], hear: Callable[[str], None]) -> None:
    for line in child.stdout or ():
        hear(line.rstrip("\n"))


def _kill_group(child: subprocess.Popen[str]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)


def plain_environment(ambient: Mapping[str, str], *, home: Path) -> dict[str, str]:
    """An environment for programs that may run foreign code: no secret, no ambient configuration.

    ``home`` becomes HOME, so that no ``.netrc``, ``.pypirc`` or ``pip.conf`` is in reach. A proxy
    is kept unless its address holds credentials.
    """
    kept = {name: ambient[name] for name in _KEPT if name in ambient}
    for name in _PROXIES:
        if name in ambient and "@" not in ambient[name]:
            kept[name] = ambient[name]
    kept.setdefault("PATH", os.defpath)
    kept["HOME"] = str(home)
    kept["PYTHONUTF8"] = "1"
    return kept


def worker_processes(count: int) -> tuple[ProcessPoolExecutor, Callable[[bool], None]]:
    """An executor of ``count`` processes, and what ends them: at once if told so, with all that
    they run, else when they have done what they began.

    They end with this process too, however it ends. They are begun anew rather than forked, as this
    process may have threads.
    """
    # 25 ms that no other command has to pay for.
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    context = get_context("spawn")
    theirs, ours = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(
        count, mp_context=context, initializer=_begin_work, initargs=(theirs,)
    )

    def end(at_once: bool) -> None:  # noqa: FBT001 - what a crew calls
        if at_once:
            ours.close()
        pool.shutdown(cancel_futures=True)
        ours.close()
        theirs.close()

    return pool, end


def worker_threads(count: int) -> tuple[ThreadPoolExecutor, Callable[[bool], None]]:
    """An executor of ``count`` threads, and what ends them, as of ``worker_processes``."""
    from concurrent.futures import ThreadPoolExecutor

    threads: set[int] = set()
    pool = ThreadPoolExecutor(count, initializer=lambda: threads.add(threading.get_ident()))

    def end(at_once: bool) -> None:  # noqa: FBT001 - what a crew calls
        pool.shutdown(wait=False, cancel_futures=True)
        if at_once:
            _TO_LEAVE.update(threads)
            for thread in threads:
                if child := _WAITED_FOR.get(thread):
                    _kill_group(child)
        pool.shutdown()
        _TO_LEAVE.difference_update(threads)

    return pool, end


@contextmanager
def at_work() -> Iterator[None]:
    """Around what a worker does: asked to end, it leaves every block of it first."""
    _WORKING.set()
    try:
        yield
    finally:
        _WORKING.clear()
        if _LEAVING.is_set():  # the executor would begin the next task
            _end(signal.SIGTERM)


_WORKING, _LEAVING = threading.Event(), threading.Event()  # of a process that works
_TO_LEAVE: set[int] = set()  # threads, by their identity
_WAITED_FOR: dict[int, subprocess.Popen[str]] = {}  # by the thread that waits


def _begin_work(lifeline: Connection) -> None:
    # Ctrl-C, and the end of a terminal, reach every process of it; this one hears of them from the
    # one that began it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "SIGHUP"):  # pragma: no branch - Windows has none
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    threading.Thread(target=_end_with, args=(lifeline,), daemon=True).start()


def _leave(number: int, _frame: object) -> None:
    if _WORKING.is_set():
        if _LEAVING.is_set():
            return  # and not to be disturbed in it
        _LEAVING.set()
        raise SystemExit
    # It waits for work, inside code that would complain of any exception.
    _end(number)


def _end(number: int) -> None:
    signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)


def _end_with(lifeline: Connection) -> None:
    """Leave, by way of whoever waits for a program and ends it, when the pipe is closed."""
    with suppress(EOFError, OSError):
        lifeline.recv_bytes()
    main = threading.main_thread().ident
    deadline = time.monotonic() + _LEAVING_S
    while main is not None and time.monotonic() < deadline:
        signal.pthread_kill(main, signal.SIGTERM)
        time.sleep(0.2)
    # The signal may have come inside code that holds a lock, which nothing will ever open again.
    os.kill(os.getpid(), signal.SIGKILL)
