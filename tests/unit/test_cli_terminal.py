"""What is printed where."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from envbuild.cli.terminal import Terminal
from envbuild.errors import ModelError


class Screen(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


class Stream(io.StringIO):
    """A stream of UTF-8, as standard output is."""

    encoding = "utf-8"


def terminal(**settings: Any) -> Terminal:
    return Terminal(**{"out": io.StringIO(), "err": io.StringIO(), **settings})


def printed(shown: Terminal) -> tuple[str, str]:
    assert isinstance(shown.out, io.StringIO)
    assert isinstance(shown.err, io.StringIO)
    return shown.out.getvalue(), shown.err.getvalue()


ERROR = ModelError("no MLmodel", where="model", details=["a", "b"], remedy="another folder")


def test_people_get_text_and_no_document() -> None:
    shown = terminal()
    shown.say("done")
    shown.document({"done": True})

    assert printed(shown) == ("done\n", "")


def test_machines_get_the_document_and_nothing_else() -> None:
    shown = terminal(json_output=True)
    shown.say("done")
    shown.document({"done": "jä"})

    assert printed(shown) == ('{\n  "done": "jä"\n}\n', "")


def test_a_name_that_is_no_text_is_escaped_for_people_and_machines() -> None:
    people, machines = Stream(), Stream()
    terminal(out=people).say("jä \udcff")
    terminal(out=machines, json_output=True).document({"jä": "\udcff"})

    assert people.getvalue() == "jä \\udcff\n"
    assert machines.getvalue() == '{\n  "j\\u00e4": "\\udcff"\n}\n'


def test_quiet_prints_errors_only() -> None:
    shown = terminal(quiet=True)
    shown.say("done")
    shown.fail(ERROR)

    assert printed(shown) == ("", "error: model: no MLmodel\n  a\n  b\n  try: another folder\n")


def test_an_error_is_a_document_for_machines() -> None:
    shown = terminal(json_output=True)
    shown.fail(ERROR)

    out, err = printed(shown)
    assert err == ""
    assert json.loads(out) == {
        "error": {
            "type": "ModelError",
            "exit_code": 3,
            "message": "no MLmodel",
            "where": "model",
            "details": ["a", "b"],
            "remedy": "another folder",
        }
    }


def test_colours_are_escape_codes_only_where_they_are_on() -> None:
    assert terminal(colour=True).style("x", "bold") == "\x1b[1mx\x1b[0m"
    assert terminal().style("x", "bold") == "x"


@pytest.mark.parametrize(
    ("environ", "colour"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)],
)
def test_colours_are_off_where_no_color_or_the_terminal_asks(
    environ: dict[str, str], colour: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout", Screen())

    shown = Terminal.of_process(environ, json_output=False, quiet=False, verbose=False)

    assert shown.colour is colour


def test_colours_are_off_when_the_output_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", io.StringIO())

    assert not Terminal.of_process({}, json_output=False, quiet=False, verbose=False).colour


def test_progress_is_one_line_that_is_wiped() -> None:
    shown = terminal(err=Screen())
    progress = shown.progress()
    progress.step("resolving")
    progress.advance(1_000_000, 4_000_000)
    progress.advance(4_000_000, 4_000_000)
    progress.close()

    err = printed(shown)[1]
    assert err.startswith("\r\x1b[Kresolving …\r\x1b[Kresolving … 1.0 of 4.0 MB, ")
    assert "4.0 of 4.0 MB" in err
    assert err.endswith("\r\x1b[K")
    assert "\n" not in err


def test_progress_of_unknown_length_has_no_time_left() -> None:
    shown = terminal(err=Screen())
    progress = shown.progress()
    progress.step("fetching")
    progress.advance(2_000_000, 0)

    assert "… 2.0 MB" in printed(shown)[1]
    assert "left" not in printed(shown)[1]


def test_progress_is_redrawn_ten_times_a_second_at_the_most() -> None:
    shown = terminal(err=Screen())
    progress = shown.progress()
    for done in range(1000):
        progress.advance(done, 100_000)

    assert printed(shown)[1].count("\r") < 100


@pytest.mark.parametrize("settings", [{}, {"quiet": True, "err": Screen()}])
def test_progress_is_silent_off_a_terminal_and_when_quiet(settings: dict[str, Any]) -> None:
    shown = terminal(**settings)
    progress = shown.progress()
    progress.step("resolving")
    progress.advance(1, 2)
    progress.close()

    assert printed(shown)[1] == ""


def test_verbose_progress_is_a_line_for_each_step() -> None:
    shown = terminal(verbose=True, err=Screen())
    progress = shown.progress()
    progress.step("merging")
    progress.step("resolving")
    progress.close()

    lines = printed(shown)[1].splitlines()
    assert [line.partition("] ")[2] for line in lines] == ["merging", "resolving"]
