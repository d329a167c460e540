"""Install this bundle into a new environment, without a network.

    python install.py TARGET [--python EXE] [--installer pip|uv]

Every file is checked against SHA256SUMS before any is used. Needs the Python that the bundle was
made for, 3.6 or later, and its standard library; runs on it, and so speaks its language. A bundle
with conda packages has a Python of its own for the environment, and needs 3.10 or later to make it.
"""

import argparse
import atexit
import hashlib
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
from typing import Any, Dict, List, NoReturn, Optional, Sequence, Tuple

SUMS = "SHA256SUMS"
MARK = ".envbuild-incomplete"
CHUNK = 1 << 20
SHOWN = 20
CONDA_FLOOR = [3, 10]  # of py-rattler
# platform.libc_ver() of old Pythons tells what the program was linked with, not what is there.
PROBE = """
import json, os, sys
try:
    libc = os.confstr("CS_GNU_LIBC_VERSION") or ""
except (AttributeError, ValueError, OSError):
    libc = ""
print(json.dumps([list(sys.version_info[:2]), libc]))
"""


def cut_short() -> None:
    """End with 1: half of this file is a program too, that does nothing and ends with 0."""
    sys.stderr.write("install.py: this file is cut short\nnothing was installed\n")
    sys.stderr.flush()
    os._exit(1)


if __name__ == "__main__":
    atexit.register(cut_short)  # until the last lines are reached


class RefusedError(Exception):
    """Why nothing was installed."""


def read_sums(root: str) -> Dict[str, str]:
    """The sha256 of every file by its posix name, from SHA256SUMS."""
    sums: Dict[str, str] = {}
    try:
        with open(os.path.join(root, SUMS), encoding="utf-8", newline="") as stream:
            text = stream.read()
    except (OSError, UnicodeDecodeError) as error:
        raise RefusedError("%s cannot be read: %s" % (SUMS, error))
    if not text.endswith("\n"):
        raise RefusedError("%s is cut short" % SUMS)
    for number, line in enumerate(text[:-1].split("\n"), 1):
        digest, name = line[:64], line[66:]
        clean = len(digest) == 64 and not set(digest) - set("0123456789abcdef")
        if not clean or line[64:66] != "  " or not is_inside(name) or name in sums:
            raise RefusedError("%s: line %d cannot be understood" % (SUMS, number))
        sums[name] = digest
    return sums


def is_inside(name: str) -> bool:
    """Whether a posix name stays below the folder it is relative to."""
    parts = name.split("/")
    odd = "\\" in name or "\r" in name or "\0" in name or ":" in parts[0]
    return bool(name) and not odd and not {"", ".", ".."} & set(parts)


def list_files(root: str) -> Tuple[List[str], List[str]]:
    """Posix names of the regular files below ``root``, and of what is neither file nor folder."""
    files: List[str] = []
    strange: List[str] = []
    pending = [""]
    while pending:
        folder = pending.pop()
        with os.scandir(os.path.join(root, folder)) as entries:
            for entry in entries:
                name = folder + entry.name
                if entry.is_dir(follow_symlinks=False):
                    pending.append(name + "/")
                elif entry.is_file(follow_symlinks=False):
                    files.append(name)
                else:
                    strange.append(name)
    return sorted(files), sorted(strange)


