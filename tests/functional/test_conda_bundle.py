"""A bundle with conda packages: what is in it, and that it installs where there is nothing else."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from rattler import Channel as RattlerChannel
from rattler import RepoData

from envbuild.emit.bundle import Bundle, check_files
from envbuild.errors import IndexUnavailableError, IntegrityError, LockFileError
from envbuild.fs import md5_file
from envbuild.locking.canonical import PlatformLock
from envbuild.options import ExportOptions
from tests.support.conda_channel import Channel, ChannelServer, pure_package, sample_packages
from tests.support.conda_contexts import MIXED, conda_context, conda_lock
from tests.support.environments import scrubbed
from tests.support.exporting import Site, bundled_pip, package, rattler_wheel
from tests.support.flaky import Answer, FlakyServer
from tests.support.index import Index, wheel
from tests.support.paths import ROOT

TOPPING = wheel("topping", "1.0", requires=["greet>=1"])


@dataclass(frozen=True, kw_only=True)
class Kitchen:
    """A channel on loopback beside an index, and a lock over both."""

    site: Site
    channel: Channel
    server: ChannelServer
    lock: PlatformLock

    def export(
        self, lock: PlatformLock, name: str, *, options: ExportOptions | None = None
    ) -> Bundle:
        context = conda_context(self.site.folder / f"{name}-context", lock)
        return self.site.export(context, name, options=options or ExportOptions())


@pytest.fixture(scope="module")
def kitchen(
    tmp_path_factory: pytest.TempPathFactory, interpreter: Callable[[str], Path]
) -> Iterator[Kitchen]:
    interpreter("3.11")
    folder = tmp_path_factory.mktemp("kitchen")
    channel = Channel(folder / "channels/forge")
    channel.add(*sample_packages("3.11"))
    with Index() as index, ChannelServer(channel.folder.parent) as server:
        index.add(TOPPING, rattler_wheel())
        site = Site(folder=folder, index=index)
        lock = conda_lock(channel, MIXED, package(index, TOPPING), address=server.url("forge"))
        yield Kitchen(site=site, channel=channel, server=server, lock=lock)


@pytest.fixture(scope="module")
def bundle(kitchen: Kitchen) -> Bundle:
    return kitchen.export(kitchen.lock, "bundle")


@pytest.fixture(scope="module")
def prefix(kitchen: Kitchen, bundle: Bundle) -> Path:
    target = kitchen.site.folder / "env"
    done = install(bundle, target)
    assert done.returncode == 0, done.stderr
    return target


def install(
    bundle: Bundle, target: Path, *options: str, path: str = ""
) -> subprocess.CompletedProcess[str]:
    """``install.sh`` with no network; ``path`` is another PATH."""
    environ = scrubbed(PATH=path) if path else scrubbed()
    argv = ["unshare", "--net", "sh", str(bundle.path / "install.sh"), str(target), *options]
    argv[0] = shutil.which("unshare") or "unshare"
    argv[2] = shutil.which("sh") or "sh"
    return subprocess.run(argv, capture_output=True, text=True, check=False, env=environ)


def tool_files(bundle: Bundle) -> list[str]:
    """pip's and setuptools' packages, of whatever release this machine's Python comes with."""
    found = (bundle.path / "channel/noarch").glob("*.conda")
    return [path.name for path in found if path.name.startswith(("pip-", "setuptools-"))]


def python_file(bundle: Bundle) -> str:
    return next(path.name for path in (bundle.path / "channel/linux-64").glob("python-*"))


def output(*argv: str | Path) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=True, env=scrubbed())
    return done.stdout.strip()


