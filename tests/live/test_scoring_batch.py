"""The batch script as a program and as the endpoint calls it, with the real mlflow."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.paths import SCORING
from tests.support.scoring_environments import Environment, make_environment

pytestmark = pytest.mark.live

SCRIPT = str(SCORING / "batch.py")
ENVIRONMENTS = {
    # mlflow 1.23 imports pkg_resources without saying so.
    "3.6": ("mlflow", "pyarrow", "pillow", "setuptools"),
    "3.7": ("mlflow==1.30.1", "pyarrow", "pillow"),
    "3.9": ("mlflow-skinny<3", "numpy", "pandas", "pyarrow", "pillow"),
    "3.12": ("mlflow-skinny", "numpy", "pandas", "pyarrow", "pillow"),
}
TABLE = [
    {"type": "double", "name": "real"},
    {"type": "integer", "name": "whole"},
    {"type": "string", "name": "text"},
    {"type": "datetime", "name": "when"},
]
SUM = """
def predict(self, context, data):
    assert str(data["when"].dtype) == "datetime64[ns]" and str(data["whole"].dtype) == "int32"
    return data["real"] + data["whole"] + data["text"].map(lambda text: int(text or 0))
"""
IMAGE = [{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 3, 2, -1]}}]
MEANS = """
def predict(self, context, data):
    return data.mean(axis=(2, 3))
"""
TEXT = [{"type": "string", "name": "text"}]
LENGTHS = """
def predict(self, context, data):
    return [len(text) for text in data["text"]]
"""
MAKE_DATA = """
import gzip
import os
import numpy as np
import pandas as pd
from PIL import Image

os.makedirs("data/more")
table = pd.DataFrame({"unused": 1, "text": ["007", "1"], "real": [0, 1], "whole": [1, 2]})
table["when"] = pd.Timestamp(2020, 1, 2)
table.to_csv("data/a.csv", index=False)
table.astype({"text": "category"}).to_parquet("data/b.parquet")
table["when"] = "2020-01-02T00:00:00"
table.to_json("data/more/c.jsonl", orient="records", lines=True)
table.drop(columns="text").to_csv("data/bad.csv", index=False)
table.to_json("data/more/d.json", orient="records")
table.head(0).to_csv("data/none.csv", index=False)
table.head(1).to_csv("data/e.csv.gz", index=False)
table.head(1).to_json("data/f.ndjson", orient="records", lines=True)
table.head(1).assign(when=pd.Timestamp(2020, 1, 2)).to_parquet("data/g.pqt")
header = b"text,real,whole,when\\n"
files = {
    "broken.parquet": b"no parquet",
    "cut.csv.gz": gzip.compress(header + b"1,1,1,2020-01-02\\n" * 1000)[:-20],
    "cut.jsonl": b'{"text": ',
    "empty.csv": b"",
    "empty.json": b"",
    "empty.parquet": b"",
    "latin.csv": header + b"\\xe9,1,1,2020-01-02\\n",
    "latin.jsonl": b'{"text": "\\xe9", "real": 1, "whole": 1, "when": "2020-01-02"}\\n',
}
for name, content in files.items():
    with open("data/" + name, "wb") as file:
        file.write(content)
os.makedirs("arrays")
cells = np.arange(12, dtype="float32").reshape(1, 3, 2, 2)
np.save("arrays/a.npy", np.concatenate([cells, cells + 1]))
np.save("arrays/flat.npy", cells.ravel())
np.save("arrays/none.npy", cells[:0])
np.save("arrays/objects.npy", np.array([{}], dtype=object))
with open("arrays/a.npy", "rb") as whole, open("arrays/cut.npy", "wb") as cut:
    cut.write(whole.read()[:-4])
