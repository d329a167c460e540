"""From a model of 2022 to a server that answers without a network, as a user would go."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

from tests.support.environments import scrubbed
from tests.support.paths import MODELS

pytestmark = pytest.mark.live

SEED = MODELS / "seed"
IMPORTS = "import mlflow, sklearn, azureml_inference_server_http; print(sklearn.__version__)"
TRAIN = """\
import sys, cloudpickle, numpy
from sklearn.linear_model import LogisticRegression
generator = numpy.random.RandomState(7)
samples = generator.uniform(0, 10, size=(200, 4))
labels = (samples[:, 0] + samples[:, 3] > 10).astype("int64")
model = LogisticRegression(max_iter=500).fit(samples, labels)
with open(sys.argv[1], "wb") as stream:
    cloudpickle.dump(model, stream)
"""
ASK = """\
import json, sys, mlflow.pyfunc, pandas
rows = pandas.DataFrame(json.loads(sys.argv[2])["input_data"]["data"],
    columns=["fixed_acidity", "volatile_acidity", "residual_sugar", "alcohol"])
print(json.dumps(mlflow.pyfunc.load_model(sys.argv[1]).predict(rows).tolist()))
"""
EXAMPLE = {
    "input_data": {
        "columns": ["fixed_acidity", "volatile_acidity", "residual_sugar", "alcohol"],
        "data": [[9.5, 1.0, 2.0, 8.0], [1.0, 5.0, 5.0, 2.0]],
    }
}


def envbuild(*arguments: str | Path, cwd: Path, code: int = 0) -> str:
    """What the command prints on standard output, or its error where it should fail."""
    done = subprocess.run(
        [sys.executable, "-m", "envbuild", *map(str, arguments)],
        cwd=cwd,
        env=scrubbed(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, f"{done.stdout}\n{done.stderr}"
    return done.stderr if code else done.stdout


def lock(model: Path, *arguments: str, cwd: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(
        envbuild("lock", model, *arguments, "--json", "-o", "env", cwd=cwd)
    )
    return document


def versions(document: dict[str, Any]) -> dict[str, str]:
    (platform,) = document["platforms"]
    return {package["name"]: package["version"] for package in platform["packages"]}


def write_model(folder: Path, pip: list[str], *, python: str) -> Path:
    """A scikit-learn model of its metadata alone."""
    folder.mkdir()
    (folder / "MLmodel").write_text(
        "flavors:\n"
        f"  python_function: {{env: conda.yaml, loader_module: mlflow.sklearn, "
        f"model_path: model.pkl, python_version: {python}}}\n"
        "  sklearn: {pickled_model: model.pkl, serialization_format: cloudpickle}\n"
    )
    entries = "".join(f"      - {entry}\n" for entry in pip)
    (folder / "conda.yaml").write_text(
        f"channels: [conda-forge]\ndependencies:\n  - python={python}\n  - pip:\n{entries}"
    )
    return folder


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the seed model's lock in ``env``."""
    folder = tmp_path_factory.mktemp("story")
    lock(SEED, cwd=folder)
    return folder


@pytest.fixture(scope="module")
def environment(story: Path, interpreter: Callable[[str], Path]) -> Path:
    """The lock, installed by plain pip on Python 3.7 from the index."""
    python = story / "venv" / "bin" / "python"
    subprocess.run([interpreter("3.7"), "-m", "venv", story / "venv"], check=True)
    for requirements in ("tools/requirements.txt", "requirements.txt"):
        subprocess.run(
            [python, "-m", "pip", "install", "-q", "--require-hashes", "-r", requirements],
            cwd=story / "env",
            env=scrubbed(),
            check=True,
        )
    return python


