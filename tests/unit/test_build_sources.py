"""Sources laid out: archives unpacked inside their folder, git told what it needs and no more."""

from __future__ import annotations

import base64
import io
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from envbuild.ambient import Ambient
from envbuild.build.interface import ArchiveSource, FolderSource, GitSource
from envbuild.build.sources import SourceTrees
from envbuild.errors import BuildError, IndexUnavailableError
from envbuild.fetch.cache import ArtefactCache
from envbuild.fetch.download import Artefact
from envbuild.fs import sha256_bytes
from tests.support.runners import FakeRunner

COMMIT = "c" * 40


class Logins:
    def for_url(self, url: str) -> tuple[str, str] | None:
        return ("user", "canary") if url.startswith("https://git.test/") else None

    def after_refusal(self, url: str) -> bool:
        return False


def trees(folder: Path, runner: FakeRunner | None = None) -> SourceTrees:
    return SourceTrees(
        cache=ArtefactCache(root=folder / "cache"),
        repositories=folder / "git",
        ambient=Ambient(environ={"PATH": "/bin"}, home=folder, cwd=folder),
        runner=runner or FakeRunner(),
        credentials=Logins(),
    )


def tarred(*members: tarfile.TarInfo) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(b"x" * member.size))
    return buffer.getvalue()


def member(
    name: str, *, mtime: int = 0, kind: bytes = tarfile.REGTYPE, link: str = ""
) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.mtime, made.type, made.linkname = mtime, kind, link
    made.size = 1 if kind == tarfile.REGTYPE else 0
    return made


