"""Scoring script of the Azure ML inference server, for any MLflow model.

The server calls ``init()`` once in every worker and ``run(request)`` for every request.
The file stands alone: Python 3.6 or newer, mlflow or mlflow-skinny, numpy, pandas.

The model is looked for in ``AZUREML_MODEL_DIR`` (in the folder that ``MLFLOW_MODEL_FOLDER`` names,
else wherever the MLmodel file is, up to three folders down), then in ``ENVBUILD_MODEL_DIR``, then
in ``/opt/model``. MLflow's tracing is off unless ``MLFLOW_TRACKING_URI`` names a place for traces.

A request is a JSON object with one of ``input_data`` (Azure), ``dataframe_split``,
``dataframe_records``, ``instances`` or ``inputs`` (MLflow); ``params`` stands beside it.
A table may be sent in pandas' split layout, as records, as rows, or as columns.

``/swagger.json`` describes the input that the loaded model wants, with an example.

Answers are 200 and the predictions as bare JSON, a DataFrame as a list of records; 400 and
``{"error": {"message", "problems": [{"field", "row", "expected", "received"}]}}`` for a request
that does not fit the model's signature; 500 and an error id, found again in the log, when the
model fails. Nothing that a request says is logged, unless ``ENVBUILD_LOG_MESSAGES=1`` adds the
messages of exceptions, which may quote it. ``ENVBUILD_MAX_REQUEST_BYTES`` bounds the body.
"""

import base64
import collections
import copy
import datetime as dt
import decimal
import gc
import itertools
import json
import logging
import math
import os
import re
import sys
import traceback
import uuid
import warnings
from contextlib import suppress
from functools import lru_cache, partial
from typing import Any, NamedTuple

# Nothing in a scoring container may call home; to be said before mlflow is imported.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

import numpy as np
import pandas as pd
import yaml

try:
    from azureml_inference_server_http.api.aml_request import rawhttp
    from azureml_inference_server_http.api.aml_response import AMLResponse
except ImportError:  # servers before 0.8 have both under the name of an older package
    from azureml.contrib.services.aml_request import rawhttp
    from azureml.contrib.services.aml_response import AMLResponse

BAKED_IN = "/opt/model"
SEARCH_DEPTH = 3
DATA_KEYS = ("input_data", "dataframe_split", "dataframe_records", "instances", "inputs")
# curl -d calls everything a form; a form that holds JSON is taken for what it is.
MEDIA_TYPES = ("", "application/json", "text/json", "application/x-www-form-urlencoded")
MAX_BYTES = int(os.environ.get("ENVBUILD_MAX_REQUEST_BYTES") or 100 * 1024 * 1024)
MAX_PROBLEMS = 20
MAX_PIECES = 50  # pandas warns of a table in more than 100, to which a model may add some
MAX_DIMENSIONS = 32  # numpy before 2 has no more
BOM = "\ufeff"
TOO_DEEP = "the body is nested too deeply"
# What the server logs of every answer, before the line with its status. It costs as much as
# checking a row does.
NO_NEWS = "run() output is HTTP Response"
# In the path of every file of the server.
SERVER = "azureml_inference_server_http"
# How the names of mlflow's functions that check an input begin.
MLFLOW_CHECKS = (
    "_convert_input",
    "_enforce_",
    "_validate_model_input",
    "_validate_prediction_input",
)
# What mlflow puts around a predict with type hints, pickled with the model.
PICKLED = ("<dynamic-code>", "wrapper")

# A character that is half of one; pandas and most else cannot hold it.
SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
# A date with the day or the month first.
AMBIGUOUS = re.compile(r"\s*\d{1,2}[^\d:]\d{1,2}[^\d:]\d{2}")

scorer = None


def init():
    """Load the model; called by the server once in every worker."""
    global scorer  # noqa: PLW0603 - the server knows this script by two functions only
    logging.getLogger("azmlinfsrv").addFilter(is_news)
    try:
        scorer = load(find_model(os.environ))
    except (Exception, SystemExit) as error:
        message = f"cannot load the model: {type(error).__name__}: {error}"
        log(message)
        raise RuntimeError(message) from error
    try:
        publish(openapi(scorer.signature))
    except Exception as error:  # better served without a description than not at all
        log(f"/swagger.json does not describe the model: {type(error).__name__}")
    leave_out_of_searches()


@rawhttp
def run(request):
    """Answer one HTTP request; called by the server with Flask's request object."""
    if request.method == "OPTIONS":  # the server adds its CORS headers to this
        return AMLResponse("", 200)
    try:
        if request.method != "POST":
            raise RequestError("send the input with POST", status=405)
        status, text = 200, scorer.score(parse(*read_body(request)))
    except RequestError as error:
        status, text = error.status, json.dumps(error.to_dict())
    headers = {"Content-Type": "application/json"}
    return AMLResponse(text, status, headers, run_function_failed=status >= 500)


def leave_out_of_searches():
    """Spare searches for garbage what stays: with it, one request in a hundred waits 0.1 s."""
    gc.collect()
    if hasattr(gc, "freeze"):  # from Python 3.7 on
        gc.freeze()


def log(message):
    """Write one line to stderr, which every version of the server leaves alone."""
    sys.stderr.write(f"score: {' '.join(message.split())}\n")
    sys.stderr.flush()


def is_news(record):
    """Whether a line of the server's log says anything."""
    return record.msg != NO_NEWS


class Problem(NamedTuple):
    """One thing about a request that does not fit; ``row`` is None when it is about all rows."""

    field: str
    row: Any
    expected: str
    received: str


class Spot(NamedTuple):
    """Where a problem is: the path to a value and its row."""

    path: str
    row: Any


