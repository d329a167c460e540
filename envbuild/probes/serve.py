"""Start a server, ask it, stop it: prints ``envbuild-result {...}``.

Standard input is a JSON object:

    command      argument list with {port} where the port goes; empty where the server runs already
    port         the port of a server that runs already; null for a free one
    cwd          the folder that it starts in
    environment  variables beside those of this process, {port} replaced as well
    ready        the path that answers 200 once the server is up
    patience     seconds to wait for that
    requests     [{"name", "method", "path", "type", "body", "expected": [status, ...]}, ...]

The server is started in a session of its own and ended with all it started.
"""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from typing import IO, Any, Dict, Optional, Tuple

_ANSWER_S = 120
_GRACE_S = 10
_POLL_S = 0.1
_POLL_ANSWER_S = 5
_POLL_ANSWER_S = 5
_SHOWN = 2000


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ask(port: int, request: Dict[str, Any], patience: float = _ANSWER_S) -> Tuple[int, str]:
    """Status and body of one request; status 0 where there was no answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=patience)
    headers = {"Content-Type": request["type"]} if request.get("type") else {}
    body = request.get("body")
    try:
        data = body.encode("utf-8") if body is not None else None
        connection.request(request["method"], request["path"], body=data, headers=headers)
        response = connection.getresponse()
        return response.status, response.read().decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        return 0, "{}: {}".format(type(error).__name__, error)
    finally:
        connection.close()


def wait_until_ready(
    task: Dict[str, Any], port: int, server: Optional["subprocess.Popen[bytes]"]
) -> Dict[str, Any]:
    """Ask ``ready`` until it answers 200, the server ends, or the patience does."""
    started = time.time()
    request = {"method": "GET", "path": task["ready"]}
    while True:
        status, body = ask(port, request, patience=_POLL_ANSWER_S)
        seconds = round(time.time() - started, 3)
        if status == 200:
            return {"error": None, "seconds": seconds}
        if server is not None and server.poll() is not None:
            error = "the server ended with code {}".format(server.returncode)
            return {"error": error, "seconds": seconds}
        if seconds >= task["patience"]:
            answer = "{}: {}".format(status, body[:_SHOWN]) if status else body
            error = "not ready after {:g} s; GET {} gave {}"
            return {
                "error": error.format(task["patience"], task["ready"], answer),
                "seconds": seconds,
            }
        time.sleep(_POLL_S)


def answer_of(request: Dict[str, Any], port: int) -> Dict[str, Any]:
    """How one request went."""
    started = time.time()
    status, body = ask(port, request)
    return {
        "name": request["name"],
        "status": status,
        "body": body[:_SHOWN],
        "expected": request["expected"],
        "seconds": round(time.time() - started, 3),
    }


def start(task: Dict[str, Any], port: int, log: IO[bytes]) -> "subprocess.Popen[bytes]":
    """The server as a process, its output in ``log``."""

    def filled(text: str) -> str:
        return text.replace("{port}", str(port))

    environment = dict(os.environ)
    for name, value in task["environment"].items():
        environment[name] = filled(value)
    return subprocess.Popen(
        [filled(part) for part in task["command"]],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        env=environment,
        cwd=task["cwd"],
        start_new_session=True,
    )


def stop(server: "subprocess.Popen[bytes]") -> Optional[int]:
    """End the server politely, then its whole group by force; the code it ended with."""
    if server.poll() is None:
        server.terminate()
        try:
            server.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            pass
    ended = server.poll()
    try:
        os.killpg(server.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    server.wait()
    return None if ended is None else int(ended)


def converse(
    task: Dict[str, Any], port: int, server: Optional["subprocess.Popen[bytes]"]
) -> Dict[str, Any]:
    """Wait until the server is ready, then ask everything."""
    ready = wait_until_ready(task, port, server)
    requests = [] if ready["error"] else task["requests"]
    return {"ready": ready, "answers": [answer_of(request, port) for request in requests]}


def examine(task: Dict[str, Any], log: IO[bytes]) -> Dict[str, Any]:
    """Start if need be, ask everything, stop what was started."""
    port = task["port"] or free_port()
    if not task["command"]:
        return converse(task, port, None)
    server = start(task, port, log)
    try:
        result = converse(task, port, server)
    finally:
        ended = stop(server)
    result["stopped"] = ended
    return result


def main() -> int:
    """Read the task, print the result."""
    with tempfile.TemporaryFile() as log:
        try:
            result = examine(json.load(sys.stdin), log)
        except OSError as error:
            result = {"ready": {"error": "cannot start: {}".format(error), "seconds": 0}}
        log.seek(0)
        sys.stderr.write(log.read().decode("utf-8", "replace"))
    print("\nenvbuild-result " + json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
