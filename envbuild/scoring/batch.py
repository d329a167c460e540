"""Scoring script of Azure ML batch endpoints, for any MLflow model; also a program of its own.

The endpoint calls ``init()`` once in every process and ``run(mini_batch)`` with paths of files.
``python score.py FOLDER --model DIR -o predictions.csv`` does the same for a folder.
The file stands alone: Python 3.6 or newer, mlflow or mlflow-skinny, numpy, pandas; pyarrow for
parquet, pillow for images.

Read are ``.csv`` (also ``.csv.gz``), ``.parquet`` (``.pqt``) and JSON lines (``.jsonl``,
``.ndjson``, ``.json``) by rows, ``.npy`` by its first axis, images and ``.txt`` as one row each.
Columns get the types of the model's signature. Files by rows are read ``ENVBUILD_BATCH_ROWS``
(10000) at a time.

The result is a table with one row for each input row: ``file``, ``row`` (from 0) and what the model
says: the columns of a DataFrame, else ``prediction``, or ``prediction_0``, ``prediction_1`` ... for
two-dimensional arrays. A file that cannot be read or scored gives no row at all; it is named on
stderr, and the others go on, up to ``ENVBUILD_MAX_BAD_FILES`` of them if that is set. Values of the
input are not logged unless ``ENVBUILD_LOG_MESSAGES=1`` allows the messages of all exceptions.

The model is looked for in ``AZUREML_MODEL_DIR`` (in the folder that ``MLFLOW_MODEL_FOLDER`` names,
else wherever the MLmodel file is, up to three folders down), then in ``ENVBUILD_MODEL_DIR``, then
in ``/opt/model``. MLflow's tracing is off unless ``MLFLOW_TRACKING_URI`` names a place for traces.
"""

import argparse
import base64
import binascii
import itertools
import json
import os
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
IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")
# How pillow calls the pixels of an image with that many channels.
MODES = {1: "L", 3: "RGB", 4: "RGBA"}

scorer = None


def init():
    """Load the model; called by the endpoint once in every process."""
    global scorer  # noqa: PLW0603 - the endpoint knows this script by two functions only
    try:
        scorer = load(find_model(usual_places(os.environ)))
    except Exception as error:
        message = f"cannot load the model: {type(error).__name__}: {error}"
        log(message)
        raise RuntimeError(message) from error