def shortlist(problems):
    """As many problems as are told, in their order: the first of every field before any second."""
    turns, told = [], collections.Counter()
    for problem in problems:
        label = problem.field.partition("[")[0]
        turns.append(told[label])
        told[label] += 1
    chosen = sorted(range(len(problems)), key=turns.__getitem__)[:MAX_PROBLEMS]
    return [problems[i] for i in sorted(chosen)]


class RequestError(Exception):
    """An answer other than 200."""

    def __init__(self, message, problems=(), status=400, error_id=None):
        super().__init__(message)
        self.message = message
        self.problems = shortlist(problems)
        self.status = status
        self.error_id = error_id

    def to_dict(self):
        """The body of the answer."""
        error = {"message": self.message}
        if self.problems:
            error["problems"] = [dict(problem._asdict()) for problem in self.problems]
        if self.error_id:
            error["id"] = self.error_id
        return {"error": error}


class Scorer:
    """A loaded model and what its signature demands."""

    def __init__(self, model, signature):
        self.model = model
        self.signature = signature

    def score(self, body):
        """The predictions for a parsed body, as JSON text.

        Raises:
            RequestError: the body does not fit the signature, or the model failed.
        """
        try:
            data, params = self.enforce(body)
            # mlflow before 2.6 knows no params, and its models have none in their signature.
            extra = {} if params is None else {"params": params}
            return encode(self.model.predict(data, **extra))
        except RequestError:
            raise
        except (Exception, SystemExit) as error:
            if is_alarm(error):
                raise
            raise worded(error) from error

    def enforce(self, body):
        """The data and params for ``predict``, by the signature.

        Raises:
            RequestError: the body does not fit.
        """
        key, data, params = split_body(body)
        problems = []
        params = check_params(params, self.signature.params, problems)
        try:
            data = enforce_input(key, data, self.signature, problems)
        except OverflowError:
            raise RequestError("a number is too large") from None
        except RecursionError:
            raise RequestError(TOO_DEEP) from None
        if problems:
            raise RequestError("the request does not fit the model's signature", problems)
        return data, params


def load(path):
    """The scorer of the model in a folder."""
    import mlflow.pyfunc

    with open(os.path.join(path, "MLmodel"), encoding="utf-8") as file:
        signature = read_signature(yaml.safe_load(file))
    keep_no_traces()
    model = mlflow.pyfunc.load_model(path)
    log(f"loaded the model at {path}")
    if signature.fields is None:
        log("the model has no input signature: requests are passed on unchecked")
    elif not signature.from_type_hint and all(is_known(field.type) for field in signature.fields):
        check_once(model)
    return Scorer(model, signature)


def keep_no_traces():
    """Make no folder for traces in the working directory, as mlflow 2 does to load a model.

    One who names a tracking server may want them.
    """
    if not os.environ.get("MLFLOW_TRACKING_URI"):
        with suppress(Exception):  # mlflow before 2.14 has none
            import mlflow.tracing

            mlflow.tracing.disable()


def check_once(model):
    """Spare ``predict`` mlflow's check of the input, which costs more than all of this script.

    It finds nothing in what this script lets through, and changes nothing. Params are left to it.
    """
    signature = copy.copy(model.metadata.signature)
    signature.inputs = None
    model.metadata.signature = signature


def is_alarm(error):
    """Whether the server's own alarm went off while the model ran; it has its own answer to it."""
    frames = traceback.extract_tb(error.__traceback__)
    return isinstance(error, TimeoutError) and SERVER in frames[-1].filename


def worded(error):
    """Word an exception of ``predict`` for the client, and log it for the operator."""
    if refused_by_mlflow(error):
        return RequestError(f"mlflow refused the input: {error}"[:1000])
    error_id = uuid.uuid4().hex
    log(f"error {error_id}: {chain_of(error)}")
    sys.stderr.writelines(traceback.format_tb(error.__traceback__))
    sys.stderr.flush()
    return RequestError("the model failed; its log has more under this id", (), 500, error_id)


def chain_of(error):
    """The classes of an exception and its causes; their messages, which may quote, if allowed."""
    links = []
    while error is not None and len(links) < 5:
        name = type(error).__name__
        links.append(f"{name}: {error}" if os.environ.get("ENVBUILD_LOG_MESSAGES") == "1" else name)
        error = error.__cause__ or error.__context__
    return " from ".join(links)


def refused_by_mlflow(error):
    """Whether mlflow's own check of the input raised, before any code of the model ran."""
    inside = os.sep + "mlflow" + os.sep
    for frame in traceback.extract_tb(error.__traceback__)[1:]:
        if frame.name.startswith(MLFLOW_CHECKS):
            return True
        if inside not in frame.filename and (frame.filename, frame.name) != PICKLED:
            return False
    return False


# --- the model ---------------------------------------------------------------------------------


class Field(NamedTuple):
    """An input or parameter of a signature.

    ``type`` is the name of a scalar type, or a pair: ("array", type), ("map", type),
    ("object", {name: Field}), ("any", None), ("unknown", None) for what mlflow alone can check.
    ``shape`` is None except for tensors.
    """

    name: Any
    type: Any
    shape: Any = None
    required: bool = True
    default: Any = None

    @property
    def label(self):
        """How a problem names it; names in a signature may be numbers, or missing."""
        return "input" if self.name is None else str(self.name)


class Signature(NamedTuple):
    """A model's signature; ``fields`` and ``params`` are None where MLmodel says nothing."""

    fields: Any
    params: Any
    from_type_hint: bool


