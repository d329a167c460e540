"""Programs are started with exactly what they are given."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from envbuild.errors import ToolError
from envbuild.process import plain_environment, run

PRINT_ENVIRONMENT = "import json, os; print(json.dumps(dict(os.environ)))"


def test_output_and_return_code_come_back(tmp_path: Path) -> None:
    script = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(7)"

    done = run([sys.executable, "-c", script], env={}, cwd=tmp_path)

    assert (done.returncode, done.stdout, done.stderr) == (7, "out\n", "err\n")
    assert done.argv == (sys.executable, "-c", script)


def test_standard_input_is_passed_and_arguments_are_never_split(tmp_path: Path) -> None:
    script = "import sys; print(sys.stdin.read() + sys.argv[1])"

    done = run([sys.executable, "-c", script, "; rm -rf $HOME"], env={}, stdin="in ")

    assert done.stdout == "in ; rm -rf $HOME\n"


def test_bytes_that_are_not_utf_8_do_not_fail() -> None:
    script = r"import sys; sys.stdout.buffer.write(b'\xff\xfe')"

    assert run([sys.executable, "-c", script], env={}).stdout == "��"


def test_a_program_that_is_not_there_is_a_tool_error() -> None:
    with pytest.raises(ToolError) as caught:
        run(["envbuild-no-such-program"], env={})

    assert str(caught.value) == "cannot start envbuild-no-such-program: No such file or directory"


def test_a_program_that_hangs_is_ended() -> None:
    with pytest.raises(ToolError, match=r"did not end within 0\.2 s"):
        run([sys.executable, "-c", "import time; time.sleep(60)"], env={}, timeout=0.2)


def test_no_secret_and_no_configuration_reaches_a_program(tmp_path: Path) -> None:
    ambient = {
        "PATH": "/usr/bin",
        "AWS_SECRET_ACCESS_KEY": "canary",
        "PIP_INDEX_URL": "https://u:canary@host/simple",
        "UV_INDEX_URL": "https://u:canary@host/simple",
        "MLFLOW_TRACKING_TOKEN": "canary",
        "HTTPS_PROXY": "http://u:canary@proxy:3128",
        "HTTP_PROXY": "http://proxy:3128",
        "SSL_CERT_FILE": "/etc/ca.pem",
        "HOME": "/home/ada",
    }

    env = plain_environment(ambient, home=tmp_path)
    seen = json.loads(run([sys.executable, "-c", PRINT_ENVIRONMENT], env=env).stdout)

    assert "canary" not in json.dumps(seen)
    assert seen["HOME"] == str(tmp_path)
    assert seen["HTTP_PROXY"] == "http://proxy:3128"
    assert seen["SSL_CERT_FILE"] == "/etc/ca.pem"
    assert "PIP_INDEX_URL" not in seen


def test_a_path_is_always_there(tmp_path: Path) -> None:
    assert plain_environment({}, home=tmp_path)["PATH"]
