"""What the online script's enforcement costs, beside a script that only reads with pandas.

    python benchmarks/scoring.py

Both parse the same body, call ``predict`` of the same model (which enforces the signature once
more, as mlflow always does) and encode the answer. Times are CPU time, in turns, so that other work
on the machine does not count; printed is the median.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Protocol

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.support.scoring import online

if TYPE_CHECKING:
    from pandas import DataFrame

COLUMNS = 13
TYPES = ("long", "double", "string")
TURNS = {1: 1000, 1000: 200}


class Model(Protocol):
    """A loaded model."""

    def predict(self, data: object) -> object: ...


class Scorer(Protocol):
    """What the script makes of a model."""

    model: Model

    def score(self, body: object) -> str: ...


def main() -> None:
    """Measure for one row and for a thousand."""
    warnings.simplefilter("ignore")
    script = online()
    inputs = [{"name": f"c{i}", "type": TYPES[i % len(TYPES)]} for i in range(COLUMNS)]
    with tempfile.TemporaryDirectory() as folder:
        scorer = script.load(save_model(Path(folder) / "model", inputs))
    for rows, turns in TURNS.items():
        body = request(rows)
        bare, full = medians(
            turns, bare_script(script, scorer, body), full_script(script, scorer, body)
        )
        print(
            f"{rows:5} rows: {bare:6.3f} ms bare, {full:6.3f} ms enforced, {full / bare - 1:+.1%}"
        )


def save_model(path: Path, inputs: list[dict[str, str]]) -> str:
    """A model that does next to nothing."""
    import mlflow.pyfunc
    from mlflow.models.signature import ModelSignature
    from mlflow.types.schema import Schema

    class First(mlflow.pyfunc.PythonModel):  # type: ignore[misc, name-defined, unused-ignore]
        def predict(self, context: object, model_input: DataFrame) -> object:
            del context
            return model_input["c0"].to_numpy()

    mlflow.pyfunc.save_model(
        str(path),
        python_model=First(),
        signature=ModelSignature(Schema.from_json(json.dumps(inputs))),
        pip_requirements=[],
    )
    return str(path)


def request(rows: int) -> bytes:
    """A split table."""
    values: tuple[Callable[[int], object], ...] = (int, lambda i: i + 0.5, lambda i: f"text {i}")
    data = [[values[i % len(TYPES)](row) for i in range(COLUMNS)] for row in range(rows)]
    table = {"columns": [f"c{i}" for i in range(COLUMNS)], "data": data}
    return json.dumps({"input_data": table}).encode()


def bare_script(script: ModuleType, scorer: Scorer, body: bytes) -> Callable[[], object]:
    """The table as pandas reads it."""
    import pandas as pd

    def score() -> object:
        table = script.parse(body)["input_data"]
        frame = pd.DataFrame(table["data"], columns=table["columns"])
        return script.encode(scorer.model.predict(frame))

    return score


def full_script(script: ModuleType, scorer: Scorer, body: bytes) -> Callable[[], object]:
    """The script as it is."""
    return lambda: scorer.score(script.parse(body))


def medians(turns: int, *actions: Callable[[], object]) -> list[float]:
    """Milliseconds of CPU time of each action, run in turns."""
    times: list[list[float]] = [[] for _ in actions]
    for turn in range(turns + turns // 10):
        for action, taken in zip(actions, times, strict=True):
            started = time.process_time()
            action()
            if turn >= turns // 10:
                taken.append((time.process_time() - started) * 1000)
    return [statistics.median(taken) for taken in times]


if __name__ == "__main__":
    main()
