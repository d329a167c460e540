"""The relay: what it adds, what it leaves alone, and whom it serves."""

from __future__ import annotations

import socket
import ssl
import struct
import subprocess
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from envbuild.fetch.credentials import CredentialStore
from envbuild.fetch.loopback_server import LoopbackHandler, LoopbackServer
from envbuild.fetch.relay import Relay
from envbuild.fetch.routes import Routes
from envbuild.fetch.transport import Transport
from tests.support.index import Index, wheel
from tests.support.problems import ambient_of

JSON = "application/vnd.pypi.simple.v1+json"


@pytest.fixture
def index() -> Iterator[Index]:
    with Index(credentials=("ada", "CANARY"), absolute=True) as index:
        index.add(wheel("spam", "1.0"))
        yield index


@pytest.fixture
def relay(index: Index, tmp_path: Path) -> Iterator[Relay]:
    store = CredentialStore.of(ambient_of(tmp_path), [index.url_with_credentials])
    with Relay(Transport(environ={}, credentials=store), Routes.of([index.root])) as relay:
        yield relay


def get(relay: Relay, url: str, method: str = "GET", **headers: str) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        return session.request(
            method, url, proxies={"http": relay.proxy}, headers=headers, allow_redirects=False
        )


def test_the_password_is_added_on_the_way_out(index: Index, relay: Relay) -> None:
    answer = get(relay, f"{index.url}/spam/", Accept=JSON)

    assert answer.status_code == 200
    assert answer.json()["name"] == "spam"
    assert "authorization" in index.requests[0].headers


def test_the_client_need_not_send_and_cannot_choose_a_password(index: Index, relay: Relay) -> None:
    assert get(relay, f"{index.url}/spam/", Authorization="Basic eDp5").status_code == 200


def test_who_has_no_secret_is_refused(index: Index, relay: Relay) -> None:
    parts = urlsplit(relay.proxy)
    stranger = f"http://relay:guess@127.0.0.1:{parts.port}"
    with requests.Session() as session:
        session.trust_env = False
        answer = session.get(f"{index.url}/spam/", proxies={"http": stranger})

    assert (answer.status_code, answer.text) == (407, "this proxy is private\n")
    assert index.requests == []


def test_ranges_and_etags_pass_through(index: Index, relay: Relay) -> None:
    url = index.file_url("spam-1.0-py3-none-any.whl")
    whole = get(relay, url)
    part = get(relay, url, Range="bytes=2-5")
    again = get(relay, url, **{"If-None-Match": whole.headers["ETag"]})
    head = get(relay, url, "HEAD")

    assert (part.status_code, part.content) == (206, whole.content[2:6])
    assert part.headers["Content-Range"] == f"bytes 2-5/{len(whole.content)}"
    assert (again.status_code, again.content) == (304, b"")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Length"] == str(len(whole.content))


def test_a_server_of_nobody_passes_without_a_password(relay: Relay) -> None:
    with Index() as other:
        other.add(wheel("eggs", "1.0"))
        answer = get(relay, f"{other.url}/eggs/")

        assert answer.status_code == 200
        assert "authorization" not in other.requests[0].headers


def test_a_redirect_elsewhere_takes_no_password_along(index: Index, relay: Relay) -> None:
    with Index() as store:
        index.redirects["/files/"] = f"{store.root}/files/"
        answer = get(relay, index.file_url("spam-1.0-py3-none-any.whl"))

        assert answer.status_code == 302
        assert answer.headers["Location"] == f"{store.root}/files/spam-1.0-py3-none-any.whl"
        assert store.requests == []


def test_a_status_passes_as_it_is(index: Index, relay: Relay) -> None:
    index.failures["/simple/spam"] = 503

    assert get(relay, f"{index.url}/spam/").status_code == 503


def test_a_dead_server_is_a_bad_gateway_with_a_reason(relay: Relay) -> None:
    answer = get(relay, "http://127.0.0.1:9/simple/")

    assert (answer.status_code, answer.text) == (502, "Connection refused\n")
    assert relay.failures == {"http://127.0.0.1:9": "Connection refused"}