def test_a_bundle_has_every_package_and_a_channel_of_its_own(bundle: Bundle) -> None:
    names = sorted(
        path.relative_to(bundle.path).as_posix()
        for path in bundle.path.rglob("*")
        if path.is_file()
    )

    assert names == sorted([
        ".dockerignore",
        "Dockerfile",
        "SHA256SUMS",
        "azureml/environment.yml",
        "channel/linux-64/libspam-1.3.0-cpu_h2_0.conda",
        f"channel/linux-64/{python_file(bundle)}",
        "channel/linux-64/python_abi-3.11-0_cp311.conda",
        "channel/linux-64/repodata.json",
        "channel/linux-64/spam-native-1.1.0-py311h5_0.conda",
        "channel/noarch/greet-2.0-pyhd8ed1ab_0.conda",
        *(f"channel/noarch/{name}" for name in tool_files(bundle)),
        "channel/noarch/repodata.json",
        "conda-linux-64.lock",
        "conda-lock.yml",
        "create_prefix.py",
        "install.py",
        "install.sh",
        "manifest.json",
        "pylock.toml",
        "requirements.txt",
        "score.py",
        f"tools/{bundled_pip().filename}",
        "tools/python-linux-64.tar",
        f"tools/{rattler_wheel().filename}",
        "wheels/simple/index.html",
        "wheels/simple/topping/index.html",
        "wheels/topping-1.0-py3-none-any.whl",
    ])  # fmt: skip


def test_repodata_has_the_records_of_the_packages_themselves(
    kitchen: Kitchen, bundle: Bundle
) -> None:
    path = bundle.path / "channel/linux-64/repodata.json"
    written = json.loads(path.read_text())
    spam = kitchen.channel.find("spam-native-1.1.0-py311h5_0.conda")

    assert written["packages.conda"][spam.filename] == {
        **spam.index,
        "md5": spam.md5,
        "sha256": spam.sha256,
        "size": len(spam.data),
    }
    assert RepoData.from_path(path).into_repo_data(RattlerChannel("bundle")) != []


def test_it_installs_without_a_network(prefix: Path) -> None:
    code = "import sys, spam, topping; print(sys.prefix, spam.add(40, 2), spam.prefix())"

    assert output(prefix / "bin/python", "-I", "-c", code) == f"{prefix} 42 {prefix}"
    assert output(prefix / "bin/greet") == "hello from greet"
    assert output(prefix / "bin/pip", "--isolated", "check") == "No broken requirements found."
    assert sorted(path.name for path in prefix.glob(".*")) == []


def test_the_manifest_says_of_every_package_where_it_is_from(
    kitchen: Kitchen, bundle: Bundle
) -> None:
    manifest = json.loads((bundle.path / "manifest.json").read_text())
    spam = kitchen.channel.find("spam-native-1.1.0-py311h5_0.conda")

    assert [entry for entry in manifest["conda"] if entry["name"] == "spam-native"] == [
        {
            "name": "spam-native",
            "version": "1.1.0",
            "build": "py311h5_0",
            "subdir": "linux-64",
            "file": f"channel/linux-64/{spam.filename}",
            "sha256": spam.sha256,
            "md5": spam.md5,
            "size": len(spam.data),
            "platforms": ["linux-64"],
            "source": {
                "kind": "conda",
                "from": f"{kitchen.server.url('forge')}/linux-64/{spam.filename}",
                "channel": kitchen.server.url("forge"),
            },
            "checked": "sha256",
        }
    ]


def test_the_explicit_list_names_every_package_by_its_path_and_md5(
    kitchen: Kitchen, bundle: Bundle
) -> None:
    text = (bundle.path / "conda-linux-64.lock").read_text()

    assert text.splitlines()[:6] == [
        "# In the folder of the bundle, when sha256sum --check SHA256SUMS is content:",
        "#   conda create --offline --prefix TARGET --file conda-linux-64.lock",
        '#   sed "s|^channel/|file://$PWD/&|" conda-linux-64.lock > /tmp/explicit.txt',
        "#   micromamba create --offline --prefix TARGET --file /tmp/explicit.txt",
        "# platform: linux-64",
        "@EXPLICIT",
    ]
    assert text.splitlines()[6:] == [
        f"channel/{file.subdir}/{file.filename}#{file.md5}"
        for file in (kitchen.channel.find(package.filename) for package in kitchen.lock.conda)
    ]


