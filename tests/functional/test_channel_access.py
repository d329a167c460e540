"""Channels that want to know who asks: the solver reaches them and never learns a credential."""

from __future__ import annotations

import json
import shutil
import ssl
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from envbuild.ambient import Ambient
from envbuild.errors import IndexUnavailableError
from envbuild.fetch.loopback_server import LoopbackHandler, LoopbackServer
from envbuild.process import plain_environment, run
from envbuild.resolve.conda.channel_access import open_channels
from envbuild.resolve.conda.settings import Settings
from envbuild.resolve.conda.solver import write_launcher
from tests.support.conda_channel import ChannelServer
from tests.support.repodata import record, solution, write_repodata

CANARY = "c4n4ry"


@pytest.fixture
def channels(tmp_path: Path) -> Path:
    folder = tmp_path / "channels"
    write_repodata(folder / "ch", [record("app", "1.0", ["lib"])])
    write_repodata(folder / "other", [record("lib", "2.0")])
    return folder


@pytest.fixture
def ambient(tmp_path: Path) -> Ambient:
    (tmp_path / "home").mkdir()
    return Ambient(environ={"PATH": "/usr/bin:/bin"}, home=tmp_path / "home", cwd=tmp_path)


def solve(
    addresses: Sequence[str], ambient: Ambient, tmp_path: Path, *, offline: bool = False
) -> dict[str, Any]:
    """A solve of ``app`` by the launcher, in an environment without secrets; its answer as it is
    to be shown.
    """
    with open_channels(addresses, ambient, offline=offline) as access:
        named = tuple((address[-5:], access.inside(address)) for address in addresses)
        settings = Settings(channels=named, cache_dir=str(tmp_path / "cache"), offline=offline)
        (tmp_path / "run").mkdir(exist_ok=True)
        exe = write_launcher(tmp_path / "run", settings)
        plain = plain_environment(ambient.environ, home=tmp_path / "run")
        done = run(
            [str(exe), "create", "--dry-run", "--json", "--prefix", "/p", "app"],
            env=access.environment(plain),
        )
        document: dict[str, Any] = json.loads(access.outside(done.stdout))
        if not document["success"]:
            said = document["envbuild"]
            error = IndexUnavailableError(said["problem"], where=said["where"])
            document["explained"] = str(access.explain(error))
        return document


def leaks(tmp_path: Path) -> list[str]:
    """Files with the canary in them."""
    files = (path for folder in ("run", "cache") for path in (tmp_path / folder).rglob("*"))
    return [str(path) for path in files if path.is_file() and CANARY in path.read_text("latin-1")]


def test_a_password_goes_to_its_channel_and_to_no_file(
    channels: Path, ambient: Ambient, tmp_path: Path
) -> None:
    with ChannelServer(channels, credentials=("me", CANARY)) as server:
        answer = solve([server.secret_url("ch"), server.url("other")], ambient, tmp_path)

    assert solution(answer) == ["app-1.0-h0_0", "lib-2.0-h0_0"]
    assert answer["actions"]["FETCH"][0]["url"] == server.url("ch/linux-64/app-1.0-h0_0.conda")
    assert leaks(tmp_path) == []
    assert CANARY not in json.dumps(answer)


def test_a_token_goes_to_its_channel_and_to_no_file(
    channels: Path, ambient: Ambient, tmp_path: Path
) -> None:
    with (
        ChannelServer(channels, token=CANARY) as private,
        ChannelServer(channels) as public,
    ):
        addresses = [private.secret_url("ch"), public.url("other")]
        answer = solve(addresses, ambient, tmp_path)

    assert solution(answer) == ["app-1.0-h0_0", "lib-2.0-h0_0"]
    assert answer["actions"]["FETCH"][0]["url"] == private.url("ch/linux-64/app-1.0-h0_0.conda")
    assert leaks(tmp_path) == []
    assert CANARY not in json.dumps([one.path for one in public.requests])
    assert {one.headers.get("authorization") for one in public.requests} == {None}


def test_a_cached_copy_of_a_private_channel_serves_offline(
    channels: Path, ambient: Ambient, tmp_path: Path
) -> None:
    with ChannelServer(channels, token=CANARY) as server:
        addresses = [server.secret_url("ch"), server.secret_url("other")]
        online = solve(addresses, ambient, tmp_path)

    assert solution(solve(addresses, ambient, tmp_path, offline=True)) == solution(online)


def test_netrc_knows_channels_as_well(channels: Path, ambient: Ambient, tmp_path: Path) -> None:
    (ambient.home / ".netrc").write_text(f"machine 127.0.0.1 login me password {CANARY}\n")
    with ChannelServer(channels, credentials=("me", CANARY)) as server:
        answer = solve([server.url("ch"), server.url("other")], ambient, tmp_path)

    assert answer["success"]
    assert leaks(tmp_path) == []


def test_a_wrong_token_is_told_without_it(channels: Path, ambient: Ambient, tmp_path: Path) -> None:
    with ChannelServer(channels, token="right") as server:
        answer = solve([f"http://{server.host}/t/{CANARY}/ch"], ambient, tmp_path)

    assert answer["message"] == (
        f"{server.url('ch')}: the channel refuses us (403)\n"
        "  try: a login or token that may read it"
    )


def test_a_server_that_is_gone_is_told_with_the_reason(ambient: Ambient, tmp_path: Path) -> None:
    with ChannelServer(tmp_path) as server:
        address = server.url("ch")
    answer = solve([address], ambient, tmp_path)

    assert answer["explained"] == (
        f"http://{server.host}: the channel cannot be reached\n"
        "  Connection refused\n"
        "  try: its address, the proxy and the certificates; or --offline; or --runtime pip, which"
        " takes from PyPI what is there"
    )


class _Elsewhere(LoopbackHandler):
    """Sends everybody to ``target``."""

    target = ""

    def do_GET(self) -> None:
        self.send_response(302)
        self.send_header("Location", f"{self.target}{self.path}")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_HEAD(self) -> None:
        self.do_GET()


def test_a_redirect_is_followed_without_the_password(
    channels: Path, ambient: Ambient, tmp_path: Path
) -> None:
    with ChannelServer(channels) as target:
        handler = type("Here", (_Elsewhere,), {"target": f"http://{target.host}"})
        with LoopbackServer(handler) as front:
            address = f"http://me:{CANARY}@{front.host}"
            answer = solve([f"{address}/ch", f"{address}/other"], ambient, tmp_path)

    assert answer["actions"]["FETCH"][0]["url"] == f"{front.root}/ch/linux-64/app-1.0-h0_0.conda"
    assert {one.headers.get("authorization") for one in target.requests} == {None}


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not here")
def test_the_users_certificates_vouch_for_a_channel(
    channels: Path, ambient: Ambient, tmp_path: Path
) -> None:
    key, file = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
         "-keyout", key, "-out", file],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, key)
    server = ChannelServer(channels, token=CANARY)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    trusting = Ambient(
        environ={**ambient.environ, "SSL_CERT_FILE": str(file)}, home=ambient.home, cwd=tmp_path
    )
    with server:
        base = f"https://localhost:{server.port}"
        addresses = [f"{base}/t/{CANARY}/{name}" for name in ("ch", "other")]
        refused = solve(addresses, ambient, tmp_path)
        answer = solve(addresses, trusting, tmp_path)

    assert "its certificate is not trusted" in refused["explained"]
    assert answer["actions"]["FETCH"][0]["url"] == f"{base}/ch/linux-64/app-1.0-h0_0.conda"
    assert leaks(tmp_path) == []
