"""The image of the conda runtime, from a bundle without a network, on a system without Python."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from packaging.version import Version

from envbuild.entries.requirements import CondaRequirement
from envbuild.options import LockOptions
from envbuild.origins import Origin
from tests.support.conda_channel import Channel, sample_packages
from tests.support.conda_contexts import MIXED, conda_lock
from tests.support.exporting import Site, package, rattler_wheel
from tests.support.index import Index, wheel
from tests.support.locks import lock, make_model, make_plan, online_profile, requirement, resolution

if TYPE_CHECKING:
    from docker import DockerClient

SERVER = ("python", "-m", "http.server", "5001")
TAG = "envbuild-test/conda:bundle"


@pytest.fixture(scope="module")
def image(
    docker_engine: DockerClient,
    tmp_path_factory: pytest.TempPathFactory,
    interpreter: Callable[[str], Path],
) -> Iterator[Any]:
    from tests.support.base_image import ImageUnavailableError, provide_debian_image

    interpreter("3.11")
    try:
        base = provide_debian_image(docker_engine)
    except ImageUnavailableError as error:
        pytest.skip(str(error))
    folder = bundle(tmp_path_factory.mktemp("conda"), base)
    arguments = {"BUILDER_IMAGE": base}
    made, _ = docker_engine.images.build(
        path=str(folder), tag=TAG, rm=True, nocache=True, network_mode="none", buildargs=arguments
    )
    yield made
    docker_engine.images.remove(TAG, force=True)


def bundle(folder: Path, base: str) -> Path:
    """The bundle of a context that was locked and written, for that base image."""
    topping = wheel("topping", "1.0")
    channel = Channel(folder / "forge")
    channel.add(*sample_packages("3.11"))
    (folder / "score.py").write_text("# score\n")
    (folder / "model").mkdir()
    with Index() as index:
        index.add(topping, rattler_wheel())
        site = Site(folder=folder, index=index)
        solved = conda_lock(channel, MIXED, package(index, topping))
        origin = Origin(side="model", file="conda.yaml", position="dependencies[0]")
        python = CondaRequirement(name="python", origin=origin, text="python=3.11")
        profile = replace(online_profile(folder / "profile.toml"), command=SERVER, environment={})
        plan = replace(
            make_plan(profile, [requirement("topping==1.0")]),
            python=Version("3.11.7"),
            runtime="conda",
            conda=(python,),
            channels=(channel.address,),
        )
        found = replace(resolution(solved.pylock.packages, on=solved.target), conda=solved.conda)
        options = LockOptions(base_image=base)
        made = lock(make_model(folder / "model"), plan, found, options=options)
        return site.export(made.write(folder / "env")).path


def test_the_environment_works_as_if_it_were_activated(
    docker_engine: DockerClient, image: Any
) -> None:
    code = (
        "import ctypes.util, json, os, spam, sys, topping; print(json.dumps([sys.prefix,"
        " spam.add(40, 2), spam.prefix(), os.environ['SPAM_HOME'], os.environ['CONDA_PREFIX'],"
        " ctypes.util.find_library('spam'), os.getuid()]))"
    )

    said = docker_engine.containers.run(
        image, ["python", "-c", code], network_mode="none", remove=True
    )

    assert json.loads(said) == [
        "/opt/env", 42, "/opt/env", "/opt/env", "/opt/env", "libspam.so.1", 10001,
    ]  # fmt: skip


def test_programs_of_the_system_keep_their_own_libraries(
    docker_engine: DockerClient, image: Any
) -> None:
    script = (
        "ldd /bin/bash | grep -c /opt/env; ls -d /context 2>/dev/null; id -un; greet; pip check"
    )

    said = docker_engine.containers.run(
        image, ["sh", "-c", script], network_mode="none", remove=True
    )

    assert said.decode().splitlines() == [
        "0",
        "serving",
        "hello from greet",
        "No broken requirements found.",
    ]


def test_the_server_answers_as_a_user_that_can_write_nothing(
    docker_engine: DockerClient, image: Any
) -> None:
    container = docker_engine.containers.run(image, detach=True, network_mode="none")
    try:
        assert healthy(container) == "healthy", container.logs()
        assert container.exec_run(["touch", "/opt/env/x"]).exit_code == 1
        assert container.attrs["Config"]["Entrypoint"] == ["/opt/env/bin/activated"]
    finally:
        container.remove(force=True)


def healthy(container: Any) -> str:
    for _ in range(90):
        container.reload()
        state = container.attrs["State"]
        if state["Health"]["Status"] != "starting" or state["Status"] != "running":
            return str(state["Health"]["Status"])
        time.sleep(1)
    return "starting"
