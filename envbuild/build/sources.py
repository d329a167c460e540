"""Sources of a lock as project folders: archives unpacked, commits checked out, folders copied."""

from __future__ import annotations

import base64
import shutil
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from envbuild.ambient import Ambient
from envbuild.build.interface import ArchiveSource, FolderSource, GitSource, Source
from envbuild.build.wheelfile import EARLIEST
from envbuild.errors import BuildError, IndexUnavailableError
from envbuild.fetch.cache import ArtefactCache
from envbuild.fetch.transport import Credentials
from envbuild.fs import sha256_bytes
from envbuild.process import Completed, Runner
from envbuild.redact import redact

__all__ = ["Checkout", "SourceTrees"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """A project folder to build in, and the time (s) that its wheel gets: SOURCE_DATE_EPOCH."""

    project: Path
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceTrees:
    """Lays sources out. Archives are in the cache already, checked; git is fetched here."""

    cache: ArtefactCache
    repositories: Path  # bare clones, by the sha256 of their URL
    ambient: Ambient
    runner: Runner
    credentials: Credentials | None = None

    def lay_out(self, source: Source, folder: Path, *, name: str) -> Checkout:
        """Put ``source`` into the new folder ``folder``; ``name`` is for messages.

        Raises:
            BuildError: the source cannot be unpacked, or reaches outside of its folder.
            IndexUnavailableError: the repository cannot be had, or lacks the commit.
        """
        root, epoch = self._place(source, folder, name)
        project = root / source.subdirectory
        if not project.resolve().is_relative_to(folder.resolve()):
            raise BuildError(f"{name}: its subdirectory is outside of it: {source.subdirectory}")
        return Checkout(project=project, epoch=max(epoch, EARLIEST))

    def _place(self, source: Source, folder: Path, name: str) -> tuple[Path, int]:
        match source:
            case ArchiveSource():
                return self._unpack(source, folder, name)
            case GitSource():
                return self._check_out(source, folder, name)
            case FolderSource(path=path):
                shutil.copytree(path, folder, symlinks=True)
                return folder, EARLIEST

    def _unpack(self, source: ArchiveSource, folder: Path, name: str) -> tuple[Path, int]:
        archive = self.cache.path(source.artefact.sha256)
        folder.mkdir(parents=True)
        try:
            if zipfile.is_zipfile(archive):
                epoch = _unzip(archive, folder)
            else:
                epoch = _untar(archive, folder)
        except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError) as error:
            raise BuildError(f"{name}: {source.file} cannot be unpacked: {error}") from error
        tops = list(folder.iterdir())
        return (tops[0] if len(tops) == 1 and tops[0].is_dir() else folder), epoch

    def _check_out(self, source: GitSource, folder: Path, name: str) -> tuple[Path, int]:
        clone = self.repositories / sha256_bytes(source.url.encode())[:32]
        if not self._has(clone, source.commit):
            self._fetch(source, clone, name)
        # Not --shared: a build may keep or change what it finds in .git.
        self._git(["clone", "-q", "--no-checkout", str(clone), str(folder)], name=name)
        self._git(["checkout", "-q", "--detach", source.commit], cwd=folder, name=name)
        if (folder / ".gitmodules").exists():
            self._git(
                ["submodule", "update", "-q", "--init", "--recursive"],
                cwd=folder,
                name=name,
                url=source.url,
            )
        said = self._git(["log", "-1", "--format=%H %ct"], cwd=folder, name=name).stdout.split()
        if said[0] != source.commit:
            raise BuildError(f"{name}: git checked out {said[0]}, not {source.commit}")
        return folder, int(said[1])

    def _has(self, clone: Path, commit: str) -> bool:
        if not clone.exists():
            return False
        argv = ["git", "-C", str(clone), "cat-file", "-e", f"{commit}^{{commit}}"]
        return self.runner(argv, env=self._environment("")).returncode == 0

    def _fetch(self, source: GitSource, clone: Path, name: str) -> None:
        """All branches and tags: a server need not give a lone commit; versions come of tags."""
        if not clone.exists():
            clone.parent.mkdir(parents=True, exist_ok=True)
            self._git(["init", "-q", "--bare", str(clone)], name=name)
        refs = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"]
        fetch = ["fetch", "-q", "--no-write-fetch-head", source.url]
        self._git([*fetch, *refs], cwd=clone, name=name, url=source.url)
        if not self._has(clone, source.commit):
            argv = ["git", *fetch, source.commit]
            self.runner(argv, env=self._environment(source.url), cwd=clone)
        if not self._has(clone, source.commit):
            raise IndexUnavailableError(
                f"{name}: the repository no longer has the commit {source.commit}",
                where=redact(source.url),
                remedy="envbuild lock --upgrade-package " + name,
            )

    def _git(
        self, arguments: list[str], *, name: str, cwd: Path | None = None, url: str = ""
    ) -> Completed:
        done = self.runner(["git", *arguments], env=self._environment(url), cwd=cwd)
        if done.returncode == 0:
            return done
        lines = [redact(line) for line in done.stderr.strip().splitlines()[-5:]]
        if url:
            raise IndexUnavailableError(
                f"{name}: the repository cannot be fetched", where=redact(url), details=lines
            )
        raise BuildError(f"{name}: git {arguments[0]} failed", details=lines)

    def _environment(self, url: str) -> dict[str, str]:
        """The user's own, so that their keys and helpers serve: git runs nothing that it fetches.

        A password goes by environment, where no process list shows it.
        """
        environment = dict(self.ambient.environ)
        environment |= {"GIT_TERMINAL_PROMPT": "0", "GIT_LFS_SKIP_SMUDGE": "1", "LC_ALL": "C"}
        auth = self.credentials.for_url(url) if self.credentials and url else None
        if auth:
            token = base64.b64encode(":".join(auth).encode()).decode()
            environment |= {
                "GIT_CONFIG_COUNT": "1",
                "GIT_CONFIG_KEY_0": f"http.{url}.extraHeader",
                "GIT_CONFIG_VALUE_0": f"Authorization: Basic {token}",
            }
        return environment


def _untar(archive: Path, folder: Path) -> int:
    with tarfile.open(archive) as tar:
        times = [int(member.mtime) for member in tar if member.isreg()]
        # PEP 706: nothing outside of the folder, no devices.
        tar.extractall(folder, filter="data")
    return max(times, default=0)


def _unzip(archive: Path, folder: Path) -> int:
    """Zip times have no zone, so they do not count."""
    with zipfile.ZipFile(archive) as zipped:
        zipped.extractall(folder)  # noqa: S202 - zipfile keeps members inside
    return EARLIEST
