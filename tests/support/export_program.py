"""An export as a program of its own, to be killed: CONTEXT OUTPUT CACHE TOOLS.json [wait]."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from packaging.version import Version

from envbuild.ambient import Ambient
from envbuild.emit.export import export
from envbuild.emit.tools import Tool
from envbuild.fetch.artefact import Artefact
from envbuild.locking.context import read_context
from envbuild.options import ExportOptions


class Dawdler:
    """A reporter that makes every step long enough to be killed in."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def step(self, text: str) -> None:
        time.sleep(self.seconds)

    def advance(self, done: int, total: int) -> None:
        time.sleep(self.seconds)


def main(context: str, output: str, cache: str, tools: str, wait: str = "0") -> None:
    rows = json.loads(Path(tools).read_text())

    def toolbox(_: Version, conda: str = "") -> tuple[Tool, ...]:
        return tuple(
            Tool(
                name=row["name"],
                version=row["version"],
                file=row["file"],
                artefact=Artefact(name=row["name"], url=row["url"], sha256=row["sha256"]),
            )
            for row in rows
        )

    environ = {"PATH": os.environ["PATH"], "ENVBUILD_CACHE_DIR": cache}
    export(
        read_context(context),
        Path(output),
        ambient=Ambient(environ=environ, home=Path(cache).parent, cwd=Path(cache).parent),
        progress=Dawdler(float(wait)),
        options=ExportOptions(python_exe=sys.executable),
        toolbox=toolbox,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
