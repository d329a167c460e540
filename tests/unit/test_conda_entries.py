"""MatchSpecs in every spelling, and what they mean for Python."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envbuild.entries.conda_entries import parse_match_spec, python_specifier
from envbuild.entries.pip_sources import EntryError
from envbuild.entries.requirements import CondaRequirement
from envbuild.origins import Origin

ORIGIN = Origin(side="model", file="conda.yaml", position="dependencies[0]")


def parse(text: str) -> CondaRequirement:
    return parse_match_spec(text, origin=ORIGIN)


def refusal(text: str) -> str:
    with pytest.raises(EntryError) as caught:
        python_specifier(parse(text))
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "version", "build"),
    [
        ("numpy", "", ""),
        ("numpy *", "", ""),
        ("numpy=*", "", ""),
        ("numpy * *mkl", "", "*mkl"),
        ("numpy=1.26", "=1.26", ""),
        ("numpy = 1.26", "=1.26", ""),
        ("numpy=1.26.*", "=1.26", ""),
        ("numpy 1.26.*", "=1.26", ""),
        ("numpy 1.26*", "=1.26", ""),
        ("numpy==1.26.*", "=1.26", ""),
        ("numpy 1.26", "==1.26", ""),
        ("numpy==1.26", "==1.26", ""),
        ("numpy=1.26=py310_0", "==1.26", "py310_0"),
        ("numpy 1.26 py310_0", "==1.26", "py310_0"),
        ("numpy==1.26=py310_0", "==1.26", "py310_0"),
        ("numpy=1.26.*=py310*", "=1.26", "py310*"),
        ("numpy>=1.26", ">=1.26", ""),
        ("numpy >= 1.26 , < 2", ">=1.26,<2", ""),
        ("numpy >=1.26,<2 py310*", ">=1.26,<2", "py310*"),
        ("numpy>=1.26.*", ">=1.26", ""),
        ("numpy!=1.26.*", "!=1.26.*", ""),
        ("numpy~=1.26", "~=1.26", ""),
        ("numpy 1.25|1.26.*", "==1.25|=1.26", ""),
        ("numpy=1.25|>=1.26,<2", "=1.25|>=1.26,<2", ""),
        ("numpy 1.*.3", "1.*.3", ""),
        ("numpy=1!2.0+cu", "=1!2.0+cu", ""),
        ("numpy[version='>=1.26,<2']", ">=1.26,<2", ""),
        ('numpy[version="1.26.*", build=py310_0]', "=1.26", "py310_0"),
        ("numpy[version='=1.26', build=py310_0]", "=1.26", "py310_0"),
        ("numpy=1.26[build=py310_0]", "=1.26", "py310_0"),
        ("numpy[]", "", ""),
        ("numpy=1.26  # why", "=1.26", ""),
    ],
)
def test_version_and_build_are_told_apart(text: str, version: str, build: str) -> None:
    found = parse(text)

    assert (found.name, found.version, found.build) == ("numpy", version, build)
    assert found.text == text


@pytest.mark.parametrize(
    ("text", "name", "channel", "subdir"),
    [
        ("NumPy", "numpy", "", ""),
        ("__glibc>=2.17", "__glibc", "", ""),
        ("libgcc-ng", "libgcc-ng", "", ""),
        ("conda-forge::numpy", "numpy", "conda-forge", ""),
        ("conda-forge/linux-64::numpy", "numpy", "conda-forge", "linux-64"),
        ("conda-forge/noarch::numpy", "numpy", "conda-forge", "noarch"),
        ("acme/label::numpy", "numpy", "acme/label", ""),
        ("https://u:p@h/channel::numpy>=1", "numpy", "https://u:p@h/channel", ""),
        ("numpy[channel=conda-forge, subdir=linux-64]", "numpy", "conda-forge", "linux-64"),
    ],
)
def test_name_channel_and_subdir_are_told_apart(
    text: str, name: str, channel: str, subdir: str
) -> None:
    found = parse(text)

    assert (found.name, found.channel, found.subdir) == (name, channel, subdir)


def test_no_credential_of_a_channel_is_shown() -> None:
    found = parse("https://u:secret@h/t/secret/channel::numpy>=1")

    assert found.text == "https://****:****@h/t/****/channel::numpy>=1"
    assert "secret" not in repr(found)
    assert found.channel == "https://u:secret@h/t/secret/channel"


@pytest.mark.parametrize(
    ("text", "specifier"),
    [
        ("python", ""),
        ("python=3", "==3.*"),
        ("python=3.9", "==3.9.*"),
        ("python=3.10", "==3.10.*"),
        ("python=3.9.*", "==3.9.*"),
        ("python 3.9.*", "==3.9.*"),
        ("python=3.7.11", "==3.7.11"),
        ("python==3.7.11", "==3.7.11"),
        ("python 3.7.11", "==3.7.11"),
        ("python=3.7.6=h0371630_2", "==3.7.6"),
        ("python=3.8.*=*_cpython", "==3.8.*"),
        ("python==3.9", "==3.9"),
        ("python>=3.10", ">=3.10"),
        ("python>=3.8,<3.11", "<3.11,>=3.8"),
        ("python>=3.8.*,!=3.9.*", "!=3.9.*,>=3.8"),
        ("python~=3.12", "~=3.12"),
        ("python~=3", ">=3"),
        ("python>3.8", ">3.8"),
        ("python<=3.9", "<=3.9"),
        ("python<3.10.0a0", "<3.10.0"),
        ("python<3.10a0", "<3.10"),
        ("python=3.7|=3.8", "<3.9,>=3.7"),
        ("python 3.7.*|3.9.*", "!=3.8.*,<3.10,>=3.7"),
        ("python=3.8|>=3.10", "!=3.9.*,>=3.8"),
        ("python>=3.8,<3.9|=3.9", "<3.10,>=3.8"),
    ],
)
def test_a_python_means_the_same_in_pep_440(text: str, specifier: str) -> None:
    assert str(python_specifier(parse(text))) == specifier


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("python=snake", "'snake' is no version of Python"),
        ("python 3.*.1", "'3.*.1' is no version of Python"),
        ("python 3.7.1|3.8.*", "alternatives that no single range of versions means; choose one"),
        ("python=4.1|=4.2", "alternatives without any version of Python 3"),
        ("python>=3.8+x", "'>=3.8+x' has no meaning for versions of Python"),
    ],
)
def test_a_python_that_means_nothing_there_is_refused(text: str, problem: str) -> None:
    assert refusal(text) == problem


EXAMPLE = "expected a conda package such as numpy=1.26 or conda-forge::numpy>=1.26,<2"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", EXAMPLE),
        ("::numpy", EXAMPLE),
        ("conda-forge::", EXAMPLE),
        ("-numpy", EXAMPLE),
        ("numpy,scipy", EXAMPLE),
        ("numpy=", f"{EXAMPLE}; got the version '='"),
        ("numpy>=1 <2", f"{EXAMPLE}; got the version '>=1 <2'"),
        ("numpy>=1,", f"{EXAMPLE}; got the version ''"),
        (
            "numpy>=1; python_version<'3'",
            f"{EXAMPLE}; got the version \">=1; python_version<'3'\"",
        ),
        ("torch[cuda]", f"{EXAMPLE}; expected key='value' in brackets, extras are pip's"),
        ("numpy[md5=0]", "'md5' of a MatchSpec is not supported"),
        ("numpy[version='1'", EXAMPLE),
        ("git+https://h/r", f"{EXAMPLE}; a file or address belongs into the pip section"),
        ("x.whl", f"{EXAMPLE}; a file or address belongs into the pip section"),
        ("x.tar.bz2", f"{EXAMPLE}; a file or address belongs into the pip section"),
        ("x.conda", f"{EXAMPLE}; a file or address belongs into the pip section"),
        ("a" * 1_001, "longer than 1000 characters"),
    ],
)
def test_what_is_no_match_spec_says_what_was_expected(text: str, problem: str) -> None:
    assert refusal(text) == problem


@given(st.text(max_size=60))
def test_any_text_is_understood_or_refused(text: str) -> None:
    try:
        found = parse(text)
    except EntryError as error:
        assert str(error)  # noqa: PT017 - that it is raised is no duty
    else:
        assert found.name == found.name.lower()


@given(
    version=st.from_regex(r"(=|==|>=|<=|<|>|!=|~=)[0-9]{1,2}\.[0-9]{1,2}(\.\*)?", fullmatch=True),
    build=st.sampled_from(["", "=py310_0", " *cuda*"]),
)
def test_the_one_spelling_reads_back_the_same(version: str, build: str) -> None:
    found = parse(f"numpy{version}{build}")
    again = parse(found.match_spec())

    assert (again.version, again.build) == (found.version, found.build)
    assert again.match_spec() == found.match_spec()
