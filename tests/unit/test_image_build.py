"""What the engine is asked to build, and what becomes of its answers."""

from __future__ import annotations

import errno
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from docker.credentials.errors import StoreError
from urllib3.exceptions import ProtocolError

from envbuild.ambient import Ambient
from envbuild.emit.bundle import MANIFEST
from envbuild.emit.content import Content, Entry, checksums
from envbuild.errors import (
    ImageError,
    IntegrityError,
    OutputError,
    RuntimeUnsupportedError,
    UsageError,
)
from envbuild.image.build import BuildOptions, ImageResult, Layer, build, push
from envbuild.locking.context import Context
from tests.support.contexts import context_of, lock_of
from tests.support.engine import FakeEngine, FakeImage

BASE = "python:3.11-slim"
GET_BASE = (
    f"docker pull {BASE} where the registry is in reach, docker load where it is not, "
    "or --base-image with one that the engine has"
)
FREE_DISK = (
    "docker system df shows what the engine keeps; docker system prune removes what is unused"
)
PYTHON = "--base-image with the Python of the lock, its venv and its pip"
WHEELS = "--base-image for which the wheels are: with glibc, as new a one as the Dockerfile says"
OTHER_PLATFORM = (
    f"docker pull {BASE} for the platform that was asked for, or --base-image with one for it"
)
AMBIENT = Ambient(environ={}, home=Path("/home/ada"), cwd=Path("/"))
EVENTS = (
    {"stream": "Step 1/2 : FROM python:3.11-slim\n"},
    {"stream": " ---> 0123\n"},
    {"status": "Pulling"},
    {"stream": "Step 2/2 : RUN pip install\n"},
    {"aux": {"ID": "sha256:1"}},
    {"stream": "Successfully built 0123\n"},
)


