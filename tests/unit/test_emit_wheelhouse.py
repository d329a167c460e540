"""As of when builds take what they need, and what they then need of the system."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version

from envbuild.build.interface import BuiltWheel, GitSource
from envbuild.emit.manifest import platform_entry
from envbuild.emit.selection import ToBuild
from envbuild.emit.tools import tools_published
from envbuild.emit.wheelhouse import BuildClock, HousedWheel
from envbuild.platforms import Target, parse_platform
from tests.support.contexts import lock_of


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)


def target(python: str = "3.7.11") -> Target:
    return Target(python=Version(python), platform=parse_platform("linux-64"))


def spam(published: datetime | None) -> ToBuild:
    return ToBuild(
        name=canonicalize_name("spam"),
        version=None,
        source=GitSource(url="https://git.test/spam", commit="abc"),
        origin="",
        reason="",
        published=published,
    )


TOOLS = tools_published(Version("3.7.11"))  # 2024-02-03


@pytest.mark.parametrize(
    ("published", "newest", "cutoff"),
    [
        pytest.param(day("2025-01-01"), day("2026-01-01"), day("2025-01-01"), id="its own time"),
        pytest.param(day("2018-01-01"), day("2026-01-01"), TOOLS, id="not before the tools"),
        pytest.param(None, day("2026-01-01"), day("2026-01-01"), id="the lock's where unknown"),
        pytest.param(None, day("2018-01-01"), TOOLS, id="nor then before the tools"),
        pytest.param(None, None, None, id="no times at all"),
    ],
)
def test_builds_use_the_tools_of_the_sources_days(
    published: datetime | None, newest: datetime | None, cutoff: datetime | None
) -> None:
    assert BuildClock(newest=newest).cutoff(spam(published), target()) == cutoff


def test_the_clock_of_a_context_is_its_newest_file() -> None:
    packages = (
        '[[packages]]\nname = "spam"\nversion = "1.0"\n'
        'sdist = { url = "https://files.test/spam-1.0.zip", upload-time = 2025-01-01T00:00:00Z, '
        f'hashes = {{ sha256 = "{"a" * 64}" }} }}\n'
    )

    assert BuildClock.of([lock_of(packages), lock_of("")]).newest == day("2025-01-01")
    assert BuildClock.of([lock_of("")]).newest is None


def built(glibc: tuple[int, int] | None) -> HousedWheel:
    file, sha256 = "spam-1.0-cp37-cp37m-linux_x86_64.whl", "a" * 64
    wheel = BuiltWheel(
        file=file,
        path=Path(file),
        sha256=sha256,
        size=1,
        version=Version("1.0"),
        builder="test",
        requirements=(),
        libraries=(),
        glibc=glibc,
    )
    return HousedWheel(
        name=canonicalize_name("spam"),
        version=wheel.version,
        file=file,
        path=wheel.path,
        sha256=sha256,
        size=wheel.size,
        origin="",
        choice=spam(None),
        built=wheel,
    )


@pytest.mark.parametrize(
    ("needs", "floor"),
    [(((2, 29), (2, 31)), "2.31"), (((2, 17),), "2.28"), ((None,), "2.28"), ((), "2.28")],
)
def test_a_bundle_asks_for_what_its_built_wheels_need(
    needs: tuple[tuple[int, int] | None, ...], floor: str
) -> None:
    entry = platform_entry(lock_of("", glibc=(2, 28)), [built(one) for one in needs], names={})

    assert entry["glibc"] == floor