@pytest.fixture(scope="module")
def trained(story: Path, environment: Path) -> Path:
    """The seed model with weights, trained by scikit-learn 0.24.1, and with an input example."""
    model = story / "model"
    shutil.copytree(SEED, model)
    subprocess.run([environment, "-W", "ignore", "-c", TRAIN, model / "model.pkl"], check=True)
    (model / "input_example.json").write_text(json.dumps(EXAMPLE["input_data"]))
    with (model / "MLmodel").open("a") as stream:
        stream.write(
            "saved_input_example_info:\n  artifact_path: input_example.json\n"
            "  pandas_orient: split\n  type: dataframe\n"
        )
    return model


@pytest.mark.needs_python("3.7")
def test_the_seed_model_installs_with_plain_pip_and_imports(environment: Path) -> None:
    done = subprocess.run(
        [environment, "-W", "ignore", "-c", IMPORTS], capture_output=True, text=True, check=False
    )

    assert done.stdout == "0.24.1\n", done.stderr


@pytest.mark.needs_python("3.7")
def test_its_bundle_installs_loads_predicts_and_serves_without_a_network(
    story: Path, trained: Path, environment: Path
) -> None:
    envbuild("export", "env", "-o", "bundle", cwd=story)
    report = json.loads(envbuild("verify", "bundle", "--model", trained, "--json", cwd=story))

    outcomes = {step["name"]: step["outcome"] for step in report["steps"]}
    assert set(outcomes.values()) == {"passed"}, json.dumps(report, indent=2)
    assert report["complete"]
    expected = subprocess.run(
        [environment, "-W", "ignore", "-c", ASK, trained, json.dumps(EXAMPLE)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(expected.stdout) == [1, 0]


def test_mlflow_2_9_2_gets_a_current_server_and_skinny(tmp_path: Path) -> None:
    model = write_model(
        tmp_path / "old", ["mlflow==2.9.2", "scikit-learn==1.3.2"], python="3.10.13"
    )

    document = lock(model, cwd=tmp_path)

    found = versions(document)
    assert Version(found["azureml-inference-server-http"]) >= Version("1.4.1")
    assert found["mlflow-skinny"] == "2.9.2"
    assert "mlflow" not in found
    (swap,) = [change for change in document["changes"] if change["kind"] == "swapped"]
    assert (swap["before"], swap["after"]) == ("mlflow==2.9.2", "mlflow-skinny==2.9.2")
    assert "gunicorn" in swap["reason"]


def test_keeping_full_mlflow_is_an_error_that_names_gunicorn(tmp_path: Path) -> None:
    model = write_model(
        tmp_path / "old", ["mlflow==2.9.2", "scikit-learn==1.3.2"], python="3.10.13"
    )
    arguments = ("lock", model, "--keep-mlflow", "-o", "env")

    error = envbuild(*arguments, cwd=tmp_path, code=7)

    assert "gunicorn" in error
    assert "conda.yaml: dependencies[1].pip[0] asks for mlflow==2.9.2" in error
    assert not (tmp_path / "env").exists()


def test_batch_on_a_recent_model_marks_fusepy_to_be_built(tmp_path: Path) -> None:
    model = write_model(tmp_path / "new", ["mlflow==3.13.0", "scikit-learn==1.7.0"], python="3.12")

    document = lock(model, "--server", "azureml-batch", cwd=tmp_path)

    assert {"azureml-core", "azureml-dataset-runtime", "fusepy"} <= set(versions(document))
    assert document["platforms"][0]["to_build"] == ["fusepy"]


def test_several_platforms_have_a_lock_each(tmp_path: Path) -> None:
    arguments = ("--platform", "linux-64", "--platform", "linux-aarch64")

    document = lock(SEED, "--python", "3.9.25", "--relax", "auto", *arguments, cwd=tmp_path)

    assert [platform["platform"] for platform in document["platforms"]] == [
        "linux-64",
        "linux-aarch64",
    ]
    text = (tmp_path / "env" / "pylock.linux-aarch64.toml").read_text()
    assert "aarch64.whl" in text
    assert "x86_64.whl" not in text
