"""A run over a fleet that is killed, interrupted or loses its workers ends in the right bytes."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from envbuild.fleet.journal import JOURNAL
from envbuild.fleet.work import STAGE
from tests.support.environments import scrubbed
from tests.support.fleets import files_in, write_model
from tests.support.index import Index, wheel
from tests.support.paths import ROOT

MODELS = 12
KILLS = int(os.environ.get("ENVBUILD_TEST_KILLS", "3"))


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A fleet in which two models each have one environment, and how it is locked."""

    folder: Path
    index: Index

    def start(self, output: str, *options: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [
                sys.executable, "-m", "envbuild", "fleet", self.folder / "models",
                "-o", self.folder / output, "--server", "none", "--index-url", self.index.url,
                "--cache-dir", self.folder / "cache", "--jobs", "2", "--json", *options,
            ],
            cwd=ROOT,
            env={**scrubbed(), "HOME": str(self.folder), "TMPDIR": str(self.folder / "tmp")},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )  # fmt: skip

    def report(self, output: str, *options: str) -> dict[str, Any]:
        """Run to the end; what it says."""
        process = self.start(output, *options)
        stdout, stderr = process.communicate(timeout=120)
        assert (process.returncode, stderr) == (0, "")
        found: dict[str, Any] = json.loads(stdout)
        return found

    def finish(self, output: str) -> dict[str, int]:
        """Run to the end; how many models ended how."""
        counts: dict[str, int] = self.report(output)["counts"]
        return counts

    def written(self, output: str) -> list[str]:
        """The contexts in a folder, whole or not."""
        root = self.folder / output
        return sorted(path.name for path in root.glob("*") if path.name != STAGE)

    def wait_for(self, output: str, count: int) -> None:
        """Wait until so many contexts are there."""
        end = time.monotonic() + 60
        while len(self.written(output)) < count:
            assert time.monotonic() < end
            time.sleep(0.005)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("faults")
    (folder / "tmp").mkdir()
    with Index() as index:
        for number in range(MODELS // 2):
            index.add(wheel("spam", f"1.{number}", requires=["eggs"]))
        index.add(wheel("eggs", "1.0"))
        for number in range(MODELS):
            write_model(folder / "models" / f"model{number:02}", [f"spam==1.{number % 6}"])
        scene = Scene(folder=folder, index=index)
        assert scene.finish("whole") == {"locked": MODELS}
        yield scene


def processes_about(text: str) -> list[int]:
    """The processes on this machine whose command line or parent's has ``text`` in it."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environ = (folder / "environ").read_bytes()
        except OSError:
            continue
        if text.encode() in environ:
            found.append(int(folder.name))
    return found


def wait_for_none(scene: Scene) -> list[int]:
    """The processes of a run that are still there after a while."""
    end = time.monotonic() + 15
    while (left := processes_about(f"HOME={scene.folder}\0")) and time.monotonic() < end:
        time.sleep(0.05)
    return left


def test_killed_at_any_moment_the_next_run_does_the_rest(scene: Scene) -> None:
    chance = random.Random(5)
    whole = files_in(scene.folder / "whole")
    for number in range(KILLS):
        output = f"killed{number}"
        process = scene.start(output)
        scene.wait_for(output, chance.randrange(1, 8))
        process.kill()
        process.communicate()
        assert wait_for_none(scene) == []

        written = scene.written(output)
        there = {
            name: data
            for name, data in files_in(scene.folder / output).items()
            if not name.startswith(STAGE)
        }
        # Every context that is there is whole.
        assert there == {
            name: data for name, data in whole.items() if name.partition("/")[0] in written
        }
        counts = scene.finish(output)
        assert counts == {"locked": MODELS - len(written), "fresh": len(written)}
        assert files_in(scene.folder / output) == whole


def test_an_upgrade_killed_at_any_moment_is_taken_up_by_the_same_command(scene: Scene) -> None:
    whole = files_in(scene.folder / "whole")
    shutil.copytree(scene.folder / "whole", scene.folder / "upgraded")
    journal = scene.folder / "upgraded" / JOURNAL
    process = scene.start("upgraded", "--upgrade")
    end = time.monotonic() + 60
    while not (journal.is_file() and journal.read_bytes().count(b"]") > 2):
        assert time.monotonic() < end
        time.sleep(0.005)
    process.kill()
    process.communicate()
    assert wait_for_none(scene) == []
    made = journal.read_bytes().count(b"]")
    with journal.open("ab") as stream:
        stream.write(b'\n["torn", "mod')  # as by a machine that lost its power

    found = scene.report("upgraded", "--upgrade")

    assert (found["counts"], found["resumed"]) == ({"unchanged": MODELS}, made)
    assert found["solves"] + found["reused"] == MODELS - made
    assert found["solves"] < MODELS // 2
    assert files_in(scene.folder / "upgraded") == whole
    assert not journal.exists()


def test_interrupted_it_leaves_whole_contexts_and_no_process(scene: Scene) -> None:
    process = scene.start("interrupted")
    scene.wait_for("interrupted", 2)
    # As Ctrl-C does: to the program and all that it began.
    os.killpg(process.pid, signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)

    assert process.returncode == 130
    assert stderr == ""
    assert json.loads(stdout)["error"] == {
        "type": "InterruptedRunError",
        "exit_code": 130,
        "message": "interrupted; every context that is there is whole",
        "where": "",
        "details": [],
        "remedy": "the same command again: it does the rest only",
    }
    assert wait_for_none(scene) == []
    assert list((scene.folder / "tmp").iterdir()) == []
    written = scene.written("interrupted")
    assert 2 <= len(written) < MODELS
    whole = files_in(scene.folder / "whole")
    assert files_in(scene.folder / "interrupted") == {
        name: data for name, data in whole.items() if name.partition("/")[0] in written
    }
    assert scene.finish("interrupted")["fresh"] == len(written)
    assert files_in(scene.folder / "interrupted") == whole


def test_of_two_runs_on_one_folder_the_second_finds_what_the_first_has_done(scene: Scene) -> None:
    both = [scene.start("shared") for _ in range(2)]
    counts = []
    for process in both:
        stdout, stderr = process.communicate(timeout=120)
        assert (process.returncode, stderr) == (0, "")
        counts.append(json.loads(stdout)["counts"])

    assert sorted(counts, key=str) == [{"fresh": MODELS}, {"locked": MODELS}]
    assert files_in(scene.folder / "shared") == files_in(scene.folder / "whole")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_end_alone_it_ends_its_workers(scene: Scene, number: signal.Signals) -> None:
    output = f"ended{number}"
    process = scene.start(output)
    scene.wait_for(output, 1)
    process.send_signal(number)
    process.communicate(timeout=60)

    assert process.returncode == 128 + number
    assert wait_for_none(scene) == []
    assert not (scene.folder / output / STAGE).exists()


def test_a_worker_that_is_killed_costs_no_model(scene: Scene) -> None:
    process = scene.start("bereft")
    scene.wait_for("bereft", 1)
    workers = [
        pid
        for pid in processes_about(f"HOME={scene.folder}\0")
        if b"spawn_main" in (Path("/proc") / str(pid) / "cmdline").read_bytes()
    ]
    os.kill(workers[0], signal.SIGKILL)
    stdout, stderr = process.communicate(timeout=120)

    assert (process.returncode, stderr) == (0, "")
    # Also what the lost worker had written counts as written by this run.
    assert json.loads(stdout)["counts"] == {"locked": MODELS}
    assert files_in(scene.folder / "bereft") == files_in(scene.folder / "whole")
