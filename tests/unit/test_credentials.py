"""Who we are to a server, and to no other."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envbuild.ambient import Ambient
from envbuild.errors import ToolError
from envbuild.fetch.credentials import (
    CredentialStore,
    origin_of,
    restore_token,
    split_credentials,
    split_token,
)
from envbuild.process import Completed
from tests.support.problems import ambient_of


class Keyring:
    """A ``keyring`` program that answers from a table of what follows its name."""

    def __init__(self, answers: Mapping[str, str] | None = None, *, broken: bool = False) -> None:
        self.answers = answers or {}
        self.broken = broken
        self.asked: list[str] = []

    def __call__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path | None = None,
        stdin: str = "",
        timeout: float | None = None,
    ) -> Completed:
        words = " ".join(argv[1:])
        self.asked.append(words)
        if self.broken:
            raise ToolError("keyring did not end within 60 s")
        answer = self.answers.get(words)
        return Completed(
            argv=tuple(argv), returncode=1 if answer is None else 0, stdout=answer or "", stderr=""
        )


@pytest.fixture
def ambient(tmp_path: Path) -> Ambient:
    """Surroundings with a keyring program on the path."""
    program = tmp_path / "bin" / "keyring"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return ambient_of(tmp_path, PATH=str(program.parent))


def store(ambient: Ambient, *urls: str, keyring: Keyring | None = None) -> CredentialStore:
    return CredentialStore.of(ambient, urls, runner=keyring or Keyring())


def test_an_address_with_a_password_counts_for_its_origin_only(ambient: Ambient) -> None:
    found = store(ambient, "https://ada:p%40ss@host.example/simple")

    assert found.for_url("https://HOST.example/files/x.whl") == ("ada", "p@ss")
    assert found.for_url("https://host.example:443/") == ("ada", "p@ss")
    for other in (
        "http://host.example/",
        "https://host.example:8443/",
        "https://files.host.example/",
        "https://host.example.org/",
    ):
        assert found.for_url(other) is None


def test_two_feeds_of_one_host_have_passwords_of_their_own(ambient: Ambient) -> None:
    found = store(ambient, "https://a:1@host.example/one/simple", "https://b:2@host.example/two")

    assert found.for_url("https://host.example/one/simple/spam/") == ("a", "1")
    assert found.for_url("https://host.example/two/files/x.whl") == ("b", "2")


def test_a_url_that_brings_its_own_wins(ambient: Ambient) -> None:
    found = store(ambient, "https://a:1@host.example/")

    assert found.for_url("https://b:2@host.example/") == ("b", "2")


def test_netrc_is_asked_by_host_and_its_default_is_not_used(ambient: Ambient) -> None:
    # Python 3.10 cannot read an entry without a password.
    without_password = sys.version_info >= (3, 11)
    (ambient.home / ".netrc").write_text(
        "machine host.example login ada password secret\n"
        + ("machine bare.example login token\n" if without_password else "")
        + "default login x password CANARY\n"
    )
    found = store(ambient)

    assert found.for_url("https://host.example/simple") == ("ada", "secret")
    if without_password:
        assert found.for_url("https://bare.example/simple") == ("token", "")
    assert found.for_url("https://any.example/simple") is None


def test_netrc_may_lie_elsewhere(ambient: Ambient, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("machine host.example login ada password secret\n")
    moved = ambient_of(tmp_path, NETRC=str(tmp_path / "mine"))

    assert store(moved).for_url("https://host.example/") == ("ada", "secret")


def test_a_netrc_that_is_none_is_remarked_without_its_words(ambient: Ambient) -> None:
    (ambient.home / ".netrc").write_text("machine host.example\nCANARY\n")

    assert store(ambient).remark == f"{ambient.home / '.netrc'} is not a netrc file (line 3)"


def test_a_netrc_that_cannot_be_read_is_remarked(ambient: Ambient) -> None:
    (ambient.home / ".netrc").mkdir()

    assert store(ambient).remark == f"{ambient.home / '.netrc'} cannot be read"


def test_a_user_alone_is_completed_by_the_keyring(ambient: Ambient) -> None:
    keyring = Keyring({"get host.example ada": "secret\n"})
    found = store(ambient, "https://ada@host.example/simple", keyring=keyring)

    assert found.for_url("https://host.example/simple/spam/") == ("ada", "secret")
    found.for_url("https://host.example/simple/eggs/")
    assert keyring.asked == [
        "get https://host.example/simple ada",
        "get host.example ada",
    ], "each question is asked once"


def test_a_user_that_no_keyring_knows_is_a_token(ambient: Ambient) -> None:
    assert store(ambient, "https://TOKEN@host.example/").for_url("https://host.example/") == (
        "TOKEN",
        "",
    )


def test_the_keyring_is_asked_for_an_unknown_user_only_after_a_refusal(ambient: Ambient) -> None:
    url = "https://host.example/simple"
    keyring = Keyring({f"--mode creds get {url}": "ada\nsecret\n"})
    found = store(ambient, keyring=keyring)

    assert found.for_url(url) is None
    assert keyring.asked == []
    assert found.after_refusal(url)
    assert found.for_url(f"{url}/spam/") == ("ada", "secret")


@pytest.mark.parametrize(
    "keyring",
    [
        Keyring(broken=True),
        Keyring({"--mode creds get https://host.example/": "one line\n"}),
        Keyring(),
    ],
)
def test_a_keyring_that_does_not_help_changes_nothing(ambient: Ambient, keyring: Keyring) -> None:
    found = store(ambient, keyring=keyring)

    assert not found.after_refusal("https://host.example/")
    assert found.for_url("https://host.example/") is None


def test_without_a_keyring_nothing_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    keyring = Keyring()
    found = store(ambient_of(tmp_path, PATH=""), "https://ada@host.example/", keyring=keyring)

    assert found.for_url("https://host.example/") == ("ada", "")
    assert keyring.asked == []


def test_a_store_of_nothing_knows_nobody() -> None:
    found = CredentialStore()

    assert found.for_url("https://host.example/") is None
    assert not found.after_refusal("https://host.example/")


def test_a_user_without_keyring_support_is_taken_as_given(ambient: Ambient) -> None:
    from dataclasses import replace

    found = replace(store(ambient, "https://TOKEN@host.example/"), keyring=None)

    assert found.for_url("https://host.example/") == ("TOKEN", "")


def test_no_secret_is_shown_by_repr(ambient: Ambient) -> None:
    (ambient.home / ".netrc").write_text("machine host.example login ada password CANARY\n")
    keyring = Keyring({"--mode creds get https://k.example/": "ada\nCANARY\n"})
    found = store(ambient, "https://ada:CANARY@other.example/", keyring=keyring)
    found.after_refusal("https://k.example/")

    assert "CANARY" not in repr(found)


@pytest.mark.parametrize(
    ("url", "bare", "login"),
    [
        ("https://u:p@h.example/x?y#z", "https://h.example/x?y#z", ("u", "p")),
        ("git+https://u:p@h.example/r@v1", "git+https://h.example/r@v1", ("u", "p")),
        ("https://h.example/u:p@x", "https://h.example/u:p@x", None),
        ("git+ssh://git@h.example/r", "git+ssh://git@h.example/r", None),
        ("/a/folder", "/a/folder", None),
        ("https://u%40d:p%2F@h.example", "https://h.example", ("u@d", "p/")),
    ],
)
def test_credentials_are_split_from_web_addresses(
    url: str, bare: str, login: tuple[str, str] | None
) -> None:
    assert split_credentials(url) == (bare, login)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://u:p@Host.example:443/x", "https://host.example"),
        ("http://host.example:8080", "http://host.example:8080"),
        ("git+https://host.example/r", "https://host.example"),
        ("http://[::1]:80/", "http://[::1]"),
        ("https://host.example:port/", "https://host.example"),
    ],
)
def test_an_origin_is_scheme_host_and_port(url: str, origin: str) -> None:
    assert origin_of(url) == origin


words = st.text(st.characters(codec="ascii", min_codepoint=33), min_size=1, max_size=8)


@given(user=words, password=words)
def test_what_is_quoted_into_an_address_comes_back(user: str, password: str) -> None:
    from urllib.parse import quote

    url = f"https://{quote(user, safe='')}:{quote(password, safe='')}@host.example/x"

    assert split_credentials(url) == ("https://host.example/x", (user, password))


@pytest.mark.parametrize(
    ("url", "bare", "token"),
    [
        ("https://host/t/s3cret/channel", "https://host/channel", "s3cret"),
        ("https://host/conda/t/s3cret/a/b", "https://host/conda/a/b", "s3cret"),
        ("https://host/channel", "https://host/channel", ""),
        ("https://host/t/s3cret", "https://host/t/s3cret", ""),
        ("file:///t/folder/channel", "file:///t/folder/channel", ""),
    ],
)
def test_a_token_is_split_from_the_path_of_a_channel(url: str, bare: str, token: str) -> None:
    assert split_token(url) == (bare, token)


def test_a_token_comes_back_below_its_channel_only() -> None:
    secret = ["https://host/t/one/a", "https://host/t/two/a/b/"]

    assert restore_token("https://host/a/x.conda", secret) == "https://host/t/one/a/x.conda"
    assert restore_token("https://host/a/b/x.conda", secret) == "https://host/t/two/a/b/x.conda"
    assert restore_token("https://host/ab/x.conda", secret) == "https://host/ab/x.conda"