def test_the_list_for_micromamba_leads_to_files_that_are_there(bundle: Bundle) -> None:
    head = (bundle.path / "conda-linux-64.lock").read_text().splitlines()
    command = head[2].removeprefix("#").partition(" > ")[0]

    done = subprocess.run(
        ["sh", "-c", command], cwd=bundle.path, capture_output=True, text=True, check=True
    )

    addresses = [line for line in done.stdout.splitlines() if line.startswith("file://")]
    assert len(addresses) == len(head) - 6
    for address in addresses:
        path, _, md5 = address.removeprefix("file://").partition("#")
        assert md5_file(Path(path)) == md5


def test_the_same_lock_gives_the_same_bytes(kitchen: Kitchen, bundle: Bundle) -> None:
    again = kitchen.export(kitchen.lock, "again")

    assert (again.path / "SHA256SUMS").read_text() == (bundle.path / "SHA256SUMS").read_text()


def test_it_installs_where_there_is_no_python_at_all(
    kitchen: Kitchen, bundle: Bundle, tmp_path: Path
) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("sh", "dirname", "sed", "sha256sum", "uname", "mktemp", "tar", "rm"):
        (tools / name).symlink_to(shutil.which(name) or name)

    done = install(bundle, tmp_path / "env", path=str(tools))

    assert done.stderr == ""
    assert done.stdout == f"installed in {tmp_path / 'env'}\n"
    code = "import sys, spam, topping; print(sys.prefix, spam.add(40, 2))"
    assert output(tmp_path / "env/bin/python", "-I", "-c", code) == f"{tmp_path / 'env'} 42"


def test_a_python_of_another_release_makes_the_environment(
    bundle: Bundle, tmp_path: Path, interpreter: Callable[[str], Path]
) -> None:
    done = install(bundle, tmp_path / "env", "--python", str(interpreter("3.13")))

    assert done.returncode == 0, done.stderr
    assert (
        output(tmp_path / "env/bin/python", "-c", "import sys; print(sys.version_info[1])") == "11"
    )


def test_an_old_python_is_refused(
    bundle: Bundle, tmp_path: Path, interpreter: Callable[[str], Path]
) -> None:
    old = interpreter("3.8")

    done = install(bundle, tmp_path / "env", "--python", str(old))

    assert done.returncode == 1
    assert done.stderr == f"install.sh: {old} is not Python 3.10 or later\n"
    assert not (tmp_path / "env").exists()


def test_what_an_old_python_is_told_by_the_program_itself(
    bundle: Bundle, tmp_path: Path, interpreter: Callable[[str], Path]
) -> None:
    old = interpreter("3.8")
    argv = [str(old), "-I", str(bundle.path / "install.py"), str(tmp_path / "env")]

    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=scrubbed())

    assert done.stderr == (
        f"install.py: {old} is Python 3.8; conda packages are installed by 3.10 or later\n"
        "nothing was installed\n"
    )


def test_a_wheel_for_what_conda_has_is_refused_by_the_packages_own_word(kitchen: Kitchen) -> None:
    double = wheel("spam", "9.0")
    kitchen.site.index.add(double)
    lock = conda_lock(kitchen.channel, MIXED, package(kitchen.site.index, double))

    with pytest.raises(LockFileError) as raised:
        kitchen.export(lock, "double")

    assert str(raised.value) == (
        "the pip part would overwrite packages of conda\n"
        "  spam: conda's spam-native has it already\n"
        "  try: taking both from conda, or both from pip, in the model's conda.yaml"
    )
    assert not (kitchen.site.folder / "double").exists()


