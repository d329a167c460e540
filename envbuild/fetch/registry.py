"""A model behind a URI: fetches what reading and locking need, and not the weights.

mlflow-skinny does the talking, with its own settings (``MLFLOW_TRACKING_URI`` and the like), so
every store that MLflow knows works here too.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from envbuild.ambient import Ambient
from envbuild.errors import (
    EnvbuildError,
    IndexUnavailableError,
    MissingExtraError,
    ModelError,
    OutputError,
)
from envbuild.fs import sha256_file
from envbuild.redact import redact

__all__ = [
    "ArtifactStore",
    "FetchedModel",
    "StoredFile",
    "fetch_model",
    "open_store",
    "registered_models",
]

_ALWAYS = frozenset({
    "MLmodel", "conda.yaml", "requirements.txt", "python_env.yaml", "constraints.txt",
    "uv.lock", "pyproject.toml", ".python-version",
})  # fmt: skip
# What is fetched when an environment file names it, and when MLmodel does.
_TEXTS = (".txt", ".in", ".yaml", ".yml")
_PACKAGES = (".whl", ".tar.gz", ".zip")
_BY_MLMODEL = (*_TEXTS, ".json")
# A text larger than this is no environment file, and an example nobody needs for an environment.
_MAX_TEXT = 10 * 1024 * 1024
_MAX_FOLDERS = 200
_PAGE = 100  # registered models in one answer


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """An entry of a listing: posix path relative to the model; ``size`` in bytes where known."""

    path: str
    is_folder: bool = False
    size: int | None = None


class ArtifactStore(Protocol):
    """Where a model lies."""

    def list(self, folder: str) -> Iterable[StoredFile]:
        """What is directly in ``folder``; ``""`` is the model itself."""

    def download(self, path: str, target: Path) -> None:
        """Fetch one file to ``target``, whose folder exists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedModel:
    """A folder with the small files of a model; ``uri`` is redacted."""

    path: Path
    name: str
    uri: str


def fetch_model(uri: str, *, ambient: Ambient, store: ArtifactStore | None = None) -> FetchedModel:
    """Fetch MLmodel, the environment files, and what these name (wheels, included files, examples).

    They lie in the user's cache, in a folder named by their content, which is never changed.

    Raises:
        MissingExtraError: mlflow-skinny is not installed.
        IndexUnavailableError: the registry cannot be reached or refused us.
        ModelError: there is no MLmodel at the URI.
        OutputError: the cache cannot be written.
    """
    name = _registered_name(uri)
    root = ambient.cache_root() / "models"
    try:
        root.mkdir(parents=True, exist_ok=True)
        stage = Path(tempfile.mkdtemp(prefix=".fetch-", dir=root))
    except OSError as error:
        raise _unusable(root, error) from error
    try:
        _Fetch(store or open_store(uri), stage, uri).run()
        path = _settle(stage, root, name)
    except EnvbuildError:
        raise
    except OSError as error:
        raise _unusable(root, error) from error
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    return FetchedModel(path=path, name=name, uri=redact(uri))


def open_store(uri: str) -> ArtifactStore:
    """The store that mlflow-skinny opens for ``uri``.

    Raises:
        MissingExtraError: mlflow-skinny is not installed.
        IndexUnavailableError: no such model, or the registry cannot be asked.
    """
    try:
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
    except ImportError as error:
        raise _no_mlflow(uri) from error
    try:
        return _MlflowStore(get_artifact_repository(uri), uri)
    except Exception as error:  # a store raises what its client library raises
        raise _unavailable(uri, error) from error


def registered_models() -> tuple[str, ...]:
    """URIs of the registered models of the registry that mlflow is set to, sorted.

    Of each the newest version, and every version that has an alias, as those are what is served.

    Raises:
        MissingExtraError: mlflow-skinny is not installed.
        IndexUnavailableError: the registry cannot be reached or refused us.
    """
    try:
        from mlflow import MlflowClient
    except ImportError as error:
        raise _no_mlflow("models:/") from error
    try:
        client = MlflowClient()
        found: set[tuple[str, int]] = set()
        token: str | None = None
        while token != "":
            page = client.search_registered_models(max_results=_PAGE, page_token=token)
            for model in page:
                newest = client.search_model_versions(
                    f"name={_quoted(model.name)}",
                    max_results=1,
                    order_by=["version_number DESC"],
                )
                versions = [version.version for version in newest]
                versions += (model.aliases or {}).values()
                found |= {(model.name, int(version)) for version in versions}
            token = page.token or ""
    except Exception as error:  # a store raises what its client library raises
        raise _unavailable("models:/", error) from error
    return tuple(f"models:/{name}/{version}" for name, version in sorted(found))


def _quoted(name: str) -> str:
    return '"' + name + '"' if "'" in name else f"'{name}'"


def _no_mlflow(uri: str) -> MissingExtraError:
    return MissingExtraError(
        f"{redact(uri)} needs mlflow-skinny, which is not installed",
        remedy="pip install 'envbuild[mlflow]'",
    )


class _Repository(Protocol):
    """The part of mlflow's ArtifactRepository that is used here."""

    def list_artifacts(self, path: str | None) -> Iterable[_FileInfo]: ...

    def download_artifacts(self, artifact_path: str, dst_path: str) -> str: ...


