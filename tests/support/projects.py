"""Projects to build without any index: their build backend lies in their own folder (PEP 517)."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping

from packaging.utils import canonicalize_name

from tests.support.index import Distribution

__all__ = ["project_files", "source_archive"]

_PYPROJECT = """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "{name}"
version = "{version}"
"""

_BACKEND = """\
import os
import random
import zipfile

NAME, VERSION, TAG = "{name}", "{version}", "{tag}"


def get_requires_for_build_wheel(config_settings=None):
    return []


def build_wheel(directory, config_settings=None, metadata_directory=None):
{extra}
    info = "%s-%s.dist-info" % (NAME, VERSION)
    files = {{
        NAME + ".py": "VERSION = %r" % VERSION,
        info + "/METADATA": "Metadata-Version: 2.1\\nName: %s\\nVersion: %s\\n" % (NAME, VERSION),
        info + "/WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: %s\\n" % TAG,
        info + "/RECORD": "",
    }}
    names = list(files)
    random.SystemRandom().shuffle(names)  # a backend that is not reproducible
    wheel = "%s-%s-%s.whl" % (NAME, VERSION, TAG)
    with zipfile.ZipFile(os.path.join(directory, wheel), "w") as archive:
        for name in names:
            archive.writestr(name, files[name])
    return wheel
"""


def project_files(
    name: str,
    version: str = "1.0",
    *,
    tag: str = "py3-none-any",
    makes: str = "",
    extra: str = "pass",
) -> dict[str, str]:
    """A project whose wheel has the version ``makes`` and the tag ``tag``.

    ``extra`` are lines of Python that run at the start of the build.
    """
    body = "".join(f"    {line}\n" for line in extra.splitlines()).rstrip("\n")
    backend = _BACKEND.format(name=name, version=makes or version, tag=tag, extra=body)
    return {
        "pyproject.toml": _PYPROJECT.format(name=name, version=version),
        "backend.py": backend,
    }


def source_archive(name: str, version: str, files: Mapping[str, str]) -> Distribution:
    """An sdist of ``files``."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        for path, text in files.items():
            member = tarfile.TarInfo(f"{name}-{version}/{path}")
            member.size = len(text.encode())
            member.mtime = 1_500_000_000
            archive.addfile(member, io.BytesIO(text.encode()))
    return Distribution(
        project=canonicalize_name(name),
        version=version,
        filename=f"{name}-{version}.tar.gz",
        data=data.getvalue(),
    )