def test_a_wheel_with_a_file_of_a_conda_package_is_refused(kitchen: Kitchen) -> None:
    rude = wheel("rude", "1.0", files={"greet/__init__.py": "mine = True\n", "rude.py": ""})
    kitchen.site.index.add(rude)
    lock = conda_lock(kitchen.channel, MIXED, package(kitchen.site.index, rude))

    with pytest.raises(LockFileError) as raised:
        kitchen.export(lock, "rude")

    assert raised.value.details == ("rude: greet/__init__.py is of conda's greet",)


def test_the_same_file_in_both_is_no_fault(kitchen: Kitchen, tmp_path: Path) -> None:
    shared = {"shared/__init__.py": "", "shared/right.py": "side = 'pip'\n"}
    right = wheel("shared-right", "1.0", files=shared)
    kitchen.site.index.add(right)
    left = pure_package("shared-left", "1.0", {"shared/__init__.py": "", "shared/left.py": ""})
    channel = Channel(tmp_path / "other")
    channel.add(*sample_packages("3.11"), left)
    lock = conda_lock(channel, (*MIXED, "shared-left"), package(kitchen.site.index, right))

    check_files(kitchen.export(lock, "shared").path)


def test_a_channel_with_md5_only_is_believed_that_far(kitchen: Kitchen) -> None:
    poor = replace(
        kitchen.lock, conda=tuple(replace(entry, sha256="") for entry in kitchen.lock.conda)
    )

    made = kitchen.export(poor, "poor")

    manifest = json.loads((made.path / "manifest.json").read_text())
    assert {entry["checked"] for entry in manifest["conda"]} == {"md5"}
    assert {entry["name"]: entry["sha256"] for entry in manifest["conda"]} == {
        entry.name: entry.sha256 for entry in kitchen.lock.conda
    }
    check_files(made.path)


@pytest.mark.parametrize("algorithm", ["sha256", "md5"])
def test_a_package_with_other_bytes_is_refused(
    kitchen: Kitchen, algorithm: str, tmp_path: Path
) -> None:
    channel = Channel(tmp_path / "forge")
    channel.add(*sample_packages("3.11"))
    greet = channel.named("greet", "2.0")[0]
    path = channel.folder / "noarch" / greet.filename
    path.write_bytes(greet.data[:-1] + b"x")
    lock = conda_lock(channel, MIXED)
    if algorithm == "md5":
        lock = replace(lock, conda=tuple(replace(entry, sha256="") for entry in lock.conda))
    site = Site(folder=tmp_path, index=kitchen.site.index)

    with pytest.raises(IntegrityError) as raised:
        site.export(conda_context(tmp_path / "context", lock))

    assert raised.value.problem == "greet is not the file that was locked"
    assert raised.value.details[0] == f"expected {algorithm} {getattr(greet, algorithm)}"
    assert not (tmp_path / "bundle").exists()


def test_a_package_under_a_false_name_is_refused(kitchen: Kitchen, tmp_path: Path) -> None:
    lock = conda_lock(kitchen.channel, MIXED)
    false = tuple(
        replace(entry, version="2.0.1") if entry.name == "greet" else entry for entry in lock.conda
    )
    site = Site(folder=tmp_path, index=kitchen.site.index)

    with pytest.raises(IntegrityError) as raised:
        site.export(conda_context(tmp_path / "context", replace(lock, conda=false)))

    problem = "greet-2.0-pyhd8ed1ab_0.conda is another package"
    wanted, got = "greet 2.0.1 pyhd8ed1ab_0", "greet 2.0 pyhd8ed1ab_0"
    assert raised.value.details == (f"{problem}: locked {wanted}; got {got}",)


def test_a_package_that_is_gone_is_named(kitchen: Kitchen, tmp_path: Path) -> None:
    kitchen.server.failures["greet-2.0-pyhd8ed1ab_0.conda"] = 404
    site = Site(folder=tmp_path, index=kitchen.site.index)
    try:
        with pytest.raises(IndexUnavailableError) as raised:
            site.export(conda_context(tmp_path / "context", kitchen.lock))
    finally:
        kitchen.server.failures.clear()

    assert raised.value.problem == "greet cannot be had: 404 Not Found"


