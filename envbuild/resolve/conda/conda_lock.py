"""The conda part by conda-lock, run as a program with the conda section alone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from envbuild.ambient import Ambient
from envbuild.entries.requirements import CondaRequirement
from envbuild.errors import MissingExtraError, ToolError
from envbuild.fs import scratch_folder
from envbuild.merging.conda_part import combined
from envbuild.process import Completed, Runner, plain_environment, run
from envbuild.resolve.conda.channel_access import ChannelAccess, open_channels
from envbuild.resolve.conda.channels import Channel, settle_channels
from envbuild.resolve.conda.failures import classify
from envbuild.resolve.conda.interface import CondaPackage, CondaProblem, CondaResolution
from envbuild.resolve.conda.lockfile import parse_conda_lock, raise_unhashed
from envbuild.resolve.conda.settings import LockedRecord, Settings
from envbuild.resolve.conda.solver import write_launcher
from envbuild.resolve.conda.solving import solver_release
from envbuild.resolve.conda.virtual import VirtualPackage, virtual_packages

__all__ = ["CondaLockSolver", "environment_text", "find_conda_lock"]

_ENVIRONMENT, _LOCK, _REPORT = "environment.yml", "conda-lock.yml", "report.json"
_VIRTUAL, _LOOKUP = "virtual-packages.yml", "names.json"
_SOLVE_SECONDS, _RUN_SECONDS = 600.0, 900.0
_INSTALL = "python -m pip install 'envbuild[conda]'"


@dataclass(frozen=True, slots=True, kw_only=True)
class CondaLockSolver:
    """Solves with the conda-lock that is installed beside envbuild; see ``CondaSolver``."""

    ambient: Ambient
    run: Runner = run

    def solve(self, problem: CondaProblem) -> CondaResolution:
        """Solve ``problem``; see ``CondaSolver``.

        Raises:
            SpecError: an address needs an environment variable that is not set.
        """
        program, release = find_conda_lock()
        with self._session(problem) as session:
            done = session.run(program, self.run)
            packages = session.packages(done)
        raise_unhashed(packages)
        exe = problem.options.conda_exe
        solver = f"{Path(exe).name} (--conda-exe)" if exe else solver_release()
        return CondaResolution(
            target=problem.target, packages=packages, solver=f"conda-lock {release}, {solver}"
        )

    @contextmanager
    def _session(self, problem: CondaProblem) -> Iterator[_Session]:
        channels = settle_channels(problem, self.ambient.environ, cwd=self.ambient.cwd)
        addresses = [channel.address for channel in channels]
        with ExitStack() as stack:
            folder = stack.enter_context(scratch_folder())
            (folder / "home").mkdir()
            offline = problem.options.offline
            opened = open_channels(addresses, self.ambient, offline=offline, runner=self.run)
            access = stack.enter_context(opened)
            plain = plain_environment(self.ambient.environ, home=folder / "home")
            yield _Session(
                problem=problem,
                channels=channels,
                folder=folder.resolve(),
                environment=access.environment(plain),
                access=access,
                cache=self._cache(problem),
            )

    def _cache(self, problem: CondaProblem) -> Path:
        given = problem.options.cache_dir
        return self.ambient.cwd / given if given else self.ambient.cache_root()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Session:
    """A folder with what conda-lock reads; gone afterwards."""

    problem: CondaProblem
    channels: tuple[Channel, ...]
    folder: Path
    environment: Mapping[str, str] = field(repr=False)
    access: ChannelAccess
    cache: Path

    def run(self, program: Path, runner: Runner) -> Completed:
        """Write what conda-lock reads, and run it."""
        subdir, options = self.problem.target.platform.name, self.problem.options
        virtual = self._virtual()
        self._write(_ENVIRONMENT, environment_text(self.problem.requirements, self._names()))
        self._write(_VIRTUAL, _virtual_text(subdir, virtual))
        self._write(_LOOKUP, "{}\n")
        exe = options.conda_exe or str(write_launcher(self.folder, self._settings(virtual)))
        update: list[str] = []
        if options.conda_exe and self.problem.previous and not options.upgrade:
            self._write(_LOCK, self.problem.previous)
            update = [part for name in options.upgrade_packages for part in ("--update", name)]
        argv = [str(program), "lock", "--conda", exe, "--no-mamba", "--no-micromamba"]
        argv += ["--file", _ENVIRONMENT, "--platform", subdir, "--lockfile", _LOCK]
        argv += ["--virtual-package-spec", _VIRTUAL, "--pypi_to_conda_lookup_file", _LOOKUP]
        return runner([*argv, *update], env=self.environment, cwd=self.folder, timeout=_RUN_SECONDS)

    def packages(self, done: Completed) -> tuple[CondaPackage, ...]:
        """What was solved.

        Raises:
            EnvbuildError: nothing was; see ``CondaSolver``.
        """
        lock = self.folder / _LOCK
        if done.returncode != 0 or not lock.is_file():
            raise self.access.explain(
                classify(
                    done,
                    self._report(),
                    self.problem,
                    self.channels,
                    outside=self.access.outside,
                )
            )
        text = self.access.outside(lock.read_text(encoding="utf-8"))
        return parse_conda_lock(text, where=_LOCK).get(self.problem.target.platform.name, ())

    def _report(self) -> Mapping[str, Any]:
        try:
            report = json.loads((self.folder / _REPORT).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return report if isinstance(report, dict) else {}

    def _names(self) -> tuple[str, ...]:
        """The channels as conda-lock is told: its own lock shows them, so without passwords."""
        if self.problem.options.conda_exe:
            return tuple(self.access.inside(channel.address) for channel in self.channels)
        return tuple(dict.fromkeys(channel.name for channel in self.channels))

    def _settings(self, virtual: tuple[VirtualPackage, ...]) -> Settings:
        options = self.problem.options
        return Settings(
            channels=tuple((one.name, self.access.inside(one.address)) for one in self.channels),
            virtual_packages=virtual,
            locked=() if options.upgrade else self._locked(),
            upgrade=options.upgrade_packages,
            exclude_newer=options.exclude_newer,
            cache_dir=str(self.cache),
            offline=options.offline,
            timeout=_SOLVE_SECONDS,
            report=str(self.folder / _REPORT),
        )

    def _locked(self) -> tuple[LockedRecord, ...]:
        if not self.problem.previous:
            return ()
        found = parse_conda_lock(self.problem.previous, where=_LOCK)
        return tuple(
            LockedRecord(
                name=one.name,
                version=one.version,
                build=one.build,
                subdir=one.subdir,
                url=one.url,
                sha256=one.sha256,
                md5=one.md5,
                depends=one.depends,
            )
            for one in found.get(self.problem.target.platform.name, ())
        )

    def _virtual(self) -> tuple[VirtualPackage, ...]:
        target = self.problem.target
        given = {"CONDA_OVERRIDE_GLIBC": "{}.{}".format(*target.glibc)}
        if target.platform.system != "Linux":
            given = {}
        for name, version in self.problem.options.virtual_packages:
            given[f"CONDA_OVERRIDE_{name.lstrip('_').upper()}"] = version
        return virtual_packages(target.platform.name, given)

    def _write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text, encoding="utf-8")


def environment_text(requirements: Iterable[CondaRequirement], channels: Sequence[str]) -> str:
    """The ``environment.yml`` of the conda section: one line for each package, no pip section."""
    document = {
        "channels": list(channels),
        "dependencies": [one.match_spec() for one in combined(requirements)],
    }
    return json.dumps(document, indent=1) + "\n"  # which is YAML too


def _virtual_text(subdir: str, packages: Iterable[VirtualPackage]) -> str:
    rows = {
        name: version if build == "0" else f"{version} {build}" for name, version, build in packages
    }
    return json.dumps({"subdirs": {subdir: {"packages": rows}}}, indent=1) + "\n"


def find_conda_lock() -> tuple[Path, str]:
    """The program conda-lock of this environment, and its release.

    Raises:
        MissingExtraError: it is not installed.
        ToolError: it is, and its program is gone.
    """
    try:
        found = distribution("conda-lock")
    except PackageNotFoundError:
        raise MissingExtraError(
            "the conda runtime needs conda-lock, which is not installed", remedy=_INSTALL
        ) from None
    for file in found.files or ():
        if file.name in {"conda-lock", "conda-lock.exe"}:
            program = Path(str(found.locate_file(file))).resolve()
            if program.is_file():
                return program, found.version
    raise ToolError(
        "the conda-lock program is missing, although its package is installed",
        remedy="python -m pip install --force-reinstall conda-lock",
    )
