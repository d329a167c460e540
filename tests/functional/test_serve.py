"""Serving from real environments with toy wheels: started, asked, ended, and nothing left."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from envbuild.ambient import Ambient
from envbuild.emit.bundle import Bundle
from envbuild.errors import (
    EnvbuildError,
    IntegrityError,
    LockFileError,
    OutputError,
    PythonVersionError,
    RuntimeUnsupportedError,
    ServerError,
    ToolError,
    UsageError,
)
from envbuild.locking.context import Context, read_context
from envbuild.locking.header import Serving
from envbuild.options import ExportOptions
from envbuild.serving import ServeOptions, serve
from tests.support.contexts import context_of
from tests.support.environments import running, scrubbed
from tests.support.exporting import Site, package
from tests.support.index import Index
from tests.support.toy import BATCH_SERVING, SCORE, SERVING, library, server, write_model

QUICK = ServeOptions(port=0, python_exe=sys.executable, patience=60.0, grace=5.0)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Index() as index:
        yield Site(folder=tmp_path_factory.mktemp("site"), index=index)


def context_in(site: Site, name: str, *, score: str = SCORE, serving: Serving = SERVING) -> Context:
    files = (library(), server())
    site.index.add(*files)
    entries = [package(site.index, file) for file in files]
    return context_of(
        site.folder / name, site.lock(*entries), files={"score.py": score}, serving=serving
    )


@pytest.fixture(scope="module")
def bundle(site: Site) -> Bundle:
    return site.export(context_in(site, "good"), "bundle")


@pytest.fixture(scope="module")
def model(site: Site) -> Path:
    return write_model(site.folder / "model")


def altered(site: Site, name: str, *, score: str) -> Path:
    """The same locked packages with another script: the environment is there already."""
    context = context_in(site, f"{name}-context", score=score)
    return site.export(read_context(context.path), name).path


def ask(url: str, body: object) -> object:
    request = urllib.request.Request(url, data=json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())


def failure(site: Site, source: Path | str, expected: type[EnvbuildError], **more: Any) -> str:
    with (
        pytest.raises(expected) as caught,
        serve(
            source,
            model=more.pop("model", None),
            options=more.pop("options", QUICK),
            ambient=more.pop("ambient", site.ambient()),
        ),
    ):
        pytest.fail("it came up")
    return str(caught.value)


def test_a_bundle_is_served_as_the_container_would(site: Site, bundle: Bundle, model: Path) -> None:
    before = sorted(path for root in (model, bundle.path) for path in root.rglob("*"))

    with serve(bundle, model=model, options=QUICK, ambient=site.ambient()) as served:
        assert ask(served.scoring, {"input_data": {"numbers": [1, 2]}}) == [3, 6]
        assert served.scoring == f"{served.url}/score"
        assert shlex.split(served.curl) == [
            *("curl", "-H", "Content-Type: application/json"),
            *("-d", '{"input_data": {"numbers": [1, 2]}}', served.scoring),
        ]
        pid = served.pid

    assert not Path(f"/proc/{pid}").exists()
    assert sorted(path for root in (model, bundle.path) for path in root.rglob("*")) == before


def test_the_environment_is_made_once(site: Site, bundle: Bundle, model: Path) -> None:
    with serve(bundle, model=model, options=QUICK, ambient=site.ambient()) as served:
        (marker := served.environment / "marker").touch()
        assert marker.is_relative_to(site.cache / "environments")

    with serve(bundle, model=model, options=QUICK, ambient=site.ambient()) as served:
        assert marker.is_file()
        assert served.environment == marker.parent


def test_an_environment_that_was_cut_off_is_made_anew(
    site: Site, bundle: Bundle, model: Path
) -> None:
    with serve(bundle, model=model, options=QUICK, ambient=site.ambient()) as served:
        folder = served.environment.parent
    (folder / "complete.json").unlink()
    (leftover := folder / "venv" / "leftover").touch()

    with serve(bundle, model=model, options=QUICK, ambient=site.ambient()):
        assert not leftover.exists()


def test_the_server_gets_the_variables_of_the_image_and_no_others(
    site: Site, bundle: Bundle, model: Path
) -> None:
    show = "\nimport json\nprint('variables', json.dumps(dict(os.environ)), flush=True)\n"
    source = altered(site, "variables", score=SCORE + show)
    options = ServeOptions(
        port=0, python_exe=sys.executable, variables={"ANSWER": "42"}, patience=60.0
    )
    ambient = site.ambient({"SECRET": "canary", "http_proxy": "http://u:canary@nowhere"})

    with serve(source, model=model, options=options, ambient=ambient) as served:
        (line,) = [line for line in served.lines if line.startswith("variables ")]

    found = json.loads(line.removeprefix("variables "))
    assert "canary" not in line
    assert found["ANSWER"] == "42"
    assert found["AZUREML_MODEL_DIR"] == str(model)
    assert (found["PYTHONDONTWRITEBYTECODE"], found["PYTHONUNBUFFERED"]) == ("1", "1")
    assert found["PATH"].startswith(str(served.environment / "bin"))
    assert found["HOME"] != str(site.ambient().home)


def test_a_model_that_does_not_load_is_told_in_one_line(
    site: Site, bundle: Bundle, tmp_path: Path
) -> None:
    broken = write_model(tmp_path / "broken", load="raise ValueError('no weights')")

    message = failure(site, str(bundle.path), ServerError, model=broken)

    first, *rest = message.splitlines()
    assert first == "the server ended with code 1: ValueError: no weights"
    assert "Traceback (most recent call last):" in rest[0]


def test_the_reason_of_the_scoring_script_needs_no_traceback(
    site: Site, bundle: Bundle, model: Path
) -> None:
    line = "score: cannot load the model: LookupError: no MLmodel file in or below /x"
    score = f"import sys\n\ndef init():\n    print({line!r})\n    sys.exit(3)\n"

    message = failure(site, altered(site, "one-line", score=score), ServerError, model=model)

    assert message == f"the server ended with code 3: {line.removeprefix('score: ')}"


def test_a_server_that_never_answers_is_ended(site: Site, bundle: Bundle, model: Path) -> None:
    score = "import time\n\ndef init():\n    print('loading')\n    time.sleep(600)\n"
    options = ServeOptions(port=0, python_exe=sys.executable, patience=1.0, grace=5.0)
    source = altered(site, "hanging", score=score)

    message = failure(site, source, ServerError, model=model, options=options)

    assert message == ("the server did not come up within 1 s\n  GET /: no answer\n  loading")


def test_a_port_in_use_is_refused_before_anything_is_installed(
    site: Site, bundle: Bundle, model: Path
) -> None:
    with socket.socket() as listener:
        listener.bind(("0.0.0.0", 0))
        listener.listen()
        port = listener.getsockname()[1]
        options = ServeOptions(port=port, python_exe=sys.executable)

        message = failure(site, bundle.path, UsageError, model=model, options=options)

    assert message == (
        f"--port: cannot listen on 0.0.0.0 port {port}: Address already in use\n"
        "  try: --port with another one, or --port 0 for any that is free"
    )


def test_a_host_needs_a_place_in_the_command(site: Site, bundle: Bundle, model: Path) -> None:
    options = ServeOptions(host="127.0.0.1", python_exe=sys.executable)

    message = failure(site, bundle.path, UsageError, model=model, options=options)

    assert message == (
        "--host: this server listens on every interface, and its command has no option for that\n"
        "  python -m toyserver --port 5001 --model /opt/model\n"
        "  try: without --host, behind the firewall of this machine"
    )


def test_no_interpreter_of_that_version_says_what_to_do(
    site: Site, bundle: Bundle, model: Path, tmp_path: Path
) -> None:
    lock = site.lock()
    context = site.context_for(lock, python="3.5.10", name="old")
    folder = context_of(
        tmp_path / "old", context.locks[lock.target.platform.name], serving=SERVING
    ).path
    ambient = Ambient(
        environ={"PATH": "/nowhere", "ENVBUILD_CACHE_DIR": str(site.cache)},
        home=tmp_path,
        cwd=tmp_path,
    )
    options = ServeOptions(port=0)

    message = failure(
        site, folder, PythonVersionError, model=model, ambient=ambient, options=options
    )

    assert message == (
        "the lock is for Python 3.5.10, and there is no CPython 3.5 here\n"
        "  looked in pyenv, on PATH, and among uv's own\n"
        "  try: uv python install 3.5, or --python-exe EXE, or run the image"
    )


def test_a_batch_context_names_the_batch_command(site: Site, model: Path) -> None:
    path = context_in(site, "batch", serving=BATCH_SERVING).path

    message = failure(site, path, UsageError, model=model)

    assert message == (
        f"{path}: azureml-online scores files in batches: there is nothing to serve\n"
        "  try: in its environment, python score.py FOLDER --model MODEL -o predictions.csv; "
        "envbuild verify does it with an example"
    )


def test_what_has_no_server_is_refused(site: Site, model: Path) -> None:
    path = context_in(site, "none", serving=Serving()).path

    assert failure(site, path, UsageError, model=model) == (
        f"{path}: the profile azureml-online has no server that could be started and asked\n"
        "  try: envbuild lock --server azureml-online, or mlflow"
    )


def test_a_lock_for_another_machine_is_refused(site: Site, model: Path, tmp_path: Path) -> None:
    lock = site.lock()
    other = "linux-aarch64" if lock.target.platform.name == "linux-64" else "linux-64"
    context = site.context_for(lock, platform=other, name="foreign")
    path = context_of(tmp_path / "foreign", context.locks[other], serving=SERVING).path

    assert failure(site, path, RuntimeUnsupportedError, model=model) == (
        f"{path}: the lock is for {other}, and this machine is {lock.target.platform}\n"
        f"  try: envbuild lock --platform {lock.target.platform}"
    )


def test_a_context_needs_a_model(site: Site, bundle: Bundle) -> None:
    assert failure(site, bundle.path, UsageError) == (
        f"{bundle.path}: no model was given\n  try: --model DIR"
    )


def test_a_bundle_may_hold_its_model(site: Site, model: Path) -> None:
    options = ExportOptions(python_exe=sys.executable, model=model)
    context = context_in(site, "with-model-context")
    bundle = site.export(context, "with-model.tar", options=options)

    with serve(bundle.path, options=QUICK, ambient=site.ambient()) as served:
        assert ask(served.scoring, {"input_data": {"numbers": [5]}}) == [15]


def test_a_bundle_that_was_changed_is_not_served(
    site: Site, bundle: Bundle, model: Path, tmp_path: Path
) -> None:
    changed = tmp_path / "changed"
    shutil.copytree(bundle.path, changed)
    (changed / "score.py").write_text("import os\n")

    assert "score.py" in failure(site, changed, IntegrityError, model=model)


def test_an_image_is_for_docker(site: Site) -> None:
    assert failure(site, "spam:1", LockFileError) == (
        "spam:1: there is no such context or bundle\n  try: for an image: docker run --publish"
    )


def test_an_installation_that_fails_leaves_nothing(site: Site, model: Path, tmp_path: Path) -> None:
    source = tmp_path / "broken"
    context = context_in(site, "no-index")
    shutil.copytree(context.path, source)
    ambient = site.ambient({"ENVBUILD_CACHE_DIR": str(tmp_path / "cache"), "no_proxy": "*"})
    tools = source / "tools" / "requirements.txt"
    tools.parent.mkdir()
    tools.write_text(f"pip @ {site.index.file_url('absent.whl')} --hash=sha256:{'0' * 64}\n")

    message = failure(site, source, ToolError, model=model, ambient=ambient)

    assert message.startswith(f"{source}: the environment cannot be installed: uv ended with code")
    assert [path.suffix for path in (tmp_path / "cache" / "environments").iterdir()] == [".lock"]


def test_a_cache_that_cannot_be_written_names_its_variable(
    site: Site, bundle: Bundle, model: Path, tmp_path: Path
) -> None:
    (cache := tmp_path / "cache").touch()
    ambient = site.ambient({"ENVBUILD_CACHE_DIR": str(cache)})

    message = failure(site, bundle.path, OutputError, model=model, ambient=ambient)

    assert message == (
        f"{cache / 'environments'}: cannot write: Not a directory\n"
        "  try: another folder in ENVBUILD_CACHE_DIR"
    )


@dataclass
class Command:
    """``envbuild serve`` as a process, once it says that it serves."""

    process: subprocess.Popen[str]
    told: Mapping[str, Any]

    def end(self, number: int) -> tuple[int, str]:
        """Its exit code and what it wrote on standard error."""
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=60)
        return self.process.returncode, errors


@contextmanager
def command(site: Site, source: Path, model: Path, *more: str) -> Iterator[Command]:
    argv = ("serve", source, "--model", model, "--port", "0", "--json", *more)
    process = subprocess.Popen(
        [sys.executable, "-m", "envbuild", *map(str, argv), "--python-exe", sys.executable],
        env=scrubbed(ENVBUILD_CACHE_DIR=str(site.cache), HOME=str(site.folder)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    text = ""
    while not text.endswith("}\n") and (line := process.stdout.readline()):
        text += line
    try:
        yield Command(process, json.loads(text))
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_ends_the_server_and_is_the_exit_code(
    site: Site, bundle: Bundle, model: Path, number: int, code: int
) -> None:
    with command(site, bundle.path, model) as served:
        pid = served.told["pid"]
        assert ask(served.told["scoring"], {"input_data": {"numbers": [1]}}) == [3]

        assert served.end(number)[0] == code

    assert not Path(f"/proc/{pid}").exists()
    assert not running(str(Path(served.told["environment"]) / "bin" / "python"), patience=0)


def test_the_log_comes_on_standard_error(site: Site, bundle: Bundle, model: Path) -> None:
    with command(site, bundle.path, model) as served:
        ask(served.told["scoring"], {"input_data": {"numbers": [1]}})

        code, errors = served.end(signal.SIGTERM)

    assert code == 143
    assert '"POST /score HTTP/1.1" 200' in errors


def test_a_second_signal_does_not_wait(site: Site, bundle: Bundle, model: Path) -> None:
    stubborn = "\nimport signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    source = altered(site, "stubborn", score=SCORE + stubborn)
    with command(site, source, model, "--grace", "300") as served:
        pid = served.told["pid"]
        served.process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        assert Path(f"/proc/{pid}").exists()

        assert served.end(signal.SIGINT)[0] == 130

    assert not Path(f"/proc/{pid}").exists()


def test_a_server_ends_when_we_are_killed(site: Site, bundle: Bundle, model: Path) -> None:
    with command(site, bundle.path, model) as served:
        served.end(signal.SIGKILL)

    python = str(Path(served.told["environment"]) / "bin" / "python")
    assert not running(python, patience=20, wanted=False)


def test_a_server_that_dies_is_an_error(site: Site, bundle: Bundle, model: Path) -> None:
    with command(site, bundle.path, model) as served:
        os.kill(served.told["pid"], signal.SIGKILL)
        out, _ = served.process.communicate(timeout=60)

    assert served.process.returncode == 18
    assert json.loads(out)["error"]["message"] == "the server ended by signal 9"