class Steps:
    """A reporter that remembers."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def step(self, text: str) -> None:
        self.said.append(text)

    def advance(self, done: int, total: int) -> None:
        """Not asked for."""


def engine(events: Sequence[Mapping[str, Any]] = EVENTS, **more: Any) -> FakeEngine:
    images = {BASE: FakeImage(), "sha256:1": FakeImage()}
    return FakeEngine(images=images, events=events, **more)


def context(folder: Path) -> Context:
    return context_of(folder / "context", lock_of(""))


def bundle(folder: Path, *, model: bool = False) -> Path:
    """A folder that passes for a bundle: its checksums are right."""
    path = context(folder).path
    (path / MANIFEST).write_text("{}")
    (path / "wheels").mkdir()
    (path / "wheels" / "spam.whl").write_text("")
    if model:
        (path / "model").mkdir()
        (path / "model" / "MLmodel").write_text("flavors: {}\n")
    content: Content = {
        file.relative_to(path).as_posix(): Entry.of_file(file)
        for file in path.rglob("*")
        if file.is_file()
    }
    (path / "SHA256SUMS").write_bytes(checksums(content).data)
    return path


def image_of(
    source: Context | Path, fake: FakeEngine, options: BuildOptions | None = None
) -> ImageResult:
    return build(source, "spam:1", ambient=AMBIENT, options=options, client=fake.client())


def test_the_result_is_the_image_with_its_layers_from_the_base_up(tmp_path: Path) -> None:
    assert image_of(context(tmp_path), engine()) == ImageResult(
        id="sha256:1",
        tag="spam:1",
        size=130,
        layers=(
            Layer(size=100, instruction="/bin/sh -c #(nop) ADD file:0 in /"),
            Layer(size=30, instruction="/bin/sh -c #(nop) COPY dir:1 in /opt/venv"),
        ),
        bill={"base image": 130, "environment": 0, "script": 0, "model": 0, "other": 0},
    )


@pytest.mark.parametrize("made_by", ["/bin/sh -c #(nop) COPY dir:1 in {}/ ", "COPY {0}/ {0}/ # x"])
def test_the_bill_says_what_each_part_adds_to_the_base_image(tmp_path: Path, made_by: str) -> None:
    base = ({"Size": 100, "CreatedBy": "/bin/sh -c #(nop) COPY dir:1 in /opt/venv/ "},)
    added = (
        (1, "RUN useradd serving"),
        (0, "WORKDIR /app"),
        (20, made_by.format("/opt/venv")),
        (3, made_by.format("/app")),
        (5, made_by.format("/opt/model")),
        (0, 'CMD ["python", "/app/score.py", "/opt/model"]'),
    )
    layers = tuple({"Size": size, "CreatedBy": text} for size, text in reversed(added))
    images = {BASE: FakeImage(layers=base), "sha256:1": FakeImage(layers=(*layers, *base))}

    built = image_of(context(tmp_path), FakeEngine(images=images, events=EVENTS))

    assert built.bill == {
        "base image": 100, "environment": 20, "script": 3, "model": 5, "other": 1,
    }  # fmt: skip


def test_a_context_is_built_with_the_network_and_what_dockerignore_lets_through(
    tmp_path: Path,
) -> None:
    fake = engine()

    image_of(context(tmp_path), fake, BuildOptions(labels={"team": "a"}))

    assert fake.sent == (".dockerignore", "Dockerfile")
    assert fake.asked == {
        "custom_context": True,
        "tag": "spam:1",
        "rm": True,
        "forcerm": True,
        "decode": True,
        "buildargs": {},
        "labels": {"team": "a"},
    }


def test_a_bundle_is_built_offline_and_needs_no_compiler(tmp_path: Path) -> None:
    fake = engine()

    image_of(bundle(tmp_path), fake, BuildOptions(offline=True))

    assert fake.sent == (".dockerignore", "Dockerfile", "wheels/spam.whl")
    assert fake.asked["network_mode"] == "none"
    assert fake.asked["buildargs"] == {"BUILDER_IMAGE": BASE}


def test_another_base_image_and_platform_are_handed_on(tmp_path: Path) -> None:
    fake = engine(machine="arm64")
    options = BuildOptions(base_image="own:1", platform="linux-64")

    image_of(context(tmp_path), fake, options)

    assert fake.asked["buildargs"] == {"BASE_IMAGE": "own:1"}
    assert fake.asked["labels"] == {"org.opencontainers.image.base.name": "own:1"}
    assert fake.asked["platform"] == "linux/amd64"


def test_a_model_is_sent_beside_the_context(tmp_path: Path) -> None:
    model = tmp_path / "m"
    (model / "code").mkdir(parents=True)
    (model / "MLmodel").write_text("flavors: {}\n")
    (model / "code" / "a.py").write_text("")
    (model / "code" / "__pycache__").mkdir()
    (model / "code" / "__pycache__" / "a.pyc").write_text("")
    fake = engine()

    image_of(context(tmp_path), fake, BuildOptions(model=model))

    assert fake.sent == (".dockerignore", "Dockerfile", "model/MLmodel", "model/code/a.py")


def test_progress_follows_the_steps(tmp_path: Path) -> None:
    steps = Steps()

    build(context(tmp_path), "spam:1", ambient=AMBIENT, client=engine().client(), progress=steps)

    assert steps.said == [
        "building spam:1: Step 1/2 : FROM python:3.11-slim",
        "building spam:1: Step 2/2 : RUN pip install",
    ]


def test_a_step_that_fails_shows_its_own_log_without_passwords(tmp_path: Path) -> None:
    events = (
        {"stream": "Step 1/2 : FROM python:3.11-slim\nignored\n"},
        {"stream": "Step 2/2 : RUN pip install\n"},
        {"stream": " ---> Running in 0123\n"},
        {"stream": "Looking in https://u:canary@host/simple\n"},
        {"stream": "\x1b[91mERROR: \x1b[0m"},
        {"stream": "\x1b[91mno\n\x1b[0m"},
        {"stream": "Removing intermediate container 0123\n"},
        {"error": "The command '/bin/sh -c pip install' returned a non-zero code: 1"},
    )

    with pytest.raises(ImageError) as caught:
        image_of(context(tmp_path), engine(events))

    assert str(caught.value) == (
        "cannot build spam:1: The command '/bin/sh -c pip install' returned a non-zero code: 1\n"
        "  at Step 2/2 : RUN pip install\n"
        "  Looking in https://****:****@host/simple\n"
        "  ERROR: no"
    )


def test_steps_are_known_by_what_podman_calls_them_too(tmp_path: Path) -> None:
    events = (
        {"stream": "[2/3] STEP 6/8: RUN pip install\n"},
        {"stream": "--> Using cache 0123\n"},
        {"stream": "ERROR: no\n"},
        {"error": "exit status 1\n"},
    )

    with pytest.raises(ImageError) as caught:
        image_of(context(tmp_path), engine(events))

    assert str(caught.value) == (
        "cannot build spam:1: exit status 1\n  at [2/3] STEP 6/8: RUN pip install\n  ERROR: no"
    )


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (
            "write /layer.tar: no space left on device",
            FREE_DISK,
        ),
        (
            f"pull access denied for {BASE}, repository does not exist",
            GET_BASE,
        ),
        (
            "Get https://registry-1.docker.io/v2/: dial tcp: lookup registry-1.docker.io: timeout",
            GET_BASE,
        ),
        ("returned a non-zero code: 137", "more memory for the engine"),
        (
            "image was found but does not match the specified platform: wanted linux/arm64",
            OTHER_PLATFORM,
        ),
    ],
)
def test_what_an_engine_says_has_its_remedy(tmp_path: Path, error: str, remedy: str) -> None:
    events = ({"stream": "Step 1/2 : FROM python\n"}, {"error": error})

    with pytest.raises(ImageError) as caught:
        image_of(context(tmp_path), engine(events))

    assert str(caught.value) == (
        f"cannot build spam:1: {error}\n  at Step 1/2 : FROM python\n  try: {remedy}"
    )


@pytest.mark.parametrize(
    ("line", "remedy"),
    [
        ("no Python 3.11", PYTHON),
        ("\x1b[91mno Python 3.11\n\x1b[0m", PYTHON),
        ("/bin/sh: 1: python3: not found", PYTHON),
        ("/usr/bin/python3: No module named venv", PYTHON),
        ("The virtual environment was not created, as ensurepip is not available.", PYTHON),
        (
            "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.",
            "the index has other files than were locked: envbuild lock again, or build a bundle",
        ),
        (
            "ERROR: Could not find a version that satisfies the requirement six==1.16.0",
            "export a bundle and build that with --offline, where builds do not reach the index",
        ),
        (
            "Looking in links: wheels, tools\nERROR: No matching distribution found for six==1",
            WHEELS,
        ),
        ("something new", ""),
    ],
)
def test_what_a_step_logged_has_its_remedy(tmp_path: Path, line: str, remedy: str) -> None:
    events = ({"stream": "Step 2/2 : RUN x\n"}, {"stream": f"{line}\n"}, {"error": "code: 1"})

    with pytest.raises(ImageError) as caught:
        image_of(context(tmp_path), engine(events))

    assert caught.value.remedy == remedy


def test_no_room_to_pack_the_context_names_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", full)

    with pytest.raises(OutputError) as caught:
        image_of(context(tmp_path), engine())

    assert str(caught.value) == (
        f"{tempfile.gettempdir()}: cannot pack what the engine is to get: No space left on device\n"
        "  try: TMPDIR with a folder that has room for the bundle and the model"
    )


@pytest.mark.parametrize(
    ("link", "target", "problem"),
    [
        ("weights", "/etc/hostname", "out of the model"),
        ("weights", "gone", "to nothing"),
        ("data/again", "../data", "round in a circle"),
    ],
)
def test_a_link_that_is_no_part_of_the_model_is_refused_and_nothing_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, link: str, target: str, problem: str
) -> None:
    (scratch := tmp_path / "scratch").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    (model := tmp_path / "m").mkdir()
    (model / "MLmodel").write_text("flavors: {}\n")
    (model / "data").mkdir()
    (model / link).symlink_to(target)

    with pytest.raises(OutputError) as caught:
        image_of(context(tmp_path), engine(), BuildOptions(model=model))

    assert str(caught.value) == f"{model / link}: a link leads {problem}"
    assert list(scratch.iterdir()) == []


def test_links_inside_the_model_are_what_they_point_to(tmp_path: Path) -> None:
    (model := tmp_path / "m").mkdir()
    (model / "MLmodel").write_text("flavors: {}\n")
    (model / "blobs").mkdir()
    (model / "blobs" / "1").write_text("")
    (model / "weights").symlink_to("blobs/1")
    (model / "data").symlink_to("blobs")
    fake = engine()

    image_of(context(tmp_path), fake, BuildOptions(model=model))

    assert fake.sent[2:] == ("model/MLmodel", "model/blobs/1", "model/data/1", "model/weights")


@pytest.mark.parametrize(
    "tag", ["", "Spam:1", "a b", "https://r/spam", "spam:", "-spam", "a//b", f"spam@sha256:{0:064}"]
)
def test_what_is_no_name_for_an_image_is_refused_at_once(tmp_path: Path, tag: str) -> None:
    with pytest.raises(UsageError) as caught:
        build(tmp_path, tag, ambient=AMBIENT)

    assert str(caught.value) == (
        f"--tag: {tag!r} is no name for an image\n"
        "  try: one such as registry.example/team/model:1, in lower case before the colon"
    )


@pytest.mark.parametrize(
    "tag", ["spam", "r:5000/a/b__c:V1", "Localhost/a-b:_1", "[::1]:5000/spam:1", "a.b/c.d:1.0-rc"]
)
def test_names_of_images_are_those_of_docker(tmp_path: Path, tag: str) -> None:
    assert build(context(tmp_path), tag, ambient=AMBIENT, client=engine().client()).tag == tag


def test_a_base_image_without_glibc_is_refused_before_the_build(tmp_path: Path) -> None:
    options = BuildOptions(base_image="python:3.11-alpine")

    with pytest.raises(RuntimeUnsupportedError, match="has musl instead of glibc"):
        image_of(context(tmp_path), engine(), options)


def test_an_engine_that_refuses_is_an_image_error(tmp_path: Path) -> None:
    with pytest.raises(ImageError) as caught:
        image_of(context(tmp_path), engine(broken="build"))

    assert str(caught.value) == "cannot build spam:1\n  no build for https://****:****@host/"


def test_offline_takes_a_bundle(tmp_path: Path) -> None:
    path = context(tmp_path).path

    with pytest.raises(UsageError) as caught:
        image_of(path, engine(), BuildOptions(offline=True))

    assert str(caught.value) == (
        f"{path}: a build without a network needs a bundle, and this is a context\n"
        f"  try: envbuild export {path} -o BUNDLE, then build that"
    )


def test_offline_needs_the_base_image_in_the_engine(tmp_path: Path) -> None:
    with pytest.raises(ImageError) as caught:
        image_of(bundle(tmp_path), FakeEngine(), BuildOptions(offline=True))

    assert str(caught.value) == (
        f"the engine does not have the base image {BASE}\n"
        f"  try: docker pull {BASE}, or docker load where there is no network"
    )


def test_a_bundle_that_was_changed_is_not_built(tmp_path: Path) -> None:
    path = bundle(tmp_path)
    (path / "extra").write_text("")

    with pytest.raises(IntegrityError, match="extra: not in SHA256SUMS"):
        image_of(path, engine())


def test_an_engine_for_another_machine_is_refused_before_the_build(tmp_path: Path) -> None:
    with pytest.raises(ImageError) as caught:
        image_of(context(tmp_path), engine(machine="arm64"))

    assert str(caught.value) == (
        f"{tmp_path / 'context'}: "
        "the engine builds for linux/arm64, and there is no lock for that\n"
        "  locks: linux-64\n"
        "  try: envbuild lock --platform, or --platform here where the engine can emulate it"
    )


def test_a_second_model_is_refused(tmp_path: Path) -> None:
    path = bundle(tmp_path, model=True)

    with pytest.raises(UsageError, match="it holds a model already"):
        image_of(path, engine(), BuildOptions(model=tmp_path))


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="this is not an MLflow model"):
        image_of(context(tmp_path), engine(), BuildOptions(model=tmp_path))


def test_pushing_gives_the_digest_in_the_registry() -> None:
    events = ({"status": "Pushing"}, {"aux": {"Digest": "sha256:9"}}, {"progress": "x"})
    fake, steps = engine(events), Steps()

    digest = push("r/spam:1", ambient=AMBIENT, progress=steps, client=fake.client())

    assert digest == "sha256:9"
    assert fake.asked == {"tag": "r/spam:1", "stream": True, "decode": True}
    assert steps.said == ["pushing r/spam:1: Pushing"]


def refused_push(tag: str, *, said: str) -> str:
    with pytest.raises(ImageError) as caught:
        push(tag, ambient=AMBIENT, client=engine(({"error": said},)).client())
    return str(caught.value)


def test_a_push_that_is_refused_says_why() -> None:
    assert refused_push("r/spam:1", said="denied: https://u:canary@r/v2") == (
        "cannot push r/spam:1\n  denied: https://****:****@r/v2\n  try: docker login"
    )


def test_a_registry_that_is_not_there_gets_the_image_later() -> None:
    assert refused_push("r:5000/spam:1", said="dial tcp: connection refused") == (
        "cannot push r:5000/spam:1\n  dial tcp: connection refused\n"
        "  try: docker push r:5000/spam:1 where its registry is in reach; the image is built"
    )


def test_the_registry_to_log_in_to_is_named() -> None:
    message = refused_push("r.example/spam:1", said="no basic auth credentials")

    assert message.endswith("\n  try: docker login r.example")


def test_an_engine_that_ends_midway_is_an_image_error(tmp_path: Path) -> None:
    class Dying(FakeEngine):
        def build(self, **_: object) -> Iterator[Mapping[str, Any]]:
            yield {"stream": "Step 1/2 : FROM python\n"}
            raise ProtocolError("Response ended prematurely")

    with pytest.raises(ImageError) as caught:
        image_of(context(tmp_path), Dying(images={BASE: FakeImage()}))

    assert str(caught.value) == "cannot build spam:1\n  Response ended prematurely"


def test_a_helper_for_credentials_that_fails_is_no_bug(tmp_path: Path) -> None:
    class Locked(FakeEngine):
        def build(self, **_: object) -> Iterator[Mapping[str, Any]]:
            warnings.warn("docker-credential-spam not installed", stacklevel=1)
            raise StoreError("docker-credential-spam not installed or not available in PATH")

    with pytest.raises(ImageError) as caught:
        image_of(context(tmp_path), Locked(images={BASE: FakeImage()}))

    assert str(caught.value) == (
        "cannot build spam:1\n"
        "  docker-credential-spam not installed or not available in PATH\n"
        "  try: docker logout and login, or Docker's config.json without credsStore, "
        "where its helper is not in order"
    )
