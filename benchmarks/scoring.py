"""What a request to ``/score`` costs, with and without the enforcement of the signature.

Real servers with one worker each answer the same request in turn, over connections that stay open.
The model does next to nothing, so that what is around it counts in full.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from envbuild.fetch.loopback import free_port
from tests.support.paths import SCORING
from tests.support.scoring_environments import Environment, make_environment
from tests.support.scoring_servers import running

__all__ = ["PYTHON", "measure_scoring", "scoring_document", "scoring_table"]

PYTHON = "3.12"
PACKAGES = ("mlflow==3.17.2", "azureml-inference-server-http==1.5.1")
COLUMNS = 13
TYPES = ("long", "double", "string")
TURNS = {1: 1000, 1000: 250}
OURS, STOCK, BARE, MLFLOW = (
    "envbuild's script",
    "bare script, mlflow enforces",
    "bare script, nothing enforces",
    "mlflow's own server",
)

_PREDICT = """
def predict(self, context, data):
    return data["c0"].to_numpy()
"""
# What people write, without checks. MLflow enforces a signature in ``predict``, after pandas
# guessed the types; the same model saved without one is enforced by nothing.
_SCRIPT = """
import json, os
import mlflow.pyfunc
import pandas as pd

def init():
    global model
    model = mlflow.pyfunc.load_model(os.path.join(os.environ["AZUREML_MODEL_DIR"], "NAMED"))

def run(raw):
    table = json.loads(raw)["input_data"]
    frame = pd.DataFrame(table["data"], columns=table["columns"])
    return model.predict(frame).tolist()
"""
_MODELS = {STOCK: "model", BARE: "unsigned"}


@dataclass(slots=True, kw_only=True)
class Contestant:
    """A running server and what its answers took.

    ``times`` are seconds by rows of the request, ``processor`` those that its processes spent.
    """

    name: str
    group: int
    connection: http.client.HTTPConnection
    path: str
    key: str
    times: dict[int, list[float]] = field(default_factory=dict)
    processor: dict[int, float] = field(default_factory=dict)

    def ask(self, body: bytes) -> float:
        """Seconds to the end of the answer."""
        started = time.perf_counter()
        self.connection.request("POST", self.path, body, {"Content-Type": "application/json"})
        answer = self.connection.getresponse()
        answer.read()
        taken = time.perf_counter() - started
        assert answer.status == 200, answer.status
        return taken

    def spent(self) -> float:
        """Seconds of processor that the processes of the server have had."""
        ticks = 0
        for path in Path("/proc").glob("[0-9]*/stat"):
            try:
                values = path.read_text().rpartition(") ")[2].split()
            except OSError:
                continue  # it has ended
            if int(values[2]) == self.group:
                ticks += int(values[11]) + int(values[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def document(self) -> dict[str, object]:
        """Every single time, in microseconds, and seconds of processor by rows of the request."""
        times = {
            rows: " ".join(f"{one * 1e6:.0f}" for one in all_) for rows, all_ in self.times.items()
        }
        return {"server": self.name, "microseconds": times, "processor": self.processor}


def measure_scoring(interpreter: Path) -> Sequence[Contestant]:
    """Every server, asked with one row and with a thousand; ``interpreter`` is a ``PYTHON``."""
    with tempfile.TemporaryDirectory(prefix="envbuild-scoring-") as folder, ExitStack() as stack:
        environment = prepare(Path(folder), interpreter)
        started = servers(environment, Path(folder))
        contestants = [stack.enter_context(server) for server in started]
        for rows, turns in TURNS.items():
            measure(contestants, rows=rows, turns=turns)
    return contestants


def scoring_document(contestants: Sequence[Contestant]) -> str:
    """Every single time, as JSON."""
    return json.dumps([one.document() for one in contestants], indent=1) + "\n"


def prepare(folder: Path, interpreter: Path) -> Environment:
    """The environment of all servers, with the model."""
    environment = make_environment(folder, interpreter, PACKAGES)
    inputs = [{"name": f"c{i}", "type": TYPES[i % len(TYPES)]} for i in range(COLUMNS)]
    environment.save_model("model", inputs, _PREDICT)
    environment.save_model("unsigned", (), _PREDICT)
    return environment


def servers(environment: Environment, folder: Path) -> Iterator[AbstractContextManager[Contestant]]:
    """Every server, not yet started."""
    ours = (SCORING / "online.py").read_text(encoding="utf-8")
    yield azure(OURS, environment, folder / "ours", ours)
    for name, model in _MODELS.items():
        yield azure(name, environment, folder / f"bare-{model}", _SCRIPT.replace("NAMED", model))
    yield mlflow(environment, folder / "mlflow")


@contextmanager
def azure(name: str, environment: Environment, folder: Path, script: str) -> Iterator[Contestant]:
    """The Azure ML server with a script."""
    folder.mkdir()
    (folder / "score.py").write_text(script, encoding="utf-8")
    port = free_port("127.0.0.1")
    argv = (
        *(str(environment.bin / "azmlinfsrv"), "--entry_script", "score.py"),
        *("--model_dir", str(environment.folder), "--port", str(port)),
    )
    variables = {"WORKER_COUNT": "1", "MLFLOW_MODEL_FOLDER": "model"}
    with running(argv, folder, environment, port=port, **variables) as process:
        yield contestant(name, process.pid, port, path="/score", key="input_data")


@contextmanager
def mlflow(environment: Environment, folder: Path) -> Iterator[Contestant]:
    """``mlflow models serve``."""
    folder.mkdir()
    port = free_port("127.0.0.1")
    argv = (
        *(str(environment.bin / "mlflow"), "models", "serve", "--env-manager", "local"),
        *("-m", str(environment.folder / "model"), "-p", str(port), "-w", "1"),
    )
    with running(argv, folder, environment, port=port, ready="/ping") as process:
        yield contestant(MLFLOW, process.pid, port, path="/invocations", key="dataframe_split")


def contestant(name: str, group: int, port: int, *, path: str, key: str) -> Contestant:
    """A contestant with an open connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    return Contestant(name=name, group=group, connection=connection, path=path, key=key)


