"""A conda for conda-lock: solves with py-rattler, installs nothing, needs no conda.

    python -m envbuild.resolve.conda.solver [--settings FILE] CONDA-ARGUMENTS…

``conda-lock --conda EXE`` wants one executable: ``write_launcher(folder, settings)`` writes one
that runs this module with ``settings`` and returns its path. What is asked and answered is in
``protocol``, what the settings can say in ``settings``. Without settings it is a plain
stand-in: channel names lead to anaconda.org, ``CONDA_SUBDIR`` is the platform,
``CONDA_OVERRIDE_*`` the virtual packages.

The outcome also goes, as JSON, to the file ``report`` of the settings, since conda-lock repeats
only text.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from envbuild.ambient import Ambient
from envbuild.errors import EnvbuildError
from envbuild.fs import write_file
from envbuild.resolve.conda.channel_names import channel_addresses, clarify, localize, spec_name
from envbuild.resolve.conda.prefix import read_prefix
from envbuild.resolve.conda.protocol import (
    AskInfo,
    AskVersion,
    Create,
    ListPrefix,
    Update,
    failure_json,
    info_json,
    listing_json,
    parse_request,
    solution_json,
)
from envbuild.resolve.conda.records import SolvedRecord
from envbuild.resolve.conda.settings import LockedRecord, Settings
from envbuild.resolve.conda.solving import Solve, solve, solver_release
from envbuild.resolve.conda.virtual import VirtualPackage, virtual_packages

__all__ = ["Answer", "answer", "main", "write_launcher"]

_NAME = "envbuild-conda"  # conda-lock looks for "mamba" in the name, and behaves differently


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the program prints, and its exit code."""

    text: str
    code: int = 0


def write_launcher(folder: Path, settings: Settings) -> Path:
    """Write ``settings`` and an executable that solves with them into ``folder``; its path.

    It runs under this interpreter, which has py-rattler, whatever the environment says.
    """
    path, file = folder / _NAME, folder / f"{_NAME}.json"
    write_file(file, settings.to_json().encode())
    command = [sys.executable, "-I", "-m", "envbuild.resolve.conda.solver"]
    line = shlex.join([*command, "--settings", str(file.resolve())])
    write_file(path, f'#!/bin/sh\nexec {line} "$@"\n'.encode())
    path.chmod(0o755)
    return path


def answer(argv: Sequence[str], ambient: Ambient) -> Answer:
    """What the program says to ``argv`` (without its own name) in these surroundings."""
    settings = Settings()
    try:
        if argv[:1] == ["--settings"]:
            settings, argv = Settings.read(Path(argv[1])), argv[2:]
        text = _answer(argv, settings, ambient)
        code = 0
    except EnvbuildError as error:
        text, code = failure_json(error), 1
    if settings.report and text.startswith("{"):
        write_file(Path(settings.report), text.encode())
    return Answer(text=text, code=code)


def _answer(argv: Sequence[str], settings: Settings, ambient: Ambient) -> str:
    match parse_request(argv):
        case AskVersion():
            return f"{_NAME} ({solver_release()})\n"
        case AskInfo():
            return info_json(str(_cache_dir(settings, ambient)))
        case ListPrefix(prefix=prefix):
            return listing_json(read_prefix(Path(prefix)))
        case Create(channels=channels, specs=specs):
            return solution_json(_solved(channels, specs, settings, ambient, installed=()))
        case Update(prefix=prefix, channels=channels, specs=specs):
            installed = read_prefix(Path(prefix))
            found = _solved(channels, specs, settings, ambient, installed=installed)
            return _changes(found, installed, prefix)


def _solved(
    channels: Sequence[str],
    specs: Sequence[str],
    settings: Settings,
    ambient: Ambient,
    *,
    installed: Sequence[SolvedRecord],
) -> tuple[SolvedRecord, ...]:
    subdir = ambient.environ.get("CONDA_SUBDIR") or "linux-64"
    specs = [clarify(spec) for spec in specs]
    found = channel_addresses(channels, specs, known=settings.channels, subdir=subdir)
    wanted = tuple(localize(spec, found) for spec in specs)
    named = {spec_name(spec) for spec in wanted} if installed else set()
    kept = tuple(record for record in installed if record.name not in named)
    return solve(
        Solve(
            subdir=subdir,
            channels=tuple(dict.fromkeys(address for _, address in found)),
            specs=(*wanted, *(record.name for record in kept)),
            virtual_packages=_virtual(subdir, settings, ambient),
            locked=(*map(_locked, kept), *settings.locked),
            upgrade=(*sorted(named), *settings.upgrade),
            exclude_newer=settings.exclude_newer,
            cache_dir=_cache_dir(settings, ambient),
            offline=settings.offline,
            timeout=settings.timeout,
        )
    )


def _locked(record: SolvedRecord) -> LockedRecord:
    return LockedRecord(
        name=record.name,
        version=record.version,
        build=record.build,
        subdir=record.subdir,
        url=record.url,
    )


def _changes(found: Sequence[SolvedRecord], installed: Sequence[SolvedRecord], prefix: str) -> str:
    """Only what moves: conda-lock takes all else from the lock it had."""
    before, after = ({_identity(one) for one in side} for side in (installed, found))
    return solution_json(
        [one for one in found if _identity(one) not in before],
        prefix=prefix,
        gone=[one for one in installed if _identity(one) not in after],
    )


def _identity(record: SolvedRecord) -> tuple[str, str, str, str]:
    return record.name, record.version, record.build, record.subdir


def _virtual(subdir: str, settings: Settings, ambient: Ambient) -> tuple[VirtualPackage, ...]:
    if settings.virtual_packages:
        return tuple((one[0], one[1], (*one[2:], "0")[0]) for one in settings.virtual_packages)
    return virtual_packages(subdir, ambient.environ)


def _cache_dir(settings: Settings, ambient: Ambient) -> Path:
    root = Path(settings.cache_dir) if settings.cache_dir else ambient.cache_root()
    return root / "repodata"


def main() -> NoReturn:
    """The program.

    It ends without the interpreter's own farewell: a thread of rattler that is still on its way out
    of its last call into Python crashes there, one time in six on a busy machine, and the answer
    would go down with it.
    """
    said = answer(sys.argv[1:], Ambient.of_process())
    sys.stdout.write(said.text)
    sys.stdout.flush()
    os._exit(said.code)


if __name__ == "__main__":
    main()
