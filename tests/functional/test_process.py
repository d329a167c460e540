"""Programs are started with exactly what they are given."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path

import pytest

from envbuild.errors import ToolError
from envbuild.process import at_work, plain_environment, run, worker_processes, worker_threads

START_A_CHILD = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
with open(sys.argv[1] + ".part", "w") as stream:
    stream.write(str(child.pid))
os.rename(sys.argv[1] + ".part", sys.argv[1])
time.sleep(600)
"""
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


@pytest.mark.parametrize(
    ("cause", "expected"),
    [(KeyboardInterrupt(), KeyboardInterrupt), (subprocess.TimeoutExpired("x", 1), ToolError)],
)
def test_what_a_program_started_ends_with_it(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    cause: BaseException,
    expected: type[BaseException],
) -> None:
    def interrupt(child: subprocess.Popen[str], *_: object, **__: object) -> tuple[str, str]:
        wait_for(tmp_path / "pid")
        raise cause

    monkeypatch.setattr(subprocess.Popen, "communicate", interrupt)
    with pytest.raises(expected):
        run([sys.executable, "-c", START_A_CHILD, str(tmp_path / "pid")], env={}, timeout=1)

    assert is_gone(int((tmp_path / "pid").read_text()))


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 10
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.02)


def is_gone(pid: int) -> bool:
    """Whether a process ends within ten seconds; one that only waits to be reaped has ended."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


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


def wait_in(folder: Path) -> None:
    """The work of a task: a program that does not end, and what must not be left behind."""
    with at_work():
        (folder / str(os.getpid())).mkdir()
        try:
            run(["sleep", "60"], env={"PATH": os.environ["PATH"]})
        finally:
            (folder / str(os.getpid())).rmdir()


@pytest.mark.parametrize(
    ("workers", "number"),
    [(worker_processes, 0), (worker_processes, signal.SIGHUP), (worker_threads, 0)],
)
def test_workers_told_to_end_do_so_cleanly_though_more_tasks_wait(
    tmp_path: Path,
    workers: Callable[[int], tuple[Executor, Callable[[bool], None]]],
    number: int,
) -> None:
    pool, end = workers(1)
    tasks = [pool.submit(wait_in, tmp_path) for _ in range(3)]
    while not (at_work_now := list(tmp_path.iterdir())):
        time.sleep(0.01)
    time.sleep(0.2)  # the program has begun
    os.kill(int(at_work_now[0].name), number)  # as a terminal that is closed does first

    began = time.monotonic()
    end(True)

    assert time.monotonic() - began < 10
    assert all(task.done() for task in tasks)
    assert list(tmp_path.iterdir()) == []
