"""The project's promises about itself: its documents, its packaging, what it must not contain."""

from __future__ import annotations

import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import envbuild
from envbuild import errors
from envbuild.errors import EnvbuildError
from tests.support.paths import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

DOCS = ROOT / "docs"
EXIT_CODES = DOCS / "reference" / "exit-codes.md"
NOT_OURS = frozenset({"__pycache__", "dist", "build", "seed-env", "seed-bundle"})

LINK = re.compile(r"\[[^]]*\]\(([^)\s]+)\)")
EXIT_CODE_ROW = re.compile(r"\| (\d+) \| (?:`(\w+)`)? ?\| .+ \|")


def error_families() -> list[type[EnvbuildError]]:
    exported = [getattr(errors, name) for name in errors.__all__]
    return [cls for cls in exported if issubclass(cls, EnvbuildError)]


def test_every_family_of_errors_has_an_exit_code_of_its_own() -> None:
    codes = Counter(family.exit_code for family in error_families())

    assert [code for code, families in codes.items() if families > 1] == []


def test_no_error_says_done_or_no() -> None:
    assert min(family.exit_code for family in error_families()) == 2


def test_every_exit_code_is_documented() -> None:
    rows = EXIT_CODE_ROW.findall(EXIT_CODES.read_text(encoding="utf-8"))
    documented = {(int(code), name) for code, name in rows if name}

    assert documented == {(family.exit_code, family.__name__) for family in error_families()}


def test_every_document_can_be_reached_from_the_readme() -> None:
    reached: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page not in reached and page.suffix == ".md":
            reached.add(page)
            waiting += [target for target, _ in links(page) if target.is_file()]

    assert sorted(set(DOCS.rglob("*.md")) - reached) == []


def test_every_link_leads_somewhere() -> None:
    pages = [*ROOT.glob("*.md"), *DOCS.rglob("*.md")]
    dead = [
        f"{page.relative_to(ROOT)}: {written}"
        for page in pages
        for target, written in links(page)
        if not target.exists()
    ]

    assert sorted(dead) == []


def test_every_link_to_a_section_finds_it() -> None:
    dead = [
        f"{page.relative_to(ROOT)}: {written}"
        for page in [*ROOT.glob("*.md"), *DOCS.rglob("*.md")]
        for target, written in links(page)
        if "#" in written and target.is_file() and written.partition("#")[2] not in sections(target)
    ]

    assert dead == []


def links(page: Path) -> Iterator[tuple[Path, str]]:
    """The files that a page links to, each with the link as written."""
    for written in LINK.findall(without_code(page)):
        if not re.match(r"[a-z]+:", written):
            name = unquote(written.partition("#")[0])
            yield ((page.parent / name).resolve() if name else page), written


def sections(page: Path) -> set[str]:
    """The anchors of a page's headings, as the usual renderers make them."""
    headings = re.findall(r"^#+ (.+)$", without_code(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def without_code(page: Path) -> str:
    return re.sub(
        r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    )


def test_the_changelog_speaks_of_this_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")

    assert re.search(rf"^## \[?{re.escape(envbuild.__version__)}\]?", changelog, re.MULTILINE)


def test_the_extra_all_has_every_extra_for_users() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]

    assert extras["all"] == [f"envbuild[{','.join(sorted(extras.keys() - {'all', 'dev'}))}]"]


def test_no_file_names_a_folder_of_the_machine_it_was_written_on() -> None:
    common = {Path("/"), Path("/home"), Path("/root"), Path(tempfile.gettempdir())}
    folders = {ROOT, ROOT.parent, Path.home()} - common
    path_of_here = re.compile(rf"(?<![\w.-])({'|'.join(re.escape(str(f)) for f in folders)})/")
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in project_files()
        for number, line in enumerate(text_of(path).splitlines(), start=1)
        if path_of_here.search(line)
    ]

    assert found == []


def project_files() -> Iterator[Path]:
    for top in sorted(ROOT.iterdir()):
        if top.is_file():
            yield top
        elif top.name == ".ci" or not top.name.startswith("."):
            paths = sorted(top.rglob("*"))
            yield from (path for path in paths if path.is_file() and is_ours(path))


def is_ours(path: Path) -> bool:
    # Our own package has a folder of that name: only what lies at the top is a build's.
    parts = path.relative_to(ROOT).parts
    return parts[0] not in NOT_OURS and "__pycache__" not in parts


def text_of(path: Path) -> str:
    """The text of a file; nothing for what is not text."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""
