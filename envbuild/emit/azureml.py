"""``azureml/``: what ``az ml`` (CLI v2) needs to deploy a context. Pure: a header in, YAML out.

Sources: https://learn.microsoft.com/azure/machine-learning/reference-yaml-environment,
reference-yaml-endpoint-online, reference-yaml-deployment-managed-online,
reference-yaml-endpoint-batch, reference-yaml-deployment-batch.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from envbuild.emit.scalars import quoted, scalar
from envbuild.locking.header import Header
from envbuild.server import Probes

__all__ = ["CODE_FOLDER", "azureml_files"]

CODE_FOLDER = "azureml/code"
"""Where a batch deployment's script lies too: Azure ML uploads the whole folder it is in."""

_BATCH_CODE = f"""\
# Azure ML uploads the folder that the script is in, so it has one of its own.
code_configuration:
  code: {CODE_FOLDER.removeprefix("azureml/")}
  scoring_script: score.py
"""

_SCHEMAS = "https://azuremlschemas.azureedge.net/latest"


def azureml_files(header: Header, *, version: str) -> dict[str, str]:
    """The files by name in the context; none for a profile that is neither online nor batch.

    ``version`` names the environment's version: the same for the same image.
    """
    match header.serving.kind:
        case "online":
            texts = {
                "environment.yml": _environment(header, version),
                "endpoint.yml": _online_endpoint(header),
                "deployment.yml": _online_deployment(header, version),
            }
        case "batch":
            texts = {
                "environment.yml": _environment(header, version),
                "endpoint.yml": _batch_endpoint(header),
                "deployment.yml": _batch_deployment(header, version),
            }
        case _:
            texts = {}
    return {f"azureml/{name}": text for name, text in texts.items()}


def _environment(header: Header, version: str) -> str:
    runtime = f" ({header.runtime} runtime)" if header.runtime == "conda" else ""
    said = f"{header.model} behind {header.server}{runtime}, locked by envbuild {header.version}"
    text = f"""\
# az ml environment create -f azureml/environment.yml
#
# Azure ML builds the image from this folder. Where that has no network, use a bundle's folder, or
# build and push the image yourself and put "image: REGISTRY/NAME@sha256:…" in place of "build".
$schema: {_SCHEMAS}/environment.schema.json
name: {_environment_name(header.model)}
# Of the files that the image is made of: the same files are the same version.
version: "{version}"
description: {scalar(said)}
build:
  path: ..
  dockerfile_path: Dockerfile
"""
    serving = header.serving
    if serving.port is None or serving.probes is None:
        return text
    return text + _inference_config(serving.port, serving.probes)


def _inference_config(port: int, probes: Probes) -> str:
    routes = {
        "liveness_route": probes.liveness,
        "readiness_route": probes.readiness,
        "scoring_route": probes.scoring,
    }
    lines = ["# A deployment with an image of its own has to say where its server listens."]
    lines.append("inference_config:")
    for name, path in routes.items():
        lines += [f"  {name}:", f"    path: {scalar(path)}", f"    port: {port}"]
    return "".join(f"{line}\n" for line in lines)


def _online_endpoint(header: Header) -> str:
    return f"""\
# az ml online-endpoint create -f azureml/endpoint.yml
$schema: {_SCHEMAS}/managedOnlineEndpoint.schema.json
name: {_endpoint_name(header.model)} # unique in the region
auth_mode: key # or aad_token
# For a network without egress; callers then need a private endpoint of the workspace.
# public_network_access: disabled
"""


def _online_deployment(header: Header, version: str) -> str:
    return f"""\
# az ml online-deployment create -f azureml/deployment.yml --all-traffic
#
# The server and its script are in the image, so there is no code_configuration: nothing is
# installed or fetched when the container starts.
$schema: {_SCHEMAS}/managedOnlineDeployment.schema.json
name: blue
endpoint_name: {_endpoint_name(header.model)}
# The registered model. For a folder: {{path: ../../model, type: mlflow_model}}; nothing when the
# model is part of the image.
model: azureml:{_asset_name(header.model)}@latest
environment: azureml:{_environment_name(header.model)}:{version}
instance_type: Standard_DS3_v2 # memory for the model times the workers; see your quota
instance_count: 1
{_variables(header.serving.environment)}\
request_settings:
  request_timeout_ms: 60000 # 180000 at the most
  max_concurrent_requests_per_instance: 1 # as many as the server has workers
  max_queue_wait_ms: 5000
# Until the model is loaded the server does not answer.
liveness_probe:
  initial_delay: 600
  period: 10
  timeout: 4
  failure_threshold: 30
readiness_probe:
  initial_delay: 10
  period: 10
  timeout: 4
  failure_threshold: 60
"""


def _batch_endpoint(header: Header) -> str:
    return f"""\
# az ml batch-endpoint create -f azureml/endpoint.yml
$schema: {_SCHEMAS}/batchEndpoint.schema.json
name: {_endpoint_name(header.model)} # unique in the region
auth_mode: aad_token
"""


def _batch_deployment(header: Header, version: str) -> str:
    return f"""\
# az ml batch-deployment create -f azureml/deployment.yml --set-default
$schema: {_SCHEMAS}/modelBatchDeployment.schema.json
type: model
name: default
endpoint_name: {_endpoint_name(header.model)}
model: azureml:{_asset_name(header.model)}@latest
environment: azureml:{_environment_name(header.model)}:{version}
{_BATCH_CODE if header.serving.script else ""}\
compute: azureml:batch-cluster # a cluster of the workspace; with room for model and mini-batch
resources:
  instance_count: 1
settings:
  max_concurrency_per_instance: 1 # processes; each loads the model
  mini_batch_size: 10 # files for each call of the script
  output_action: append_row
  output_file_name: predictions.csv
  retry_settings:
    max_retries: 3
    timeout: 300 # seconds for a mini-batch
  error_threshold: -1 # a file that cannot be scored is reported, and the job goes on
  logging_level: info
{_indented(_variables(header.serving.environment))}"""


def _variables(environment: Mapping[str, str]) -> str:
    if not environment:
        return ""
    lines = [f"  {key}: {quoted(value)}\n" for key, value in sorted(environment.items())]
    return "".join(
        [
            "# As in the image; to change without building it again.\n",
            "environment_variables:\n",
            *lines,
        ]
    )


def _indented(text: str) -> str:
    return "".join(f"  {line}" for line in text.splitlines(keepends=True))


def _asset_name(name: str) -> str:
    """Azure ML: letters, digits, ``-``, ``_`` and ``.``, the first a letter or digit, up to 255."""
    made = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._")
    return made[:200] or "model"


def _environment_name(model: str) -> str:
    """``AzureML`` and ``Microsoft`` begin the names of curated environments, and of no others."""
    made = _asset_name(model)
    reserved = made.lower().startswith(("azureml", "microsoft"))
    return f"model-{made}-env" if reserved else f"{made}-env"


def _endpoint_name(name: str) -> str:
    """Azure ML: 3 to 32 letters, digits and ``-``, the first a letter, the last not a ``-``.

    In quotes where it is a word to YAML, such as ``null``.
    """
    made = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    if not made[:1].isalpha():
        made = f"model-{made}"
    made = made[:32].strip("-")
    return scalar(made if len(made) >= 3 else f"{made}-model")
