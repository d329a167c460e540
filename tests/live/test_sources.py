"""Packages that no index has a fitting wheel for, and wheels for machines that are not this one."""

from __future__ import annotations

import subprocess
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from email.parser import HeaderParser
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import canonicalize_name, parse_wheel_filename

from envbuild.ambient import Ambient
from envbuild.emit.bundle import Bundle
from envbuild.emit.export import export
from envbuild.locking.context import Context
from envbuild.model import read_model
from envbuild.options import ExportOptions, LockOptions
from envbuild.pipeline import lock_model
from envbuild.platforms import parse_platform
from envbuild.verification import verify
from tests.support.environments import scrubbed
from tests.support.index import wheel
from tests.support.training import log_model

pytestmark = pytest.mark.live

WITH_C_CODE = "bitarray==1.9.2"
LOCAL_WHEEL = "signs-1.0-py3-none-any.whl"


def ambient(folder: Path) -> Ambient:
    environ = scrubbed(ENVBUILD_CACHE_DIR=str(folder / "cache"))
    return Ambient(environ=environ, home=Path.home(), cwd=folder)


def lock(model: Path, folder: Path, options: LockOptions | None = None) -> Context:
    made = lock_model(read_model(model), options or LockOptions(), ambient=ambient(folder))
    return made.write(folder / "context")


