"""What is fetched of a model behind a URI, and what stays where it is."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from envbuild.ambient import Ambient
from envbuild.errors import (
    IndexUnavailableError,
    MissingExtraError,
    ModelError,
    OutputError,
)
from envbuild.fetch.registry import FetchedModel, StoredFile, fetch_model, open_store
from envbuild.model import read_model

URI = "models:/wine/3"
MLMODEL = "flavors: {python_function: {env: conda.yaml, model_path: model.zip}}\n"


@dataclass
class Store:
    """A store in memory: text by path; ``sizes`` overrides how large a file says it is."""

    files: dict[str, str]
    sizes: dict[str, int | None] = field(default_factory=dict)
    fetched: list[str] = field(default_factory=list)
    listed: list[str] = field(default_factory=list)

    def list(self, folder: str) -> Iterator[StoredFile]:
        self.listed.append(folder)
        prefix = f"{folder}/" if folder else ""
        inside = [path.removeprefix(prefix) for path in self.files if path.startswith(prefix)]
        for name in dict.fromkeys(path.split("/")[0] for path in inside):
            path = prefix + name
            size = self.sizes.get(path, len(self.files.get(path, "")))
            yield StoredFile(path=path, is_folder=path not in self.files, size=size)

    def download(self, path: str, target: Path) -> None:
        self.fetched.append(path)
        target.write_text(self.files[path])


@pytest.fixture
def ambient(tmp_path: Path) -> Ambient:
    return Ambient(environ={"ENVBUILD_CACHE_DIR": str(tmp_path)}, home=tmp_path, cwd=tmp_path)


def fetch(store: Store, ambient: Ambient, uri: str = URI) -> FetchedModel:
    return fetch_model(uri, ambient=ambient, store=store)


def names(folder: Path) -> list[str]:
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )


def test_the_environment_is_fetched_and_the_weights_are_not(ambient: Ambient) -> None:
    store = Store(
        {
            "MLmodel": MLMODEL + "saved_input_example_info: {artifact_path: input_example.json}\n",
            "conda.yaml": "dependencies: [pip: [-r more.txt, code/toy-1.0-py3-none-any.whl]]",
            "requirements.txt": "mlflow",
            "python_env.yaml": "python: 3.9.1",
            "more.txt": "-c pins.txt",
            "pins.txt": "numpy<2",
            "other.txt": "nobody names this",
            "input_example.json": "{}",
            "metrics.json": "{}",
            "model.pkl": "weights",
            "model.zip": "weights",
            "code/toy-1.0-py3-none-any.whl": "wheel",
            "code/secret.py": "code",
            "data/conda.yaml": "of another",
            "uv.lock": "toy-2.0-py3-none-any.whl code/",
        }
    )

    fetched = fetch(store, ambient)

    assert names(fetched.path) == [
        "MLmodel",
        "code/toy-1.0-py3-none-any.whl",
        "conda.yaml",
        "input_example.json",
        "more.txt",
        "pins.txt",
        "python_env.yaml",
        "requirements.txt",
        "uv.lock",
    ]
    assert sorted(store.fetched) == names(fetched.path)
    assert store.listed == ["", "code"]
    assert (fetched.name, fetched.uri) == ("wine", URI)


def test_a_file_too_large_for_a_text_stays_but_a_wheel_may_be_large(ambient: Ambient) -> None:
    store = Store(
        {"MLmodel": MLMODEL, "conda.yaml": "- big.whl\n- big.txt", "big.whl": "", "big.txt": ""},
        sizes={"big.whl": 1 << 40, "big.txt": 1 << 24, "conda.yaml": None},
    )

    assert names(fetch(store, ambient).path) == ["MLmodel", "big.whl", "conda.yaml"]


def test_a_registry_cannot_write_outside_the_folder(ambient: Ambient, tmp_path: Path) -> None:
    class Hostile(Store):
        def list(self, folder: str) -> Iterator[StoredFile]:
            yield from super().list(folder)
            for path in (
                "../evil.txt",
                "/evil.txt",
                "a/../../evil.txt",
                "a\\evil.txt",
                "a//evil.txt",
            ):
                yield StoredFile(path=path)

    store = Hostile({"MLmodel": MLMODEL, "conda.yaml": "- -r evil.txt"})

    assert names(fetch(store, ambient).path) == ["MLmodel", "conda.yaml"]
    assert store.fetched == ["MLmodel", "conda.yaml"]
    assert list(tmp_path.rglob("evil.txt")) == []


def test_folders_that_include_each_other_end(ambient: Ambient) -> None:
    files = {f"f{number}/x.txt": "" for number in range(400)}
    conda = " ".join(f"f{number}/x.txt" for number in range(400))
    store = Store({"MLmodel": MLMODEL, "conda.yaml": conda, **files})

    fetch(store, ambient)

    assert len(store.listed) == 200


def test_what_is_no_model_is_said_with_what_is_there(ambient: Ambient, tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        fetch(Store({"model/MLmodel": MLMODEL, "notes.md": ""}), ambient, "runs:/0a1b/artifacts")

    assert str(caught.value) == (
        "runs:/0a1b/artifacts: not an MLflow model: no file MLmodel there\n"
        "  there is: model, notes.md\n"
        "  try: the URI of the folder that holds MLmodel"
    )
    with pytest.raises(ModelError, match="there is: nothing"):
        fetch(Store({}), ambient)
    assert list((tmp_path / "models").iterdir()) == []


def test_the_same_model_lies_in_the_same_folder(ambient: Ambient, tmp_path: Path) -> None:
    store = Store({"MLmodel": MLMODEL, "conda.yaml": "a"})

    first = fetch(store, ambient)
    again = fetch(store, ambient, "models:/wine@best")
    other = fetch(Store({"MLmodel": MLMODEL, "conda.yaml": "b"}), ambient)

    assert first.path == again.path
    assert first.path != other.path
    assert len(list((tmp_path / "models").iterdir())) == 2


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("models:/wine/3", "wine"),
        ("models:/wine quality/Production", "wine quality"),
        ("models:/wine@best", "wine"),
        ("models:/main.sales.wine/1", "main.sales.wine"),
        ("models:/m-4f0c", "m-4f0c"),
        ("models://profile:x@databricks/wine/3", "wine"),
        ("runs:/0a1b/model", "model"),
        ("s3://key:secret@bucket/a/wine/?token=secret", "wine"),
        ("mlflow-artifacts:/1/models/m-4f/artifacts", "artifacts"),
    ],
)
def test_a_model_has_its_registered_name(ambient: Ambient, uri: str, name: str) -> None:
    fetched = fetch(Store({"MLmodel": MLMODEL}), ambient, uri)

    assert fetched.name == name
    assert "secret" not in f"{fetched.uri}{fetched.path}"


def test_a_uri_without_a_name_is_refused(ambient: Ambient) -> None:
    with pytest.raises(ModelError) as caught:
        fetch(Store({"MLmodel": MLMODEL}), ambient, "models:/")

    assert str(caught.value) == "models:/: a URI that names no model"


def test_a_cache_that_cannot_be_written_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    ambient = Ambient(
        environ={"ENVBUILD_CACHE_DIR": str(tmp_path / "file")}, home=tmp_path, cwd=tmp_path
    )

    with pytest.raises(OutputError) as caught:
        fetch(Store({"MLmodel": MLMODEL}), ambient)

    assert str(caught.value) == (
        f"{tmp_path}/file/models: cannot use the cache: Not a directory\n"
        "  try: another folder in ENVBUILD_CACHE_DIR"
    )


def test_a_disk_that_fills_up_is_said_so(ambient: Ambient) -> None:
    class Full(Store):
        def download(self, path: str, target: Path) -> None:
            raise OSError(28, "No space left on device")

    with pytest.raises(OutputError, match="cannot use the cache: No space left on device"):
        fetch(Full({"MLmodel": MLMODEL}), ambient)


@dataclass
class Repository:
    """The part of mlflow's artifact repository that is used; 'model/' is how runs list in 3.x."""

    root: Path
    prefix: str = ""

    def list_artifacts(self, path: str | None) -> Iterable[object]:
        for entry in (self.root / (path or "")).iterdir():
            shown = f"{self.prefix}{entry.relative_to(self.root).as_posix()}"
            size = entry.stat().st_size
            yield SimpleNamespace(path=shown, is_dir=entry.is_dir(), file_size=size)

    def download_artifacts(self, artifact_path: str, dst_path: str) -> str:
        target = Path(dst_path) / "deep" / artifact_path
        target.parent.mkdir(parents=True)
        target.write_bytes((self.root / artifact_path).read_bytes())
        return str(target)


