"""What the process was started with."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from envbuild.ambient import Ambient


def ambient(**environ: str) -> Ambient:
    return Ambient(environ=environ, home=Path("/home/ada"), cwd=Path("/work"))


def test_the_surroundings_are_those_of_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENVBUILD_CANARY", "here")
    monkeypatch.chdir(tmp_path)

    found = Ambient.of_process()

    assert found.environ["ENVBUILD_CANARY"] == "here"
    assert found.cwd == tmp_path
    assert found.home == Path.home()


@pytest.mark.parametrize(
    ("platform", "environ", "expected"),
    [
        ("linux", {}, "/home/ada/.cache/envbuild"),
        ("linux", {"XDG_CACHE_HOME": "/var/cache/ada"}, "/var/cache/ada/envbuild"),
        ("linux", {"ENVBUILD_CACHE_DIR": "/c", "XDG_CACHE_HOME": "/x"}, "/c"),
        ("darwin", {}, "/home/ada/Library/Caches/envbuild"),
        ("darwin", {"ENVBUILD_CACHE_DIR": "/c"}, "/c"),
    ],
)
def test_the_cache_lies_where_the_system_keeps_caches(
    platform: str, environ: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", platform)

    assert ambient(**environ).cache_root() == Path(expected)
