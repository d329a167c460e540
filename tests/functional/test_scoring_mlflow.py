"""The online script with the real MLflow: what it enforces, and the models it loads."""

from __future__ import annotations

import ast
import random
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support import scoring_oracle
from tests.support.environments import scrubbed
from tests.support.paths import SCORING
from tests.support.scoring import online

LOG_MODEL = """
import sys
import warnings

warnings.simplefilter("ignore")
import mlflow.pyfunc
from mlflow.models.signature import ModelSignature
from mlflow.types.schema import Schema

class Echo(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input):
        if "inner" in list(model_input["b"]):
            self.again(context)
        return model_input

    def again(self, context):
        import os
        mlflow.pyfunc.load_model(os.environ["AZUREML_MODEL_DIR"] + "/model").predict({"a": ["x"]})

signature = ModelSignature(Schema.from_json(sys.argv[2])) if sys.argv[2] else None
mlflow.pyfunc.save_model(
    sys.argv[1], python_model=Echo(), signature=signature, pip_requirements=["mlflow-skinny"]
)
"""


def test_the_scripts_are_written_for_python_3_6(
    interpreter: Callable[[str], Path], tmp_path: Path
) -> None:
    for script in sorted(SCORING.glob("*.py")):
        copy = tmp_path / script.name
        copy.write_bytes(script.read_bytes())
        subprocess.run([interpreter("3.6"), "-m", "py_compile", copy], check=True, env=scrubbed())


