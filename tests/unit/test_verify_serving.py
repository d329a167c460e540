"""What a server is asked, and what its answers mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from envbuild.locking.header import Serving
from envbuild.model import ColumnField
from envbuild.process import Completed
from envbuild.reporter import SILENT
from envbuild.server import Probes
from envbuild.verification.examples import Example, NoExample
from envbuild.verification.ledger import Ledger
from envbuild.verification.report import skipped
from envbuild.verification.serving import Start, Table, batch_table, requests_for, serve
from envbuild.verification.work import Place, Subject, ask, batch, predict, steps_for
from envbuild.verification.work import serve as let_serve
from tests.support.verifying import NONE, TABLE, bench, done, model, result

PROBES = Probes(liveness="/", readiness="/", scoring="/score")
INVOCATIONS = Probes(liveness="/ping", readiness="/ping", scoring="/invocations")
EMPTY_TABLE = Example(
    form="dataframe_split", value={"columns": [], "data": []}, params=None, origin=""
)


def bodies(
    probes: Probes, example: Example | NoExample, *columns: ColumnField, mlflow: str = "2.16.0"
) -> dict[str, object]:
    found = requests_for(probes, model(Path(), None, *columns), example, mlflow=mlflow)
    assert {request["path"] for request in found} == {probes.scoring}
    return {request["name"]: request["body"] for request in found}


def test_azure_is_asked_in_its_own_words() -> None:
    a, b = ColumnField(name="a", type="long", required=False), ColumnField(name="b", type="long")

    assert bodies(PROBES, TABLE, a, b) == {
        "server scores the example": (
            '{"input_data": {"columns": ["a", "b"], "data": [[1, 2], [3, 4]]}, "params": {"n": 1}}'
        ),
        "no JSON": '{"input_data": ',
        "no column 'b'": (
            '{"input_data": {"columns": ["a"], "data": [[1], [3]]}, "params": {"n": 1}}'
        ),
    }


def test_without_an_example_only_what_is_wrong_is_sent() -> None:
    assert bodies(PROBES, NONE) == {"no JSON": '{"input_data": '}


def test_a_column_is_left_out_of_tables_only() -> None:
    tensor = Example(form="inputs", value=[1], params=None, origin="x")
    column = ColumnField(name="b", type="long")

    assert list(bodies(PROBES, tensor, column)) == ["server scores the example", "no JSON"]


@pytest.mark.parametrize(
    ("example", "mlflow", "body"),
    [
        (
            Example(
                form="dataframe_split", value={"columns": [], "data": []}, params=None, origin=""
            ),
            "2.0.1",
            '{"dataframe_split": {"columns": [], "data": []}}',
        ),
        (
            Example(
                form="dataframe_split", value={"columns": [], "data": []}, params=None, origin=""
            ),
            "1.30.1",
            '{"columns": [], "data": []}',
        ),
        (
            Example(form="inputs", value=[1], params={"n": 1}, origin=""),
            "3.1.0",
            '{"inputs": [1], "params": {"n": 1}}',
        ),
        (
            Example(form="raw", value={"messages": []}, params=None, origin=""),
            "3.1.0",
            '{"messages": []}',
        ),
        (Example(form="raw", value="hi", params=None, origin=""), "3.1.0", '{"inputs": "hi"}'),
    ],
)
def test_mlflow_is_asked_in_the_words_of_its_version(
    example: Example, mlflow: str, body: str
) -> None:
    asked = bodies(INVOCATIONS, example, ColumnField(name="a", type="long"), mlflow=mlflow)

    assert asked == {"server scores the example": body, "no JSON": '{"input_data": '}


def answers(**refusal: object) -> Completed:
    scored = {
        "name": "server scores the example",
        "status": 200,
        "body": "[1]",
        "expected": [200],
        "seconds": 0.25,
    }
    refused = {"name": "no JSON", "status": 400, "body": "", "expected": [400], "seconds": 0.5}
    ready = {"error": None, "seconds": 2.0}
    return result({"ready": ready, "answers": [scored, {**refused, **refusal}]})


START = Start(command=("serve",), environment={}, cwd="/app")


def test_a_server_that_does_all_right_passes_with_its_times() -> None:
    found = serve(bench(answers()), START, ready="/", requests=(), example=TABLE)

    assert [(step.outcome, step.seconds, step.reason) for step in found] == [
        ("passed", 2.0, "GET / answers 200"),
        ("passed", 0.25, "input_example.json: answered 200 [1]"),
        ("passed", 0.5, "400 for: no JSON"),
    ]


def test_an_answer_of_500_for_a_bad_request_fails() -> None:
    found = serve(bench(answers(status=500)), START, ready="/", requests=(), example=TABLE)

    assert found[2].reason == "1 of 1 bad requests were not refused with 400"
    assert found[2].details[0] == "no JSON: expected 400, answered 500 "


def test_a_server_probe_that_dies_fails_the_start() -> None:
    found = serve(bench(done(returncode=9)), START, ready="/", requests=(), example=TABLE)

    assert found[0].reason == "the interpreter ended with code 9"
    assert [step.outcome for step in found[1:]] == ["skipped", "skipped"]


def test_a_table_is_written_as_csv() -> None:
    assert batch_table(TABLE) == Table(
        text="a,b\n" + "1,2\n3,4\n" * 3, rows=6, origin="input_example.json"
    )


def test_a_tensor_is_no_csv_file() -> None:
    tensor = Example(form="inputs", value=[1], params=None, origin="x.json")

    assert batch_table(tensor) == NoExample(reason="x.json is no table, which a csv file needs")
    assert batch_table(NONE) == NONE


def test_a_batch_without_a_table_is_skipped() -> None:
    subject = Subject(serving=Serving(kind="batch"), no_model="none given")

    found = batch(bench(), subject, script="score.py", save=lambda _: pytest.fail("not written"))

    assert found == skipped("batch script scores a file", "none given")


def test_an_image_s_paths_and_port_become_those_of_this_machine() -> None:
    place = Place(app=Path("/w/app"), venv=Path("/w/venv"))
    subject = Subject(serving=Serving(port=5001), path="/models/m")

    def moved(text: str) -> str:
        return place.localize(text, subject)

    assert moved("/opt/model") == "/models/m"
    assert moved("/opt/venv/bin/python") == "/w/venv/bin/python"
    assert moved("--root=/app:/opt/models:/srv/app") == "--root=/w/app:/opt/models:/srv/app"
    assert moved("0.0.0.0:5001") == "0.0.0.0:{port}"
    assert moved("15001 50011") == "15001 50011"


def test_without_a_port_no_number_is_replaced() -> None:
    subject = Subject(serving=Serving(), path="/m")

    assert Place(app=Path("/a"), venv=Path("/v")).localize("5001", subject) == "5001"


def test_the_steps_are_those_of_the_profile() -> None:
    assert steps_for(Serving()) == ("model loads", "example predicts")
    assert steps_for(Serving(kind="batch"))[2:] == ("batch script scores a file",)
    assert steps_for(Serving(kind="online", probes=PROBES))[2:] == (
        "server starts",
        "server scores the example",
        "server refuses bad requests",
    )


def test_a_profile_without_a_command_cannot_be_started() -> None:
    ledger = Ledger(SILENT)
    subject = Subject(serving=Serving(kind="online", probes=PROBES), path="/m")

    let_serve(ledger, bench(), subject, Place(app=Path("/a"), venv=Path("/v")))

    assert {step.reason for step in ledger.steps} == {
        "the profile has no command to start its server with"
    }


def test_a_profile_that_serves_nothing_has_no_steps_of_a_server() -> None:
    ledger = Ledger(SILENT)
    subject = Subject(serving=Serving(kind="none"), no_model="none given")

    predict(ledger, bench(), subject)
    let_serve(ledger, bench(), subject, Place(app=Path("/a"), venv=Path("/v")))

    assert [step.name for step in ledger.steps] == ["model loads", "example predicts"]
    assert ask(bench(), subject, 80) == ()
