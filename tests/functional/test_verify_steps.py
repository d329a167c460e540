"""Each step on an environment made by hand, in a namespace without a network."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import uv

from envbuild.model import read_model
from envbuild.process import plain_environment, run
from envbuild.reporter import SILENT
from envbuild.verification import serving
from envbuild.verification.bench import Bench
from envbuild.verification.environment import check_dependencies, import_everything
from envbuild.verification.examples import find_example
from envbuild.verification.ledger import Ledger
from envbuild.verification.report import StepResult
from envbuild.verification.room import quiet_environment
from envbuild.verification.sandbox import (
    _WAYS,
    PROBES,
    Namespace,
    Open,
    Sandbox,
    find_namespace,
    judge,
)
from envbuild.verification.work import Place, Subject, predict, serve
from tests.support.environments import running
from tests.support.index import wheel
from tests.support.interpreters import SUPPORTED
from tests.support.toy import BATCH, SCORE, SERVING, environment, library, server, write_model

SCORE_ANYTHING = "def init():\n    pass\ndef run(body):\n    return 200, b'fine'\n"


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    found, refusals = find_namespace(run, plain_environment(os.environ, home=Path("/nowhere")))
    if found is None:
        pytest.skip(f"no namespaces here: {refusals}")
    return found


@pytest.fixture(scope="module")
def toys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with library and server."""
    return environment(tmp_path_factory.mktemp("toys") / "venv", library(), server())


def bench_of(sandbox: Sandbox, python: Path, home: Path) -> Bench:
    env = quiet_environment(plain_environment(os.environ, home=home))
    env["PATH"] = f"{python.parent}{os.pathsep}{env['PATH']}"
    return Bench(
        sandbox=sandbox, env=env, python=str(python), probes=str(PROBES), uv=uv.find_uv_bin()
    )


@pytest.fixture
def bench(sandbox: Sandbox, toys: Path, tmp_path: Path) -> Bench:
    return bench_of(sandbox, toys, tmp_path)


def work(bench: Bench, folder: Path, model: Path, score: str) -> dict[str, StepResult]:
    """Load, predict and serve with a scoring script."""
    app = folder / "app"
    app.mkdir()
    (app / "score.py").write_text(score)
    subject = Subject(serving=SERVING, model=read_model(model), path=str(model), mlflow="2.0")
    ledger = Ledger(SILENT)
    predict(ledger, bench, subject)
    serve(ledger, bench, subject, Place(app=app, venv=Path(bench.python).parents[1]))
    return {step.name: step for step in ledger.steps}


@pytest.mark.parametrize("minor", SUPPORTED)
def test_everything_works_on_every_python(
    minor: str, sandbox: Sandbox, tmp_path: Path, interpreter: Callable[[str], Path]
) -> None:
    python = environment(tmp_path / "venv", library(), server(), exe=interpreter(minor))
    bench = bench_of(sandbox, python, tmp_path)

    assert judge(sandbox, bench.env, python=bench.python).isolated
    assert import_everything(bench).reason == "2 modules of 2 distributions"
    assert check_dependencies(bench).outcome == "passed"
    steps = work(bench, tmp_path, write_model(tmp_path / "model"), SCORE)
    assert [step.outcome for step in steps.values()] == ["passed"] * 5, steps


@pytest.mark.parametrize("minor", SUPPORTED)
def test_a_batch_script_runs_on_every_python(
    minor: str, sandbox: Sandbox, tmp_path: Path, interpreter: Callable[[str], Path]
) -> None:
    python = environment(tmp_path / "venv", library(), exe=interpreter(minor))
    (tmp_path / "score.py").write_text(BATCH)
    (tmp_path / "rows.csv").write_text("numbers\n1\n2\n")
    model = write_model(tmp_path / "model")
    bench = bench_of(sandbox, python, tmp_path).with_variables({"AZUREML_MODEL_DIR": str(model)})

    def run_it(rows: int) -> StepResult:
        script, file = str(tmp_path / "score.py"), str(tmp_path / "rows.csv")
        return serving.run_batch(bench, script=script, file=file, rows=rows, origin="rows.csv")

    assert run_it(2).reason == "rows.csv: a result for each of 2 rows"
    assert run_it(3).reason == "2 results for a table of 3, and Azure ML counts them"
    (tmp_path / "rows.csv").write_text("numbers\nspam\n")
    assert run_it(1).reason == "ValueError: could not convert string to float: 'spam'"