def zipped(members: Mapping[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return buffer.getvalue()


def source(made: SourceTrees, data: bytes, *, subdirectory: str = "") -> ArchiveSource:
    made.cache.add_bytes(data)
    artefact = Artefact(name="spam", url="https://files.test/spam", sha256=sha256_bytes(data))
    return ArchiveSource(artefact=artefact, file="spam.tar.gz", subdirectory=subdirectory)


def test_an_archive_of_one_folder_is_that_folder_and_its_newest_file_the_time(
    tmp_path: Path,
) -> None:
    made = trees(tmp_path)
    data = tarred(
        member("spam-1.0/setup.py", mtime=1_400_000_000), member("spam-1.0/a", mtime=1_500_000_000)
    )

    checkout = made.lay_out(source(made, data), tmp_path / "source", name="spam")

    assert checkout.project == tmp_path / "source/spam-1.0"
    assert checkout.epoch == 1_500_000_000


def test_an_archive_without_a_folder_is_the_project(tmp_path: Path) -> None:
    made = trees(tmp_path)

    checkout = made.lay_out(
        source(made, zipped({"setup.py": "", "spam.py": ""})), tmp_path / "source", name="spam"
    )

    assert checkout.project == tmp_path / "source"
    assert checkout.epoch == 315532800


def test_a_subdirectory_is_the_project(tmp_path: Path) -> None:
    made = trees(tmp_path)
    data = tarred(member("main/python/setup.py"))

    checkout = made.lay_out(
        source(made, data, subdirectory="python"), tmp_path / "source", name="spam"
    )

    assert checkout.project == tmp_path / "source/main/python"


def test_a_subdirectory_outside_is_refused(tmp_path: Path) -> None:
    made = trees(tmp_path)

    with pytest.raises(BuildError) as caught:
        made.lay_out(
            source(made, tarred(member("main/setup.py")), subdirectory="../../.."),
            tmp_path / "source",
            name="spam",
        )

    assert str(caught.value) == "spam: its subdirectory is outside of it: ../../.."


@pytest.mark.parametrize(
    "hostile",
    [
        member("../outside"),
        member("/../../outside"),
        member("link", kind=tarfile.SYMTYPE, link="/etc"),
        member("link", kind=tarfile.LNKTYPE, link="../../outside"),
        member("device", kind=tarfile.CHRTYPE),
    ],
    ids=lambda made: made.name,
)
def test_archives_do_not_reach_outside(tmp_path: Path, hostile: tarfile.TarInfo) -> None:
    made = trees(tmp_path)
    data = tarred(member("spam/setup.py"), hostile)

    with pytest.raises(BuildError, match=r"spam: spam.tar.gz cannot be unpacked: "):
        made.lay_out(source(made, data), tmp_path / "deep/source", name="spam")

    assert not (tmp_path / "outside").exists()
    assert not (tmp_path / "deep/outside").exists()


@pytest.mark.parametrize(
    "data", [b"", b"hello", tarred(member("a"))[:40]], ids=["empty", "text", "truncated"]
)
def test_what_is_no_archive_is_told(tmp_path: Path, data: bytes) -> None:
    made = trees(tmp_path)

    with pytest.raises(BuildError, match=r"spam: spam.tar.gz cannot be unpacked: "):
        made.lay_out(source(made, data), tmp_path / "source", name="spam")


def test_a_folder_is_copied(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "project/setup.py").touch()
    folder = FolderSource(path=tmp_path / "project", tree="0" * 64)

    checkout = trees(tmp_path).lay_out(folder, tmp_path / "source", name="spam")

    assert (checkout.project / "setup.py").exists()
    assert checkout.epoch == 315532800


class Git:
    """A git that has the commit once it was fetched; ``broken`` names a command that fails."""

    def __init__(self, *, broken: str = "", head: str = COMMIT, submodules: bool = False) -> None:
        self.broken = broken
        self.head = head
        self.submodules = submodules
        self.fetched = False

    def __call__(self, argv: Sequence[str]) -> tuple[int, str, str] | None:
        command = argv[3] if argv[1] == "-C" else argv[1]
        if command == self.broken:
            return (128, "", "fatal: https://user:canary@git.test/spam.git: no\n")
        if command == "init":
            Path(argv[-1]).mkdir(parents=True)
        elif command == "fetch":
            self.fetched = self.fetched or COMMIT not in argv
        elif command == "cat-file":
            return (0 if self.fetched else 1, "", "")
        elif command == "clone":
            Path(argv[-1]).mkdir(parents=True)
            (Path(argv[-1]) / "setup.py").touch()
            if self.submodules:
                (Path(argv[-1]) / ".gitmodules").touch()
        elif command == "log":
            return (0, f"{self.head} 1500000000\n", "")
        return None


GIT = GitSource(url="https://git.test/spam.git", commit=COMMIT)


def test_a_password_goes_to_git_by_environment_and_only_to_its_server(tmp_path: Path) -> None:
    runner = FakeRunner(answer=Git(submodules=True))

    checkout = trees(tmp_path, runner).lay_out(GIT, tmp_path / "source", name="spam")

    assert checkout.epoch == 1_500_000_000
    header = base64.b64encode(b"user:canary").decode()
    told = [asked for asked in runner.asked if header in str(asked.env)]
    assert [asked.argv[1] for asked in told] == ["fetch", "submodule"]
    assert told[0].env["GIT_CONFIG_KEY_0"] == "http.https://git.test/spam.git.extraHeader"
    assert "canary" not in str([asked.argv for asked in runner.asked])
    assert all(asked.env["GIT_TERMINAL_PROMPT"] == "0" for asked in runner.asked)


@pytest.mark.parametrize("command", ["fetch", "submodule"])
def test_a_repository_that_cannot_be_had_is_told_without_its_password(
    tmp_path: Path, command: str
) -> None:
    runner = FakeRunner(answer=Git(broken=command, submodules=True))

    with pytest.raises(IndexUnavailableError) as caught:
        trees(tmp_path, runner).lay_out(GIT, tmp_path / "source", name="spam")

    assert str(caught.value) == (
        "https://git.test/spam.git: spam: the repository cannot be fetched\n"
        "  fatal: https://****:****@git.test/spam.git: no"
    )


def test_a_checkout_that_fails_is_told(tmp_path: Path) -> None:
    runner = FakeRunner(answer=Git(broken="checkout"))

    with pytest.raises(BuildError, match="spam: git checkout failed"):
        trees(tmp_path, runner).lay_out(GIT, tmp_path / "source", name="spam")


def test_another_commit_is_refused(tmp_path: Path) -> None:
    runner = FakeRunner(answer=Git(head="d" * 40))

    with pytest.raises(BuildError) as caught:
        trees(tmp_path, runner).lay_out(GIT, tmp_path / "source", name="spam")

    assert str(caught.value) == f"spam: git checked out {'d' * 40}, not {COMMIT}"
