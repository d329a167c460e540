"""YAML as text: what stays, what is refused, and where."""

from __future__ import annotations

import codecs
import time

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from envbuild.errors import ModelError
from envbuild.reading.yamltext import MAX_BYTES, Document, Value, decode, kind_of, parse_yaml

LOADERS = [yaml.SafeLoader] + [
    getattr(yaml, name) for name in ("CSafeLoader",) if hasattr(yaml, name)
]
EACH_LOADER = pytest.mark.parametrize("loader", LOADERS, ids=lambda loader: loader.__name__)


def parse(text: str, loader: type | None = None) -> Document:
    return parse_yaml(text, where="file", loader=loader)


def refusal(text: str, loader: type | None = None) -> str:
    with pytest.raises(ModelError) as caught:
        parse(text, loader)
    return str(caught.value)


@EACH_LOADER
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 3.10", {"a": "3.10"}),
        ("a: 010", {"a": "010"}),
        ("a: 1_000", {"a": "1_000"}),
        ("a: yes", {"a": "yes"}),
        ("a: 2024-13-45", {"a": "2024-13-45"}),
        ("a: .inf", {"a": ".inf"}),
        ("a: 1e3", {"a": "1e3"}),
        ("a:", {"a": None}),
        ("a: ~\nb: null\nc: Null\nd: NULL", {"a": None, "b": None, "c": None, "d": None}),
        ("a: 'null'\nb: \"\"", {"a": "null", "b": ""}),
        ("a: !!str null\nb: !!null x\nc: !!float 1.0", {"a": "null", "b": None, "c": "1.0"}),
        ("a: ! text", {"a": "text"}),
        ("~: 1\n2: b", {"~": "1", "2": "b"}),
        ("- a\n- [b, {c: d}]", ["a", ["b", {"c": "d"}]]),
        ("!!map {a: !!seq [b]}", {"a": ["b"]}),
        ("a: |\n  one\n  two\n", {"a": "one\ntwo\n"}),
        ("a: one\n  two", {"a": "one two"}),
        ("just words", "just words"),
        ("# nothing", None),
        ("", None),
        ("---\na: b\n...\n", {"a": "b"}),
        ("a: b\r\nc: d\r\n", {"a": "b", "c": "d"}),
        ('a: "\\x41\\u00e9"', {"a": "Aé"}),
    ],
)
def test_every_scalar_stays_text(text: str, value: Value, loader: type) -> None:
    assert parse(text, loader).value == value


@EACH_LOADER
def test_an_alias_stands_for_what_its_anchor_marks(loader: type) -> None:
    document = parse("a: &x [1, &y 2]\nb: *x\nc: *y\n&k key: v", loader)

    assert document.value == {"a": ["1", "2"], "b": ["1", "2"], "c": "2", "key": "v"}


@EACH_LOADER
def test_a_merge_key_gives_what_is_not_there_and_the_first_of_several_wins(loader: type) -> None:
    text = "a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc:\n  <<: [*a, *b]\n  x: 3\nd: {'<<': plain}"

    document = parse(text, loader)

    assert isinstance(document.value, dict)
    assert document.value["c"] == {"x": "3", "y": "1", "z": "2"}
    assert document.value["d"] == {"<<": "plain"}
    assert document.line("c", "z") == 2


@EACH_LOADER
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: b: c", "file: broken YAML at line 1, column 5: mapping values are not allowed"),
        ("a: 'x\n", "file: broken YAML at line 2, column 1: while scanning a quoted scalar"),
        ("[a, b", "file: broken YAML at line "),
        ("a: &k b\n*k : c", "file: refused: a key that is not text (line 2)"),
        ("a: *b", "file: refused: the alias *b has no anchor (line 1)"),
        ("a: &b [*b]", "file: refused: the alias *b contains itself (line 1)"),
        ("a: 1\n--- 2", "file: refused: more than one YAML document (line 2)"),
        ("a: 1\n? [b]\n: c", "file: refused: a key that is not text (line 2)"),
        ("a: !!binary aGk=", "file: refused: the tag '!!binary', which is more than plain data"),
        ("a: !!set {b}", "file: refused: the tag '!!set', which is more than plain data"),
        ("!thing a: b", "file: refused: the tag '!thing', which is more than plain data (line 1)"),
        (
            "a: !!python/object/apply:os.system [ls]",
            "file: refused: the tag '!!python/object/apply:os.system', which is more than plain",
        ),
        ("a: !!seq b", "file: refused: the tag '!!seq', which is more than plain data (line 1)"),
        ("<<: a", "file: refused: a merge key << without a mapping (line 1)"),
        ("<<: [{a: b}, c]", "file: refused: a merge key << without a mapping (line 1)"),
        ("a: \x07", "file: broken YAML: the character '\\x07' in line 1 is not allowed"),
        ("a: b\nc: \ud800", "file: broken YAML: the character '\\ud800' in line 2 is not allowed"),
        ("[" * 101 + "]" * 101, "file: refused: nested deeper than 100 levels (line 1)"),
    ],
)
def test_what_no_model_file_has_is_refused_and_located(
    text: str, message: str, loader: type
) -> None:
    assert refusal(text, loader).startswith(message)


