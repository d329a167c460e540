"""The steps that let the model work: load it, and predict its example."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from envbuild.model import ColumnField, Model, TensorField
from envbuild.reading.sniff import sniff
from envbuild.verification.bench import Bench, tail
from envbuild.verification.examples import Example, NoExample
from envbuild.verification.report import StepResult, failed, passed, skipped

__all__ = ["LOAD", "PREDICT", "load_and_predict", "missing_weights"]

LOAD = "model loads"
PREDICT = "example predicts"

_PYFUNC = "python_function"
# Where flavors of mlflow name what they load, in the settings of python_function.
_WEIGHTS = ("model_path", "data", "python_model", "model_binary", "model_code_path")
_SNIFFED = 4096
_DERIVED = (
    "the model has no input example of its own, and may want other values than the derived ones: "
    "log it with input_example="
)


def missing_weights(model: Model) -> str:
    """Why the model cannot be loaded from its folder, or an empty string."""
    flavor = model.flavor(_PYFUNC)
    if flavor is None:
        return "the model has no python_function flavor, which MLflow loads it by"
    if model.partial:
        return "the model was fetched from its registry without the weights"
    for key in _WEIGHTS:
        name = flavor.settings.get(key, "")
        if name and not model.contains(name):
            return f"no weights in the folder: {name} is not there"
        if name and (pointer := _pointer(model.path / name)):
            shown = pointer.relative_to(model.path).as_posix()
            return f"no weights in the folder: {shown} is a Git LFS pointer; try: git lfs pull"
    return ""


def _pointer(path: Path) -> Path | None:
    """The file at or below ``path`` that only says where the real one is."""
    files = (path,) if path.is_file() else sorted(path.rglob("*"))
    return next((file for file in files if file.is_file() and _is_pointer(file)), None)


def _is_pointer(file: Path) -> bool:
    with file.open("rb") as stream:
        found = sniff(stream.read(_SNIFFED))
    return found is not None and found.what.startswith("a Git LFS pointer")


def load_and_predict(
    bench: Bench, model: Model, path: str, example: Example | NoExample
) -> tuple[StepResult, StepResult]:
    """``mlflow.pyfunc.load_model`` and ``predict`` in one process, since weights may be large.

    ``path`` is the model's folder as seen inside the sandbox.
    """
    answer = bench.probe(LOAD, "predict.py", task=_task(model, path, example))
    if isinstance(answer, StepResult):
        return answer, skipped(PREDICT, "the model does not load")
    result, done = answer
    load = result["load"]
    if load["error"] is not None:
        loaded = failed(LOAD, load["error"], *tail(done)).after(load["seconds"])
        return loaded, skipped(PREDICT, "the model does not load")
    loaded = passed(LOAD).after(load["seconds"])
    if isinstance(example, NoExample):
        return loaded, skipped(PREDICT, example.reason)
    return loaded, _predicted(result["predict"], example, tail(done))


def _predicted(answer: Mapping[str, Any], example: Example, log: tuple[str, ...]) -> StepResult:
    if answer["error"] is None:
        result = passed(PREDICT, f"{example.origin} gives {answer['value']}")
    elif example.derived:
        result = failed(PREDICT, f"{example.origin}: {answer['error']}", _DERIVED, *log)
    else:
        result = failed(PREDICT, f"{example.origin}: {answer['error']}", *log)
    return result.after(answer["seconds"])


def _task(model: Model, path: str, example: Example | NoExample) -> dict[str, Any]:
    inputs = (model.signature.inputs if model.signature else None) or ()
    columns = [field for field in inputs if isinstance(field, ColumnField)]
    tensors = [field for field in inputs if isinstance(field, TensorField)]
    task: dict[str, Any] = {
        "model": path,
        "input": None,
        "params": None,
        "columns": [[field.name, field.type] for field in columns],
        "tensors": [[field.name, field.dtype] for field in tensors],
    }
    if isinstance(example, Example):
        task |= {"input": {example.form: example.value}, "params": example.params}
    return task
