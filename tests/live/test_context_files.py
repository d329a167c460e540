"""The files of a context in the hands of the programs they are for: pip, uv, Docker."""

from __future__ import annotations

import io
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from envbuild.ambient import Ambient
from envbuild.emit.export import export
from envbuild.locking.context import Context
from envbuild.options import LockOptions
from envbuild.resolve.interface import Problem
from envbuild.resolve.uv import UvResolver
from tests.support.environments import scrubbed
from tests.support.index import wheel
from tests.support.locks import folder as folder_of
from tests.support.locks import (
    git,
    lock,
    make_model,
    make_plan,
    online_profile,
    requirement,
    resolution,
    target,
)

if TYPE_CHECKING:
    from docker import DockerClient

# A compiled wheel, a pure one, one that has only ever been a source archive, a file of the model.
WANTED = ("markupsafe", "six==1.16.0", "fusepy==3.0.1", "ours @ ./code/{wheel}")
# fusepy looks for the C library when it is imported; that it was installed has to do.
INSTALLED = (
    "import importlib.util as u; assert u.find_spec('fuse'); import markupsafe._speedups, six, ours"
)
SERVER = ("python", "-m", "http.server", "5001")


def ambient_of(folder: Path) -> Ambient:
    environ = scrubbed(ENVBUILD_CACHE_DIR=str(folder / "cache"))
    return Ambient(environ=environ, home=folder / "home", cwd=folder)


def context_for(python: str, folder: Path, *, base_image: str = "") -> Context:
    """A context that was resolved for real, with a server that serves its own folder."""
    ours = wheel("ours", "1.0", files={"ours.py": "", "ours_model.py": ""})
    model = folder / "model"
    (model / "code").mkdir(parents=True)
    (model / "code" / ours.filename).write_bytes(ours.data)
    (model / "MLmodel").write_text("flavors: {}\n")
    wanted = [requirement(text.format(wheel=ours.filename)) for text in WANTED]
    profile = replace(online_profile(folder / "profile.toml"), command=SERVER, environment={})
    (folder / "score.py").write_text("# score\n")
    where = target(python, glibc=(2, 36))
    problem = Problem(target=where, requirements=tuple(wanted), model_path=str(model))
    found = UvResolver.of(ambient_of(folder)).resolve(problem)
    plan = make_plan(profile, wanted, python=python)
    options = LockOptions(base_image=base_image)
    return lock(make_model(model), plan, found, options=options).write(folder / "env")


