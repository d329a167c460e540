"""Addresses through the relay and back."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from envbuild.fetch.routes import Routes


def test_an_address_with_tls_is_asked_for_without() -> None:
    routes = Routes.of(["https://host.example", "https://other.example:8443"])

    assert routes.inside("https://host.example/simple") == "http://host.example:443/simple"
    assert routes.inside("git+https://HOST.example:443/a") == "git+http://host.example:443/a"
    assert routes.inside("https://u:p@other.example:8443/x") == "http://other.example:8443/x"
    assert routes.inside("https://host.example.org/x") == "https://host.example.org/x"
    assert routes.inside("http://host.example/x") == "http://host.example/x"


def test_addresses_come_back_as_they_are_outside() -> None:
    routes = Routes.of(["https://host.example", "http://plain.example:8080"])
    text = 'Failed to fetch: `http://host.example:443/simple/spam/` and "http://plain.example:8080"'

    assert routes.outside(text) == (
        'Failed to fetch: `https://host.example/simple/spam/` and "http://plain.example:8080"'
    )


def test_links_with_escaped_slashes_are_understood() -> None:
    routes = Routes.of(["https://host.example"])
    page = json.dumps({"url": "https://host.example/f.whl"}).replace("/", "\\/")

    assert json.loads(routes.inside(page)) == {"url": "http://host.example:443/f.whl"}


def test_a_request_goes_to_the_server_that_is_meant() -> None:
    routes = Routes.of(["https://host.example", "http://[::1]:8080"])

    assert routes.upstream("http://host.example:443/a?b") == "https://host.example/a?b"
    assert routes.upstream("http://[::1]:8080/") == "http://[::1]:8080/"
    assert routes.upstream("http://host.example/a") is None


hosts = st.from_regex(r"[a-z][a-z0-9]{0,8}\.example", fullmatch=True)
ports = st.one_of(
    st.just(""), st.integers(1, 65535).filter(lambda n: n not in {80, 443}).map(":{}".format)
)


@given(
    scheme=st.sampled_from(["http", "https"]),
    host=hosts,
    port=ports,
    path=st.sampled_from(["", "/", "/a/b#c"]),
)
def test_in_and_out_again_is_the_same(scheme: str, host: str, port: str, path: str) -> None:
    origin = f"{scheme}://{host}{port}"
    routes = Routes.of([origin])
    inside = routes.inside(origin + path)

    assert inside.startswith("http://")
    assert routes.outside(inside) == origin + path
    assert routes.upstream(inside) == origin + path


def test_a_token_in_a_path_stays_outside() -> None:
    secret = "https://host.example/t/s3cret/team/dev"
    routes = Routes.of(["https://host.example"], [secret])
    inside = routes.inside(f"{secret}/noarch/repodata.json")

    assert inside == "http://host.example:443/team/dev/noarch/repodata.json"
    assert routes.outside(inside) == "https://host.example/team/dev/noarch/repodata.json"
    assert routes.upstream(inside) == f"{secret}/noarch/repodata.json"
    assert routes.upstream("http://host.example:443/team/develop/x") == (
        "https://host.example/team/develop/x"
    )
    assert "s3cret" not in repr(routes)
