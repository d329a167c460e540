"""Import the top-level modules of every distribution: prints ``envbuild-result {...}``.

    imports.py [SKIPPED]             SKIPPED: JSON list of modules that are not imported
    imports.py --import MODULE ...   what the above starts, once for each distribution

Each distribution is imported in a process of its own, so that a module that crashes or ends its
interpreter takes nothing with it and is named.
"""

import concurrent.futures
import importlib
import json
import os
import subprocess
import sys
import sysconfig
import time
from typing import Any, Dict, List, Optional, Set, Tuple

_PATIENCE_S = 300
_BINARY = (".so", ".pyd")
_MARK = "envbuild-result "


def distributions() -> List[Tuple[str, str]]:
    """Name and metadata folder of what is installed, sorted by name."""
    found = {}
    for key in ("purelib", "platlib"):
        site = sysconfig.get_paths()[key]
        for entry in sorted(os.listdir(site)):
            if entry.endswith(".dist-info"):
                folder = os.path.join(site, entry)
                found[_name(folder) or entry[: -len(".dist-info")]] = folder
    return sorted(found.items())


def _name(folder: str) -> str:
    for line in _lines(os.path.join(folder, "METADATA")):
        if line.lower().startswith("name:"):
            return line.partition(":")[2].strip()
    return ""


def modules(folder: str) -> List[str]:
    """The modules of a distribution that nothing of its own contains, from its RECORD (PEP 376).

    ``google/cloud/storage/__init__.py`` without an ``__init__.py`` above is
    ``google.cloud.storage``: importing ``google`` would prove nothing.
    """
    packages: Set[str] = set()
    singles: Set[str] = set()
    namespaces: Set[str] = set()
    for line in _lines(os.path.join(folder, "RECORD")):
        parts = _record_path(line).split("/")
        stem = _module_name(parts[-1])
        if stem is None or not all(part.isidentifier() for part in parts[:-1]):
            continue
        if stem == "__init__" and len(parts) > 1:
            packages.add(".".join(parts[:-1]))
        elif len(parts) == 1:
            singles.add(stem)
        else:
            namespaces.add(parts[0])
    outermost = {name for name in packages if not _parents(name) & packages}
    return sorted(outermost | singles or namespaces)


def _record_path(line: str) -> str:
    # A path with a comma in it is quoted, and is no module.
    return line.partition(",")[0]


def _module_name(filename: str) -> Optional[str]:
    stem, extension = os.path.splitext(filename)
    if extension in _BINARY:
        stem = stem.partition(".")[0]
    elif extension != ".py":
        return None
    return stem if stem.isidentifier() else None


def _parents(name: str) -> Set[str]:
    parts = name.split(".")
    return {".".join(parts[:end]) for end in range(1, len(parts))}


def _lines(path: str) -> List[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read().splitlines()
    except OSError:
        return []


def import_apart(names: List[str]) -> List[Dict[str, Any]]:
    """Import ``names`` in a new interpreter, in order."""
    started = time.time()
    command = [sys.executable, "-I", "-B", os.path.abspath(__file__), "--import"]
    try:
        done = subprocess.run(
            command + names,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            check=False,
            timeout=_PATIENCE_S,
        )
    except subprocess.TimeoutExpired:
        return [{"module": names[0], "error": "did not end within %d s" % _PATIENCE_S}]
    lines = done.stdout.decode("utf-8", "replace").splitlines()
    found = [json.loads(line[len(_MARK) :]) for line in lines if line.startswith(_MARK)]
    if len(found) < len(names):
        # The interpreter is gone: the first module that did not answer took it along.
        error = "the interpreter ended with code %d: %s" % (done.returncode, _tail(done.stderr))
        found.append({"module": names[len(found)], "error": error})
    found[0]["seconds"] = round(time.time() - started, 3)
    return found


def _tail(data: bytes) -> str:
    lines = data.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"


def import_here(names: List[str]) -> None:
    """Import ``names`` and print an answer after each."""
    for name in names:
        answer: Dict[str, Any] = {"module": name, "error": None}
        try:
            importlib.import_module(name)
        except BaseException as error:  # SystemExit, too, is a module that cannot be imported
            answer["error"] = "{}: {}".format(type(error).__name__, error)
        sys.stdout.write("\n" + _MARK + json.dumps(answer) + "\n")
        sys.stdout.flush()


def examine(skipped: Set[str]) -> List[Dict[str, Any]]:
    """Every distribution with its modules and what importing them gave."""
    rows: List[Dict[str, Any]] = []
    for name, folder in distributions():
        wanted = modules(folder)
        rows.append(
            {
                "distribution": name,
                "skipped": [module for module in wanted if module in skipped],
                "wanted": [module for module in wanted if module not in skipped],
            }
        )
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        answers = pool.map(lambda row: import_apart(row["wanted"]) if row["wanted"] else [], rows)
        for row, answer in zip(rows, answers):
            row["modules"] = answer
            del row["wanted"]
    return rows


def main(argv: List[str]) -> None:
    """Import here or apart, as told."""
    if argv[:1] == ["--import"]:
        import_here(argv[1:])
        sys.stdout.flush()
        # A module may have left threads behind that never end.
        os._exit(0)
    result = {"distributions": examine(set(json.loads(argv[0]) if argv else []))}
    print("\n" + _MARK + json.dumps(result))


if __name__ == "__main__":
    main(sys.argv[1:])
