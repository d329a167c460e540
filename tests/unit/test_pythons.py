"""Which Python a request means."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from envbuild.errors import PythonVersionError, UsageError
from envbuild.pythons import agrees, choose_given_python, choose_python, load_releases

RELEASES = load_releases()


@pytest.mark.parametrize(
    ("request_", "preferred", "chosen"),
    [
        ("==3.8.5", (), "3.8.5"),
        ("==3.8.5", ("3.8.10",), "3.8.5"),
        ("==3.9.*", (), "3.9.25"),
        ("==3.9.*", ("3.9.7",), "3.9.7"),
        ("==3.9.*", ("3.8.1", "3.9.7"), "3.9.7"),
        ("==3.9.*", ("3.9",), "3.9.25"),
        ("==3.9.*", ("3.9.99", "nonsense"), "3.9.25"),
        ("==3.9.*", ("3.9.7rc1",), "3.9.25"),
        (">=3.10", (), "3.12.16"),
        (">=3.10", ("3.11.2",), "3.11.2"),
        (">=3.10", ("3.9.2",), "3.12.16"),
        (">=3.11.5", ("3.11.2",), "3.11.18"),
        (">=3.7", ("3.8",), "3.8.20"),
        (">=3.13", (), "3.13.17"),
        (">=3.6,<3.9", (), "3.8.20"),
        ("==3.*,!=3.12.*", (), "3.11.18"),
        ("", (), "3.12.16"),
        ("", ("3.6.8",), "3.6.8"),
    ],
)
def test_a_request_means_one_release(
    request_: str, preferred: tuple[str, ...], chosen: str
) -> None:
    assert str(choose_python(SpecifierSet(request_), preferred=preferred)) == chosen


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (
            "==3.9.99",
            """\
conda.yaml: dependencies[0]: no release of Python satisfies python=3.9.99
  nearest release: 3.9.25
  try: --python 3.9.25""",
        ),
        (
            "==3.6.16",
            """\
conda.yaml: dependencies[0]: no release of Python satisfies python=3.6.16
  nearest release: 3.6.15
  try: --python 3.6.15""",
        ),
        (
            "==3.13.99",
            """\
conda.yaml: dependencies[0]: no release of Python satisfies python=3.13.99
  nearest release: 3.13.17
  try: --python 3.13.17, or --python 3.13.99 if it was released lately""",
        ),
        (
            "==3.13.0rc1",
            """\
conda.yaml: dependencies[0]: no release of Python satisfies python=3.13.0rc1
  nearest release: 3.13.17
  try: --python 3.13.17""",
        ),
        (
            "==4.0",
            """\
conda.yaml: dependencies[0]: no release of Python satisfies python=4.0
  nearest release: 3.15.2
  try: --python 3.15.2""",
        ),
        (
            "==2.7.*",
            """\
conda.yaml: dependencies[0]: python=2.7.* is too old: the oldest Python with a server is 3.6
  nearest release: 3.6.15
  try: --python 3.6.15""",
        ),
        (
            "<3.6",
            """\
conda.yaml: dependencies[0]: python=<3.6 is too old: the oldest Python with a server is 3.6
  nearest release: 3.6.15
  try: --python 3.6.15""",
        ),
    ],
)
def test_what_does_not_exist_is_refused_with_the_nearest_release(
    request_: str, message: str
) -> None:
    named = f"python={request_.removeprefix('==')}"

    with pytest.raises(PythonVersionError) as raised:
        choose_python(SpecifierSet(request_), named=named, where="conda.yaml: dependencies[0]")

    assert str(raised.value) == message


def test_a_range_without_any_release_is_about_where_it_begins() -> None:
    with pytest.raises(PythonVersionError, match=r"nearest release: 3\.9\.25"):
        choose_python(SpecifierSet(">=3.9.26,<3.10"))


def test_a_request_without_any_number_is_refused_too() -> None:
    with pytest.raises(PythonVersionError) as raised:
        choose_python(SpecifierSet("===unknown"))

    assert str(raised.value) == "no release of Python satisfies python===unknown"


@pytest.mark.parametrize(
    ("text", "preferred", "chosen"),
    [
        ("3.11", (), "3.11.18"),
        ("3.11", ("3.11.2",), "3.11.2"),
        ("3.11.4", ("3.11.2",), "3.11.4"),
        ("3", (), "3.12.16"),
        (">=3.10,<3.12", (), "3.11.18"),
    ],
)
def test_the_users_python_is_a_version_or_a_range(
    text: str, preferred: tuple[str, ...], chosen: str
) -> None:
    assert choose_given_python(text, preferred=preferred) == (Version(chosen), ())


def test_a_release_that_is_newer_than_the_table_is_taken_on_trust_from_the_user() -> None:
    python, (notice,) = choose_given_python("3.13.99")

    assert python == Version("3.13.99")
    assert str(notice) == (
        "--python: Python 3.13.99 is taken on trust: the newest that is known is 3.13.17"
    )


@pytest.mark.parametrize("text", ["3.6.16", "3.5.2", "4.0.1"])
def test_a_branch_that_gets_no_releases_is_not_taken_on_trust(text: str) -> None:
    with pytest.raises(PythonVersionError):
        choose_given_python(text)


@pytest.mark.parametrize("text", ["py39", "", "3.9 or so", ">=abc"])
def test_what_is_no_version_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError) as raised:
        choose_given_python(text)

    assert str(raised.value) == (
        f"--python: {text!r} is no version of Python\n"
        "  try: --python 3.11, or a full release such as 3.11.4"
    )


def test_a_request_agrees_with_the_minor_versions_it_allows() -> None:
    assert agrees(Version("3.9.1"), SpecifierSet("==3.9.7"))
    assert not agrees(Version("3.9.1"), SpecifierSet(">=3.10"))


def test_the_default_is_one_of_the_branches_and_the_oldest_the_first() -> None:
    assert RELEASES.default in RELEASES.last
    assert min(RELEASES.last) == RELEASES.oldest
    assert set(RELEASES.last) > RELEASES.live


@given(
    release=st.sampled_from(RELEASES.all()),
    preferred=st.lists(st.sampled_from([str(version) for version in RELEASES.all()]), max_size=3),
)
def test_every_release_is_chosen_by_its_own_name_and_within_its_minor(
    release: Version, preferred: list[str]
) -> None:
    minor = f"=={release.major}.{release.minor}.*"

    assert choose_python(SpecifierSet(f"=={release}"), preferred=preferred) == release
    assert choose_python(SpecifierSet(minor), preferred=preferred) in SpecifierSet(minor)
