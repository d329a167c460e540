"""Unmodified conda-lock on our solver, over a channel on loopback; then one package is moved."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from envbuild.process import Completed, run
from envbuild.resolve.conda.settings import Settings
from envbuild.resolve.conda.solver import write_launcher
from tests.support.conda_channel import ChannelServer
from tests.support.repodata import record, write_repodata

pytest.importorskip("rattler")

OLD = (
    record("app", "1.0", ["lib >=1,<3"], build="h1_0"),
    record("lib", "1.0", ["base"]),
    record("base", "1.0", subdir="noarch"),
)
NEW = (
    record("app", "1.1", ["lib >=1,<3"]),
    record("lib", "2.0", ["base >=1"]),
    record("base", "2.0", subdir="noarch"),
)


def conda_lock(folder: Path, arguments: Sequence[str]) -> Completed:
    """conda-lock in ``folder``, with our solver as its conda."""
    from envbuild.resolve.conda.conda_lock import find_conda_lock

    exe = write_launcher(folder, Settings(cache_dir=str(folder / "cache")))
    (folder / "names.json").write_text("{}")
    argv = [str(find_conda_lock()[0]), "lock", "--conda", str(exe), "--platform", "linux-64"]
    names = ["--pypi_to_conda_lookup_file", "names.json"]
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder)}
    return run([*argv, "--lockfile", "conda-lock.yml", *names, *arguments],
               env=environment, cwd=folder)  # fmt: skip


def packages(folder: Path) -> dict[str, dict[str, Any]]:
    document = yaml.safe_load((folder / "conda-lock.yml").read_text())
    return {package["name"]: package for package in document["package"]}


def test_an_update_moves_the_named_package_alone(tmp_path: Path) -> None:
    channels = tmp_path / "channels"
    write_repodata(channels / "ch", OLD)
    with ChannelServer(channels) as server:
        text = {"channels": [server.url("ch")], "dependencies": ["app >=1", "lib"]}
        (tmp_path / "environment.yml").write_text(yaml.safe_dump(text))
        first = conda_lock(tmp_path, ["--file", "environment.yml"])
        before = packages(tmp_path)
        write_repodata(channels / "ch", [*OLD, *NEW])
        second = conda_lock(tmp_path, ["--file", "environment.yml", "--update", "lib"])
        address = server.url("ch")

    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert before["app"]["url"] == f"{address}/linux-64/app-1.0-h1_0.conda"
    assert before["app"]["dependencies"] == {"lib": ">=1,<3"}
    assert before["base"]["url"] == f"{address}/noarch/base-1.0-h0_0.conda"
    versions = {name: package["version"] for name, package in packages(tmp_path).items()}
    assert versions == {"app": "1.0", "base": "1.0", "lib": "2.0"}


def test_conda_lock_repeats_why_there_is_no_solution(tmp_path: Path) -> None:
    write_repodata(tmp_path / "channels" / "ch", OLD)
    with ChannelServer(tmp_path / "channels") as server:
        text = {"channels": [server.url("ch")], "dependencies": ["app >=2"]}
        (tmp_path / "environment.yml").write_text(yaml.safe_dump(text))
        done = conda_lock(tmp_path, ["--file", "environment.yml"])

    assert done.returncode != 0
    assert "no set of conda packages for linux-64 satisfies what is asked for" in done.stderr
    assert "No candidates were found for app >=2." in done.stderr
    assert not (tmp_path / "conda-lock.yml").exists()
