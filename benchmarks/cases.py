"""What is locked: four models, from a handful of pins to a frozen environment."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["CASES", "Case"]

_ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A model, the Python it asks for, and the server it is locked for."""

    name: str
    model: Path
    python: str
    server: str
    summary: str
    slow_for_pip_compile: bool = True

    @property
    def minor(self) -> str:
        return ".".join(self.python.split(".")[:2])


CASES = (
    Case(
        name="few",
        model=_ROOT / "benchmarks/models/few",
        python="3.11.7",
        server="none",
        summary="4 pins and no server",
        slow_for_pip_compile=False,
    ),
    Case(
        name="seed",
        model=_ROOT / "fixtures/models/seed",
        python="3.7.11",
        server="azureml-online",
        summary="a model of 2022: mlflow unpinned, 3 pins",
    ),
    Case(
        name="logged",
        model=_ROOT / "benchmarks/models/logged",
        python="3.11.7",
        server="azureml-online",
        summary="what MLflow 2.9 logs: 7 pins, which exclude today's server",
    ),
    Case(
        name="frozen",
        model=_ROOT / "benchmarks/models/frozen",
        python="3.11.7",
        server="azureml-online",
        summary="the 85 pins of a pip freeze",
    ),
)