def find_model(environ):
    """The folder with the MLmodel file.

    Raises:
        LookupError: no candidate has one, or several lie side by side.
    """
    root, named = environ.get("AZUREML_MODEL_DIR"), environ.get("MLFLOW_MODEL_FOLDER")
    places = [os.path.join(root, named)] if root and named else []
    places += filter(None, (root, environ.get("ENVBUILD_MODEL_DIR"), BAKED_IN))
    for place in places:
        found = models_below(place)
        if len(found) > 1:
            raise LookupError("set MLFLOW_MODEL_FOLDER to one of " + ", ".join(found))
        if found:
            return found[0]
    raise LookupError("no MLmodel file in or below " + ", ".join(places))


def models_below(root):
    """The folders with an MLmodel file that are nearest to ``root``, itself included."""
    level = [root] if os.path.isdir(root) else []
    for _ in range(SEARCH_DEPTH + 1):
        found = [folder for folder in level if os.path.isfile(os.path.join(folder, "MLmodel"))]
        if found:
            return found
        level = [path for folder in level for path in subfolders(folder)]
    return []


def subfolders(folder):
    """The folders in a folder, sorted, without hidden ones."""
    names = sorted(name for name in os.listdir(folder) if not name.startswith("."))
    return [path for path in (os.path.join(folder, name) for name in names) if os.path.isdir(path)]


def read_signature(mlmodel):
    """The signature in a parsed MLmodel file, read here so that no mlflow version matters."""
    raw = mlmodel.get("signature") or {}
    inputs, params = (
        [read_field(entry) for entry in json.loads(raw[key])] if raw.get(key) else None
        for key in ("inputs", "params")
    )
    return Signature(inputs, params, bool(mlmodel.get("is_signature_from_type_hint")))


def read_field(entry):
    """One input or parameter; a parameter with a shape is an array."""
    name = entry.get("name")
    required = entry.get("required", not entry.get("optional", False))
    if entry.get("type") == "tensor":
        spec = entry["tensor-spec"]
        return Field(name, spec["dtype"], tuple(spec["shape"]), required)
    type_ = read_type(entry)
    type_ = ("array", type_) if entry.get("shape") else type_
    return Field(name, type_, None, required, entry.get("default"))


def read_type(entry):
    """A type of a signature; mlflow 2.6 called ``type`` ``dtype`` in params."""
    name = entry.get("type") or entry["dtype"]
    if name == "array":
        return "array", read_type(entry["items"])
    if name == "map":
        return "map", read_type(entry["values"])
    if name == "object":
        properties = entry["properties"].items()
        return "object", {key: read_field(dict(value, name=key)) for key, value in properties}
    return name if name in COLUMN_TYPES else ("any" if name == "any" else "unknown", None)


def is_known(type_):
    """Whether this script checks every part of a type."""
    if isinstance(type_, str):
        return True
    kind, inner = type_
    if kind == "object":
        return all(is_known(field.type) for field in inner.values())
    return kind == "any" or (kind != "unknown" and is_known(inner))


# --- the description ---------------------------------------------------------------------------

SCALARS = {
    "boolean": ({"type": "boolean"}, True),
    "integer": ({"type": "integer", "format": "int32"}, 1),
    "long": ({"type": "integer", "format": "int64"}, 1),
    "float": ({"type": "number", "format": "float"}, 0.5),
    "double": ({"type": "number", "format": "double"}, 0.5),
    "string": ({"type": "string"}, "text"),
    "binary": ({"type": "string", "format": "byte"}, "Ynl0ZXM="),
    "datetime": ({"type": "string", "format": "date-time"}, "2020-01-31T00:00:00"),
}
KINDS = {"b": "boolean", "i": "long", "u": "long", "f": "double", "M": "datetime"}
MAX_EXAMPLE = 10000  # elements; larger tensors are described without an example


def openapi(signature):
    """Schema and example of ``input_data``, and of ``params`` where there are any, for OpenAPI."""
    described = {"input_data": openapi_input(signature)}
    if signature.params:
        described["params"] = openapi_object([openapi_param(field) for field in signature.params])
    return described


def openapi_param(field):
    """A parameter, which nobody has to send, with its default for an example."""
    schema, example = openapi_type(field.type)
    default = example if field.default is None else field.default
    return field._replace(required=False), (schema, default)


def openapi_input(signature):
    """Schema and example of the input: records, rows, or tensors."""
    fields = signature.fields
    if not fields:
        return {"description": "The model has no signature: any table or array."}, []
    if signature.from_type_hint:  # that of an element
        return openapi_list(*openapi_type(fields[0].type))
    if fields[0].shape is not None:
        tensors = [(field, openapi_tensor(field)) for field in fields]
        return tensors[0][1] if fields[0].name is None else openapi_object(tensors)
    columns = [(field, openapi_type(field.type)) for field in fields]
    if fields[0].name is not None:
        return openapi_list(*openapi_object(columns))
    schema = {"type": "array", "items": {}, "minItems": len(fields), "maxItems": len(fields)}
    return openapi_list(schema, [example for _, (_, example) in columns])


def openapi_type(type_):
    """Schema and example of a column or of a part of one."""
    if isinstance(type_, str):
        return SCALARS[type_]
    kind, inner = type_
    if kind == "array":
        return openapi_list(*openapi_type(inner))
    if kind == "object":
        return openapi_object([(field, openapi_type(field.type)) for field in inner.values()])
    if kind == "map":
        schema, example = openapi_type(inner)
        return {"type": "object", "additionalProperties": schema}, {"key": example}
    return {}, "anything"


def openapi_object(pairs):
    """Schema and example of an object: each field with its own schema and example."""
    schema = {"type": "object", "properties": {f.label: inner for f, (inner, _) in pairs}}
    required = [field.label for field, _ in pairs if field.required]
    if required:
        schema["required"] = required
    return schema, {field.label: example for field, (_, example) in pairs}


