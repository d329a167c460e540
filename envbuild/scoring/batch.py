"""Scoring script of Azure ML batch endpoints, for any MLflow model; also a program of its own.

The endpoint calls ``init()`` once in every process and ``run(mini_batch)`` with paths of files.
``python score.py FOLDER --model DIR -o predictions.csv`` does the same for a folder.
The file stands alone: Python 3.6 or newer, mlflow or mlflow-skinny, numpy, pandas; pyarrow for
parquet, pillow for images.

Read are ``.csv`` (also ``.csv.gz``), ``.parquet`` (``.pqt``) and JSON lines (``.jsonl``,
``.ndjson``, ``.json``) by rows, ``.npy`` by its first axis, images and ``.txt`` as one row each.
Columns get the types of the model's signature. Files by rows are read ``ENVBUILD_BATCH_ROWS``
(10000) at a time.

The result is a table with one row for each input row: ``file`` (its name, or as many folders with
it as ``ENVBUILD_BATCH_FOLDERS`` says), ``row`` (from 0) and what the model says: the columns of a
DataFrame, else ``prediction``, or ``prediction_0``, ``prediction_1`` ... for two-dimensional
arrays. A file that cannot be read or scored gives no row at all; it is named on stderr, and the
others go on, up to ``ENVBUILD_MAX_BAD_FILES`` of them if that is set. Values of the input are not
logged unless ``ENVBUILD_LOG_MESSAGES=1`` allows the messages of all exceptions.

The model is looked for in ``AZUREML_MODEL_DIR`` (in the folder that ``MLFLOW_MODEL_FOLDER`` names,
else wherever the MLmodel file is, up to three folders down), then in ``ENVBUILD_MODEL_DIR``, then
in ``/opt/model``. MLflow's tracing is off unless ``MLFLOW_TRACKING_URI`` names a place for traces.
"""

import argparse
import base64
import itertools
import json
import numbers
import os
import re
import sys
import traceback
import warnings
import zlib
from contextlib import closing, suppress
from typing import Any, NamedTuple

# Nothing in a scoring container may call home; to be said before mlflow is imported.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

import numpy as np
import pandas as pd
import yaml

BAKED_IN = "/opt/model"
SEARCH_DEPTH = 3
ROWS = int(os.environ.get("ENVBUILD_BATCH_ROWS") or 10_000)
MAX_BAD_FILES = int(os.environ.get("ENVBUILD_MAX_BAD_FILES") or -1)
FOLDERS = int(os.environ.get("ENVBUILD_BATCH_FOLDERS") or 0)
IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")
# How pillow calls the pixels of an image with that many channels.
MODES = {1: "L", 3: "RGB", 4: "RGBA"}
# A date with the day or the month first.
AMBIGUOUS = re.compile(r"\s*\d{1,2}[^\d:]\d{1,2}[^\d:]\d{2}")

scorer = None


def init():
    """Load the model; called by the endpoint once in every process."""
    global scorer  # noqa: PLW0603 - the endpoint knows this script by two functions only
    scorer = begin(usual_places(os.environ))


def begin(places):
    """The scorer of the model in one of these places.

    Raises:
        RuntimeError: there is none, or it cannot be loaded; the log has the same in one line.
    """
    try:
        return load(find_model(places))
    except (Exception, SystemExit) as error:
        message = f"cannot load the model: {type(error).__name__}: {error}"
        log(message)
        raise RuntimeError(message) from error


