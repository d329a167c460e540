"""The steps that let the server work: start, answer, score the example, refuse what is wrong."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from envbuild.model import ColumnField, Model
from envbuild.process import Completed
from envbuild.server import Probes
from envbuild.verification.bench import Bench, tail
from envbuild.verification.examples import Example, NoExample
from envbuild.verification.report import StepResult, failed, passed, skipped

__all__ = [
    "BATCH",
    "REFUSE",
    "SCORE",
    "START",
    "STEPS",
    "Start",
    "Table",
    "batch_table",
    "requests_for",
    "run_batch",
    "serve",
]

START = "server starts"
SCORE = "server scores the example"
REFUSE = "server refuses bad requests"
STEPS = (START, SCORE, REFUSE)
BATCH = "batch script scores a file"

_PATIENCE_S = 300.0  # a server that loads a big model on a slow disk
_JSON = "application/json"
_MLFLOW_PATH = "/invocations"
_NOT_JSON = '{"input_data": '
_BODY_SHOWN = 500
_REPEATED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """How to start a server; ``{port}`` in command and variables is replaced by a free one."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    cwd: str


def requests_for(
    probes: Probes, model: Model | None, example: Example | NoExample, *, mlflow: str
) -> tuple[Mapping[str, Any], ...]:
    """What the server is asked: the example, then what it must refuse.

    ``mlflow`` is the locked version: the body that its own server takes is another before 2.0.
    """
    own = probes.scoring == _MLFLOW_PATH
    found: list[Mapping[str, Any]] = []
    if isinstance(example, Example):
        body = _mlflow_body(example, mlflow) if own else _azure_body(example)
        found.append(_post(SCORE, probes.scoring, json.dumps(body), (200,)))
    found.append(_post("no JSON", probes.scoring, _NOT_JSON, (400,)))
    if not own and isinstance(example, Example) and (name := _required(model, example)):
        body = _azure_body(_without(example, name))
        title = f"no column {name!r}"
        found.append(_post(title, probes.scoring, json.dumps(body), (400,)))
    return tuple(found)


def _post(name: str, path: str, body: str, expected: Sequence[int]) -> Mapping[str, Any]:
    return {
        "name": name,
        "method": "POST",
        "path": path,
        "type": _JSON,
        "body": body,
        "expected": list(expected),
    }


def _azure_body(example: Example) -> dict[str, Any]:
    more = {"params": dict(example.params)} if example.params else {}
    return {"input_data": example.value, **more}


def _mlflow_body(example: Example, mlflow: str) -> Any:  # noqa: ANN401 - JSON
    more = {"params": dict(example.params)} if example.params else {}
    match example.form:
        # MLflow before 2.0 took the table as the whole body.
        case "dataframe_split" if mlflow.startswith(("0.", "1.")):
            return example.value
        case "raw" if isinstance(example.value, dict):
            return {**example.value, **more}
        case "raw":
            return {"inputs": example.value, **more}
        case form:
            return {form: example.value, **more}


def _required(model: Model | None, example: Example) -> str:
    """The first column that the model cannot do without, if the example is a table."""
    signature = model.signature if model else None
    inputs = (signature.inputs if signature else None) or ()
    if example.form != "dataframe_split":
        return ""
    names = (
        field.name
        for field in inputs
        if isinstance(field, ColumnField) and field.required and field.name is not None
    )
    return next((name for name in names if name in example.value["columns"]), "")


def _without(example: Example, name: str) -> Example:
    position = example.value["columns"].index(name)

    def shortened(row: Sequence[Any]) -> list[Any]:
        return [value for index, value in enumerate(row) if index != position]

    value = {
        "columns": shortened(example.value["columns"]),
        "data": [shortened(row) for row in example.value["data"]],
    }
    return Example(form=example.form, value=value, params=example.params, origin=example.origin)


