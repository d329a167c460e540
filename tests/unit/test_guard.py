"""The guard that keeps unit tests pure does bite."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import urllib.request

import pytest
import requests

from tests.support.guard import _connection_beyond_loopback, no_network

Forbidden = pytest.fail.Exception


def test_starting_a_program_fails_the_test() -> None:
    with pytest.raises(Forbidden, match=r"a unit test starts no programs: subprocess\.Popen"):
        subprocess.run([sys.executable, "-c", "pass"], check=True)


def test_a_shell_command_fails_the_test() -> None:
    with pytest.raises(Forbidden, match=r"a unit test starts no programs: os\.system"):
        os.system("true")


def test_forking_fails_the_test() -> None:
    with pytest.raises(Forbidden, match=r"a unit test starts no programs: os\.fork"):
        os.fork()


def test_a_connection_fails_the_test_even_to_this_machine() -> None:
    with (
        socket.socket() as client,
        pytest.raises(Forbidden, match=r"a unit test opens no connections: socket\.connect"),
    ):
        client.connect(("127.0.0.1", 9))


def test_code_that_catches_every_exception_cannot_hide_it() -> None:
    def careless() -> None:
        try:
            urllib.request.urlopen("http://example.invalid/")
        except Exception:
            return

    with pytest.raises(Forbidden, match=r"a unit test opens no connections"):
        careless()


def test_a_library_cannot_hide_it_either() -> None:
    with pytest.raises(Forbidden, match=r"socket\.getaddrinfo 'example\.invalid'"):
        requests.get("http://example.invalid/", timeout=1)


@pytest.mark.parametrize(
    "address",
    [
        ("127.0.0.1", 80),
        ("127.8.8.8", 80),
        ("::1", 80, 0, 0),
        "localhost",
        "/run/engine.sock",
        b"/x",
    ],
)
def test_addresses_of_this_machine_pass_where_loopback_is_allowed(address: object) -> None:
    assert not _connection_beyond_loopback("socket.connect", (None, address))


@pytest.mark.parametrize("address", [("10.0.0.1", 80), ("2001:db8::1", 80, 0, 0), "127.example", 7])
def test_other_addresses_fail_where_loopback_is_allowed(address: object) -> None:
    assert _connection_beyond_loopback("socket.connect", (None, address)) == (
        f"an offline test leaves this machine alone: socket.connect {address!r}"
    )


def test_a_name_is_not_even_looked_up_where_loopback_is_allowed() -> None:
    with no_network(), pytest.raises(Forbidden):
        socket.getaddrinfo("example.invalid", 80)
