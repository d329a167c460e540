"""Lines as pip reads them, files that include files, and all that is wrong at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from envbuild.entries.requirements_file import (
    BadEntry,
    EntryReader,
    logical_lines,
    raise_bad_entries,
)
from envbuild.errors import SpecError
from envbuild.model import Model
from envbuild.origins import Origin


def make_model(folder: Path, **files: str) -> Model:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_txt", ".txt")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Model(path=folder, name="model", flavors=())


def read(
    model: Model | None, text: str, file: str = "r.txt", *, absent: bool = False
) -> EntryReader:
    reader = EntryReader(model=model, absent_is_noted=absent)
    reader.read_file(text, file)
    return reader


def lines(reader: EntryReader) -> list[str]:
    return [f"{entry.origin}: {entry.pep508()}" for entry in reader.requirements]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("a\nb", [(1, "a"), (2, "b")]),
        ("\n  a  \r\n\n", [(2, "a")]),
        ("# c\na # c\n#\nb#c", [(2, "a"), (4, "b#c")]),
        ("a \\\n  b\nc", [(1, "a   b"), (3, "c")]),
        ("a \\\n# c\nb", [(1, "a"), (3, "b")]),
        ("# c \\\na", [(2, "a")]),
        ("a\\", [(1, "a")]),
        ("a \\\n\\\n  b # c", [(1, "a   b")]),
        ("\\\n\na", [(3, "a")]),
    ],
)
def test_lines_are_joined_and_stripped_as_pip_does(text: str, found: list[tuple[int, str]]) -> None:
    assert list(logical_lines(text)) == found


def test_a_long_run_of_spaces_takes_no_time() -> None:
    assert list(logical_lines("a" + " " * 1_000_000 + "b")) != []


def test_entries_keep_their_file_and_line(tmp_path: Path) -> None:
    model = make_model(tmp_path, more__b_txt="numpy<2\n", c_txt="scipy<1.12\n--pre\n")

    reader = read(model, "mlflow\n\n-r more/b.txt\n-c c.txt\n")

    assert lines(reader) == ["r.txt: line 1: mlflow", "more/b.txt: line 1: numpy<2"]
    assert [str(entry.origin) for entry in reader.constraints] == ["c.txt: line 1"]
    assert [str(option) for option in reader.options] == ["--pre"]
    assert reader.files == ["r.txt", "more/b.txt", "c.txt"]
    assert reader.has_entries


def test_a_file_includes_from_beside_itself(tmp_path: Path) -> None:
    model = make_model(tmp_path, a__b_txt="-r c.txt\n-r ../d.txt\n", a__c_txt="x\n", d_txt="y\n")

    assert lines(read(model, "-r a/b.txt")) == ["a/c.txt: line 1: x", "d.txt: line 1: y"]


def test_what_constraints_include_are_constraints(tmp_path: Path) -> None:
    model = make_model(tmp_path, c_txt="-r d.txt\n", d_txt="x<2\n")

    reader = read(model, "-c c.txt\n-r d.txt")

    assert [entry.pep508() for entry in reader.constraints] == ["x<2"]
    assert [entry.pep508() for entry in reader.requirements] == ["x<2"]


def test_a_file_that_is_included_twice_is_read_once(tmp_path: Path) -> None:
    files = {f"f{n}_txt": f"-r f{n + 1}.txt\n" * 3 for n in range(30)}
    model = make_model(tmp_path, **files, f30_txt="x\n")

    assert lines(read(model, "-r f0.txt")) == ["f30.txt: line 1: x"]


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("-r absent.txt", "'absent.txt' is not in the model"),
        ("-r ../x.txt", "the path '../x.txt' leads out of the model"),
        ("-r /etc/passwd", "the path '/etc/passwd' is absolute, not in the model"),
        ("-c https://h/c.txt", "a file on a web server is not read; put a copy into the model"),
        ("-r r.txt", "the files include each other: r.txt -> r.txt"),
        ("-r loop.txt", "the files include each other: r.txt -> loop.txt -> r.txt"),
        ("-r binary.txt", "not a text file: it holds NUL bytes"),
    ],
)
def test_a_file_that_cannot_be_included_is_a_bad_entry(
    tmp_path: Path, entry: str, problem: str
) -> None:
    model = make_model(tmp_path, loop_txt="-r r.txt\n", binary_txt="\0")

    (bad,) = read(model, entry).bad

    assert bad.problem == problem


def test_files_include_files_only_so_deep(tmp_path: Path) -> None:
    files = {f"f{n}_txt": f"-r f{n + 1}.txt\n" for n in range(60)}

    (bad,) = read(make_model(tmp_path, **files), "-r f0.txt").bad

    assert str(bad) == (
        "f49.txt: line 1: '-r f50.txt': files that include files, more than 50 deep"
    )


def test_without_a_model_nothing_is_included() -> None:
    (bad,) = read(None, "-r a.txt").bad

    assert bad.problem == "another file cannot be included here"


def test_an_absent_file_may_be_a_notice(tmp_path: Path) -> None:
    reader = read(make_model(tmp_path), "-r a.txt\n-r ../b.txt", absent=True)

    assert [str(notice) for notice in reader.notices] == [
        "r.txt: line 1: the file 'a.txt' is not in the model; what it listed is unknown"
    ]
    assert [bad.problem for bad in reader.bad] == ["the path '../b.txt' leads out of the model"]


def test_a_reader_that_read_nothing_has_no_entries() -> None:
    assert not read(None, "# nothing\n").has_entries


def bad_entry(file: str, line: int, text: str = "x") -> BadEntry:
    origin = Origin(side="model", file=file, position=f"item {line}")
    return BadEntry(origin=origin, text=text, problem="no", line=line)


def test_no_bad_entry_raises_nothing() -> None:
    raise_bad_entries(())


def test_one_bad_entry_is_said() -> None:
    with pytest.raises(SpecError) as caught:
        raise_bad_entries([bad_entry("a", 0, "https://u:secret@h")])

    assert str(caught.value) == (
        "a: an entry cannot be understood\n  a: item 0: 'https://****:****@h': no"
    )


def test_all_bad_entries_are_said_in_the_order_of_the_file() -> None:
    with pytest.raises(SpecError) as caught:
        raise_bad_entries([bad_entry("b", 9), bad_entry("a", 3), bad_entry("b", 2)])

    assert str(caught.value) == (
        "b, a: 3 entries cannot be understood\n"
        "  b: item 2 (line 2): 'x': no\n"
        "  b: item 9 (line 9): 'x': no\n"
        "  a: item 3 (line 3): 'x': no"
    )
