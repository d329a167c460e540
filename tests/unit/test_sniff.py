"""What a file is when it is not what it is called."""

from __future__ import annotations

import pickle

import pytest

from envbuild.reading.sniff import sniff


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a Git LFS pointer"),
        (b"version https://hawser.github.com/spec/v1\n", "a Git LFS pointer"),
        *((pickle.dumps({}, protocol), "a Python pickle") for protocol in (2, 3, 4, 5)),
        (b"PK\x03\x04", "a zip archive"),
        (b"\x1f\x8b\x08", "a gzip archive"),
        (b"\x28\xb5\x2f\xfd", "a zstd archive"),
        (b"BZh9", "a bzip2 archive"),
        (b"\x89HDF\r\n", "an HDF5 file"),
        (b"\n <!DOCTYPE HTML>", "an HTML page"),
        (b"\xef\xbb\xbf<html lang='en'>", "an HTML page"),
        (b"<?xml version='1.0'?><Error/>", "an XML document"),
        (b"<Error><Code>AccessDenied</Code></Error>", "an XML document"),
        (b"import os\n", "Python source"),
        (b"#!/usr/bin/env python\n# why\n\r\nfrom a.b import c\n", "Python source"),
        (b'"""Train."""\n', "Python source"),
        (b"def f():\n", "Python source"),
        (b"class A:\n", "Python source"),
        (b"@decorator\n", "Python source"),
    ],
)
def test_a_known_kind_of_file_is_called_by_its_name(data: bytes, what: str) -> None:
    found = sniff(data)

    assert found is not None
    assert found.what == what
    assert found.remedy


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"flavors:\n  sklearn:\n",
        b"numpy==1.0\nimportlib-metadata\n",
        b"from_x: 1\n",
        b"class: a\n",
        b"defaults: a\n",
        b"# import os\n",
        b"<3: love\n",
        b"version: 3\n",
        b"{flavors: {}}",
    ],
)
def test_an_ordinary_text_is_nothing_special(data: bytes) -> None:
    assert sniff(data) is None