def run(mini_batch):
    """The predictions for the files of a mini-batch as one table; called by the endpoint."""
    tables = [table for path in mini_batch for table in scorer.score(os.fspath(path))]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def main(argv=None):
    """Score a folder or a file from the command line; 1 when a file failed, 2 without a model."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("input", help="a file, or a folder with files at any depth")
    parser.add_argument("-o", "--output", default="predictions.csv", help="a CSV file to write")
    parser.add_argument("--model", help="the folder of the model (default: as on the endpoint)")
    options = parser.parse_args(argv)
    try:
        made = begin([options.model] if options.model else usual_places(os.environ))
    except RuntimeError:
        return 2
    root = options.input if os.path.isdir(options.input) else os.path.dirname(options.input)
    columns = []
    with open(options.output, "w", encoding="utf-8", newline="") as file:
        for path in files_in(options.input):
            if os.path.realpath(path) != os.path.realpath(options.output):
                write(made, path, os.path.relpath(path, root or "."), file, columns)
    return 1 if made.bad_files else 0


def write(made, path, name, file, columns):
    """Append the predictions for a file as they come; take them back when any part of it fails.

    ``columns`` are those of what was written before, none at first.
    """
    start = file.tell()
    try:
        for table in made.predict(path, name):
            found = list(table.columns)
            if columns and sorted(map(str, found)) != sorted(map(str, columns)):
                raise InputError(f"the model answers with other columns than {columns} before")
            ordered = table if found == columns or not columns else table[columns]
            ordered.to_csv(file, index=False, header=not file.tell())
            columns[:] = columns or found
    except (Exception, SystemExit) as error:
        file.seek(start)
        file.truncate()
        columns[:] = columns if start else []
        made.report(path, error)


def log(message):
    """Write one line to stderr."""
    sys.stderr.write(f"score: {' '.join(message.split())}\n")
    sys.stderr.flush()


def files_in(path):
    """A file, or the files in a folder in the order of their names, without hidden ones."""
    if not os.path.isdir(path):
        return [path]
    found = []
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [os.path.join(folder, name) for name in sorted(names) if name[0] != "."]
    return found


class InputError(Exception):
    """A file that does not fit the model; the words quote none of its values."""


# What says where, and quotes nothing.
HARMLESS = (
    InputError,
    ImportError,
    OSError,
    EOFError,
    zlib.error,
    UnicodeError,
    pd.errors.ParserError,
    pd.errors.EmptyDataError,
)


class Scorer:
    """A loaded model, what its signature demands, and how many files failed so far."""

    def __init__(self, model, fields):
        self.model = model
        self.fields = fields
        self.bad_files = 0

    def score(self, path):
        """The tables of predictions for a file; none when any part of it fails.

        Raises:
            RuntimeError: more files failed than are allowed.
        """
        try:
            return list(self.predict(path, os.sep.join(path.split(os.sep)[-1 - FOLDERS :])))
        except (Exception, SystemExit) as error:
            self.report(path, error)
            return []

    def predict(self, path, name):
        """The predictions for a file, one chunk of rows after the other."""
        done = 0
        for chunk in read(path, self.fields):
            rows = len(chunk)
            yield to_table(self.model.predict(chunk), name, done, rows)
            done += rows

    def report(self, path, error):
        """Name a file that failed, and stop when there are too many."""
        self.bad_files += 1
        if isinstance(error, HARMLESS) or os.environ.get("ENVBUILD_LOG_MESSAGES") == "1":
            log(f"{path}: {type(error).__name__}: {error}")
        else:
            log(f"{path}: {type(error).__name__}; ENVBUILD_LOG_MESSAGES=1 shows its message")
            sys.stderr.writelines(traceback.format_tb(error.__traceback__))
        if 0 <= MAX_BAD_FILES < self.bad_files:
            raise RuntimeError(f"more than {MAX_BAD_FILES} files failed") from error


# --- the model ---------------------------------------------------------------------------------


class Field(NamedTuple):
    """An input of a signature; ``shape`` is None for a column."""

    name: Any
    type: Any
    shape: Any
    required: bool


def load(path):
    """The scorer of the model in a folder."""
    import mlflow.pyfunc

    with open(os.path.join(path, "MLmodel"), encoding="utf-8") as file:
        signature = yaml.safe_load(file).get("signature") or {}
    fields = [read_field(entry) for entry in json.loads(signature.get("inputs") or "[]")]
    keep_no_traces()
    model = mlflow.pyfunc.load_model(path)
    log(f"loaded the model at {path}")
    if not fields:
        log("the model has no input signature: files are passed on as pandas reads them")
    return Scorer(model, fields)


def keep_no_traces():
    """Make no folder for traces in the working directory, as mlflow 2 does to load a model.

    One who names a tracking server may want them.
    """
    if not os.environ.get("MLFLOW_TRACKING_URI"):
        with suppress(Exception):  # mlflow before 2.14 has none
            import mlflow.tracing

            mlflow.tracing.disable()


def read_field(entry):
    """One input of MLmodel's signature, read here so that no mlflow version matters."""
    name = entry.get("name")
    required = entry.get("required", not entry.get("optional", False))
    if entry["type"] == "tensor":
        spec = entry["tensor-spec"]
        return Field(name, spec["dtype"], tuple(spec["shape"]), required)
    return Field(name, entry["type"], None, required)


