"""Server profiles: what an inference server needs, as data. TOML in, ServerProfile out.

The format is described in ``docs/reference/server-profiles.md``.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Literal

from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name

from envbuild.endpoints import BUILT_IN, Probes
from envbuild.entries.requirements import PipRequirement
from envbuild.errors import ProfileError
from envbuild.origins import Origin
from envbuild.profile_schema import TableReader
from envbuild.pythons import load_releases

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = [
    "BUILT_IN",
    "Companion",
    "MLflowNeed",
    "PackageSet",
    "Probes",
    "ServerProfile",
    "load_profile",
]

_PROFILES = Path(__file__).parent / "profiles"
_SCRIPTS = Path(__file__).parent / "scoring"
_DOCUMENTED = "docs/reference/server-profiles.md describes the format"
_MAX_RANK = 99
_MAX_PORT = 65_535

MLflowNeed = Literal["none", "skinny", "full"]
_NEEDS: Mapping[str, MLflowNeed] = {"none": "none", "skinny": "skinny", "full": "full"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Companion:
    """The releases of another package that can stand beside a set: those in any of the ranges."""

    name: NormalizedName
    ranges: tuple[SpecifierSet, ...]
    origin: Origin

    def __str__(self) -> str:
        return " or ".join(f"{self.name}{versions}" for versions in self.ranges)

    def allows(self, asked: SpecifierSet) -> bool:
        """Whether some version in ``asked`` can stand beside the set."""
        return not all((versions & asked).is_unsatisfiable() for versions in self.ranges)


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageSet:
    """Packages for the Pythons in ``python``.

    Lower ``rank`` is tried first; a higher rank is an older server, taken only when the model's own
    pins exclude the newer, and said aloud with ``reason``. ``beside`` says which releases of other
    packages can stand beside the set, so that no time is lost on what cannot resolve.
    """

    python: SpecifierSet
    packages: tuple[PipRequirement, ...]
    rank: int = 0
    reason: str = ""
    beside: tuple[Companion, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerProfile:
    """One server.

    ``script`` is the file name of a shipped scoring script or a path beside the profile; empty for
    none. ``mlflow`` is the MLflow that the server needs where the model asks for none or for less.
    With ``model_decides_mlflow`` the server is MLflow's own, and a model that pins MLflow chooses.
    """

    name: str
    summary: str
    package_sets: tuple[PackageSet, ...]
    mlflow: MLflowNeed = "none"
    skinny_swap: bool = False  # full mlflow may be replaced by mlflow-skinny
    swap_because: str = ""  # what of full mlflow stands in the way
    model_decides_mlflow: bool = False
    scoring_needs: tuple[PipRequirement, ...] = ()  # what the script imports beside mlflow-skinny
    script: str = ""
    command: tuple[str, ...] = ()
    port: int | None = None
    probes: Probes | None = None
    environment: Mapping[str, str] | None = None
    kind: str = "online"  # online | batch | none: which azureml/ files are written
    path: Path | None = None  # the user's file

    def sets_for(self, python: str) -> tuple[PackageSet, ...]:
        """The package sets for a full Python version, best rank first."""
        fitting = (packages for packages in self.package_sets if packages.python.contains(python))
        return tuple(sorted(fitting, key=lambda packages: packages.rank))


def load_profile(name_or_path: str) -> ServerProfile:
    """A built-in profile by name, or a user's TOML file by path.

    Raises:
        ProfileError: unknown name, unreadable file, or every violation of the schema at once.
    """
    if name_or_path in BUILT_IN:
        return _built_in(name_or_path)
    path = Path(name_or_path)
    if path.suffix != ".toml" and not path.is_file():
        close = difflib.get_close_matches(name_or_path, BUILT_IN, n=1, cutoff=0.5)
        raise ProfileError(
            f"no server profile is called {name_or_path!r}",
            details=[f"built in: {', '.join(BUILT_IN)}"],
            remedy=f"--server {close[0] if close else BUILT_IN[0]}, or the path of a TOML file",
        )
    return _read(path, shown=name_or_path, is_users=True)


@cache
def _built_in(name: str) -> ServerProfile:
    """Read once: a fleet asks for it with every model, and it takes longer than reading one."""
    return _read(_PROFILES / f"{name}.toml", shown=name, is_users=False)


def _read(path: Path, *, shown: str, is_users: bool) -> ServerProfile:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        problem = f"the profile cannot be read: {error.strerror or error}"
        raise ProfileError(problem, where=shown) from error
    except UnicodeDecodeError as error:
        raise ProfileError("the profile is not UTF-8", where=shown) from error
    except tomllib.TOMLDecodeError as error:
        raise ProfileError(f"the profile is no TOML: {error}", where=shown) from error
    reader = TableReader(values, file=path.name if is_users else shown)
    profile = _profile(reader, path=path if is_users else None)
    if reader.violations:
        raise ProfileError(
            "the profile does not fit the schema",
            where=shown,
            details=reader.violations,
            remedy=_DOCUMENTED,
        )
    return profile


def _profile(reader: TableReader, *, path: Path | None) -> ServerProfile:
    reader.only(
        "name", "summary", "kind", "command", "port",
        "script", "mlflow", "probes", "environment", "requires",
    )  # fmt: skip
    kind = reader.text("kind", default="online", choices=("online", "batch", "none"))
    script, mlflow = reader.table("script"), reader.table("mlflow")
    script.only("name", "needs")
    mlflow.only("needs", "swap", "because", "model-decides")
    need = mlflow.text("needs", default="none", choices=tuple(_NEEDS))
    profile = ServerProfile(
        name=reader.text("name"),
        summary=reader.text("summary"),
        package_sets=_package_sets(reader),
        mlflow=_NEEDS.get(need, "none"),
        skinny_swap=mlflow.flag("swap"),
        swap_because=mlflow.text("because", default=""),
        model_decides_mlflow=mlflow.flag("model-decides"),
        scoring_needs=script.requirements("needs"),
        script=script.text("name") if reader.has("script") else "",
        command=reader.texts("command"),
        port=reader.number("port", low=1, high=_MAX_PORT),
        probes=_probes(reader),
        environment=reader.assignments("environment"),
        kind=kind,
        path=path,
    )
    _check(profile, reader)
    return profile


def _probes(reader: TableReader) -> Probes | None:
    if not reader.has("probes"):
        return None
    inner = reader.table("probes")
    inner.only("liveness", "readiness", "scoring")
    paths = {name: inner.text(name) for name in ("liveness", "readiness", "scoring")}
    for name, path in paths.items():
        if path and not path.startswith("/"):
            inner.violate(f"{name} has to begin with a slash, got {path!r}")
    return Probes(**paths)


def _package_sets(reader: TableReader) -> tuple[PackageSet, ...]:
    rows = reader.tables("requires")
    sets = []
    for row in rows:
        row.only("python", "packages", "rank", "reason", "beside")
        rank = row.number("rank", low=0, high=_MAX_RANK) or 0
        reason = row.text("reason", default="")
        if bool(rank) != bool(reason):
            row.violate("a rank above 0 needs a reason, and only such a rank has one")
        sets.append(
            PackageSet(
                python=row.specifier("python"),
                packages=row.requirements("packages"),
                rank=rank,
                reason=reason,
                beside=tuple(_companion(entries) for entries in row.alternatives("beside")),
            )
        )
    for message in _overlaps(sets):
        reader.violate(message)
    return tuple(sets)


def _companion(entries: Sequence[PipRequirement]) -> Companion:
    first = entries[0]
    return Companion(
        name=canonicalize_name(first.name or ""),
        ranges=tuple(entry.specifier for entry in entries),
        origin=first.origin,
    )


def _overlaps(sets: Iterable[PackageSet]) -> Iterator[str]:
    """Sets that are for the same Python with the same rank, so that neither counts first."""
    for (first, one), (second, other) in combinations(enumerate(sets), 2):
        if one.rank != other.rank:
            continue
        shared = next(filter(one.python.contains, other.python.filter(load_releases().all())), None)
        if shared:
            yield (
                f"requires[{second}] has the same rank {other.rank} as requires[{first}]"
                f" for Python {shared}"
            )


def _check(profile: ServerProfile, reader: TableReader) -> None:
    """What no single value says."""
    if profile.probes and profile.port is None:
        reader.violate("probes need a port")
    if profile.kind == "batch" and not profile.script:
        reader.violate("kind batch needs a script")
    if profile.kind == "online" and not profile.command:
        reader.violate("kind online needs a command")
    if profile.path and profile.script:
        places = (profile.path.parent / profile.script, _SCRIPTS / profile.script)
        if not any(place.is_file() for place in places):
            problem = f"no file {profile.script!r} beside the profile, nor among envbuild's own"
            reader.violate(f"script.name: {problem}")
