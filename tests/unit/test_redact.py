"""No credential in a text that is shown, and nothing lost that is none."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from envbuild.redact import quote, redact, without_userinfo


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://user:secret@host/simple", "https://****:****@host/simple"),
        ("https://secret@host/simple", "https://****@host/simple"),
        ("https://:secret@host", "https://:****@host"),
        ("https://secret:@host", "https://****:@host"),
        ("https://user:se@cret@host/x@1.0", "https://****:****@host/x@1.0"),
        ("https://user:se/cret@host/x", "https://****:****@host/x"),
        ("https://user:se?cret@host/x", "https://****:****@host/x"),
        ("https://user:se#cret@host/x", "https://****:****@host/x"),
        ("//user:secret@host/simple", "//****:****@host/simple"),
        ("git+https://secret@host/repo.git@v1", "git+https://****@host/repo.git@v1"),
        ("git+ssh://git:secret@host/repo.git", "git+ssh://****:****@host/repo.git"),
        ("https://host/x.whl?sv=1&sig=secret&se=2", "https://host/x.whl?sv=1&sig=****&se=2"),
        ("https://host/x.whl?X-Amz-Signature=secret", "https://host/x.whl?X-Amz-Signature=****"),
        ("https://host/x?access_token=secret#egg=x", "https://host/x?access_token=****#egg=x"),
        ("https://host/t/secret/channel", "https://host/t/****/channel"),
        ("https://host/conda/t/secret", "https://host/conda/t/****"),
        (
            "see https://a:secret@h1/x and 'https://b:secret@h2/y'",
            "see https://****:****@h1/x and 'https://****:****@h2/y'",
        ),
    ],
)
def test_a_credential_in_a_url_is_masked(text: str, shown: str) -> None:
    assert redact(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "https://host:8080/simple",
        "https://host:8080/repo@v1",
        "https://host/repo.git@v1",
        "git+ssh://git@host/repo.git@v1",
        "ssh://git@host:22/repo.git",
        "https://${USER}:${PASSWORD}@host",
        "https://host/x?page=2&q=a@b",
        "https://host/x?token=${TOKEN}",
        "mail someone@example.com",
        "file:///home/me/x.whl",
        "numpy==1.26.4",
        "",
    ],
)
def test_what_is_no_credential_stays(text: str) -> None:
    assert redact(text) == text


def test_beside_a_variable_a_literal_part_is_masked() -> None:
    assert redact("https://__token__:${TOKEN}@host") == "https://****:${TOKEN}@host"
    assert redact("https://${USER}:secret@host") == "https://${USER}:****@host"


@pytest.mark.parametrize(
    ("url", "bare"),
    [
        ("https://user:secret@host/x@1", "https://host/x@1"),
        ("https://${TOKEN}@host/x", "https://host/x"),
        ("https://user:se/cret@host/x", "https://host/x"),
        ("ssh://git@host/x", "ssh://git@host/x"),
        ("ssh://git:secret@host/x", "ssh://host/x"),
        ("//user@host/x", "//host/x"),
        ("https://host:8080/x@1", "https://host:8080/x@1"),
    ],
)
def test_an_address_can_be_had_without_its_user(url: str, bare: str) -> None:
    assert without_userinfo(url) == bare


def test_a_quoted_text_is_redacted_escaped_and_cut() -> None:
    assert quote("https://u:secret@h") == "'https://****:****@h'"
    assert quote("\x1b[31m\n") == r"'\x1b[31m\n'"
    assert quote("x" * 161) == f"'{'x' * 160}…'"
    assert quote("it's") == '"it\'s"'


def test_a_long_credential_in_a_long_text_is_not_shown() -> None:
    assert "secret" not in quote("https://user:" + "secret" * 1_000 + "@host" + "/x" * 10_000)


PART = st.text(st.characters(codec="ascii", exclude_categories=["C", "Z"]), min_size=6)


@given(user=PART, password=PART)
def test_no_password_survives(user: str, password: str) -> None:
    assume(not {"/", "?", "#", "@", "$"} & set(user + password))
    assume(password not in "https://****:****@host/simple" and not user.endswith(":"))

    assert password not in redact(f"https://{user}:{password}@host/simple")


@given(st.text(max_size=200))
def test_redacting_twice_changes_nothing_more(text: str) -> None:
    once = redact(text)

    assert redact(once) == once