def usual_places(environ):
    """Where a model may be, the likeliest place first."""
    root, named = environ.get("AZUREML_MODEL_DIR"), environ.get("MLFLOW_MODEL_FOLDER")
    places = [os.path.join(root, named)] if root and named else []
    return (
        places
        + [place for place in (root, environ.get("ENVBUILD_MODEL_DIR")) if place]
        + [BAKED_IN]
    )


def find_model(places):
    """The folder with the MLmodel file, in or below the first place that has one.

    Raises:
        LookupError: none has one, or several lie side by side.
    """
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


# --- files -------------------------------------------------------------------------------------


def read(path, fields):
    """The content of a file in chunks that are not empty, each as the model takes it.

    Raises:
        InputError: this kind of file is unknown, or its content does not fit the signature.
    """
    name = path.lower()
    if name.endswith(IMAGES):
        return iter([read_image(path, fields)])
    if name.endswith(".txt"):
        return iter([read_text(path, fields)])
    if name.endswith(".npy"):
        return (shaped_array(chunk, fields) for chunk in read_array(path))
    kinds = [field.type for field in fields if field.name is None]
    if name.endswith(JSON) and len(kinds) == 1 and kinds[0] in NESTED:
        return in_chunks(json_values(path))  # what a model with type hints takes
    for endings, reader in TABLES:
        if name.endswith(endings):
            return (shaped(chunk, fields) for chunk in numbered(reader(path, fields)))
    raise InputError("this kind of file is not read")


def numbered(chunks):
    """Tables whose index counts the rows of the file, so that messages can name one."""
    done = 0
    for chunk in chunks:
        chunk.index = range(done, done + len(chunk))
        done += len(chunk)
        if len(chunk):
            yield chunk


def read_csv(path, fields):
    """The rows of a CSV file with a header, as pandas reads them; text only where it is meant."""
    header = list(pd.read_csv(path, header=None, nrows=1, dtype=str, keep_default_na=False).iloc[0])
    names = [str(field.name) for field in fields if field.name is not None]
    twice = [name for name in names if header.count(name) > 1]  # pandas would rename one of them
    if twice:
        raise InputError("columns that are there twice: " + ", ".join(twice))
    columns = zip(fields, names or header)
    text = {name: str for field, name in columns if field.type in ("string", "binary")}
    with closing(pd.read_csv(path, chunksize=ROWS, dtype=text, low_memory=False)) as chunks:
        for chunk in chunks:
            # pandas takes a first value without a name in the header for a label.
            # Without rows, old versions of it number none.
            if len(chunk) and not isinstance(chunk.index, pd.RangeIndex):
                raise InputError("the rows have more values than the header has names")
            yield chunk


def read_parquet(path, fields):
    """The rows of a parquet file; of its columns only those that the signature names."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
    except pa.ArrowInvalid as error:
        raise InputError(f"not a parquet file: {error}") from None
    wanted = {str(field.name) for field in fields if field.name is not None}
    columns = [name for name in file.schema_arrow.names if name in wanted] if wanted else None
    for batch in file.iter_batches(batch_size=ROWS, columns=columns):
        # As floats, which pandas has for integers beside null, large ones would be others.
        yield batch.to_pandas(integer_object_nulls=is_table(fields))


def read_json_lines(path, fields):
    """The records of a file with one JSON object in each line, or with one list of them."""
    required = [str(field.name) for field in fields if field.required and field.name is not None]
    for chunk in in_chunks(enumerate(json_values(path))):
        for row, record in chunk:
            if not isinstance(record, dict):
                raise InputError("not every record is a JSON object")
            missing = [name for name in required if name not in record]
            if missing:
                raise InputError(f"row {row}: missing columns: " + ", ".join(missing))
        # Pandas would make floats of integers beside a float.
        dtype = object if is_table(fields) else None
        yield pd.DataFrame([record for _, record in chunk], dtype=dtype)


def in_chunks(values):
    """Values in lists of a bounded length."""
    return iter(lambda: list(itertools.islice(values, ROWS)), [])


def json_values(path):
    """The values of a file with one in each line, or with one list of them."""
    with open(path, encoding="utf-8-sig") as file:
        start = file.read(1024).lstrip()[:1]
        file.seek(0)
        yield from json_list(file) if start == "[" else json_lines(file)


def json_lines(file):
    """The JSON values in the lines of a file that are not blank."""
    for number, line in enumerate(file, start=1):
        if line.strip():
            try:
                yield json.loads(line)
            except (ValueError, RecursionError):
                raise InputError(f"line {number} is not JSON") from None


def json_list(file):
    """The JSON values in the one list that a file is."""
    try:
        return json.load(file)
    except json.JSONDecodeError as error:
        raise InputError(f"not JSON: {error}") from None
    except RecursionError:
        raise InputError("nested too deeply") from None


def read_array(path):
    """The chunks of a numpy array along its first axis; never unpickles."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise InputError(f"not a whole array of plain values: {error}") from None
    if not array.ndim:
        raise InputError("the array has no rows")
    for start in range(0, len(array), ROWS):
        yield np.array(array[start : start + ROWS])