def repository(folder: Path) -> str:
    """A repository with the package ``tally`` in it; how pip asks for its commit."""
    folder.mkdir()
    (folder / "tally.py").write_text("def count(bits):\n    return sum(map(int, bits))\n")
    (folder / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["setuptools>=61"]\n'
        'build-backend = "setuptools.build_meta"\n'
        '[project]\nname = "tally"\nversion = "3.0"\n'
        '[tool.setuptools]\npy-modules = ["tally"]\n'
    )
    for arguments in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "one"]):
        git(folder, *arguments)
    return f"tally @ git+{folder.as_uri()}@{git(folder, 'rev-parse', 'HEAD')}"


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments],
        cwd=folder, env=scrubbed(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.strip()


@pytest.fixture
def trained(tmp_path: Path, interpreter: Callable[[str], Path]) -> tuple[Path, object]:
    """A model that asks for a commit, a wheel in itself and C code; and what it predicts."""
    commit = repository(tmp_path / "tally")
    local = wheel("signs", "1.0", files={"signs.py": "PLUS = 1\n"})
    (tmp_path / LOCAL_WHEEL).write_bytes(local.data)
    model, prediction = log_model(
        "odd_sources.py",
        ("mlflow-skinny>=3", "pandas", WITH_C_CODE, commit, str(tmp_path / LOCAL_WHEEL)),
        exe=interpreter("3.11"),
        folder=tmp_path,
    )
    (tmp_path / LOCAL_WHEEL).rename(model / "code" / LOCAL_WHEEL)
    with (model / "conda.yaml").open() as stream:
        lines = stream.read().splitlines()
    place = next(number for number, line in enumerate(lines) if line.strip() == "- pip:") + 1
    indent = lines[place][: lines[place].index("-")]
    own = f"signs @ file://{{ARTIFACT_PATH}}/code/{LOCAL_WHEEL}"
    lines[place:place] = [f'{indent}- "{entry}"' for entry in (WITH_C_CODE, commit, own)]
    (model / "conda.yaml").write_text("\n".join(lines) + "\n")
    return model, prediction


@pytest.mark.needs_python("3.11")
def test_a_commit_a_wheel_of_the_model_and_c_code_are_proven(
    trained: tuple[Path, object], tmp_path: Path
) -> None:
    """Built once, and with the network off the model says what it said where it was trained."""
    model, prediction = trained
    context = lock(model, tmp_path)

    bundle = export(context, tmp_path / "bundle", ambient=ambient(tmp_path))
    again = export(
        context,
        tmp_path / "again",
        ambient=ambient(tmp_path),
        options=ExportOptions(offline=True),
    )
    report = verify(bundle, model=model, ambient=ambient(tmp_path))

    sums = [(one.path / "SHA256SUMS").read_bytes() for one in (bundle, again)]
    assert sums[0] == sums[1]
    assert {package.name for package in bundle.built} == {"bitarray", "tally"}
    names = [package.file for package in bundle.packages]
    assert f"wheels/{LOCAL_WHEEL}" in names
    assert any(name.startswith("wheels/bitarray-1.9.2-cp311-cp311-linux_") for name in names)
    assert report.complete, report.table()
    (said,) = [step.reason for step in report.steps if step.name == "server scores the example"]
    assert said.endswith(f"answered 200 {prediction}"), said


ENTRIES = (
    "sqlalchemy==2.0.36",  # asks for greenlet by a list of machines
    "pyyaml==6.0.2",
    'six==1.16.0; platform_machine == "aarch64"',
    'colorama==0.4.6; platform_machine == "x86_64" or sys_platform == "win32"',
)


def environment_of(machine: str) -> Mapping[str, str]:
    """What markers ask of a Linux with CPython 3.11."""
    return {
        "implementation_name": "cpython",
        "implementation_version": "3.11.7",
        "os_name": "posix",
        "platform_machine": machine,
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": "3.11.7",
        "python_version": "3.11",
        "sys_platform": "linux",
        "extra": "",
    }


def tags_of(machine: str) -> frozenset[Tag]:
    """What CPython 3.11 installs on a Debian 12 of this machine (glibc 2.36)."""
    old = ["2014", "2010", "1"] if machine == "x86_64" else ["2014"]
    platforms = [f"manylinux_2_{minor}_{machine}" for minor in range(36, 16, -1)]
    platforms += [f"manylinux{name}_{machine}" for name in old] + [f"linux_{machine}"]
    native = cpython_tags((3, 11), platforms=platforms)
    return frozenset([*native, *compatible_tags((3, 11), "cp311", platforms)])


def asked_for(bundle: Bundle, roots: Sequence[str], environ: Mapping[str, str]) -> set[str]:
    """Every name that the roots lead to by the metadata of the bundle's own wheels."""
    wheels = {package.name: bundle.path / package.file for package in bundle.packages}
    waiting = [Requirement(root) for root in roots]
    found: set[str] = set()
    while waiting:
        one = waiting.pop()
        name = canonicalize_name(one.name)
        if name not in found and (one.marker is None or one.marker.evaluate(dict(environ))):
            found.add(name)
            waiting += requires(wheels[name])
    return found


def requires(path: Path) -> Iterator[Requirement]:
    with zipfile.ZipFile(path) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        metadata = HeaderParser().parsestr(archive.read(name).decode())
    yield from map(Requirement, metadata.get_all("Requires-Dist", []))


@pytest.mark.parametrize(
    ("platform", "machine", "own"),
    [("linux-aarch64", "aarch64", "six"), ("linux-64", "x86_64", "colorama")],
)
def test_each_machine_gets_what_its_markers_ask_for(
    platform: str, machine: str, own: str, tmp_path: Path
) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "MLmodel").write_text(
        "flavors: {python_function: {env: conda.yaml, loader_module: main, python_version: 3.11.7}}"
    )
    entries = "".join(f"    - '{entry}'\n" for entry in ENTRIES)
    (model / "conda.yaml").write_text(f"dependencies:\n- python=3.11.7\n- pip:\n{entries}")
    both = tuple(parse_platform(name) for name in ("linux-64", "linux-aarch64"))
    context = lock(model, tmp_path, LockOptions(server="none", platforms=both))

    bundle = export(
        context,
        tmp_path / "bundle",
        ambient=ambient(tmp_path),
        options=ExportOptions(platforms=(platform,)),
    )

    names = {package.name for package in bundle.packages}
    assert names == asked_for(bundle, ENTRIES, environment_of(machine))
    assert {"greenlet", own} <= names
    tags = tags_of(machine)
    fits = {
        one.file: bool(parse_wheel_filename(one.file.split("/")[-1])[3] & tags)
        for one in bundle.packages
    }
    assert set(fits.values()) == {True}, fits
