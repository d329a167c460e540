"""The environment as a whole: which file counts, and what is said of the others.

Every shape is a folder of ``fixtures/models`` with a golden file; here is what they do not show.
"""

from __future__ import annotations

import pytest

from envbuild.entries.python_env import request_python
from envbuild.errors import ModelError, SpecError
from envbuild.model import EnvironmentFile, Model
from envbuild.origins import Origin
from envbuild.spec import EnvSpec, parse_environment, parse_requirements
from tests.support.paths import MODELS
from tests.support.readings import read

ORIGIN = Origin(side="model", file="python_env.yaml", position="python")


def model(
    conda: str = "", requirements: str = "", python_env: str = "", python: str | None = None
) -> Model:
    """A model with the files that have a text."""

    def file(name: str, text: str) -> EnvironmentFile | None:
        return EnvironmentFile(name=name, text=text) if text else None

    return Model(
        path=MODELS / "seed",  # a folder; nothing is read from it
        name="model",
        flavors=(),
        python_version=python,
        conda_yaml=file("conda.yaml", conda),
        requirements=file("requirements.txt", requirements),
        python_env=file("python_env.yaml", python_env),
    )


def said(spec: EnvSpec, code: str) -> list[str]:
    return [str(notice) for notice in spec.notices if notice.code == code]


def differences(spec: EnvSpec) -> list[str]:
    """The notices about files that do not count, without the words they have in common."""
    common = " counts, and this says otherwise;"
    notices = said(spec, "requirements-differ")
    assert all(common in notice for notice in notices)
    return [notice.replace(common, " counts:") for notice in notices]


def pip(spec: EnvSpec) -> list[str]:
    return [requirement.pep508() for requirement in spec.pip]


def test_conda_yaml_wins_and_requirements_txt_is_not_merged_in() -> None:
    spec = parse_environment(model("dependencies: [pip: [a==1]]", "a==2\nb\n", "dependencies: [c]"))

    assert pip(spec) == ["a==1"]
    assert spec.files == ("conda.yaml",)
    assert differences(spec) == [
        "requirements.txt: conda.yaml counts: only here: b; other versions: a (==1, here ==2)",
        "python_env.yaml: conda.yaml counts: only here: c",
    ]


def test_requirements_txt_wins_over_python_env() -> None:
    spec = parse_environment(model("", "a==2\n", "python: 3.9.1\ndependencies: [a==1]"))

    assert pip(spec) == ["a==2"]
    assert spec.files == ("requirements.txt", "python_env.yaml")
    assert differences(spec) == [
        "python_env.yaml: requirements.txt counts: other versions: a (==2, here ==1)"
    ]


def test_files_that_say_the_same_in_other_words_do_not_differ() -> None:
    spec = parse_environment(model("dependencies: [pip: [A_a<2, 'a-a>=1']]", "a.a>=1\nA-a <2\n"))

    assert differences(spec) == []


def test_what_conda_provides_is_not_missing() -> None:
    spec = parse_environment(model("dependencies: [numpy=1.26, pip: [a]]", "a\nnumpy==1.26.4\n"))

    assert differences(spec) == []


def test_many_differences_are_counted() -> None:
    listed = "\n".join(f"p{number}" for number in range(9))

    spec = parse_environment(model("dependencies: [pip: [a]]", listed))

    assert differences(spec) == [
        "requirements.txt: conda.yaml counts: only here: p0, p1, p2, p3, p4 and 4 more; not here: a"
    ]


def test_an_entry_that_cannot_be_read_where_it_does_not_count_is_no_error() -> None:
    spec = parse_environment(model("dependencies: [pip: [a]]", "a\n=\n", "dependencies: [=]"))

    assert pip(spec) == ["a"]
    assert differences(spec) == [
        "requirements.txt: conda.yaml counts: entries that cannot be read: 1",
        "python_env.yaml: conda.yaml counts: entries that cannot be read: 1",
    ]


def test_bad_entries_of_every_file_that_counts_are_said_at_once() -> None:
    with pytest.raises(SpecError) as caught:
        parse_environment(model("dependencies: [python=x, a=]", "=\n"))

    assert str(caught.value).splitlines()[0] == (
        "conda.yaml, requirements.txt: 3 entries cannot be understood"
    )


def test_a_python_env_that_counts_is_held_to_its_entries() -> None:
    with pytest.raises(SpecError, match=r"^python_env\.yaml: an entry cannot be understood"):
        parse_environment(model(python_env="dependencies: [=]"))


def test_a_conda_yaml_that_is_no_yaml_or_no_environment_stops() -> None:
    with pytest.raises(ModelError, match=r"^conda\.yaml: broken YAML at line 1"):
        parse_environment(model("a: b: c"))
    with pytest.raises(SpecError) as caught:
        parse_environment(model("text"))
    assert str(caught.value) == "conda.yaml: expected channels and dependencies, got no mapping"


def test_without_files_there_is_nothing_but_the_record() -> None:
    spec = parse_environment(model(python="3.8.16"))

    assert (spec.pip, spec.files) == ((), ())
    assert spec.python is not None
    assert str(spec.python.specifier) == "==3.8.16"
    assert spec.python.origin.side == "record"
    assert [notice.code for notice in spec.notices] == ["no-environment-file"]


@pytest.mark.parametrize("python", [None, "snake"])
def test_python_may_be_unknown(python: str | None) -> None:
    assert parse_environment(model(requirements="a", python=python)).python is None


