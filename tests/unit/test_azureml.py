"""Azure ML files: names that Azure takes, values that stay strings. Whole ones are golden files."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from envbuild.emit.azureml import azureml_files
from envbuild.locking.header import Header, Serving
from tests.unit.test_header import HEADER


def parsed(header: Header) -> dict[str, Any]:
    files = azureml_files(header, version="0123456789ab")
    return {name: yaml.safe_load(text) for name, text in files.items()}


def serving(kind: str, **values: Any) -> Header:
    return replace(HEADER, serving=replace(HEADER.serving, kind=kind, **values))


def test_a_profile_without_a_deployment_has_no_files() -> None:
    assert azureml_files(replace(HEADER, serving=Serving()), version="1") == {}


def test_the_environment_has_the_routes_of_the_profile() -> None:
    environment = parsed(HEADER)["azureml/environment.yml"]

    assert environment["inference_config"] == {
        "liveness_route": {"path": "/", "port": 5001},
        "readiness_route": {"path": "/ready", "port": 5001},
        "scoring_route": {"path": "/score", "port": 5001},
    }
    assert environment["build"] == {"path": "..", "dockerfile_path": "Dockerfile"}


def test_without_a_port_there_are_no_routes() -> None:
    for header in (serving("online", port=None), serving("online", probes=None)):
        assert "inference_config" not in parsed(header)["azureml/environment.yml"]


@pytest.mark.parametrize("kind", ["online", "batch"])
def test_the_deployment_names_the_endpoint_and_this_version_of_the_environment(kind: str) -> None:
    files = parsed(serving(kind))
    deployment, environment = files["azureml/deployment.yml"], files["azureml/environment.yml"]

    assert deployment["endpoint_name"] == files["azureml/endpoint.yml"]["name"] == "seed"
    assert deployment["environment"] == "azureml:seed-env:0123456789ab"
    assert (environment["name"], environment["version"]) == ("seed-env", "0123456789ab")


def test_a_version_of_digits_stays_a_string() -> None:
    text = azureml_files(HEADER, version="123456789012")["azureml/environment.yml"]

    assert yaml.safe_load(text)["version"] == "123456789012"


def test_variables_stay_strings_and_can_be_left_out() -> None:
    values = {"B": "1", "A": "true", "C": 'quo"ted: yes'}

    online = parsed(serving("online", environment=values))["azureml/deployment.yml"]
    batch = parsed(serving("batch", environment=values))["azureml/deployment.yml"]
    neither = parsed(serving("online", environment={}))["azureml/deployment.yml"]

    assert online["environment_variables"] == values
    assert batch["settings"]["environment_variables"] == values
    assert "environment_variables" not in neither


def test_a_batch_profile_without_a_script_leaves_it_to_azure() -> None:
    assert "code_configuration" not in parsed(serving("batch", script=""))["azureml/deployment.yml"]


@pytest.mark.parametrize(
    ("model", "asset", "endpoint"),
    [
        ("iris", "iris", "iris"),
        ("Iris Flowers (2)", "Iris-Flowers-2", "iris-flowers-2"),
        ("3d", "3d", "model-3d"),
        ("a", "a", "a-model"),
        ("模型", "model", "model"),
        ("_x_", "x", "x-model"),
        ("x" * 300, "x" * 200, "x" * 32),
        ("x" * 31 + "-y", "x" * 31 + "-y", "x" * 31),
    ],
)
def test_names_are_made_to_fit(model: str, asset: str, endpoint: str) -> None:
    files = parsed(replace(HEADER, model=model))

    assert files["azureml/environment.yml"]["name"] == f"{asset}-env"
    assert files["azureml/deployment.yml"]["model"] == f"azureml:{asset}@latest"
    assert files["azureml/endpoint.yml"]["name"] == endpoint


@pytest.mark.parametrize("model", ["AzureML-iris", "azureml_iris", "Microsoft.iris"])
def test_an_environment_is_not_called_as_only_curated_ones_may_be(model: str) -> None:
    files = parsed(replace(HEADER, model=model))

    assert files["azureml/environment.yml"]["name"] == f"model-{model}-env"
    deployment = files["azureml/deployment.yml"]
    assert deployment["environment"] == f"azureml:model-{model}-env:0123456789ab"
    assert deployment["model"] == f"azureml:{model}@latest"


@given(st.text())
def test_any_name_gives_files_that_can_be_read(model: str) -> None:
    files = parsed(replace(HEADER, model=model))

    assert re.fullmatch(r"[a-z][a-z0-9-]{1,30}[a-z0-9]", files["azureml/endpoint.yml"]["name"])
    assert re.fullmatch(r"[A-Za-z0-9][\w.-]*-env", files["azureml/environment.yml"]["name"])