def run(mini_batch):
    """The predictions for the files of a mini-batch as one table; called by the endpoint."""
    tables = [table for path in mini_batch for table in scorer.score(os.fspath(path))]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def main(argv=None):
    """Score a folder or a file from the command line; 1 when a file failed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("input", help="a file, or a folder with files at any depth")
    parser.add_argument("-o", "--output", default="predictions.csv", help="a CSV file to write")
    parser.add_argument("--model", help="the folder of the model (default: as on the endpoint)")
    options = parser.parse_args(argv)
    made = load(find_model([options.model] if options.model else usual_places(os.environ)))
    with open(options.output, "w", encoding="utf-8", newline="") as file:
        for path in files_in(options.input):
            write(made, path, file)
    return 1 if made.bad_files else 0


def write(made, path, file):
    """Append the predictions for a file as they come; take them back when any part of it fails."""
    start = file.tell()
    try:
        for table in made.predict(path):
            table.to_csv(file, index=False, header=not file.tell())
    except Exception as error:
        file.seek(start)
        file.truncate()
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
    UnicodeDecodeError,
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
            return list(self.predict(path))
        except Exception as error:
            self.report(path, error)
            return []

    def predict(self, path):
        """The predictions for a file, one chunk of rows after the other."""
        done = 0
        for chunk in read(path, self.fields):
            rows = len(chunk)
            yield to_table(self.model.predict(chunk), os.path.basename(path), done, rows)
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
        return read_array(path)
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
    text = {str(field.name): str for field in fields if field.type in ("string", "binary")}
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
        yield batch.to_pandas()


def read_json_lines(path, _fields):
    """The records of a file with one JSON object in each line, or with one list of them."""
    with open(path, encoding="utf-8-sig") as file:
        start = file.read(1024).lstrip()[:1]
        file.seek(0)
        records = iter(json.load(file)) if start == "[" else json_lines(file)
        for chunk in iter(lambda: list(itertools.islice(records, ROWS)), []):
            if set(map(type, chunk)) != {dict}:
                raise InputError("not every record is a JSON object")
            yield pd.DataFrame(chunk)


def json_lines(file):
    """The JSON values in the lines of a file that are not blank."""
    for number, line in enumerate(file, start=1):
        if line.strip():
            try:
                yield json.loads(line)
            except ValueError:
                raise InputError(f"line {number} is not JSON") from None


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
        array = np.asarray(image.convert(MODES[channels]) if channels in MODES else image)
    if len(shape) == 3 and array.ndim == 2:
        array = array[:, :, np.newaxis]
    array = np.moveaxis(array, -1, 0) if first else array
    if any(want not in (-1, size) for want, size in zip(shape, array.shape)):
        raise InputError(f"the image has the shape {list(array.shape)}, not {list(shape)}")
    tensor = array[np.newaxis].astype(field.type)
    return tensor if field.name is None else Named({field.name: tensor})


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


TABLES = (
    ((".csv", ".csv.gz"), read_csv),
    ((".parquet", ".pqt"), read_parquet),
    ((".jsonl", ".ndjson", ".json"), read_json_lines),
)


# --- by the signature --------------------------------------------------------------------------


def shaped(chunk, fields):
    """A table with the columns and types of the signature; what is left is up to mlflow.

    Raises:
        InputError: columns are missing, or a value does not have the type of its column.
    """
    if not fields or (fields[0].shape is not None and fields[0].name is not None):
        return chunk
    if fields[0].shape is not None:
        values = chunk.to_numpy()
        widen = values.dtype.kind in "iuf" and np.dtype(fields[0].type).kind == "f"
        return values.astype(fields[0].type) if widen else values
    if fields[0].name is not None:
        found = {str(name): name for name in chunk.columns}
        missing = [str(f.name) for f in fields if f.required and str(f.name) not in found]
        if missing:
            raise InputError("missing columns: " + ", ".join(missing))
        fields = [field for field in fields if str(field.name) in found]
        chunk = chunk[[found[str(field.name)] for field in fields]]
        chunk.columns = [field.name for field in fields]
    typed = {name: to_type(chunk[name], field.type) for name, field in zip(chunk.columns, fields)}
    return pd.DataFrame(typed, index=chunk.index)


def to_type(values, type_):
    """A column in a type of the signature, where that changes no value."""
    if type_ in NUMBERS:
        return to_numbers(values, np.dtype(NUMBERS[type_]))
    if type_ == "datetime":
        return to_datetimes(values)
    if type_ == "binary":
        return values.map(decoded)
    if type_ in ("string", "boolean") and pd.api.types.infer_dtype(values, skipna=True) not in (
        *(type_, "empty", "categorical"),
    ):
        meant = values.map(lambda value: isinstance(value, str if type_ == "string" else bool))
        refuse(values, ~meant & values.notna(), "not a " + type_)
    return values


def to_numbers(values, dtype):
    """Numbers; integers only from integers, and as floats only if those are exactly the same."""
    if values.dtype.kind not in "iuf":
        text = values.map(lambda value: isinstance(value, (str, bool)))
        numbers = pd.to_numeric(values, errors="coerce")
        refuse(values, numbers.isna() & values.notna(), "not a number")
        refuse(values, text, "not a number, but written like one")
        values = numbers
    if dtype.kind == "i" and values.dtype.kind == "f":
        refuse(values, values.isna(), "missing, which an integer cannot be")
        refuse(values, values.abs() >= 2**63, "out of range")
        refuse(values, values % 1 != 0, "not an integer")
        refuse(values, values.notna(), "an integer, but written as a float")
    with np.errstate(over="ignore"):
        converted = values.astype(dtype)
    if values.dtype.kind in "iu" and values.dtype != dtype:
        refuse(values, converted.astype(object) != values.astype(object), "out of range")
    refuse(values, np.isinf(converted) & ~np.isinf(values), "out of range")
    return converted


def to_datetimes(values):
    """Dates to the nanosecond, without time zone."""
    if values.dtype.kind in "biuf":
        refuse(values, values.notna(), "not a date")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        parsed = pd.to_datetime(values, errors="coerce")
    refuse(values, parsed.isna() & values.notna(), "not a date, or not written as the first one is")
    if parsed.dtype.kind != "M" or getattr(parsed.dtype, "tz", None) is not None:
        refuse(values, values.notna(), "a date with a time zone")
    return parsed.astype("datetime64[ns]")


def decoded(value):
    """Bytes from base64; what is not text stays as it is."""
    if not isinstance(value, str):
        return value
    try:
        return base64.b64decode("".join(value.split()), validate=True)
    except (ValueError, binascii.Error):
        raise InputError("a binary column holds text that is not base64") from None


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
    if hasattr(prediction, "toarray"):  # scipy's sparse matrices
        prediction = prediction.toarray()
    if isinstance(prediction, pd.DataFrame):
        return prediction.copy()
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
    """Predictions as a list; a single one is a list of one, and bytes become base64."""
    values = prediction.tolist() if hasattr(prediction, "tolist") else prediction
    if isinstance(values, (str, bytes)) or not hasattr(values, "__iter__"):
        values = [values]
    return [base64.b64encode(v).decode() if isinstance(v, bytes) else v for v in values]


if __name__ == "__main__":
    sys.exit(main())