def run(argv: Sequence[str | Path], *, cwd: Path) -> None:
    done = subprocess.run(
        [str(part) for part in argv],
        cwd=cwd,
        env=scrubbed(HOME=str(cwd)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def environment(folder: Path, interpreter: Path) -> Path:
    """A new environment of that Python; its interpreter."""
    run([interpreter, "-m", "venv", folder], cwd=folder.parent)
    return folder / "bin" / "python"


def full(interpreter: Path) -> str:
    code = "import platform; print(platform.python_version())"
    done = subprocess.run([interpreter, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize("minor", ["3.6", "3.7", "3.8", "3.11"])
def test_plain_pip_installs_the_requirements(
    interpreter: Callable[[str], Path], tmp_path: Path, minor: str
) -> None:
    context = context_for(full(interpreter(minor)), tmp_path)
    python = environment(tmp_path / "venv", interpreter(minor))
    pip = (python, "-m", "pip", "install", "--no-deps", "--require-hashes", "-r")

    run([*pip, "tools/requirements.txt"], cwd=context.path)
    run([*pip, "requirements.txt"], cwd=context.path)

    run([python, "-c", INSTALLED], cwd=tmp_path)


@pytest.mark.parametrize("minor", ["3.7", "3.12"])
def test_uv_syncs_the_lock(interpreter: Callable[[str], Path], tmp_path: Path, minor: str) -> None:
    context = context_for(full(interpreter(minor)), tmp_path)
    python = environment(tmp_path / "venv", interpreter(minor))
    uv = Path(sys.executable).parent / "uv"

    run([uv, "--no-config", "pip", "sync", "--python", python, "pylock.toml"], cwd=context.path)

    run([python, "-c", INSTALLED], cwd=tmp_path)


def test_a_new_pip_installs_the_lock(interpreter: Callable[[str], Path], tmp_path: Path) -> None:
    context = context_for(full(interpreter("3.12")), tmp_path)
    python = environment(tmp_path / "venv", interpreter("3.12"))
    run([python, "-m", "pip", "install", "--quiet", "pip>=26"], cwd=tmp_path)

    run([python, "-m", "pip", "install", "-r", "pylock.toml"], cwd=context.path)

    run([python, "-c", INSTALLED], cwd=tmp_path)


def test_plain_pip_installs_a_commit_and_a_folder(
    interpreter: Callable[[str], Path], tmp_path: Path
) -> None:
    repository, model = tmp_path / "repository", tmp_path / "model"
    for root, name in ((repository / "py", "ham"), (model / "lib", "eggs")):
        root.mkdir(parents=True)
        (root / f"{name}.py").write_text("")
        arguments = f"name='{name}', version='1', py_modules=['{name}']"
        (root / "setup.py").write_text(f"from setuptools import setup\nsetup({arguments})\n")
    git_in = ("git", "-C", repository, "-c", "user.name=x", "-c", "user.email=x@example.org")
    for command in (("init", "-q"), ("add", "."), ("commit", "-qm", "Add ham")):
        run([*git_in, *command], cwd=tmp_path)
    commit = (repository / ".git" / "refs" / "heads").glob("*")
    # Older pips want a host in every address.
    address = f"file://localhost{repository}"
    packages = [
        git("ham", address, next(commit).read_text().strip(), subdirectory="py"),
        folder_of("eggs", "lib"),
    ]
    plan = make_plan(online_profile(), [requirement("eggs @ ./lib")], python="3.11.7")
    found = resolution(packages, on=target("3.11.7"))
    context = lock(make_model(model), plan, found).write(tmp_path / "env")
    python = environment(tmp_path / "venv", interpreter("3.11"))
    pip = (python, "-m", "pip", "install", "--no-deps")

    run([*pip, "--require-hashes", "-r", "requirements.txt"], cwd=context.path)
    run([*pip, "-r", "requirements.vcs.txt"], cwd=context.path)

    run([python, "-c", "import ham, eggs"], cwd=tmp_path)


def build(engine: DockerClient, folder: Path, tag: str, *, offline: bool) -> Any:
    options: dict[str, Any] = {"network_mode": "none"} if offline else {}
    image, _ = engine.images.build(path=str(folder), tag=tag, rm=True, nocache=True, **options)
    return image


def healthy(container: Any) -> str:
    for _ in range(90):
        container.reload()
        state = container.attrs["State"]
        if state["Health"]["Status"] != "starting" or state["Status"] != "running":
            return str(state["Health"]["Status"])
        time.sleep(1)
    return "starting"


@pytest.fixture
def bare_image(docker_engine: DockerClient) -> Iterator[Callable[[str], str]]:
    """A base image that lacks what many do, and that runs something else as somebody else."""
    tag = "envbuild-test/bare:live"

    def derive(base: str) -> str:
        text = f'FROM {base}\nRUN rm /usr/sbin/useradd\nUSER nobody\nENTRYPOINT ["python3"]\n'
        docker_engine.images.build(fileobj=io.BytesIO(text.encode()), tag=tag, rm=True)
        return tag

    yield derive
    with suppress(Exception):
        docker_engine.images.remove(tag, force=True)


@pytest.mark.parametrize(("minor", "offline"), [("3.7", False), ("3.7", True), ("3.6", True)])
def test_the_image_is_built_with_the_index_and_with_a_bundle_without_a_network(
    docker_engine: DockerClient,
    python_image: Callable[[str], str],
    bare_image: Callable[[str], str],
    interpreter: Callable[[str], Path],
    tmp_path: Path,
    minor: str,
    offline: bool,
) -> None:
    python = full(interpreter(minor))
    base = python_image(minor) if minor == "3.7" else bare_image(python_image(minor))
    context = context_for(python, tmp_path, base_image=base)
    folder = context.path
    if offline:
        folder = export(context, tmp_path / "bundle", ambient=ambient_of(tmp_path)).path
    tag = f"envbuild-test/context:{minor}-{'offline' if offline else 'online'}"

    image = build(docker_engine, folder, tag, offline=offline)

    try:
        check_image(docker_engine, image, context)
    finally:
        docker_engine.images.remove(tag, force=True)


def check_image(engine: DockerClient, image: Any, context: Context) -> None:
    def shell(script: str) -> str:
        command = ["sh", "-c", script]
        output = engine.containers.run(image, command, network_mode="none", remove=True)
        return str(output.decode()).strip()

    assert shell("id -u; id -un; pwd; echo ~; ls /app /opt/model").split() == [
        "10001", "serving", "/app", "/home/serving", "/app:", "score.py", "/opt/model:",
    ]  # fmt: skip
    assert shell(f'python -c "{INSTALLED}"; which python') == "/opt/venv/bin/python"
    assert shell("touch /opt/venv/x /app/x 2>&1 | grep -c denied") == "2"
    assert shell("ls -d /context /wheels 2>/dev/null || echo nothing else") == "nothing else"
    # Compiled by the builder, since the user cannot write there.
    assert shell("ls /opt/venv/lib/python3*/site-packages/__pycache__/six*.pyc | wc -l") == "1"
    labels = image.labels
    assert labels["org.opencontainers.image.title"] == context.model_name
    assert labels["io.envbuild.lock-digest"] == (
        f"sha256:{context.headers['linux-64'].content_digest}"
    )
    container = engine.containers.run(image, detach=True, network_mode="none")
    try:
        assert healthy(container) == "healthy", container.logs()
        assert container.attrs["Config"]["Cmd"] == list(SERVER)
        assert list(container.attrs["Config"]["ExposedPorts"]) == ["5001/tcp"]
    finally:
        container.remove(force=True)


def test_a_model_beside_the_dockerfile_becomes_part_of_the_image(
    docker_engine: DockerClient,
    python_image: Callable[[str], str],
    interpreter: Callable[[str], Path],
    tmp_path: Path,
) -> None:
    python = full(interpreter("3.7"))
    context = context_for(python, tmp_path, base_image=python_image("3.7"))
    (context.path / "model" / "data").mkdir(parents=True)
    weights = context.path / "model" / "data" / "model.pkl"
    weights.write_bytes(b"one")
    weights.chmod(0o600)
    tag = "envbuild-test/context:model"
    first, _ = docker_engine.images.build(path=str(context.path), tag=tag, rm=True)
    try:
        read = docker_engine.containers.run(
            first, ["cat", "/opt/model/data/model.pkl"], network_mode="none", remove=True
        )
        weights.write_bytes(b"two")
        second, _ = docker_engine.images.build(path=str(context.path), tag=tag, rm=True)
    finally:
        docker_engine.images.remove(tag, force=True)
        docker_engine.images.remove(first.id, force=True)

    assert read == b"one"
    layers = [image.attrs["RootFS"]["Layers"] for image in (first, second)]
    assert layers[0][:-1] == layers[1][:-1]
    assert layers[0] != layers[1]