def openapi_tensor(field):
    """Schema and example of a tensor; the example is left out where it would fill pages."""
    dtype = np.dtype(field.type)
    schema, example = SCALARS[KINDS.get(dtype.kind, "string")]
    size = np.prod([max(length, 1) for length in field.shape])
    for length in reversed(field.shape):
        fixed = {"minItems": length, "maxItems": length} if length >= 0 else {}
        schema = dict(openapi_list(schema, None)[0], **fixed)
        example = [example] * max(length, 1) if size <= MAX_EXAMPLE else []
    return dict(schema, description=f"{field.type} of shape {list(field.shape)}"), example


def openapi_list(schema, example):
    """Schema and example of a list with items of one schema."""
    return {"type": "array", "items": schema}, [example]


def publish(described):
    """Hand schemas and examples to the server, which writes ``/swagger.json`` after ``init``.

    It asks a package of its own for what was declared of a function of this name. A decorator on
    ``run`` itself would do the same, but may not stand beside ``@rawhttp``.
    """
    try:
        from inference_schema.parameter_types.abstract_parameter_type import AbstractParameterType
        from inference_schema.schema_decorators import input_schema, output_schema
    except ImportError:  # every server has it
        return

    class Described(AbstractParameterType):
        """A schema as it is."""

        def deserialize_input(self, input_data):
            return input_data

        def input_to_swagger(self):
            return self.sample_input

        def supported_versions(self):
            return ["2.0", "3.0", "3.1"]

    def run():
        """Goes by the name of the real one."""

    for name, (schema, example) in described.items():
        input_schema(name, Described(dict(schema, example=example)))(run)
    answer = {"description": "The predictions, as the model gives them; a table as records."}
    output_schema(Described(answer))(run)


# --- the request -------------------------------------------------------------------------------


def read_body(request):
    """The bytes of a body and its charset.

    Raises:
        RequestError: it is too large, cut short, or not declared to be JSON.
    """
    if request.headers.get("Content-Encoding", "").lower() not in ("", "identity"):
        raise RequestError("send the body without Content-Encoding", status=415)
    if request.mimetype not in MEDIA_TYPES and not request.mimetype.endswith("+json"):
        raise RequestError("Content-Type must be application/json", status=415)
    length = request.content_length
    try:
        if length is None:  # chunked
            body = request.stream.read(MAX_BYTES + 1)
            length = len(body)
        else:
            body = request.get_data(cache=False) if length <= MAX_BYTES else b""
    except TimeoutError:
        raise
    except Exception:  # each server has its own for a client that goes and for malformed chunks
        raise RequestError(
            "the body is cut short, or not in the chunks that it should be"
        ) from None
    if length > MAX_BYTES:
        raise RequestError(f"the body is larger than {MAX_BYTES} bytes", status=413)
    return body, request.mimetype_params.get("charset")


def parse(body, charset=None):
    """The JSON document in the bytes of a body.

    Raises:
        RequestError: it is not JSON, or not text.
    """
    if not body.strip():
        raise RequestError("the body is empty")
    text = decode(body, charset)
    try:
        document = json.loads(text)
        if SURROGATE.search(text):
            json.dumps(document, ensure_ascii=False).encode()
        return document
    except RecursionError:
        raise RequestError(TOO_DEEP) from None
    except UnicodeEncodeError:
        raise RequestError("the body has half a character: a surrogate without its pair") from None
    except json.JSONDecodeError as error:
        raise RequestError(f"the body is not JSON: {error}") from None
    except ValueError:  # Python's own limit
        raise RequestError("the body has a number with too many digits") from None


def decode(body, charset):
    """The text in the bytes of a body.

    Raises:
        RequestError: it is not text in its charset.
    """
    try:
        text = body.decode(charset or json.detect_encoding(body))
        return text[1:] if text.startswith(BOM) else text
    except LookupError:
        raise RequestError("the charset of Content-Type is unknown", status=415) from None
    except ValueError:  # UnicodeError; a charset with a NUL in it is another
        name = "text of its charset" if charset else f"{json.detect_encoding(body)} text"
        raise RequestError(f"the body is not {name}") from None


def split_body(body):
    """The key that holds the data, the data, and the params."""
    if isinstance(body, str):
        raise RequestError("the body is a JSON string: it was encoded twice")
    keys = [key for key in DATA_KEYS if key in body] if isinstance(body, dict) else []
    if len(keys) != 1:
        raise RequestError("the body must be an object with one of " + ", ".join(DATA_KEYS))
    return keys[0], body[keys[0]], body.get("params")


def check_params(params, fields, problems):
    """The known parameters, for mlflow to cast; None for a model that takes none."""
    if params is not None and not isinstance(params, dict):
        problems.append(Problem("params", None, "object", json_type(params)))
        return None
    params = params or {}
    known = {field.name: field for field in fields or ()}
    if set(params) - set(known):
        log("ignored params that the model's signature does not have")
    if fields is None:
        return None
    known_params = {name: value for name, value in params.items() if name in known}
    for name, value in known_params.items():
        # To mlflow, null is no value, but no array either.
        if value is not None or known[name].type[0] == "array":
            check_param(value, known[name], problems)
    return known_params


def check_param(value, field, problems):
    """A parameter that was sent; mlflow takes only dates that numpy reads, to the microsecond."""
    before = len(problems)
    convert_nested(value, field, Spot(field.name, None), problems)
    if len(problems) == before and field.type in ("datetime", ("array", "datetime")):
        items = value if isinstance(value, list) else [value]
        if not all(item is None or is_plain_date(item) for item in items):
            words = "string that is not a date of ISO 8601 to the microsecond"
            problems.append(Problem(field.name, None, describe(field.type), words))


