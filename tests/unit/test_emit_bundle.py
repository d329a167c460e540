"""Manifests: read back as written, refused when they are something else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from envbuild.emit.bundle import parse_manifest, read_bundle
from envbuild.emit.content import Content, Entry, checksums
from envbuild.errors import LockFileError, OutputError

MANIFEST: dict[str, Any] = {
    "format": 1,
    "made_by": "envbuild 0.1.0",
    "model": "spam",
    "server": "azureml-online",
    "runtime": "pip",
    "base_image": "python:3.7.11-slim",
    "input_digest": "0" * 64,
    "platforms": [{"platform": "linux-64"}],
    "packages": [
        {
            "name": name,
            "version": "1.0",
            "file": f"wheels/{name}-1.0-py3-none-any.whl",
            "sha256": "a" * 64,
            "size": size,
            "platforms": ["linux-64"],
            "built": built,
        }
        for name, size, built in (("eggs", 7, None), ("spam", 5, {"because": "no wheel"}))
    ],
}


def written(**changes: Any) -> bytes:
    return json.dumps({**MANIFEST, **changes}).encode()


def test_a_manifest_says_what_is_in_the_bundle() -> None:
    bundle = parse_manifest(written(), path=Path("bundle"))

    assert (bundle.model_name, bundle.server, bundle.platforms) == (
        "spam",
        "azureml-online",
        ("linux-64",),
    )
    assert bundle.size == 12
    assert [str(package.name) for package in bundle.built] == ["spam"]


def test_what_a_later_release_adds_is_ignored() -> None:
    assert parse_manifest(written(sbom="sbom.json"), path=Path("b")).model_name == "spam"


@pytest.mark.parametrize("data", [b"[]", b"{}", b'{"name": "spam"}', b'"format"'])
def test_other_json_is_no_manifest(data: bytes) -> None:
    with pytest.raises(LockFileError) as caught:
        parse_manifest(data, path=Path("bundle"))

    assert str(caught.value) == (
        "bundle/manifest.json: this is not the manifest of an envbuild bundle"
    )


def test_a_later_format_asks_for_a_later_envbuild() -> None:
    with pytest.raises(LockFileError) as caught:
        parse_manifest(written(format=2), path=Path("bundle"))

    assert str(caught.value) == (
        "bundle/manifest.json: the bundle has format 2; this envbuild reads 1\n"
        "  try: a newer envbuild"
    )


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b'{"format": 1}',
        written(packages=[{}]),
        written(packages=3),
        written(platforms=["linux-64"]),
        written(packages=[{**MANIFEST["packages"][0], "version": "one"}]),
        written(packages=[{**MANIFEST["packages"][0], "size": None}]),
        written(packages=[{**MANIFEST["packages"][0], "name": 1}]),
    ],
)
def test_a_broken_manifest_is_told_as_such(data: bytes) -> None:
    with pytest.raises(LockFileError, match="the manifest cannot be understood"):
        parse_manifest(data, path=Path("bundle"))


def test_a_folder_without_a_manifest_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(LockFileError) as caught:
        read_bundle(tmp_path)

    assert str(caught.value) == (
        f"{tmp_path}: this is not a bundle: manifest.json: No such file or directory"
    )


def test_checksums_are_sorted_and_read_by_sha256sum() -> None:
    content: Content = {"b": Entry.of_bytes(b""), "a/c": Entry.of_bytes(b"x")}

    assert checksums(content).data == (
        b"2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881  a/c\n"
        b"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  b\n"
    )


@pytest.mark.parametrize("name", ["a\nb", "a\\b", "a\rb"])
def test_names_that_checksums_cannot_hold_are_refused(name: str) -> None:
    with pytest.raises(OutputError) as caught:
        checksums({name: Entry.of_bytes(b"")})

    assert str(caught.value) == (
        f"{name!r}: a file name with a line break or backslash cannot be bundled"
    )
