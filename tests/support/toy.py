"""A model, its library and its server in a few lines each, to be verified without a network.

The distributions are named as the real ones, so that everything around them is the real thing:
wheels, bundle, installation, probes. The model multiplies; asked for anything but numbers it
fails.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

from envbuild.locking.header import Serving
from envbuild.server import Probes
from tests.support.index import Distribution, wheel

__all__ = [
    "BATCH",
    "BATCH_SERVING",
    "MLMODEL",
    "SCORE",
    "SERVING",
    "environment",
    "library",
    "server",
    "write_model",
]

_PYFUNC = """\
import json, os

class Model:
    def __init__(self, factor):
        self.factor = factor

    def predict(self, value, params=None):
        return [self.factor * number for number in value["numbers"]]

def load_model(path):
    own = os.path.join(path, "load.py")
    if os.path.exists(own):
        with open(own) as stream:
            exec(stream.read(), globals())
    with open(os.path.join(path, "factor.json")) as stream:
        return Model(json.load(stream))
"""

_SERVER = """\
import http.server, json, os, sys
sys.path.insert(0, os.getcwd())
import score

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(200, b"Healthy")

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(*score.run(body))

    def answer(self, status, body):
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body)

score.init()
address = ("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1]))
http.server.HTTPServer(address, Handler).serve_forever()
"""

SCORE = """\
import json, os

def init():
    global model
    import mlflow.pyfunc
    model = mlflow.pyfunc.load_model(os.environ["AZUREML_MODEL_DIR"])

def run(body):
    try:
        value = json.loads(body.decode())["input_data"]
    except (ValueError, KeyError):
        return 400, b"no input_data"
    return 200, json.dumps(model.predict(value)).encode()
"""

BATCH = """\
import csv, os

def init():
    global model
    import mlflow.pyfunc
    model = mlflow.pyfunc.load_model(os.environ["AZUREML_MODEL_DIR"])

def run(paths):
    rows = []
    for path in paths:
        with open(path) as stream:
            rows += [float(row["numbers"]) for row in csv.DictReader(stream)]
    return model.predict({"numbers": rows})
"""

SERVING = Serving(
    kind="online",
    script="score.py",
    command=("python", "-m", "toyserver", "--port", "5001", "--model", "/opt/model"),
    port=5001,
    probes=Probes(liveness="/", readiness="/", scoring="/score"),
)

BATCH_SERVING = Serving(kind="batch", script="score.py")

MLMODEL = """\
flavors:
  python_function:
    loader_module: mlflow.toy
    data: factor.json
saved_input_example_info:
  artifact_path: input_example.json
  type: json_object
"""


def library() -> Distribution:
    """``mlflow``, as far as verification needs it."""
    files = {"mlflow/__init__.py": "", "mlflow/pyfunc.py": _PYFUNC}
    return wheel("mlflow", "2.0", files=files)


def server() -> Distribution:
    """A server that is started with ``python -m toyserver --port PORT``."""
    files = {"toyserver/__init__.py": "", "toyserver/__main__.py": _SERVER}
    return wheel("toyserver", "1.0", files=files)


def environment(folder: Path, *files: Distribution, exe: Path = Path(sys.executable)) -> Path:
    """A virtual environment with wheels and without pip, the fast way; its interpreter."""
    subprocess.run([exe, "-I", "-m", "venv", "--without-pip", folder], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    for file in files:
        with zipfile.ZipFile(io.BytesIO(file.data)) as archive:
            archive.extractall(site)
    return folder / "bin" / "python"


def write_model(
    folder: Path, *, mlmodel: str = MLMODEL, example: object = None, load: str = ""
) -> Path:
    """The model's folder.

    ``example`` replaces the one that it predicts well; ``load`` is code that runs when it loads.
    """
    folder.mkdir(parents=True)
    (folder / "MLmodel").write_text(mlmodel)
    (folder / "factor.json").write_text("3")
    if load:
        (folder / "load.py").write_text(load)
    value = {"numbers": [1, 2]} if example is None else example
    (folder / "input_example.json").write_text(json.dumps(value))
    return folder
