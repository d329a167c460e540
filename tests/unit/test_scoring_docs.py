"""The reference page of the scoring scripts names every setting, key and file that they know."""

from __future__ import annotations

import re

import pytest

from tests.support.paths import ROOT, SCORING
from tests.support.scoring import batch, online

PAGE = (ROOT / "docs/reference/scoring.md").read_text(encoding="utf-8")
VARIABLE = re.compile(r"\b(?:ENVBUILD|AZUREML|MLFLOW)_[A-Z_]+\b")
OWN = {"MLFLOW_CHECKS", "MLFLOW_DISABLE_TELEMETRY"}  # not for users to set


@pytest.mark.parametrize("script", ["online.py", "batch.py"])
def test_every_setting_is_on_the_page_and_in_the_docstring(script: str) -> None:
    source = (SCORING / script).read_text(encoding="utf-8")
    settings = set(VARIABLE.findall(source)) - OWN
    assert settings
    assert settings <= set(VARIABLE.findall(PAGE))
    assert settings <= set(VARIABLE.findall(source.split('"""')[1]))


def test_the_page_names_no_other_setting() -> None:
    sources = "".join(
        (SCORING / name).read_text(encoding="utf-8") for name in ("online.py", "batch.py")
    )
    assert set(VARIABLE.findall(PAGE)) <= set(VARIABLE.findall(sources))


def test_every_key_type_and_kind_of_file_is_on_the_page() -> None:
    endings = [ending for endings, _ in batch().TABLES for ending in endings]
    for name in (
        *online().DATA_KEYS,
        *online().COLUMN_TYPES,
        *batch().IMAGES,
        *endings,
        ".npy",
        ".txt",
    ):
        assert re.search(rf"(?<![\w]){re.escape(name)}\b", PAGE), name
