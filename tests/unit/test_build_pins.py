"""What builds need: asked for once, exact, with hashes, of the time of the lock."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import pytest
from packaging.version import Version

from envbuild.ambient import Ambient
from envbuild.build.pins import BuildPins, PinnedWheel, PinResolver, Question, newest_upload
from envbuild.errors import BuildError
from envbuild.fetch.cache import ArtefactCache
from envbuild.fetch.download import Downloader
from envbuild.fetch.transport import Transport
from envbuild.platforms import Target, parse_platform
from tests.support.contexts import lock_of
from tests.support.runners import FakeRunner

TARGET = Target(python=Version("3.7.11"), platform=parse_platform("linux-64"))
SHA = "a" * 64
CUTOFF = datetime(2023, 6, 19, tzinfo=timezone.utc)


def answer(*rows: str, name: str = "setuptools", version: str = "68.0.0", also: str = "") -> str:
    return (
        'lock-version = "1.0"\ncreated-by = "uv"\n'
        f'[[packages]]\nname = "{name}"\nversion = "{version}"\n{also}'
        f"wheels = [{', '.join(rows)}]\n"
    )


def row(file: str, *, host: str = "files.test", hashes: str = f'sha256 = "{SHA}"') -> str:
    return f'{{ url = "https://{host}/{file}", size = 7, hashes = {{ {hashes} }} }}'


SETUPTOOLS = answer(row("setuptools-68.0.0-py3-none-any.whl"))


def resolver(
    folder: Path,
    runner: FakeRunner,
    *,
    indexes: tuple[str, ...] = (),
    constraints: str = "",
    offline: bool = False,
) -> PinResolver:
    cache = ArtefactCache(root=folder / "cache")
    return PinResolver(
        ambient=Ambient(
            environ={"PATH": "/bin", "AWS_SECRET": "canary", "UV_INDEX_URL": "canary"},
            home=folder,
            cwd=folder,
        ),
        runner=runner,
        downloader=Downloader(cache=cache, transport=Transport(environ={}), offline=offline),
        folder=folder / "pins",
        indexes=indexes,
        constraints=constraints,
    )


def pin(made: PinResolver, folder: Path, *requires: str) -> BuildPins:
    question = Question(name="spam", target=TARGET, cutoff=CUTOFF)
    return made.pin(requires or ("setuptools",), question, workdir=folder)


def test_uv_is_asked_for_wheels_of_the_target_and_the_time(tmp_path: Path) -> None:
    runner = FakeRunner(answer=lambda _: (0, SETUPTOOLS, ""))

    pins = pin(resolver(tmp_path, runner), tmp_path, "setuptools>=40", "wheel")

    (asked,) = runner.asked
    assert asked.argv[1:] == (
        *("pip", "compile", "--no-config", "--no-progress", "--quiet"),
        *("--format", "pylock.toml", "--no-header", "--only-binary", ":all:"),
        *("--python-version", "3.7.11", "--python-platform", "x86_64-manylinux_2_28"),
        *("--no-python-downloads", "--constraints", "build-constraints.txt"),
        *("--exclude-newer", "2023-06-19T00:00:00+00:00"),
        "build-requires.in",
    )
    assert (tmp_path / "build-requires.in").read_text() == "setuptools>=40\nwheel\n"
    assert "canary" not in str(asked.env)
    assert pins.names == ("setuptools==68.0.0",)
    assert pins.requirements == f"setuptools==68.0.0 --hash=sha256:{SHA}\n"


def test_the_same_question_is_asked_once(tmp_path: Path) -> None:
    runner = FakeRunner(answer=lambda _: (0, SETUPTOOLS, ""))
    made = resolver(tmp_path, runner)

    first = pin(made, tmp_path, "setuptools", "wheel")

    assert pin(made, tmp_path, "wheel", "setuptools") == first
    assert len(runner.asked) == 1
    pin(resolver(tmp_path, runner, constraints="setuptools<60"), tmp_path, "setuptools", "wheel")
    assert len(runner.asked) == 2


def test_nothing_is_asked_where_nothing_is_needed(tmp_path: Path) -> None:
    runner = FakeRunner()

    question = Question(name="spam", target=TARGET)

    assert resolver(tmp_path, runner).pin((), question, workdir=tmp_path) == BuildPins()
    assert runner.asked == []


def test_the_users_indexes_go_by_environment_and_into_no_file(tmp_path: Path) -> None:
    runner = FakeRunner(
        answer=lambda _: (
            0,
            answer(row("setuptools-68.0.0-py3-none-any.whl", host="u:p@a.test")),
            "",
        )
    )
    indexes = ("https://u:canary@a.test/simple", "https://b.test/simple", "https://c.test/s")

    pins = pin(resolver(tmp_path, runner, indexes=indexes), tmp_path)

    (asked,) = runner.asked
    assert asked.env["UV_DEFAULT_INDEX"] == indexes[0]
    assert asked.env["UV_INDEX"] == "https://b.test/simple https://c.test/s"
    assert "canary" not in str(asked.argv)
    assert pins.wheels[0].url == "https://a.test/setuptools-68.0.0-py3-none-any.whl"
    assert not any("canary" in path.read_text() for path in tmp_path.rglob("*.json"))


def test_offline_uv_is_offline_too(tmp_path: Path) -> None:
    runner = FakeRunner(answer=lambda _: (0, SETUPTOOLS, ""))

    pin(resolver(tmp_path, runner, offline=True), tmp_path)

    assert "--offline" in runner.asked[0].argv


def test_the_best_wheel_of_the_target_is_pinned(tmp_path: Path) -> None:
    files = ("cython-3.0-py3-none-any.whl", "cython-3.0-cp37-cp37m-manylinux_2_17_x86_64.whl")
    text = answer(*map(row, files), name="cython", version="3.0")

    pins = pin(resolver(tmp_path, FakeRunner(answer=lambda _: (0, text, ""))), tmp_path)

    assert pins.wheels == (
        PinnedWheel(
            name="cython",
            version="3.0",
            file=files[1],
            url=f"https://files.test/{files[1]}",
            sha256=SHA,
            size=7,
        ),
    )


def test_what_the_target_does_not_need_is_left_out(tmp_path: Path) -> None:
    text = answer(
        row("tomli-68.0.0-py3-none-any.whl"),
        name="tomli",
        also="marker = \"python_version < '3.6'\"\n",
    )

    assert (
        pin(resolver(tmp_path, FakeRunner(answer=lambda _: (0, text, ""))), tmp_path).wheels == ()
    )


def test_what_cannot_be_had_is_told_with_uvs_reason(tmp_path: Path) -> None:
    runner = FakeRunner(
        answer=lambda _: (1, "", "error: no solution\n  https://u:canary@a.test/simple/x\n")
    )

    with pytest.raises(BuildError) as caught:
        pin(resolver(tmp_path, runner), tmp_path, "nowhere>=1", "wheel")

    assert str(caught.value) == (
        "spam: its build requirements cannot be had as wheels\n"
        "  it asks for nowhere>=1, wheel\n"
        "  error: no solution\n"
        "    https://****:****@a.test/simple/x\n"
        "  try: --build-constraint, or a wheel of it by --find-links at lock"
    )


@pytest.mark.parametrize(
    "wheels",
    [
        [row("setuptools-68.0.0-py3-none-any.whl", hashes='md5 = "abc"')],
        [row("setuptools-68.0.0-cp27-none-win32.whl")],
    ],
)
def test_what_cannot_be_checked_is_refused(tmp_path: Path, wheels: list[str]) -> None:
    text = answer(*wheels)

    with pytest.raises(BuildError) as caught:
        pin(resolver(tmp_path, FakeRunner(answer=lambda _: (0, text, ""))), tmp_path)

    assert str(caught.value) == ("spam: its build needs setuptools, of which no wheel has a sha256")


@pytest.mark.parametrize("text", ["no toml", "lock-version = 1"])
def test_an_answer_that_makes_no_sense_is_told(tmp_path: Path, text: str) -> None:
    with pytest.raises(BuildError, match="spam: uv's answer cannot be understood"):
        pin(resolver(tmp_path, FakeRunner(answer=lambda _: (0, text, ""))), tmp_path)


def test_the_newest_upload_of_all_locks_counts() -> None:
    def lock(when: str) -> str:
        return (
            '[[packages]]\nname = "spam"\nversion = "1.0"\n'
            f'sdist = {{ url = "https://files.test/spam-1.0.zip", upload-time = {when}, '
            f'hashes = {{ sha256 = "{SHA}" }} }}\n'
        )

    locks = [
        lock_of(lock(when)).pylock for when in ("2021-05-05T00:00:00Z", "2023-06-19T00:00:00Z")
    ]

    assert newest_upload(locks) == CUTOFF
    assert newest_upload([lock_of("").pylock]) is None
