"""Images and containers under verification, with an engine that gives prepared answers."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from packaging.version import Version

from envbuild.ambient import Ambient
from envbuild.build.interpreters import Interpreter
from envbuild.errors import ImageError, ModelError
from envbuild.model import Model, read_model
from envbuild.platforms import Target, parse_platform
from envbuild.reporter import SILENT
from envbuild.verification import image_session, room
from envbuild.verification.image_session import ImageSession
from envbuild.verification.report import Report
from envbuild.verification.room import Found, Search
from tests.support.engine import FakeEngine, FakeImage
from tests.support.verifying import Answers, done

if TYPE_CHECKING:
    from docker import DockerClient

AMBIENT = Ambient(environ={"PATH": "/bin"}, home=Path("/home/ada"), cwd=Path("/"))
MLMODEL = """\
flavors:
  python_function:
    loader_module: mlflow.sklearn
    model_path: model.pkl
saved_input_example_info:
  artifact_path: input_example.json
  type: dataframe
  pandas_orient: split
"""
EXAMPLE = '{"columns": ["a"], "data": [[1]]}'

NO_NETWORK = {"interfaces": [], "reachable": [], "loopback": True}
IMPORTED = {
    "distributions": [
        {"distribution": "spam", "skipped": [], "modules": [{"module": "spam", "error": None}]}
    ]
}
LOADED = {
    "load": {"error": None, "seconds": 1.0},
    "predict": {"error": None, "value": "list of 1: [2]", "seconds": 0.5},
}
SERVED = {
    "ready": {"error": None, "seconds": 2.0},
    "answers": [
        {
            "name": "server scores the example",
            "status": 200,
            "body": "[2]",
            "expected": [200],
            "seconds": 0.1,
        },
        {"name": "no JSON", "status": 400, "body": "", "expected": [400], "seconds": 0.1},
    ],
}


def said(value: object) -> tuple[bytes, bytes, int]:
    return f"envbuild-result {json.dumps(value)}\n".encode(), b"", 0


def model(folder: Path) -> Model:
    folder.mkdir()
    (folder / "MLmodel").write_text(MLMODEL)
    (folder / "input_example.json").write_text(EXAMPLE)
    (folder / "model.pkl").write_bytes(b"\x80\x04")
    return read_model(folder, ambient=AMBIENT)


def engine(*results: object, server: str = "azureml-online") -> FakeEngine:
    labels = {"io.envbuild.server": server} if server else {}
    checked = (b"No broken requirements found.\n", b"", 0)
    every = [said(NO_NETWORK), checked, said(IMPORTED), *(said(value) for value in results)]
    return FakeEngine(images={"spam:1": FakeImage(labels=labels)}, results=every)


def report(fake: FakeEngine, monkeypatch: pytest.MonkeyPatch, given: Model | None = None) -> Report:
    def connect(_: object) -> DockerClient:
        return fake.client()

    monkeypatch.setattr(image_session, "connect", connect)
    return ImageSession(image="spam:1", model=given, ambient=AMBIENT, progress=SILENT).report()


def table(found: Report) -> list[tuple[str, str, str]]:
    return [(step.name, step.outcome, step.reason) for step in found.steps]


ENVIRONMENT_STEPS = [
    ("no network", "passed", "only loopback is up; no public address has a route"),
    ("pip check", "passed", ""),
    ("modules import", "passed", "1 modules of 1 distributions"),
]


def test_an_image_with_its_model_is_put_to_work(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = engine(LOADED, SERVED)
    fake.container.files["/opt/model/MLmodel"] = MLMODEL.encode()
    fake.container.files["/opt/model/input_example.json"] = EXAMPLE.encode()

    found = report(fake, monkeypatch)

    assert found.complete
    assert (found.kind, found.isolation) == ("image", "docker run --network none")
    assert table(found) == [
        *ENVIRONMENT_STEPS,
        ("model loads", "passed", ""),
        ("example predicts", "passed", "input_example.json gives list of 1: [2]"),
        ("server starts", "passed", "GET / answers 200"),
        ("server scores the example", "passed", "input_example.json: answered 200 [2]"),
        ("server refuses bad requests", "passed", "400 for: no JSON"),
    ]
    first = fake.programs[0]["argv"]
    assert first == ["python", "-I", "/opt/envbuild-probes/network.py"]
    task = json.loads(fake.container.files["/opt/envbuild-stdin"])
    assert (task["command"], task["port"]) == ([], 5001)
    # The first container waits, the second runs the image's own command; both are removed.
    assert "command" not in fake.asked
    assert fake.container.told.count("remove force=True volumes=True") == 2


def test_an_image_without_a_model_says_where_it_was_looked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = report(engine(), monkeypatch)

    reason = "there is no model in the image at /opt/model; try: --model DIR"
    assert found.passed
    assert table(found) == [
        *ENVIRONMENT_STEPS,
        ("model loads", "skipped", reason),
        ("example predicts", "skipped", reason),
        ("server starts", "skipped", reason),
        ("server scores the example", "skipped", reason),
        ("server refuses bad requests", "skipped", reason),
    ]


def test_a_given_model_is_copied_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake = engine(LOADED, SERVED)

    assert report(fake, monkeypatch, model(tmp_path / "m")).complete
    assert fake.container.files["/opt/model/model.pkl"] == b"\x80\x04"


def test_a_given_model_without_weights_is_not_tried(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    given = model(tmp_path / "m")
    (tmp_path / "m" / "model.pkl").unlink()

    found = report(engine(), monkeypatch, given)

    assert table(found)[3] == (
        "model loads",
        "skipped",
        "no weights in the folder: model.pkl is not there",
    )


def test_a_batch_image_scores_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake = engine(LOADED, {"results": 3, "error": None, "seconds": 1.0}, server="azureml-batch")

    found = report(fake, monkeypatch, model(tmp_path / "m"))

    assert table(found)[-1] == (
        "batch script scores a file",
        "passed",
        "input_example.json: a result for each of 3 rows",
    )
    assert fake.container.files["/opt/envbuild-example.csv"] == b"a\n1\n1\n1\n"
    assert fake.programs[-1]["argv"][-2:] == ["/app/score.py", "/opt/envbuild-example.csv"]


def test_an_image_of_somebody_else_is_imported_and_loaded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = report(engine(LOADED, server=""), monkeypatch, model(tmp_path / "m"))

    assert [step.name for step in found.steps][-1] == "example predicts"
    assert found.complete


def test_a_server_that_ends_shows_the_log_of_its_container(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    dead = {"ready": {"error": "not ready after 300 s", "seconds": 300.0}, "answers": []}
    fake = engine(LOADED, dead)
    fake.container.log = b"no room for the model\n"

    found = report(fake, monkeypatch, model(tmp_path / "m"))

    started = found.steps[5]
    assert (started.name, started.outcome) == ("server starts", "failed")
    assert started.details[-1] == "no room for the model"


def test_a_container_with_a_network_is_used_for_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake = engine()
    fake.results = [said({**NO_NETWORK, "interfaces": ["eth0"]})]

    found = report(fake, monkeypatch, model(tmp_path / "m"))

    assert table(found)[0] == ("no network", "failed", "interface eth0 is up")
    assert {step.outcome for step in found.steps[1:]} == {"skipped"}


def test_an_image_that_the_engine_does_not_have_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(ImageError) as caught:
        report(FakeEngine(), monkeypatch)

    assert str(caught.value) == (
        "spam:1: the engine has no such image\n  try: envbuild build CONTEXT -t spam:1"
    )


def test_a_broken_model_in_an_image_is_an_error_that_says_where(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake = engine()
    hostile = MLMODEL.replace("input_example.json", "../../../outside.json")
    fake.container.files["/opt/model/MLmodel"] = hostile.encode()

    with pytest.raises(ModelError) as caught:
        report(fake, monkeypatch)

    assert str(caught.value) == (
        "spam:1: /opt/model: paths that cannot be\n"
        "  saved_input_example_info.artifact_path: "
        "the path '../../../outside.json' leads out of the model"
    )


def search(folder: Path, *, image: str = "base:1", python: str = "", allow: bool = False) -> Search:
    return Search(
        target=Target(python=Version("3.7.11"), platform=parse_platform("linux-64")),
        python_exe=python,
        image=image,
        readable=(Path("/bundle"),),
        writable=folder,
        allow_network=allow,
        ambient=Ambient(environ={"PATH": ""}, home=folder, cwd=folder),
        runner=Answers(*[done(stderr="refused\n", returncode=1)] * 4),
    )


def find(fake: FakeEngine, monkeypatch: pytest.MonkeyPatch, wanted: Search) -> Found:
    def connect(_: object) -> DockerClient:
        return fake.client()

    def find_interpreter(target: Target, *, given: str, **_: object) -> Interpreter | None:
        if not given:
            return None
        return Interpreter(
            exe=Path("/bin/python3.7"), version=Version(given), system="Linux", machine="x86_64"
        )

    monkeypatch.setattr(room, "connect", connect)
    monkeypatch.setattr(room, "find_interpreter", find_interpreter)
    with ExitStack() as stack:
        return wanted.find(stack)


def test_a_container_stands_in_where_there_are_no_namespaces(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake = FakeEngine(images={"base:1": FakeImage()}, results=[said(NO_NETWORK)])

    found = find(fake, monkeypatch, search(tmp_path, python="3.7.16"))

    assert found.step.reason == (
        "docker run --network none of base:1: only loopback is up; no public address has a route"
    )
    assert found.room is not None
    assert found.room.python == "python3"
    assert found.room.env_for(Path("/w/venv")) == {
        "HOME": f"{tmp_path}/home",
        "PATH": "/w/venv/bin:/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin",
        "PIP_CONFIG_FILE": "/dev/null",
        "PYTHONDONTWRITEBYTECODE": "1",
        "VIRTUAL_ENV": "/w/venv",
    }
    assert fake.asked["volumes"] == ["/bundle:/bundle:ro", f"{tmp_path}:{tmp_path}:rw"]
    assert fake.asked["network_mode"] == "none"


def test_a_container_stands_in_where_there_is_no_python(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake = FakeEngine(images={"base:1": FakeImage()}, results=[said(NO_NETWORK)])

    assert find(fake, monkeypatch, search(tmp_path)).room is not None


@pytest.mark.parametrize(
    ("fake", "refusal"),
    [
        (FakeEngine(), "docker: the engine does not have base:1"),
        (
            FakeEngine(images={"base:1": FakeImage()}, broken="create"),
            "docker: cannot run the image base:1 no create for https://****:****@host/",
        ),
        (
            FakeEngine(
                images={"base:1": FakeImage()}, results=[said({**NO_NETWORK, "loopback": False})]
            ),
            "docker: loopback does not work, which servers need",
        ),
    ],
)
def test_a_container_that_does_not_do_is_refused_in_words(
    fake: FakeEngine, refusal: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = find(fake, monkeypatch, search(tmp_path, python="3.7.16"))

    assert found.room is None
    assert found.step.reason == "isolation is not possible here"
    assert found.step.details[-2:] == (refusal, "try: --allow-network, which proves less")


def test_the_open_is_the_last_resort_and_has_to_be_allowed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    wanted = search(tmp_path, python="3.7.16", image="", allow=True)

    found = find(FakeEngine(), monkeypatch, wanted)

    assert found.step.outcome == "skipped"
    assert found.room is not None
    assert found.room.sandbox.description == "none: the network was in reach"


def test_without_python_and_container_allowing_the_network_is_no_help(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = find(FakeEngine(), monkeypatch, search(tmp_path, allow=True))

    assert found.room is None
    assert found.step.reason == "there is nothing to run it on"
    assert found.step.details == (
        "no CPython 3.7 on this machine; try: --python-exe EXE",
        "docker: the engine does not have base:1",
    )