def serve(
    bench: Bench,
    how: Start | int,
    *,
    ready: str,
    requests: Sequence[Mapping[str, Any]],
    example: Example | NoExample,
) -> tuple[StepResult, ...]:
    """Start the server, ask it, stop it: one result for each of ``STEPS``.

    Where ``how`` is a port, the server runs there already and is only asked. ``ready`` is the path
    that answers 200 once it is up.
    """
    answer = bench.probe(START, "serve.py", task=_task(how, ready, requests))
    if isinstance(answer, StepResult):
        return (answer, *_unanswered("the server did not start"))
    result, done = answer
    came_up = result["ready"]
    if came_up["error"] is not None:
        started = failed(START, came_up["error"], *tail(done)).after(came_up["seconds"])
        return (started, *_unanswered("the server did not start"))
    started = passed(START, f"GET {ready} answers 200").after(came_up["seconds"])
    answers = result["answers"]
    scored = [item for item in answers if item["name"] == SCORE]
    refused = [item for item in answers if item["name"] != SCORE]
    return started, _scored(scored, example, done), _refused(refused, done)


def _task(how: Start | int, ready: str, requests: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The task as ``probes/serve.py`` reads it."""
    start = how if isinstance(how, Start) else Start(command=(), environment={}, cwd="/")
    return {
        "command": list(start.command),
        "environment": dict(start.environment),
        "cwd": start.cwd,
        "port": None if isinstance(how, Start) else how,
        "ready": ready,
        "patience": _PATIENCE_S,
        "requests": [dict(request) for request in requests],
    }


def _unanswered(reason: str) -> tuple[StepResult, ...]:
    return skipped(SCORE, reason), skipped(REFUSE, reason)


def _scored(
    answers: Sequence[Mapping[str, Any]], example: Example | NoExample, done: Completed
) -> StepResult:
    if isinstance(example, NoExample):
        return skipped(SCORE, example.reason)
    answer = answers[0]
    text = f"{example.origin}: {_answered(answer)}"
    good = answer["status"] in answer["expected"]
    result = passed(SCORE, text) if good else failed(SCORE, text, *tail(done))
    return result.after(answer["seconds"])


def _refused(answers: Sequence[Mapping[str, Any]], done: Completed) -> StepResult:
    seconds = sum(answer["seconds"] for answer in answers)
    wrong = [answer for answer in answers if answer["status"] not in answer["expected"]]
    if wrong:
        lines = [f"{answer['name']}: expected 400, {_answered(answer)}" for answer in wrong]
        reason = f"{len(wrong)} of {len(answers)} bad requests were not refused with 400"
        return failed(REFUSE, reason, *lines, *tail(done)).after(seconds)
    names = ", ".join(answer["name"] for answer in answers)
    return passed(REFUSE, f"400 for: {names}").after(seconds)


def _answered(answer: Mapping[str, Any]) -> str:
    body = " ".join(answer["body"].split())[:_BODY_SHOWN]
    return f"answered {answer['status']} {body}" if answer["status"] else f"no answer ({body})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The text of a csv file with so many ``rows``, its head not counted."""

    text: str
    rows: int
    origin: str


def batch_table(example: Example | NoExample) -> Table | NoExample:
    """The example as a csv file, which is what batch jobs read most.

    Its rows are repeated: one result for a file of one row may be for the row or for the file.
    """
    if isinstance(example, NoExample):
        return example
    if example.form != "dataframe_split":
        return NoExample(reason=f"{example.origin} is no table, which a csv file needs")
    rows = example.value["data"] * _REPEATED
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(example.value["columns"])
    writer.writerows(rows)
    return Table(text=stream.getvalue(), rows=len(rows), origin=example.origin)


def run_batch(bench: Bench, *, script: str, file: str, rows: int, origin: str) -> StepResult:
    """``init`` and ``run`` of a batch script over one csv file with ``rows`` rows."""
    answer = bench.probe(BATCH, "batch.py", script, file)
    if isinstance(answer, StepResult):
        return answer
    result, done = answer
    if result["error"] is not None:
        return failed(BATCH, result["error"], *tail(done)).after(result["seconds"])
    count = result["results"]
    if count != rows:
        reason = f"{count} results for a table of {rows}, and Azure ML counts them"
        return failed(BATCH, reason, *tail(done)).after(result["seconds"])
    return passed(BATCH, f"{origin}: a result for each of {rows} rows").after(result["seconds"])
