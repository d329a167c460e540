"""Index options as pip settles them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from envbuild.entries.requirements import IndexOption
from envbuild.errors import SpecError
from envbuild.resolve.indexes import PYPI, Indexes, settle_indexes
from tests.support.problems import index_option

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MODEL, CWD = Path("/model"), Path("/here")


def settle(*options: IndexOption, **environ: str) -> Indexes:
    return settle_indexes(options, environ=environ, model=MODEL, cwd=CWD)


def configuration(indexes: Indexes) -> dict[str, Any]:
    return tomllib.loads(indexes.configuration(lambda url: url))


def test_without_options_there_is_pypi() -> None:
    indexes = settle()

    assert indexes == Indexes(urls=(PYPI,))
    assert indexes.strategy == "first-index"
    assert configuration(indexes) == {
        "index": [
            {
                "url": PYPI,
                "default": True,
                "cache-control": {"api": "max-age=600", "files": "max-age=365000000"},
            }
        ]
    }


def test_the_last_index_of_the_model_counts_and_the_users_before_it() -> None:
    first = index_option("index-url", "https://a.example", side="model")
    last = index_option("index-url", "https://b.example", side="model")
    own = index_option("index-url", "https://c.example")

    assert settle(first, last).urls == ("https://b.example",)
    assert settle(own, first, last).urls == ("https://c.example",)


def test_extra_indexes_come_after_the_index_and_the_last_is_uvs_default() -> None:
    one = index_option("extra-index-url", "https://a.example")
    two = index_option("extra-index-url", "https://b.example")

    indexes = settle(one, two, one)

    assert indexes.urls == (PYPI, "https://a.example", "https://b.example")
    assert indexes.strategy == "unsafe-best-match"
    assert [index.get("default", False) for index in configuration(indexes)["index"]] == [
        False,
        False,
        True,
    ]


def test_no_index_leaves_only_the_links() -> None:
    links = index_option("find-links", "https://links.example/page")

    indexes = settle(index_option("no-index"), links)

    assert configuration(indexes) == {
        "no-index": True,
        "find-links": ["https://links.example/page"],
    }


def test_folders_are_where_who_named_them_is() -> None:
    indexes = settle(
        index_option("find-links", "wheels", side="model"), index_option("find-links", "wheels")
    )

    assert indexes.find_links == ("/model/wheels", "/here/wheels")


def test_variables_are_expanded_and_credentials_not_configured() -> None:
    indexes = settle(
        index_option("index-url", "https://${USER}:${TOKEN}@a.example/simple"),
        USER="ada",
        TOKEN="CANARY",
    )

    assert indexes.urls == ("https://ada:CANARY@a.example/simple",)
    assert configuration(indexes)["index"][0]["url"] == "https://a.example/simple"
    assert "CANARY" not in repr(indexes)
    assert list(indexes.options) == ["https://a.example/simple"]


def test_a_token_in_the_address_is_refused() -> None:
    with pytest.raises(SpecError) as caught:
        settle(index_option("extra-index-url", "https://a.example/simple?token=CANARY"))

    assert str(caught.value) == (
        "--extra-index-url: the address has a credential in its path or query, which the lock would"
        " show\n  try: user and password before the host, or the file inside the model"
    )


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["a, b"], ("a", "b")),
        (["a", "a,:none:,b"], ("b",)),
        (["a", ":all:"], (":all:",)),
        ([":none:"], ()),
    ],
)
def test_format_control_is_pips(values: list[str], expected: tuple[str, ...]) -> None:
    assert settle(*(index_option("no-binary", value) for value in values)).no_binary == expected
    assert settle(*(index_option("only-binary", value) for value in values)).only_binary == expected


def test_switches_are_taken_over() -> None:
    indexes = settle(index_option("pre"), index_option("trusted-host", "a.example"))

    assert indexes.prereleases
    assert configuration(indexes)["allow-insecure-host"] == ["a.example"]


def test_what_weakens_the_result_is_said() -> None:
    notices = settle(
        index_option("trusted-host", "a.example", side="model"),
        index_option("prefer-binary", side="model"),
    ).notices

    assert [str(notice) for notice in notices] == [
        "conda.yaml: dependencies[1].pip[0]: the certificate of a.example is not checked",
        (
            "conda.yaml: dependencies[1].pip[0]: --prefer-binary is left out: uv takes the newest"
            " release that fits"
        ),
    ]


def test_a_model_that_has_a_variable_sent_is_told_on() -> None:
    address = "https://${USER}:${TOKEN}@a.example/simple"
    by_model = index_option("extra-index-url", address, side="model")
    by_user = index_option("extra-index-url", address)

    first, *others = settle(by_model, USER="ada", TOKEN="CANARY").notices[1:]

    assert others == []
    assert str(first) == (
        "conda.yaml: dependencies[1].pip[0]: the value of USER, TOKEN goes to a.example, since the"
        " model says so"
    )
    assert len(settle(by_user, USER="ada", TOKEN="CANARY").notices) == 1
