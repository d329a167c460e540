"""The online script in the real server, on every Python that a model may ask for."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from envbuild.fetch.loopback import free_port
from tests.support import scoring_oracle
from tests.support.paths import SCORING
from tests.support.scoring_environments import Environment, make_environment
from tests.support.scoring_servers import begun, running

pytestmark = pytest.mark.live

# Servers from 0.7.7 to 1.5, beside mlflow from 1.23 on, as a model's own pins may have it.
ENVIRONMENTS = {
    "3.6": ("mlflow", "azureml-inference-server-http"),
    "3.7": ("mlflow==1.30.1", "azureml-inference-server-http"),
    "3.8": (
        "mlflow-skinny==2.9.2",
        "azureml-inference-server-http==1.0.0",
        "numpy",
        "pandas",
        "setuptools<81",
    ),
    "3.9": ("mlflow-skinny<3", "azureml-inference-server-http", "numpy", "pandas"),
    "3.12": ("mlflow-skinny", "azureml-inference-server-http>=1.5", "numpy", "pandas"),
    "3.13": ("mlflow-skinny", "azureml-inference-server-http>=1.5", "numpy", "pandas"),
}

PREDICT = """
def predict(self, context, data):
    if (data["text"] == "fail").any():
        raise KeyError("sec" + "ret")
    return (data["real"] + data["whole"]).values
