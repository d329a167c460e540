"""The steps in their order, for an image: its own environment, its own command, no network."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from envbuild.ambient import Ambient
from envbuild.emit.dockerfile import MODEL_FOLDER
from envbuild.errors import ImageError, ModelError
from envbuild.image.container import Container, running
from envbuild.image.engine import connect, engine_errors
from envbuild.locking.header import Serving
from envbuild.model import Model, read_model
from envbuild.reporter import Reporter
from envbuild.server import BUILT_IN, load_profile
from envbuild.verification import environment
from envbuild.verification import serving as server
from envbuild.verification.bench import Bench
from envbuild.verification.imports import STEP as IMPORTS
from envbuild.verification.ledger import Ledger
from envbuild.verification.prediction import missing_weights
from envbuild.verification.report import Report, StepResult, failed, passed, skipped
from envbuild.verification.room import NO_NETWORK
from envbuild.verification.sandbox import PROBES, judge
from envbuild.verification.work import Subject, ask, batch, predict

if TYPE_CHECKING:
    from docker import DockerClient

__all__ = ["ImageSession"]

_SERVER_LABEL = "io.envbuild.server"
_PROBES = "/opt/envbuild-probes"
_APP = "/app"
_EXAMPLE = "/opt/envbuild-example.csv"
_LOG_LINES = 40
_PYTHON = "python"
# The image's own variables count; a user may not write byte code, and root shall not.
_ENV = {"PYTHONDONTWRITEBYTECODE": "1"}
_NO_MODEL = f"there is no model in the image at {MODEL_FOLDER}; try: --model DIR"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSession:
    """One verification of ``image``; ``model`` is copied in, or None."""

    image: str
    model: Model | None
    ambient: Ambient
    progress: Reporter

    def report(self) -> Report:
        """Run every step, those of the environment in one container, the server in another.

        Raises:
            MissingExtraError: docker-py is not installed.
            ImageError: no engine answers, or it has no such image.
            ModelError: the MLmodel in the image is broken.
        """
        client = connect(self.ambient.environ)
        serving = self._serving(client)
        ledger = Ledger(self.progress)
        with tempfile.TemporaryDirectory(prefix="envbuild-verify-") as scratch:
            with running(client, self.image, files=self._files()) as container:
                subject = self._subject(container, serving, Path(scratch))
                self._look_around(ledger, container, subject)
            if serving.kind != "batch" and serving.probes is not None:
                self._serve(ledger, client, subject)
        return Report(
            target=self.image,
            kind="image",
            isolation="docker run --network none",
            steps=ledger.steps,
        )

    def _files(self) -> Mapping[str, Path]:
        model = {MODEL_FOLDER: self.model.path} if self.model is not None else {}
        return {_PROBES: PROBES, **model}

    def _serving(self, client: DockerClient) -> Serving:
        """How the image serves, if it was built for a profile that is known here."""
        from docker.errors import ImageNotFound

        with engine_errors(f"cannot inspect {self.image}"):
            try:
                labels = client.images.get(self.image).labels
            except ImageNotFound as error:
                raise ImageError(
                    "the engine has no such image",
                    where=self.image,
                    remedy=f"envbuild build CONTEXT -t {self.image}",
                ) from error
        name = labels.get(_SERVER_LABEL, "")
        if name not in BUILT_IN:
            return Serving()
        profile = load_profile(name)
        return Serving(
            kind=profile.kind, port=profile.port, probes=profile.probes, script="score.py"
        )

    def _subject(self, container: Container, serving: Serving, scratch: Path) -> Subject:
        if self.model is not None:
            reason = missing_weights(self.model)
            if reason:
                return Subject(serving=serving, no_model=reason)
            return Subject(serving=serving, model=self.model, path=MODEL_FOLDER)
        baked = self._baked_in(container, scratch / "model")
        if baked is None:
            return Subject(serving=serving, no_model=_NO_MODEL)
        return Subject(serving=serving, model=baked, path=MODEL_FOLDER)

    def _baked_in(self, container: Container, folder: Path) -> Model | None:
        """The model of the image, as far as its description and example go."""
        text = container.read(f"{MODEL_FOLDER}/MLmodel")
        if text is None:
            return None
        folder.mkdir()
        (folder / "MLmodel").write_bytes(text)
        try:
            model = read_model(folder, ambient=self.ambient)
        except ModelError as error:
            where = f"{self.image}: {MODEL_FOLDER}"
            raise ModelError(error.problem, where=where, details=error.details) from error
        saved = model.input_example
        for name in (saved.path, saved.serving_path) if saved else ():
            data = container.read(f"{MODEL_FOLDER}/{name}") if name else None
            if data is not None:
                inside = folder / name
                inside.parent.mkdir(parents=True, exist_ok=True)
                inside.write_bytes(data)
        return model

    def _look_around(self, ledger: Ledger, container: Container, subject: Subject) -> None:
        bench = _bench(container)
        ledger.need(
            NO_NETWORK,
            lambda: _isolation(bench),
            otherwise="the container is not isolated from the network",
        )
        ledger.run(environment.CHECK, lambda: environment.check_dependencies(bench))
        ledger.run(IMPORTS, lambda: environment.import_everything(bench))
        predict(ledger, bench, subject)
        if subject.serving.kind == "batch":
            ledger.run(server.BATCH, lambda: _batch(container, bench, subject))

    def _serve(self, ledger: Ledger, client: DockerClient, subject: Subject) -> None:
        if ledger.blocked:
            ledger.run(server.STEPS, tuple)
            return
        with running(client, self.image, own_command=True, files=self._files()) as container:
            ledger.run(server.STEPS, lambda: _online(container, subject))


def _bench(container: Container) -> Bench:
    return Bench(sandbox=container, env=_ENV, python=_PYTHON, probes=_PROBES)


def _isolation(bench: Bench) -> StepResult:
    verdict = judge(bench.sandbox, bench.env, python=bench.python, probes=bench.probes)
    return (passed if verdict.isolated else failed)(NO_NETWORK, verdict.reason)


def _batch(container: Container, bench: Bench, subject: Subject) -> StepResult:
    def save(text: str) -> str:
        container.write(_EXAMPLE, text.encode())
        return _EXAMPLE

    script = f"{_APP}/{subject.serving.script}"
    return batch(bench, subject, script=script, save=save)


def _online(container: Container, subject: Subject) -> tuple[StepResult, ...]:
    """Ask the server that the image started; its log is the container's."""
    port = subject.serving.port
    if port is None:
        return tuple(skipped(name, "the profile has no port") for name in server.STEPS)
    results = ask(_bench(container), subject, port)
    log = tuple(container.logs().splitlines()[-_LOG_LINES:])
    return tuple(
        replace(step, details=(*step.details, *log)) if step.outcome == "failed" else step
        for step in results
    )
