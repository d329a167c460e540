"""Remake ``envbuild/data/conda_pypi.toml`` from the wheel of conda-pypi.

python -m pip download --no-deps conda-pypi==0.13.1
python -m tests.support.name_map conda_pypi-0.13.1-py3-none-any.whl
"""

from __future__ import annotations

import json
import re
import sys
import zipfile
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from packaging.utils import canonicalize_name, parse_wheel_filename

from envbuild.fs import sha256_file

__all__ = ["snapshot_text"]

TARGET = Path(__file__).parents[2] / "envbuild" / "data" / "conda_pypi.toml"
_MEMBER = "conda_pypi/grayskull_pypi_mapping.json"
# The map has a few names that are digests: of files that were taken for packages.
_DIGEST = r"[0-9a-f]{32,}"

_HEAD = """\
# conda-forge packages whose names on PyPI differ from the normalized conda name; every other Python
# package is taken to have the same name. A list: the package may be any of them.
# Made by tests/support/name_map.py; corrections of ours are in conda_names.toml.

[source]
project = "conda-pypi {version}, {member}"
address = "https://pypi.org/project/conda-pypi/{version}/"
sha256 = "{sha256}"
license = "MIT, Copyright (c) 2022 Jaime Rodríguez-Guerra"
names = {names}

[names]
"""


def snapshot_text(wheel: Path) -> str:
    """The data file; the same wheel gives the same text."""
    with zipfile.ZipFile(wheel) as archive:
        table: Mapping[str, Mapping[str, str]] = json.loads(archive.read(_MEMBER))
    found: defaultdict[str, set[str]] = defaultdict(set)
    for row in table.values():
        if not re.fullmatch(_DIGEST, row["pypi_name"]):
            found[row["conda_name"]].add(canonicalize_name(row["pypi_name"]))
    head = _HEAD.format(
        version=parse_wheel_filename(wheel.name)[1],
        member=_MEMBER,
        sha256=sha256_file(wheel),
        names=len(found),
    )
    rows = [
        f"{_key(conda)} = {_value(sorted(names))}\n"
        for conda, names in sorted(found.items())
        if names != {canonicalize_name(conda)}
    ]
    return head + "".join(rows)


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else f'"{name}"'


def _value(names: list[str]) -> str:
    quoted = [f'"{name}"' for name in names]
    return quoted[0] if len(quoted) == 1 else f"[{', '.join(quoted)}]"


if __name__ == "__main__":
    TARGET.write_text(snapshot_text(Path(sys.argv[1])), encoding="utf-8")
