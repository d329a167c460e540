"""Verification of real bundles with toy wheels: installed, imported, loaded and served offline."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from envbuild.emit.bundle import Bundle
from envbuild.emit.content import Content, Entry, checksums
from envbuild.errors import LockFileError, UsageError
from envbuild.locking.context import read_context
from envbuild.options import ExportOptions
from envbuild.verification import Report, verify
from tests.support.contexts import context_of
from tests.support.environments import running, scrubbed
from tests.support.exporting import Site, package
from tests.support.index import Distribution, Index, wheel
from tests.support.toy import BATCH, BATCH_SERVING, SCORE, SERVING, library, server, write_model

# docker-py leaves its socket open where no engine answers.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

# Refuses at once. (Of a path that is not there, docker-py leaves its socket open.)
NO_ENGINE = "tcp://127.0.0.1:1"
WORKING = [
    "model loads",
    "example predicts",
    "server starts",
    "server scores the example",
    "server refuses bad requests",
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Index() as index:
        yield Site(folder=tmp_path_factory.mktemp("site"), index=index)


@pytest.fixture(scope="module")
def bundle(site: Site) -> Bundle:
    return bundle_of(site, "good", library(), server())


def context_folder(
    site: Site, name: str, *files: Distribution, score: str = SCORE, batch: bool = False
) -> Path:
    site.index.add(*files)
    entries = [package(site.index, file) for file in sorted(files, key=lambda file: file.project)]
    return context_of(
        site.folder / f"{name}-context",
        site.lock(*entries),
        files={"score.py": score},
        serving=BATCH_SERVING if batch else SERVING,
    ).path


def bundle_of(
    site: Site, name: str, *files: Distribution, score: str = SCORE, batch: bool = False
) -> Bundle:
    context = read_context(context_folder(site, name, *files, score=score, batch=batch))
    return site.export(context, f"{name}-bundle")


def check(
    site: Site,
    target: Bundle | Path | str,
    model: Path | None = None,
    *,
    environ: dict[str, str] | None = None,
    python_exe: str = sys.executable,
    allow_network: bool = False,
) -> Report:
    return verify(
        target,
        model=model,
        python_exe=python_exe,
        ambient=site.ambient(environ),
        allow_network=allow_network,
    )


def outcomes(report: Report) -> dict[str, str]:
    return {step.name: step.outcome for step in report.steps}


def reason(report: Report, name: str) -> str:
    return next(step.reason for step in report.steps if step.name == name)


def details(report: Report, name: str) -> str:
    return "\n".join(next(step.details for step in report.steps if step.name == name))


@pytest.fixture(scope="module")
def good_report(site: Site, bundle: Bundle) -> Report:
    """What verifying leaves as it was, is checked here; what it found, in the tests."""
    model = write_model(site.folder / "models" / "good")
    before = sorted(path for root in (model.parent, bundle.path) for path in root.rglob("*"))

    report = check(site, bundle, model)

    assert (
        sorted(path for root in (model.parent, bundle.path) for path in root.rglob("*")) == before
    )
    return report


def test_a_good_bundle_passes_every_step(good_report: Report) -> None:
    assert outcomes(good_report) == dict.fromkeys(
        [
            "checksums",
            "wheels fit",
            "no network",
            "install",
            "pip check",
            "modules import",
            *WORKING,
        ],
        "passed",
    ), good_report.table()
    assert good_report.isolation in {"network namespace", "user and network namespace"}
    assert reason(good_report, "modules import") == "5 modules of 5 distributions"
    assert reason(good_report, "example predicts") == (
        "input_example.json gives builtins.list of 2: [3, 6]"
    )
    assert reason(good_report, "server scores the example") == (
        "input_example.json: answered 200 [3, 6]"
    )


def test_an_archive_is_verified_like_its_folder(site: Site, bundle: Bundle, tmp_path: Path) -> None:
    archive = site.export(read_context(site.folder / "good-context"), "good.tar.gz")

    report = check(site, archive.path, write_model(tmp_path / "model"))

    assert report.complete, report.table()
    assert (report.target, report.kind) == (str(archive.path), "bundle")


def test_a_broken_archive_fails_its_checksums(site: Site, bundle: Bundle, tmp_path: Path) -> None:
    archive = site.export(read_context(site.folder / "good-context"), "short.tar.gz")
    archive.path.write_bytes(archive.path.read_bytes()[:2000])

    report = check(site, archive.path)

    assert outcomes(report) == {"checksums": "failed"}
    assert not report.passed


def test_the_model_of_a_bundle_is_used_when_none_is_given(site: Site, tmp_path: Path) -> None:
    folder = context_folder(site, "with-model", library(), server())
    options = ExportOptions(python_exe=sys.executable, model=write_model(tmp_path / "model"))
    bundle = site.export(read_context(folder), "with-model-bundle", options=options)

    assert check(site, bundle).complete


def test_a_context_is_installed_from_the_index_and_says_so(
    site: Site, bundle: Bundle, tmp_path: Path
) -> None:
    report = check(site, site.folder / "good-context", write_model(tmp_path / "model"))

    assert report.complete, report.table()
    assert report.kind == "context"
    assert "wheels fit" not in outcomes(report)
    assert reason(report, "install") == (
        "from the index, with the network; export a bundle to prove that it needs none"
    )


def test_a_context_names_what_was_edited(site: Site, bundle: Bundle, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(site.folder / "good-context", tmp_path / "context"))
    (folder / "Dockerfile").write_text("FROM scratch\n")

    report = check(site, folder)

    assert outcomes(report)["checksums"] == "passed"
    assert details(report, "checksums") == "Dockerfile: edited since, or gone"


def test_a_context_that_cannot_be_installed_says_why(
    site: Site, bundle: Bundle, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(site.folder / "good-context", tmp_path / "context"))
    lock = folder / "pylock.toml"
    site.index.failures["/files/toyserver"] = 404
    try:
        report = check(site, folder, environ={"ENVBUILD_CACHE_DIR": str(tmp_path / "cold")})
    finally:
        del site.index.failures["/files/toyserver"]

    assert lock.exists()
    assert reason(report, "install") == "uv ended with code 1"
    assert "toyserver" in details(report, "install")
    assert outcomes(report)["modules import"] == "skipped"


def test_one_changed_byte_stops_everything(site: Site, bundle: Bundle, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(bundle.path, tmp_path / "bundle"))
    with (folder / "score.py").open("a") as stream:
        stream.write("#")

    report = check(site, folder, write_model(tmp_path / "model"))

    assert not report.passed
    assert outcomes(report) == {
        "checksums": "failed",
        "no network": "skipped",
        "install": "skipped",
        "pip check": "skipped",
        "modules import": "skipped",
        "model loads": "skipped",
        "example predicts": "skipped",
    }
    assert "score.py: expected sha256" in details(report, "checksums")
    assert reason(report, "install") == "its files are not what was made"
    assert report.isolation == "nothing was run"


def test_a_lock_that_names_other_wheels_is_found_out(
    site: Site, bundle: Bundle, tmp_path: Path
) -> None:
    """A bundle put together by hand, with checksums to match."""
    folder = Path(shutil.copytree(bundle.path, tmp_path / "bundle"))
    (folder / "wheels/toyserver-1.0-py3-none-any.whl").rename(folder / "wheels/other.whl")
    resum(folder)

    report = check(site, folder)

    assert outcomes(report)["checksums"] == "passed"
    assert outcomes(report)["wheels fit"] == "failed"
    assert details(report, "wheels fit").endswith(
        "toyserver: wheels/toyserver-1.0-py3-none-any.whl is not in the bundle"
    )
    assert outcomes(report)["install"] == "failed"


def resum(folder: Path) -> None:
    content: Content = {
        path.relative_to(folder).as_posix(): Entry.of_file(path)
        for path in folder.rglob("*")
        if path.is_file() and path.name != "SHA256SUMS"
    }
    (folder / "SHA256SUMS").write_bytes(checksums(content).data)


def test_a_bundle_for_another_machine_is_checked_as_far_as_it_goes(site: Site) -> None:
    file = wheel("other", "1.0")
    site.index.add(file)
    context = site.context_for(
        site.lock(package(site.index, file)), platform="osx-arm64", name="other-context"
    )
    report = check(site, site.export(context, "other-bundle"))

    assert report.passed
    assert not report.complete
    assert outcomes(report)["wheels fit"] == "passed"
    assert reason(report, "install").startswith(
        "the lock is for osx-arm64, and this machine is linux-"
    )


def test_without_a_model_the_environment_is_proven_and_the_rest_skipped(
    site: Site, bundle: Bundle
) -> None:
    report = check(site, bundle)

    assert report.passed
    assert not report.complete
    assert {reason(report, name) for name in WORKING} == {"no model was given; try: --model DIR"}
    assert {outcomes(report)[name] for name in WORKING} == {"skipped"}


def test_no_secret_of_the_caller_reaches_the_model(
    site: Site, bundle: Bundle, tmp_path: Path
) -> None:
    load = (
        "import os\nModel.predict = lambda self, value, params=None: sorted(os.environ.items())\n"
    )
    canary = {
        "AWS_SECRET_ACCESS_KEY": "canary",
        "PIP_INDEX_URL": "https://u:canary@127.0.0.1:9/simple",
        "MLFLOW_TRACKING_TOKEN": "canary",
        "HTTPS_PROXY": "http://canary:3128",
    }

    report = check(site, bundle, write_model(tmp_path / "model", load=load), environ=canary)

    assert outcomes(report)["server scores the example"] == "passed", report.table()
    assert "canary" not in report.to_json()
    assert "PATH" in report.to_json()


def test_a_batch_script_scores_a_table(site: Site, tmp_path: Path) -> None:
    bundle = bundle_of(site, "batch", library(), score=BATCH, batch=True)
    mlmodel = (
        "flavors: {python_function: {loader_module: mlflow.toy, data: factor.json}}\n"
        "saved_input_example_info:\n"
        "  {artifact_path: input_example.json, type: dataframe, pandas_orient: split}\n"
    )
    example = {"columns": ["numbers"], "data": [[1], [2]]}
    model = write_model(tmp_path / "model", mlmodel=mlmodel, example=example)

    report = check(site, bundle, model)

    assert reason(report, "batch script scores a file") == (
        "input_example.json: a result for each of 6 rows"
    )
    assert "server starts" not in outcomes(report)


def test_an_interrupted_verification_leaves_nothing_behind(
    site: Site, bundle: Bundle, tmp_path: Path
) -> None:
    """Ctrl-C while the model loads: no process, no folder, and the exit code of an interruption."""
    mark = f"envbuild-interrupted-{uuid.uuid4()}"  # another run of this test is not ours
    load = "import subprocess, sys, time\nsubprocess.Popen([sys.executable, '-c', CODE, MARK])\n"
    load = f"MARK = {mark!r}\nCODE = 'import time; time.sleep(600)'\n{load}"
    model = write_model(tmp_path / "model", load=f"{load}time.sleep(600)\n")
    scratch, log = tmp_path / "scratch", tmp_path / "log"
    scratch.mkdir()
    with log.open("wb") as stderr:  # a pipe that nobody reads yet could fill and hold it up
        program = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "envbuild",
                "verify",
                bundle.path,
                "--model",
                model,
                "--verbose",
            ],
            env=scrubbed(TMPDIR=str(scratch), ENVBUILD_CACHE_DIR=str(site.cache)),
            stdout=subprocess.DEVNULL,
            stderr=stderr,
        )
    try:
        # A busy machine may take minutes to get there; a program that has ended never will.
        deadline = time.monotonic() + 600
        while not running(mark, patience=1):
            assert program.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
        program.send_signal(signal.SIGINT)
        program.wait(timeout=300)
    finally:
        program.kill()

    said = log.read_text()
    assert program.returncode == 130, said
    assert said.splitlines()[-1].startswith("error: interrupted")
    assert not running(mark, patience=60, wanted=False)
    assert list(scratch.iterdir()) == []


def test_where_isolation_is_impossible_nothing_runs(
    site: Site, bundle: Bundle, tmp_path: Path
) -> None:
    report = check(site, bundle, write_model(tmp_path / "model"), environ=forbidding(tmp_path))

    assert not report.passed
    assert reason(report, "no network") == "isolation is not possible here"
    assert details(report, "no network").splitlines()[0] == (
        "unshare --net --pid --fork --kill-child --mount-proc: unshare: Operation not permitted"
    )
    assert details(report, "no network").splitlines()[-1] == (
        "try: --allow-network, which proves less"
    )
    assert outcomes(report)["install"] == "skipped"


def test_where_isolation_is_impossible_the_network_may_be_allowed(
    site: Site, bundle: Bundle, tmp_path: Path
) -> None:
    model = write_model(tmp_path / "model")

    report = check(site, bundle, model, environ=forbidding(tmp_path), allow_network=True)

    assert report.passed
    assert not report.complete
    assert outcomes(report)["no network"] == "skipped"
    assert reason(report, "no network").startswith("the network was in reach: unshare --net")
    assert report.isolation == "none: the network was in reach"
    assert outcomes(report)["server scores the example"] == "passed"


def forbidding(folder: Path) -> dict[str, str]:
    """An environment in which neither namespaces nor a Docker engine are to be had."""
    program = folder / "bin" / "unshare"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 'unshare: Operation not permitted' >&2\nexit 1\n")
    program.chmod(0o755)
    path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
    return {"PATH": path, "DOCKER_HOST": NO_ENGINE}


def test_without_a_python_that_fits_it_fails(site: Site, tmp_path: Path) -> None:
    file = wheel("old", "1.0")
    site.index.add(file)
    context = site.context_for(
        site.lock(package(site.index, file)), python="3.5.1", name="old-context"
    )
    (tmp_path / "empty").mkdir()
    environ = {"PATH": str(tmp_path / "empty"), "DOCKER_HOST": NO_ENGINE}

    report = check(site, context.path, environ=environ, python_exe="")

    assert reason(report, "no network") == "there is nothing to run it on"
    assert details(report, "no network") == "no CPython 3.5 on this machine; try: --python-exe EXE"


def test_a_python_of_another_release_is_a_usage_error(site: Site, tmp_path: Path) -> None:
    file = wheel("old", "1.0")
    site.index.add(file)
    context = site.context_for(
        site.lock(package(site.index, file)), python="3.5.1", name="older-context"
    )
    with pytest.raises(UsageError, match=r"--python-exe: .* is Python 3\."):
        check(site, context.path)


def test_what_is_neither_bundle_nor_context_is_refused(site: Site, tmp_path: Path) -> None:
    with pytest.raises(LockFileError, match=r"not a context: no pylock\.toml in it"):
        check(site, tmp_path)


def test_the_report_is_json_for_machines(good_report: Report) -> None:
    document = json.loads(good_report.to_json())

    assert document["kind"] == "bundle"
    assert document["passed"] is True
    assert document["steps"][0] == {
        "name": "checksums",
        "outcome": "passed",
        "seconds": document["steps"][0]["seconds"],
        "reason": "every file is the one that SHA256SUMS records",
        "details": [],
    }