def is_plain_date(text):
    """Whether numpy reads a date, and Python has an object for it."""
    try:
        return not isinstance(np.datetime64(text).item(), int)
    except ValueError:
        return False


# --- the layouts of a table --------------------------------------------------------------------


class Table(NamedTuple):
    """Columns of JSON values; ``names`` is None when they were sent by position."""

    names: Any
    columns: Any
    index: Any = None


def is_records(data):
    """Whether this is a list of objects."""
    return isinstance(data, list) and set(map(type, data)) == {dict}


def is_split(data, fields=()):
    """Whether a dict is a split table, and not one with columns that happen to be called so."""
    if not isinstance(data, dict) or "data" not in data:
        return False
    keys = set(data)
    return keys <= {"columns", "index", "data"} and not keys <= {field.label for field in fields}


def read_table(key, data, fields=()):
    """Any layout of a table as columns.

    Raises:
        RequestError: the layout is none of those known, or its rows have different lengths.
    """
    if key == "dataframe_split" and not is_split(data):
        raise RequestError("dataframe_split must be an object with data, columns and index")
    if key == "dataframe_records" and not is_records(data):
        raise RequestError("dataframe_records must be a list of objects")
    if is_split(data, () if key == "dataframe_split" else fields):
        return split_table(data)
    if data and isinstance(data, dict):
        return dict_table(data, fields)
    if is_records(data):
        names = list(dict.fromkeys(itertools.chain.from_iterable(data)))
        return Table(names, [[row.get(name, ABSENT) for row in data] for name in names])
    if data and isinstance(data, (list, str)):
        return Table(None, transpose(data if isinstance(data, list) else [data]))
    received = "nothing" if data in ([], {}, "") else json_type(data)
    raise RequestError(f"{key} must hold an object or a list of rows, not {received}")


def split_table(data):
    """A table in pandas' split layout."""
    names, rows, index = data.get("columns"), data["data"], data.get("index")
    if not rows or not isinstance(rows, list):
        raise RequestError("data must be a list with at least one row")
    columns = transpose(rows)
    is_named = is_list_of_labels(names, len(columns))
    names = [str(name) for name in names] if is_named and names else None
    if not is_named or len(set(names or ())) < len(names or ()):
        raise RequestError(f"columns must be a list of {len(columns)} names, each only once")
    if not is_list_of_labels(index, len(rows)):
        raise RequestError(f"index must be a list of {len(rows)} labels")
    return Table(names, columns, index)


def is_list_of_labels(labels, size):
    """Whether these can name that many columns or rows; None names nothing."""
    if labels is None:
        return True
    is_flat = isinstance(labels, list) and not {list, dict} & set(map(type, labels))
    return is_flat and len(labels) == size


def transpose(rows):
    """Rows as columns; bare values are one column."""
    present = set(map(type, rows))
    if list not in present:
        return [rows]
    width = len(next(row for row in rows if isinstance(row, list)))
    if present != {list} or set(map(len, rows)) != {width}:
        sizes = [len(row) if isinstance(row, list) else json_type(row) for row in rows]
        odd = [(i, str(size)) for i, size in enumerate(sizes) if size != width]
        problems = [Problem("data", i, f"{width} values", size) for i, size in odd]
        raise RequestError("the rows do not all have the same width", problems)
    return [list(column) for column in zip(*rows)]


def dict_table(data, fields):
    """A dict of columns, or one record.

    A list may be the value of one cell when its field is nested; mlflow then takes the dict for a
    record, and so does this, unless a field that is not nested holds a list.
    """
    if fields and fields[0].name is not None:
        known = {field.label for field in fields}
        data = {name: value for name, value in data.items() if name in known}
    nested = {field.label for field in fields if not isinstance(field.type, str)}
    if not any(isinstance(value, list) for name, value in data.items() if name not in nested):
        return Table(list(data), [[value] for value in data.values()])
    sizes = {len(value) for value in data.values() if isinstance(value, list)}
    size = sizes.pop()
    if sizes or not size:
        raise RequestError("the columns must all have the same length, and at least one row")
    columns = [value if isinstance(value, list) else [value] * size for value in data.values()]
    return Table(list(data), columns)


def match(table, fields, problems):
    """The fields that were sent, each with its values: by name, else by position."""
    if fields[0].name is None or table.names is None:
        surplus = len(table.columns) - len(fields)
        if surplus < 0 or (surplus and fields[0].name is not None):
            counts = f"{len(fields)} columns, the input {len(table.columns)}"
            raise RequestError(f"the model's signature has {counts}")
        return list(zip(fields, table.columns))
    sent = dict(zip(table.names, table.columns))
    pairs = []
    for field in fields:
        label = field.label
        if label in sent:
            values = sent[label]
            pairs.append((field, values if field.required else without_gaps(values)))
        elif field.required:
            problems.append(Problem(label, None, describe(field.type), "nothing"))
    return pairs


def without_gaps(values):
    """A column with null where a record did not have the key."""
    return [None if value is ABSENT else value for value in values]


# --- from JSON to what the model takes ---------------------------------------------------------


