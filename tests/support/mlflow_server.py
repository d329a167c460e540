"""A real MLflow tracking server on loopback, in an environment of its own, with models in it."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import uv

from tests.support.environments import scrubbed

__all__ = ["Logged", "MlflowServer", "mlflow_server"]

_START = 120.0  # seconds that a server may take on a busy machine

# Run by the environment's Python: logs one model with a wheel, code and an example.
_LOG = """
import json, sys
from pathlib import Path
import mlflow, pandas

class Doubler(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return model_input * 2

work = Path(sys.argv[1])
wheel = work / "toy-1.0-py3-none-any.whl"
wheel.write_bytes(b"a wheel")
(work / "helper").mkdir()
(work / "helper" / "code.py").write_text("SECRET = 1\\n")
with mlflow.start_run() as run:
    logged = mlflow.pyfunc.log_model(
        name="model",
        python_model=Doubler(),
        registered_model_name="wine quality",
        input_example=pandas.DataFrame({"acidity": [1.5]}),
        pip_requirements=["mlflow-skinny", "code/toy-1.0-py3-none-any.whl", "-c constraints.txt"],
        code_paths=[str(wheel), str(work / "helper")],
    )
mlflow.MlflowClient().set_registered_model_alias("wine quality", "best", 1)
print(json.dumps({"run": run.info.run_id, "model": logged.model_id}))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """The ids of the run and the logged model behind ``models:/wine quality/1``."""

    run: str
    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MlflowServer:
    """A server that answers at ``url``; ``python`` has the same mlflow."""

    url: str
    python: Path
    work: Path

    def log_model(self) -> Logged:
        """Log and register a model as a user would."""
        folder = self.work / "client"
        folder.mkdir()
        (folder / "constraints.txt").write_text("numpy<3\n")
        done = subprocess.run(
            [self.python, "-c", _LOG, folder],
            cwd=folder,
            env=scrubbed(MLFLOW_TRACKING_URI=self.url),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        line = next(line for line in done.stdout.splitlines() if line.startswith("{"))
        return Logged(**json.loads(line))


@contextmanager
def mlflow_server(work: Path) -> Iterator[MlflowServer]:
    """Install the newest mlflow below ``work`` and serve until the end of the block."""
    python = _install(work / "env")
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = [
        *(str(python), "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)),
        *("--workers", "1", "--backend-store-uri", f"sqlite:///{work}/tracking.sqlite"),
        *("--artifacts-destination", str(work / "artifacts")),
    ]
    with (work / "server.log").open("w") as log:
        # Its workers are children: the group is ended, not only the parent.
        process = subprocess.Popen(
            command, cwd=work, env=scrubbed(), stdout=log, stderr=log, start_new_session=True
        )
    try:
        _wait(url, process, work / "server.log")
        yield MlflowServer(url=url, python=python, work=work)
    finally:
        subprocess.run(["kill", "--", f"-{process.pid}"], check=False)
        process.wait(timeout=60)


def _install(folder: Path) -> Path:
    for arguments in (
        ["venv", "--quiet", "--no-config", "--python", sys.executable, str(folder)],
        ["pip", "install", "--quiet", "--no-config", "--python", f"{folder}/bin/python", "mlflow"],
    ):
        command = [uv.find_uv_bin(), *arguments]
        done = subprocess.run(command, env=scrubbed(), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return folder / "bin" / "python"


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    message = f"the server did not start within {_START:g} s\n{log.read_text()}"
    raise AssertionError(message)