open("arrays/empty.npy", "wb").close()
os.makedirs("texts")
for name, content in (
    ("a.txt", b"words\\n"),
    ("bom.txt", b"\\xef\\xbb\\xbf\\xc3\\xa9"),
    ("empty.txt", b""),
    ("latin.txt", b"\\xe9"),
    ("utf16.txt", "words".encode("utf-16")),
):
    with open("texts/" + name, "wb") as file:
        file.write(content)
os.makedirs("images")
Image.new("RGB", (3, 2), (10, 20, 30)).save("images/a.png")
Image.new("L", (4, 2), 7).save("images/b.bmp")
Image.new("RGBA", (2, 2), (1, 2, 3, 4)).save("images/c.tiff")
Image.fromarray(np.full((2, 2), 40000, dtype="uint16")).save("images/deep.png")
Image.new("RGB", (3, 3)).save("images/tall.png")
with open("images/broken.jpg", "w") as file:
    file.write("no image")
"""
CALL = """
import importlib.util, os, sys
spec = importlib.util.spec_from_file_location("entry", sys.argv[1])
entry = importlib.util.module_from_spec(spec)
spec.loader.exec_module(entry)
os.environ["AZUREML_MODEL_DIR"] = "table"
entry.init()
result = entry.run(["data/a.csv", "data/bad.csv", "data/b.parquet"])
print(result.to_csv(index=False, header=False), end="")
print(entry.run(["data/bad.csv"]).to_csv(), end="")
grey = entry.pixels("images/deep.png", entry.Field(None, "float32", (-1, 2, 2), True))
print(grey.dtype, grey.tolist())
"""


@pytest.fixture(scope="module", params=ENVIRONMENTS)
def environment(
    request: pytest.FixtureRequest,
    interpreter: Callable[[str], Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Environment:
    """The environment of one Python, with two models and files for them."""
    minor = request.param
    root = tmp_path_factory.mktemp(f"python{minor}")
    made = make_environment(root, interpreter(minor), ENVIRONMENTS[minor])
    made.save_model("table", TABLE, SUM)
    made.save_model("image", IMAGE, MEANS)
    made.save_model("text", TEXT, LENGTHS)
    shutil.rmtree(made.folder / "mlruns", ignore_errors=True)  # saving made it
    done = made.run("-c", MAKE_DATA)
    assert done.returncode == 0, done.stderr
    return made


def complaints(stderr: str) -> list[str]:
    """The lines of the script itself."""
    return [line for line in stderr.splitlines() if line.startswith("score: ")]


def test_a_folder_of_tables_is_scored(environment: Environment) -> None:
    done = environment.run(SCRIPT, "data", "--model", "table", "-o", "tables.csv")
    assert (environment.folder / "tables.csv").read_text().splitlines() == [
        "file,row,prediction",
        "a.csv,0,8.0",
        "a.csv,1,4.0",
        "b.parquet,0,8.0",
        "b.parquet,1,4.0",
        "e.csv.gz,0,8.0",
        "f.ndjson,0,8.0",
        "g.pqt,0,8.0",
        "more/c.jsonl,0,8.0",
        "more/c.jsonl,1,4.0",
        "more/d.json,0,8.0",
        "more/d.json,1,4.0",
    ]
    assert done.returncode == 1
    assert not (environment.folder / "mlruns").exists()
    loaded, *problems = complaints(done.stderr)
    assert loaded == "score: loaded the model at table"
    expected = (
        "bad.csv: InputError: missing columns: text",
        "broken.parquet: InputError: not a parquet file: ",
        "cut.csv.gz: EOFError: ",
        "cut.jsonl: InputError: line 1 is not JSON",
        "empty.csv: EmptyDataError: ",
        "empty.parquet: InputError: not a parquet file: ",
        "latin.csv: UnicodeDecodeError: ",
        "latin.jsonl: UnicodeDecodeError: ",
    )
    assert len(problems) == len(expected), problems
    for problem, start in zip(problems, expected, strict=True):
        assert problem.startswith(f"score: data/{start}")


def test_a_folder_of_arrays_is_scored(environment: Environment) -> None:
    done = environment.run(SCRIPT, "arrays", "--model", "image", "-o", "arrays.csv")
    assert (environment.folder / "arrays.csv").read_text().splitlines() == [
        "file,row,prediction_0,prediction_1,prediction_2",
        "a.npy,0,1.5,5.5,9.5",
        "a.npy,1,2.5,6.5,10.5",
    ]
    assert done.returncode == 1
    _, *problems = complaints(done.stderr)
    starts = [problem.partition(" plain values: ")[0] for problem in problems]
    unread = "InputError: not a whole array of"
    assert starts[0] == f"score: arrays/cut.npy: {unread}"
    assert starts[1] == f"score: arrays/empty.npy: {unread}"
    assert starts[2].startswith("score: arrays/flat.npy: ")
    assert starts[3] == f"score: arrays/objects.npy: {unread}"
    assert len(starts) == 4


def test_a_folder_of_texts_is_scored(environment: Environment) -> None:
    done = environment.run(SCRIPT, "texts", "--model", "text", "-o", "texts.csv")
    assert (environment.folder / "texts.csv").read_text().splitlines() == [
        "file,row,prediction",
        "a.txt,0,6",
        "bom.txt,0,1",
        "empty.txt,0,0",
    ]
    assert done.returncode == 1
    _, *problems = complaints(done.stderr)
    assert [problem.split(": ")[1] for problem in problems] == [
        f"texts/{name}.txt" for name in ("latin", "utf16")
    ]
    assert all("UnicodeDecodeError" in problem for problem in problems)


def test_a_folder_of_images_is_scored(environment: Environment) -> None:
    done = environment.run(SCRIPT, "images", "--model", "image", "-o", "images.csv")
    assert (environment.folder / "images.csv").read_text().splitlines() == [
        "file,row,prediction_0,prediction_1,prediction_2",
        "a.png,0,10.0,20.0,30.0",
        "b.bmp,0,7.0,7.0,7.0",
        "c.tiff,0,1.0,2.0,3.0",
    ]
    assert done.returncode == 1
    _, broken, deep, tall = complaints(done.stderr)
    assert broken.startswith("score: images/broken.jpg: UnidentifiedImageError: ")
    wanted = "not [-1, 3, 2, -1]"
    assert deep == f"score: images/deep.png: InputError: the shape is [1, 1, 2, 2], {wanted}"
    assert tall == f"score: images/tall.png: InputError: the shape is [1, 3, 3, 3], {wanted}"


def test_the_endpoint_gets_one_row_for_each_that_succeeded(environment: Environment) -> None:
    done = environment.run("-c", CALL, SCRIPT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "a.csv,0,8.0",
        "a.csv,1,4.0",
        "b.parquet,0,8.0",
        "b.parquet,1,4.0",
        '""',
        "float32 [[[40000.0, 40000.0], [40000.0, 40000.0]]]",
    ]
    assert len(complaints(done.stderr)) == 3


def test_memory_is_bounded_by_the_pieces_of_a_file(environment: Environment) -> None:
    peaks = []
    for rows in (1_000, 400_000):
        lines = [f"{i},1,2,2020-01-02\n" for i in range(rows)]
        (environment.folder / "long.csv").write_text("real,whole,text,when\n" + "".join(lines))
        # Not ru_maxrss: that of a program begins with what its parent had.
        measure = (
            "import re, runpy, sys; sys.argv = sys.argv[1:]\n"
            "try: runpy.run_path(sys.argv[0], run_name='__main__')\n"
            "except SystemExit: pass\n"
            "print(re.search('VmHWM:\\s+(\\d+) kB', open('/proc/self/status').read()).group(1))"
        )
        done = environment.run("-c", measure, SCRIPT, "long.csv", "--model", "table")
        peaks.append(json.loads(done.stdout))
    assert peaks[1] - peaks[0] < 35_000  # kB; about 12,000, and 68,000 when read at once
