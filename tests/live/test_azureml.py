"""Azure's own SDK reads the Azure ML files: what ``az ml`` would do before it sends anything."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.environments import scrubbed
from tests.support.goldens import CASES

# Loads the three files of a context and prints what the SDK understood.
PROGRAM = """
import json, sys, warnings
warnings.simplefilter("ignore")
from azure.ai.ml import load_batch_endpoint, load_environment
from azure.ai.ml import load_online_deployment, load_online_endpoint
# What the command line calls for "type: model"; the public function only reads the older form.
from azure.ai.ml.entities._load_functions import load_model_batch_deployment
folder, kind = sys.argv[1:]
online = kind == "online"
environment = load_environment(f"{folder}/environment.yml")
endpoint = (load_online_endpoint if online else load_batch_endpoint)(f"{folder}/endpoint.yml")
load = load_online_deployment if online else load_model_batch_deployment
deployment = load(f"{folder}/deployment.yml")
def told(thing, *names):
    return thing and {name: getattr(thing, name) for name in names}

def of_online():
    probe = ("initial_delay", "period", "timeout", "failure_threshold")
    settings = deployment.request_settings
    return {
        "liveness": told(deployment.liveness_probe, *probe),
        "readiness": told(deployment.readiness_probe, *probe),
        "requests": told(
            settings,
            "request_timeout_ms", "max_concurrent_requests_per_instance", "max_queue_wait_ms",
        ),
        "instances": [deployment.instance_type, deployment.instance_count],
        "auth": endpoint.auth_mode,
    }

def of_batch():
    settings = deployment.settings
    return {
        "compute": deployment.compute,
        "instances": deployment.resources.instance_count,
        "retries": told(settings.retry_settings, "max_retries", "timeout"),
        "settings": told(
            settings,
            "mini_batch_size", "max_concurrency_per_instance", "output_file_name",
            "error_threshold",
        ),
        "output": str(settings.output_action),
        "auth": endpoint.auth_mode,
    }

print(json.dumps({
    "serving": of_online() if online else of_batch(),
    "types": [type(each).__name__ for each in (environment, endpoint, deployment)],
    "environment": [environment.name, environment.version],
    "build": [str(environment.path), environment.build.dockerfile_path],
    "inference_config": environment.inference_config and {
        name: {"path": route.path, "port": route.port}
        for name, route in environment.inference_config.items()
    },
    "endpoint": [endpoint.name, deployment.endpoint_name],
    "deployment": [deployment.model, deployment.environment],
    "code": [deployment.code_configuration.code, deployment.code_configuration.scoring_script]
    if deployment.code_configuration else None,
    "variables": dict(
        deployment.environment_variables if online else deployment.settings.environment_variables
    ),
}))
"""


@pytest.fixture(scope="session")
def azure_python(
    interpreter: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A Python that has azure-ai-ml."""
    folder = tmp_path_factory.mktemp("azure") / "venv"
    uv = (str(Path(sys.executable).parent / "uv"), "--no-config", "--quiet")
    python = folder / "bin" / "python"
    subprocess.run([*uv, "venv", "--python", interpreter("3.11"), folder], check=True)
    subprocess.run(
        [*uv, "pip", "install", "--python", python, "azure-ai-ml"], check=True, env=scrubbed()
    )
    return python


def understood(python: Path, folder: Path, kind: str) -> dict[str, Any]:
    done = subprocess.run(
        [python, "-c", PROGRAM, folder / "azureml", kind],
        env=scrubbed(HOME=str(folder)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_azure_understands_an_online_deployment(azure_python: Path, tmp_path: Path) -> None:
    context = CASES["seed"](tmp_path).write(tmp_path / "env")

    found = understood(azure_python, context.path, "online")

    version = found["environment"][1]
    route = {"path": "/", "port": 5001}
    assert len(version) == 12
    assert found == {
        "types": ["Environment", "ManagedOnlineEndpoint", "ManagedOnlineDeployment"],
        "environment": ["seed-env", version],
        "build": [str(context.path), "Dockerfile"],
        "inference_config": {
            "livenessRoute": route,
            "readinessRoute": route,
            "scoringRoute": {"path": "/score", "port": 5001},
        },
        "endpoint": ["seed", "seed"],
        "deployment": ["seed@latest", f"seed-env:{version}"],
        "code": None,
        "variables": {"AML_APP_ROOT": "/app", "WORKER_COUNT": "1"},
        # In seconds, but for the requests.
        "serving": {
            "liveness": {"initial_delay": 600, "period": 10, "timeout": 4, "failure_threshold": 30},
            "readiness": {"initial_delay": 10, "period": 10, "timeout": 4, "failure_threshold": 60},
            "requests": {
                "request_timeout_ms": 60000,
                "max_concurrent_requests_per_instance": 1,
                "max_queue_wait_ms": 5000,
            },
            "instances": ["Standard_DS3_v2", 1],
            "auth": "key",
        },
    }


def test_azure_understands_a_batch_deployment(azure_python: Path, tmp_path: Path) -> None:
    context = CASES["batch"](tmp_path).write(tmp_path / "env")

    found = understood(azure_python, context.path, "batch")

    version = found["environment"][1]
    assert found == {
        "types": ["Environment", "BatchEndpoint", "ModelBatchDeployment"],
        "environment": ["Churn-monthly-env", version],
        "build": [str(context.path), "Dockerfile"],
        "inference_config": None,
        "endpoint": ["churn-monthly", "churn-monthly"],
        "deployment": ["Churn-monthly@latest", f"Churn-monthly-env:{version}"],
        "code": ["code", "score.py"],
        "variables": {"MLFLOW_DISABLE_TELEMETRY": "true"},
        "serving": {
            "compute": "batch-cluster",
            "instances": 1,
            "retries": {"max_retries": 3, "timeout": 300},
            "settings": {
                "mini_batch_size": 10,
                "max_concurrency_per_instance": 1,
                "output_file_name": "predictions.csv",
                "error_threshold": -1,
            },
            "output": "append_row",
            "auth": "aad_token",
        },
    }
