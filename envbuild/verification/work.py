"""The steps that need a model: it loads, predicts, and is served, online or in batches."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from envbuild.emit.dockerfile import MODEL_FOLDER
from envbuild.locking.header import Serving
from envbuild.model import Model
from envbuild.verification import serving as server
from envbuild.verification.bench import Bench
from envbuild.verification.examples import Example, NoExample, find_example
from envbuild.verification.ledger import Ledger
from envbuild.verification.prediction import LOAD, PREDICT, load_and_predict
from envbuild.verification.report import StepResult, skipped
from envbuild.verification.serving import Start

__all__ = ["Place", "Subject", "ask", "batch", "predict", "serve", "steps_for"]

# Where an image has what a command or variable of a profile may name.
_IMAGE_VENV = "/opt/venv"
_IMAGE_PREFIX = "/opt/env"
_IMAGE_APP = "/app"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The model and how it is served.

    ``model`` is None where there is nothing to load, and ``no_model`` says why; ``path`` is its
    folder as seen inside the sandbox. ``mlflow`` is the locked version, empty if not known.
    """

    serving: Serving
    model: Model | None = None
    no_model: str = ""
    path: str = ""
    mlflow: str = ""

    @property
    def example(self) -> Example | NoExample:
        """What the model is asked."""
        return find_example(self.model) if self.model else NoExample(reason=self.no_model)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where this machine has what an image has at fixed places; ``app`` holds the script."""

    app: Path
    venv: Path

    def localize(self, text: str, subject: Subject) -> str:
        """A part of a command or a variable, with the paths of this machine and ``{port}``."""
        moves = {
            MODEL_FOLDER: subject.path,
            _IMAGE_VENV: str(self.venv),
            _IMAGE_PREFIX: str(self.venv),
            _IMAGE_APP: str(self.app),
        }
        for old, new in moves.items():
            text = new.join(re.split(rf"(?<![\w./-]){re.escape(old)}(?![\w.-])", text))
        port = subject.serving.port
        return text if port is None else re.sub(rf"(?<!\d){port}(?!\d)", "{port}", text)


def steps_for(serving: Serving) -> tuple[str, ...]:
    """The names of the steps, in order."""
    if serving.kind == "batch":
        return LOAD, PREDICT, server.BATCH
    if serving.probes is not None:
        return (LOAD, PREDICT, *server.STEPS)
    return LOAD, PREDICT


def predict(ledger: Ledger, bench: Bench, subject: Subject) -> None:
    """Load the model and let it predict; where it does not load, the rest is skipped."""
    model = subject.model
    if model is None:
        ledger.block(subject.no_model)
        ledger.run((LOAD, PREDICT), tuple)
        return
    example = subject.example
    ledger.run((LOAD, PREDICT), lambda: load_and_predict(bench, model, subject.path, example))
    if ledger.outcome(LOAD) == "failed":
        ledger.block("the model does not load")


def serve(ledger: Ledger, bench: Bench, subject: Subject, place: Place) -> None:
    """Start the profile's server, or run its batch script, in an environment of this machine."""
    if subject.serving.kind == "batch":

        def save(text: str) -> str:
            file = place.app / "example.csv"
            file.write_text(text, "utf-8")
            return str(file)

        inside = bench.with_variables(_variables(subject, place))
        script = str(place.app / subject.serving.script)
        ledger.run(server.BATCH, lambda: batch(inside, subject, script=script, save=save))
    elif subject.serving.probes is not None:
        ledger.run(server.STEPS, lambda: _online(bench, subject, place))


def _online(bench: Bench, subject: Subject, place: Place) -> tuple[StepResult, ...]:
    serving = subject.serving
    if not serving.command:
        reason = "the profile has no command to start its server with"
        return tuple(skipped(name, reason) for name in server.STEPS)
    start = Start(
        command=tuple(place.localize(part, subject) for part in serving.command),
        environment=_variables(subject, place),
        cwd=str(place.app),
    )
    return ask(bench, subject, start)


def ask(bench: Bench, subject: Subject, how: Start | int) -> tuple[StepResult, ...]:
    """Ask a server that is started, or one that runs at a port, and judge its answers."""
    probes = subject.serving.probes
    if probes is None:
        return ()
    example = subject.example
    requests = server.requests_for(probes, subject.model, example, mlflow=subject.mlflow)
    return server.serve(bench, how, ready=probes.readiness, requests=requests, example=example)


def batch(bench: Bench, subject: Subject, *, script: str, save: Callable[[str], str]) -> StepResult:
    """Let a batch script score the example; ``save`` puts a csv file where it can be read."""
    example = subject.example
    table = server.batch_table(example)
    if isinstance(table, NoExample):
        return skipped(server.BATCH, table.reason)
    return server.run_batch(
        bench, script=script, file=save(table.text), rows=table.rows, origin=table.origin
    )


def _variables(subject: Subject, place: Place) -> Mapping[str, str]:
    own = {
        name: place.localize(value, subject) for name, value in subject.serving.environment.items()
    }
    return {**own, "AZUREML_MODEL_DIR": subject.path}