def digest_of(path: str) -> str:
    """The sha256 of a file in hex."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        for chunk in iter(lambda: stream.read(CHUNK), b""):
            digest.update(chunk)
    return digest.hexdigest()


def check(root: str, *, partial: bool = False) -> List[str]:
    """Everything that differs from SHA256SUMS, one line each; empty when all is as it was made.

    Of a ``partial`` bundle, such as an image is built from, no file is missed.
    """
    try:
        sums = read_sums(root)
    except RefusedError as refused:
        return [str(refused)]
    files, strange = list_files(root)
    problems = ["%s: neither a file nor a folder" % show(name) for name in strange]
    problems += [
        "%s: not in %s" % (show(name), SUMS) for name in files if name not in sums and name != SUMS
    ]
    present = set(files)
    for name in sorted(sums):
        if name not in present:
            problems += [] if partial else ["%s: missing" % show(name)]
            continue
        try:
            got = digest_of(os.path.join(root, name))
        except OSError as error:
            problems.append("%s: cannot be read: %s" % (show(name), error.strerror))
            continue
        if got != sums[name]:
            problems.append("%s: expected sha256 %s, got %s" % (show(name), sums[name], got))
    return problems


def show(name: str) -> str:
    """A file name that a terminal can print whatever is in it."""
    return name.encode("unicode_escape", "backslashreplace").decode("ascii")


def read_entry(root: str, *, partial: bool) -> Dict[str, Any]:
    """The part of the manifest for this machine, if it can be true: its files are in the bundle.

    Of a ``partial`` bundle it is enough that they would be.
    """
    try:
        with open(os.path.join(root, "manifest.json"), encoding="utf-8") as stream:
            entry = choose_platform(json.load(stream))
        names = [entry["requirements"], "tools/" + entry["pip"], entry.get("tools", "tools/x")]
        for version in (entry["python"], entry["glibc"]):
            [int(part) for part in version.split(".")[:2]]
        outside = [name for name in names if not is_inside(name)]
        absent = [name for name in names[:2] if not os.path.isfile(os.path.join(root, name))]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RefusedError("manifest.json cannot be understood: %s" % show(str(error)))
    for name in outside or ([] if partial else absent):
        raise RefusedError("manifest.json names %s, which is not in the bundle" % show(name))
    return entry


def choose_platform(manifest: Dict[str, Any]) -> Dict[str, Any]:
    """The part of the manifest that is for this machine."""
    here = (platform.system(), platform.machine())
    for entry in manifest["platforms"]:
        if (entry["system"], entry["machine"]) == here:
            return dict(entry)
    made_for = ", ".join(entry["platform"] for entry in manifest["platforms"])
    raise RefusedError("this machine is %s %s; the bundle is for %s" % (here[0], here[1], made_for))


def check_machine(entry: Dict[str, Any], python: str) -> None:
    """Refuse a Python or C library that the wheels do not run on, before anything is made."""
    try:
        said = subprocess.check_output([python, "-I", "-c", PROBE], stderr=subprocess.DEVNULL)
        version, libc = json.loads(said.decode("utf-8"))
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        raise RefusedError("%s is not a Python that works: %s" % (python, error))
    check_version(entry, python, version)
    if entry["system"] == "Linux":
        check_glibc(entry["glibc"], libc)


def check_version(entry: Dict[str, Any], python: str, version: List[int]) -> None:
    """Refuse a Python that the wheels are not for, or that cannot make a conda environment."""
    if "rattler" in entry:
        if version < CONDA_FLOOR:
            raise RefusedError(
                "%s is Python %d.%d; conda packages are installed by 3.10 or later"
                % (python, version[0], version[1])
            )
        return
    wanted = [int(part) for part in entry["python"].split(".")[:2]]
    if version != wanted:
        raise RefusedError(
            "%s is Python %d.%d; the bundle is for %d.%d"
            % (python, version[0], version[1], wanted[0], wanted[1])
        )


def check_glibc(floor: str, libc: str) -> None:
    """Refuse another C library, or an older glibc than ``floor``; ``libc`` is ``glibc 2.36``."""
    name, _, version = libc.partition(" ")
    if name != "glibc":
        raise RefusedError(
            "the wheels need glibc %s; this Python uses %s" % (floor, name or "another C library")
        )
    if [int(part) for part in version.split(".")[:2]] < [int(part) for part in floor.split(".")]:
        raise RefusedError("the wheels need glibc %s; this machine has %s" % (floor, version))


def plain_environment() -> Dict[str, str]:
    """The environment without what would configure Python, pip or uv behind our back."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PIP_", "UV_", "PYTHON", "VIRTUAL_ENV", "__PYVENV"))
    }
    kept["PIP_CONFIG_FILE"] = os.devnull
    return kept


def run(argv: Sequence[str]) -> None:
    """Run a program, its output going where ours goes."""
    try:
        subprocess.check_call(list(argv), env=plain_environment(), stdin=subprocess.DEVNULL)
    except OSError as error:
        raise RefusedError("%s cannot be started: %s" % (argv[0], error.strerror))
    except subprocess.CalledProcessError as error:
        raise RefusedError("%s ended with %d" % (os.path.basename(argv[0]), error.returncode))


def installer_command(root: str, entry: Dict[str, Any], python: str, installer: str) -> List[str]:
    """The command that installs the tools and then the lock into the environment of ``python``."""
    tools = os.path.join(root, "tools")
    if installer == "uv":
        command = ["uv", "pip", "install", "--python", python]
        command += ["--offline", "--no-config", "--no-cache", "--link-mode", "copy", "--quiet"]
    else:
        # pip runs from its own wheel: the environment needs none, and neither does the machine.
        command = [python, "-I", os.path.join(tools, entry["pip"], "pip"), "--isolated", "install"]
        command += ["--no-cache-dir", "--disable-pip-version-check", "--no-input", "--quiet"]
        if "rattler" in entry:
            # Warnings of a user who is root outside of a virtual environment are of no help here.
            command += ["--quiet"]
    command += ["--no-index", "--no-deps", "--require-hashes", "--only-binary", ":all:"]
    for folder in (tools, os.path.join(root, "wheels")):
        command += ["--find-links", folder]
    for name in (entry.get("tools"), entry["requirements"]):
        if name:
            command += ["-r", os.path.join(root, name)]
    return command


