"""Verification without programs: prepared answers in place of what a sandbox would run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from envbuild.errors import ToolError
from envbuild.model import ColumnField, Flavor, Model, Signature
from envbuild.process import Completed
from envbuild.verification.bench import Bench
from envbuild.verification.examples import Example, NoExample
from envbuild.verification.sandbox import Open

__all__ = ["NONE", "TABLE", "Answers", "bench", "done", "model", "result"]

TABLE = Example(
    form="dataframe_split",
    value={"columns": ["a", "b"], "data": [[1, 2], [3, 4]]},
    params={"n": 1},
    origin="input_example.json",
)
NONE = NoExample(reason="no input example")


class Answers:
    """A runner that gives prepared results in turn, and remembers what it was asked."""

    def __init__(self, *answers: Completed | ToolError) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, ...]] = []

    def __call__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path | None = None,
        stdin: str = "",
        timeout: float | None = None,
    ) -> Completed:
        self.asked.append(tuple(argv))
        answer = self.answers.pop(0)
        if isinstance(answer, ToolError):
            raise answer
        return answer


def done(stdout: str = "", stderr: str = "", returncode: int = 0) -> Completed:
    return Completed(argv=(), returncode=returncode, stdout=stdout, stderr=stderr)


def result(value: object) -> Completed:
    return done(f"noise\nenvbuild-result {json.dumps(value)}\nmore noise\n")


def bench(*answers: Completed | ToolError, with_uv: bool = False) -> Bench:
    return Bench(
        sandbox=Open(runner=Answers(*answers)),
        env={},
        python="python",
        probes="/probes",
        uv="uv" if with_uv else "",
    )


def model(folder: Path, settings: Mapping[str, str] | None = None, *columns: ColumnField) -> Model:
    flavor = Flavor(name="python_function", settings=settings or {})
    signature = Signature(inputs=columns) if columns else None
    return Model(path=folder, name="spam", flavors=(flavor,), signature=signature)
