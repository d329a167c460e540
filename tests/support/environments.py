"""What tests give to programs, and what is left of them."""

from __future__ import annotations

import os
import time
from pathlib import Path

__all__ = ["running", "scrubbed"]

_AMBIENT = ("PIP_", "UV_", "CONDA_", "MLFLOW_", "AZUREML_", "ENVBUILD_", "PYTHON", "VIRTUAL_ENV")


def scrubbed(**extra: str) -> dict[str, str]:
    """A copy of the environment without ambient configuration, with ``extra`` on top."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_AMBIENT)}
    return kept | {"PIP_CONFIG_FILE": os.devnull} | extra


def running(argument: str, *, patience: float, wanted: bool = True) -> bool:
    """Whether a process with ``argument`` runs; waits a while for that to be as ``wanted``."""
    deadline = time.monotonic() + patience
    while (found := _is_running(argument)) != wanted and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def _is_running(argument: str) -> bool:
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if argument.encode() in entry.read_bytes().split(b"\0"):
                return True
        except OSError:
            continue  # it has ended
    return False
