"""``envbuild build`` as a process, and an engine that never answers."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

from tests.support.environments import scrubbed
from tests.support.exporting import Site
from tests.support.index import Index


def test_a_build_that_is_ended_leaves_nothing_of_an_archive(tmp_path: Path) -> None:
    with Index() as index:
        site = Site(folder=tmp_path / "site", index=index)
        archive = site.export(site.context(), "bundle.tar").path
    (scratch := tmp_path / "scratch").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as engine:
        address = f"tcp://127.0.0.1:{engine.getsockname()[1]}"
        process = subprocess.Popen(
            [sys.executable, "-m", "envbuild", "build", str(archive), "-t", "spam:1"],
            env=scrubbed(DOCKER_HOST=address, TMPDIR=str(scratch)),
        )
        asked, _ = engine.accept()  # only after it has unpacked
        with asked:
            assert [path.name[:15] for path in scratch.iterdir()] == ["envbuild-image-"]

            process.send_signal(signal.SIGTERM)
            code = process.wait(timeout=60)

    assert code == 143
    assert list(scratch.iterdir()) == []
