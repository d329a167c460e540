"""What reading each folder of ``fixtures/models`` gives, as text, and how to write that anew.

    python -m tests.support.readings

Read the difference before committing it: it is what ``inspect`` will say of such models.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import fields
from pathlib import Path

from envbuild.ambient import Ambient
from envbuild.errors import EnvbuildError
from envbuild.model import Model, Signature, read_model
from envbuild.notices import Notice
from envbuild.redact import redact
from envbuild.spec import EnvSpec, PipRequirement, PythonRequest, parse_environment
from tests.support.paths import MODELS, ROOT, TESTS

__all__ = ["GOLDEN", "HERE", "NAMES", "read", "rendered"]

GOLDEN = TESTS / "golden" / "reading"
HERE = Ambient(environ={}, home=ROOT / "nowhere", cwd=ROOT)
NAMES = tuple(sorted(folder.name for folder in MODELS.iterdir() if folder.is_dir()))


def read(name: str) -> tuple[Model, EnvSpec]:
    """The model in ``fixtures/models/name`` and its environment."""
    model = read_model(f"fixtures/models/{name}", ambient=HERE)
    return model, parse_environment(model)


def rendered(name: str) -> str:
    """Everything that reading says of a fixture, or the error that it stops with."""
    try:
        model = read_model(f"fixtures/models/{name}", ambient=HERE)
    except EnvbuildError as error:
        return _error(error)
    lines = [*_model(model)]
    try:
        lines += _spec(parse_environment(model))
    except EnvbuildError as error:
        lines.append(_error(error))
    return "\n".join(lines).rstrip("\n") + "\n"


def _error(error: EnvbuildError) -> str:
    return f"{type(error).__name__}: {error}\n"


def _model(model: Model) -> Iterator[str]:
    yield f"model {model.name}: mlflow {model.mlflow_version}, Python {model.python_version}"
    for flavor in model.flavors:
        settings = ", ".join(f"{key}={value!a}" for key, value in flavor.settings.items())
        yield f"flavor {flavor.name}: {settings}"
    yield from _plain("loader", model.loader_module)
    yield from _plain("base image", model.base_image)
    for path in model.code_paths:
        yield f"code: {path}"
    if model.input_example:
        yield f"example: {model.input_example}"
    if model.signature:
        yield from _signature(model.signature)
    yield from _notices(model.notices)


def _plain(label: str, value: str) -> Iterator[str]:
    if value:
        yield f"{label}: {value!a}"


def _signature(signature: Signature) -> Iterator[str]:
    for part in fields(signature):
        found = getattr(signature, part.name)
        if found is None:
            yield f"{part.name}: not said"
        else:
            yield from (f"{part.name}: {item}" for item in found)


def _spec(spec: EnvSpec) -> Iterator[str]:
    yield f"files: {', '.join(spec.files) or 'none'}"
    if spec.channels:
        yield f"channels: {', '.join(map(redact, spec.channels))}"
    if spec.python:
        yield _python(spec.python)
    for package in spec.conda:
        yield f"conda {package.match_spec()} ({package.origin}: {package.text})"
    for package in spec.conda_tools:
        yield f"tool {package.match_spec()} ({package.origin}: {package.text})"
    yield from _requirements("pip", spec.pip)
    yield from _requirements("constraint", spec.constraints)
    yield from _requirements("build tool", spec.build_tools)
    for option in spec.index_options:
        yield f"option {option} ({option.origin})"
    yield from _notices(spec.notices)


def _python(python: PythonRequest) -> str:
    return (
        f"python {python.specifier or 'any'} ({python.origin}, {python.origin.side}: {python.text})"
    )


def _requirements(label: str, requirements: Iterable[PipRequirement]) -> Iterator[str]:
    for entry in requirements:
        unnamed = "" if entry.name else ", unnamed"
        yield f"{label} {entry.pep508()} ({entry.origin}{unnamed})"
        yield from (f"    {found}" for found in entry.hashes)
        if entry.source:
            yield f"    {entry.source!r}"


def _notices(notices: Iterable[Notice]) -> Iterator[str]:
    for notice in notices:
        yield f"{notice.level} {notice.code}: {notice}"


def _write_all() -> None:
    shutil.rmtree(GOLDEN, ignore_errors=True)
    GOLDEN.mkdir(parents=True)
    for name in NAMES:
        path: Path = GOLDEN / f"{name}.txt"
        path.write_text(rendered(name), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    _write_all()
