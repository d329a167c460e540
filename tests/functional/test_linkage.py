"""What compiled files need is read from files that a compiler has made."""

from __future__ import annotations

import platform
import shutil
import subprocess
from pathlib import Path

import pytest
from packaging.tags import parse_tag
from packaging.utils import canonicalize_name
from packaging.version import Version

from envbuild.build.linkage import Linkage, check_glibc, check_machines, read_linkage
from envbuild.build.wheelfile import WheelFile
from envbuild.errors import BuildError
from envbuild.platforms import Target, parse_platform

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")

MACHINE = platform.machine()
TARGET = Target(
    python=Version("3.7.11"),
    platform=parse_platform("linux-64" if MACHINE == "x86_64" else "linux-aarch64"),
)
FILE = f"spam-1.0-cp37-cp37m-linux_{MACHINE}.whl"


def cc(folder: Path, *arguments: str) -> None:
    subprocess.run(["cc", "-shared", "-fPIC", "-nostdlib", *arguments], cwd=folder, check=True)


def library(folder: Path, soname: str, *, version: str = "") -> str:
    """A library with the one symbol ``spam``, of a version if given; its file name."""
    (folder / "lib.c").write_text("int spam(void) { return 1; }\n")
    script = []
    if version:
        (folder / "map").write_text(f"{version} {{ spam; }};\n")
        script = ["-Wl,--version-script=map"]
    cc(folder, "lib.c", f"-Wl,-soname,{soname}", *script, "-o", soname)
    return soname


def extension(folder: Path, *libraries: str) -> bytes:
    """A module that calls ``spam`` of the libraries."""
    (folder / "module.c").write_text("int spam(void);\nint run(void) { return spam(); }\n")
    cc(folder, "module.c", *(f"./{name}" for name in libraries), "-o", "module.so")
    return (folder / "module.so").read_bytes()


def wheel(**members: bytes) -> WheelFile:
    return WheelFile(
        file=FILE,
        name=canonicalize_name("spam"),
        version=Version("1.0"),
        tags=frozenset(parse_tag("cp37-cp37m-linux_x86_64")),
        members={name.replace("__", "."): (data, False) for name, data in members.items()},
    )


def test_the_newest_glibc_symbol_counts(tmp_path: Path) -> None:
    module = extension(tmp_path, library(tmp_path, "libc.so.6", version="GLIBC_2.99"))

    assert read_linkage(wheel(module__so=module)) == Linkage(
        glibc=(2, 99), libraries=(), machines=(MACHINE,)
    )


def test_libraries_that_not_every_system_has_are_named(tmp_path: Path) -> None:
    module = extension(tmp_path, library(tmp_path, "libpq.so.5"))

    assert read_linkage(wheel(module__so=module)).libraries == ("libpq.so.5",)


def test_a_library_in_the_wheel_is_not_needed_from_the_system(tmp_path: Path) -> None:
    name = library(tmp_path, "libpq.so.5")
    module = extension(tmp_path, name)

    found = read_linkage(wheel(module__so=module, libpq__so__5=(tmp_path / name).read_bytes()))

    assert found.libraries == ()


def test_what_is_not_compiled_needs_nothing() -> None:
    assert read_linkage(wheel(module__py=b"print()", data__bin=b"\x7fEL")) == Linkage()


def test_a_broken_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=f"{FILE} has a compiled file that is broken: "):
        read_linkage(wheel(module__so=b"\x7fELF\x09" + bytes(100)))


def test_a_newer_glibc_than_the_base_image_has_is_refused(tmp_path: Path) -> None:
    module = extension(tmp_path, library(tmp_path, "libc.so.6", version="GLIBC_2.99"))
    linkage = read_linkage(wheel(module__so=module))

    with pytest.raises(BuildError) as caught:
        check_glibc(FILE, linkage.glibc, TARGET.glibc)

    assert str(caught.value) == (
        f"{FILE} was built against glibc 2.99; the target has 2.28\n"
        "  try: --builder docker, or a newer --base-image at lock"
    )


def test_code_for_another_machine_is_refused(tmp_path: Path) -> None:
    data = bytearray(extension(tmp_path, library(tmp_path, "libother.so")))
    data[18:20] = (62 if MACHINE == "aarch64" else 183).to_bytes(2, "little")  # e_machine
    made = wheel(module__so=bytes(data))
    other = "x86_64" if MACHINE == "aarch64" else "aarch64"

    with pytest.raises(BuildError) as caught:
        check_machines(made, read_linkage(made), TARGET)

    assert str(caught.value) == (
        f"{FILE} has code for {other}, not for {MACHINE}\n  try: --builder docker"
    )


def test_what_fits_is_accepted(tmp_path: Path) -> None:
    module = extension(tmp_path, library(tmp_path, "libc.so.6", version="GLIBC_2.17"))
    made = wheel(module__so=module)

    linkage = read_linkage(made)

    check_machines(made, linkage, TARGET)
    check_glibc(FILE, linkage.glibc, TARGET.glibc)
    check_glibc(FILE, None, TARGET.glibc)
