"""Size and start-up of an image, beside the one of ``mlflow models generate-dockerfile``.

    python benchmarks/images.py MODEL --base-image python:3.12.1-slim --mlflow venv/bin/mlflow

Both stand on the same base image, which the engine has already, and hold the model. Ours is built
from a bundle without a network; MLflow's is built as it says, from the index. ``--mlflow`` is the
program of an environment with the model's own MLflow.

Start-up is the time from ``docker run`` to the first 200 of the readiness path, in turn.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from envbuild.fetch.loopback import free_port, status_of  # noqa: E402

OURS, THEIRS = "envbuild-benchmark/ours", "envbuild-benchmark/theirs"
# The port inside, and the path that answers 200 once the model is loaded.
SERVERS = {OURS: (5001, "/"), THEIRS: (8080, "/ping")}
PATIENCE_S = 300.0
MB = 1e6


def run(*argv: str | Path, cwd: Path) -> str:
    done = subprocess.run(
        [str(part) for part in argv], cwd=cwd, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise SystemExit(f"{argv[0]} ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def timed(action: Callable[[], object]) -> float:
    begun = time.monotonic()
    action()
    return time.monotonic() - begun


def build_ours(model: Path, base: str, work: Path) -> dict[str, Any]:
    """Lock and export, then build without a network: the build's seconds and its bill."""

    def envbuild(*arguments: str | Path) -> dict[str, Any]:
        text = run(sys.executable, "-m", "envbuild", *arguments, "--json", cwd=work)
        return dict(json.loads(text))

    envbuild("lock", model, "-o", "env")
    envbuild("export", "env", "-o", "bundle")
    begun = time.monotonic()
    built = envbuild(
        *("build", "bundle", "-t", OURS, "--offline"),
        *("--with-model", model, "--base-image", base),
    )
    return {"seconds": time.monotonic() - begun, **built}


def build_theirs(model: Path, base: str, work: Path, mlflow: Path) -> dict[str, Any]:
    """The Dockerfile that MLflow generates, on the same base image."""
    folder = work / "theirs"
    run(mlflow, "models", "generate-dockerfile", "-m", model, "-d", folder, cwd=work)
    file = folder / "Dockerfile"
    text, count = re.subn(r"^FROM .+$", f"FROM {base}", file.read_text(), flags=re.MULTILINE)
    if count != 1:
        raise SystemExit(f"more than one stage in {file}")
    file.write_text(text)
    seconds = timed(lambda: run("docker", "build", "-q", "-t", THEIRS, folder, cwd=work))
    return {"seconds": seconds, "layers": layers(THEIRS, work)}


def layers(tag: str, work: Path) -> list[tuple[float, str]]:
    lines = run(
        *("docker", "history", "--no-trunc", "--human=false"),
        *("--format", "{{.Size}}\t{{.CreatedBy}}", tag),
        cwd=work,
    ).splitlines()
    found = (line.split("\t", 1) for line in lines)
    return [(int(size) / MB, " ".join(text.split())) for size, text in found if int(size)]


def size_of(tag: str, work: Path) -> float:
    return int(run("docker", "image", "inspect", "-f", "{{.Size}}", tag, cwd=work)) / MB


def start_up(tag: str, work: Path) -> float:
    """Seconds from ``docker run`` to the first 200."""
    inside, path = SERVERS[tag]
    port = free_port("127.0.0.1")
    begun = time.monotonic()
    publish = f"127.0.0.1:{port}:{inside}"
    container = run("docker", "run", "-d", "-p", publish, tag, cwd=work).strip()
    try:
        while status_of("127.0.0.1", port, path) != 200:
            if time.monotonic() - begun > PATIENCE_S:
                raise SystemExit(run("docker", "logs", container, cwd=work))
            time.sleep(0.05)
        return time.monotonic() - begun
    finally:
        run("docker", "rm", "-f", container, cwd=work)


def measure(model: Path, base: str, mlflow: Path, rounds: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="envbuild-benchmark-") as folder:
        work = Path(folder)
        ours = build_ours(model, base, work)
        theirs = build_theirs(model, base, work, mlflow)
        times: dict[str, list[float]] = {tag: [] for tag in SERVERS}
        for _ in range(rounds):
            for tag, found in times.items():
                found.append(start_up(tag, work))
        return {
            "base": size_of(base, work),
            "sizes": {tag: size_of(tag, work) for tag in SERVERS},
            "bill": {part: size / MB for part, size in ours["bill"].items()},
            "their layers": theirs["layers"],
            "builds": {OURS: ours["seconds"], THEIRS: theirs["seconds"]},
            "start-up": times,
        }


def table(found: Mapping[str, Any]) -> str:
    """Markdown."""
    lines = [
        "| | size MB | above the base MB | build s | start-up s: minimum | median | maximum |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for tag, name in ((OURS, "envbuild build"), (THEIRS, "mlflow models generate-dockerfile")):
        times = found["start-up"][tag]
        cells = [
            f"{found['sizes'][tag]:.0f}",
            f"{found['sizes'][tag] - found['base']:.0f}",
            f"{found['builds'][tag]:.0f}",
            *(f"{value:.1f}" for value in (min(times), statistics.median(times), max(times))),
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    bill = ", ".join(f"{part} {size:.1f} MB" for part, size in found["bill"].items())
    return "\n".join([*lines, "", f"envbuild's image: {bill}."])


def main() -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--base-image", required=True)
    parser.add_argument("--mlflow", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    found = measure(args.model.resolve(), args.base_image, args.mlflow.absolute(), args.rounds)
    print(json.dumps(found, indent=2))
    print(table(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