def test_a_body_is_posted_on(relay: Relay) -> None:
    with Echo() as echo, requests.Session() as session:
        session.trust_env = False
        answer = session.post(f"{echo.root}/x", data=b"want", proxies={"http": relay.proxy})

    assert answer.content == b"POST /x want"


def test_an_answer_without_length_ends_with_its_connection(relay: Relay) -> None:
    with Echo(length=False) as echo:
        assert get(relay, f"{echo.root}/y").content == b"GET /y "


def test_the_relay_replaces_every_other_proxy() -> None:
    environ = {"PATH": "/bin", "HTTPS_PROXY": "http://corp:3128", "no_proxy": "*"}

    with Relay(Transport(environ={}), Routes.of([])) as relay:
        found = relay.environment(environ)

    names = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy")
    assert found == {"PATH": "/bin"} | dict.fromkeys(names, relay.proxy)


# TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and certificate for 127.0.0.1 in one file."""
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    words = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=x"]
    key, public = path.with_suffix(".key"), path.with_suffix(".crt")
    subprocess.run(
        [
            "openssl",
            *words,
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-keyout",
            key,
            "-out",
            public,
        ],
        check=True,
        capture_output=True,
    )
    path.write_bytes(key.read_bytes() + public.read_bytes())
    return path


def test_the_relay_speaks_tls_to_the_server(certificate: Path, tmp_path: Path) -> None:
    with ExitStack() as stack:
        echo = stack.enter_context(Echo(certificate=certificate))
        origin = echo.root.replace("http:", "https:")
        store = CredentialStore.of(ambient_of(tmp_path), [origin.replace("//", "//ada:CANARY@")])
        environ = {"SSL_CERT_FILE": str(certificate.with_suffix(".crt"))}
        relay = stack.enter_context(
            Relay(Transport(environ=environ, credentials=store), Routes.of([origin]))
        )

        answer = get(relay, relay.routes.inside(f"{origin}/simple/"))

    assert answer.content == b"GET /simple/ "
    assert echo.seen == ["Basic YWRhOkNBTkFSWQ=="]


