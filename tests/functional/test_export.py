"""Export against an index on loopback, and installation of what it made, without any network."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from envbuild.emit.bundle import check_files, read_bundle
from envbuild.errors import LockFileError, OutputError, UsageError
from envbuild.fs import sha256_file
from envbuild.locking.context import read_context
from envbuild.options import ExportOptions
from tests.support.environments import scrubbed
from tests.support.exporting import Site, package
from tests.support.index import Index, wheel


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with Index() as index:
        yield Site(folder=tmp_path, index=index)


def spam_and_eggs(site: Site) -> list[str]:
    files = [
        wheel(
            "spam", "1.0", requires=["eggs"], files={"spam.py": "import eggs\nTASTE = eggs.TASTE\n"}
        ),
        wheel("eggs", "2.0+local", files={"eggs.py": "TASTE = 'good'\n"}),
    ]
    site.index.add(*files)
    return [package(site.index, file) for file in sorted(files, key=lambda file: file.project)]


def tree(folder: Path) -> dict[str, tuple[str, int]]:
    """Every file with its hash and permissions."""
    return {
        path.relative_to(folder).as_posix(): (sha256_file(path), path.stat().st_mode & 0o777)
        for path in folder.rglob("*")
        if path.is_file()
    }


def install(bundle: Path, target: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run install.sh under dash, with an environment that would lead pip astray."""
    return subprocess.run(
        ["sh", str(bundle / "install.sh"), str(target), "--python", sys.executable, *arguments],
        env=scrubbed(
            PIP_INDEX_URL="http://127.0.0.1:9/simple",
            PIP_CONSTRAINT="/nowhere",
            PYTHONPATH="/nowhere",
        ),
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_bundle_installs_and_imports(site: Site) -> None:
    bundle = site.export(site.context(*spam_and_eggs(site)))

    done = install(bundle.path, site.folder / "env")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"installed in {site.folder / 'env'}\n"
    said = subprocess.run(
        [site.folder / "env/bin/python", "-c", "import spam; print(spam.TASTE)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout == "good\n"
    check_files(bundle.path)  # installing leaves no trace in the bundle


def test_a_bundle_holds_what_the_design_says(site: Site) -> None:
    bundle = site.export(site.context(*spam_and_eggs(site)))

    tools = sorted(f"tools/{file.filename}" for file in site.tool_files())
    assert sorted(tree(bundle.path)) == sorted(
        [
            ".dockerignore",
            "Dockerfile",
            "SHA256SUMS",
            "azureml/environment.yml",
            "install.py",
            "install.sh",
            "manifest.json",
            "pylock.toml",
            "requirements.txt",
            "score.py",
            *tools,
            "tools/requirements.txt",
            "wheels/eggs-2.0+local-py3-none-any.whl",
            "wheels/simple/eggs/index.html",
            "wheels/simple/index.html",
            "wheels/simple/spam/index.html",
            "wheels/spam-1.0-py3-none-any.whl",
        ]
    )
    modes = {mode for _, (_, mode) in tree(bundle.path).items()}
    assert modes == {0o644, 0o755}


def test_a_bundle_reads_back_as_a_context_of_local_wheels(site: Site) -> None:
    bundle = site.export(site.context(*spam_and_eggs(site)))

    (lock,) = read_context(bundle.path).locks.values()

    eggs, spam = lock.pylock.packages
    assert eggs.wheels
    assert spam.wheels
    assert eggs.wheels[0].path == "wheels/eggs-2.0+local-py3-none-any.whl"
    assert eggs.wheels[0].url is None
    assert spam.wheels[0].hashes["sha256"] == sha256_file(bundle.path / (spam.wheels[0].path or ""))


def test_the_same_bundle_can_be_exported_from_a_bundle(site: Site) -> None:
    first = site.export(site.context(*spam_and_eggs(site)), "first")

    second = site.export(read_context(first.path), "second")

    ours = {name for name in tree(first.path) if name.startswith("wheels/")}
    assert {name for name in tree(second.path) if name.startswith("wheels/")} == ours


def test_exporting_again_fetches_nothing_and_changes_no_byte(site: Site) -> None:
    context = site.context(*spam_and_eggs(site))
    site.export(context, "first")
    asked = len(site.index.requests)

    site.export(context, "second")

    assert len(site.index.requests) == asked
    assert tree(site.folder / "second") == tree(site.folder / "first")


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz", ".tar.zst"])
def test_an_archive_holds_the_folder_and_is_the_same_every_time(site: Site, suffix: str) -> None:
    context = site.context(*spam_and_eggs(site))
    folder = site.export(context)
    first = site.export(context, f"first{suffix}").path
    second = site.export(context, f"second{suffix}").path

    assert first.read_bytes() == second.read_bytes()
    subprocess.run(["tar", "-xf", first], cwd=site.folder / "home", check=True)
    assert tree(site.folder / "home/bundle") == tree(folder.path)


def test_plain_pip_installs_from_the_find_links_and_from_the_index_pages(site: Site) -> None:
    bundle = site.export(site.context(*spam_and_eggs(site))).path
    ways = (
        ["--no-index", "--find-links", "wheels"],
        ["--index-url", (bundle / "wheels/simple").as_uri()],
    )
    for number, way in enumerate(ways):
        target = site.folder / f"env{number}"
        subprocess.run(
            [sys.executable, "-m", "pip", "--isolated", "install", "-q", "--target", target, *way,
             "--require-hashes", "-r", "requirements.txt"],
            cwd=bundle, env=scrubbed(), check=True,
        )  # fmt: skip
        assert (target / "spam.py").exists()


def test_uv_installs_a_bundle_as_well(site: Site) -> None:
    if shutil.which("uv") is None and not (Path(sys.executable).parent / "uv").exists():
        pytest.skip("uv is not on this machine")
    bundle = site.export(site.context(*spam_and_eggs(site))).path
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

    done = subprocess.run(
        [
            "sh",
            bundle / "install.sh",
            site.folder / "env",
            "--python",
            sys.executable,
            "--installer",
            "uv",
        ],
        env=scrubbed(PATH=path),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert list((site.folder / "env").glob("lib/python*/site-packages/spam.py"))


def test_the_manifest_says_where_everything_is_from(site: Site) -> None:
    bundle = site.export(site.context(*spam_and_eggs(site)))

    manifest = json.loads((bundle.path / "manifest.json").read_text())

    eggs = manifest["packages"][0]
    assert eggs == {
        "name": "eggs",
        "version": "2.0+local",
        "file": "wheels/eggs-2.0+local-py3-none-any.whl",
        "sha256": sha256_file(bundle.path / eggs["file"]),
        "size": (bundle.path / eggs["file"]).stat().st_size,
        "platforms": list(bundle.platforms),
        "source": {"kind": "wheel", "from": site.index.file_url("eggs-2.0+local-py3-none-any.whl")},
        "built": None,
    }
    assert read_bundle(bundle.path) == bundle


def test_the_model_can_be_put_in(site: Site) -> None:
    model = site.folder / "model"
    (model / "data").mkdir(parents=True)
    (model / "MLmodel").write_text("flavors: {}\n")
    (model / "data/weights.bin").write_bytes(b"\0" * 100)

    bundle = site.export(site.context(), options=ExportOptions(model=model))

    assert (bundle.path / "model/data/weights.bin").read_bytes() == b"\0" * 100
    assert (bundle.path / "model/data/weights.bin").stat().st_ino != (
        model / "data/weights.bin"
    ).stat().st_ino  # the model must stay as it is, whatever happens to the bundle


def test_a_link_out_of_the_model_is_refused(site: Site) -> None:
    model = site.folder / "model"
    model.mkdir()
    (model / "weights").symlink_to("/etc/hostname")

    with pytest.raises(OutputError) as caught:
        site.export(site.context(), options=ExportOptions(model=model))

    assert str(caught.value) == f"{model / 'weights'}: a link leads out of the model"


def test_an_older_bundle_is_replaced(site: Site) -> None:
    site.export(site.context(*spam_and_eggs(site)))

    bundle = site.export(site.context(name="empty"))

    check_files(bundle.path)
    assert bundle.packages == ()
    assert not list(site.folder.glob(".bundle*"))


@pytest.mark.parametrize("output", ["taken", "taken.tar"])
def test_what_is_not_a_bundle_is_left_alone(site: Site, output: str) -> None:
    context = site.context()
    taken = site.folder / output
    if output == "taken":
        taken.mkdir()
        (taken / "thesis.tex").write_text("precious")
    else:
        taken.write_text("precious")

    with pytest.raises(OutputError) as caught:
        site.export(context, output)

    assert str(caught.value) == (
        f"{taken}: it exists and is not an envbuild bundle\n  try: another name with -o"
    )
    assert (taken / "thesis.tex").exists() or taken.read_text() == "precious"


def test_the_context_is_not_replaced_by_its_bundle(site: Site) -> None:
    with pytest.raises(OutputError, match="the bundle would replace its own context"):
        site.export(site.context(), "context")


def test_a_platform_without_a_lock_is_refused(site: Site) -> None:
    context = site.context()
    (has,) = context.locks

    with pytest.raises(UsageError) as caught:
        site.export(context, options=ExportOptions(platforms=("osx-64",)))

    assert str(caught.value) == (
        f"the context has no lock for osx-64\n  it has: {has}\n  try: envbuild lock --platform"
    )


def test_packages_without_a_file_for_the_target_are_named_at_once(site: Site) -> None:
    files = [
        wheel("spam", "1.0", tag="cp27-cp27m-win32"),
        wheel("eggs", "1.0", tag="cp27-none-any"),
    ]
    context = site.context(*(package(site.index, file) for file in files))

    with pytest.raises(LockFileError) as caught:
        site.export(context)

    message = str(caught.value)
    assert "2 of 2 packages cannot be exported" in message
    assert "spam: no wheel for" in message
    assert "eggs: no wheel for" in message