def has_pins(path: str) -> bool:
    """Whether a requirements file asks for anything."""
    with open(path, encoding="utf-8") as stream:
        return any(line.strip() and not line.startswith("#") for line in stream)


def make_environment(
    root: str, entry: Dict[str, Any], target: str, options: argparse.Namespace
) -> None:
    """Fill ``target``, which exists and holds the mark; the mark goes last."""
    python = make_prefix(root, entry, target, options.python)
    if "tools" in entry or has_pins(os.path.join(root, entry["requirements"])):
        run(installer_command(root, entry, python, options.installer))
    os.unlink(os.path.join(target, MARK))


def make_prefix(root: str, entry: Dict[str, Any], target: str, python: str) -> str:
    """A virtual environment of ``python``, or the conda part with its own; its Python."""
    windows = platform.system() == "Windows"
    if "rattler" in entry:
        run([python, "-I", os.path.join(root, "create_prefix.py"), target, entry["platform"]])
        return os.path.join(target, "python.exe" if windows else "bin/python")
    run([python, "-I", "-m", "venv", "--without-pip", target])
    return os.path.join(target, "Scripts/python.exe" if windows else "bin/python")


def claim(target: str) -> str:
    """Make the folder ``target`` with the mark in it; the outermost folder that was made for it.

    A marked folder is what a killed run left, and is made anew.
    """
    if os.path.isfile(os.path.join(target, MARK)):
        shutil.rmtree(target)
    if os.path.lexists(target):
        raise RefusedError("%s exists; name a new folder" % target)
    made = target
    while not os.path.isdir(os.path.dirname(made)):
        made = os.path.dirname(made)
    try:
        os.makedirs(target)
        with open(os.path.join(target, MARK), "w"):
            pass
    except OSError as error:
        shutil.rmtree(made, ignore_errors=True)
        raise RefusedError("%s cannot be made: %s" % (target, error.strerror))
    return made


def install(root: str, options: argparse.Namespace) -> None:
    """Check, then install; nothing is left behind when it fails."""
    target = os.path.abspath(options.target)
    if os.path.realpath(target).startswith(os.path.realpath(root) + os.sep):
        raise RefusedError("%s lies in the bundle, which must stay as it is" % options.target)
    problems = check(root, partial=options.ignore_missing)
    if problems:
        more = ["… and %d more" % (len(problems) - SHOWN)] if len(problems) > SHOWN else []
        raise RefusedError(
            "\n  ".join(["this is not the bundle that was made:"] + problems[:SHOWN] + more)
        )
    entry = read_entry(root, partial=options.ignore_missing)
    check_machine(entry, options.python)
    made = claim(target)
    try:
        make_environment(root, entry, target, options)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise


def parse(argv: Optional[Sequence[str]]) -> argparse.Namespace:
    """The arguments of the command line."""
    parser = argparse.ArgumentParser(
        description="Install this bundle into a new environment, offline."
    )
    parser.add_argument("target", metavar="TARGET", help="the environment to make; must not exist")
    parser.add_argument("--python", metavar="EXE", default=sys.executable, help="the Python to use")
    parser.add_argument("--installer", choices=["pip", "uv"], default="pip", help="default: pip")
    parser.add_argument(
        "--ignore-missing",
        action="store_true",
        help="do not miss files that are not there, as in an image that is built from a part",
    )
    return parser.parse_args(argv)


def stop(number: int, _frame: object) -> NoReturn:
    """End on a signal as on an error, so that nothing is left behind."""
    raise SystemExit(128 + number)


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Install; 0, or 1 with the reason on stderr."""
    options = parse(argv)
    signal.signal(signal.SIGTERM, stop)
    try:
        install(os.path.dirname(os.path.abspath(__file__)), options)
    except RefusedError as refused:
        sys.stderr.write("install.py: %s\nnothing was installed\n" % refused)
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("install.py: interrupted\nnothing was installed\n")
        return 130
    sys.stdout.write("installed in %s\n" % options.target)
    return 0


if __name__ == "__main__":
    atexit.unregister(cut_short)
    sys.exit(main())
