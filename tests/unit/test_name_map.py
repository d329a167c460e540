"""What conda packages are called on PyPI."""

from __future__ import annotations

import json
import re
import sys
import zipfile
from pathlib import Path

import pytest

from envbuild.errors import UsageError
from envbuild.merging.name_map import Verdict, load_name_map
from tests.support.name_map import TARGET, snapshot_text
from tests.support.paths import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@pytest.mark.parametrize(
    ("conda", "names", "source"),
    [
        ("pytorch", ["torch"], "known"),
        ("py-xgboost", ["xgboost"], "known"),
        ("msgpack-python", ["msgpack"], "known"),
        ("pyqt", ["pyqt5", "pyqt4"], "known"),
        ("cyipopt", ["cyipopt", "ipopt"], "known"),
        ("psycopg2", ["psycopg2-binary", "psycopg2"], "known"),
        ("libgomp", [], "native"),
        ("pytorch-cuda", [], "native"),
        ("graphviz", [], "native"),
        ("cpython", [], "native"),
        ("torchtriton", ["triton"], "known"),
        ("python-graphviz", ["graphviz"], "known"),
        ("ruamel_yaml", ["ruamel-yaml"], "same"),
        ("fbprophet", ["fbprophet"], "same"),
    ],
)
def test_a_conda_name_has_a_verdict_with_its_source(
    conda: str, names: list[str], source: str
) -> None:
    verdict = load_name_map().verdict(conda)

    assert (list(verdict.names), verdict.source) == (names, source)
    assert verdict.is_ambiguous == (len(names) > 1)


def test_the_users_own_names_win_over_all_tables() -> None:
    text = '[names]\npytorch = "my_torch"\nlibgomp = "gomp"\nnumpy = false\nfoo = ["a", "B"]\n'

    names = load_name_map().with_overrides(text, where="names.toml")

    assert [names.verdict(name) for name in ("pytorch", "libgomp", "numpy", "foo")] == [
        Verdict(conda="pytorch", names=("my-torch",), source="user"),  # type: ignore[arg-type]
        Verdict(conda="libgomp", names=("gomp",), source="user"),  # type: ignore[arg-type]
        Verdict(conda="numpy", names=(), source="user"),
        Verdict(conda="foo", names=("a", "b"), source="user"),  # type: ignore[arg-type]
    ]
    assert names.verdict("pandas").source == "same"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '[names]\na = 3\nb = "not a name"\nc = []\nd = true\n[extra]\n',
            """\
names.toml: the name map cannot be used
  extra: not known here
  names.a: expected pytorch = "torch", a list of names, or false for no Python package
  names.b: expected pytorch = "torch", a list of names, or false for no Python package
  names.c: expected pytorch = "torch", a list of names, or false for no Python package
  names.d: expected pytorch = "torch", a list of names, or false for no Python package""",
        ),
        (
            "names = 3\n",
            "names.toml: the name map cannot be used\n  names: expected a table [names]",
        ),
        (
            "names\n",
            """\
names.toml: the name map is not TOML: \
Expected '=' after a key in a key/value pair (at line 1, column 6)""",
        ),
    ],
)
def test_a_broken_name_map_is_refused_with_all_that_is_wrong(text: str, message: str) -> None:
    with pytest.raises(UsageError) as raised:
        load_name_map().with_overrides(text, where="names.toml")

    assert str(raised.value) == message


def test_the_snapshot_says_where_it_is_from_and_under_which_licence() -> None:
    source = tomllib.loads(TARGET.read_text(encoding="utf-8"))["source"]

    assert sorted(source) == ["address", "license", "names", "project", "sha256"]
    assert source["license"].startswith("MIT, Copyright (c)")


def test_the_snapshot_keeps_what_differs_and_all_that_is_ambiguous(tmp_path: Path) -> None:
    rows = {
        "a": {"conda_name": "same_name", "pypi_name": "Same.Name"},
        "b": {"conda_name": "zeta", "pypi_name": "other"},
        "c": {"conda_name": "many", "pypi_name": "two"},
        "d": {"conda_name": "many", "pypi_name": "many"},
        "e": {"conda_name": "digest", "pypi_name": "0164e082b29777fbc56c2373b68da93d23a2"},
    }
    wheel = tmp_path / "conda_pypi-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("conda_pypi/grayskull_pypi_mapping.json", json.dumps(rows))

    text = snapshot_text(wheel)

    assert text.partition("[names]\n")[2] == 'many = ["many", "two"]\nzeta = "other"\n'
    assert "names = 3\n" in text


def test_the_verdicts_in_the_documents_are_those_of_the_map() -> None:
    text = (ROOT / "docs" / "explanation" / "one-truth.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\S+)` \| (.+) \| (known|same|native) \|$", text, re.MULTILINE)
    assert len(rows) > 15

    for conda, told, source in rows:
        verdict = load_name_map().verdict(conda)
        names = " or ".join(f"`{name}`" for name in verdict.names) or "nothing"
        assert (conda, names, verdict.source) == (conda, told, source)