class _FileInfo(Protocol):
    @property
    def path(self) -> str: ...

    @property
    def is_dir(self) -> bool: ...

    @property
    def file_size(self) -> int | None: ...


class _MlflowStore:
    def __init__(self, repository: _Repository, uri: str) -> None:
        self._repository = repository
        self._uri = uri

    def list(self, folder: str) -> Iterator[StoredFile]:
        try:
            entries = list(self._repository.list_artifacts(folder or None))
        except Exception as error:
            raise _unavailable(self._uri, error) from error
        for entry in entries:
            # Of a run, mlflow 3 lists paths from the run's root, 2 from the model's.
            name = posixpath.basename(entry.path)
            path = f"{folder}/{name}" if folder else name
            yield StoredFile(path=path, is_folder=entry.is_dir, size=entry.file_size)

    def download(self, path: str, target: Path) -> None:
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            try:
                found = self._repository.download_artifacts(path, folder)
            except Exception as error:
                raise _unavailable(self._uri, error) from error
            shutil.copyfile(found, target)


class _Fetch:
    """Fetches until no text that was fetched names a file that was not."""

    def __init__(self, store: ArtifactStore, stage: Path, uri: str) -> None:
        self._store = store
        self._stage = stage
        self._uri = uri
        self._known: dict[str, StoredFile] = {}
        self._listed: set[str] = set()
        self._fetched: set[str] = set()
        self._mlmodel = ""
        self._environment = ""

    def run(self) -> None:
        self._list("")
        if "MLmodel" not in self._known:
            names = ", ".join(sorted(self._known)[:10]) or "nothing"
            raise ModelError(
                "not an MLflow model: no file MLmodel there",
                where=redact(self._uri),
                details=[f"there is: {names}"],
                remedy="the URI of the folder that holds MLmodel",
            )
        while wanted := self._wanted():
            for path in wanted:
                self._fetch(path)
            for folder in self._named_folders():
                self._list(folder)

    def _list(self, folder: str) -> None:
        self._listed.add(folder)
        for entry in self._store.list(folder):
            if _is_plain(entry.path):
                self._known[entry.path] = entry

    def _wanted(self) -> list[str]:
        return sorted(
            entry.path
            for entry in self._known.values()
            if not entry.is_folder and entry.path not in self._fetched and self._is_wanted(entry)
        )

    def _is_wanted(self, entry: StoredFile) -> bool:
        name = posixpath.basename(entry.path)
        if name.endswith(_PACKAGES):
            return name in self._environment
        if (entry.size or 0) > _MAX_TEXT:
            return False
        if entry.path in _ALWAYS or (name.endswith(_BY_MLMODEL) and name in self._mlmodel):
            return True
        return name.endswith(_TEXTS) and name in self._environment

    def _named_folders(self) -> list[str]:
        folders = [
            path
            for path, entry in sorted(self._known.items())
            if entry.is_folder and path not in self._listed and f"{path}/" in self._environment
        ]
        return folders[: max(0, _MAX_FOLDERS - len(self._listed))]

    def _fetch(self, path: str) -> None:
        target = self._stage / path
        target.parent.mkdir(parents=True, exist_ok=True)
        self._store.download(path, target)
        self._fetched.add(path)
        if path == "MLmodel":
            self._mlmodel = _start_of(target)
        elif path.endswith(_TEXTS):
            self._environment += f"{_start_of(target)}\n"


def _start_of(path: Path) -> str:
    with path.open("rb") as stream:
        return stream.read(_MAX_TEXT).decode("utf-8", "replace")


def _is_plain(path: str) -> bool:
    """Whether a path from a registry stays in the folder it is put in."""
    parts = path.split("/")
    return not path.startswith("/") and "\\" not in path and not {"", ".", ".."} & set(parts)


def _settle(stage: Path, root: Path, name: str) -> Path:
    """Move what was fetched to the folder that its content names; two runs may meet there."""
    digest = hashlib.sha256()
    for path in sorted(item for item in stage.rglob("*") if item.is_file()):
        digest.update(f"{path.relative_to(stage).as_posix()} {sha256_file(path)}\n".encode())
    target = root / f"{re.sub(r'[^A-Za-z0-9._-]+', '-', name)}-{digest.hexdigest()[:16]}"
    if not target.is_dir():
        stage.chmod(0o755)
        stage.replace(target)
    return target


def _registered_name(uri: str) -> str:
    """``wine`` of ``models:/wine/3`` or ``models:/wine@best``; else the last part of the path."""
    address = urlsplit(uri)
    parts = [part for part in address.path.split("/") if part]
    if not parts:
        raise ModelError("a URI that names no model", where=redact(uri))
    return parts[0].split("@")[0] if address.scheme == "models" else parts[-1]


def _unavailable(uri: str, error: Exception) -> IndexUnavailableError:
    text = redact(str(error)).strip() or type(error).__name__
    return IndexUnavailableError(
        f"the model registry cannot give it: {text}",
        where=redact(uri),
        remedy="the settings of mlflow (MLFLOW_TRACKING_URI, credentials), or another URI",
    )


def _unusable(root: Path, error: OSError) -> OutputError:
    return OutputError(
        f"cannot use the cache: {error.strerror or error}",
        where=str(root),
        remedy="another folder in ENVBUILD_CACHE_DIR",
    )
