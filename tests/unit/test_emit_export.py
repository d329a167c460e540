"""Whole exports of local wheels: no program, no connection, and always the same bytes."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from packaging.version import Version

from envbuild.ambient import Ambient
from envbuild.emit.bundle import Bundle
from envbuild.emit.export import export
from envbuild.emit.tools import Tool
from envbuild.errors import IntegrityError, LockFileError
from envbuild.fetch.cache import ArtefactCache
from envbuild.fetch.download import Artefact
from envbuild.fs import sha256_file
from envbuild.locking.canonical import PlatformLock
from envbuild.locking.context import Context, read_context
from envbuild.options import ExportOptions
from tests.support.contexts import context_of, lock_of
from tests.support.index import Distribution, wheel


def stored(file: Distribution) -> Distribution:
    """The same wheel without compression, whose bytes differ between releases of zlib."""
    data = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(file.data)) as source,
        zipfile.ZipFile(data, "w", zipfile.ZIP_STORED) as target,
    ):
        for name in source.namelist():
            target.writestr(zipfile.ZipInfo(name), source.read(name))
    return replace(file, data=data.getvalue())


TOOLS = tuple(
    stored(wheel(name, version))
    for name, version in (("pip", "24.0"), ("setuptools", "68.0.0"), ("wheel", "0.42.0"))
)
SPAM = stored(wheel("spam", "1.0", files={"spam.py": "VERSION = 1\n"}))
BOTH = ("linux-64", "linux-aarch64")


def toolbox(_: Version, conda: str = "") -> tuple[Tool, ...]:
    return tuple(
        Tool(
            name=file.project,
            version=file.version,
            file=file.filename,
            artefact=Artefact(
                name=file.project,
                url=f"https://files.test/{file.filename}",
                sha256=file.sha256,
            ),
        )
        for file in TOOLS
    )


def entry(file: Distribution, folder: str = "files") -> str:
    return (
        f'[[packages]]\nname = "{file.project}"\nversion = "{file.version}"\n'
        f'archive = {{ path = "{folder}/{file.filename}", '
        f'hashes = {{ sha256 = "{file.sha256}" }} }}\n'
    )


def lock(*files: Distribution, platform: str = "linux-64", python: str = "3.7.11") -> PlatformLock:
    packages = "".join(entry(file, f"files/{platform}") for file in files)
    return lock_of(packages, platform=platform, python=python, glibc=(2, 28))


def context(folder: Path, *locks: PlatformLock, files: dict[str, Distribution]) -> Context:
    return context_of(
        folder / "context",
        *locks,
        files={f"files/{name}": file.data for name, file in files.items()},
    )


def ambient(folder: Path) -> Ambient:
    """With the tools in the cache already."""
    made = Ambient(environ={"ENVBUILD_CACHE_DIR": str(folder / "cache")}, home=folder, cwd=folder)
    for tool in TOOLS:
        ArtefactCache.of(made).add_bytes(tool.data)
    return made


def do_export(
    folder: Path, made: Context, output: str = "bundle", options: ExportOptions | None = None
) -> Bundle:
    return export(
        made,
        folder / output,
        ambient=ambient(folder),
        options=options or ExportOptions(offline=True),
        toolbox=toolbox,
    )


def one_wheel(folder: Path) -> Context:
    return context(folder, lock(SPAM), files={f"linux-64/{SPAM.filename}": SPAM})


def test_the_same_lock_gives_the_same_bytes_on_any_host(tmp_path: Path) -> None:
    """A snapshot of a whole archive. It changes with the release and with every byte of a bundle's
    own files; when that is meant, put the new hash here.
    """
    bundle = do_export(tmp_path, one_wheel(tmp_path), "bundle.tar")

    assert (
        sha256_file(bundle.path)
        == "6cca705e3b81121dd835cae55d04ec0440ac499513d2c2bc7d8ab1b39d7e6a1b"
    )


def test_several_platforms_share_one_bundle(tmp_path: Path) -> None:
    arm = wheel("eggs", "1.0", tag="cp37-cp37m-manylinux2014_aarch64")
    made = context(
        tmp_path,
        lock(SPAM),
        lock(SPAM, arm, platform="linux-aarch64"),
        files={
            f"linux-64/{SPAM.filename}": SPAM,
            f"linux-aarch64/{SPAM.filename}": SPAM,
            f"linux-aarch64/{arm.filename}": arm,
        },
    )

    bundle = do_export(tmp_path, made)

    assert bundle.platforms == BOTH
    names = {path.name for path in bundle.path.iterdir()}
    assert {"pylock.linux-64.toml", "requirements.linux-aarch64.txt"} <= names
    packages = {str(package.name): package.platforms for package in bundle.packages}
    assert packages == {"eggs": ("linux-aarch64",), "spam": BOTH}
    manifest = json.loads((bundle.path / "manifest.json").read_text())
    assert manifest["platforms"][1] == {
        "platform": "linux-aarch64",
        "system": "Linux",
        "machine": "aarch64",
        "python": "3.7.11",
        "glibc": "2.28",
        "lock": "pylock.linux-aarch64.toml",
        "requirements": "requirements.linux-aarch64.txt",
        "tools": "tools/requirements.linux-aarch64.txt",
        "pip": "pip-24.0-py3-none-any.whl",
    }


def test_one_of_several_platforms_is_a_bundle_of_its_own(tmp_path: Path) -> None:
    made = context(
        tmp_path,
        lock(SPAM),
        lock(SPAM, platform="linux-aarch64"),
        files={f"{platform}/{SPAM.filename}": SPAM for platform in BOTH},
    )

    bundle = do_export(
        tmp_path, made, options=ExportOptions(offline=True, platforms=("linux-aarch64",))
    )

    assert bundle.platforms == ("linux-aarch64",)
    assert list(read_context(bundle.path).locks) == ["linux-aarch64"]


def test_different_files_of_one_name_need_two_bundles(tmp_path: Path) -> None:
    other = wheel("spam", "1.0", files={"spam.py": "VERSION = 2\n"})
    made = context(
        tmp_path,
        lock(SPAM),
        lock(other, platform="linux-aarch64"),
        files={f"linux-64/{SPAM.filename}": SPAM, f"linux-aarch64/{other.filename}": other},
    )

    with pytest.raises(LockFileError) as caught:
        do_export(tmp_path, made)

    assert str(caught.value) == (
        "two platforms have different files called spam-1.0-py3-none-any.whl\n"
        "  try: one bundle for each platform: envbuild export --platform"
    )


def test_platforms_with_different_pythons_need_two_bundles(tmp_path: Path) -> None:
    made = context(tmp_path, lock(), lock(platform="linux-aarch64", python="3.8.1"), files={})

    with pytest.raises(LockFileError) as caught:
        do_export(tmp_path, made)

    assert str(caught.value) == "the platforms of the context have different Pythons"


def test_a_file_of_the_context_that_has_changed_is_refused(tmp_path: Path) -> None:
    made = one_wheel(tmp_path)
    (made.path / f"files/linux-64/{SPAM.filename}").write_bytes(b"other")

    with pytest.raises(IntegrityError, match="spam is not the file that was locked"):
        do_export(tmp_path, made)

    assert not (tmp_path / "bundle").exists()


def test_a_carried_file_that_leads_outside_stays_there(tmp_path: Path) -> None:
    made = one_wheel(tmp_path)
    (made.path / "score.py").unlink()
    (made.path / "score.py").symlink_to("/etc/hostname")

    bundle = do_export(tmp_path, made)

    assert not (bundle.path / "score.py").exists()