@EACH_LOADER
def test_half_a_character_is_refused(loader: type) -> None:
    assert "file: " in refusal('a: "\\ud800"', loader)


@EACH_LOADER
def test_a_hundred_levels_are_not_too_deep(loader: type) -> None:
    assert parse("[" * 100 + "]" * 100, loader).value is not None


@EACH_LOADER
def test_levels_reached_through_aliases_count(loader: type) -> None:
    lines = ["a0: &a0 [x]", *(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 120))]

    assert refusal("\n".join(lines), loader) == (
        "file: refused: nested deeper than 100 levels (line 99)"
    )


@EACH_LOADER
def test_an_alias_bomb_is_refused_at_once(loader: type) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    start = time.monotonic()

    assert refusal("\n".join(lines), loader) == (
        "file: refused: more than 100,000 nodes once aliases are written out (line 5)"
    )
    assert time.monotonic() - start < 1


def test_a_merge_bomb_is_refused() -> None:
    wide = ", ".join(f"k{n}: v" for n in range(2_000))
    merges = "\n".join(f"m{n}: {{<<: *w}}" for n in range(60))

    assert "more than 100,000 nodes" in refusal(f"w: &w {{{wide}}}\n{merges}")


@EACH_LOADER
def test_of_a_key_that_is_twice_the_last_counts_and_a_notice_says_so(loader: type) -> None:
    document = parse("a: [1]\nb: 2\na: [3]\n", loader)

    assert document.value == {"a": ["3"], "b": "2"}
    (notice,) = document.notices
    assert notice.code == "duplicate-key"
    assert str(notice) == (
        "file: line 3: the key 'a' is there twice, first in line 1: the last one counts, "
        "as it does for MLflow"
    )


@EACH_LOADER
def test_every_node_has_a_line(loader: type) -> None:
    document = parse("a:\n- b\n- c: 1\n  d:\n  - e\n", loader)

    assert document.line() == 1
    assert document.line("a") == 1
    assert document.line("a", 1) == 3
    assert document.line("a", 1, "d", 0) == 5
    assert document.line("a", 7) == 0
    assert document.line("x", "y") == 0
    assert document.line("a", "b") == 0


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"a", "a"),
        ("é".encode(), "é"),
        (codecs.BOM_UTF8 + "é".encode(), "é"),
        (codecs.BOM_UTF16_LE + "é".encode("utf-16-le"), "é"),
        (codecs.BOM_UTF16_BE + "é".encode("utf-16-be"), "é"),
        (codecs.BOM_UTF32_LE + "é".encode("utf-32-le"), "é"),
        (codecs.BOM_UTF32_BE + "é".encode("utf-32-be"), "é"),
    ],
)
def test_a_byte_order_mark_says_the_encoding(data: bytes, text: str) -> None:
    assert decode(data, where="file") == text


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"a\nb\xe8", "file: not a text file: line 2 has the byte 0xe8, which is not UTF-8"),
        (b"a\x00", "file: not a text file: it holds NUL bytes"),
        (
            codecs.BOM_UTF16_LE + b"a",
            "file: not a text file: line 1 has the byte 0x61, which is not UTF-16-LE",
        ),
        (b" " * (MAX_BYTES + 1), "file: larger than 10 MB, which no such file is"),
    ],
)
def test_what_is_no_text_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(ModelError) as caught:
        decode(data, where="file")

    assert str(caught.value).startswith(message)


def test_ten_megabytes_are_not_too_large() -> None:
    assert len(decode(b" " * MAX_BYTES, where="file")) == MAX_BYTES


@pytest.mark.parametrize(
    ("value", "kind"), [(None, "nothing"), ("", "text"), ([], "a list"), ({}, "a mapping")]
)
def test_a_value_is_called_by_its_kind(value: Value, kind: str) -> None:
    assert kind_of(value) == kind


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1)
TREES = st.recursive(
    WORDS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4)
)


@given(TREES)
def test_what_is_dumped_as_text_reads_back_the_same(tree: object) -> None:
    dumped = yaml.safe_dump(tree, allow_unicode=True, default_style="'")

    assert parse(dumped).value == tree


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_in_words(text: str) -> None:
    for loader in LOADERS:
        try:
            parse(text, loader)
        except ModelError as error:
            assert str(error).startswith("file: ")  # noqa: PT017 - that it is raised is no duty
