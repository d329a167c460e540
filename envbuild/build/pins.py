"""Build requirements as a lock of their own: exact versions, wheels only, each with its sha256.

They are those of a time that the lock tells, so that the same lock builds with the same tools next
year.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import uv
from packaging.pylock import Package, Pylock, PylockValidationError

from envbuild.ambient import Ambient
from envbuild.build.ranking import WheelRanking
from envbuild.errors import BuildError
from envbuild.fetch.download import Artefact, Downloader
from envbuild.fs import link_or_copy, sha256_bytes, write_file
from envbuild.platforms import Target
from envbuild.process import Runner, plain_environment
from envbuild.redact import redact, without_userinfo

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["BuildPins", "PinResolver", "PinnedWheel", "Question", "newest_upload"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedWheel:
    """One wheel that a build needs. ``url`` is without credentials, ``size`` in bytes if known."""

    name: str
    version: str
    file: str
    url: str
    sha256: str
    size: int | None

    @property
    def artefact(self) -> Artefact:
        """What is to be fetched."""
        return Artefact(name=self.name, url=self.url, sha256=self.sha256, size=self.size)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildPins:
    """All wheels that a build needs, by name."""

    wheels: tuple[PinnedWheel, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """``setuptools==68.0.0``, in order."""
        return tuple(f"{wheel.name}=={wheel.version}" for wheel in self.wheels)

    @property
    def requirements(self) -> str:
        """A requirements file with hashes."""
        lines = (
            f"{wheel.name}=={wheel.version} --hash=sha256:{wheel.sha256}\n" for wheel in self.wheels
        )
        return "".join(lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """For what pins are wanted: the package that is built, where it is built, and as of when."""

    name: str
    target: Target
    cutoff: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PinResolver:
    """Asks uv what satisfies build requirements, once; the answers are kept below ``folder``.

    ``indexes`` hold credentials, the main one first; none means PyPI. ``constraints`` is the text
    of a constraints file.
    """

    ambient: Ambient
    runner: Runner
    downloader: Downloader
    folder: Path
    indexes: tuple[str, ...] = ()
    constraints: str = ""

    def pin(self, requires: Sequence[str], question: Question, *, workdir: Path) -> BuildPins:
        """Wheels that satisfy ``requires``.

        Raises:
            BuildError: they cannot be satisfied by wheels with hashes.
        """
        if not requires:
            return BuildPins()
        known = self.folder / f"{self._key(requires, question)}.json"
        if known.exists():
            rows = json.loads(known.read_bytes())
            return BuildPins(wheels=tuple(PinnedWheel(**row) for row in rows))
        pins = _read(self._ask(requires, question, workdir), question.target, question.name)
        rows = [asdict(wheel) for wheel in pins.wheels]
        write_file(known, json.dumps(rows, indent=2).encode())
        return pins

    def gather(self, pins: BuildPins, folder: Path) -> None:
        """Put the wheels of ``pins``, checked, into the new folder ``folder``.

        Raises:
            IndexUnavailableError, IntegrityError, OutputError: see ``Downloader.fetch_all``.
        """
        found = self.downloader.fetch_all([wheel.artefact for wheel in pins.wheels])
        folder.mkdir(exist_ok=True)
        for wheel in pins.wheels:
            # Never a link: a build may write to what it finds.
            link_or_copy(found[wheel.sha256], folder / wheel.file, link=False)

    def identity(self) -> tuple[str, ...]:
        """What the answers depend on beside the question."""
        indexes = [without_userinfo(index) for index in self.indexes]
        return (self.constraints, *indexes)

    def _ask(self, requires: Sequence[str], question: Question, workdir: Path) -> str:
        (workdir / "build-requires.in").write_text("".join(f"{line}\n" for line in requires))
        (workdir / "build-constraints.txt").write_text(self.constraints)
        environment = plain_environment(self.ambient.environ, home=workdir)
        environment["UV_CACHE_DIR"] = str(self.ambient.cache_root() / "uv")
        if self.indexes:
            # With credentials: nothing is built here, so no foreign code sees them.
            environment["UV_DEFAULT_INDEX"] = self.indexes[0]
            environment["UV_INDEX"] = " ".join(self.indexes[1:])
        done = self.runner(self._argv(question), env=environment, cwd=workdir)
        if done.returncode == 0:
            return done.stdout
        raise BuildError(
            f"{question.name}: its build requirements cannot be had as wheels",
            details=(
                f"it asks for {', '.join(requires)}",
                *(redact(line) for line in done.stderr.strip().splitlines()),
            ),
            remedy="--build-constraint, or a wheel of it by --find-links at lock",
        )

    def _argv(self, question: Question) -> list[str]:
        target = question.target
        argv = [uv.find_uv_bin(), "pip", "compile", "--no-config", "--no-progress", "--quiet"]
        argv += ["--format", "pylock.toml", "--no-header", "--only-binary", ":all:"]
        argv += ["--python-version", str(target.python), "--python-platform", target.uv_platform()]
        argv += ["--no-python-downloads", "--constraints", "build-constraints.txt"]
        if question.cutoff is not None:
            argv += ["--exclude-newer", question.cutoff.isoformat()]
        if self.downloader.offline:
            argv += ["--offline"]
        return [*argv, "build-requires.in"]

    def _key(self, requires: Sequence[str], question: Question) -> str:
        where = (str(question.target.python), question.target.uv_platform())
        when = question.cutoff.isoformat() if question.cutoff else ""
        asked = [*self.identity(), sorted(requires), *where, when]
        return sha256_bytes(json.dumps(asked).encode())[:32]


def _read(text: str, target: Target, name: str) -> BuildPins:
    ranking = WheelRanking.of(target)
    environment = {name: str(value) for name, value in target.marker_environment().items()}
    try:
        packages = Pylock.from_dict(tomllib.loads(text)).packages
    except (tomllib.TOMLDecodeError, PylockValidationError) as error:
        raise BuildError(
            f"{name}: uv's answer cannot be understood", details=(str(error),)
        ) from error
    return BuildPins(
        wheels=tuple(
            _pinned(package, ranking, name)
            for package in packages
            if package.marker is None or package.marker.evaluate(environment)
        )
    )


def _pinned(package: Package, ranking: WheelRanking, name: str) -> PinnedWheel:
    wheel = ranking.best(package.wheels or ())
    sha256 = wheel.hashes.get("sha256") if wheel else None
    if wheel is None or sha256 is None:
        raise BuildError(f"{name}: its build needs {package.name}, of which no wheel has a sha256")
    return PinnedWheel(
        name=package.name,
        version=str(package.version),
        file=wheel.filename,
        url=without_userinfo(wheel.url or Path(wheel.path or "").absolute().as_uri()),
        sha256=sha256,
        size=wheel.size,
    )


def newest_upload(pylocks: Sequence[Pylock]) -> datetime | None:
    """When the newest locked artefact was published, None where the index does not tell."""
    times = [
        file.upload_time
        for pylock in pylocks
        for package in pylock.packages
        for file in (*(package.wheels or ()), package.sdist, package.archive)
        if file is not None and file.upload_time is not None
    ]
    return max(times, default=None)
