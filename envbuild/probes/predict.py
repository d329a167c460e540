"""Load a model, and let it predict its example: prints ``envbuild-result {...}``.

Standard input is a JSON object:

    model      the model's directory
    input      none, or {"dataframe_split": {...}}, {"inputs": ...}, {"raw": ...}
    params     none, or a dictionary
    columns    [[name, type of MLflow's signature], ...]
    tensors    [[name or none, numpy dtype], ...]

This is the one place where code of the model runs.
"""

import base64
import json
import os
import sys
import time
import traceback
from typing import Any, Callable, Dict, List

_NUMPY = {"boolean": "bool", "integer": "int32", "long": "int64", "float": "float32"}
_SHOWN = 200


def build_input(task: Dict[str, Any]) -> Any:
    """The example as what a caller of ``predict`` has in hand: data frame, arrays, or as it is."""
    form, value = next(iter(task["input"].items()))
    if form == "dataframe_split":
        return _frame(value, task["columns"])
    if form == "inputs":
        return _tensors(value, task["tensors"])
    return value


def _frame(split: Dict[str, Any], columns: List[List[Any]]) -> Any:
    import pandas as pd

    frame = pd.DataFrame(**{key: split[key] for key in split if key != "index"})
    for name, kind in columns:
        if name in frame.columns and not frame[name].isnull().any():
            frame[name] = _column(frame[name], kind)
    return frame


def _column(values: Any, kind: str) -> Any:
    if kind in _NUMPY:
        return values.astype(_NUMPY[kind])
    if kind == "double":
        return values.astype("float64")
    if kind == "datetime":
        return values.astype("datetime64[ns]")
    if kind == "binary":
        return values.map(base64.b64decode)
    return values


def _tensors(value: Any, tensors: List[List[Any]]) -> Any:
    import numpy as np

    types = dict(tensors)
    if isinstance(value, dict):
        return {name: np.array(item, dtype=types.get(name)) for name, item in value.items()}
    return np.array(value, dtype=tensors[0][1] if tensors else None)


def describe(prediction: Any) -> str:
    """The type, the length and the beginning of a prediction."""
    kind = type(prediction)
    text = "{}.{}".format(kind.__module__, kind.__name__)
    if hasattr(prediction, "__len__"):
        text += " of {}".format(len(prediction))
    shown = " ".join(str(prediction).split())
    return "{}: {}".format(text, shown if len(shown) <= _SHOWN else shown[:_SHOWN] + " ...")


def timed(action: Callable[[], Any]) -> Dict[str, Any]:
    """What ``action`` gave, how long it took, and its error if it raised one."""
    started = time.time()
    answer: Dict[str, Any] = {"value": None, "error": None}
    try:
        answer["value"] = action()
    except BaseException as error:  # a model may call sys.exit
        traceback.print_exc()
        answer["error"] = "{}: {}".format(type(error).__name__, error)
    answer["seconds"] = round(time.time() - started, 3)
    return answer


def load(path: str) -> Any:
    """What MLflow makes of the model."""
    import mlflow.pyfunc

    return mlflow.pyfunc.load_model(path)


def examine(task: Dict[str, Any]) -> Dict[str, Any]:
    """Load, then predict if that went well and there is something to predict."""
    loaded = timed(lambda: load(task["model"]))
    model = loaded.pop("value")
    result = {"load": loaded}
    if loaded["error"] is None and task["input"] is not None:
        more = {"params": task["params"]} if task["params"] else {}
        predicted = timed(lambda: describe(model.predict(build_input(task), **more)))
        result["predict"] = predicted
    return result


def main() -> None:
    """Read the task, print the result."""
    result = examine(json.load(sys.stdin))
    sys.stdout.write("\nenvbuild-result " + json.dumps(result) + "\n")
    sys.stdout.flush()
    sys.stderr.flush()
    # A framework may have left threads behind that never end, or crash while it is taken down.
    os._exit(0)


if __name__ == "__main__":
    main()