def install_mlflow(monkeypatch: pytest.MonkeyPatch, repository: object) -> None:
    """Put a stand-in for mlflow's registry of stores in the place of the real one."""
    name = "mlflow.store.artifact.artifact_repository_registry"

    def get_artifact_repository(uri: str) -> object:
        if isinstance(repository, Exception):
            raise repository
        assert uri == URI
        return repository

    for parent in ("mlflow", "mlflow.store", "mlflow.store.artifact"):
        monkeypatch.setitem(sys.modules, parent, ModuleType(parent))
    module = ModuleType(name)
    module.__dict__["get_artifact_repository"] = get_artifact_repository
    monkeypatch.setitem(sys.modules, name, module)


@pytest.mark.parametrize("prefix", ["", "model/"])
def test_a_model_behind_a_uri_is_read_through_mlflow(
    ambient: Ambient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefix: str
) -> None:
    root = tmp_path / "registry"
    (root / "wheels").mkdir(parents=True)
    (root / "MLmodel").write_text(
        "flavors: {python_function: {env: conda.yaml, code: code, loader_module: x}}\n"
        "saved_input_example_info: {artifact_path: example.bin}\n"
    )
    (root / "conda.yaml").write_text("dependencies: [pip: [wheels/toy-1.0-py3-none-any.whl]]")
    (root / "wheels" / "toy-1.0-py3-none-any.whl").write_text("wheel")
    (root / "model.pkl").write_text("weights")
    install_mlflow(monkeypatch, Repository(root, prefix))

    model = read_model(URI, ambient=ambient)

    assert model.name == "wine"
    assert model.partial
    assert names(model.path) == ["MLmodel", "conda.yaml", "wheels/toy-1.0-py3-none-any.whl"]
    assert model.notices == ()


