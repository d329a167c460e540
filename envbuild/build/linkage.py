"""What the compiled files of a wheel need from the system they run on: glibc, shared libraries.

The rules are auditwheel's: the symbol versions of each ELF file (PEP 600) and its DT_NEEDED.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from envbuild.errors import BuildError
from envbuild.platforms import Target

if TYPE_CHECKING:
    from elftools.elf.elffile import ELFFile

    from envbuild.build.wheelfile import WheelFile

__all__ = ["Linkage", "check_glibc", "check_machines", "read_linkage"]

_MAGIC = b"\x7fELF"
_MACHINES = {"EM_X86_64": "x86_64", "EM_AARCH64": "aarch64"}
_GLIBC = re.compile(r"GLIBC_(\d+)\.(\d+)(?:\.\d+)?")
# Part of glibc or of the compiler's runtime, in every base image.
_EVERYWHERE = re.compile(
    r"(ld-linux[-\w]*|libc|libm|libpthread|libdl|librt|libutil|libresolv|libgcc_s|libstdc\+\+"
    r"|libpython[\d.]+m?)\.so[.\d]*"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Linkage:
    """``glibc`` is the newest symbol version needed, None where nothing is compiled.

    ``libraries`` are sonames that neither the wheel nor every system has.
    """

    glibc: tuple[int, int] | None = None
    libraries: tuple[str, ...] = ()
    machines: tuple[str, ...] = ()


def read_linkage(wheel: WheelFile) -> Linkage:
    """Read every ELF file of the wheel.

    Raises:
        BuildError: one is broken.
    """
    from elftools.common.exceptions import ELFError

    try:
        return _read(wheel)
    except ELFError as error:
        raise BuildError(f"{wheel.file} has a compiled file that is broken: {error}") from error


def _read(wheel: WheelFile) -> Linkage:
    versions: set[tuple[int, int]] = set()
    needed: set[str] = set()
    machines: set[str] = set()
    for elf in _elf_files(wheel):
        machines.add(_MACHINES.get(elf["e_machine"], str(elf["e_machine"])))
        versions.update(_glibc_versions(elf))
        needed.update(_needed(elf))
    inside = {PurePosixPath(name).name for name in wheel.members}
    libraries = {name for name in needed - inside if not _EVERYWHERE.fullmatch(name)}
    return Linkage(
        glibc=max(versions, default=None),
        libraries=tuple(sorted(libraries)),
        machines=tuple(sorted(machines)),
    )


def check_machines(wheel: WheelFile, linkage: Linkage, target: Target) -> None:
    """Refuse code for another machine than the target's.

    Raises:
        BuildError: there is some.
    """
    strange = [machine for machine in linkage.machines if machine != target.platform.machine]
    if strange:
        raise BuildError(
            f"{wheel.file} has code for {', '.join(strange)}, not for {target.platform.machine}",
            remedy="--builder docker",
        )


def check_glibc(file: str, glibc: tuple[int, int] | None, there: tuple[int, int]) -> None:
    """Refuse a wheel called ``file`` that needs a newer glibc than is ``there``.

    Raises:
        BuildError: it does.
    """
    if glibc is None or glibc <= there:
        return
    has, needs = (f"{major}.{minor}" for major, minor in (there, glibc))
    raise BuildError(
        f"{file} was built against glibc {needs}; the target has {has}",
        remedy="--builder docker, or a newer --base-image at lock",
    )


def _elf_files(wheel: WheelFile) -> Iterator[ELFFile]:
    for data, _ in wheel.members.values():
        if data.startswith(_MAGIC):
            from elftools.elf.elffile import ELFFile

            yield ELFFile(io.BytesIO(data))


def _glibc_versions(elf: ELFFile) -> Iterator[tuple[int, int]]:
    from elftools.elf.gnuversions import GNUVerNeedSection

    section = elf.get_section_by_name(".gnu.version_r")
    if not isinstance(section, GNUVerNeedSection):
        return
    for _, auxiliaries in section.iter_versions():
        for auxiliary in auxiliaries:
            if match := _GLIBC.fullmatch(auxiliary.name):
                yield int(match[1]), int(match[2])


def _needed(elf: ELFFile) -> Iterator[str]:
    from elftools.elf.dynamic import DynamicSection

    section = elf.get_section_by_name(".dynamic")
    if not isinstance(section, DynamicSection):
        return
    for tag in section.iter_tags("DT_NEEDED"):
        yield str(getattr(tag, "needed", ""))