def enforce_input(key, data, signature, problems):
    """What ``predict`` gets: by the signature, or by the plain reading where there is none."""
    fields = signature.fields
    if signature.from_type_hint:  # mlflow validates these itself, from the plain objects
        return data
    if not fields:
        return unchecked(key, data)
    if fields[0].shape is None:
        return to_frame(read_table(key, data, fields), fields, problems)
    if fields[0].name is not None:
        return to_tensors(key, data, fields, problems)
    if isinstance(data, dict) or (is_records(data) and fields[0].type != "object"):
        columns = read_table(key, data).columns
        data = columns[0] if len(columns) == 1 else [list(row) for row in zip(*columns)]
        return to_tensor(data, fields[0], problems, is_cells=True)
    return to_tensor(data, fields[0], problems)


def unchecked(key, data):
    """Data for a model without signature: tables as DataFrame, lists as array, else as it is."""
    if isinstance(data, dict) and key in ("inputs", "instances"):
        return {name: unchecked(key, value) for name, value in data.items()}
    if isinstance(data, dict) or is_records(data):
        table = read_table(key, data)
        names = table.names or range(len(table.columns))
        columns = map(without_gaps, table.columns)
        return pd.DataFrame(dict(zip(names, columns)), index=table.index)
    if not isinstance(data, list):
        return data
    flat, shape = flatten(data)
    present = set(map(type, flat))
    if shape is None or dict in present or (str in present and present != {str}):
        return object_array(data)
    return np.array(flat).reshape(shape)


def to_frame(table, fields, problems):
    """A DataFrame with the columns of the signature, in its order and its types."""
    columns = {}
    for position, (field, values) in enumerate(match(table, fields, problems)):
        name = field.name
        if name is None:
            name = table.names[position] if table.names else position
        if isinstance(field.type, str):
            locate = partial(Spot, field.label)
            columns[name] = convert(values, field.type, problems, locate, in_column=True)
        else:
            columns[name] = [
                convert_nested(value, field, Spot(field.label, row), problems)
                for row, value in enumerate(values)
            ]
    if problems:
        return None
    # To gather the columns of a type into one array is most of what a small table costs.
    return pd.DataFrame(columns, index=table.index, copy=len(columns) > MAX_PIECES)


# What a nested type is in Python, and what stands for nothing where it is optional.
NESTED = {"array": (list, []), "object": (dict, {}), "map": (dict, {})}
OPEN = (("any", None), ("unknown", None))


def convert_nested(value, field, spot, problems):
    """A value of a nested type, or a scalar inside one.

    The rules are those of ``_enforce_type`` in mlflow/models/utils.py.
    """
    kind, inner = (field.type, None) if isinstance(field.type, str) else field.type
    python_type, nothing = NESTED.get(kind, ((bool, int, float, str), None))
    empty = value is None or value == nothing
    is_nan = isinstance(value, float) and math.isnan(value)
    if value is not ABSENT and (field.type in OPEN or (empty and inner in OPEN)):
        return value
    if not field.required and (empty or value is ABSENT or is_nan):
        return value if empty else None
    if not isinstance(value, python_type):
        problems.append(Problem(*spot, describe(field.type), json_type(value)))
        return None
    if kind == "array":
        return convert_array(value, field._replace(type=inner), spot, problems)
    if kind in ("object", "map"):
        fields = inner if kind == "object" else {key: field._replace(type=inner) for key in value}
        return convert_object(value, fields, spot, problems)
    converted = native(convert([value], kind, problems, lambda _: spot), kind)
    return None if converted is None else converted[0]


def convert_array(values, field, spot, problems):
    """The elements of an array."""
    if isinstance(field.type, str):
        array = convert(values, field.type, problems, lambda i: Spot(f"{spot.path}[{i}]", spot.row))
        return native(array, field.type)
    return [
        convert_nested(value, field, Spot(f"{spot.path}[{i}]", spot.row), problems)
        for i, value in enumerate(values)
    ]


def native(array, type_):
    """Python's own objects for the types that mlflow recognizes by them, else the array."""
    is_native = array is not None and type_ in ("boolean", "string", "long", "double")
    return array.tolist() if is_native else array


def convert_object(value, fields, spot, problems):
    """The properties of an object; unlike columns, unknown ones are an error to mlflow."""
    for name in value:
        if name not in fields:
            place = Spot(f"{spot.path}.{name}", spot.row)
            problems.append(Problem(*place, "nothing", json_type(value[name])))
    return {
        name: convert_nested(
            value.get(name, ABSENT), field, Spot(f"{spot.path}.{name}", spot.row), problems
        )
        for name, field in fields.items()
        if name in value or field.required
    }


def to_tensors(key, data, fields, problems):
    """The named tensors of a signature as a dict of arrays."""
    is_cells = False
    if isinstance(data, dict) and not is_split(data, fields):
        table = Table(list(data), list(data.values()))
    elif len(fields) == 1 and isinstance(data, list) and not is_records(data):
        table = Table(None, [data])
    else:
        table, is_cells = read_table(key, data, fields), True
    pairs = match(table, fields, problems)
    return {f.name: to_tensor(values, f, problems, is_cells=is_cells) for f, values in pairs}


def to_tensor(data, field, problems, *, is_cells=False, row=None):
    """A tensor with the dtype and shape of its field; ``row`` is that of a part of a ragged one.

    The cells of a table may hold tensors flattened to one dimension, as in mlflow.
    """
    flat, shape = flatten(data)
    takes_all = field.type == "object" and field.shape == (-1,)
    if shape is None and takes_all:
        flat, shape = data, (len(data),)
    if shape is None and -1 in field.shape[1:]:  # mlflow lets ragged arrays pass here
        inner, parts = field._replace(shape=field.shape[1:]), []
        for i, item in enumerate(data):
            part = inner._replace(name=f"{field.label}[{i}]")
            parts.append(to_tensor(item, part, problems, row=i if row is None else row))
        return object_array(parts)
    if is_cells and shape is not None and -1 not in field.shape[1:]:
        unflattened = shape[:1] + field.shape[1:]
        shape = unflattened if np.prod(unflattened) == len(flat) else shape
    if not shape or not (takes_all or fits(shape, field.shape)):
        expected = f"{field.type} of shape {list(field.shape)}"
        received = "lists of different lengths" if shape is None else f"shape {list(shape)}"
        problems.append(Problem(field.label, row, expected, received))
        return None

    def locate(i):
        place = [int(axis) for axis in np.unravel_index(i, shape)]
        path = field.label + "".join(f"[{axis}]" for axis in place)
        return Spot(path, place[0] if row is None else row)

    array = convert(flat, field.type, problems, locate)
    return None if array is None else array.reshape(shape)