def test_the_scripts_import_nothing_that_a_context_does_not_have() -> None:
    promised = {"numpy", "pandas", "yaml", "mlflow", "azureml_inference_server_http", "azureml"}
    promised.add("inference_schema")  # the server's own, for its description
    when_needed = {"pyarrow", "PIL"}
    for script in sorted(SCORING.glob("*.py")):
        for node in ast.walk(ast.parse(script.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [str(node.module)]
            tops = {name.partition(".")[0] for name in names}
            assert tops <= sys.stdlib_module_names | promised | when_needed, script.name


@pytest.fixture(scope="module", autouse=True)
def _quiet() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow.pyfunc  # noqa: F401


@given(st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=200)
def test_the_script_and_mlflow_agree_on_every_signature_and_request(rng: random.Random) -> None:
    case = scoring_oracle.random_case(rng, nested=scoring_oracle.nested_types())
    assert scoring_oracle.compare(online(), case) == ""


@given(st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=200)
def test_the_script_judges_a_request_as_the_server_of_mlflow(rng: random.Random) -> None:
    case = scoring_oracle.random_case(rng, nested=scoring_oracle.nested_types())
    assert scoring_oracle.compare_served(online(), case) == ""


@given(st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=200)
def test_the_script_judges_params_as_mlflow(rng: random.Random) -> None:
    specs, sent = scoring_oracle.random_params(rng)
    assert scoring_oracle.compare_params(online(), specs, sent) == ""


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """``saved(inputs)`` is the folder of a model that answers with its input."""

    def save(inputs: str, program: str = LOG_MODEL) -> Path:
        path = tmp_path_factory.mktemp("azure") / "model"
        argv = [sys.executable, "-c", program, str(path), inputs]
        done = subprocess.run(
            argv, env=scrubbed(), cwd=path.parent, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return path

    return save


@pytest.fixture
def loaded(saved: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """``loaded(inputs)`` is the script's scorer of such a model, found as Azure mounts it."""

    def load(inputs: str) -> Any:
        monkeypatch.setenv("AZUREML_MODEL_DIR", str(saved(inputs).parent))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            online().init()
        return online().scorer

    return load


COLUMNS = '[{"type": "double", "name": "a"}, {"type": "string", "name": "b"}]'


def test_a_saved_model_is_found_loaded_and_scored(
    loaded: Callable[[str], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    made = loaded(COLUMNS)
    assert capsys.readouterr().err.startswith("score: loaded the model at /")
    assert made.score({"input_data": [{"b": "x", "a": 1}]}) == '[{"a": 1.0, "b": "x"}]'


def test_a_model_without_signature_is_said_once(
    loaded: Callable[[str], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    made = loaded("")
    said = "score: the model has no input signature: requests are passed on unchecked"
    assert capsys.readouterr().err.splitlines()[-1] == said
    assert made.score({"input_data": [{"b": "x", "a": 1}]}) == '[{"b": "x", "a": 1}]'
    assert capsys.readouterr().err == ""


def test_what_the_script_has_checked_is_not_checked_again(
    loaded: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = loaded(COLUMNS)
    monkeypatch.setattr("mlflow.pyfunc._enforce_schema", None)
    assert made.score({"input_data": [{"b": "x", "a": 1}]}) == '[{"a": 1.0, "b": "x"}]'


@pytest.mark.parametrize(
    "type_",
    [
        {"type": "sparkml vector"},
        {"type": "array", "items": {"type": "sparkml vector"}},
        {"type": "object", "properties": {"p": {"type": "sparkml vector", "required": True}}},
    ],
)
def test_what_only_mlflow_can_check_is_left_to_it(type_: object) -> None:
    assert not online().is_known(online().read_type(type_))


def test_what_only_mlflow_refuses_is_the_clients_fault(
    loaded: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(online(), "is_known", lambda type_: False)
    made = loaded(COLUMNS)
    monkeypatch.setattr(online(), "enforce_input", lambda key, data, signature, problems: data)
    with pytest.raises(online().RequestError) as caught:
        made.score({"input_data": {"a": [1.5]}})
    assert caught.value.status == 400
    assert caught.value.message.startswith("mlflow refused the input: Failed to enforce schema")


HINTED = """
import sys
from typing import List
import mlflow.pyfunc
from mlflow.types.llm import ChatCompletionResponse

class Hinted(mlflow.pyfunc.PythonModel):
    def predict(self, model_input: List[str]):
        return [text[0] for text in model_input]

class Chat(mlflow.pyfunc.ChatModel):
    def predict(self, context, messages, params):
        message = {"role": "assistant", "content": messages[0].content[0]}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return ChatCompletionResponse.from_dict({"choices": [choice]})

model = {"hinted": Hinted, "chat": Chat}[sys.argv[2]]()
mlflow.pyfunc.save_model(sys.argv[1], python_model=model, pip_requirements=["mlflow-skinny"])
"""


@pytest.mark.parametrize(
    ("kind", "good", "bad", "failing"),
    [
        ("hinted", ["ab"], [1], [""]),
        (
            "chat",
            {"messages": [{"role": "user", "content": "a"}]},
            {"messages": [{"role": "user"}]},
            {"messages": [{"role": "user", "content": ""}]},
        ),
    ],
)
def test_what_mlflow_refuses_beyond_the_signature_is_the_clients_fault(
    kind: str,
    good: object,
    bad: object,
    failing: object,
    saved: Callable[[str, str], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AZUREML_MODEL_DIR", str(saved(kind, HINTED).parent))
    online().init()
    made = online().scorer
    assert '"a"' in made.score({"input_data": good})
    if kind == "hinted":
        _, example = online().openapi(made.signature)["input_data"]
        assert made.score({"input_data": example}) == '["t"]'
    for data, status in ((bad, 400), (failing, 500)):
        with pytest.raises(online().RequestError) as caught:
            made.score({"input_data": data})
        assert caught.value.status == status


def test_what_mlflow_refuses_inside_the_model_is_the_models_fault(
    loaded: Callable[[str], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    made = loaded(COLUMNS)
    with pytest.raises(online().RequestError) as caught:
        made.score({"input_data": {"a": [1.5], "b": ["inner"]}})
    assert caught.value.status == 500
    assert caught.value.error_id in capsys.readouterr().err
