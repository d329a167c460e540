"""Compares the online scoring script with MLflow's own signature enforcement, on random cases.

Runs wherever the script runs, so it is written for Python 3.6:

    python scoring_oracle.py SCRIPT --cases 2000 --seed 1

prints every case on which the two disagree and ends with 1 if there is one. ``compare`` takes any
``random.Random``, so that hypothesis can drive it and shrink what it finds.

Two things must hold for every signature and every JSON input:

* what the script lets through, MLflow lets through, and changes nothing in it;
* what MLflow lets through as pandas or numpy read it, the script lets through with the same
  values, but for what ``is_stricter`` tells.
"""
# ruff: noqa: B905, PLR0911, T201, UP006, UP031, UP033, UP035, UP045

import argparse
import functools
import importlib.util
import inspect
import json
import math
import random
import sys
import types
import warnings
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence

NUMBERS = (bool, int, float)
WORDS = ("", "a", "ü", "2020-01-01", "2020-01-01T10:11:12.5", "aGk=", "1.5", "true")
ODD_WORDS = ("2020-01-01T00:00:00Z", "9999-12-31", "no date", "not base64!", "2020-02-30", "nan")
INTEGERS = (
    0,
    1,
    -1,
    7,
    2**24,
    2**24 + 1,
    2**31 - 1,
    2**31,
    -(2**31) - 1,
    2**53 + 1,
    2**63,
    10**400,
)
FLOATS = (0.0, 0.5, -2.5, 2.0, 1e30, 1e300, math.nan, math.inf)
PARAMS = {
    "boolean": True,
    "integer": 1,
    "long": 2,
    "float": 0.5,
    "double": 1.5,
    "string": "a",
    "datetime": "2020-01-01T00:00:00",
}
COLUMN_TYPES = ("boolean", "integer", "long", "float", "double", "string", "binary", "datetime")
NESTED = {"array": "Array", "object": "Object", "map": "Map", "any": "AnyType"}
TENSOR_TYPES = (
    *("float16", "float32", "float64", "int16", "int32", "int64", "uint8", "uint64"),
    *("bool", "str", "object", "datetime64[ns]"),
)


class Case(NamedTuple):
    """One request: MLmodel's ``inputs``, and what is sent under ``key``."""

    inputs: List[Any]
    key: str
    data: Any


def nested_types() -> List[str]:
    """The nested types that the installed mlflow has."""
    from mlflow.types import schema

    return [name for name, cls in NESTED.items() if hasattr(schema, cls)]