def flatten(data):
    """The scalars in nested lists and the shape, which is None when it is ragged.

    Raises:
        RequestError: no array has so many dimensions.
    """
    level, shape = [data], []
    while set(map(type, level)) == {list}:
        if len(shape) == MAX_DIMENSIONS:
            raise RequestError(TOO_DEEP)
        sizes = set(map(len, level))
        if len(sizes) > 1:
            return level, None
        shape += sizes
        level = list(itertools.chain.from_iterable(level))
    return level, None if list in set(map(type, level)) else tuple(shape)


def fits(shape, expected):
    """Whether a shape is the expected one, in which -1 stands for any length."""
    same_rank = len(shape) == len(expected)
    return same_rank and all(want in (-1, size) for size, want in zip(shape, expected))


# --- scalars -----------------------------------------------------------------------------------


class Absent:
    """The type of the value that a record does not have."""


ABSENT = Absent()
NoneType = type(None)
JSON_TYPES = {
    Absent: "nothing",
    NoneType: "null",
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}


class MismatchError(Exception):
    """Values that do not have the type asked for: ``rows`` has each position and what is there."""

    def __init__(self, rows):
        super().__init__(rows)
        self.rows = rows


def json_type(value):
    """What JSON calls the type of a value."""
    return JSON_TYPES[type(value)]


def describe(type_):
    """A type of the signature in words."""
    if isinstance(type_, str):
        return type_
    return f"{type_[0]} of {describe(type_[1])}" if type_[0] in ("array", "map") else type_[0]


def object_array(values):
    """A one-dimensional array of any objects; numpy by itself would look into lists."""
    array = np.empty(len(values), dtype=object)
    for i, value in enumerate(values):
        array[i] = value
    return array


def convert(values, type_, problems, locate, *, in_column=False):
    """Scalars as an array of exactly ``type_``, a column type of mlflow or a dtype of numpy.

    Types widen where no value changes, by the rules of ``_enforce_mlflow_datatype`` in
    mlflow/models/utils.py. The types that are present are looked at once, rows only on a mismatch;
    ``locate`` gives the spot of a position for the problems, and None is the result then.
    """
    converter, dtype = converter_to(type_, in_column)
    try:
        return converter(values, set(map(type, values)), dtype)
    except MismatchError as mismatch:
        problems += [Problem(*locate(i), type_, received) for i, received in mismatch.rows]
        return None


@lru_cache(maxsize=None)
def converter_to(type_, in_column):
    """What converts to a type, and its dtype; a column may hold more than an array or object."""
    dtype = np.dtype(COLUMN_TYPES.get(type_, type_))
    special = IN_COLUMN if in_column else IN_VALUE
    return special.get(type_) or BY_KIND.get(dtype.kind, to_objects), dtype


def check(values, received):
    """Look at every value; ``received`` says what is wrong with one, None for nothing.

    Raises:
        MismatchError: with the first rows that are wrong.
    """
    rows = ((i, received(value)) for i, value in enumerate(values))
    wrong = list(itertools.islice((row for row in rows if row[1]), MAX_PROBLEMS))
    if wrong:
        raise MismatchError(wrong)


@lru_cache(maxsize=None)
def integer_range(dtype):
    """The smallest and the largest integer of a dtype; numpy works them out anew each time."""
    limits = np.iinfo(dtype)
    return limits.min, limits.max


def to_integers(values, present, dtype):
    """Integers only: to mlflow 2.0 is a float as well as 2.5."""
    low, high = integer_range(dtype)

    def received(value):
        if type(value) is not int:
            return json_type(value)
        return None if low <= value <= high else "integer out of range"

    in_range = present == {int} and low <= min(values) <= max(values) <= high
    if not in_range:
        check(values, received)
    return np.array(values, dtype=dtype)


def to_floats(values, present, dtype):
    """Numbers, with null as NaN; integers only where the float is exactly the same."""

    def received(value):
        if type(value) not in (int, float):
            return json_type(value) if value is not None else None
        try:
            narrow = float(dtype.type(value))
        except OverflowError:
            narrow = math.inf
        if type(value) is int:
            return None if narrow == value else "integer that the type cannot hold"
        return "number out of range" if math.isinf(narrow) and not math.isinf(value) else None

    if present <= {float, NoneType} and dtype.itemsize == 8:
        return np.array(values, dtype=dtype)
    limits = np.finfo(dtype)
    limit = 2 ** (limits.nmant + 1) if int in present else limits.max
    with np.errstate(over="ignore"):
        try:
            array = np.array(values, dtype="float64") if present <= {int, float, NoneType} else None
        except OverflowError:
            array = None
        if array is None or (np.abs(array) >= limit).any():
            check(values, received)
        return array.astype(dtype)


def to_booleans(values, present, dtype, *, nullable=False):
    """True and false."""
    wanted = {bool, NoneType} if nullable else {bool}
    if not present <= wanted:
        check(values, lambda value: None if type(value) in wanted else json_type(value))
    return object_array(values) if NoneType in present else np.array(values, dtype=dtype)


