"""What an earlier lock asks of the next."""

from __future__ import annotations

import pytest

from envbuild.resolve.preferences import pins_of, preferences

PREVIOUS = """\
lock-version = "1.0"
created-by = "envbuild"

[[packages]]
name = "eggs"
version = "1.0"
wheels = [{ url = "https://gone.example/eggs-1.0-py3-none-any.whl", hashes = { sha256 = "0" } }]

[[packages]]
name = "mine"
version = "1.0"
archive = { path = "code/mine.whl", hashes = { sha256 = "0" } }

[[packages]]
name = "folder"
directory = { path = "code" }
"""


def test_only_what_came_from_an_index_is_preferred() -> None:
    assert pins_of(PREVIOUS) == (("eggs", "1.0"),)
    assert preferences(PREVIOUS) == (
        'lock-version = "1.0"\ncreated-by = "envbuild"\n'
        'packages = [\n    { name = "eggs", version = "1.0" },\n]\n'
    )


@pytest.mark.parametrize(
    "previous",
    [
        "",
        "not toml =",
        "packages = 3",
        "packages = [3]",
        'packages = [{ version = "1", wheels = 1 }]',
    ],
)
def test_what_cannot_be_read_prefers_nothing(previous: str) -> None:
    assert preferences(previous) == ""
