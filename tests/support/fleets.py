"""Folders of small models, for an index of made-up packages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["files_in", "write_model"]

_MLMODEL = """\
flavors:
  python_function:
    env: conda.yaml
    loader_module: spam
    python_version: {python}
"""
_CONDA = """\
name: env
channels: [conda-forge]
dependencies:
  - python={python}
  - pip
  - pip:
{lines}
"""


def write_model(
    folder: Path,
    requirements: Sequence[str] = ("spam==1.0",),
    *,
    python: str = "3.11.7",
    files: Mapping[str, bytes] | None = None,
) -> Path:
    """A model that asks for ``requirements``, with ``files`` beside."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = "\n".join(f"      - {line}" for line in requirements)
    (folder / "MLmodel").write_text(_MLMODEL.format(python=python))
    (folder / "conda.yaml").write_text(_CONDA.format(python=python, lines=lines))
    (folder / "model.pkl").write_bytes(f"the weights of {folder.name}".encode())
    for name, data in (files or {}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def files_in(folder: Path) -> dict[str, bytes]:
    """Every file below ``folder`` by posix name."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
