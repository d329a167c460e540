"""A resolver's pylock, made to fit one target."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from packaging.pylock import Package, Pylock
from packaging.utils import canonicalize_name

from envbuild.errors import IntegrityError
from envbuild.resolve.artefacts import Tidier, was_built
from tests.support.problems import target

HASHES = {"sha256": "0" * 64}


def pylock(*packages: dict[str, Any]) -> Pylock:
    return Pylock.from_dict({"lock-version": "1.0", "created-by": "uv", "packages": list(packages)})


def file(url: str, **fields: Any) -> dict[str, Any]:
    return {"url": url, "hashes": HASHES, **fields}


def tidy(*packages: dict[str, Any], **fields: Any) -> list[Package]:
    tidier = Tidier(
        target=target(), folder=Path("/tmp/x"), model=Path("/model"), **{"hashes": {}, **fields}
    )
    return list(tidier.tidy(pylock(*packages)).packages)


def test_packages_for_other_environments_are_left_out() -> None:
    wheels = [file("https://h.example/a-1-py3-none-any.whl")]
    here = {"name": "a", "version": "1", "marker": "python_version >= '3.8'", "wheels": wheels}
    there = {"name": "a", "version": "1", "marker": "os_name == 'nt'", "wheels": wheels}

    (package,) = tidy(here, there)

    assert package.marker is None


def test_wheels_for_other_targets_are_left_out() -> None:
    package = {
        "name": "a",
        "version": "1",
        "sdist": file("https://h.example/a-1.tar.gz"),
        "wheels": [file("https://h.example/a-1-cp311-cp311-win_amd64.whl")],
    }

    (tidied,) = tidy(package)

    assert tidied.wheels is None
    assert was_built(tidied)


def test_credentials_are_taken_out_of_every_address() -> None:
    url = "https://u:CANARY@h.example/"
    wheels = [file(f"{url}a-1-py3-none-any.whl")]
    vcs = {"type": "git", "url": f"{url}repo", "commit-id": "0" * 40}

    packages = tidy(
        {"name": "a", "version": "1", "wheels": wheels, "sdist": file(f"{url}a-1.tar.gz")},
        {"name": "b", "archive": file(f"{url}b.zip")},
        {"name": "c", "vcs": vcs},
    )

    assert "CANARY" not in repr(packages)
    assert [was_built(package) for package in packages] == [False, True, True]


def test_paths_are_relative_to_the_model_where_they_can_be() -> None:
    inside, outside = "/model/w/a-1-py3-none-any.whl", "/other/a-1.tar.gz"
    packages = tidy(
        {"name": "a", "version": "1", "wheels": [file("file://" + inside)]},
        {"name": "b", "version": "1", "sdist": file("file:///other/b-1.tar.gz")},
        {"name": "c", "version": "1", "archive": {"path": "../../model/c-1.zip", "hashes": HASHES}},
        {"name": "d", "version": "1", "archive": {"path": outside, "hashes": HASHES}},
        {"name": "e", "directory": {"path": "/model/code/e", "editable": True}},
    )

    wheel = (packages[0].wheels or [])[0]
    assert (wheel.path, wheel.url) == ("w/a-1-py3-none-any.whl", None)
    assert packages[1].sdist is not None
    assert packages[1].sdist.url == "file:///other/b-1.tar.gz"
    assert [packages[n].archive and packages[n].archive.path for n in (2, 3)] == [  # type: ignore[union-attr]
        "c-1.zip",
        outside,
    ]
    assert packages[4].directory is not None
    assert (packages[4].directory.path, packages[4].directory.editable) == ("code/e", None)


def test_files_without_a_hash_are_refused_all_at_once() -> None:
    weak = {"md5": "0" * 32}
    wheel = {"url": "https://h.example/a-1-py3-none-any.whl", "hashes": weak}

    with pytest.raises(IntegrityError) as caught:
        tidy(
            {"name": "a", "version": "1", "wheels": [wheel]},
            {"name": "b", "archive": {"url": "https://h.example/b.zip", "hashes": weak}},
        )

    assert str(caught.value) == (
        "the index gives no sha256 for files that would be locked\n"
        "  a: https://h.example/a-1-py3-none-any.whl\n"
        "  b: https://h.example/b.zip\n"
        "  try: an index that publishes hashes (PEP 503 '#sha256=…', PEP 691 'hashes')"
    )


@pytest.mark.parametrize("name", ["a", ":all:"])
def test_wheels_that_are_not_wanted_go_if_there_is_a_source(name: str) -> None:
    both = {
        "name": "a",
        "version": "1",
        "sdist": file("https://h.example/a-1.tar.gz"),
        "wheels": [file("https://h.example/a-1-py3-none-any.whl")],
    }
    alone = {
        "name": "b",
        "version": "1",
        "wheels": [file("https://h.example/b-1-py3-none-any.whl")],
    }

    first, second = tidy(both, alone, no_binary=frozenset({name}))

    assert first.wheels is None
    assert second.wheels


def test_a_requirement_that_names_all_hashes_changes_nothing() -> None:
    package = {
        "name": "a",
        "version": "1",
        "wheels": [file("https://h.example/a-1-py3-none-any.whl")],
    }
    allowed = {canonicalize_name("a"): frozenset({f"sha256:{'0' * 64}", "sha256:other"})}

    assert tidy(package, hashes=allowed) == tidy(package)
