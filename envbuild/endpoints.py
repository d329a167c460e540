"""What is known of servers without reading a profile, so that a check need not import the rest."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BUILT_IN", "Probes"]

BUILT_IN = ("azureml-online", "azureml-batch", "mlflow", "none")
"""The names of the profiles that come with envbuild."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probes:
    """HTTP paths of the server on its port."""

    liveness: str
    readiness: str
    scoring: str
