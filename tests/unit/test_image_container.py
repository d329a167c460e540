"""Programs in a container: what the engine is asked, and what comes back."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.errors import DockerException

from envbuild.errors import ImageError, MissingExtraError, ToolError
from envbuild.image.container import Container, running
from envbuild.image.engine import connect, has_image
from tests.support.engine import FakeContainer, FakeEngine, FakeImage


def test_a_container_waits_without_a_network_and_is_removed(tmp_path: Path) -> None:
    fake = FakeEngine()
    (tmp_path / "probe.py").write_text("x")

    with running(
        fake.client(),
        "spam:1",
        binds={Path("/b"): "ro"},
        user="7:7",
        files={"/opt/probes": tmp_path},
    ):
        assert fake.container.told == ["start"]

    assert fake.asked == {
        "image": "spam:1",
        "network_mode": "none",
        "init": True,
        "volumes": ["/b:/b:ro"],
        "user": "7:7",
        "entrypoint": ["sleep"],
        "command": ["infinity"],
    }
    assert fake.container.files["/opt/probes/probe.py"] == b"x"
    assert fake.container.told == ["start", "remove force=True volumes=True"]


def test_an_image_s_own_command_is_left_to_it() -> None:
    fake = FakeEngine()

    with running(fake.client(), "spam:1", own_command=True):
        pass

    assert {"entrypoint", "command"} & fake.asked.keys() == set()


def test_a_container_is_removed_when_what_it_was_for_fails() -> None:
    fake = FakeEngine()

    with pytest.raises(KeyboardInterrupt), running(fake.client(), "spam:1"):
        raise KeyboardInterrupt

    assert fake.container.told[-1] == "remove force=True volumes=True"


def test_an_image_that_cannot_run_is_an_image_error() -> None:
    fake = FakeEngine(broken="create")

    with pytest.raises(ImageError) as caught, running(fake.client(), "spam:1"):
        pass

    assert str(caught.value) == (
        "cannot run the image spam:1\n  no create for https://****:****@host/"
    )


def container(*results: tuple[bytes | None, bytes | None, int], **more: Any) -> Container:
    fake = FakeEngine(results=results, **more)
    return Container(client=fake.client(), handle=fake.container, user="7")


def programs(inside: Container) -> list[dict[str, Any]]:
    fake: Any = inside.client
    return list(fake.programs)


def test_a_program_gets_its_variables_and_gives_output_and_code() -> None:
    inside = container((b"out\xff", None, 3))

    done = inside.run(["python", "-V"], env={"A": "1"}, cwd=Path("/app"), timeout=60)

    assert (done.stdout, done.stderr, done.returncode) == ("out�", "", 3)
    assert programs(inside) == [
        {"argv": ["python", "-V"], "environment": {"A": "1"}, "workdir": "/app", "user": "7"}
    ]


def test_standard_input_goes_in_as_a_file() -> None:
    inside = container((b"", b"", 0))

    inside.run(["cat"], env={}, stdin="täxt")

    handle: FakeContainer = inside.handle
    assert handle.files == {"/opt/envbuild-stdin": "täxt".encode()}
    assert programs(inside)[0]["argv"] == [
        "sh", "-c", 'exec "$@" < /opt/envbuild-stdin', "sh", "cat",
    ]  # fmt: skip


def test_a_program_that_takes_too_long_ends_with_its_container(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inside = container((b"", b"", 137))
    killed = threading.Event()

    def hang(*_: object, **__: object) -> tuple[bytes, bytes]:
        assert killed.wait(10)
        return b"", b""

    monkeypatch.setattr(FakeContainer, "kill", lambda self: killed.set())
    monkeypatch.setattr(FakeEngine, "exec_start", hang)
    monkeypatch.setattr(FakeEngine, "exec_inspect", lambda *_: {"ExitCode": 137})

    with pytest.raises(ToolError, match=r"sleep did not end within 0\.05 s"):
        inside.run(["sleep"], env={}, timeout=0.05)


def test_a_container_that_is_gone_is_a_tool_error() -> None:
    inside = container(broken="exec")

    with pytest.raises(ToolError, match="cannot run ls in the container: the engine refuses"):
        inside.run(["ls"], env={})


def test_a_file_is_read_or_is_not_there() -> None:
    inside = container()
    inside.write("/opt/a.txt", b"text")

    assert inside.read("/opt/a.txt") == b"text"
    assert inside.read("/opt/b.txt") is None


def test_the_log_of_a_container_is_text() -> None:
    inside = container()
    inside.handle.log = b"started \xff\n"

    assert inside.logs() == "started �\n"
    assert inside.description == "docker run --network none"


def test_an_engine_knows_which_images_it_has() -> None:
    fake = FakeEngine(images={"spam:1": FakeImage()})

    assert has_image(fake.client(), "spam:1")
    assert not has_image(fake.client(), "spam:2")
    with pytest.raises(ImageError, match="cannot look for the image spam:1"):
        has_image(FakeEngine(broken="get").client(), "spam:1")


def test_without_docker_py_the_command_that_installs_it_is_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "docker", None)

    with pytest.raises(MissingExtraError) as caught:
        connect({})

    assert str(caught.value) == (
        "images need the docker extra\n  try: pip install 'envbuild[docker]'"
    )


def test_without_an_engine_the_host_that_was_asked_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(**_: object) -> None:
        raise DockerException("connection refused by tcp://u:canary@host:2375")

    monkeypatch.setattr(docker, "from_env", refuse)

    with pytest.raises(ImageError) as caught:
        connect({"DOCKER_HOST": "tcp://u:canary@host:2375"})

    assert str(caught.value) == (
        "tcp://****:****@host:2375: no Docker engine answers\n"
        "  connection refused by tcp://****:****@host:2375\n"
        "  try: docker version, which asks the same engine; or unset DOCKER_HOST for this machine's"
    )


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        (
            "Error while fetching server API version: FileNotFoundError(2, 'No such file')",
            "start Docker, or set DOCKER_HOST to an engine that runs",
        ),
        (
            "PermissionError(13, 'Permission denied')",
            "sudo usermod -aG docker $USER and a new login, or run as root",
        ),
        (
            "Install paramiko package to enable ssh:// support",
            "pip install 'docker[ssh]', which an engine behind ssh needs",
        ),
    ],
)
def test_the_way_to_an_engine_depends_on_what_stops_it(
    monkeypatch: pytest.MonkeyPatch, said: str, remedy: str
) -> None:
    def refuse(**_: object) -> None:
        raise DockerException(said)

    monkeypatch.setattr(docker, "from_env", refuse)

    with pytest.raises(ImageError) as caught:
        connect({})

    assert str(caught.value) == f"no Docker engine answers\n  {said}\n  try: {remedy}"


def test_an_engine_that_answers_is_given_the_time_that_builds_take(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: dict[str, object] = {}

    class Api:
        timeout = 30

    class Client:
        api = Api()

        def ping(self) -> bool:
            return True

    def from_env(**options: object) -> Client:
        asked.update(options)
        return Client()

    monkeypatch.setattr(docker, "from_env", from_env)

    client: Any = connect({"DOCKER_HOST": "tcp://host:2375"})

    assert asked == {"environment": {"DOCKER_HOST": "tcp://host:2375"}, "timeout": 30}
    assert client.api.timeout == 3600
