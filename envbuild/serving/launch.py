"""A server as a process of this machine: started, waited for, listened to, ended."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from envbuild.errors import ServerError, UsageError
from envbuild.fetch.loopback import free_port, is_taken, status_of
from envbuild.locking.header import Serving
from envbuild.process import Started, plain_environment, started
from envbuild.reporter import Reporter
from envbuild.server import Probes
from envbuild.verification.serving import SCORE, requests_for
from envbuild.verification.work import Place, Subject

__all__ = ["Launch", "Listening", "ServeOptions", "Server", "refuse_taken"]

_EVERYWHERE = "0.0.0.0"  # noqa: S104 - as containers listen; replaced by loopback where it can be
_OK = 200
_LOOPBACK = "127.0.0.1"
_POLL_S = 0.1
_KEPT_LINES = 400
_SHOWN_LINES = 30
_LONGEST_BODY = 600  # characters that are still typed rather than put into a file
# What the scoring scripts say of a model that does not load, and how a traceback of Python ends.
_REASON = re.compile(r"cannot load the model: .+")
_EXCEPTION = re.compile(r"[A-Za-z_][\w.]*(?:Error|Exception|Interrupt|Exit): .+")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """Every choice of ``envbuild serve``.

    ``port`` is the profile's by default, 0 for any that is free; ``variables`` replace or add to
    those of the image, as ``docker run --env`` does; ``patience`` and ``grace`` are the seconds
    that the server may take to come up, and to end.
    """

    host: str = ""
    port: int | None = None
    python_exe: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    patience: float = 600.0
    grace: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """Where the server listens. ``named`` says that its command names the host."""

    host: str
    port: int
    named: bool

    @classmethod
    def of(cls, serving: Serving, *, host: str, port: int | None) -> Listening:
        """Loopback where the command names a host, else wherever the server itself listens.

        Raises:
            UsageError: ``host`` is given, and the command has no place for it.
        """
        named = _EVERYWHERE in serving.command
        if host and not named and host != _EVERYWHERE:
            raise UsageError(
                "this server listens on every interface, and its command has no option for that",
                where="--host",
                details=(shlex.join(serving.command),),
                remedy="without --host, behind the firewall of this machine",
            )
        chosen = host or (_LOOPBACK if named else _EVERYWHERE)
        wanted = serving.port if port is None else port
        return cls(host=chosen, port=wanted or free_port(chosen), named=named)

    @property
    def reached_at(self) -> str:
        """The host that a client on this machine asks."""
        return {_EVERYWHERE: _LOOPBACK, "::": "::1"}.get(self.host, self.host)


def refuse_taken(listening: Listening) -> None:
    """Refuse a port on which the server could not listen: another would answer for it.

    Raises:
        UsageError: it is in use, not allowed, or the host is not of this machine.
    """
    if reason := is_taken(listening.host, listening.port):
        raise UsageError(
            f"cannot listen on {listening.host} port {listening.port}: {reason}",
            where="--port",
            remedy="--port with another one, or --port 0 for any that is free",
        )


class _Log:
    """The last lines of a server, and who is to hear each."""

    def __init__(self, hear: Callable[[str], None]) -> None:
        self._hear = hear
        self._lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self._lock = threading.Lock()

    def add(self, line: str) -> None:
        with self._lock:
            self._lines.append(line)
        self._hear(line)

    def lines(self) -> tuple[str, ...]:
        with self._lock:
            return tuple(self._lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server that answers: ``url`` is its address, ``seconds`` what it took to come up.

    ``scoring`` is the address for inputs, ``curl`` a command that sends it an example, empty where
    there is none. ``environment`` is the folder of its virtual environment.
    """

    url: str
    scoring: str
    curl: str
    environment: Path
    seconds: float
    program: Started
    log: _Log

    @property
    def pid(self) -> int:
        """Its process, and the number of its process group."""
        return self.program.pid

    @property
    def lines(self) -> tuple[str, ...]:
        """The end of its log."""
        return self.log.lines()

    def wait(self) -> None:
        """Until the server ends by itself, which none should.

        Raises:
            ServerError: it did, with the end of its log.
        """
        raise _ended(self.program.wait(), self.lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """What a server is started with.

    ``script`` is that of the context, ``venv`` has the locked packages, ``work`` is a folder that
    goes with the server: its home, and its working directory with the script alone, as in an image.
    ``environ`` are our own variables, of which it gets those that hold no secret and no setting.
    """

    subject: Subject
    listening: Listening
    script: Path
    venv: Path
    work: Path
    environ: Mapping[str, str]
    options: ServeOptions

    @contextmanager
    def run(self, hear: Callable[[str], None], progress: Reporter) -> Iterator[Server]:
        """The server while the block runs, once it answers.

        Raises:
            ToolError: its command cannot be started.
            ServerError: it ended, or did not answer in time.
        """
        place = Place(app=self._app(), venv=self.venv)
        log = _Log(hear)
        progress.step("starting the server")
        begun = time.monotonic()
        with started(
            self._command(place),
            env=self._environment(place),
            cwd=place.app,
            hear=log.add,
            grace=self.options.grace,
        ) as program:
            self._await(program, log)
            yield self._server(program, log, time.monotonic() - begun)

    def _app(self) -> Path:
        app = self.work / "app"
        app.mkdir()
        if self.script.is_file():
            shutil.copyfile(self.script, app / self.script.name)
        return app

    def _command(self, place: Place) -> tuple[str, ...]:
        parts = (self._filled(place, part) for part in self.subject.serving.command)
        if not self.listening.named:
            return tuple(parts)
        return tuple(self.listening.host if part == _EVERYWHERE else part for part in parts)

    def _filled(self, place: Place, text: str) -> str:
        return place.localize(text, self.subject).replace("{port}", str(self.listening.port))

    def _environment(self, place: Place) -> dict[str, str]:
        """The variables of the image, on top of what any program needs."""
        home = self.work / "home"
        home.mkdir()
        plain = plain_environment(self.environ, home=home)
        own = self.subject.serving.environment.items()
        return {
            **plain,
            "PATH": f"{self.venv / 'bin'}{os.pathsep}{plain['PATH']}",
            "VIRTUAL_ENV": str(self.venv),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
            **{name: self._filled(place, value) for name, value in own},
            "AZUREML_MODEL_DIR": self.subject.path,
            **self.options.variables,
        }

    def _await(self, program: Started, log: _Log) -> None:
        """Return once the readiness path answers 200."""
        path = self._probes.readiness
        deadline = time.monotonic() + self.options.patience
        while True:
            if (code := program.poll()) is not None:
                raise _ended(code, log.lines())
            status = status_of(self.listening.reached_at, self.listening.port, path)
            if status == _OK:
                return
            if time.monotonic() > deadline:
                raise ServerError(
                    f"the server did not come up within {self.options.patience:g} s",
                    details=(f"GET {path}: {status or 'no answer'}", *_end(log.lines())),
                )
            time.sleep(_POLL_S)

    @property
    def _probes(self) -> Probes:
        probes = self.subject.serving.probes
        if probes is None:
            raise UsageError("the profile does not say where its server answers")
        return probes

    def _server(self, program: Started, log: _Log, seconds: float) -> Server:
        host = self.listening.reached_at
        url = f"http://[{host}]" if ":" in host else f"http://{host}"
        url = f"{url}:{self.listening.port}"
        scoring = f"{url}{self._probes.scoring}"
        return Server(
            url=url,
            scoring=scoring,
            curl=self._curl(scoring),
            environment=self.venv,
            seconds=seconds,
            program=program,
            log=log,
        )

    def _curl(self, url: str) -> str:
        """A command to try it with; a long example goes into a file that lives with the server."""
        body = self._example()
        if not body:
            return ""
        if len(body) > _LONGEST_BODY:
            file = self.work / "request.json"
            file.write_text(body, "utf-8")
            body = f"@{file}"
        return shlex.join(("curl", "-H", "Content-Type: application/json", "-d", body, url))

    def _example(self) -> str:
        subject = self.subject
        requests = requests_for(self._probes, subject.model, subject.example, mlflow=subject.mlflow)
        return next((str(each["body"]) for each in requests if each["name"] == SCORE), "")


def _ended(code: int, lines: Sequence[str]) -> ServerError:
    how = f"by signal {-code}" if code < 0 else f"with code {code}"
    reason = _reason(lines)
    return ServerError(
        f"the server ended {how}: {reason}" if reason else f"the server ended {how}",
        details=() if _REASON.fullmatch(reason) else _end(lines),
    )


def _reason(lines: Sequence[str]) -> str:
    """One line that says why: the scoring script's own, else the last exception."""
    for pattern in (_REASON, _EXCEPTION):
        for line in reversed(lines):
            if found := pattern.search(line):
                return found[0]
    return ""


def _end(lines: Sequence[str]) -> tuple[str, ...]:
    return tuple(lines[-_SHOWN_LINES:])
