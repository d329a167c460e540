"""A CPython of this machine as a conda package that runs in its prefix, and its pip and setuptools.

Made once and kept between runs. As in conda-forge's, libraries are found relative to the program
(``$ORIGIN``), and files that name the prefix name the placeholder instead.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from tests.support.conda_package import PLACEHOLDER, CondaFile, Item, conda_package
from tests.support.interpreters import find_interpreter, full_version
from tests.support.kept import alone, kept_folder

__all__ = ["bundled_wheel", "from_wheel", "python_abi", "python_package"]

_LEFT_OUT = frozenset(
    {"test", "tests", "idlelib", "tkinter", "turtledemo", "lib2to3", "ensurepip", "pydoc_data"}
    | {"site-packages", "__pycache__", "idle_test"}
)
_ORIGIN = b"$ORIGIN/../lib"
_BUILD = "h0_{}_cpython"
_RECIPE = 1  # goes up with what is packed


def python_package(minor: str) -> CondaFile | None:
    """``python`` of this minor release, or None where the machine has no such interpreter."""
    interpreter = find_interpreter(minor)
    if interpreter is None:
        return None
    version = full_version(interpreter)
    name = f"python-{version}-{_RECIPE}-{_digest(str(interpreter))}.conda"
    with alone():
        kept = kept_folder() / "conda" / name
        if not kept.exists():
            kept.parent.mkdir(exist_ok=True)
            partial = kept.with_suffix(".partial")
            partial.write_bytes(_make(interpreter.parents[1], version).data)
            partial.replace(kept)
    return CondaFile(data=kept.read_bytes(), index=_describe(version).index)


def python_abi(minor: str) -> CondaFile:
    """What ties packages with extensions to a minor release, as in conda-forge."""
    tag = minor.replace(".", "")
    suffix = "m" if tag in {"36", "37"} else ""
    build = f"0_cp{tag}{suffix}"
    return conda_package("python_abi", minor, build=build, constrains=[f"python {minor}.*"])


def bundled_wheel(minor: str, project: str) -> Path | None:
    """The newest wheel of ``pip`` or ``setuptools`` that comes with an interpreter."""
    interpreter = find_interpreter(minor)
    if interpreter is None:
        return None
    folder = interpreter.parents[1] / f"lib/python{minor}/ensurepip/_bundled"
    return max(folder.glob(f"{project}-*.whl"), default=None)


def from_wheel(
    wheel: Path, *, depends: tuple[str, ...], entry_points: tuple[str, ...]
) -> CondaFile:
    """A ``noarch`` package with what a pure wheel has inside."""
    name, version = wheel.name.split("-")[:2]
    files: dict[str, str | bytes | Item] = {}
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            if not member.is_dir():
                files[f"site-packages/{member.filename}"] = archive.read(member)
    info = f"site-packages/{name}-{version}.dist-info"
    files[f"{info}/INSTALLER"] = "conda\n"
    return conda_package(
        name,
        version,
        build="pyhd8ed1ab_0",
        noarch=True,
        depends=depends,
        entry_points=entry_points,
        files=files,
    )


def _describe(version: str, files: dict[str, str | bytes | Item] | None = None) -> CondaFile:
    minor = ".".join(version.split(".")[:2])
    tag = minor.replace(".", "")
    return conda_package(
        "python",
        version,
        build=_BUILD.format(0),
        depends=["__glibc >=2.17,<3.0.a0"],
        constrains=[f"python_abi {minor}.* *_cp{tag}*"],
        files=files,
        build_number=0,
    )


def _make(prefix: Path, version: str) -> CondaFile:
    minor = ".".join(version.split(".")[:2])
    files: dict[str, str | bytes | Item] = {
        "bin/python": Item(link=f"python{minor}"),
        "bin/python3": Item(link=f"python{minor}"),
    }
    with tempfile.TemporaryDirectory() as folder:
        for path in _members(prefix, minor):
            if path.is_symlink():
                item = Item(link=str(path.readlink()))
            else:
                item = _item(path, prefix, Path(folder))
            files[path.relative_to(prefix).as_posix()] = item
    return _describe(version, files)


def _members(prefix: Path, minor: str) -> Iterator[Path]:
    program = prefix / f"bin/python{minor}"
    # pyenv's pythonX.Y is a program; elsewhere it may be a link to one.
    yield program.resolve() if program.is_symlink() else program
    yield from sorted(prefix.glob("lib/libpython*.so*"))
    for path in sorted((prefix / f"lib/python{minor}").rglob("*")):
        parts = PurePosixPath(path.relative_to(prefix)).parts
        unwanted = path.name.startswith(("_test", "_ctypes_test", "_tkinter", "xxlimited"))
        config = len(parts) > 2 and parts[2].startswith("config-") and path.suffix == ".a"
        if path.is_file() and _LEFT_OUT.isdisjoint(parts) and not unwanted and not config:
            yield path


def _item(path: Path, prefix: Path, scratch: Path) -> Item:
    executable = os.access(path, os.X_OK)
    data = path.read_bytes()
    if data.startswith(b"\x7fELF"):
        return Item(data=_relocatable(_stripped(path, scratch), prefix), executable=executable)
    here = str(prefix).encode()
    if here not in data:
        return Item(data=data, executable=executable)
    replaced = data.replace(here, PLACEHOLDER.encode())
    return Item(data=replaced, executable=executable, prefix="text")


def _stripped(path: Path, scratch: Path) -> bytes:
    if not (strip := shutil.which("strip")):
        return path.read_bytes()
    target = scratch / path.name
    subprocess.run([strip, "--strip-unneeded", "-o", target, path], check=True)
    return target.read_bytes()


def _relocatable(data: bytes, prefix: Path) -> bytes:
    """The program with its run path relative to itself. A string in an ELF file cannot grow, but
    what is shorter may end earlier.
    """
    absolute = f"{prefix}/lib".encode() + b"\0"
    return data.replace(b"\0" + absolute, b"\0" + _ORIGIN.ljust(len(absolute), b"\0"))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
