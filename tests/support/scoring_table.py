"""The page that says how every request is answered by every server.

    python -m tests.support.scoring_table

makes the environments in a temporary folder, asks, and writes ``docs/reference/scoring-table.md``.
Everything is pinned, and the index read as of a day, so that the page changes only when answers do.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from tests.support.interpreters import find_interpreter
from tests.support.paths import ROOT
from tests.support.scoring_environments import Environment, make_environment
from tests.support.scoring_models import MODELS, Request
from tests.support.scoring_requests import REQUESTS
from tests.support.scoring_servers import Server, azure_server, mlflow_app

__all__ = ["PAGE", "Answer", "Asked", "ask_all", "page"]

PAGE = ROOT / "docs" / "reference" / "scoring-table.md"
_AS_OF = "2026-11-20"
_OURS, _THEIRS = 240, 120  # characters shown of a body
_HEAD = """# Requests and answers

How the online [scoring script](scoring.md) answers good and bad requests, on an old and a new
Azure ML server, beside MLflow's own server with the same models. Written by
`python -m tests.support.scoring_table`, which asks real servers; the requests are in
[scoring_requests.py](../../tests/support/scoring_requests.py), the models in
[scoring_models.py](../../tests/support/scoring_models.py).

- *old*: azureml-inference-server-http 0.8.4.2, mlflow 1.30.1, Python 3.7. It knows neither params
  nor nested types nor optional columns; such models are not asked there: -.
- *new*: azureml-inference-server-http 1.5.1, mlflow 3.17.2, Python 3.12.
- *MLflow*: MLflow's own server 3.17.2, Python 3.12, asked with the same data under its own keys;
  - where it has none.

MLflow's server answers 400 for every failure, that of a model too. Bodies are shortened, and ids
are left out. The last column says why the verdict on a request is not MLflow's.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a server said."""

    status: int
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request and its answers; None where it could not be asked."""

    request: Request
    old: Answer | None
    new: Answer
    mlflow: Answer | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Contestant:
    python: str
    packages: tuple[str, ...]
    mlflow: tuple[int, int]
    servers: Mapping[str, Callable[[Environment, Path, Path], AbstractContextManager[Server]]]


_CONTESTANTS = (
    _Contestant(
        python="3.7",
        packages=("mlflow==1.30.1", "azureml-inference-server-http==0.8.4.2"),
        mlflow=(1, 30),
        servers={"old": azure_server},
    ),
    _Contestant(
        python="3.12",
        packages=("mlflow==3.17.2", "azureml-inference-server-http==1.5.1"),
        mlflow=(3, 17),
        servers={"new": azure_server, "mlflow": mlflow_app},
    ),
)


def ask_all(root: Path) -> tuple[Asked, ...]:
    """Every request to every server, in environments made below a folder."""
    answers: dict[str, dict[int, Answer]] = {}
    for contestant in _CONTESTANTS:
        interpreter = find_interpreter(contestant.python)
        assert interpreter is not None, contestant.python
        environment = make_environment(
            root / contestant.python, interpreter, contestant.packages, as_of=_AS_OF
        )
        for name, kind in MODELS.items():
            if kind.since <= contestant.mlflow:
                environment.save_model(name, kind.inputs, kind.predict, params=kind.params)
        for name, serve in contestant.servers.items():
            with serve(environment, root / name, environment.folder) as server:
                answers[name] = dict(_ask(server, environment.folder, own=name == "mlflow"))
    return tuple(
        Asked(
            request=request,
            old=answers["old"].get(i),
            new=answers["new"][i],
            mlflow=answers["mlflow"].get(i),
        )
        for i, request in enumerate(REQUESTS)
    )


def _ask(server: Server, models: Path, *, own: bool) -> Iterator[tuple[int, Answer]]:
    for i, request in enumerate(REQUESTS):
        body = request.mlflow if own else request.body
        if body is None or not (models / request.model).is_dir():
            continue
        status, text = server.ask(
            request.model,
            body,
            headers=request.headers,
            method=request.method,
            padding=request.padding,
        )
        yield i, Answer(status=status, body=re.sub(r"\b[0-9a-f]{32}\b", "…", text))


def page(asked: Sequence[Asked]) -> str:
    """The page in Markdown."""
    return _HEAD + "".join(_section(name, asked) for name in MODELS)


def _section(model: str, asked: Sequence[Asked]) -> str:
    head = (
        f"\n## {MODELS[model].title}\n\n"
        "| request | old | new | MLflow | body, ours | body, MLflow's | why |\n"
        "| --- | --- | --- | --- | --- | --- | --- |\n"
    )
    return head + "".join(_line(one) for one in asked if one.request.model == model)


def _line(asked: Asked) -> str:
    answers = (asked.old, asked.new, asked.mlflow)
    statuses = [str(answer.status) if answer else "-" for answer in answers]
    bodies = [_code(asked.new.body, _OURS)]
    if asked.old and asked.old.body != asked.new.body:
        bodies.append(f"old: {_code(asked.old.body, _OURS)}")
    theirs = _code(_message(asked.mlflow.body), _THEIRS) if asked.mlflow else ""
    cells = (asked.request.title, *statuses, "<br>".join(bodies), theirs, asked.request.why)
    return "| " + " | ".join(cells) + " |\n"


def _message(body: str) -> str:
    """What MLflow's server says, without the traceback and the input it says as well."""
    try:
        error = json.loads(body)
    except ValueError:
        return body
    if not isinstance(error, dict) or "error_code" not in error:
        return body
    text: str = error["message"].rpartition("\nError: ")[2]
    return text


def _code(text: str, size: int) -> str:
    """A body as code in one cell."""
    line = " ".join(text.split()).replace("|", "\\|").replace("`", "'")
    return f"`{line[:size]}{'…' if len(line) > size else ''}`"


def main() -> None:
    """Ask, and write the page."""
    with tempfile.TemporaryDirectory(prefix="envbuild-table-") as folder:
        PAGE.write_text(page(ask_all(Path(folder))), encoding="utf-8")


if __name__ == "__main__":
    main()