@pytest.mark.parametrize("kind", ["token", "password"])
def test_a_private_channel_is_read_and_its_secret_is_in_no_file(
    kitchen: Kitchen, tmp_path: Path, kind: str
) -> None:
    secrets = {"token": "tk-s3cret", "password": "p4ss-s3cret"}
    login = ("ada", secrets["password"]) if kind == "password" else None
    token = secrets["token"] if kind == "token" else ""
    with ChannelServer(kitchen.channel.folder.parent, credentials=login, token=token) as server:
        lock = conda_lock(
            kitchen.channel,
            MIXED,
            package(kitchen.site.index, TOPPING),
            address=server.url("forge"),
        )
        site = Site(folder=tmp_path, index=kitchen.site.index)
        context = conda_context(tmp_path / "context", lock)
        with pytest.raises(IndexUnavailableError) as refused:
            site.export(context)
        address = server.secret_url("forge").replace(secrets[kind], "${SECRET}")
        options = ExportOptions(channels=(address,))
        made = site.export(context, options=options, environ={"SECRET": secrets[kind]})

    assert refused.value.problem.partition(": ")[2] in ("403 Forbidden", "401 Unauthorized")
    texts = [path for path in made.path.rglob("*") if path.suffix in {".json", ".lock", ".yml"}]
    assert texts
    assert [path for path in texts if secrets[kind] in path.read_text()] == []
    check_files(made.path)


def test_a_channel_that_breaks_off_is_asked_for_the_rest(kitchen: Kitchen, tmp_path: Path) -> None:
    files = {
        f"{package.subdir}/{package.filename}": kitchen.channel.find(package.filename).data
        for package in kitchen.lock.conda
    }
    with FlakyServer(files) as server:
        server.answers += [
            Answer(how="reset", after=500),
            Answer(how="cut", after=500),
            Answer(status=503),
            Answer(how="unlengthed"),
        ]
        address = server.url("").rstrip("/")
        lock = conda_lock(kitchen.channel, MIXED, address=address)
        site = Site(folder=tmp_path, index=kitchen.site.index)
        made = site.export(conda_context(tmp_path / "context", lock))

    check_files(made.path)
    assert any(span.startswith("bytes=") for _, span in server.asked)


def test_an_export_that_is_killed_leaves_nothing_and_the_next_one_goes_on(
    kitchen: Kitchen, tmp_path: Path
) -> None:
    files = {
        f"{package.subdir}/{package.filename}": kitchen.channel.find(package.filename).data
        for package in kitchen.lock.conda
    }
    with FlakyServer(files) as server:
        server.answers += [Answer(how="stall", after=500) for _ in files]
        lock = conda_lock(kitchen.channel, MIXED, address=server.url("").rstrip("/"))
        context = conda_context(tmp_path / "context", lock)
        tools = [
            {"name": tool.name, "version": tool.version, "file": tool.file}
            | {"url": tool.artefact.url, "sha256": tool.artefact.sha256}
            for tool in kitchen.site.toolbox(lock.target.python, "linux-64")
        ]
        (tmp_path / "tools.json").write_text(json.dumps(tools))
        paths = [context.path, tmp_path / "bundle", tmp_path / "cache", tmp_path / "tools.json"]
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.export_program", *map(str, paths)],
            cwd=ROOT,
            env=scrubbed(),
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 60
        while not server.asked and time.monotonic() < deadline:
            time.sleep(0.05)
        assert server.asked
        assert process.poll() is None
        process.kill()
        process.wait()
        server.answers.clear()

        assert not (tmp_path / "bundle").exists()
        site = Site(folder=tmp_path, index=kitchen.site.index)
        made = site.export(context)

    check_files(made.path)


