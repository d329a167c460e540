"""Real packages: fetched from the index, built from source, installed with the network cut off."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import uv

from envbuild.ambient import Ambient
from envbuild.emit.bundle import Bundle, check_files
from envbuild.emit.export import export
from envbuild.locking.context import Context
from tests.support import loopback_only
from tests.support.contexts import context_of, lock_of
from tests.support.environments import scrubbed
from tests.support.interpreters import SUPPORTED, full_version

pytestmark = pytest.mark.live

# A wheel, a pure sdist, and C code whose wheels are left out.
REQUIREMENTS = ("six==1.16.0", "fusepy==3.0.1", "wrapt")


def resolve(python: str, *requirements: str, platform: str = "x86_64") -> str:
    """The packages of a pylock, straight from uv."""
    done = subprocess.run(
        [uv.find_uv_bin(), "pip", "compile", "--no-config", "--quiet", "--format", "pylock.toml",
         "--python-version", python, "--python-platform", f"{platform}-manylinux_2_28",
         "--no-binary", "wrapt", "-"],
        input="\n".join(requirements), env=scrubbed(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout[done.stdout.index("[[packages]]") :]


def context(folder: Path, python: str, *requirements: str) -> Context:
    packages = resolve(python, *requirements)
    glibc = (os.confstr("CS_GNU_LIBC_VERSION") or "glibc 2.36").split()[1].split(".")
    lock = lock_of(packages, python=python, glibc=(int(glibc[0]), int(glibc[1])))
    return context_of(folder / "context", lock)


def do_export(context: Context, output: Path, *, cache: Path, home: Path | None = None) -> Bundle:
    environ = {**scrubbed(), "ENVBUILD_CACHE_DIR": str(cache)}
    ambient = Ambient(environ=environ, home=home or Path.home(), cwd=output.parent)
    return export(context, output, ambient=ambient)


def without_network(*argv: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a program in a network namespace with nothing but its loopback interface."""
    if os.geteuid() != 0 or not shutil.which("unshare"):
        pytest.skip("a network namespace needs root here")
    program = [sys.executable, loopback_only.__file__, *map(str, argv)]
    return subprocess.run(program, env=scrubbed(), capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "minor", [pytest.param(minor, marks=pytest.mark.needs_python(minor)) for minor in SUPPORTED]
)
def test_a_bundle_installs_on_every_python_without_a_network(
    minor: str, tmp_path: Path, interpreter: Callable[[str], Path]
) -> None:
    exe = interpreter(minor)
    made = context(tmp_path, full_version(exe), *REQUIREMENTS)
    bundle = do_export(made, tmp_path / "bundle", cache=tmp_path / "cache")
    assert {package.name for package in bundle.built} == {"fusepy", "wrapt"}

    done = without_network("sh", bundle.path / "install.sh", tmp_path / "env", "--python", exe)

    assert done.returncode == 0, done.stderr
    python = tmp_path / "env/bin/python"
    code = "import six, wrapt, wrapt._wrappers; print(wrapt._wrappers.__file__)"
    said = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip().endswith(".so")
    checked = subprocess.run([python, "-m", "pip", "check"], capture_output=True, check=False)
    assert checked.returncode == 0
    check_files(bundle.path)


@pytest.mark.needs_python("3.7")
def test_a_compiled_build_is_the_same_in_another_cache(
    tmp_path: Path, interpreter: Callable[[str], Path]
) -> None:
    """Another folder, another time, nothing shared: the same bytes, compiled code included."""
    made = context(tmp_path, full_version(interpreter("3.7")), "wrapt==1.12.1")

    one = do_export(made, tmp_path / "one.tar", cache=tmp_path / "cache")
    other = do_export(made, tmp_path / "other.tar", cache=tmp_path / "elsewhere/deeper/cache")

    assert one.path.read_bytes() == other.path.read_bytes()


@pytest.mark.needs_python("3.11")
def test_what_builds_need_is_no_newer_than_the_lock(
    tmp_path: Path, interpreter: Callable[[str], Path]
) -> None:
    made = context(tmp_path, full_version(interpreter("3.11")), "fusepy==3.0.1", "six==1.16.0")

    bundle = do_export(made, tmp_path / "bundle", cache=tmp_path / "cache")

    manifest = json.loads((bundle.path / "manifest.json").read_text())
    (built,) = [package["built"] for package in manifest["packages"] if package["built"]]
    assert built["requirements"] == ["setuptools==80.9.0"]


def test_wheels_for_another_machine_are_exported_here(tmp_path: Path) -> None:
    packages = resolve("3.11.7", "numpy==1.26.4", "pyyaml==6.0.1", platform="aarch64")
    lock = lock_of(packages, python="3.11.7", platform="linux-aarch64", glibc=(2, 28))

    bundle = do_export(
        context_of(tmp_path / "context", lock), tmp_path / "bundle", cache=tmp_path / "cache"
    )

    assert all("aarch64" in package.file for package in bundle.packages)
    done = without_network(
        "sh", bundle.path / "install.sh", tmp_path / "env", "--python", sys.executable
    )
    assert done.returncode == 1
    assert not (tmp_path / "env").exists()


@pytest.mark.needs_python("3.7")
def test_a_git_dependency_with_versions_from_tags(
    tmp_path: Path, interpreter: Callable[[str], Path]
) -> None:
    """setuptools_scm asks git for the version, so the history has to be there."""
    folder = tmp_path / "spam"
    (folder / "spam").mkdir(parents=True)
    (folder / "spam/__init__.py").write_text("")
    (folder / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["setuptools>=45", "wheel", "setuptools_scm[toml]>=6.2"]\n'
        'build-backend = "setuptools.build_meta"\n[tool.setuptools_scm]\n'
    )
    (folder / "setup.py").write_text(
        "from setuptools import setup\nsetup(name='spam', packages=['spam'])\n"
    )
    commands = (
        ["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "one"], ["tag", "v1.2.3"]
    )  # fmt: skip
    for arguments in commands:
        git(folder, *arguments)
    commit = git(folder, "rev-parse", "HEAD")
    entry = (
        '[[packages]]\nname = "spam"\n'
        f'vcs = {{ type = "git", url = "{folder.as_uri()}", commit-id = "{commit}" }}\n'
    )
    lock = lock_of(entry, python=full_version(interpreter("3.7")), glibc=(2, 36))

    bundle = do_export(
        context_of(tmp_path / "context", lock), tmp_path / "bundle", cache=tmp_path / "cache"
    )

    assert [str(package.version) for package in bundle.built] == ["1.2.3"]


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments],
        cwd=folder, env=scrubbed(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.strip()