def load_script(path: str) -> Any:
    """The scoring script as a module, with stand-ins for the two names it takes from the server."""
    request = types.ModuleType("azureml_inference_server_http.api.aml_request")
    response = types.ModuleType("azureml_inference_server_http.api.aml_response")
    request.rawhttp = lambda function: function  # type: ignore[attr-defined]
    response.AMLResponse = Response  # type: ignore[attr-defined]
    parents = ("azureml_inference_server_http", "azureml_inference_server_http.api")
    added = {name: types.ModuleType(name) for name in parents}
    added.update({module.__name__: module for module in (request, response)})
    before = {name: sys.modules.get(name) for name in added}
    sys.modules.update(added)
    try:
        spec = importlib.util.spec_from_file_location("online_score", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
    finally:
        for name, old in before.items():
            if old is None:
                del sys.modules[name]
            else:
                sys.modules[name] = old


class Response:
    """The server's AMLResponse, as far as the script uses it."""

    def __init__(
        self,
        message: str,
        status_code: int,
        response_headers: Optional[Dict[str, str]] = None,
        run_function_failed: bool = False,
    ) -> None:
        self.text = message
        self.status = status_code
        self.headers = response_headers or {}
        self.failed = run_function_failed


# --- cases -------------------------------------------------------------------------------------


def random_case(rng: random.Random, *, nested: Sequence[str] = ()) -> Case:
    """A signature and an input that fits it more often than not; with ``nested`` types, if any."""
    kind = rng.choice(("columns", "columns", "unnamed columns", "tensor", "tensors"))
    if kind in ("tensor", "tensors"):
        return _tensor_case(rng, named=kind == "tensors")
    named = kind == "columns"
    specs = [_column_spec(rng, i, named=named, nested=nested) for i in range(rng.randint(1, 3))]
    size = rng.randint(1, 3)
    sent = [spec for spec in specs if rng.random() < 0.95] if named else specs
    columns = {
        str(spec.get("name", i)): [_value(rng, spec) for _ in range(size)]
        for i, spec in enumerate(sent or specs)
    }
    return Case(specs, *_layout(rng, columns, named=named))


def _layout(rng: random.Random, columns: Dict[str, List[Any]], *, named: bool) -> Any:
    names = list(columns)
    rng.shuffle(names) if named else None
    rows = [list(row) for row in zip(*(columns[name] for name in names))]
    split = {"columns": names, "data": rows} if named else {"data": rows}
    if rng.random() < 0.5 or not named:
        return rng.choice(("input_data", "dataframe_split")), split
    return "dataframe_records", [dict(zip(names, row)) for row in rows]


def _column_spec(
    rng: random.Random, position: int, *, named: bool, nested: Sequence[str]
) -> Dict[str, Any]:
    spec = _type(rng, nested, depth=2 if nested else 0)
    if named:
        spec["name"] = position if rng.random() < 0.2 else "c%d" % position
        spec["required"] = rng.random() < 0.8
    return spec


def _type(rng: random.Random, nested: Sequence[str], *, depth: int) -> Dict[str, Any]:
    kind = rng.choice(("scalar", *nested)) if depth else "scalar"
    if kind == "array":
        return {"type": "array", "items": _type(rng, nested, depth=depth - 1)}
    if kind == "map":
        return {"type": "map", "values": _type(rng, nested, depth=depth - 1)}
    if kind == "object":
        properties = {name: _type(rng, nested, depth=depth - 1) for name in ("p", "q")}
        for entry in properties.values():
            entry["required"] = rng.random() < 0.7
        return {"type": "object", "properties": properties}
    return {"type": "any" if kind == "any" else rng.choice(COLUMN_TYPES)}


def _value(rng: random.Random, spec: Dict[str, Any]) -> Any:
    if rng.random() < 0.06:
        return rng.choice((None, [], {}, [1], {"p": 1}, True, 1, 1.5, "a"))
    if spec["type"] == "array":
        return [_value(rng, spec["items"]) for _ in range(rng.randint(0, 3))]
    if spec["type"] == "map":
        return {name: _value(rng, spec["values"]) for name in ("k", "l") if rng.random() < 0.7}
    if spec["type"] == "any":
        return rng.choice((None, 1, "a", [1, "a"], {"x": []}))
    if spec["type"] == "object":
        names = [name for name in spec["properties"] if rng.random() < 0.85]
        return {name: _value(rng, spec["properties"][name]) for name in names}
    return _scalar(rng, spec["type"])


def _scalar(rng: random.Random, type_: str) -> Any:
    if rng.random() < 0.08:
        return rng.choice(INTEGERS + FLOATS + WORDS + ODD_WORDS + (None, True))
    if type_ in ("boolean", "bool"):
        return rng.random() < 0.5
    if "int" in type_ or type_ == "long":
        return rng.choice(INTEGERS) if rng.random() < 0.1 else rng.randint(0, 9)
    if "float" in type_ or type_ == "double":
        return rng.choice(FLOATS + INTEGERS[:3])
    if type_ == "datetime":
        return rng.choice(("2020-01-01", "2021-02-03"))
    return rng.choice(("aGk=", "aGVsbG8=") if type_ == "binary" else WORDS)


def _tensor_case(rng: random.Random, *, named: bool) -> Case:
    specs, data = [], {}
    for i in range(rng.randint(1, 2) if named else 1):
        dtype = rng.choice(TENSOR_TYPES)
        shape = [rng.randint(1, 3) for _ in range(rng.randint(1, 3))]
        value = _nested_list(
            rng, dtype, [max(1, size + rng.choice((0,) * 12 + (1,))) for size in shape]
        )
        shape = [-1 if i == 0 or rng.random() < 0.2 else size for i, size in enumerate(shape)]
        spec = {"type": "tensor", "tensor-spec": {"dtype": dtype, "shape": shape}}
        if named:
            spec["name"] = "t%d" % i
        specs.append(spec)
        data["t%d" % i] = value
    return Case(specs, rng.choice(("input_data", "inputs")), data if named else data["t0"])


def _nested_list(rng: random.Random, dtype: str, shape: List[int]) -> Any:
    if not shape:
        return _scalar(rng, dtype)
    return [_nested_list(rng, dtype, shape[1:]) for _ in range(shape[0])]


def random_params(rng: random.Random) -> Any:
    """MLmodel's ``params`` and what a request sends for them."""
    specs, sent = [], {"unknown": 1} if rng.random() < 0.1 else {}
    for i in range(rng.randint(1, 3)):
        type_ = rng.choice(sorted(PARAMS))
        default, is_array = PARAMS[type_], rng.random() < 0.3
        shaped = {"default": [default], "shape": [-1]} if is_array else {"default": default}
        specs.append({"shape": None, **shaped, "name": "p%d" % i, "type": type_})
        value = _scalar(rng, type_)
        if is_array and rng.random() < 0.9:
            value = [_scalar(rng, type_) for _ in range(rng.randint(0, 3))]
        if rng.random() < 0.1:
            value = rng.choice((None, [], {}, [1], {"p": 1}, True, 1, 1.5, "a"))
        if rng.random() < 0.8:
            sent["p%d" % i] = value
    return specs, sent


# --- the comparison ----------------------------------------------------------------------------


def compare(script: Any, case: Case) -> str:
    """What is wrong with the script's reading of a case; empty when nothing is."""
    from mlflow.types.schema import Schema

    case = case._replace(inputs=_as_known(case.inputs))
    schema = Schema.from_json(json.dumps(case.inputs))
    signature = script.read_signature({"signature": {"inputs": json.dumps(case.inputs)}})
    problems: List[Any] = []
    ours = None
    data = json.loads(json.dumps(case.data))
    try:
        ours = script.enforce_input(case.key, data, signature, problems)
    except (script.RequestError, OverflowError) as error:
        problems.append(error)
    theirs, refusal = _enforced(lambda: as_read(case, schema), schema)
    stricter = any(is_stricter(value, spec) for value, spec in _values(case))
    if problems:
        if refusal is None and not stricter:
            return "refused what mlflow takes: %s" % problems
        return ""
    again, refusal_of_ours = _enforced(lambda: ours, schema)
    if refusal_of_ours is not None:
        if _has_null_boolean(case) and not takes_null_booleans():
            return ""
        return "let through what mlflow refuses: %s" % refusal_of_ours
    difference = _difference(ours, again)
    if difference:
        return "mlflow changes the result: %s" % difference
    if refusal is None and not stricter:
        difference = _difference(ours, theirs)
        if difference:
            return "mlflow reads it differently: %s" % difference
    return ""


def compare_served(script: Any, case: Case) -> str:
    """What is wrong with the script's verdict beside that of MLflow's own server, which parses the
    request by the signature first; empty when nothing is.
    """
    from mlflow.types.schema import Schema

    case = as_served(case)
    schema = Schema.from_json(json.dumps(case.inputs))
    signature = script.read_signature({"signature": {"inputs": json.dumps(case.inputs)}})
    problems: List[Any] = []
    ours = None
    try:
        ours = script.enforce_input(case.key, _copy(case.data), signature, problems)
    except (script.RequestError, OverflowError) as error:
        problems.append(error)
    theirs, refusal = _enforced(lambda: _parsed(case, schema), schema)
    if any(is_stricter(value, spec) or narrows(value, spec) for value, spec in _values(case)):
        return ""
    if problems:
        return "" if refusal is not None else "refused what mlflow serves: %s" % problems
    if refusal is not None:
        lenient = any(is_out_of_reach(value, spec) for value, spec in _values(case))
        return "" if lenient else "let through what mlflow does not serve: %s" % refusal
    difference = _difference(ours, theirs)
    return "mlflow's server reads it differently: %s" % difference if difference else ""


def compare_params(script: Any, specs: Any, sent: Any) -> str:
    """What is wrong with the script's verdict on params; empty when nothing is."""
    from mlflow.models.utils import _enforce_params_schema
    from mlflow.types.schema import ParamSchema

    schema = ParamSchema.from_json(json.dumps(specs))
    fields = script.read_signature({"signature": {"params": json.dumps(specs)}}).params
    problems: List[Any] = []
    ours = script.check_params(_copy(sent), fields, problems)
    refusal, cast = None, None
    try:
        cast = _enforce_params_schema(_copy(sent), schema)
    except Exception as error:
        refusal = error
    if problems:
        narrowed = any(narrows_param(sent.get(spec["name"]), spec["type"]) for spec in specs)
        return "" if refusal is not None or narrowed else "refused: %s" % problems
    if refusal is not None:
        return "let through what mlflow refuses: %s" % refusal
    again = _enforce_params_schema(ours, schema)
    return "" if repr(again) == repr(cast) else "mlflow reads it differently: %s" % again


def as_served(case: Case) -> Case:
    """The case under a key of MLflow's server, in the words of the installed mlflow."""
    key = {"input_data": "dataframe_split"}.get(case.key, case.key)
    if case.inputs[0]["type"] == "tensor":
        # Unnamed tensors alternate between the two keys, which are the same for them.
        key = "instances" if not isinstance(case.data, dict) and len(case.data) % 2 else "inputs"
    inputs = _as_known(case.inputs)
    # Its server looks for the names of JSON, which are text.
    named = [dict(spec, name=str(spec["name"])) if "name" in spec else spec for spec in inputs]
    return case._replace(key=key, inputs=named)


def _parsed(case: Case, schema: Any) -> Any:
    from mlflow.pyfunc import scoring_server

    return scoring_server.infer_and_parse_data({case.key: _copy(case.data)}, schema)


def _copy(data: Any) -> Any:
    return json.loads(json.dumps(data))


def narrows(value: Any, spec: Any) -> bool:
    """Whether MLflow's server changes a value without a word, which the script never does.

    It casts tensors and whole columns as numpy does: what is no integer becomes one, integers that
    are out of range wrap around, other numbers become infinite or are rounded, null becomes false.
    """
    scalars = list(_scalars(value))
    finite = [item for item in scalars if item not in (math.inf, -math.inf) and item == item]  # noqa: PLR0124
    numbers = [item for item in finite if type(item) in (int, float)]
    if spec["type"] == "tensor":
        dtype = spec["tensor-spec"]["dtype"]
        if "int" in dtype:
            return not all(type(item) is int and abs(item) < 100 for item in scalars)
        if dtype == "bool":
            return {type(item) for item in scalars} != {bool}
        if dtype == "datetime64[ns]":
            return not all(type(item) is str for item in scalars)
        limit = 2**11 if dtype == "float16" else math.inf
        large = any(abs(number) > limit for number in numbers)
        return "float" in dtype and (large or len(numbers) < len(scalars))
    if spec["type"] in ("integer", "long"):
        limit = 2**31 if spec["type"] == "integer" else 2**63
        return not all(type(item) is int and abs(item) < limit for item in scalars)
    if spec["type"] == "float":
        # It casts text as well.
        return any(abs(item) > (2**24 if type(item) is int else 3.4e38) for item in numbers) or any(
            type(item) is str for item in scalars
        )
    return spec["type"] == "boolean" and None in scalars


def narrows_param(value: Any, type_: str) -> bool:
    """Whether MLflow changes a param without a word: numbers beyond the type, dates beyond the
    nanosecond or with a time zone, null in an array.
    """
    items = value if isinstance(value, list) else [value]
    if isinstance(value, list) and None in value:
        return True
    if type_ == "datetime":
        return bool({"9999-12-31", ODD_WORDS[0]} & set(map(str, items)))
    numbers = [item for item in items if type(item) in (int, float)]
    exact = {"integer": 2**31, "long": 2**63, "float": 2**24, "double": 2**53}
    return any(abs(number) >= exact.get(type_, math.inf) for number in numbers)


def is_out_of_reach(value: Any, spec: Any) -> bool:
    """Whether JSON cannot say what MLflow's server wants.

    It converts whole columns only: what is inside of arrays, objects and maps stays a Python
    object, which is no float32, int32, date, or bytes; nor is the 1 of JSON a double there, nor
    NaN. Pandas 2 wants all dates of a column written in one way.
    """
    if spec["type"] == "datetime":
        return len({len(item) for item in value if isinstance(item, str)}) > 1
    inside = set(_types_inside(spec))
    odd = any(type(item) is int or item != item for item in _scalars(value))  # noqa: PLR0124
    unheard = {"float", "integer", "binary", "datetime"}
    return bool(inside & unheard) or ("double" in inside and odd)


def _types_inside(spec: Any) -> Iterator[str]:
    for inner in (spec.get("items"), spec.get("values"), *spec.get("properties", {}).values()):
        if inner:
            yield inner["type"]
            yield from _types_inside(inner)


def _scalars(value: Any) -> Iterator[Any]:
    if isinstance(value, (list, tuple, dict)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _scalars(inner)
    else:
        yield value


@functools.lru_cache(maxsize=None)
def takes_null_booleans() -> bool:
    """Whether the installed mlflow lets null pass as a boolean; mlflow 2.10 and later do."""
    import pandas as pd
    from mlflow.types.schema import Schema

    schema = Schema.from_json(json.dumps([{"type": "boolean", "name": "c"}]))
    frame = pd.DataFrame({"c": [True, None]})
    _, refusal = _enforced(lambda: frame, schema)
    return bool(refusal is None)


def _has_null_boolean(case: Case) -> bool:
    return any(spec["type"] == "boolean" and None in value for value, spec in _values(case))


def is_stricter(value: Any, spec: Any) -> bool:
    """Whether the script may refuse, or read in another way, what MLflow takes.

    MLflow lets any object pass as a string, a boolean or a date, in old versions with a time zone.
    It takes a column of objects for decimals when it wants doubles, turns what an array of strings
    holds into text, and bytes are base64 to its server, but not to its enforcement. A tensor it
    reads as numpy does: with numbers as text, rounded and out of range.
    """
    present = {type(item) for item in value}
    if spec["type"] == "tensor":
        flat, dtype = _flat(value), spec["tensor-spec"]["dtype"]
        if dtype == "str":
            return not all(isinstance(item, str) for item in flat)
        numbers = [item for item in flat if isinstance(item, (int, float))]
        limit = {"float16": 2**11, "int16": 2**15 - 1}.get(dtype, 2**24)
        return any(isinstance(item, bool) for item in flat) or any(
            abs(number) > limit for number in numbers
        )
    if spec["type"] in NESTED:
        return any(_is_stricter_inside(item, spec) for item in value)
    if spec["type"] in ("float", "double"):
        odd = present - {int, float, type(None)} if spec["type"] == "double" else present & {bool}
        return bool(odd) or any(isinstance(item, int) and abs(item) > 2**53 for item in value)
    if spec["type"] == "boolean":
        return bool(present - {bool, type(None)})
    if spec["type"] == "datetime":
        return bool(present - {str, type(None)}) or any(item == ODD_WORDS[0] for item in value)
    if spec["type"] == "string":
        return bool(present - {str, type(None)})
    return bool(spec["type"] == "binary")


def _is_stricter_inside(value: Any, spec: Any) -> bool:
    if spec["type"] == "array" and isinstance(value, list):
        if spec["items"]["type"] in COLUMN_TYPES:
            strings = spec["items"]["type"] in ("string", "boolean", "binary", "datetime")
            return strings or is_stricter(value, spec["items"])
        return any(_is_stricter_inside(item, spec["items"]) for item in value)
    if spec["type"] == "map" and isinstance(value, dict):
        return any(_is_stricter_inside(item, spec["values"]) for item in value.values())
    if spec["type"] == "object" and isinstance(value, dict):
        inner = spec["properties"]
        return any(_is_stricter_inside(value[name], inner[name]) for name in value if name in inner)
    unlike = ("binary", "boolean", "datetime")
    return spec["type"] in unlike or (spec["type"] in COLUMN_TYPES and is_stricter([value], spec))


def _flat(value: Any) -> List[Any]:
    if not isinstance(value, list):
        return [value]
    return [item for inner in value for item in _flat(inner)]


def _as_known(inputs: List[Any]) -> List[Any]:
    """The signature in the words of the installed mlflow, which may not know optional columns."""
    from mlflow.types.schema import ColSpec

    known = inspect.signature(ColSpec).parameters
    if "required" in known:
        return inputs
    return [{key: value for key, value in spec.items() if key != "required"} for spec in inputs]


def as_read(case: Case, schema: Any) -> Any:
    """The data as pandas or numpy read it by themselves."""
    import pandas as pd

    data = json.loads(json.dumps(case.data))
    if schema.is_tensor_spec():
        specs = dict(
            zip(schema.input_names() if schema.has_input_names() else [None], schema.inputs)
        )
        arrays = data if isinstance(data, dict) else {None: data}
        read = {name: _array(arrays[name], spec.type) for name, spec in specs.items()}
        return read if isinstance(data, dict) else read[None]
    if case.key == "dataframe_records":
        frame = pd.DataFrame(data)
    else:
        frame = pd.DataFrame(data["data"], columns=data.get("columns"))
    names = {str(spec["name"]): spec["name"] for spec in case.inputs if "name" in spec}
    return frame.rename(columns=names)


def _array(value: Any, dtype: Any) -> Any:
    import numpy as np

    if dtype.kind == "O":
        return np.array(value, dtype=object)
    plain = np.array(value)
    # JSON has one width of number only, so a tensor is read with the kind that is there.
    with np.errstate(over="ignore"):
        return plain.astype(dtype) if plain.dtype.kind == dtype.kind else plain


def _enforced(read: Callable[[], Any], schema: Any) -> Any:
    try:
        from mlflow.models.utils import _enforce_schema
    except ImportError:  # before mlflow 1.29
        from mlflow.pyfunc import _enforce_schema  # type: ignore[attr-defined]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return _enforce_schema(read(), schema), None
        except Exception as error:  # pandas raises through mlflow as well
            return None, error


def _values(case: Case) -> Iterator[Any]:
    """Every column or tensor that was sent, with its entry in the signature."""
    names = [str(spec.get("name", i)) for i, spec in enumerate(case.inputs)]
    if case.inputs[0]["type"] == "tensor":
        sent = case.data if isinstance(case.data, dict) else {"0": case.data}
    elif isinstance(case.data, dict):
        sent = dict(zip(case.data.get("columns", names), zip(*case.data["data"])))
    else:
        sent = {name: [row[name] for row in case.data] for name in case.data[0]}
    for name, spec in zip(names, case.inputs):
        if name in sent:
            yield list(sent[name]), spec


def _difference(one: Any, other: Any) -> str:
    """How two inputs of a model differ; empty when they are equal to the last bit."""
    import numpy as np
    import pandas as pd

    if isinstance(one, pd.DataFrame):
        if list(one.columns) != list(other.columns):
            return "columns %s, %s" % (list(one.columns), list(other.columns))
        pairs = [(one[name].values, other[name].values) for name in one.columns]
    elif isinstance(one, dict):
        pairs = [(one[name], other[name]) for name in one]
    else:
        pairs = [(one, other)]
    for left, right in pairs:
        if left.dtype != right.dtype or left.shape != right.shape:
            return "%s %s, %s %s" % (left.dtype, left.shape, right.dtype, right.shape)
        if not all(_same(a, b) for a, b in zip(np.ravel(left), np.ravel(right))):
            return "%r, %r" % (left, right)
    return ""


def _same(one: Any, other: Any) -> bool:
    import numpy as np
    import pandas as pd

    if isinstance(one, (list, np.ndarray)):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    return bool(one == other) or bool(pd.isna(one) and pd.isna(other))


def main() -> int:
    """Run the cases of one seed and print the disagreements."""
    parser = argparse.ArgumentParser()
    parser.add_argument("script")
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    script = load_script(options.script)
    nested = nested_types()
    rng = random.Random(options.seed)
    wrong = 0
    for _ in range(options.cases):
        case = random_case(rng, nested=nested)
        complaint = compare(script, case)
        if complaint:
            wrong += 1
            print(json.dumps(case._asdict()), complaint, sep="\n  ", flush=True)
    print("%d cases, %d disagreements" % (options.cases, wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
