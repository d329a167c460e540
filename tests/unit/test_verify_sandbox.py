"""Isolation is proven before it is relied on."""

from __future__ import annotations

import sys

from envbuild.errors import ToolError
from envbuild.verification.room import quiet_environment
from envbuild.verification.sandbox import Open, find_namespace, judge, probe_result
from tests.support.verifying import Answers, done, result


def test_a_result_is_found_among_noise() -> None:
    assert probe_result(result({"a": 1})) == {"a": 1}
    assert probe_result(done("envbuild-result\n")) is None


def test_the_last_result_counts() -> None:
    assert probe_result(done('envbuild-result {"a": 1}\nenvbuild-result {"a": 2}\n')) == {"a": 2}


NO_NETWORK = {"interfaces": [], "reachable": [], "loopback": True}


def test_namespaces_are_tried_until_one_is_proven() -> None:
    runner = Answers(
        done(stderr="unshare: Operation not permitted\n", returncode=1),
        result({**NO_NETWORK, "interfaces": ["eth0"]}),
        ToolError("cannot start unshare"),
        result(NO_NETWORK),
    )

    found, refusals = find_namespace(runner, {})

    assert found is not None
    assert found.description == "user and network namespace"
    assert found.options == ("--user", "--map-root-user", "--net")
    assert refusals == [
        "unshare --net --pid --fork --kill-child --mount-proc: unshare: Operation not permitted",
        "unshare --net: interface eth0 is up",
        (
            "unshare --user --map-root-user --net --pid --fork --kill-child --mount-proc: "
            "cannot start unshare"
        ),
    ]
    assert runner.asked[0][:6] == (
        "unshare",
        "--net",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
    )
    assert runner.asked[0][6:9] == ("--", sys.executable, "-I")


def test_where_no_way_is_open_every_refusal_is_kept() -> None:
    found, refusals = find_namespace(Answers(*[done(returncode=1)] * 4), {})

    assert found is None
    assert len(refusals) == 4
    assert refusals[0].endswith("it ended with code 1 and no word")


def test_a_namespace_without_loopback_is_of_no_use() -> None:
    verdict = judge(
        Open(runner=Answers(result({**NO_NETWORK, "loopback": False}))), {}, python="python"
    )

    assert not verdict.isolated
    assert verdict.reason == "loopback does not work, which servers need"


def test_neither_proxies_nor_configuration_get_in() -> None:
    plain = {"PATH": "/bin", "HTTP_PROXY": "http://p", "no_proxy": "*"}

    assert quiet_environment(plain) == {
        "PATH": "/bin",
        "PIP_CONFIG_FILE": "/dev/null",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