def read_text(path, fields):
    """The whole text as one row."""
    with open(path, encoding="utf-8-sig") as file:
        return one_cell(file.read(), fields)


def read_image(path, fields):
    """An image as one row: pixels for a tensor, its bytes or base64 text for a column."""
    if fields and fields[0].shape is not None:
        return pixels(path, fields[0])
    with open(path, "rb") as file:
        content = file.read()
    kinds = {field.type for field in fields}
    return one_cell(base64.b64encode(content).decode() if kinds == {"string"} else content, fields)


def pixels(path, field):
    """The pixels of an image as a batch of one, with the axes in the order of the signature."""
    from PIL import Image

    shape = field.shape[1:]
    first = len(shape) == 3 and shape[0] in MODES and shape[2] not in MODES
    channels = (shape[0] if first else shape[2]) if len(shape) == 3 else 1
    with Image.open(path) as image:
        # Of more than 8 bits; pillow would cut its values off at 255.
        is_deep = image.mode[0] in "IF"
        as_it_is = is_deep or channels not in MODES
        array = np.asarray(image if as_it_is else image.convert(MODES[channels]))
    if len(shape) == 3 and array.ndim == 2:
        array = array[:, :, np.newaxis]
    array = np.moveaxis(array, -1, 0) if first else array
    return to_tensor(array[np.newaxis], field)


class Named(dict):
    """Named tensors, as long as each of them is."""

    def __len__(self):
        return max(map(len, self.values()), default=0)


def one_cell(value, fields):
    """A table of one row for a model with a single column."""
    required = [field for field in fields if field.required] or fields
    if len(required) > 1:
        raise InputError(f"the file is one value, the signature has {len(required)} columns")
    name = required[0].name if required else None
    if required and required[0].shape is not None:
        return np.array([value], dtype=object)
    return pd.DataFrame({0 if name is None else name: [value]})


JSON = (".jsonl", ".ndjson", ".json")
NESTED = ("any", "array", "map", "object")
TABLES = (
    ((".csv", ".csv.gz"), read_csv),
    ((".parquet", ".pqt"), read_parquet),
    (JSON, read_json_lines),
)


# --- by the signature --------------------------------------------------------------------------


def is_table(fields):
    """Whether a signature has columns."""
    return bool(fields) and fields[0].shape is None


def shaped(chunk, fields):
    """A table with the columns and types of the signature; what is left is up to mlflow.

    Raises:
        InputError: columns are missing, or a value does not have the type of its column.
    """
    if not fields or (fields[0].shape is not None and fields[0].name is not None):
        return chunk
    if not is_table(fields):
        values = chunk.to_numpy()
        return to_tensor(values, fields[0], rounds=True)  # text has no precision of its own
    if fields[0].name is not None:
        found = {str(name): name for name in chunk.columns}
        missing = [str(f.name) for f in fields if f.required and str(f.name) not in found]
        if missing:
            raise InputError("missing columns: " + ", ".join(missing))
        fields = [field for field in fields if str(field.name) in found]
        chunk = chunk[[found[str(field.name)] for field in fields]]
        chunk.columns = [field.name for field in fields]
    elif len(chunk.columns) < len(fields):
        raise InputError(f"the signature has {len(fields)} columns, the file {len(chunk.columns)}")
    typed = {name: to_type(chunk[name], field.type) for name, field in zip(chunk.columns, fields)}
    return pd.DataFrame(typed, index=chunk.index)