def test_a_model_that_calls_home_fails(bench: Bench, tmp_path: Path) -> None:
    home = "import socket\nsocket.create_connection(('1.1.1.1', 443), timeout=5)\n"

    steps = work(bench, tmp_path, write_model(tmp_path / "model", load=home), SCORE)

    assert steps["model loads"].reason == "OSError: [Errno 101] Network is unreachable"
    assert "create_connection" in "\n".join(steps["model loads"].details)
    others = {step.reason for name, step in steps.items() if name != "model loads"}
    assert others == {"the model does not load"}


def test_a_model_that_crashes_the_interpreter_fails(bench: Bench, tmp_path: Path) -> None:
    crash = "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n"

    steps = work(bench, tmp_path, write_model(tmp_path / "model", load=crash), SCORE)

    assert steps["model loads"].reason == "the interpreter ended with code 139"
    assert steps["example predicts"].reason == "the model does not load"


def test_a_model_that_prints_and_exits_fails_and_is_heard(bench: Bench, tmp_path: Path) -> None:
    load = "import sys\nprint('envbuild-result {}')\nsys.exit('bad luck')\n"

    steps = work(bench, tmp_path, write_model(tmp_path / "model", load=load), SCORE)

    assert steps["model loads"].reason == "SystemExit: bad luck"


def test_a_prediction_that_fails_is_not_counted_as_loading(bench: Bench, tmp_path: Path) -> None:
    model = write_model(tmp_path / "model", example={"letters": ["a"]})

    steps = work(bench, tmp_path, model, SCORE)

    assert steps["model loads"].outcome == "passed"
    assert steps["example predicts"].reason == "input_example.json: KeyError: 'numbers'"
    assert steps["server scores the example"].outcome == "failed"
    assert "KeyError" in "\n".join(steps["server scores the example"].details)


def test_a_server_that_accepts_anything_fails(bench: Bench, tmp_path: Path) -> None:
    steps = work(bench, tmp_path, write_model(tmp_path / "model"), SCORE_ANYTHING)

    refusal = steps["server refuses bad requests"]
    assert refusal.reason == "1 of 1 bad requests were not refused with 400"
    assert refusal.details[0] == "no JSON: expected 400, answered 200 fine"


def test_a_server_that_ends_at_once_shows_its_last_words(bench: Bench, tmp_path: Path) -> None:
    score = "def init():\n    raise SystemExit('no room')\n"

    steps = work(bench, tmp_path, write_model(tmp_path / "model"), score)

    assert steps["server starts"].reason == "the server ended with code 1"
    assert steps["server starts"].details == ("no room",)
    assert steps["server scores the example"].reason == "the server did not start"


def test_a_server_that_never_gets_ready_is_given_up(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "_PATIENCE_S", 1.0)
    score = "def init():\n    import time\n    print('loading', flush=True)\n    time.sleep(600)\n"

    steps = work(bench, tmp_path, write_model(tmp_path / "model"), score)

    assert steps["server starts"].reason == (
        "not ready after 1 s; GET / gave ConnectionRefusedError: [Errno 111] Connection refused"
    )
    assert steps["server starts"].details == ("loading",)


def test_a_server_that_hangs_up_gives_no_answer(bench: Bench, tmp_path: Path) -> None:
    score = "def init():\n    pass\ndef run(body):\n    raise ConnectionAbortedError('gone')\n"

    steps = work(bench, tmp_path, write_model(tmp_path / "model"), score)

    assert steps["server scores the example"].reason == (
        "input_example.json: no answer "
        "(RemoteDisconnected: Remote end closed connection without response)"
    )


def test_a_command_that_is_not_there_does_not_start(bench: Bench, tmp_path: Path) -> None:
    start = serving.Start(command=("no-such-server",), environment={}, cwd=str(tmp_path))
    example = find_example(read_model(write_model(tmp_path / "model")))

    results = serving.serve(bench, start, ready="/", requests=(), example=example)

    assert results[0].reason == (
        "cannot start: [Errno 2] No such file or directory: 'no-such-server'"
    )
    assert [step.outcome for step in results] == ["failed", "skipped", "skipped"]


