"""The batch script as a program and as the endpoint calls it, with the real mlflow."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.scoring import SCORING
from tests.support.scoring_environments import Environment, make_environment

pytestmark = pytest.mark.live

SCRIPT = str(SCORING / "batch.py")
ENVIRONMENTS = {
    # mlflow 1.23 imports pkg_resources without saying so.
    "3.6": ("mlflow", "pyarrow", "pillow", "setuptools"),
    "3.7": ("mlflow==1.30.1", "pyarrow", "pillow"),
    "3.9": ("mlflow-skinny", "numpy", "pandas", "pyarrow", "pillow"),
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
MAKE_DATA = """
import os
import pandas as pd
from PIL import Image

os.makedirs("data/more")
table = pd.DataFrame({"unused": 1, "text": ["007", "1"], "real": [0, 1], "whole": [1, 2]})
table["when"] = pd.Timestamp(2020, 1, 2)
table.to_csv("data/a.csv", index=False)
table.to_parquet("data/b.parquet")
table["when"] = "2020-01-02T00:00:00"
table.to_json("data/more/c.jsonl", orient="records", lines=True)
table.drop(columns="text").to_csv("data/bad.csv", index=False)
table.to_json("data/more/d.json", orient="records")
table.head(0).to_csv("data/none.csv", index=False)
for name, text in (("broken.parquet", "no parquet"), ("empty.csv", ""), ("cut.jsonl", '{"text": ')):
    with open("data/" + name, "w") as file:
        file.write(text)
os.makedirs("images")
Image.new("RGB", (3, 2), (10, 20, 30)).save("images/a.png")
Image.new("L", (4, 2), 7).save("images/b.bmp")
Image.new("RGBA", (2, 2), (1, 2, 3, 4)).save("images/c.tiff")
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
        "c.jsonl,0,8.0",
        "c.jsonl,1,4.0",
        "d.json,0,8.0",
        "d.json,1,4.0",
    ]
    assert done.returncode == 1
    loaded, bad, broken, cut, empty = complaints(done.stderr)
    assert loaded == "score: loaded the model at table"
    assert bad == "score: data/bad.csv: InputError: missing columns: text"
    assert broken.startswith("score: data/broken.parquet: InputError: not a parquet file: ")
    assert cut == "score: data/cut.jsonl: InputError: line 1 is not JSON"
    assert empty.startswith("score: data/empty.csv: EmptyDataError: ")


def test_a_folder_of_images_is_scored(environment: Environment) -> None:
    done = environment.run(SCRIPT, "images", "--model", "image", "-o", "images.csv")
    assert (environment.folder / "images.csv").read_text().splitlines() == [
        "file,row,prediction_0,prediction_1,prediction_2",
        "a.png,0,10.0,20.0,30.0",
        "b.bmp,0,7.0,7.0,7.0",
        "c.tiff,0,1.0,2.0,3.0",
    ]
    assert done.returncode == 1
    _, broken, tall = complaints(done.stderr)
    assert broken.startswith("score: images/broken.jpg: UnidentifiedImageError: ")
    wanted = "the image has the shape [3, 3, 3], not [3, 2, -1]"
    assert tall == f"score: images/tall.png: InputError: {wanted}"


def test_the_endpoint_gets_one_row_for_each_that_succeeded(environment: Environment) -> None:
    done = environment.run("-c", CALL, SCRIPT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "a.csv,0,8.0",
        "a.csv,1,4.0",
        "b.parquet,0,8.0",
        "b.parquet,1,4.0",
        '""',
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