def test_an_error_in_a_fetched_model_names_the_uri(
    ambient: Ambient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "registry"
    root.mkdir()
    (root / "MLmodel").write_text("flavors: [")
    install_mlflow(monkeypatch, Repository(root))

    with pytest.raises(ModelError, match=r"^models:/wine/3/MLmodel: broken YAML"):
        read_model(URI, ambient=ambient)


def unavailable(text: str) -> str:
    return (
        f"{URI}: the model registry cannot give it: {text}\n"
        "  try: the settings of mlflow (MLFLOW_TRACKING_URI, credentials), or another URI"
    )


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("no such model"), "no such model"),
        (OSError("https://u:secret@h refused us"), "https://****:****@h refused us"),
        (KeyError(), "KeyError"),
    ],
)
def test_what_mlflow_complains_of_is_passed_on_without_secrets(
    ambient: Ambient, monkeypatch: pytest.MonkeyPatch, error: Exception, text: str
) -> None:
    install_mlflow(monkeypatch, error)

    with pytest.raises(IndexUnavailableError) as caught:
        read_model(URI, ambient=ambient)

    assert str(caught.value) == unavailable(text)


@pytest.mark.parametrize("broken", ["list_artifacts", "download_artifacts"])
def test_a_store_that_fails_halfway_is_unavailable_too(
    ambient: Ambient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    def fail(*args: object) -> None:
        raise ConnectionError("gone")

    (tmp_path / "registry").mkdir()
    (tmp_path / "registry" / "MLmodel").write_text(MLMODEL)
    repository = Repository(tmp_path / "registry")
    monkeypatch.setattr(repository, broken, fail)
    install_mlflow(monkeypatch, repository)

    with pytest.raises(IndexUnavailableError) as caught:
        read_model(URI, ambient=ambient)

    assert str(caught.value) == unavailable("gone")


def test_without_mlflow_the_command_that_installs_it_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = "mlflow.store.artifact.artifact_repository_registry"
    monkeypatch.setitem(sys.modules, name, None)

    with pytest.raises(MissingExtraError) as caught:
        open_store("s3://key:secret@bucket/wine")

    assert str(caught.value) == (
        "s3://****:****@bucket/wine needs mlflow-skinny, which is not installed\n"
        "  try: pip install 'envbuild[mlflow]'"
    )