def test_nothing_that_a_server_left_behind_survives(bench: Bench, tmp_path: Path) -> None:
    """Not even a process that made itself a daemon, in a session of its own."""
    score = (
        "import os, subprocess, sys\n"
        "def init():\n"
        "    code = 'import time; time.sleep(600)'\n"
        "    subprocess.Popen([sys.executable, '-c', code, 'envbuild-stray'],\n"
        "                     start_new_session=True)\n"
        "def run(body):\n"
        "    return 400, b''\n"
    )

    steps = work(bench, tmp_path, write_model(tmp_path / "model"), score)

    assert steps["server starts"].outcome == "passed"
    assert not running("envbuild-stray", patience=5, wanted=False)


def test_modules_that_do_not_import_are_named(sandbox: Sandbox, tmp_path: Path) -> None:
    python = environment(
        tmp_path / "venv",
        wheel("absent", "1.0", files={"absent.py": "import nowhere\n"}),
        wheel("dies", "1.0", files={"dies/__init__.py": "import os\nos._exit(3)\n"}),
        wheel("quits", "1.0", files={"quits.py": "raise SystemExit('enough')\n"}),
        wheel("careless", "1.0", files={"tests/__init__.py": "1/0\n", "careless.py": ""}),
        wheel("mlflow", "1.30.1", files={"pylint_plugins/__init__.py": "import astroid\n"}),
        wheel("nested", "1.0", files={"deep/down/__init__.py": "1/0\n"}),
        wheel("spaces", "1.0", files={"space/module.py": "1/0\n"}),
    )

    result = import_everything(bench_of(sandbox, python, tmp_path))

    assert result.reason == "4 of 7 modules cannot be imported"
    assert result.details == (
        "absent: absent: ModuleNotFoundError: No module named 'nowhere'",
        "dies: dies: the interpreter ended with code 3: it said nothing",
        "nested: deep.down: ZeroDivisionError: division by zero",
        "quits: quits: SystemExit: enough",
        (
            "known exception: mlflow: pylint_plugins: ModuleNotFoundError: No module named "
            "'astroid' (mlflow 1.x ships the plugin of its own linter)"
        ),
        (
            "not imported: careless: tests "
            "(tests, documents or examples that were installed by accident)"
        ),
    )


def test_a_requirement_that_nothing_meets_is_named(sandbox: Sandbox, tmp_path: Path) -> None:
    needy = wheel("needy", "1.0", requires=["absent>=2"])
    python = environment(tmp_path / "venv", needy)

    result = check_dependencies(bench_of(sandbox, python, tmp_path))

    assert result.reason == "requirements not met: 1"
    assert result.details == ("The package `needy` requires `absent>=2`, but it's not installed",)


@pytest.mark.parametrize(("description", "options"), _WAYS)
def test_each_way_takes_the_network_away_or_says_that_it_cannot(
    description: str, options: tuple[str, ...], tmp_path: Path
) -> None:
    sandbox = Namespace(description=description, options=options, runner=run)
    env = plain_environment(os.environ, home=tmp_path)

    verdict = judge(sandbox, env, python=sys.executable)

    if verdict.isolated:
        assert verdict.reason == "only loopback is up; no public address has a route"
    else:
        assert "Operation not permitted" in verdict.reason


def test_the_open_is_not_mistaken_for_isolation(tmp_path: Path) -> None:
    """Even on a machine without a network something is up, or this namespace is not ours."""
    env = plain_environment(os.environ, home=tmp_path)
    script = "import json; print('envbuild-result ' + json.dumps(%r))"
    found = {"interfaces": ["eth0"], "reachable": ["route to 1.1.1.1"], "loopback": True}
    probes = tmp_path / "probes"
    probes.mkdir()
    (probes / "network.py").write_text(script % found)

    verdict = judge(Open(runner=run), env, python=sys.executable, probes=str(probes))

    assert not verdict.isolated
    assert verdict.reason == "interface eth0 is up, route to 1.1.1.1 is open"


def test_the_code_of_the_program_comes_back_through_the_namespace(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    env = plain_environment(os.environ, home=tmp_path)

    def code_of(script: str) -> int:
        return sandbox.run(["sh", "-c", script], env=env).returncode

    assert code_of("exit 7") == 7
    assert code_of("kill -9 $$") == 137
