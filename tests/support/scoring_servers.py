"""The servers that score over HTTP, each with several models at once."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from envbuild.fetch.loopback import free_port
from tests.support.environments import scrubbed
from tests.support.paths import SCORING
from tests.support.scoring_environments import Environment

__all__ = ["Server", "azure_server", "begun", "mlflow_app", "running"]

_START_S = 120.0

# The entry script of the Azure ML server: a copy of the scoring script for every model.
_MANY = """
import importlib.util, os, sys

try:
    from azureml_inference_server_http.api.aml_request import rawhttp
except ImportError:
    from azureml.contrib.services.aml_request import rawhttp

scripts = {}

def init():
    root = os.environ["AZUREML_MODEL_DIR"]
    for name in sorted(os.listdir(root)):
        spec = importlib.util.spec_from_file_location("score_" + name, "online.py")
        scripts[name] = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = scripts[name]
        spec.loader.exec_module(scripts[name])
        os.environ["AZUREML_MODEL_DIR"] = os.path.join(root, name)
        scripts[name].init()

@rawhttp
def run(request):
    return scripts[request.headers["X-Model"]].run(request)
"""

# MLflow's server makes one app for one model; here each lies below the name of its model.
_MLFLOW = """
import os, sys
from fastapi import FastAPI
from mlflow.pyfunc import load_model, scoring_server
import uvicorn

app = FastAPI()
root, port = sys.argv[1:]
for name in sorted(os.listdir(root)):
    app.mount("/" + name, scoring_server.init(load_model(os.path.join(root, name))))
uvicorn.run(app, host="127.0.0.1", port=int(port), log_level="warning")
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server that answers on a port of loopback; ``log`` has its output.

    ``path`` is where it scores and may name the ``{model}``.
    """

    port: int
    log: Path
    path: str = "/score"

    def ask(
        self,
        model: str,
        body: bytes,
        *,
        headers: Mapping[str, str],
        method: str = "POST",
        padding: int = 0,
    ) -> tuple[int, str]:
        """Status and body of the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.putrequest(method, self.path.format(model=model))
            named = {**headers, "X-Model": model, "Content-Length": str(len(body) + padding)}
            for name, value in named.items():
                connection.putheader(name, value)
            connection.endheaders(body)
            self._pad(connection, padding)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    @staticmethod
    def _pad(connection: http.client.HTTPConnection, size: int) -> None:
        """Send blanks, until the server has had enough of them."""
        block = b" " * 2**20
        try:
            for start in range(0, size, len(block)):
                connection.send(block[: size - start])
        except (BrokenPipeError, ConnectionResetError):
            pass  # it answers without reading to the end


@contextmanager
def azure_server(environment: Environment, folder: Path, models: Path) -> Iterator[Server]:
    """The Azure ML server of an environment with the scoring script for each model in a folder."""
    folder.mkdir()
    (folder / "score.py").write_text(_MANY)
    (folder / "online.py").write_bytes((SCORING / "online.py").read_bytes())
    port = free_port("127.0.0.1")
    argv = ("--entry_script", "score.py", "--model_dir", str(models), "--port", str(port))
    with running((str(environment.bin / "azmlinfsrv"), *argv), folder, environment, port=port):
        yield Server(port=port, log=folder / "log")


@contextmanager
def mlflow_app(environment: Environment, folder: Path, models: Path) -> Iterator[Server]:
    """MLflow's own server of an environment for each model in a folder."""
    folder.mkdir()
    port = free_port("127.0.0.1")
    argv = (str(environment.bin / "python"), "-c", _MLFLOW, str(models), str(port))
    ready = f"/{min(path.name for path in models.iterdir())}/ping"
    # Its messages have sets in them.
    with running(argv, folder, environment, port=port, ready=ready, PYTHONHASHSEED="0"):
        yield Server(port=port, log=folder / "log", path="/{model}/invocations")


@contextmanager
def running(
    argv: Sequence[str],
    folder: Path,
    environment: Environment,
    *,
    port: int,
    ready: str = "/",
    **variables: str,
) -> Iterator[subprocess.Popen[bytes]]:
    """A server as a process group that answers on a port, and ends with the block."""
    with begun(argv, folder, environment, **variables) as process:
        _wait(f"http://127.0.0.1:{port}{ready}", process, folder / "log")
        yield process


@contextmanager
def begun(
    argv: Sequence[str], folder: Path, environment: Environment, **variables: str
) -> Iterator[subprocess.Popen[bytes]]:
    """A server as a process group, which may not answer yet, and ends with the block."""
    path = f"{environment.bin}{os.pathsep}{os.environ['PATH']}"
    with (folder / "log").open("wb") as output:
        process = subprocess.Popen(
            argv,
            cwd=folder,
            env=scrubbed(PATH=path, **variables),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=60)


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(log.read_text(errors="replace"))