@pytest.mark.parametrize(
    ("conda", "env", "record", "notice"),
    [
        ("python=3.9", "3.9.1", "3.9.7", []),
        ("python>=3.8", "3.9.1", "3.10.1", []),
        ("python=3.9.1", "3.9.7", "3.9.7", []),
        ("python", "3.9.1", "2.7.18", []),
        (
            "python=3.9",
            "3.10.1",
            "3.9.7",
            ["python=3.9 counts, though python_env.yaml has 3.10.1"],
        ),
        (
            "python>=3.10",
            "3.9.1",
            "3.8",
            ["python>=3.10 counts, though python_env.yaml has 3.9.1 and MLmodel has 3.8"],
        ),
    ],
)
def test_pythons_of_another_minor_version_are_named(
    conda: str, env: str, record: str, notice: list[str]
) -> None:
    spec = parse_environment(
        model(f"dependencies: ['{conda}', pip: [a]]", "", f"python: {env}", record)
    )

    where = "conda.yaml: dependencies[0]: "
    assert said(spec, "python-differs") == [f"{where}{message}" for message in notice]


def test_a_python_env_against_the_record_is_named_too() -> None:
    spec = parse_environment(model(python_env="python: 3.9.1\ndependencies: [a]", python="3.8.2"))

    assert said(spec, "python-differs") == [
        "python_env.yaml: python: Python 3.9.1 counts, though MLmodel has 3.8.2"
    ]


@pytest.mark.parametrize(
    ("text", "specifier"),
    [
        ("3.9", "==3.9.*"),
        ("3.10", "==3.10.*"),
        ("3", "==3.*"),
        ("3.8.14", "==3.8.14"),
        (" 3.8.10+ ", "==3.8.10"),
        ("3.13.0rc1", "==3.13.0rc1"),
        ("3.13rc1", "==3.13rc1"),
        (">=3.8,<4", "<4,>=3.8"),
    ],
)
def test_a_bare_version_asks_for_what_it_names(text: str, specifier: str) -> None:
    request = request_python(text, ORIGIN)

    assert request is not None
    assert str(request.specifier) == specifier
    assert request.text == text


@pytest.mark.parametrize("text", ["", "snake", "3.x", "python 3"])
def test_what_is_no_version_asks_for_nothing(text: str) -> None:
    assert request_python(text, ORIGIN) is None or text == ""


def test_repeated_entries_are_kept_once_and_different_ones_all() -> None:
    conda = "dependencies: [numpy=1, numpy=1, numpy=2, pip: [a==1, b, 'a == 1', a==2, -c x]]"

    spec = parse_environment(model(conda.replace(", -c x", ", --pre, --pre")))

    assert pip(spec) == ["a==1", "b", "a==2"]
    assert [package.version for package in spec.conda] == ["=1", "=2"]
    assert [str(option) for option in spec.index_options] == ["--pre"]


def test_the_same_repository_with_another_token_is_another_entry() -> None:
    conda = "dependencies: [pip: ['git+https://one@h/r', 'git+https://two@h/r']]"

    assert pip(parse_environment(model(conda))) == ["git+https://h/r", "git+https://h/r"]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("git+https://${T}@h/r", "the value of T goes to h when this is locked"),
        (
            "r @ https://${HOST}/${U}/r-1.zip",
            "the value of HOST, U goes to the address that it names when this is locked",
        ),
        (
            "--index-url ${INDEX}",
            "the value of INDEX goes to the address that it names when this is locked",
        ),
    ],
)
def test_where_the_users_variables_go_is_said(entry: str, message: str) -> None:
    spec = parse_environment(model(f"dependencies: [pip: ['{entry}']]"))

    assert said(spec, "variable-used") == [f"conda.yaml: dependencies[0].pip[0]: {message}"]


def test_a_windows_package_with_its_marker_is_as_it_should_be() -> None:
    entry = 'pywin32; platform_system == "Windows"'

    spec = parse_environment(model(f"dependencies: [pip: ['{entry}']]"))

    assert said(spec, "misnamed") == []


def test_a_file_of_a_misnamed_package_is_what_it_is() -> None:
    spec = parse_environment(model("dependencies: [pip: ['sys @ https://h/sys-1.0.zip']]"))

    assert said(spec, "misnamed") == []


def test_channels_may_be_one_text() -> None:
    assert parse_environment(model("channels: conda-forge\ndependencies: [a]")).channels == (
        "conda-forge",
    )


def test_no_secret_is_in_the_repr_of_an_environment() -> None:
    for name in ("pip-options", "pip-repositories", "pip-archives-on-the-web", "conda-packages"):
        _, spec = read(name)
        for secret in ("s3cret", "ghp_0123456789", "t0ken", "c2VjcmV0", "tk-0123456789"):
            assert secret not in repr(spec)


def test_a_users_constraints_are_read() -> None:
    found = parse_requirements("numpy<2\n# why\nscipy==1.11\n", file="c.txt", side="option")

    assert [str(entry.origin) for entry in found] == ["c.txt: line 1", "c.txt: line 3"]
    assert [entry.pep508() for entry in found] == ["numpy<2", "scipy==1.11"]
    assert {entry.origin.side for entry in found} == {"option"}


def test_a_users_constraints_are_constraints_and_nothing_else() -> None:
    with pytest.raises(SpecError) as caught:
        parse_requirements(
            "-i https://u:secret@h\n-r x.txt\n./x.whl\na b\n", file="c.txt", side="option"
        )

    assert str(caught.value) == (
        "c.txt: 4 entries cannot be understood\n"
        "  c.txt: line 1: '-i https://****:****@h': an option has no place here\n"
        "  c.txt: line 2: '-r x.txt': another file cannot be included here\n"
        "  c.txt: line 3: './x.whl': a file, './x.whl', has no place here\n"
        "  c.txt: line 4: 'a b': expected a requirement such as numpy==1.26.4, one in an entry"
    )
