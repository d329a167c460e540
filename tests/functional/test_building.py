"""What has no wheel is built: from archives, commits and folders, alone and the same every time."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from envbuild.emit.bundle import Bundle
from envbuild.errors import BuildError, EnvbuildError, IndexUnavailableError
from envbuild.fs import sha256_file
from envbuild.locking.context import Context
from envbuild.options import ExportOptions
from tests.support.contexts import context_of
from tests.support.exporting import Site, package, this_python
from tests.support.index import Index
from tests.support.projects import project_files, source_archive

HERE = "linux-64" if platform.machine() == "x86_64" else "linux-aarch64"
MINOR = "".join(platform.python_version_tuple()[:2])


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with Index() as index:
        yield Site(folder=tmp_path, index=index)


def context_with_sdist(site: Site, *, version: str = "1.0", **choices: str) -> Context:
    sdist = source_archive("spam", version, project_files("spam", version, **choices))
    site.index.add(sdist)
    return site.context(package(site.index, sdist))


def failure(site: Site, context: Context, options: ExportOptions | None = None) -> str:
    with pytest.raises(EnvbuildError) as caught:
        site.export(context, options=options)
    assert not (site.folder / "bundle").exists()
    return str(caught.value)


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments],
        cwd=folder,
        env={
            "PATH": "/usr/bin:/bin",
            "GIT_COMMITTER_DATE": "2020-02-02T02:02:02Z",
            "HOME": str(folder),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def repository(folder: Path, *, inner: str = "") -> str:
    """A repository with a project in it; its commit."""
    root = folder / inner
    root.mkdir(parents=True)
    for name, text in project_files("spam").items():
        (root / name).write_text(text)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "one")
    return git(folder, "rev-parse", "HEAD")


def vcs_entry(folder: Path, commit: str, *, also: str = "") -> str:
    return (
        '[[packages]]\nname = "spam"\n'
        f'vcs = {{ type = "git", url = "{folder.as_uri()}", commit-id = "{commit}"{also} }}\n'
    )


def only_wheel(bundle: Bundle) -> Path:
    (built,) = bundle.built
    return bundle.path / built.file


def test_an_sdist_becomes_a_wheel_with_its_reason_in_the_manifest(site: Site) -> None:
    bundle = site.export(context_with_sdist(site))

    (entry,) = json.loads((bundle.path / "manifest.json").read_text())["packages"]
    wheel = bundle.path / "wheels/spam-1.0-py3-none-any.whl"
    assert entry["sha256"] == sha256_file(wheel)
    assert entry["source"]["kind"] == "sdist"
    assert entry["built"] == {
        "because": f"no wheel for Python {this_python()} on {HERE}",
        "builder": f"local cp{MINOR}",
        "requirements": [],
        "libraries": [],
        "glibc": None,
    }
    assert (
        f"spam==1.0 \\\n    --hash=sha256:{sha256_file(wheel)}\n"
        in (bundle.path / "requirements.txt").read_text()
    )


def test_a_build_is_the_same_every_time(site: Site) -> None:
    context = context_with_sdist(site)
    first = only_wheel(site.export(context, "first"))

    again = only_wheel(
        site.export(context, "second", environ={"ENVBUILD_CACHE_DIR": str(site.folder / "other")})
    )

    assert first.read_bytes() == again.read_bytes()
    with zipfile.ZipFile(first) as archive:
        assert archive.namelist()[-1] == "spam-1.0.dist-info/RECORD"
        assert {info.date_time for info in archive.infolist()} == {(2017, 7, 14, 2, 40, 0)}


def test_a_build_is_not_done_again(site: Site) -> None:
    marker = site.folder / "builds"
    extra = f"open({str(marker)!r}, 'a').write('x')"
    context = context_with_sdist(site, extra=extra)

    site.export(context, "first")
    site.export(context, "second")

    assert marker.read_text() == "x"


def test_a_build_sees_no_secret_and_no_home(site: Site) -> None:
    seen = site.folder / "seen"
    extra = (
        "import json\n"
        f"open({str(seen)!r}, 'w').write(json.dumps([dict(os.environ), "
        "os.listdir(os.path.expanduser('~'))]))"
    )

    site.export(
        context_with_sdist(site, extra=extra),
        environ={"AWS_SECRET_ACCESS_KEY": "canary", "UV_INDEX_URL": "https://u:canary@host/simple"},
    )

    environ, home = json.loads(seen.read_text())
    assert "canary" not in seen.read_text()
    assert home == []
    assert environ["SOURCE_DATE_EPOCH"] == "1500000000"
    assert environ["HOME"] != str(site.folder / "home")


def test_a_commit_is_checked_out_and_built(site: Site) -> None:
    folder = site.folder / "repository"
    commit = repository(folder)
    (folder / "backend.py").write_text("raise SystemExit('a later commit')")
    git(folder, "commit", "-q", "-a", "-m", "two")

    bundle = site.export(site.context(vcs_entry(folder, commit)))

    (entry,) = json.loads((bundle.path / "manifest.json").read_text())["packages"]
    assert entry["version"] == "1.0"
    assert entry["source"] == {
        "kind": "git",
        "from": f"git+{folder.as_uri()}@{commit}",
        "commit": commit,
    }
    with zipfile.ZipFile(only_wheel(bundle)) as archive:
        assert archive.infolist()[0].date_time == (2020, 2, 2, 2, 2, 2)


def test_a_commit_in_the_cache_needs_no_repository(site: Site) -> None:
    folder = site.folder / "repository"
    context = site.context(vcs_entry(folder, repository(folder)))
    site.export(context, "first")
    folder.rename(site.folder / "gone")

    site.export(context, "second")


def test_a_subdirectory_of_a_repository_is_built(site: Site) -> None:
    folder = site.folder / "repository"
    commit = repository(folder, inner="python/spam")

    bundle = site.export(
        site.context(vcs_entry(folder, commit, also=', subdirectory = "python/spam"'))
    )

    assert [package.name for package in bundle.built] == ["spam"]


def test_a_lost_commit_names_the_repository(site: Site) -> None:
    folder = site.folder / "repository"
    repository(folder)

    with pytest.raises(IndexUnavailableError) as caught:
        site.export(site.context(vcs_entry(folder, "f" * 40)))

    assert str(caught.value) == (
        f"{folder.as_uri()}: spam: the repository no longer has the commit {'f' * 40}\n"
        "  try: envbuild lock --upgrade-package spam"
    )


def test_a_folder_of_the_context_is_built(site: Site) -> None:
    files = {f"files/spam/{name}": text for name, text in project_files("spam").items()}
    entry = '[[packages]]\nname = "spam"\ndirectory = { path = "files/spam" }\n'
    context = context_of(site.folder / "context", site.lock(entry), files=files)

    bundle = site.export(context)

    assert only_wheel(bundle).name == "spam-1.0-py3-none-any.whl"
    assert not (bundle.path / "files").exists()


def test_a_failed_build_keeps_its_log_and_names_what_is_missing(site: Site) -> None:
    extra = (
        "print('spam.c:3:10: fatal error: libpq-fe.h: No such file or directory')\n"
        "raise SystemExit(3)"
    )
    context = context_with_sdist(site, extra=extra)

    message = failure(site, context)

    lines = message.splitlines()
    assert lines[:2] == [
        "spam cannot be built",
        "  the header libpq-fe.h is missing (Debian: libpq-dev)",
    ]
    assert lines[-1] == "  try: --builder docker"
    log = Path(lines[-2].removeprefix("  log: "))
    assert "fatal error: libpq-fe.h" in log.read_text()


def test_a_wheel_of_another_version_is_refused(site: Site) -> None:
    context = context_with_sdist(site, makes="1.1")

    message = failure(site, context)

    assert message.startswith("the build of spam 1.0 made spam-1.1-py3-none-any.whl\n")


def test_every_failed_build_is_told(site: Site) -> None:
    files = [
        source_archive(name, "1.0", project_files(name, extra="raise SystemExit(1)"))
        for name in ("eggs", "spam")
    ]
    site.index.add(*files)
    context = site.context(*(package(site.index, file) for file in files))

    message = failure(site, context)

    assert "eggs cannot be built" in message
    assert "spam cannot be built" in message


def test_a_pure_build_needs_no_interpreter_of_the_target(site: Site) -> None:
    context = context_with_sdist(site)
    other = "3.6.15" if sys.version_info[:2] != (3, 6) else "3.7.1"
    (lock,) = context.locks.values()
    context = site.context_for(lock, python=other, name="other")

    bundle = site.export(context, options=ExportOptions(), environ={"PATH": "/usr/bin:/bin"})

    (entry,) = json.loads((bundle.path / "manifest.json").read_text())["packages"]
    assert entry["built"]["builder"] == "local any Python"


def test_a_compiled_build_for_another_machine_asks_for_docker(site: Site) -> None:
    other = "linux-aarch64" if HERE == "linux-64" else "linux-64"
    machine = {"linux-aarch64": "aarch64", "linux-64": "x86_64"}[other]
    tag = f"cp{MINOR}-cp{MINOR}-linux_{machine}"
    sdist = source_archive("spam", "1.0", project_files("spam", tag=tag))
    site.index.add(sdist)
    context = site.context_for(site.lock(package(site.index, sdist)), platform=other)

    message = failure(site, context, ExportOptions())

    assert message.splitlines()[0] == (
        f"spam-1.0-{tag}.whl does not run on Python {this_python()} on {other}"
    )
    assert message.splitlines()[-1] == "  try: --builder docker, or --python-exe"


def test_build_requirements_that_no_index_has_are_named(site: Site) -> None:
    files = project_files("spam")
    files["pyproject.toml"] = files["pyproject.toml"].replace("[]", '["nowhere>=1"]')
    sdist = source_archive("spam", "1.0", files)
    site.index.add(sdist)
    context = site.context(package(site.index, sdist, also=f'index = "{site.index.url}"\n'))

    message = failure(site, context)

    assert "spam: its build requirements cannot be had as wheels" in message
    assert "it asks for nowhere>=1" in message


def test_a_wrong_interpreter_is_refused(site: Site) -> None:
    with pytest.raises(EnvbuildError, match="/bin/sh is not a CPython that runs"):
        site.export(context_with_sdist(site), options=ExportOptions(python_exe="/bin/sh"))


def test_a_source_that_is_no_project_is_refused(site: Site) -> None:
    sdist = source_archive("spam", "1.0", {"README": "nothing"})
    site.index.add(sdist)

    with pytest.raises(BuildError) as caught:
        site.export(site.context(package(site.index, sdist)))

    assert str(caught.value) == "spam: there is neither pyproject.toml nor setup.py in it"
