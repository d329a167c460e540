"""The environment that tests give to programs: this machine's, less what configures pip and uv."""

from __future__ import annotations

import os

__all__ = ["scrubbed"]

_AMBIENT = ("PIP_", "UV_", "CONDA_", "MLFLOW_", "AZUREML_", "ENVBUILD_", "PYTHON", "VIRTUAL_ENV")


def scrubbed(**extra: str) -> dict[str, str]:
    """A copy of the environment without ambient configuration, with ``extra`` on top."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_AMBIENT)}
    return kept | {"PIP_CONFIG_FILE": os.devnull} | extra
