"""Models of today as a user would deploy them: tried on this machine, then as an image that is
built and run without a network. The seed, of 2022, is in ``test_verify``.
"""

from __future__ import annotations

import json
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.environments import scrubbed
from tests.support.paths import ROOT
from tests.support.training import log_model

if TYPE_CHECKING:
    from docker import DockerClient

pytestmark = pytest.mark.live

CACHE = "cache-of-images"
LOAD_S = 20
NEW = ("mlflow-skinny>=3", "pandas", "scikit-learn")
# The smallest wheel of PyTorch on PyPI that computes without CUDA's own packages (751 MB).
TORCH = ("mlflow-skinny>=2.9,<3", "torch==1.11.0", "numpy<2", "pandas<2.2", "scipy")
# What each is trained on. The first two have the same packages, so that the second image only adds
# a layer to the first.
CASES = {
    "sklearn_table.py": ("3.12", NEW),
    "code_folder.py": ("3.12", NEW),
    "xgboost_table.py": ("3.12", (*NEW, "xgboost-cpu")),
    "pytorch_array.py": ("3.10", TORCH),
}
LIGHT = [program for program in CASES if program != "pytorch_array.py"]


@dataclass(frozen=True, kw_only=True)
class Case:
    """A model with its context, and what it predicts for its example where it was trained."""

    folder: Path
    python: str
    model: Path
    prediction: Any

    @property
    def environ(self) -> dict[str, str]:
        """The cache is that of all cases, which have most packages in common."""
        return scrubbed(ENVBUILD_CACHE_DIR=str(self.folder.parent / CACHE))

    def envbuild(self, *arguments: str | Path) -> dict[str, Any]:
        """The JSON document that a command prints."""
        done = subprocess.run(
            [sys.executable, "-m", "envbuild", *map(str, arguments), "--json"],
            cwd=self.folder,
            env=self.environ,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        document: dict[str, Any] = json.loads(done.stdout)
        return document


@pytest.fixture(scope="module", params=CASES)
def case(
    request: pytest.FixtureRequest,
    interpreter: Callable[[str], Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Case:
    folder = tmp_path_factory.mktemp("case")
    (cache := folder.parent / CACHE / "uv").mkdir(parents=True, exist_ok=True)
    (folder / "uv").symlink_to(cache)
    python, packages = CASES[request.param]
    model, prediction = log_model(request.param, packages, exe=interpreter(python), folder=folder)
    made = Case(folder=folder, python=python, model=model, prediction=prediction)
    made.envbuild("lock", model, "-o", "env")
    return made


@pytest.mark.parametrize("case", LIGHT, indirect=True)
def test_it_is_served_from_its_context_as_from_the_container(case: Case) -> None:
    argv = ("serve", "env", "--model", case.model, "--port", "0", "--json")
    process = subprocess.Popen(
        [sys.executable, "-m", "envbuild", *map(str, argv)],
        cwd=case.folder,
        env=case.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    told = json.loads("".join(_document(process.stdout)))

    answer = subprocess.run(
        [*shlex.split(told["curl"]), "--silent"], capture_output=True, text=True, check=True
    )
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=60)

    assert json.loads(answer.stdout) == pytest.approx(case.prediction), log
    assert process.returncode == 143
    assert not Path(f"/proc/{told['pid']}").exists()


@pytest.mark.parametrize("case", ["code_folder.py"], indirect=True)
def test_no_good_request_is_lost_while_workers_die(case: Case) -> None:
    """The ten minutes of ``benchmarks/load.py``, in twenty seconds."""
    done = subprocess.run(
        [
            *(sys.executable, ROOT / "benchmarks" / "load.py", "env", "--model", case.model),
            *("--seconds", str(LOAD_S), "--every", "3"),
        ],
        cwd=case.folder,
        env=case.environ,
        capture_output=True,
        text=True,
        check=False,
    )

    found = json.loads(done.stdout)
    assert set(found["checks"].values()) == {True}, done.stdout
    assert found["counts"]["good, answered"] > LOAD_S
    assert found["killed workers"] > 0


def _document(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        yield line
        if line == "}\n":
            return


def test_its_image_is_built_and_answers_without_a_network(
    case: Case, docker_engine: DockerClient, python_image: Callable[[str], str]
) -> None:
    tag = f"envbuild-test/{case.folder.name}:live"
    case.envbuild("export", "env", "-o", "bundle")
    base = ("--base-image", python_image(case.python))
    try:
        built = case.envbuild(
            "build", "bundle", "-t", tag, "--offline", "--with-model", case.model, *base
        )
        report = case.envbuild("verify", tag)
        _check_image(docker_engine, tag, built)
    finally:
        docker_engine.images.remove(tag, force=True)

    assert report["complete"], json.dumps(report, indent=2)
    assert report["isolation"] == "docker run --network none"
    (scored,) = [one for one in report["steps"] if one["name"] == "server scores the example"]
    answer = re.search(r"answered 200 (.*)", scored["reason"])
    assert answer is not None, scored
    assert json.loads(answer[1]) == [pytest.approx(one) for one in case.prediction]


def _check_image(engine: DockerClient, tag: str, built: dict[str, Any]) -> None:
    """Only the environment, the script and the model come on top of the base image."""
    image = engine.images.get(tag)
    assert (built["id"], built["size"]) == (image.id, image.attrs["Size"])
    script = (
        "find / -xdev '(' -name '*.whl' -o -path /root/.cache -o -path /context ')' "
        "-not -path '*/ensurepip/*' | wc -l"
    )
    output = engine.containers.run(
        tag, ["sh", "-c", script], user="0", network_mode="none", remove=True
    )
    assert int(output) == 0