def test_archives_split_and_differences_hold_the_channel_too(
    kitchen: Kitchen, bundle: Bundle, tmp_path: Path
) -> None:
    context = conda_context(tmp_path / "context", kitchen.lock)
    whole = kitchen.site.export(context, "whole.tar")
    changed = replace(
        kitchen.lock,
        conda=tuple(entry for entry in kitchen.lock.conda if entry.name != "greet"),
        pylock=replace(kitchen.lock.pylock, packages=[]),
    )
    smaller = conda_context(tmp_path / "smaller", changed)
    options = ExportOptions(diff=bundle.path)
    kitchen.site.export(smaller, "difference", options=options)

    with tarfile.open(whole.path) as archive:
        names = {name.removeprefix("bundle/") for name in archive.getnames()}
    assert {
        path.relative_to(bundle.path).as_posix() for path in bundle.path.rglob("*.conda")
    } <= names
    difference = kitchen.site.folder / "difference"
    apply = [sys.executable, str(difference / "apply.py"), str(bundle.path), str(tmp_path / "made")]
    subprocess.run(apply, check=True, env=scrubbed(), capture_output=True)
    check_files(tmp_path / "made")
    assert not list((tmp_path / "made").rglob("greet-*.conda"))
    assert sum(path.stat().st_size for path in difference.rglob("*")) < 1_000_000


@pytest.mark.parametrize(
    "name",
    [
        "channel/noarch/greet-2.0-pyhd8ed1ab_0.conda",
        "channel/noarch/repodata.json",
        "conda-linux-64.lock",
        "create_prefix.py",
        "tools/python-linux-64.tar",
    ],
)
@pytest.mark.parametrize("how", ["changed", "missing"])
def test_a_bundle_that_was_tampered_with_installs_nothing(
    bundle: Bundle, tmp_path: Path, name: str, how: str
) -> None:
    copy = tmp_path / "bundle"
    shutil.copytree(bundle.path, copy, copy_function=os.link)
    (copy / name).unlink()
    if how == "changed":
        (copy / name).write_bytes((bundle.path / name).read_bytes() + b" ")

    done = install(replace(bundle, path=copy), tmp_path / "env")

    assert done.returncode == 1
    assert name in done.stderr
    assert done.stderr.endswith("nothing was installed\n")
    assert not (tmp_path / "env").exists()


def test_a_package_that_nobody_listed_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    copy = tmp_path / "bundle"
    shutil.copytree(bundle.path, copy, copy_function=os.link)
    (copy / "channel/noarch/evil-1.0-0.conda").write_bytes(b"")

    done = install(replace(bundle, path=copy), tmp_path / "env")

    assert "channel/noarch/evil-1.0-0.conda: not in SHA256SUMS" in done.stderr
    assert not (tmp_path / "env").exists()


def test_a_forged_python_of_its_own_is_never_started(bundle: Bundle, tmp_path: Path) -> None:
    copy = tmp_path / "bundle"
    shutil.copytree(bundle.path, copy, copy_function=os.link)
    (copy / "tools/python-linux-64.tar").unlink()
    (copy / "tools/python-linux-64.tar").write_bytes(b"x")
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("sh", "dirname", "sed", "sha256sum", "uname", "mktemp", "tar", "rm"):
        (tools / name).symlink_to(shutil.which(name) or name)

    done = install(replace(bundle, path=copy), tmp_path / "env", path=str(tools))

    assert done.stderr == (
        "install.sh: tools/python-linux-64.tar is not the file that SHA256SUMS records; "
        "nothing was installed\n"
    )


def test_an_install_that_is_killed_leaves_a_mark_and_the_next_one_makes_it_anew(
    bundle: Bundle, tmp_path: Path
) -> None:
    target = tmp_path / "env"
    argv = [sys.executable, "-I", str(bundle.path / "install.py"), str(target)]
    process = subprocess.Popen(argv, env=scrubbed(), start_new_session=True)
    deadline = time.monotonic() + 60
    while not (target / ".envbuild-incomplete").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.3)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert (target / ".envbuild-incomplete").exists()

    done = install(bundle, target)

    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in target.glob(".*")) == []