def test_a_certificate_that_nobody_vouches_for_is_refused(
    certificate: Path, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        echo = stack.enter_context(Echo(certificate=certificate))
        origin = echo.root.replace("http:", "https:")
        store = CredentialStore.of(ambient_of(tmp_path), [origin.replace("//", "//ada:CANARY@")])
        relay = stack.enter_context(
            Relay(Transport(environ={}, credentials=store), Routes.of([origin]))
        )

        answer = get(relay, relay.routes.inside(f"{origin}/simple/"))

    assert answer.status_code == 502
    assert "its certificate is not trusted" in answer.text
    assert echo.seen == []


# Tunnels


def tunnel(relay: Relay, target: str) -> tuple[socket.socket, str]:
    """A connection through the relay by CONNECT, and the status line it answered with."""
    parts = urlsplit(relay.proxy)
    connection = socket.create_connection(("127.0.0.1", parts.port or 0), timeout=10)
    token = b64encode(f"{parts.username}:{parts.password}".encode()).decode()
    head = f"CONNECT {target} HTTP/1.1\r\nProxy-Authorization: Basic {token}\r\n\r\n"
    connection.sendall(head.encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += connection.recv(1)
    return connection, answer.split(b"\r\n")[0].decode()


def ask(connection: socket.socket) -> bytes:
    connection.sendall(b"GET /z HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    answer = b""
    while data := connection.recv(4096):
        answer += data
    return answer


def test_a_tunnel_goes_straight_where_there_is_no_proxy(relay: Relay) -> None:
    with Echo() as echo:
        connection, status = tunnel(relay, echo.host)
        with connection:
            answer = ask(connection)

    assert status == "HTTP/1.1 200 OK"
    assert answer.endswith(b"GET /z ")


def test_a_tunnel_takes_the_users_proxy_with_its_password() -> None:
    with ExitStack() as stack:
        echo = stack.enter_context(Echo())
        upstream = stack.enter_context(Relay(Transport(environ={}), Routes.of([])))
        environ = {"HTTPS_PROXY": upstream.proxy}
        relay = stack.enter_context(Relay(Transport(environ=environ), Routes.of([])))

        connection, status = tunnel(relay, echo.host)
        with connection:
            answer = ask(connection)

    assert status == "HTTP/1.1 200 OK"
    assert answer.endswith(b"GET /z ")


@pytest.mark.parametrize(
    ("proxy", "reason"),
    [
        ("http://127.0.0.1:9", "no connection (Connection refused)"),
        ("127.0.0.1:9", "no connection (Connection refused)"),
        ("socks5://127.0.0.1:9", "a socks5 proxy cannot be used beside an index with a password"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_said(proxy: str, reason: str) -> None:
    with Relay(Transport(environ={"HTTPS_PROXY": proxy}), Routes.of([])) as relay:
        connection, status = tunnel(relay, "host.example:443")
        connection.close()

    assert status == "HTTP/1.1 502 Bad Gateway"
    assert relay.failures == {"https://host.example": reason}


def test_a_proxy_that_refuses_is_said() -> None:
    with ExitStack() as stack:
        upstream = stack.enter_context(Relay(Transport(environ={}), Routes.of([])))
        environ = {"HTTPS_PROXY": f"http://ada:wrong@127.0.0.1:{urlsplit(upstream.proxy).port}"}
        relay = stack.enter_context(Relay(Transport(environ=environ), Routes.of([])))
        connection, _ = tunnel(relay, "host.example:443")
        connection.close()

    assert relay.failures == {
        "https://host.example": "the proxy refuses: 407 Proxy Authentication Required"
    }


def test_a_tunnel_takes_a_proxy_that_speaks_tls(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.with_suffix(".crt")))
    with ExitStack() as stack:
        proxy = stack.enter_context(Echo(certificate=certificate, connect=True))
        environ = {"HTTPS_PROXY": proxy.root.replace("http:", "https:")}
        relay = stack.enter_context(Relay(Transport(environ=environ), Routes.of([])))
        connection, status = tunnel(relay, "host.example:443")
        with connection:
            answer = ask(connection)

    assert status == "HTTP/1.1 200 OK"
    assert answer.endswith(b"GET /z ")


def test_a_server_that_breaks_off_ends_the_tunnel(relay: Relay) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=break_off, args=(server,), daemon=True).start()
        connection, status = tunnel(relay, f"127.0.0.1:{server.getsockname()[1]}")
        with connection:
            connection.sendall(b"?")
            assert connection.recv(1) == b""

    assert status == "HTTP/1.1 200 OK"


def break_off(server: socket.socket) -> None:
    """Reset the connection (RST), as a server that dies does."""
    connection = server.accept()[0]
    connection.recv(1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def test_a_proxy_that_is_none_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, ExitStack() as stack:
        environ = {"HTTPS_PROXY": f"http://127.0.0.1:{silent.getsockname()[1]}"}
        relay = stack.enter_context(Relay(Transport(environ=environ), Routes.of([])))
        threading.Thread(target=hang_up, args=(silent,), daemon=True).start()
        connection, status = tunnel(relay, "host.example:443")
        connection.close()

    assert status == "HTTP/1.1 502 Bad Gateway"


def hang_up(server: socket.socket) -> None:
    server.accept()[0].close()


def test_a_target_that_is_no_address_is_said(relay: Relay) -> None:
    connection, status = tunnel(relay, "host.example:port")
    connection.close()

    assert status == "HTTP/1.1 502 Bad Gateway"
    assert list(relay.failures.values()) == ["the address cannot be read"]


class Echo(LoopbackServer):
    """A server that answers with what it was asked; with TLS if given a certificate.

    With ``connect`` it plays a proxy whose every target is itself.
    """

    def __init__(
        self, *, length: bool = True, certificate: Path | None = None, connect: bool = False
    ) -> None:
        seen: list[str] = []

        class Handler(LoopbackHandler):
            protocol_version = "HTTP/1.0"

            def do_GET(self) -> None:
                self.answer()

            def do_POST(self) -> None:
                self.answer()

            def do_CONNECT(self) -> None:
                """Agree, and go on as the server behind."""
                assert connect
                self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
                self.close_connection = False

            def answer(self) -> None:
                self.close_connection = True
                seen.append(self.headers.get("Authorization", ""))
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                data = f"{self.command} {self.path} ".encode() + body
                self.send_response(200)
                if length:
                    self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        super().__init__(Handler)
        self.seen = seen
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True)
