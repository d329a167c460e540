"""Bundles on their way: archives, parts of a size, differences over an air gap."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from envbuild.emit.archive import extract, read_member
from envbuild.emit.bundle import check_files
from envbuild.emit.delta import apply_delta
from envbuild.emit.parts import parse_size, part_names
from envbuild.errors import IntegrityError, LockFileError, OutputError, UsageError
from envbuild.fs import sha256_file
from envbuild.options import ExportOptions
from tests.support.environments import scrubbed
from tests.support.exporting import Site, package
from tests.support.index import Index, wheel


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with Index() as index:
        yield Site(folder=tmp_path, index=index)


def entries(site: Site, *names: str) -> list[str]:
    files = [wheel(name, "1.0") for name in names]
    site.index.add(*files)
    return [package(site.index, file) for file in files]


def tree(folder: Path) -> dict[str, tuple[str, int]]:
    return {
        path.relative_to(folder).as_posix(): (sha256_file(path), path.stat().st_mode & 0o777)
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_parts_join_to_the_archive(site: Site) -> None:
    context = site.context(*entries(site, "spam"))
    whole = site.export(context, "whole.tar").path

    site.export(context, "b.tar", options=ExportOptions(split=1 << 19))

    parts = part_names(site.folder / "b.tar")
    assert [part.name for part in parts[:2]] == ["b.tar.001", "b.tar.002"]
    assert {part.stat().st_size for part in parts[:-1]} == {1 << 19}
    assert b"".join(part.read_bytes() for part in parts) == whole.read_bytes()
    assert not (site.folder / "b.tar").exists()
    checked = subprocess.run(
        ["sha256sum", "--check", "--strict", "b.tar.sha256"],
        cwd=site.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (checked.returncode, checked.stderr) == (0, "")
    assert (
        (site.folder / "b.tar.sha256")
        .read_text()
        .endswith(
            "# cat b.tar.[0-9]* > b.tar\n"
            f"# {hashlib.sha256(whole.read_bytes()).hexdigest()}  b.tar\n"
        )
    )


def test_parts_of_an_earlier_run_are_replaced(site: Site) -> None:
    context = site.context(*entries(site, "spam"))
    site.export(context, "b.tar", options=ExportOptions(split=1 << 17))
    before = len(part_names(site.folder / "b.tar"))

    site.export(context, "b.tar", options=ExportOptions(split=1 << 20))

    parts = part_names(site.folder / "b.tar")
    assert len(parts) < before
    assert len((site.folder / "b.tar.sha256").read_text().splitlines()) == len(parts) + 2


def test_a_folder_cannot_be_split(site: Site) -> None:
    with pytest.raises(UsageError) as caught:
        site.export(site.context(), options=ExportOptions(split=1 << 20))

    assert str(caught.value) == "only an archive can be split\n  try: -o NAME.tar"


@pytest.mark.parametrize(
    ("text", "size"),
    [("65536", 65536), ("64K", 65536), ("650M", 681574400), ("4g", 4 << 30), ("1GiB", 1 << 30)],
)
def test_sizes_are_read_as_split_reads_them(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "0", "1K", "-4G", "4 apples", "4.5G", "٤٠٠٠٠٠"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_size(text)

    assert str(caught.value) == f"{text!r} is not a size of 64K or more, such as 650M or 4G"


@pytest.mark.parametrize("form", ["folder", "archive", "sums"])
def test_a_difference_makes_the_new_bundle_byte_for_byte(site: Site, form: str) -> None:
    both = entries(site, "eggs", "spam")
    older = site.export(site.context(both[0]), "older")
    newer = site.context(*both, name="newer-context")
    expected = site.export(newer, "expected").path
    other = {
        "folder": older.path,
        "archive": site.export(site.context(both[0]), "older.tar.gz").path,
        "sums": older.path / "SHA256SUMS",
    }[form]

    delta = site.export(newer, "delta", options=ExportOptions(diff=other)).path

    carried = {path.name for path in (delta / "files").iterdir()}
    assert sha256_file(expected / "wheels/spam-1.0-py3-none-any.whl") in carried
    assert sha256_file(expected / "wheels/eggs-1.0-py3-none-any.whl") not in carried
    done = subprocess.run(
        [sys.executable, "-I", delta / "apply.py", older.path, "made"],
        cwd=site.folder,
        env=scrubbed(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "made made\n", "")
    assert tree(site.folder / "made") == tree(expected)
    check_files(site.folder / "made")


def test_a_difference_is_small(site: Site) -> None:
    """No tools, no wheels that are there already: what changed, its checksums, and apply.py."""
    both = entries(site, "eggs", "spam")
    site.export(site.context(*both), "older")

    delta = site.export(
        site.context(*both), "delta", options=ExportOptions(diff=site.folder / "older")
    ).path

    assert sorted(path.name for path in delta.iterdir()) == ["apply.py", "delta.json", "files"]
    sums = site.folder / "older/SHA256SUMS"
    assert [path.name for path in (delta / "files").iterdir()] == [sha256_file(sums)]


@pytest.fixture
def delta(site: Site) -> Path:
    both = entries(site, "eggs", "spam")
    site.export(site.context(both[0]), "older")
    newer = site.context(*both, name="newer-context")
    return site.export(newer, "delta", options=ExportOptions(diff=site.folder / "older")).path


def spoil_delta(site: Site) -> None:
    for path in (site.folder / "delta/files").iterdir():
        path.unlink()
        path.write_bytes(b"other")


def spoil_summary(site: Site) -> None:
    (site.folder / "delta/delta.json").write_text("[]")


def spoil_older(site: Site) -> None:
    path = site.folder / "older/wheels/eggs-1.0-py3-none-any.whl"
    path.unlink()
    path.write_bytes(b"other")


def lose_older(site: Site) -> None:
    (site.folder / "older/SHA256SUMS").unlink()


def other_older(site: Site) -> None:
    (site.folder / "older/SHA256SUMS").write_text("")


def hostile_older(site: Site) -> None:
    (site.folder / "older/SHA256SUMS").write_text(f"{'0' * 64}  ../../etc/passwd\n")


def output_exists(site: Site) -> None:
    (site.folder / "made").mkdir()


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (spoil_delta, "expected sha256"),
        (spoil_summary, "delta.json cannot be understood"),
        (spoil_older, "expected sha256"),
        (lose_older, "SHA256SUMS cannot be read"),
        (other_older, "is neither in the difference nor in"),
        (hostile_older, "SHA256SUMS cannot be understood"),
        (output_exists, "exists; name a new folder"),
    ],
)
def test_a_difference_that_does_not_fit_makes_nothing(
    site: Site, delta: Path, spoil: Callable[[Site], None], reason: str
) -> None:
    spoil(site)

    with pytest.raises(IntegrityError, match=reason):
        apply_delta(delta, site.folder / "older", site.folder / "made")

    assert spoil is output_exists or not (site.folder / "made").exists()
    assert not list(site.folder.glob(".envbuild-*"))


def test_the_program_says_why_it_made_nothing(site: Site, delta: Path) -> None:
    done = subprocess.run(
        [sys.executable, delta / "apply.py", site.folder / "nowhere", site.folder / "made"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert done.stderr.startswith("apply.py: ")
    assert done.stderr.endswith("nothing was made\n")


def test_what_is_not_a_bundle_cannot_be_compared_with(site: Site) -> None:
    with pytest.raises(LockFileError, match="not a bundle: SHA256SUMS"):
        site.export(site.context(), options=ExportOptions(diff=site.folder / "nowhere"))
    (site.folder / "text").write_text("hello\n")
    with pytest.raises(LockFileError, match="the other bundle's SHA256SUMS cannot be understood"):
        site.export(site.context(), options=ExportOptions(diff=site.folder / "text"))


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz", ".tgz", ".tar.zst"])
def test_an_archive_unpacks_to_the_bundle(site: Site, suffix: str) -> None:
    archive = site.export(site.context(*entries(site, "spam")), f"bundle{suffix}").path

    folder = extract(archive, site.folder / "unpacked")

    check_files(folder)
    assert read_member(archive, "score.py") == (folder / "score.py").read_bytes()


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type = kind
    made.linkname = link
    return made


@pytest.mark.parametrize(
    "hostile",
    [
        member("bundle/../../outside"),
        member("/etc/outside"),
        member("elsewhere/file"),
        member("bundle"),
        member("bundle/a\\b"),
        member("bundle/link", tarfile.SYMTYPE, "/etc/passwd"),
        member("bundle/link", tarfile.LNKTYPE, "bundle/score.py"),
        member("bundle/device", tarfile.CHRTYPE),
        member("bundle/pipe", tarfile.FIFOTYPE),
    ],
    ids=lambda made: f"{made.name} {made.type!r}",
)
def test_hostile_members_are_refused(tmp_path: Path, hostile: tarfile.TarInfo) -> None:
    archive = tmp_path / "bundle.tar"
    with tarfile.open(archive, "w") as tar:
        tar.addfile(member("bundle/score.py"), io.BytesIO())
        tar.addfile(hostile, io.BytesIO())

    with pytest.raises(LockFileError) as caught:
        extract(archive, tmp_path / "unpacked")

    assert str(caught.value) == (
        f"{archive}: {hostile.name!r} has no place in a bundle\n  try: the archive as it was made"
    )


def test_a_name_twice_in_an_archive_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "bundle.tar"
    with tarfile.open(archive, "w") as tar:
        tar.addfile(member("bundle/score.py"), io.BytesIO())
        tar.addfile(member("bundle/score.py"), io.BytesIO())

    with pytest.raises(LockFileError, match="has no place in a bundle"):
        extract(archive, tmp_path / "unpacked")


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz", ".tar.zst"])
@pytest.mark.parametrize("data", [b"", b"hello" * 1000], ids=["empty", "text"])
def test_what_is_no_archive_is_refused(tmp_path: Path, suffix: str, data: bytes) -> None:
    archive = tmp_path / f"bundle{suffix}"
    archive.write_bytes(data)

    with pytest.raises(LockFileError):
        read_member(archive, "manifest.json")


@pytest.mark.parametrize("suffix", [".tar.gz", ".tar.zst"])
def test_a_truncated_archive_is_refused(site: Site, suffix: str) -> None:
    archive = site.export(site.context(*entries(site, "spam")), f"bundle{suffix}").path
    archive.write_bytes(archive.read_bytes()[:-1000])

    with pytest.raises(LockFileError, match="the archive cannot be read"):
        extract(archive, site.folder / "unpacked")


def test_unpacking_over_something_is_refused(site: Site) -> None:
    archive = site.export(site.context(), "bundle.tar").path
    extract(archive, site.folder / "unpacked")

    with pytest.raises(OutputError, match="cannot unpack: File exists"):
        extract(archive, site.folder / "unpacked")


def test_a_folder_that_cannot_be_written_is_named(site: Site) -> None:
    with pytest.raises(OutputError) as caught:
        site.export(site.context(), "/proc/nowhere/bundle")

    assert str(caught.value).endswith("  try: another place with -o")


def test_a_full_disk_leaves_nothing(site: Site) -> None:
    small = site.folder / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "none", small], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("mounting needs root")
    try:
        for output in ("small/bundle", "small/bundle.tar"):
            with pytest.raises(OutputError, match="No space left on device"):
                site.export(site.context(*entries(site, "spam")), output)
            assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", small], check=True)
