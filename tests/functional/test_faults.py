"""An export that is killed, or whose server fails, ends in the right bytes or in none."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from envbuild.emit.archive import archive_suffix
from envbuild.emit.bundle import check_files
from envbuild.fs import sha256_file
from tests.support.contexts import context_of
from tests.support.environments import scrubbed
from tests.support.exporting import Site, package
from tests.support.flaky import Answer, FlakyServer
from tests.support.index import Index, wheel
from tests.support.paths import ROOT
from tests.support.projects import project_files, source_archive

KILLS = int(os.environ.get("ENVBUILD_TEST_KILLS", "6"))


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A context whose files come from a server that can be told to fail."""

    folder: Path
    server: FlakyServer
    context: Path
    tools: Path

    def start(self, output: str, *, cache: str, wait: float = 0.0) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [
                sys.executable, "-m", "tests.support.export_program",
                self.context, self.folder / output, self.folder / cache, self.tools, str(wait),
            ],
            cwd=ROOT,
            env=scrubbed(),
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )  # fmt: skip

    def export(self, output: str, *, cache: str, runs: int = 1) -> Path:
        """Export, again where it fails, up to ``runs`` times."""
        stderr = ""
        for _ in range(runs):
            process = self.start(output, cache=cache)
            _, stderr = process.communicate(timeout=120)
            if process.returncode == 0:
                return self.folder / output
        raise AssertionError(stderr)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    chance = random.Random(3)
    files = [
        wheel(f"spam{number}", "1.0", files={"x.py": chance.randbytes(40_000).hex()})
        for number in range(6)
    ]
    sdist = source_archive("eggs", "1.0", project_files("eggs"))
    with Index() as index, FlakyServer({}) as server:
        site = Site(folder=tmp_path, index=index)
        every = [*files, sdist, *site.tool_files()]
        server.files = {f"files/{file.filename}": file.data for file in every}
        entries = "".join(package(index, file) for file in sorted([*files, sdist], key=str))
        here = entries.replace(index.root, f"http://127.0.0.1:{server.port}")
        context_of(tmp_path / "context", site.lock(here))
        tools = [
            {
                "name": tool.name,
                "version": tool.version,
                "file": tool.file,
                "url": server.url(f"files/{tool.file}"),
                "sha256": tool.artefact.sha256,
            }
            for tool in site.toolbox(site.lock().target.python)
        ]
        (tmp_path / "tools.json").write_text(json.dumps(tools))
        yield Scene(
            folder=tmp_path,
            server=server,
            context=tmp_path / "context",
            tools=tmp_path / "tools.json",
        )


def digest(path: Path) -> str:
    """One sha256 for a folder's names and bytes, or of an archive."""
    if path.is_file():
        return sha256_file(path)
    lines = [
        f"{file.relative_to(path)} {sha256_file(file)}"
        for file in sorted(path.rglob("*"))
        if file.is_file()
    ]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


@pytest.mark.parametrize("output", ["bundle", "bundle.tar"])
def test_killed_at_any_moment_it_comes_to_the_same_bundle(scene: Scene, output: str) -> None:
    undisturbed = digest(scene.export(f"whole-{output}", cache="cache-whole"))
    begun = time.monotonic()
    scene.export(f"timed-{output}", cache="cache-timed")
    duration = time.monotonic() - begun
    chance = random.Random(11)
    different = []
    for number in range(KILLS):
        cache, name = f"cache-{number}", f"{number}-{output}"
        process = scene.start(name, cache=cache, wait=0.01)
        time.sleep(chance.uniform(0.1, 1.3) * duration)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        left = scene.folder / name
        if left.exists() and not archive_suffix(left):
            check_files(left)  # what has the name of the output is whole
        if digest(scene.export(name, cache=cache)) != undisturbed:
            different.append(number)
    assert different == []
    assert not list(scene.folder.glob(".*.envbuild-*"))


def test_a_server_that_fails_at_random_comes_to_the_same_bundle(scene: Scene) -> None:
    undisturbed = digest(scene.export("whole", cache="cache-whole"))
    chance = random.Random(5)

    def choose() -> Answer:
        if chance.random() < 0.1:
            return Answer(status=503)
        kind = chance.choice(["whole", "whole", "whole", "reset", "cut", "stall"])
        return Answer(how=kind, after=chance.randrange(100_000), stalled=0.3)

    scene.server.choose = choose
    different = [
        number
        for number in range(max(1, KILLS // 3))
        # More than half of the answers are bad: now and then more in a row than an export retries.
        if digest(scene.export(f"bundle-{number}", cache=f"cache-{number}", runs=10)) != undisturbed
    ]

    assert different == []
