"""Our solver beside rattler asked directly, and solutions held against what they must fulfil."""

from __future__ import annotations

import asyncio
import importlib
import itertools
import json
import random
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.conda_channel import Shape, write_channel
from envbuild.entries.requirements import CondaRequirement
from envbuild.origins import Origin
from envbuild.resolve.conda.settings import LockedRecord, Settings
from tests.support.repodata import Record, create, record, solution, write_repodata

rattler = pytest.importorskip("rattler")

SEED, QUESTIONS = 20251122, 200
ORIGIN = Origin(side="model", file="conda.yaml", position="dependencies[0]")
DEFAULTS = (
    ("__archspec", "1", "x86_64"),
    ("__glibc", "2.28", "0"),
    ("__linux", "5.10", "0"),
    ("__unix", "0", "0"),
)


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some 3000 records that hang together as those of conda-forge do."""
    folder = tmp_path_factory.mktemp("channels") / "synthetic"
    write_channel(folder, Shape(records=3000))
    return folder


def _rows(folder: Path) -> list[Record]:
    files = [folder / subdir / "repodata.json" for subdir in ("linux-64", "noarch")]
    packages = (json.loads(file.read_text())["packages.conda"].values() for file in files)
    return [row for rows in packages for row in rows]


def _questions(folder: Path) -> Iterator[tuple[CondaRequirement, ...]]:
    """Groups of one to four requirements, of every form that an ``environment.yml`` has."""
    chance = random.Random(SEED)
    rows = _rows(folder)
    for _ in range(QUESTIONS):
        chosen = {row["name"]: row for row in chance.sample(rows, chance.randint(1, 4))}
        yield tuple(_requirement(row, chance) for row in chosen.values())


def _requirement(row: Record, chance: random.Random) -> CondaRequirement:
    version = row["version"]
    major, minor, _ = version.split(".")
    forms = ("", f"=={version}", f"={major}", f"={major}.{minor}", f">={version}",
             f">={version},<{int(major) + 1}", f"<{version}", f"{version}|{major}.0.0",
             f"!={version}", "==99")  # fmt: skip
    return CondaRequirement(
        name=row["name"],
        origin=ORIGIN,
        text=row["name"],
        version=chance.choices(forms, [8, 6, 4, 4, 4, 3, 1, 1, 2, 0.3])[0],
        build=chance.choices(["", row["build"], f"{row['build'][:4]}*"], [8, 1, 1])[0],
        channel=chance.choices(["", "synthetic"], [3, 1])[0],
    )


def _written_by_conda_lock(requirement: CondaRequirement) -> str:
    """What conda-lock hands a solver for this entry of an ``environment.yml``."""
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("ignore")
        # It puts its own old copies of other packages first.
        patch.setattr(sys, "path", [*sys.path])
        parser: Any = importlib.import_module("conda_lock.src_parser.conda_common")
        solver: Any = importlib.import_module("conda_lock.conda_solver")
    read = parser.conda_spec_to_versioned_dep(requirement.match_spec(), "main")
    return str(solver._to_match_spec(read.name, read.version, read.build, read.conda_channel))


def _direct(address: str, requirements: tuple[CondaRequirement, ...], cache: Path) -> list[str]:
    """What rattler itself finds; nothing if there is no solution."""
    from rattler.exceptions import SolverError
    from rattler.package import BuildString

    virtual = [
        rattler.GenericVirtualPackage(
            rattler.PackageName(name), rattler.Version(version), BuildString(build)
        )
        for name, version, build in DEFAULTS
    ]
    specs = [one.match_spec().replace("synthetic::", f"{address}::") for one in requirements]
    solve = rattler.solve(
        [rattler.Channel(address)],
        [rattler.MatchSpec(spec) for spec in specs],
        gateway=rattler.Gateway(cache_dir=cache),
        platforms=["linux-64", "noarch"],
        virtual_packages=virtual,
    )
    try:
        found = asyncio.run(solve)
    except SolverError:
        return []
    return sorted(f"{one.name.normalized}-{one.version}-{one.build}" for one in found)


def test_our_solver_and_rattler_agree_on_two_hundred_questions(
    synthetic: Path, tmp_path: Path
) -> None:
    address = synthetic.as_uri()
    differ, solved = [], 0
    for requirements in _questions(synthetic):
        specs = [_written_by_conda_lock(one) for one in requirements]
        answer = create([address], *specs, cache=tmp_path)
        ours = sorted(solution(answer)) if answer["success"] else []
        if ours != _direct(address, requirements, tmp_path):
            differ.append(specs)
        solved += bool(ours)

    assert differ == []
    # Both kinds of answer are there in numbers, or the agreement means little.
    assert 80 <= solved <= 190


# Small channels, in which every set of packages can be tried.
NAMES = ("a", "b", "c", "d")
_depends = st.builds(
    "{}{}".format, st.sampled_from(NAMES), st.sampled_from(["", " >=2", " <2", " ==1", " ==3"])
)
_records = st.builds(
    record,
    st.sampled_from(NAMES),
    st.sampled_from(["1", "2", "3"]),
    st.lists(_depends, max_size=2, unique_by=lambda spec: spec[0]),
    subdir=st.sampled_from(["linux-64", "noarch"]),
    constrains=st.lists(_depends, max_size=1),
)
_channels = st.lists(
    _records, min_size=2, max_size=9, unique_by=lambda one: (one["name"], one["version"])
)


def _holds(spec: str, version: str) -> bool:
    condition = spec[1:].strip()
    if not condition:
        return True
    operator, bound = condition[:-1], condition[-1]
    return {">=": version >= bound, "<": version < bound, "==": version == bound}[operator]


def _consistent(chosen: dict[str, Record]) -> bool:
    for row in chosen.values():
        for spec in row["depends"]:
            if spec[0] not in chosen or not _holds(spec, chosen[spec[0]]["version"]):
                return False
        for spec in row["constrains"]:
            if spec[0] in chosen and not _holds(spec, chosen[spec[0]]["version"]):
                return False
    return True


def _possible(rows: list[Record], specs: list[str]) -> bool:
    """Whether any set of packages fulfils ``specs``, by trying all."""
    options: list[list[Record | None]] = [
        [None, *(row for row in rows if row["name"] == name)] for name in NAMES
    ]
    for choice in itertools.product(*options):
        chosen = {row["name"]: row for row in choice if row}
        asked = all(
            spec[0] in chosen and _holds(spec, chosen[spec[0]]["version"]) for spec in specs
        )
        if asked and _consistent(chosen):
            return True
    return False


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("small")


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(rows=_channels, specs=st.lists(_depends, min_size=1, max_size=2, unique_by=lambda s: s[0]))
def test_a_solution_is_found_where_there_is_one_and_it_is_one(
    room: Path, rows: list[Record], specs: list[str]
) -> None:
    answer = create([write_repodata(room, rows)], *specs, cache=room)

    assert answer["success"] is _possible(rows, specs)
    if answer["success"]:
        by_file = {f"{row['name']}-{row['version']}-{row['build']}": row for row in rows}
        chosen = {by_file[one]["name"]: by_file[one] for one in solution(answer)}
        assert _consistent(chosen)
        assert all(_holds(spec, chosen[spec[0]]["version"]) for spec in specs)
    else:
        assert answer["exception_name"] == "ResolutionError"


@pytest.fixture
def two(tmp_path: Path) -> list[str]:
    """The first channel has an old ``a``, the second a newer one and the only ``b``."""
    first = write_repodata(tmp_path / "first", [record("a", "1")])
    second = write_repodata(tmp_path / "second", [record("a", "2"), record("b", "1", ["a"])])
    return [first, second]


def test_a_package_comes_from_the_first_channel_that_has_it(two: list[str], tmp_path: Path) -> None:
    answer = create(two, "b", cache=tmp_path)

    assert solution(answer) == ["a-1-h0_0", "b-1-h0_0"]
    assert solution(create(two[::-1], "b", cache=tmp_path)) == ["a-2-h0_0", "b-1-h0_0"]
    assert not create(two, "a >=2", cache=tmp_path)["success"]


def test_a_spec_may_name_the_channel_it_wants(two: list[str], tmp_path: Path) -> None:
    assert solution(create(two, "second::a", "b", cache=tmp_path)) == ["a-2-h0_0", "b-1-h0_0"]
    assert solution(create(two[:1], f"{two[1]}::a", cache=tmp_path)) == ["a-2-h0_0"]


def test_nothing_newer_than_asked_for_is_taken(tmp_path: Path) -> None:
    day = 86_400_000
    rows = [
        record("a", str(number), timestamp=1_700_000_000_000 + number * day) for number in (1, 2)
    ]
    address = write_repodata(tmp_path / "ch", rows)
    cut = _settings(tmp_path, exclude_newer="2023-11-16")  # 1 is of the 15th, 2 of the 16th, 22 h

    assert solution(create([address], "a", cache=tmp_path)) == ["a-2-h0_0"]
    assert solution(create([address], "a", cache=tmp_path, settings=cut)) == ["a-1-h0_0"]


def test_a_moment_that_is_none_is_refused(tmp_path: Path) -> None:
    address = write_repodata(tmp_path / "ch", [record("a", "1")])
    wrong = _settings(tmp_path, exclude_newer="last week")

    answer = create([address], "a", cache=tmp_path, settings=wrong)

    assert answer["exception_name"] == "UsageError"
    assert answer["message"] == (
        "'last week' is no moment\n  try: 2024-05-31 or 2024-05-31T12:00:00Z"
    )


def test_all_specs_that_are_none_are_named_at_once(tmp_path: Path) -> None:
    address = write_repodata(tmp_path / "ch", [record("a", "1")])

    answer = create([address], "a >=1,,<2", "a", "b >>1", cache=tmp_path)

    assert answer["exception_name"] == "SpecError"
    assert len(answer["envbuild"]["details"]) == 2


def test_what_is_locked_stays_until_something_forces_it(tmp_path: Path) -> None:
    rows = [record("a", "1"), record("a", "2"), record("b", "1"), record("b", "2", ["a >=2"])]
    address = write_repodata(tmp_path / "ch", rows)
    locked = tuple(
        LockedRecord(name=name, version="1", build="h0_0", subdir="linux-64", url=f"{address}/x")
        for name in ("a", "b")
    )

    def found(*specs: str, **more: Any) -> list[str]:
        file = _settings(tmp_path, locked=locked, **more)
        return solution(create([address], *specs, cache=tmp_path, settings=file))

    assert found("a", "b") == ["a-1-h0_0", "b-1-h0_0"]
    assert found("a", "b", upgrade=("a",)) == ["a-2-h0_0", "b-1-h0_0"]
    assert found("a", "b", upgrade=("b",)) == ["a-2-h0_0", "b-2-h0_0"]
    assert found("a >=2", "b") == ["a-2-h0_0", "b-1-h0_0"]


def _settings(folder: Path, **given_settings: Any) -> Path:
    file = folder / "settings.json"
    file.write_text(Settings(**given_settings).to_json())
    return file