def to_strings(values, present, _dtype):
    """Strings of a column; mlflow looks at none of them, and lets any object pass to the model."""
    if not present <= {str, NoneType}:
        check(
            values, lambda value: None if value is None or type(value) is str else json_type(value)
        )
    return values


def to_texts(values, present, dtype):
    """Strings and nothing else."""
    if present != {str}:
        check(values, lambda value: None if type(value) is str else json_type(value))
    return np.array(values, dtype=dtype)


def to_ascii(values, _present, dtype):
    """Strings as bytes of numpy, which makes them of no others."""

    def received(value):
        if type(value) is not str:
            return json_type(value)
        return "string that is not ASCII" if max(value, default="") > "\x7f" else None

    check(values, received)
    return np.array(values, dtype=dtype)


def to_bytes(values, _present, _dtype, *, nullable=False):
    """Bytes from base64, with or without line breaks."""
    wanted = {str, NoneType} if nullable else {str}

    def decoded(text):
        return None if text is None else base64.b64decode("".join(text.split()), validate=True)

    def received(value):
        if type(value) not in wanted:
            return json_type(value)
        try:
            decoded(value)
        except ValueError:
            return "string that is not base64"
        return None

    check(values, received)
    return [decoded(value) for value in values]


def to_datetimes(values, present, dtype):
    """Dates to the nanosecond, without time zone."""

    def received(value):
        if type(value) is not str:
            return json_type(value) if value is not None else None
        try:
            stamp = pd.Timestamp(value)
        except (ValueError, OverflowError):
            return "string that is not a date"
        if stamp is pd.NaT:
            return None
        if stamp.tzinfo is not None:
            return "date with a time zone"
        return None if pd.Timestamp.min < stamp < pd.Timestamp.max else "date out of range"

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            # Of integers beside text, pandas 1.3 makes a RuntimeError.
            if present <= {str, NoneType}:
                parsed = pd.to_datetime(pd.Series(values, dtype=object))
                if parsed.dtype.str[:3] == "<M8":
                    return parsed.astype(dtype).values
        except (AttributeError, ValueError, TypeError, OverflowError):
            pass  # a row is wrong, or the rows are written in different ways
        check(values, received)
        # Which of them it is, pandas would guess anew for every row.
        odd = "date with the day or the month first, not written as the others are"
        check(values, lambda value: odd if AMBIGUOUS.match(value or "") else None)
        return np.array([pd.Timestamp(v).to_datetime64() for v in values], dtype=dtype)


def to_objects(values, present, _dtype):
    """Anything, for tensors of dtype object."""
    if Absent in present:
        check(values, lambda value: json_type(value) if value is ABSENT else None)
    return object_array(values)


COLUMN_TYPES = {
    "boolean": "bool",
    "integer": "int32",
    "long": "int64",
    "float": "float32",
    "double": "float64",
    "string": "str",
    "binary": "bytes",
    "datetime": "datetime64[ns]",
}
IN_VALUE = {"binary": to_bytes}
IN_COLUMN = {
    "binary": partial(to_bytes, nullable=True),
    "boolean": partial(to_booleans, nullable=True),
    "string": to_strings,
}
BY_KIND = {
    "b": to_booleans,
    "i": to_integers,
    "u": to_integers,
    "f": to_floats,
    "U": to_texts,
    "S": to_ascii,
    "M": to_datetimes,
}


# --- the answer --------------------------------------------------------------------------------


def encode(prediction):
    """Predictions as JSON text; what JSON has no number for (NaN, infinity) becomes null."""
    try:
        return json.dumps(plain(prediction), default=plain, allow_nan=False)
    except (TypeError, ValueError):
        return json.dumps(cleaned(prediction))


def plain(value):
    """One step from an object of pandas, numpy or the like towards what json knows."""
    if value is pd.NaT or value is getattr(pd, "NA", None):
        return None
    for types, step in STEPS:
        if isinstance(value, types):
            return step(value)
    if isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind == "M":
        return np.where(np.isnat(value), None, np.datetime_as_string(value)).tolist()
    for method in METHODS:
        if hasattr(value, method):
            return getattr(value, method)()
    if hasattr(value, "__dataclass_fields__"):
        return {name: getattr(value, name) for name in value.__dataclass_fields__}
    return list(value) if hasattr(value, "__iter__") else str(value)


def records(table):
    """A DataFrame or Series as a list of records; a name that comes again gets a number."""
    table = pd.DataFrame(table)
    names = list(table.columns)
    if len(set(names)) < len(names):
        before = [names[:i].count(name) for i, name in enumerate(names)]
        names = [f"{name}.{count}" if count else name for name, count in zip(names, before)]
        table = table.set_axis(names, axis=1)
    return table.to_dict(orient="records")


# Those of scipy; of numpy and torch; of tensorflow; of pydantic from version 2 on, and before.
METHODS = ("toarray", "tolist", "numpy", "model_dump", "dict")
STEPS = (
    ((str, int, float, list, dict, NoneType), lambda value: value),
    ((pd.DataFrame, pd.Series), records),
    ((dt.date, dt.time), lambda value: value.isoformat()),
    ((bytes, bytearray, memoryview), lambda value: base64.b64encode(value).decode("ascii")),
    ((decimal.Decimal, np.floating), float),
)


def cleaned(value):
    """The same in full, for what ``json.dumps`` refuses: NaN, and keys that are not strings."""
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, (str, int, NoneType)):
        return value
    if isinstance(value, dict):
        return {str(key): cleaned(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [cleaned(item) for item in value]
    return cleaned(plain(value))
