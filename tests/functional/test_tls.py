"""Servers must show a certificate that the user's own bundle vouches for, directly and by proxy."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from envbuild.errors import IndexUnavailableError
from envbuild.fetch.loopback_server import LoopbackHandler, LoopbackServer
from envbuild.fetch.relay import Relay
from envbuild.fetch.routes import Routes
from envbuild.fetch.transport import Transport, Unreachable

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not here")


@dataclass(frozen=True)
class Certificate:
    key: Path
    file: Path


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """Self-signed, for localhost only."""
    folder = tmp_path_factory.mktemp("certificate")
    made = Certificate(folder / "key.pem", folder / "certificate.pem")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
         "-keyout", made.key, "-out", made.file],
        check=True, capture_output=True,
    )  # fmt: skip
    return made


class Handler(LoopbackHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"spam")


@pytest.fixture
def port(certificate: Certificate) -> Iterator[int]:
    """The port of a server that shows the certificate."""
    server = LoopbackServer(Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.file, certificate.key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    with server:
        yield server.port


def get(url: str, environ: Mapping[str, str]) -> str:
    with Transport(environ=environ).get(url) as response:
        return response.text


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_the_users_bundle_vouches(port: int, certificate: Certificate, variable: str) -> None:
    environ = {variable: str(certificate.file)}

    assert get(f"https://localhost:{port}/", environ) == "spam"


def test_an_unknown_certificate_is_refused(port: int) -> None:
    with pytest.raises(Unreachable, match="its certificate is not trusted"):
        get(f"https://localhost:{port}/", {})


def test_another_hosts_certificate_is_refused(port: int, certificate: Certificate) -> None:
    with pytest.raises(Unreachable, match="its certificate is not trusted"):
        get(f"https://127.0.0.1:{port}/", {"SSL_CERT_FILE": str(certificate.file)})


@pytest.mark.parametrize(
    ("content", "reason"), [(None, "No such file or directory"), ("hello", "")]
)
def test_a_bundle_that_is_none_is_named(tmp_path: Path, content: str | None, reason: str) -> None:
    bundle = tmp_path / "bundle.pem"
    if content is not None:
        bundle.write_text(content)

    with pytest.raises(IndexUnavailableError) as caught:
        get("https://localhost:9/", {"REQUESTS_CA_BUNDLE": str(bundle)})

    message = str(caught.value)
    assert message.startswith(f"{bundle}: the certificates cannot be read: {reason}")
    assert message.endswith(
        "  try: REQUESTS_CA_BUNDLE or SSL_CERT_FILE with a file of certificates"
    )


def test_through_a_proxy_the_certificate_counts_as_well(
    port: int, certificate: Certificate
) -> None:
    with Relay(Transport(environ={}), Routes.of([])) as proxy:
        environ = {"HTTPS_PROXY": proxy.proxy}
        with pytest.raises(Unreachable, match="its certificate is not trusted"):
            get(f"https://localhost:{port}/", environ)
        trusting = {**environ, "SSL_CERT_FILE": str(certificate.file)}
        assert get(f"https://localhost:{port}/", trusting) == "spam"


def test_a_proxy_that_does_not_answer_is_told(port: int) -> None:
    with pytest.raises(Unreachable, match="the proxy cannot be used"):
        get(f"https://localhost:{port}/", {"HTTPS_PROXY": "http://user:canary@127.0.0.1:9"})
