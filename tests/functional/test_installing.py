"""install.sh and install.py of a bundle: all or nothing, and no more than the bundle."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from envbuild.emit.bundle_files import install as program
from envbuild.emit.content import Content, Entry, checksums
from tests.support.environments import scrubbed
from tests.support.exporting import Site, package
from tests.support.index import Distribution, Index, wheel

MINOR = ".".join(str(part) for part in sys.version_info[:2])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Index() as index:
        yield Site(folder=tmp_path_factory.mktemp("site"), index=index)


@pytest.fixture(scope="module")
def original(site: Site) -> Path:
    file = wheel("spam", "1.0")
    site.index.add(file)
    return site.export(site.context(package(site.index, file))).path


@pytest.fixture
def bundle(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "bundle"))


def install(
    bundle: Path,
    *arguments: str | Path,
    program: str = "install.sh",
    environ: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    runner = "sh" if program.endswith(".sh") else sys.executable
    return subprocess.run(
        [runner, bundle / program, *arguments],
        env=scrubbed(**(environ or {})),
        cwd=bundle.parent,
        capture_output=True,
        text=True,
        check=False,
    )


def edit_manifest(bundle: Path, **platform: str) -> None:
    """Change what the manifest says of the platform, and the checksums with it."""
    manifest = json.loads((bundle / "manifest.json").read_text())
    manifest["platforms"][0] |= platform
    (bundle / "manifest.json").write_text(json.dumps(manifest))
    content: Content = {
        path.relative_to(bundle).as_posix(): Entry.of_file(path)
        for path in bundle.rglob("*")
        if path.is_file() and path.name != "SHA256SUMS"
    }
    (bundle / "SHA256SUMS").write_bytes(checksums(content).data)


def test_the_python_on_path_is_found(bundle: Path, tmp_path: Path) -> None:
    done = install(bundle, "env", environ={"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"})

    assert (done.returncode, done.stdout) == (0, "installed in env\n")
    assert (tmp_path / "env/bin/python").exists()


def test_without_a_python_that_fits_it_says_what_to_give(bundle: Path, tmp_path: Path) -> None:
    # The shell's own programs must be there for the script to come that far.
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("dirname", "sh"):
        (programs / name).symlink_to(shutil.which(name) or "")
    (programs / f"python{MINOR}").write_text("#!/bin/sh\nexit 1\n")
    (programs / f"python{MINOR}").chmod(0o755)
    shell = shutil.which("sh") or "sh"
    done = subprocess.run(
        [shell, bundle / "install.sh", "env"],
        env={"PATH": str(programs)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert done.stderr == (f"install.sh: there is no Python {MINOR} on PATH; try: --python EXE\n")


def test_another_python_is_refused(bundle: Path) -> None:
    done = install(bundle, "env", "--python", "/bin/false")

    assert (done.returncode, done.stderr) == (
        1,
        f"install.sh: /bin/false is not a Python {MINOR}\n",
    )


@pytest.mark.parametrize("form", ["--python={}", "--python {}"])
def test_python_can_be_given_in_both_forms(bundle: Path, form: str) -> None:
    done = install(bundle, "env", *form.format("/bin/false").split())

    assert done.returncode == 1


def test_a_target_that_exists_is_left_alone(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "env").mkdir()
    (tmp_path / "env/thesis.tex").write_text("precious")

    done = install(bundle, tmp_path / "env", "--python", sys.executable)

    assert (done.returncode, done.stdout, done.stderr) == (
        1,
        "",
        f"install.py: {tmp_path / 'env'} exists; name a new folder\nnothing was installed\n",
    )
    assert (tmp_path / "env/thesis.tex").read_text() == "precious"


def test_what_a_killed_run_left_is_made_anew(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "env/bin").mkdir(parents=True)
    (tmp_path / "env/bin/python").write_text("half")
    (tmp_path / "env/.envbuild-incomplete").touch()

    done = install(bundle, "env", "--python", sys.executable)

    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "env/.envbuild-incomplete").exists()


def test_a_target_in_the_bundle_is_refused(bundle: Path) -> None:
    done = install(bundle, bundle / "env", "--python", sys.executable)

    assert done.stderr == (
        f"install.py: {bundle / 'env'} lies in the bundle, which must stay as it is\n"
        "nothing was installed\n"
    )


def test_a_target_that_cannot_be_made_is_told(bundle: Path) -> None:
    done = install(bundle, "/proc/nowhere/env", "--python", sys.executable)

    assert done.returncode == 1
    assert done.stderr.startswith("install.py: /proc/nowhere/env cannot be made: ")


def test_another_machine_is_refused(bundle: Path, tmp_path: Path) -> None:
    edit_manifest(bundle, platform="win-64", system="Windows", machine="AMD64")

    done = install(bundle, "env", "--python", sys.executable)

    here = os.uname()
    assert done.stderr == (
        f"install.py: this machine is {here.sysname} {here.machine}; the bundle is for win-64\n"
        "nothing was installed\n"
    )
    assert not (tmp_path / "env").exists()


def test_an_older_glibc_is_refused(bundle: Path) -> None:
    edit_manifest(bundle, glibc="99.1")

    done = install(bundle, "env", "--python", sys.executable)

    has = os.confstr("CS_GNU_LIBC_VERSION") or ""
    assert done.stderr == (
        f"install.py: the wheels need glibc 99.1; this machine has {has.split()[1]}\n"
        "nothing was installed\n"
    )


@pytest.mark.parametrize(
    ("lie", "words"),
    [
        ({"pip": "../../pip.whl"}, "names tools/../../pip.whl, which is not in the bundle"),
        ({"pip": "pip-0.0-py3-none-any.whl"}, "names tools/pip-0.0-py3-none-any.whl, which is not"),
        ({"requirements": "/etc/hostname"}, "names /etc/hostname, which is not in the bundle"),
        ({"requirements": "other.txt"}, "names other.txt, which is not in the bundle"),
        ({"tools": "../tools.txt"}, "names ../tools.txt, which is not in the bundle"),
        ({"glibc": "new"}, "cannot be understood: "),
        ({"requirements": None}, "cannot be understood: "),
    ],
)
def test_a_manifest_that_lies_is_refused(
    bundle: Path, tmp_path: Path, lie: dict[str, str], words: str
) -> None:
    """Its checksum being right does not make it true."""
    edit_manifest(bundle, **lie)

    done = install(bundle, "env", "--python", sys.executable)

    assert done.returncode == 1
    assert done.stderr.startswith(f"install.py: manifest.json {words}")
    assert done.stderr.endswith("\nnothing was installed\n")
    assert not (tmp_path / "env").exists()


def test_a_failure_of_pip_leaves_nothing_behind(site: Site, tmp_path: Path) -> None:
    broken = Distribution(
        project="broken",
        version="1.0",
        filename="broken-1.0-py3-none-any.whl",
        data=b"PK\x05\x06" + b"\0" * 18,
    )
    site.index.add(broken)
    context = site.context(package(site.index, broken), name="broken-context")
    bundle = site.export(context, "broken-bundle").path

    done = install(bundle, tmp_path / "deep/down/env", "--python", sys.executable)

    assert done.returncode == 1
    assert done.stderr.endswith("install.py: python ended with 1\nnothing was installed\n")
    assert list(tmp_path.iterdir()) == []


def start(bundle: Path, target: Path) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        ["sh", bundle / "install.sh", target, "--python", sys.executable],
        env=scrubbed(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    limit = time.monotonic() + 30
    while not (target / "bin").exists() and time.monotonic() < limit:
        time.sleep(0.005)
    return process


def test_ended_from_outside_it_cleans_up(bundle: Path, tmp_path: Path) -> None:
    process = start(bundle, tmp_path / "env")

    process.terminate()

    assert process.wait(timeout=30) == 128 + signal.SIGTERM
    assert not (tmp_path / "env").exists()


def test_killed_it_leaves_what_the_next_run_replaces(bundle: Path, tmp_path: Path) -> None:
    process = start(bundle, tmp_path / "env")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=30)
    assert (tmp_path / "env/.envbuild-incomplete").exists()

    done = install(bundle, "env", "--python", sys.executable)

    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "env").glob("lib/python*/site-packages/spam.py"))


@pytest.mark.parametrize("program", ["install.sh", "install.py"])
def test_it_works_from_a_folder_with_spaces_and_umlauts(
    original: Path, tmp_path: Path, program: str
) -> None:
    bundle = Path(shutil.copytree(original, tmp_path / "über $HOME `x` bundle"))

    done = install(bundle, "my env", "--python", sys.executable, program=program)

    assert (done.returncode, done.stderr) == (0, "")


def test_a_read_only_bundle_installs(bundle: Path, tmp_path: Path) -> None:
    for path in [bundle, *bundle.rglob("*")]:
        path.chmod(path.stat().st_mode & 0o555)

    done = install(bundle, "env", "--python", sys.executable)

    assert done.returncode == 0, done.stderr
    for path in [bundle, *bundle.rglob("*")]:
        path.chmod(path.stat().st_mode | 0o200)


def test_help_says_what_it_does(bundle: Path) -> None:
    done = install(bundle, "--help", "--python", sys.executable)

    assert done.returncode == 0
    assert "Install this bundle into a new environment, offline." in done.stdout


def test_the_script_is_posix_shell(bundle: Path) -> None:
    done = subprocess.run(
        ["dash", "-n", bundle / "install.sh"], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")


def options(target: Path, **changes: str) -> argparse.Namespace:
    made = program.parse([str(target)])
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def test_the_library_can_run_the_program_too(bundle: Path, tmp_path: Path) -> None:
    program.install(str(bundle), options(tmp_path / "env"))

    assert (tmp_path / "env/bin/python").exists()
    assert not (tmp_path / "env/.envbuild-incomplete").exists()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"python": "/nowhere/python"}, "/nowhere/python is not a Python that works: "),
        ({"python": "/bin/true"}, "/bin/true is not a Python that works: "),
        ({"python": "/bin/false"}, "/bin/false is not a Python that works: "),
    ],
)
def test_a_python_that_does_not_work_is_told(
    bundle: Path, tmp_path: Path, changes: dict[str, str], reason: str
) -> None:
    with pytest.raises(program.RefusedError, match=reason):
        program.install(str(bundle), options(tmp_path / "env", **changes))

    assert not (tmp_path / "env").exists()


def test_another_minor_release_is_told(bundle: Path, tmp_path: Path) -> None:
    edit_manifest(bundle, python="3.5.1")

    with pytest.raises(program.RefusedError) as caught:
        program.install(str(bundle), options(tmp_path / "env"))

    assert str(caught.value) == f"{sys.executable} is Python {MINOR}; the bundle is for 3.5"


def test_a_target_in_the_bundle_is_refused_before_anything_is_read(bundle: Path) -> None:
    (bundle / "SHA256SUMS").unlink()

    with pytest.raises(program.RefusedError, match="lies in the bundle"):
        program.install(str(bundle), options(bundle / "deep/env"))


@pytest.mark.parametrize(
    ("argv", "reason"),
    [
        (["/nowhere/program"], "/nowhere/program cannot be started: No such file or directory"),
        (["/bin/false"], "false ended with 1"),
    ],
)
def test_programs_that_fail_are_named(argv: list[str], reason: str) -> None:
    with pytest.raises(program.RefusedError) as caught:
        program.run(argv)

    assert str(caught.value) == reason
