"""Builds are done once, checked, and told of with their log when they fail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from packaging.tags import parse_tag
from packaging.utils import canonicalize_name
from packaging.version import Version

from envbuild.build.builder import CachedBuilder, Made
from envbuild.build.interface import BuildProblem, GitSource
from envbuild.build.linkage import Linkage
from envbuild.build.pins import BuildPins, PinnedWheel
from envbuild.build.wheelfile import WheelFile
from envbuild.errors import BuildError
from envbuild.fetch.cache import ArtefactCache
from envbuild.platforms import Target, parse_platform

TARGET = Target(python=Version("3.7.11"), platform=parse_platform("linux-64"))
PURE = "py3-none-any"
COMPILED = "cp37-cp37m-linux_x86_64"
PINS = BuildPins(
    wheels=(
        PinnedWheel(
            name="setuptools", version="68.0.0", file="s.whl", url="", sha256="a" * 64, size=None
        ),
    )
)


def made(tag: str = PURE, *, fits: bool = True, version: str = "1.0") -> Made:
    info = f"spam-{version}.dist-info"
    wheel = WheelFile(
        file=f"spam-{version}-{tag}.whl",
        name=canonicalize_name("spam"),
        version=Version(version),
        tags=frozenset(parse_tag(tag)),
        members={"spam.py": (b"", False), f"{info}/WHEEL": (b"", False)},
    )
    return Made(wheel=wheel, epoch=0, pins=PINS, builder="test", fits=fits)


class Bench:
    """Gives what it is told, and counts."""

    def __init__(self, *answers: Made | BuildError, output: str = "") -> None:
        self.answers = list(answers)
        self.output = output
        self.workdirs: list[Path] = []

    def identity(self) -> tuple[str, ...]:
        return ("test",)

    def work(self, problem: BuildProblem, workdir: Path, log: list[str]) -> Made:
        assert list(workdir.iterdir()) == []
        (workdir / "left").touch()
        self.workdirs.append(workdir)
        if self.output:
            log.append(self.output)
        answer = self.answers.pop(0)
        if isinstance(answer, BuildError):
            raise answer
        return answer


def builder(folder: Path, bench: Bench) -> CachedBuilder:
    cache = ArtefactCache(root=folder / "cache")
    return CachedBuilder(bench=bench, folder=folder / "builds", cache=cache)


def problem(*, commit: str = "abc", version: str | None = "1.0") -> BuildProblem:
    return BuildProblem(
        name=canonicalize_name("spam"),
        version=Version(version) if version else None,
        source=GitSource(url="https://git.test/spam", commit=commit),
        target=TARGET,
    )


def test_a_result_is_kept_and_given_again(tmp_path: Path) -> None:
    bench = Bench(made())
    first = builder(tmp_path, bench).build(problem())

    assert builder(tmp_path, bench).build(problem()) == first
    assert (first.file, first.builder) == (f"spam-1.0-{PURE}.whl", "test")
    assert first.requirements == ("setuptools==68.0.0",)
    assert first.path.stat().st_size == first.size
    assert not bench.workdirs[0].exists()


def test_another_source_is_another_question(tmp_path: Path) -> None:
    bench = Bench(made(), made())

    builder(tmp_path, bench).build(problem())
    builder(tmp_path, bench).build(problem(commit="def"))

    assert len(set(bench.workdirs)) == 2


def forget_wheel(folder: Path) -> None:
    for path in (folder / "cache/sha256").rglob("*"):
        if path.is_file():
            path.write_bytes(b"other")


def break_record(folder: Path) -> None:
    for path in (folder / "builds/wheels").iterdir():
        path.write_text("{")


def empty_record(folder: Path) -> None:
    for path in (folder / "builds/wheels").iterdir():
        text = path.read_text()
        path.write_text(text.replace('"version"', '"other"'))


@pytest.mark.parametrize("spoil", [forget_wheel, break_record, empty_record])
def test_what_is_broken_in_the_cache_is_built_again(
    tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    bench = Bench(made(), made())
    first = builder(tmp_path, bench).build(problem())
    spoil(tmp_path)

    assert builder(tmp_path, bench).build(problem()) == first
    assert bench.answers == []


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (made(version="2.0"), "the build of spam 1.0 made spam-2.0-py3-none-any.whl"),
        (made("cp38-cp38-linux_x86_64"), "does not run on Python 3.7.11 on linux-64"),
        (made("cp37-cp37m-win_amd64"), "does not run on Python 3.7.11 on linux-64"),
        (made(COMPILED, fits=False), "does not run on Python 3.7.11 on linux-64"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, result: Made, words: str) -> None:
    with pytest.raises(BuildError, match=words):
        builder(tmp_path, Bench(result)).build(problem())

    assert not (tmp_path / "builds/wheels").exists()


def test_a_pure_result_of_a_stand_in_is_accepted(tmp_path: Path) -> None:
    built = builder(tmp_path, Bench(made(fits=False))).build(problem(version=None))

    assert built.version == Version("1.0")


def test_a_long_build_that_is_refused_for_its_glibc_is_not_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs = Linkage(glibc=(2, 99), libraries=("libpq.so.5",), machines=("x86_64",))
    monkeypatch.setattr("envbuild.build.builder.read_linkage", lambda _: needs)
    bench = Bench(made(COMPILED))

    for _ in range(2):
        with pytest.raises(BuildError) as caught:
            builder(tmp_path, bench).build(problem())
        assert str(caught.value) == (
            f"spam-1.0-{COMPILED}.whl was built against glibc 2.99; the target has 2.28\n"
            "  try: --builder docker, or a newer --base-image at lock"
        )

    assert len(bench.workdirs) == 1


def test_what_the_base_image_has_may_be_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs = Linkage(glibc=(2, 36), libraries=(), machines=("x86_64",))
    monkeypatch.setattr("envbuild.build.builder.read_linkage", lambda _: needs)
    image = replace(builder(tmp_path, Bench(made(COMPILED))), image_glibc=(2, 36))

    assert image.build(problem()).glibc == (2, 36)


def test_a_failure_is_told_with_cause_last_lines_and_log(tmp_path: Path) -> None:
    failed = BuildError("spam cannot be built", details=("the build backend ended with 1",))
    bench = Bench(failed, output="building\nerror: can't find Rust compiler\n")

    with pytest.raises(BuildError) as caught:
        builder(tmp_path, bench).build(problem())

    (log,) = (tmp_path / "builds/logs").iterdir()
    assert str(caught.value) == (
        "spam cannot be built\n"
        "  the Rust compiler is missing (Debian: cargo)\n"
        "  the build backend ended with 1\n"
        "  building\n"
        "  error: can't find Rust compiler\n"
        f"  log: {log}\n"
        "  try: --builder docker"
    )
    assert log.read_text() == bench.output
    assert not bench.workdirs[0].exists()


def test_a_failure_before_anything_ran_has_no_log(tmp_path: Path) -> None:
    failed = BuildError("spam: there is no project in it")

    with pytest.raises(BuildError) as caught:
        builder(tmp_path, Bench(failed)).build(problem())

    assert caught.value is failed
