"""Registered models of a real MLflow server, through mlflow-skinny."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from envbuild.ambient import Ambient
from envbuild.errors import IndexUnavailableError, ModelError
from envbuild.fleet.sources import gather
from envbuild.model import read_model
from envbuild.spec import parse_environment
from tests.support.mlflow_server import Logged, MlflowServer, mlflow_server

# mlflow-skinny warns of what it likes; that is no business of these tests.
pytestmark = pytest.mark.filterwarnings("ignore")

FETCHED = [
    "MLmodel",
    "code/toy-1.0-py3-none-any.whl",
    "conda.yaml",
    "constraints.txt",
    "input_example.json",
    "python_env.yaml",
    "requirements.txt",
    "serving_input_example.json",
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    with mlflow_server(tmp_path_factory.mktemp("mlflow")) as server:
        yield server


@pytest.fixture(scope="module")
def logged(server: MlflowServer) -> Logged:
    return server.log_model()


@pytest.fixture
def ambient(server: MlflowServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ambient:
    """A user who has set up mlflow for this server."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url)
    monkeypatch.setenv("ENVBUILD_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return Ambient.of_process()


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("models:/wine quality/1", "wine-quality"),
        ("models:/wine quality/latest", "wine-quality"),
        ("models:/wine quality@best", "wine-quality"),
        ("models:/{model}", "{model}"),
        ("runs:/{run}/model", "model"),
        ("mlflow-artifacts:/0/models/{model}/artifacts", "artifacts"),
        ("{url}/api/2.0/mlflow-artifacts/artifacts/0/models/{model}/artifacts", "artifacts"),
    ],
)
def test_a_model_is_read_under_each_of_its_addresses(
    server: MlflowServer, logged: Logged, ambient: Ambient, uri: str, name: str
) -> None:
    known = {"model": logged.model, "run": logged.run, "url": server.url}

    model = read_model(uri.format(**known), ambient=ambient)
    spec = parse_environment(model)

    found = (path.relative_to(model.path).as_posix() for path in model.path.rglob("*.*"))
    assert sorted({*found, "MLmodel"}) == FETCHED
    assert (model.path / "code/toy-1.0-py3-none-any.whl").read_bytes() == b"a wheel"
    assert model.name == name.format(**known)
    assert model.partial
    assert model.notices == ()
    assert [entry.pep508() for entry in spec.pip] == [
        "mlflow-skinny",
        "toy @ ./code/toy-1.0-py3-none-any.whl",
    ]
    assert [entry.pep508() for entry in spec.constraints] == ["numpy<3"]
    assert model.signature is not None
    assert model.signature.inputs is not None
    assert [field.name for field in model.signature.inputs] == ["acidity"]


@pytest.mark.parametrize(
    ("uri", "problem"),
    [
        ("models:/wine quality/7", "Model Version (name=wine quality, version=7) not found"),
        ("models:/beer/1", "Registered Model with name=beer not found"),
        ("nowhere:/x", "Could not find a registered artifact repository for: nowhere:/x"),
    ],
)
def test_what_the_server_does_not_have_is_said_in_its_words(
    logged: Logged, ambient: Ambient, uri: str, problem: str
) -> None:
    with pytest.raises(IndexUnavailableError) as caught:
        read_model(uri, ambient=ambient)

    assert str(caught.value).startswith(f"{uri}: the model registry cannot give it: ")
    assert problem in str(caught.value)


def test_an_address_without_a_model_is_said_with_what_is_there(
    logged: Logged, ambient: Ambient
) -> None:
    uri = f"mlflow-artifacts:/0/models/{logged.model}/artifacts/code"

    with pytest.raises(ModelError) as caught:
        read_model(uri, ambient=ambient)

    assert str(caught.value) == (
        f"{uri}: not an MLflow model: no file MLmodel there\n"
        "  there is: helper, toy-1.0-py3-none-any.whl\n"
        "  try: the URI of the folder that holds MLmodel"
    )


def test_a_server_that_is_down_is_said_without_the_password(
    ambient: Ambient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://reader:hunter2@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")

    with pytest.raises(IndexUnavailableError) as caught:
        read_model("models:/wine quality/1", ambient=ambient)

    assert "http://****:****@127.0.0.1:9/" in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.usefixtures("logged")
def test_a_fleet_has_every_registered_model(ambient: Ambient) -> None:
    found = gather(["models:/"], ambient=ambient, output=Path("contexts"))

    assert [(source.name, source.address) for source in found] == [
        ("wine-quality-1", "models:/wine quality/1")
    ]
    assert read_model(found[0].address, ambient=ambient).name == "wine-quality"