"""
SIGNATURE = [
    {"type": "double", "name": "real"},
    {"type": "long", "name": "whole"},
    {"type": "string", "name": "text"},
]


@pytest.fixture(scope="module", params=ENVIRONMENTS)
def environment(
    request: pytest.FixtureRequest,
    interpreter: Callable[[str], Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Environment:
    """The environment of one Python, with a model."""
    minor = request.param
    root = tmp_path_factory.mktemp(f"python{minor}")
    made = make_environment(root, interpreter(minor), ENVIRONMENTS[minor])
    made.save_model("model", SIGNATURE, PREDICT)
    return made


@dataclass(frozen=True)
class Server:
    """A server that answers; ``log`` has its output."""

    url: str
    log: Path
    folder: Path

    def ask(
        self, body: bytes | None, path: str = "/score", content_type: str = "application/json"
    ) -> tuple[int, object]:
        headers = {"Content-Type": content_type}
        request = urllib.request.Request(self.url + path, data=body, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())


@pytest.fixture(scope="module")
def server(environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("app")
    port = free_port("127.0.0.1")
    argv = server_command(environment, folder, environment.folder, port)
    (folder / "swagger3.json").write_text('{"swagger": "2.0", "info": {"title": "ours"}}')
    limit = {"ENVBUILD_MAX_REQUEST_BYTES": "100000"}
    with running(argv, folder, environment, port=port, **limit):
        yield Server(url=f"http://127.0.0.1:{port}", log=folder / "log", folder=folder)


def server_command(environment: Environment, folder: Path, models: Path, port: int) -> list[str]:
    """The server with the script in ``folder``."""
    (folder / "score.py").write_bytes((SCORING / "online.py").read_bytes())
    argv = ["--entry_script", "score.py", "--model_dir", str(models), "--port", str(port)]
    return [str(environment.bin / "azmlinfsrv"), *argv]


def test_the_script_and_this_mlflow_agree_on_random_requests(environment: Environment) -> None:
    oracle = str(Path(scoring_oracle.__file__))
    done = environment.run(oracle, str(SCORING / "online.py"), "--cases", "3000", "--seed", "1")
    assert done.stdout == "3000 cases, 0 disagreements\n", done.stderr


def test_the_start_leaves_nothing_beside_the_script(server: Server) -> None:
    made = {path.name for path in server.folder.iterdir()} - {"__pycache__", "logs"}
    assert made == {"log", "score.py", "swagger3.json"}
    assert "tracing" not in server.log.read_text()


def test_predictions_come_as_bare_json(server: Server) -> None:
    rows = b'[["x", 1, 2], [null, NaN, 3]]'
    table = b'{"columns": ["text", "real", "whole"], "index": [0, 1], "data": %s}' % rows
    assert server.ask(b'{"input_data": %s}' % table) == (200, [3.0, None])


@pytest.mark.parametrize(
    "data",
    [
        {"dataframe_split": {"columns": ["real", "whole", "text"], "data": [[0.5, 1, "x"]]}},
        {"dataframe_records": [{"real": 0.5, "whole": 1, "text": "x"}]},
        {"instances": [{"real": 0.5, "whole": 1, "text": "x", "extra": 1}]},
        {"inputs": {"real": [0.5], "whole": [1], "text": ["x"]}},
        {"input_data": [[0.5, 1, "x"]], "params": {"unknown": 1}},
    ],
)
def test_every_layout_is_scored(server: Server, data: object) -> None:
    assert server.ask(json.dumps(data).encode()) == (200, [1.5])


def test_a_misfit_is_told_by_field_and_row(server: Server) -> None:
    status, answer = server.ask(
        b'{"input_data": [{"real": 1, "whole": 2.5, "text": "secret"}, {"real": "secret"}]}'
    )
    assert status == 400
    assert isinstance(answer, dict)
    assert answer["error"]["problems"] == [
        {"field": "real", "row": 1, "expected": "double", "received": "string"},
        {"field": "whole", "row": 0, "expected": "long", "received": "number"},
        {"field": "whole", "row": 1, "expected": "long", "received": "nothing"},
        {"field": "text", "row": 1, "expected": "string", "received": "nothing"},
    ]
    assert "secret" not in server.log.read_text()


def test_a_failure_of_the_model_is_found_in_the_log_by_its_id(server: Server) -> None:
    status, answer = server.ask(b'{"input_data": [[1, 1, "fail"]]}')
    assert status == 500
    assert isinstance(answer, dict)
    assert f"score: error {answer['error']['id']}: KeyError\n" in server.log.read_text()
    assert "secret" not in json.dumps(answer)
    assert "secret" not in server.log.read_text()


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"", "application/json", 400),
        (b"[1]", "application/json", 400),
        (b"[" * 50_000, "application/json", 400),
        (b"a,b\n1,2\n", "text/csv", 415),
        (b" " * 100_001, "application/json", 413),
        (None, "application/json", 405),
    ],
    ids=["cut", "empty", "list", "deep", "csv", "large", "get"],
)
def test_a_bad_request_has_its_own_status(
    server: Server, body: bytes | None, content_type: str, status: int
) -> None:
    assert server.ask(body, content_type=content_type)[0] == status


def test_a_request_in_pieces_is_scored_and_bounded(server: Server) -> None:
    host = server.url.removeprefix("http://")
    for piece, wanted in ((b'{"input_data": [[1, 1, "x"]]}', b" 200 "), (b" " * 100_001, b" 413 ")):
        head = (
            f"POST /score HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
            "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", int(host.partition(":")[2])), 60) as connection:
            connection.sendall(head.encode() + b"%x\r\n%s\r\n0\r\n\r\n" % (len(piece), piece))
            assert wanted in connection.recv(4096).partition(b"\r\n")[0] + b" "


def test_the_description_is_that_of_the_model_and_its_example_is_scored(server: Server) -> None:
    status, description = server.ask(None, "/swagger.json")
    assert status == 200
    assert isinstance(description, dict)
    described = description["definitions"]["ServiceInput"]
    records = described["properties"]["input_data"]["items"]
    assert list(records["properties"]) == ["real", "whole", "text"]
    assert server.ask(json.dumps(described["example"]).encode()) == (200, [1.5])


def test_a_description_beside_the_script_is_served_instead(server: Server) -> None:
    wanted = {"swagger": "2.0", "info": {"title": "ours"}}
    assert server.ask(None, "/swagger.json?version=3") == (200, wanted)


def test_a_server_without_a_model_says_so_and_ends(
    environment: Environment, tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    argv = server_command(environment, tmp_path, empty, free_port("127.0.0.1"))
    with begun(argv, tmp_path, environment) as process:
        assert process.wait(timeout=120) != 0
    places = f"{empty}, /opt/model"
    line = f"score: cannot load the model: LookupError: no MLmodel file in or below {places}\n"
    assert line in (tmp_path / "log").read_text()
