"""The password of an index reaches that index and nothing else: no file, message or archive."""

from __future__ import annotations

import gzip
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from envbuild.errors import EnvbuildError
from envbuild.locking.context import Context
from envbuild.options import ExportOptions
from tests.support.exporting import Site, package
from tests.support.index import Index, wheel
from tests.support.projects import project_files, source_archive

CANARY = "canary-4f1c"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with Index(credentials=("user", CANARY)) as index:
        yield Site(folder=tmp_path, index=index)


def private_context(site: Site, *, extra: str = "pass") -> Context:
    """A wheel, and an sdist whose build needs another wheel, all behind the password."""
    files = project_files("spam", extra=extra)
    files["pyproject.toml"] = files["pyproject.toml"].replace("[]", '["helper>=1"]')
    eggs, sdist = wheel("eggs", "1.0"), source_archive("spam", "1.0", files)
    site.index.add(eggs, sdist, wheel("helper", "1.0"))
    also = f'index = "{site.index.url}"\n'
    return site.context(package(site.index, eggs, also=also), package(site.index, sdist, also=also))


def with_password(site: Site) -> ExportOptions:
    return ExportOptions(index_url=site.index.url_with_credentials)


def contents(path: Path) -> Iterator[bytes]:
    """The bytes of a file, and of what is packed in it."""
    data = path.read_bytes()
    yield data
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            yield from (archive.read(name) for name in archive.namelist())
    elif data.startswith(b"\x1f\x8b"):
        yield gzip.decompress(data)
    elif tarfile.is_tarfile(path):
        with tarfile.open(path) as tar:
            for member in tar:
                stream = tar.extractfile(member)
                yield stream.read() if stream else b""


def leaks(folder: Path) -> list[str]:
    return [
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if CANARY in path.name
        or (path.is_file() and any(CANARY.encode() in data for data in contents(path)))
    ]


@pytest.mark.parametrize("output", ["bundle", "bundle.tar", "bundle.tar.gz"])
def test_a_whole_export_leaves_no_trace_of_the_password(site: Site, output: str) -> None:
    bundle = site.export(private_context(site), output, options=with_password(site))

    assert [package.name for package in bundle.built] == ["spam"]
    assert leaks(site.folder) == []


def test_a_netrc_serves_as_well(site: Site) -> None:
    context = private_context(site)
    (site.ambient().home / ".netrc").write_text(f"machine 127.0.0.1 login user password {CANARY}\n")

    bundle = site.export(context)

    assert len(bundle.packages) == 2
    assert leaks(site.folder) == ["home/.netrc"]


def refuse_files(site: Site) -> None:
    site.index.failures["/files/eggs"] = 404


def refuse_pages(site: Site) -> None:
    site.index.failures["/simple/helper"] = 500


def refuse_helper(site: Site) -> None:
    site.index.failures["/files/helper"] = 403


def other_bytes(site: Site) -> None:
    site.index.add(wheel("eggs", "1.0", files={"other.py": ""}))


@pytest.mark.parametrize("spoil", [refuse_files, refuse_pages, refuse_helper, other_bytes])
def test_a_failure_says_nothing_of_the_password(site: Site, spoil: Callable[[Site], None]) -> None:
    context = private_context(site)
    spoil(site)

    with pytest.raises(EnvbuildError) as caught:
        site.export(context, options=with_password(site))

    told = [str(caught.value), repr(caught.value), repr(caught.value.__dict__)]
    assert CANARY not in "".join(told)
    assert leaks(site.folder) == []


def test_a_failed_build_says_nothing_of_the_password(site: Site) -> None:
    extra = "print(sorted(os.environ.items()))\nraise SystemExit(1)"
    context = private_context(site, extra=extra)

    with pytest.raises(EnvbuildError) as caught:
        site.export(context, options=with_password(site))

    assert "log: " in str(caught.value)
    assert CANARY not in str(caught.value)
    assert leaks(site.folder) == []


def test_a_wrong_password_is_not_repeated(site: Site) -> None:
    context = private_context(site)
    wrong = site.index.url.replace("http://", f"http://user:{CANARY}-wrong@")

    with pytest.raises(EnvbuildError) as caught:
        site.export(context, options=ExportOptions(index_url=wrong))

    assert "401" in str(caught.value)
    assert CANARY not in str(caught.value)
    assert leaks(site.folder) == []
