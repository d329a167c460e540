"""``envbuild fleet``, from folders of models to folders of contexts, with an index on loopback."""

from __future__ import annotations

import io
import json
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import envbuild.fs
from envbuild.cli import main
from envbuild.errors import OutputError
from envbuild.fleet.journal import JOURNAL
from tests.support.fleets import files_in, write_model
from tests.support.index import Index, sample_wheels, wheel

Run = Callable[..., int]

LOCAL = wheel("local", "1.0", requires=["ham"])
OTHER = wheel("local", "1.0", requires=["eggs"])


@pytest.fixture(scope="module")
def index() -> Iterator[Index]:
    with Index() as served:
        served.add(*sample_wheels())
        yield served


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    """Five models with three environments, one of which does not resolve."""
    models = tmp_path / "models"
    write_model(models / "red")
    write_model(models / "team" / "Red Too")
    write_model(models / "team" / "red3")
    write_model(models / "white", ["spam==1.1", "eggs<2.1"])
    write_model(models / "broken", ["spam==7"])
    return models


@pytest.fixture
def run(tmp_path: Path, index: Index, monkeypatch: pytest.MonkeyPatch) -> Run:
    """``run("fleet", "models", ...)`` beside the models, with the index of the test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path))

    def call(command: str, *arguments: str) -> int:
        options = ["--server", "none", "--index-url", index.url]
        options += ["--executor", "threads"] if command == "fleet" else []
        return main([command, *([] if "--check" in arguments else options), *arguments])

    return call


def document(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def statuses(found: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["status"] for one in found["results"]}


@pytest.mark.usefixtures("fleet")
def test_each_environment_is_solved_once_and_each_context_is_as_of_one_model_alone(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("fleet", "models", "-o", "contexts", "--json") == 19
    found = document(capsys)

    assert (found["models"], found["environments"]) == (5, 3)
    assert found["counts"] == {"locked": 4, "failed": 1}
    for name in ("red", "team/Red Too", "team/red3", "white"):
        assert run("lock", f"models/{name}", "-o", f"alone/{name}") == 0
    assert files_in(tmp_path / "contexts") == files_in(tmp_path / "alone")


def test_local_wheels_tell_environments_apart(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = LOCAL.filename
    for model, built in (("a", LOCAL), ("b", LOCAL), ("c", OTHER)):
        files = {f"code/{name}": built.data}
        write_model(tmp_path / "models" / model, [f"code/{name}"], files=files)

    assert run("fleet", "models", "-o", "contexts", "--json") == 0

    found = document(capsys)
    assert (found["environments"], found["solves"], found["reused"]) == (2, 2, 1)
    locks = {name: files_in(tmp_path / "contexts" / name)["pylock.toml"] for name in "abc"}
    assert [b'name = "eggs"' in locks[name] for name in "abc"] == [False, False, True]
    for name in "abc":
        assert run("lock", f"models/{name}", "-o", f"alone/{name}") == 0
    assert files_in(tmp_path / "contexts") == files_in(tmp_path / "alone")


@pytest.mark.usefixtures("fleet")
def test_processes_write_the_same_bytes(run: Run, tmp_path: Path) -> None:
    assert run("fleet", "models", "-o", "here") == 19
    assert run("fleet", "models", "-o", "there", "--executor", "processes", "--jobs", "2") == 19

    assert files_in(tmp_path / "there") == files_in(tmp_path / "here")


@pytest.mark.usefixtures("fleet")
def test_one_bad_model_stops_nothing_and_says_what_is_wrong(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("fleet", "models", "-o", "contexts") == 19

    head, *_, last = capsys.readouterr().out.splitlines()
    assert head == "failed     broken        no set of releases satisfies the requirements"
    assert last.startswith("5 models: 4 locked, 1 failed; 3 environments, ")


@pytest.mark.usefixtures("fleet")
def test_a_second_run_does_the_rest_only(
    run: Run, tmp_path: Path, index: Index, capsys: pytest.CaptureFixture[str]
) -> None:
    run("fleet", "models", "-o", "contexts", "-q")
    before = files_in(tmp_path / "contexts")
    (tmp_path / "contexts" / "white" / "pylock.toml").unlink()
    (tmp_path / "models" / "broken" / "conda.yaml").write_text(
        (tmp_path / "models" / "red" / "conda.yaml").read_text()
    )

    assert run("fleet", "models", "-o", "contexts", "--json") == 0

    found = document(capsys)
    assert statuses(found) == {
        "broken": "locked",
        "red": "fresh",
        "team/Red Too": "fresh",
        "team/red3": "fresh",
        "white": "locked",
    }
    assert found["solves"] == 2
    after = files_in(tmp_path / "contexts")
    assert {name: after[name] for name in before} == before


@pytest.mark.usefixtures("fleet")
def test_check_tells_what_is_stale_and_missing(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("fleet", "models", "-o", "contexts", "-q")
    conda = tmp_path / "models" / "white" / "conda.yaml"
    conda.write_text(conda.read_text().replace("eggs<2.1", "eggs<2.0.1"))
    before = files_in(tmp_path)

    assert run("fleet", "models", "-o", "contexts", "--check", "--changed-only") == 1

    *rows, last = capsys.readouterr().out.splitlines()
    assert rows == [
        "missing    broken",
        "stale      white   conda.yaml: eggs<2.1 -> eggs<2.0.1",
    ]
    assert last.startswith("5 models: 3 fresh, 1 stale, 1 missing, ")
    assert files_in(tmp_path) == before


def test_check_of_a_fleet_that_fits_is_silent_about_it(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_model(tmp_path / "models" / "red")
    run("fleet", "models", "-o", "contexts", "-q")

    assert run("fleet", "models", "-o", "contexts", "--check") == 0

    row, last = capsys.readouterr().out.splitlines()
    assert row == "fresh      red"
    assert last.startswith("1 model: 1 fresh, ")


@pytest.mark.usefixtures("fleet")
def test_a_dry_run_says_what_would_change_and_writes_nothing(
    run: Run, tmp_path: Path, index: Index, capsys: pytest.CaptureFixture[str]
) -> None:
    run("fleet", "models", "-o", "contexts", "-q")
    before = files_in(tmp_path / "contexts")
    arguments = ("fleet", "models/red", "models/white", "-o", "contexts", "--json", "--dry-run")

    assert run(*arguments, "--upgrade", "--exclude-newer", "2030-01-01") == 0

    # The date is an input, so the files are others; the pins are not.
    assert statuses(document(capsys)) == {"red": "locked", "white": "locked"}
    assert run(*arguments, "--upgrade") == 0
    assert statuses(document(capsys)) == {"red": "unchanged", "white": "unchanged"}
    assert files_in(tmp_path / "contexts") == before


@pytest.mark.usefixtures("fleet")
def test_the_report_is_junit_too(run: Run, tmp_path: Path) -> None:
    run("fleet", "models", "-o", "contexts", "--junit", "fleet.xml")

    (suite,) = ET.parse(tmp_path / "fleet.xml").getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("5", "1")
    names = [case.get("name") for case in suite]
    assert names == ["broken", "red", "team/Red Too", "team/red3", "white"]
    failure = suite[0].find("failure")
    assert failure is not None
    assert failure.get("message") == "no set of releases satisfies the requirements"


@pytest.mark.usefixtures("fleet")
def test_models_come_from_standard_input(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = io.BytesIO(b"models/red\nmodels/team/red3\n")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(listed))

    assert run("fleet", "-", "-o", "contexts") == 0

    assert sorted(path.name for path in (tmp_path / "contexts").iterdir()) == ["red", "red3"]


@pytest.mark.usefixtures("fleet")
def test_lock_takes_several_models(run: Run, tmp_path: Path) -> None:
    assert run("lock", "models/red", "models/white") == 0
    assert run("lock", "models/red", "-o", "alone") == 0

    assert files_in(tmp_path / "red-env") == files_in(tmp_path / "alone")
    assert (tmp_path / "white-env" / "pylock.toml").is_file()
    assert run("lock", "models/red", "models/white", "--check") == 0


def test_a_context_inside_its_model_is_refused(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_model(tmp_path / "models" / "red")

    assert run("fleet", "models/red", "-o", "models/red/contexts", "--json") == 19

    (result,) = document(capsys)["results"]
    assert result["error"]["type"] == "OutputError"
    assert not (tmp_path / "models" / "red" / "contexts").exists()


def test_what_is_in_the_way_of_one_model_stays_and_stops_no_other(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b"):
        write_model(tmp_path / "models" / name)
    (tmp_path / "contexts" / "a").mkdir(parents=True)
    (tmp_path / "contexts" / "a" / "Dockerfile").write_text("mine")

    assert run("fleet", "models", "-o", "contexts", "--json") == 19

    assert statuses(document(capsys)) == {"a": "failed", "b": "locked"}
    assert files_in(tmp_path / "contexts" / "a") == {"Dockerfile": b"mine"}


@pytest.mark.usefixtures("fleet")
def test_a_full_disk_leaves_nothing_half_written_and_the_next_run_does_the_rest(
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run("fleet", "models", "-o", "whole", "-q")
    written = []

    def sync(path: Path) -> None:
        written.append(path)
        if len(written) > 10:
            raise OSError(28, "No space left on device", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(envbuild.fs, "_sync", sync)
        assert run("fleet", "models", "-o", "contexts", "--json", "--jobs", "1") == 19

    found = document(capsys)
    reasons = {one["name"]: (one["error"] or {}).get("message") for one in found["results"]}
    written_whole = [name for name, reason in reasons.items() if reason is None]
    assert len(written_whole) == 1
    assert list(reasons.values()).count("cannot write: No space left on device") == 3
    assert {name.rpartition("/")[0] for name in files_in(tmp_path / "contexts")} <= {
        *written_whole,
        *(f"{name}/tools" for name in written_whole),
    }
    assert run("fleet", "models", "-o", "contexts", "-q") == 19
    assert files_in(tmp_path / "contexts") == files_in(tmp_path / "whole")


def test_an_upgrade_that_met_a_full_disk_is_taken_up_and_the_next_one_is_another(
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for number in range(3):
        write_model(tmp_path / "models" / f"model{number}", [f"ham=={number}", "eggs"])
    write_model(tmp_path / "models" / "no", ["eggs==7"])
    write_file = envbuild.fs.write_tree

    def write_some(root: Path, *arguments: Any, **options: Any) -> None:
        if root.name != "model0":
            raise OutputError("cannot write: No space left on device", where=str(root))
        write_file(root, *arguments, **options)

    with Index() as own:
        own.add(wheel("eggs", "1.0"), *(wheel("ham", str(number)) for number in range(3)))

        def upgrade(*options: str) -> dict[str, Any]:
            # uv takes a page of an index for new for ten minutes.
            cache = tempfile.mkdtemp(dir=tmp_path)
            last = ("--index-url", own.url, "--cache-dir", cache, "--jobs", "1", "--json")
            run("fleet", "models", "-o", "contexts", *last, *options)
            return document(capsys)

        upgrade()
        own.add(wheel("eggs", "2.0"))
        with monkeypatch.context() as patch:
            patch.setattr("envbuild.locking.context.write_tree", write_some)
            stopped = upgrade("--upgrade")
        dry = upgrade("--upgrade", "--dry-run")
        other = upgrade("--upgrade-package", "eggs", "--dry-run")
        taken_up = upgrade("--upgrade")
        again = upgrade("--upgrade")

    assert (stopped["counts"], stopped["resumed"]) == ({"locked": 1, "failed": 3}, 0)
    assert (dry["counts"], dry["resumed"]) == ({"locked": 2, "unchanged": 1, "failed": 1}, 0)
    assert (other["counts"], other["resumed"]) == (dry["counts"], 0)
    # What the first part changed is still told of, and what failed is tried again.
    assert (taken_up["counts"], taken_up["resumed"]) == ({"locked": 3, "failed": 1}, 1)
    assert taken_up["solves"] == dry["solves"] - 1
    assert (again["counts"], again["resumed"]) == ({"unchanged": 3, "failed": 1}, 0)
    assert not (tmp_path / "contexts" / JOURNAL).exists()


def test_an_unknown_executor_is_refused(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_model(tmp_path / "models" / "red")

    assert run("fleet", "models", "-o", "contexts", "--executor", "ray") == 2

    assert capsys.readouterr().err == (
        "error: no executor is called 'ray'\n  there are: processes, threads, dask://HOST:PORT\n"
    )


ADVISORY = {
    "id": "GHSA-eggs",
    "aliases": ["CVE-2026-1"],
    "summary": "Eggs break",
    "affected": [
        {
            "package": {"ecosystem": "PyPI", "name": "Eggs"},
            "ranges": [
                {"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.1"}]},
            ],
        }
    ],
}


@pytest.mark.usefixtures("fleet")
def test_contexts_say_who_pins_what_and_who_is_hit(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("fleet", "models", "-o", "contexts", "-q")
    (tmp_path / "contexts" / "team" / "red3" / "pylock.toml").write_text("[[packages]]\n")
    (tmp_path / "osv.json").write_text(json.dumps(ADVISORY))
    unreadable = (
        f"team/red3  cannot be read: {tmp_path}/contexts/team/red3/pylock.toml: "
        "not written by envbuild: it has no [tool.envbuild]\n"
    )

    assert run("fleet", "contexts", "--pins", "eggs>=2.1") == 0
    assert capsys.readouterr().out == (
        "red           eggs 2.1, linux-64\n"
        "team/Red Too  eggs 2.1, linux-64\n"
        f"{unreadable}"
        "2 of 4 contexts\n"
    )

    assert run("fleet", "contexts", "--advisory", "osv.json") == 1
    assert capsys.readouterr().out == (
        "white  eggs 2.0, linux-64: GHSA-eggs, CVE-2026-1; fixed in 2.1\n"
        f"{unreadable}"
        "1 of 4 contexts\n"
    )

    assert run("fleet", "contexts/red", "--advisory", "osv.json") == 0
    assert capsys.readouterr().out == "0 of 1 contexts\n"


@pytest.mark.usefixtures("fleet")
def test_contexts_say_what_a_shared_wheelhouse_saves(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    run("fleet", "models/red", "models/team", "-o", "contexts", "-q")

    assert run("fleet", "contexts", "--sizes", "--json") == 0

    found = document(capsys)
    assert (found["contexts"], found["wheels"], found["distinct_wheels"]) == (3, 9, 3)
    assert found["bytes_separate"] == 3 * found["bytes_shared"]
    assert found["bytes_saved"] == 2 * found["bytes_shared"]


def test_an_output_is_needed_to_lock(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_model(tmp_path / "models" / "red")

    assert run("fleet", "models") == 2

    assert capsys.readouterr().err == "error: where do the contexts go?\n  try: -o DIR\n"