def measure(contestants: Sequence[Contestant], *, rows: int, turns: int) -> None:
    """Ask each, in an order that changes, after a tenth as many requests that do not count."""
    bodies = {one.name: request(one.key, rows) for one in contestants}
    for one in contestants:
        for _ in range(turns // 10):
            one.ask(bodies[one.name])
    before = {one.name: one.spent() for one in contestants}
    order, chance = list(contestants), random.Random(1)
    for _ in range(turns):
        # Who comes after a large one finds less in the processor's caches.
        chance.shuffle(order)
        for one in order:
            one.times.setdefault(rows, []).append(one.ask(bodies[one.name]))
    for one in contestants:
        one.processor[rows] = one.spent() - before[one.name]


def request(key: str, rows: int) -> bytes:
    """A split table."""
    values = (int, lambda row: row + 0.5, lambda row: f"text {row}")
    data = [[values[i % len(TYPES)](row) for i in range(COLUMNS)] for row in range(rows)]
    return json.dumps({key: {"columns": [f"c{i}" for i in range(COLUMNS)], "data": data}}).encode()


def scoring_table(contestants: Sequence[Contestant]) -> str:
    """A table for each size of request."""
    return "\n".join(section(contestants, rows) for rows in TURNS)


def section(contestants: Sequence[Contestant], rows: int) -> str:
    """Quantiles, rate, and what each takes as a multiple of what enforces nothing."""
    body = len(request("input_data", rows))
    head = (
        f"### {rows} row{'s' if rows > 1 else ''} of {COLUMNS} columns: "
        f"{body:,} bytes, {TURNS[rows]} requests to each\n\n"
        "| | p50 ms | p99 ms | requests a second | processor ms | p50 ratio | processor ratio |\n"
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |\n"
    )
    base = next(one for one in contestants if one.name == BARE)
    return head + "".join(line(one, base, rows) for one in contestants)


def line(one: Contestant, base: Contestant, rows: int) -> str:
    """One server."""
    times = one.times[rows]
    processor = one.processor[rows] / len(times)
    ratios = (
        quantile(times, 0.5) / quantile(base.times[rows], 0.5),
        one.processor[rows] / base.processor[rows],
    )
    return (
        f"| {one.name} | {quantile(times, 0.5) * 1000:.2f} | {quantile(times, 0.99) * 1000:.2f} "
        f"| {len(times) / sum(times):.0f} | {processor * 1000:.2f} "
        f"| {ratios[0]:.2f} | {ratios[1]:.2f} |\n"
    )


def quantile(times: Sequence[float], part: float) -> float:
    """The time that this part of the requests took at most."""
    return sorted(times)[min(len(times) - 1, round(part * len(times)))]
