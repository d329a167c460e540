"""The rules of docs/explanation/architecture.md, read off the source."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping

from tests.support.source import Module, library_modules, program_modules

# From the ground up: a module imports only what stands above it in this list. Data flows one way,
# so each stage can be read, tested and replaced without knowing what comes after it.
FLOW = (
    # the ground: no knowledge of models
    "errors",
    "notices",
    "origins",
    "redact",
    "junit",
    "ambient",
    "reporter",
    "remembered",
    "tables",
    "platforms",
    "pythons",
    "images",
    "options",
    "endpoints",
    # the doors to the world
    "process",
    "fs",
    "fetch",
    # reading
    "reading",
    "model",
    "misnamed",
    "entries",
    "spec",
    "profile_schema",
    "server",
    # solving
    "merging",
    "merge",
    "resolve",
    # the lock, as a value and as what is read back
    "locking",
    # writing and proving
    "build",
    "emit",
    "image",
    "verification",
    "serving",
    # the story, and who tells it
    "pipeline",
    "fleet",
    "api",
    "cli",
    "__main__",
)

# Doors: what opens onto the world, and the only modules that may use it.
STARTS_PROGRAMS = ("subprocess", "multiprocessing", "pty", "asyncio.subprocess")
OPENS_CONNECTIONS = (
    "socket",
    "ssl",
    "http",
    "urllib.request",
    "urllib3",
    "requests",
    "ftplib",
    "socketserver",
)
# Functions on text, and errors that libraries let through, to be caught.
HARMLESS = (
    "urllib.request.url2pathname",
    "urllib.request.pathname2url",
    "requests.RequestException",
    "requests.exceptions.RequestException",
    "urllib3.exceptions.HTTPError",
    "subprocess.CalledProcessError",
)
READS_SURROUNDINGS = (
    "os.environ",
    "os.environb",
    "os.getenv",
    "os.getcwd",
    "os.path.expanduser",
    "Path.cwd",
    "Path.home",
)
TALKS = ("print", "input", "sys.exit", "exit", "quit", "os._exit", "breakpoint")
# A program whose libraries would crash it on the way out.
ENDS_AT_ONCE = "envbuild/resolve/conda/solver.py"
NEVER = ("os.chdir", "os.putenv", "os.system", "os.popen", "eval", "exec", "pickle.load")
# Not importable from outside by their makers' own word, or slow enough to run as a program.
NEVER_IMPORTED = ("pip", "conda_lock", "pickle", "cloudpickle", "joblib")
VAGUE_ERRORS = ("Exception", "BaseException", "ValueError", "RuntimeError", "AssertionError")


def test_every_module_has_its_place_in_the_flow() -> None:
    layers = {module.layer for module in library_modules()}

    assert layers - {""} - set(FLOW) == set()


def test_imports_point_up_the_flow() -> None:
    wrong = [
        f"{module.where(found.line)} imports {found}"
        for module in library_modules()
        # The package itself lends out the whole interface, when it is asked for it.
        if module.layer
        for found in module.imports()
        if _is_later(str(found), than=module.layer)
    ]

    assert wrong == []


def test_no_two_modules_import_each_other() -> None:
    modules = {module.name: module for module in library_modules() if module.layer}
    needs = {
        # ``from package import module`` needs the module, any other name what is before it.
        name: {str(found) if str(found) in modules else found.module for found in module.imports()}
        & modules.keys() - {name}
        for name, module in modules.items()
    }
    # Take away what needs nothing that is left, and what nothing that is left needs. What can
    # never be taken away is a cycle.
    while free := _ends(needs):
        needs = {name: wanted - free for name, wanted in needs.items() if name not in free}

    assert needs == {}


def _ends(needs: Mapping[str, set[str]]) -> set[str]:
    needed = {name for wanted in needs.values() for name in wanted}
    return {name for name, wanted in needs.items() if not wanted or name not in needed}


def test_programs_of_their_own_import_nothing_of_ours() -> None:
    assert _imported(program_modules(), ["envbuild"]) == []


def test_only_process_starts_programs() -> None:
    assert _imported(_all_but("process"), STARTS_PROGRAMS) == []


def test_only_fetch_opens_connections() -> None:
    assert _imported(_all_but("fetch"), OPENS_CONNECTIONS) == []


def test_only_ambient_and_the_command_line_read_the_surroundings() -> None:
    offences = [
        f"{module.where(line)} uses {name}"
        for module in _all_but("ambient", "cli")
        for name, line in module.names()
        if name in READS_SURROUNDINGS
    ]

    assert offences == []


def test_only_the_command_line_talks_and_exits() -> None:
    talking = _called(_all_but("cli", "__main__"), TALKS)

    assert [one for one in talking if ENDS_AT_ONCE not in one or "os._exit" not in one] == []


def test_nothing_changes_the_process_or_runs_what_it_reads() -> None:
    assert _called(library_modules(), NEVER) == []
    assert _imported(library_modules(), NEVER_IMPORTED) == []


def test_every_error_is_of_a_family() -> None:
    vague = [
        f"{module.where(node.lineno)} raises {raised.id}"
        for module in library_modules()
        for node in ast.walk(module.tree())
        if isinstance(node, ast.Raise)
        and isinstance(raised := _raised(node), ast.Name)
        and raised.id in VAGUE_ERRORS
    ]

    assert vague == []


def _all_but(*layers: str) -> tuple[Module, ...]:
    return tuple(module for module in library_modules() if module.layer not in layers)


def _is_later(name: str, *, than: str) -> bool:
    """Whether a module of ours stands below a layer; one without a place fails elsewhere."""
    package, _, rest = name.partition(".")
    layer = rest.partition(".")[0]
    known = package == "envbuild" and layer in FLOW and than in FLOW
    return known and FLOW.index(layer) > FLOW.index(than)


def _raised(node: ast.Raise) -> ast.expr | None:
    return node.exc.func if isinstance(node.exc, ast.Call) else node.exc


def _imported(modules: Iterable[Module], forbidden: Iterable[str]) -> list[str]:
    return sorted(
        {
            f"{module.where(found.line)} imports {found}"
            for module in modules
            for found in module.imports()
            if _is_under(str(found), forbidden) and str(found) not in HARMLESS
        }
    )


def _is_under(name: str, parents: Iterable[str]) -> bool:
    return any(name == parent or name.startswith(f"{parent}.") for parent in parents)


def _called(modules: Iterable[Module], forbidden: Iterable[str]) -> list[str]:
    return [
        f"{module.where(line)} calls {name}"
        for module in modules
        for name, line in module.calls()
        if name in forbidden
    ]
