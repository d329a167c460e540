"""Where a model is, what it is called, and what it is instead."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from envbuild.ambient import Ambient
from envbuild.errors import ModelError
from envbuild.model import Model, read_model
from tests.support.denied import deny
from tests.support.paths import MODELS

MLMODEL = "flavors: {python_function: {loader_module: mlflow.sklearn, env: conda.yaml}}\n"


@pytest.fixture
def ambient(tmp_path: Path) -> Ambient:
    return Ambient(environ={}, home=tmp_path, cwd=tmp_path)


@pytest.fixture
def make(tmp_path: Path) -> Callable[[str], Path]:
    """``make("a/b")`` is a folder with a small model in it."""

    def make(name: str) -> Path:
        folder = tmp_path / name
        folder.mkdir(parents=True)
        (folder / "MLmodel").write_text(MLMODEL)
        (folder / "conda.yaml").write_text("dependencies: [python=3.10]\n")
        return folder

    return make


def refusal(source: str | Path, ambient: Ambient) -> str:
    with pytest.raises(ModelError) as caught:
        read_model(source, ambient=ambient)
    return str(caught.value)


def test_a_model_is_its_folder_or_the_file_in_it(
    make: Callable[[str], Path], ambient: Ambient
) -> None:
    folder = make("wine")

    for source in (folder, str(folder), "wine", "./wine/", folder / "MLmodel", "wine/MLmodel"):
        model = read_model(source, ambient=ambient)
        assert model.name == "wine"
        assert model.path.resolve() == folder
        assert not model.partial


def test_a_file_uri_is_a_path(make: Callable[[str], Path], ambient: Ambient) -> None:
    folder = make("red wine")
    quoted = str(folder).replace(" ", "%20")

    for uri in (
        f"file://{quoted}",
        f"file://localhost{quoted}",
        "file:red%20wine",
        "FILE:red wine",
    ):
        assert read_model(uri, ambient=ambient).path.resolve() == folder


def test_a_file_of_another_machine_is_refused(ambient: Ambient) -> None:
    assert refusal("file://nas/models/wine", ambient) == (
        "'file://nas/models/wine' is a file of another machine"
    )


def test_without_surroundings_those_of_the_process_are_taken(
    make: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(make("wine").parent)

    assert read_model("wine").name == "wine"


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("model", "model"),
        ("Wine Quality", "wine-quality"),
        ("m-4f0c.v2_x", "m-4f0c.v2_x"),
        ("_ä_", "model"),
        ("-x-", "x"),
    ],
)
def test_a_model_is_named_after_its_folder(
    make: Callable[[str], Path], ambient: Ambient, folder: str, name: str
) -> None:
    assert read_model(make(folder), ambient=ambient).name == name


def test_the_folder_here_has_a_name_too(make: Callable[[str], Path]) -> None:
    folder = make("wine")

    assert read_model(".", ambient=Ambient(environ={}, home=folder, cwd=folder)).name == "wine"


def test_what_is_not_there_is_said_so(ambient: Ambient) -> None:
    assert refusal("nothing", ambient) == "nothing: no such file or folder"
    assert refusal("C:\\models\\wine", ambient) == "C:\\models\\wine: no such file or folder"


def test_an_empty_folder_is_said_so(ambient: Ambient, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    assert refusal("empty", ambient) == (
        "empty: an empty folder, not an MLflow model\n"
        "  try: the folder that mlflow.*.log_model or save_model wrote"
    )


def test_another_file_is_called_by_its_name(
    make: Callable[[str], Path], ambient: Ambient, tmp_path: Path
) -> None:
    (make("wine") / "model.pkl").write_bytes(b"\x80\x04.")
    (tmp_path / "notes.txt").write_text("notes")

    assert refusal("wine/model.pkl", ambient) == (
        "wine/model.pkl: a Python pickle, not an MLflow model\n"
        "  try: the folder it is in, which holds MLmodel"
    )
    assert refusal("notes.txt", ambient) == (
        "notes.txt: a file, not an MLflow model\n"
        "  try: the folder that mlflow.*.log_model or save_model wrote"
    )


def test_one_model_below_is_named_with_its_path(
    make: Callable[[str], Path], ambient: Ambient
) -> None:
    make("run/artifacts/model")

    assert refusal("run/", ambient) == (
        "run/: no MLmodel here, but a model below\n  try: run/artifacts/model"
    )


def test_an_mlmodel_that_is_no_file_is_refused(ambient: Ambient, tmp_path: Path) -> None:
    (tmp_path / "odd" / "MLmodel").mkdir(parents=True)
    for name in ("pipe", "lost"):
        (tmp_path / name).mkdir()
    os.mkfifo(tmp_path / "pipe" / "MLmodel")
    (tmp_path / "lost" / "MLmodel").symlink_to("nowhere")

    assert refusal("odd", ambient) == "odd/MLmodel: 'MLmodel' is not a regular file"
    assert refusal("pipe", ambient) == "pipe/MLmodel: 'MLmodel' is not a regular file"
    assert refusal("lost", ambient) == "lost/MLmodel: 'MLmodel' is a link to nothing"


def test_an_mlmodel_that_lies_elsewhere_is_refused(
    make: Callable[[str], Path], ambient: Ambient, tmp_path: Path
) -> None:
    make("wine")
    (tmp_path / "link").mkdir()
    (tmp_path / "link" / "MLmodel").symlink_to("../wine/MLmodel")

    assert refusal("link", ambient) == (
        "link/MLmodel: 'MLmodel' is a link that leads out of the model\n"
        "  try: a copy with the links followed: cp -rL"
    )


def test_an_error_names_the_model_as_the_user_did(
    make: Callable[[str], Path], ambient: Ambient
) -> None:
    folder = make("wine")
    (folder / "MLmodel").write_text("flavors: [")

    for source in ("wine", "wine/", "./wine/MLmodel"):
        assert refusal(source, ambient).partition(":")[0].removeprefix("./") == "wine/MLmodel"
    here = Ambient(environ={}, home=folder, cwd=folder)
    assert refusal("MLmodel", here).startswith("./MLmodel: broken YAML")


def test_a_model_that_may_not_be_read_is_said_so(
    make: Callable[[str], Path], ambient: Ambient, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make("wine")
    deny(monkeypatch, folder / "MLmodel")
    deny(monkeypatch, folder / "conda.yaml")

    assert refusal("wine", ambient) == "wine/MLmodel: cannot read: Permission denied"
    assert refusal("wine/conda.yaml", ambient) == "wine/conda.yaml: cannot read: Permission denied"


def test_a_large_mlmodel_is_refused(make: Callable[[str], Path], ambient: Ambient) -> None:
    (make("wine") / "MLmodel").write_bytes(b"#" * (10 * 2**20 + 1))

    assert refusal("wine", ambient) == "wine/MLmodel: larger than 10 MB, which no such file is"


def seed() -> Model:
    return read_model(MODELS / "seed")


def test_a_flavor_is_had_by_its_name() -> None:
    flavor = seed().flavor("sklearn")

    assert flavor is not None
    assert flavor.settings["sklearn_version"] == "0.24.1"
    assert seed().flavor("onnx") is None


def test_files_of_the_model_are_had_by_their_name() -> None:
    model = seed()

    assert model.contains("conda.yaml")
    assert not model.contains("python_env.yaml")
    assert model.read_text("requirements.txt", where="x").startswith("mlflow\n")
    assert model.locate("./conda.yaml", where="x") == MODELS / "seed" / "conda.yaml"
    assert model.locate_folder(".", where="x") == MODELS / "seed" / "."
    with pytest.raises(ModelError, match=r"^x: 'absent\.txt' is not in the model$"):
        model.read_text("absent.txt", where="x")


def test_reading_runs_nothing_of_the_model() -> None:
    """The code in these would end the interpreter; and unpickling would be an import."""
    for name in ("mlflow3-logged-model", "code-folder", "pip-files-of-the-model"):
        assert read_model(MODELS / name).notices == ()
