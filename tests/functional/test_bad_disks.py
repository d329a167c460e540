"""Disks that are full or read-only: told by name, and nothing half made is left."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from envbuild.errors import OutputError
from envbuild.options import ExportOptions
from tests.support.environments import scrubbed
from tests.support.exporting import Site, package
from tests.support.index import Index, wheel


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """With a wheel of half a megabyte that nothing makes smaller."""
    data = random.Random(1).randbytes(250_000).hex()
    with Index() as index:
        index.add(wheel("spam", "1.0", files={"spam.py": f"DATA = '{data}'\n"}))
        yield Site(folder=tmp_path_factory.mktemp("site"), index=index)


def entry(site: Site) -> str:
    (file,) = site.index.files_of("spam")
    return package(site.index, file)


@contextmanager
def disk(folder: Path, options: str) -> Iterator[Path]:
    """A file system in memory of its own."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "none", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting needs root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def install(site: Site, target: Path) -> subprocess.CompletedProcess[str]:
    bundle = site.folder / "installed-bundle"
    if not bundle.exists():
        site.export(site.context(entry(site), name="installed"), bundle.name)
    return subprocess.run(
        [sys.executable, bundle / "install.py", target],
        env=scrubbed(),
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_full_cache_is_named_and_the_next_run_goes_on(site: Site, tmp_path: Path) -> None:
    context = site.context(entry(site), name="cached")
    with disk(tmp_path / "small", "size=300k") as small:
        environ = {"ENVBUILD_CACHE_DIR": str(small / "cache")}
        with pytest.raises(OutputError) as caught:
            site.export(context, "unmade", environ=environ)

    assert "No space left on device" in str(caught.value)
    assert "try: another folder in ENVBUILD_CACHE_DIR" in str(caught.value)
    assert not (site.folder / "unmade").exists()


def test_parts_that_do_not_fit_leave_nothing(site: Site, tmp_path: Path) -> None:
    options = ExportOptions(python_exe=sys.executable, split=65_536)
    with disk(tmp_path / "small", "size=300k") as small:
        output = os.path.relpath(small / "bundle.tar", site.folder)
        with pytest.raises(OutputError, match="No space left on device"):
            site.export(site.context(entry(site), name="parted"), output, options=options)
        assert list(small.iterdir()) == []


@pytest.mark.parametrize("output", ["bundle", "bundle.tar"])
def test_a_read_only_place_for_a_bundle_is_named(site: Site, tmp_path: Path, output: str) -> None:
    with disk(tmp_path / "fixed", "ro") as fixed:
        path = os.path.relpath(fixed / output, site.folder)
        with pytest.raises(OutputError, match="Read-only file system") as caught:
            site.export(site.context(entry(site), name=f"to-{output}"), path)
        assert list(fixed.iterdir()) == []

    assert "try: another place with -o" in str(caught.value)


def test_an_environment_that_does_not_fit_is_removed(site: Site, tmp_path: Path) -> None:
    with disk(tmp_path / "small", "size=1m") as small:
        done = install(site, small / "env")
        assert list(small.iterdir()) == []

    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert done.stderr.endswith("nothing was installed\n")
    assert "Traceback" not in done.stderr


def test_a_read_only_place_for_an_environment_is_named(site: Site, tmp_path: Path) -> None:
    with disk(tmp_path / "fixed", "ro") as fixed:
        done = install(site, fixed / "env")
        assert list(fixed.iterdir()) == []

    assert done.returncode == 1
    assert "Read-only file system" in done.stderr
    assert done.stderr.endswith("nothing was installed\n")
    assert "Traceback" not in done.stderr