def shaped_array(chunk, fields):
    """An array as the model takes it: as its one tensor, or as its columns by position."""
    if not fields or (not is_table(fields) and len(fields) > 1):
        return chunk
    if not is_table(fields):
        return to_tensor(chunk, fields[0])
    if chunk.ndim > 2:
        raise InputError(f"an array of {chunk.ndim} dimensions, the signature has columns")
    table = pd.DataFrame(chunk)
    if chunk.dtype.names is None and len(table.columns) == len(fields):
        table.columns = [i if field.name is None else field.name for i, field in enumerate(fields)]
    return shaped(table, fields)


def to_tensor(array, field, *, rounds=False):
    """An array as the tensor of a field, if it has its shape, and if that changes no value.

    With ``rounds``, real numbers may lose digits.
    """
    dtype, shape = np.dtype(field.type), list(array.shape)
    odd = any(want not in (-1, size) for size, want in zip(shape, field.shape))
    takes_all = dtype.kind == "O" and field.shape == (-1,)
    if not takes_all and (odd or len(shape) != len(field.shape)):
        raise InputError(f"the shape is {shape}, not {list(field.shape)}")
    if dtype.kind in "biufMO" and array.dtype != dtype:
        with np.errstate(all="ignore"):
            cast = array.astype(dtype) if dtype.kind == "O" else in_dtype(array, dtype, rounds)
        if cast is None:
            raise InputError(f"the values are {array.dtype}, which {dtype} does not hold")
        array = cast
    return array if field.name is None else Named({field.name: array})


def in_dtype(array, dtype, rounds):
    """An array in another dtype; None where that changes a value."""
    kinds = (array.dtype.kind, dtype.kind)
    if array.dtype.newbyteorder("=") == dtype:
        return array.astype(dtype)
    if kinds == ("f", "f") and rounds:
        cast = array.astype(dtype)
        return cast if (np.isinf(cast) == np.isinf(array)).all() else None
    if kinds[0] in "iu" and kinds[1] in "iuf":
        cast = array.astype(dtype)
        is_same = (cast.astype(array.dtype) == array) & ((cast < 0) == (array < 0))
        return cast if is_same.all() else None
    return None


def to_type(values, type_):
    """A column in a type of the signature, where that changes no value."""
    if str(values.dtype) == "category":
        values = values.astype(object)
    if type_ in NUMBERS:
        return to_numbers(values, np.dtype(NUMBERS[type_]))
    values = values.infer_objects()
    if type_ == "datetime":
        return to_datetimes(values)
    if type_ == "binary":
        read = values.map(decoded)
        refuse(values, read.isna() & values.notna(), "not base64")
        return read
    if type_ in ("string", "boolean") and pd.api.types.infer_dtype(values, skipna=True) not in (
        *(type_, "empty"),
    ):
        meant = values.map(lambda value: isinstance(value, str if type_ == "string" else bool))
        refuse(values, ~meant & values.notna(), "not a " + type_)
    return values


def to_numbers(values, dtype):
    """Numbers; integers only from integers, and as floats only if those are exactly the same."""
    if values.dtype.kind not in "iuf":
        return from_objects(values, dtype)
    if dtype.kind == "i" and values.dtype.kind == "f":
        refuse(values, values.isna(), "missing, which an integer cannot be")
        refuse(values, values.abs() >= 2**63, "out of range")
        refuse(values, values % 1 != 0, "not an integer")
        if len(values):  # which of them it is cannot be seen any more
            raise InputError(f"column {values.name}: an integer, but written as a float")
    with np.errstate(over="ignore"):
        converted = values.astype(dtype)
    if values.dtype.kind in "iu" and values.dtype != dtype:
        refuse(values, converted.astype(object) != values.astype(object), "out of range")
    refuse(values, np.isinf(converted) & ~np.isinf(values), "out of range")
    return converted


def from_objects(values, dtype):
    """Numbers from objects of Python, each of which is looked at by itself."""
    refuse(values, ~values.map(reads_as_number) & values.notna(), "not a number")
    is_text = values.map(lambda value: isinstance(value, (str, bytes, bool)))
    refuse(values, is_text, "not a number, but written like one")
    if dtype.kind == "i":
        refuse(values, values.isna(), "missing, which an integer cannot be")
        refuse(values, values.map(lambda value: value % 1 != 0), "not an integer")
        is_whole = values.map(lambda value: isinstance(value, numbers.Integral))
        refuse(values, ~is_whole, "an integer, but written as a float")
    with np.errstate(over="ignore"):
        refuse(values, ~values.map(lambda value: is_held(value, dtype)), "out of range")
        return values.astype("float64" if dtype.kind == "f" else dtype).astype(dtype)


