"""Builds that are done once: a bench builds, the result is checked, made reproducible and kept."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from packaging.version import Version

from envbuild.build.diagnosis import diagnose, last_lines
from envbuild.build.interface import BuildProblem, BuiltWheel
from envbuild.build.linkage import Linkage, check_glibc, check_machines, read_linkage
from envbuild.build.pins import BuildPins
from envbuild.build.wheelfile import WheelFile
from envbuild.errors import BuildError
from envbuild.fetch.cache import ArtefactCache
from envbuild.fs import sha256_bytes, write_file
from envbuild.platforms import Target

__all__ = ["Bench", "CachedBuilder", "Made"]

_RECIPE = 3
"""Raised when the way of building changes, so that older results are not taken for new ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What came off a bench. ``fits`` is False where the Python was only a stand-in for the
    target's, which is good enough for pure Python alone.
    """

    wheel: WheelFile
    epoch: int  # s, the time of the source
    pins: BuildPins
    builder: str
    fits: bool = True


class Bench(Protocol):
    """A place to build at."""

    def identity(self) -> tuple[str, ...]:
        """What results depend on beside the problem."""

    def work(self, problem: BuildProblem, workdir: Path, log: list[str]) -> Made:
        """Build in ``workdir``, which is empty; what programs print goes to ``log``.

        Raises:
            BuildError, IndexUnavailableError, IntegrityError: see ``Builder``.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedBuilder:
    """The ``Builder`` that asks ``bench`` what it has not built before.

    Records, logs and work folders are below ``folder``, wheels in ``cache``. ``image_glibc`` is
    what the base image is known to have: wheels are chosen for older systems too, but what has to
    be built may need all that the image has.
    """

    bench: Bench
    folder: Path
    cache: ArtefactCache
    image_glibc: tuple[int, int] = (0, 0)

    def build(self, problem: BuildProblem) -> BuiltWheel:
        """Build, or take from the cache what the same question gave before.

        Raises:
            BuildError: see ``Builder``; the log is kept, and named.
        """
        key = self._key(problem)
        record = self.folder / "wheels" / f"{key}.json"
        built = self._recall(record) or self._make(problem, key, record)
        # After it was kept: what took long to build is not built again only to be refused again.
        check_glibc(built.file, built.glibc, max(problem.target.glibc, self.image_glibc))
        return built

    def _make(self, problem: BuildProblem, key: str, record: Path) -> BuiltWheel:
        log: list[str] = []
        with _workdir(self.folder / "work" / key[:16]) as workdir:
            try:
                made = self.bench.work(problem, workdir, log)
            except BuildError as error:
                raise self._with_log(error, "".join(log), problem, key) from error.__cause__
        return self._keep(record, made, _checked(problem, made))

    def _keep(self, record: Path, made: Made, linkage: Linkage) -> BuiltWheel:
        data = made.wheel.to_bytes(epoch=made.epoch)
        built = BuiltWheel(
            file=made.wheel.file,
            path=self.cache.add_bytes(data),
            sha256=sha256_bytes(data),
            size=len(data),
            version=made.wheel.version,
            builder=made.builder,
            requirements=made.pins.names,
            libraries=linkage.libraries,
            glibc=linkage.glibc,
        )
        write_file(record, _to_json(built))
        return built

    def _recall(self, record: Path) -> BuiltWheel | None:
        try:
            document = json.loads(record.read_bytes())
            path = self.cache.find(document["sha256"])
            return _from_json(document, path) if path else None
        except (OSError, ValueError, KeyError, TypeError):
            return None  # as good as never built

    def _key(self, problem: BuildProblem) -> str:
        target = problem.target
        question = [
            _RECIPE,
            problem.name,
            problem.source.identity(),
            list(target.python_minor),
            target.platform.name,
            list(target.glibc),
            problem.cutoff.isoformat() if problem.cutoff else "",
            *self.bench.identity(),
        ]
        return sha256_bytes(json.dumps(question).encode())

    def _with_log(
        self, error: BuildError, output: str, problem: BuildProblem, key: str
    ) -> BuildError:
        """The error with causes that can be named, the last lines, and where the whole log is."""
        if not output:
            return error
        log = self.folder / "logs" / f"{problem.name}-{key[:16]}.log"
        write_file(log, output.encode("utf-8", "replace"))
        found = (*diagnose(output), *error.details, *last_lines(output), f"log: {log}")
        return BuildError(error.problem, details=found, remedy=error.remedy or "--builder docker")


def _checked(problem: BuildProblem, made: Made) -> Linkage:
    """Refuse what is not the locked project, or does not run on the target."""
    made.wheel.check_is(problem.name, problem.version)
    linkage = read_linkage(made.wheel)
    fits = made.fits or made.wheel.pure
    if not fits or made.wheel.tags.isdisjoint(problem.target.tags()):
        raise _needs_target(problem.target, made.wheel)
    check_machines(made.wheel, linkage, problem.target)
    return linkage


def _needs_target(target: Target, wheel: WheelFile) -> BuildError:
    minor = ".".join(str(part) for part in target.python_minor)
    return BuildError(
        f"{wheel.file} does not run on Python {target.python} on {target.platform}",
        details=(
            "it is compiled, so it must be built for the target",
            f"there is no Python {minor} for {target.platform} on this machine",
        ),
        remedy="--builder docker, or --python-exe",
    )


@contextmanager
def _workdir(folder: Path) -> Iterator[Path]:
    """A folder that is always the same for the same build, since paths end up in binaries.

    Held alone: the kernel's lock ends with the process, however that ends.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with Path(f"{folder}.lock").open("w") as lock:
        try:
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX)
        except ImportError:  # pragma: no cover - Windows
            pass
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _to_json(built: BuiltWheel) -> bytes:
    document = {
        "file": built.file,
        "sha256": built.sha256,
        "size": built.size,
        "version": str(built.version),
        "builder": built.builder,
        "requirements": built.requirements,
        "libraries": built.libraries,
        "glibc": built.glibc,
    }
    return json.dumps(document, indent=2).encode()


def _from_json(document: Mapping[str, object], path: Path) -> BuiltWheel | None:
    match document:
        case {
            "file": str(file),
            "sha256": str(sha256),
            "size": int(size),
            "version": str(version),
            "builder": str(builder),
            "requirements": [*requirements],
            "libraries": [*libraries],
            "glibc": glibc,
        }:
            return BuiltWheel(
                file=file,
                path=path,
                sha256=sha256,
                size=size,
                version=Version(version),
                builder=builder,
                requirements=tuple(str(requirement) for requirement in requirements),
                libraries=tuple(str(library) for library in libraries),
                glibc=(int(glibc[0]), int(glibc[1])) if isinstance(glibc, list) else None,
            )
        case _:
            return None
