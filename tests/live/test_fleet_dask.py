"""A fleet on a Dask cluster on loopback: a scheduler and two workers, one of which is killed."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from envbuild.ambient import Ambient
from envbuild.fleet import FleetOptions, find_models, lock_fleet
from envbuild.fleet.work import STAGE
from envbuild.options import LockOptions
from tests.support.environments import scrubbed
from tests.support.fleets import files_in, write_model
from tests.support.index import Index, wheel

distributed = pytest.importorskip("distributed", reason="needs the extra dask")

MODELS = 24
PATIENCE_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """``address`` of the scheduler (``host:port``), and the processes of the workers."""

    address: str
    workers: tuple[subprocess.Popen[bytes], ...]


@dataclass(frozen=True, kw_only=True)
class Scene:
    folder: Path
    index: Index

    def environment(self) -> dict[str, str]:
        return scrubbed(HOME=str(self.folder), UV_CACHE_DIR=str(self.folder / "cache"))

    def start(self, output: str, *options: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [
                sys.executable, "-m", "envbuild", "fleet", self.folder / "models",
                "-o", self.folder / output, "--server", "none", "--index-url", self.index.url,
                "--json", *options,
            ],
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )  # fmt: skip

    def written(self, output: str) -> int:
        return sum(path.name != STAGE for path in (self.folder / output).glob("*"))


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("dask")
    with Index() as index:
        index.add(wheel("eggs", "1.0"))
        for number in range(MODELS // 2):
            index.add(wheel("spam", f"1.{number}", requires=["eggs"]))
        for number in range(MODELS):
            pin = f"spam==1.{number % (MODELS // 2)}"
            write_model(folder / "models" / f"model{number:02}", [pin])
        scene = Scene(folder=folder, index=index)
        stdout, stderr = (serial := scene.start("serial", "--jobs", "1")).communicate()
        assert serial.returncode == 0, stdout + stderr
        yield scene


@contextmanager
def started(*command: str, environment: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "dask", *command],
        env=dict(environment),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def cluster(scene: Scene, tmp_path: Path) -> Iterator[Cluster]:
    environment = scene.environment()
    place = tmp_path / "scheduler.json"
    with ExitStack() as stack:
        stack.enter_context(
            started(
                "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard",
                "--scheduler-file", str(place), environment=environment,
            )
        )  # fmt: skip
        wait_until(place.is_file)
        address = str(json.loads(place.read_text())["address"])
        workers = tuple(
            stack.enter_context(
                started(
                    "worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard",
                    "--local-directory", str(tmp_path / f"worker{number}"),
                    environment=environment,
                )
            )
            for number in range(2)
        )  # fmt: skip
        with distributed.Client(address, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=PATIENCE_S)
        yield Cluster(address=address.removeprefix("tcp://"), workers=workers)


def wait_until(condition: Any) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_worker_that_is_killed_costs_no_model_and_no_byte(scene: Scene, cluster: Cluster) -> None:
    process = scene.start("killed", "--executor", f"dask://{cluster.address}")
    wait_until(lambda: scene.written("killed") >= 3)
    cluster.workers[0].kill()
    stdout, stderr = process.communicate(timeout=300)

    assert process.returncode == 0, stdout + stderr
    found = json.loads(stdout)
    assert sum(found["counts"].values()) == MODELS
    assert set(found["counts"]) <= {"locked", "unchanged"}
    assert cluster.workers[0].poll() is not None
    assert files_in(scene.folder / "killed") == files_in(scene.folder / "serial")


def test_the_library_takes_the_executor_of_a_client(
    scene: Scene, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    ambient = Ambient(environ=scene.environment(), home=scene.folder, cwd=scene.folder)
    with distributed.Client(f"tcp://{cluster.address}", set_as_default=False) as client:
        executor: Executor = client.get_executor(pure=False)
        report = lock_fleet(
            find_models(scene.folder / "models"),
            "given",
            options=LockOptions(server="none", index_url=scene.index.url),
            how=FleetOptions(executor=executor, jobs=2, ambient=ambient),
        )
        assert client.scheduler_info()["workers"]  # it is ours, and goes on

    assert report.counts == {"locked": MODELS}
    assert (report.environments, report.solves) == (MODELS // 2, MODELS // 2)
    assert files_in(scene.folder / "given") == files_in(scene.folder / "serial")


def test_a_scheduler_that_does_not_answer_is_an_error(scene: Scene) -> None:
    process = scene.start("none", "--executor", "dask://127.0.0.1:1")
    stdout, _ = process.communicate(timeout=60)

    assert process.returncode == 9
    error = json.loads(stdout)["error"]
    assert error["where"] == "tcp://127.0.0.1:1"
    assert error["message"].startswith("no Dask scheduler answers: ")
    assert not (scene.folder / "none").exists()