def reads_as_number(value):
    """Whether a value is a number, or the text of one."""
    try:
        return isinstance(value, (str, bytes, numbers.Number)) and float(value) is not None
    except OverflowError:
        return True
    except (TypeError, ValueError):
        return False


def is_held(value, dtype):
    """Whether a dtype has the very same integer, and something near any other number."""
    try:
        held = dtype.type(value)
    except (TypeError, OverflowError):  # None is no number, and an integer may be too large
        return value is None
    if isinstance(value, numbers.Integral):
        return int(held) == value if np.isfinite(held) else False
    return not np.isinf(held) or bool(np.isinf(float(value)))


def to_datetimes(values):
    """Dates to the nanosecond, without time zone."""
    is_number = values.map(lambda value: isinstance(value, numbers.Real))
    refuse(values, is_number & values.notna(), "not a date")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            parsed = pd.to_datetime(values)
            if parsed.dtype.str[:3] == "<M8":
                return parsed.astype("datetime64[ns]")
        except (AttributeError, ValueError, TypeError, OverflowError):
            pass  # a row is wrong, or the rows are written in different ways
        faults = values.map(date_fault)
        for fault in faults.dropna().unique():
            refuse(values, faults == fault, fault)
        # Which of them it is, pandas would guess anew for every row.
        is_odd = values.map(lambda value: bool(AMBIGUOUS.match(str(value))))
        refuse(values, is_odd, "a date with the day or the month first, not written as the others")
        stamps = [pd.Timestamp(value).to_datetime64() for value in values]
        return pd.Series(stamps, values.index, "datetime64[ns]")


def date_fault(value):
    """What is wrong with a date, None for nothing."""
    try:
        stamp = pd.Timestamp(value)
    except (ValueError, TypeError, OverflowError):
        return "not a date"
    if stamp is pd.NaT:
        return None
    if stamp.tzinfo is not None:
        return "a date with a time zone"
    return None if pd.Timestamp.min < stamp < pd.Timestamp.max else "a date out of range"


def decoded(value):
    """Bytes as they are, or from base64; None for what is neither."""
    if isinstance(value, bytes):
        return value
    try:
        return base64.b64decode("".join(value.split()), validate=True)
    except (AttributeError, ValueError):
        return None


def refuse(values, wrong, words):
    """Raise for the first row that is wrong, if there is one."""
    if wrong.any():
        raise InputError(f"column {values.name}, row {wrong.idxmax()}: {words}")


NUMBERS = {"integer": "int32", "long": "int64", "float": "float32", "double": "float64"}


# --- the result --------------------------------------------------------------------------------


def to_table(prediction, file, start, rows):
    """Predictions as a table with the file and, if there is one for each, the rows they are of."""
    table = plain_table(prediction)
    table.index = range(len(table))
    of_rows = range(start, start + rows) if len(table) == rows else None
    table.insert(0, "file", file, allow_duplicates=True)
    table.insert(1, "row", of_rows, allow_duplicates=True)
    return table


def plain_table(prediction):
    """Predictions of any kind as a new table."""
    table = any_table(prediction)
    # CSV would have the bytes of Python's own notation.
    return table.apply(lambda column: column.map(to_text) if column.dtype == object else column)


def any_table(prediction):
    """Predictions of any kind as a table, which may be the model's own."""
    if hasattr(prediction, "toarray"):  # scipy's sparse matrices
        prediction = prediction.toarray()
    if isinstance(prediction, pd.DataFrame):
        return prediction
    if isinstance(prediction, dict):
        return pd.DataFrame({name: listed(value) for name, value in prediction.items()})
    values = listed(prediction)
    if values and all(isinstance(value, dict) for value in values):
        return pd.DataFrame(values)
    if values and getattr(prediction, "ndim", 1) == 2:
        columns = [f"prediction_{i}" for i in range(len(values[0]))]
        return pd.DataFrame(values, columns=columns)
    return pd.DataFrame({"prediction": pd.Series(values, dtype=None if values else object)})


def listed(prediction):
    """Predictions as a list; a single one is a list of one."""
    values = prediction.tolist() if hasattr(prediction, "tolist") else prediction
    is_one = isinstance(values, (str, bytes)) or not hasattr(values, "__iter__")
    return [values] if is_one else list(values)


def to_text(value):
    """Bytes as base64, all else as it is."""
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


if __name__ == "__main__":
    sys.exit(main())
