"""One entry of a pip section, in every form that pip takes; ``fixtures/models/pip-*`` have more."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envbuild.entries.pip_entries import Entry, Include, parse_entry
from envbuild.entries.pip_sources import EntryError
from envbuild.entries.requirements import (
    FileSource,
    IndexOption,
    PipRequirement,
    UrlSource,
    VcsSource,
)
from envbuild.model import Model
from envbuild.notices import Notice
from envbuild.origins import Origin

ORIGIN = Origin(side="model", file="conda.yaml", position="dependencies[2].pip[0]")
HASH = "0f1e2d3c4b5a69788796a5b4c3d2e1f0" * 2


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A model with a wheel in ``wheels``, a project in ``lib``, archives in ``more``."""
    path: Path = tmp_path_factory.mktemp("model")
    for name in ("wheels", "lib", "lib2", "more", "plain"):
        (path / name).mkdir()
    (path / "wheels" / "toy-1.0-py3-none-any.whl").touch()
    (path / "more" / "near-1.0.tar.gz").touch()
    (path / "more" / "odd.tar.xz").touch()
    (path / "wheels" / "bad.whl").touch()
    (path / "lib" / "pyproject.toml").write_text('[project]\nname = "Lib_Rary"\n')
    (path / "lib2" / "pyproject.toml").write_text("[tool.x]\n")
    (path / "plain" / "pyproject.toml").write_text("[project\n")
    (path / "link.whl").symlink_to("/etc/hostname")
    return Model(path=path, name="model", flavors=())


def parse(text: str, model: Model | None = None, file: str = "conda.yaml") -> tuple[Entry, ...]:
    return parse_entry(text, origin=Origin(side="model", file=file), model=model)


def requirement(text: str, model: Model | None = None, file: str = "conda.yaml") -> PipRequirement:
    first = parse(text, model, file)[0]
    assert isinstance(first, PipRequirement)
    return first


def refusal(text: str, model: Model | None = None, file: str = "conda.yaml") -> str:
    with pytest.raises(EntryError) as caught:
        parse(text, model, file)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("mlflow", "mlflow"),
        ("mlflow== 1.26.1", "mlflow==1.26.1"),
        ("Scikit_Learn (>=1.3,<1.4)", "scikit-learn<1.4,>=1.3"),
        ("torch==1.9.0+cu102", "torch==1.9.0+cu102"),
        ("weird===1.0-weird", "weird===1.0-weird"),
        ("pandas[Excel,aws_s3]~=2.1", "pandas[aws-s3,excel]~=2.1"),
        ("a==1;python_version<'3.9'", 'a==1; python_version < "3.9"'),
        ("a!=1.0.*", "a!=1.0.*"),
        ("a>=1,", "a>=1"),
    ],
)
def test_a_requirement_of_an_index_is_normalized(text: str, line: str) -> None:
    found = requirement(text)

    assert found.pep508() == line
    assert found.source is None
    assert found.text == text


@pytest.mark.parametrize(
    ("text", "name", "source"),
    [
        (
            "git+https://h/o/r.git",
            None,
            VcsSource(vcs="git", url="https://h/o/r.git"),
        ),
        (
            "git+https://h/o/r.git@v1#egg=R_r",
            "r-r",
            VcsSource(vcs="git", url="https://h/o/r.git", ref="v1"),
        ),
        (
            "r @ git+ssh://git@h:22/o/r.git@feature/x#subdirectory=a/./b",
            "r",
            VcsSource(vcs="git", url="ssh://git@h:22/o/r.git", ref="feature/x", subdirectory="a/b"),
        ),
        (
            "git+git@h:o/r.git@v1",
            None,
            VcsSource(vcs="git", url="ssh://git@h/o/r.git", ref="v1"),
        ),
        ("git+file:///srv/r", None, VcsSource(vcs="git", url="file:///srv/r")),
        ("git://h/r#egg=r==1.0", "r", VcsSource(vcs="git", url="git://h/r")),
        ("hg+https://h/r@tip", None, VcsSource(vcs="hg", url="https://h/r", ref="tip")),
        ("svn+ssh://h/r@12", None, VcsSource(vcs="svn", url="ssh://h/r", ref="12")),
        ("bzr+https://h/r", None, VcsSource(vcs="bzr", url="https://h/r")),
        ("GIT+HTTPS://h/r", None, VcsSource(vcs="git", url="https://h/r")),
    ],
)
def test_a_repository_is_taken_apart(text: str, name: str | None, source: VcsSource) -> None:
    found = requirement(text)

    assert found.name == name
    assert found.source == source


def test_a_repository_keeps_its_credentials_for_the_resolver_only() -> None:
    found = requirement("r[x] @ git+https://u:secret@h/r.git@v1#egg=r")

    assert found.resolvable({}) == "r[x] @ git+https://u:secret@h/r.git@v1"
    assert found.pep508() == "r[x] @ git+https://h/r.git@v1"


def test_a_token_in_the_query_of_a_repository_is_not_shown() -> None:
    found = requirement("git+https://h/r.git?private_token=secret#egg=r")

    assert found.pep508() == "r @ git+https://h/r.git?private_token=****"
    assert found.resolvable({}) == "r @ git+https://h/r.git?private_token=secret"


def test_an_editable_repository_is_a_plain_one() -> None:
    assert requirement("-e git+https://h/r.git#egg=r[x]").pep508() == "r[x] @ git+https://h/r.git"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("https://h/toy-1.0-py3-none-any.whl", "toy @ https://h/toy-1.0-py3-none-any.whl"),
        ("https://h/x.zip#egg=toy[a]", "toy[a] @ https://h/x.zip"),
        ("http://h/get?id=1", "http://h/get?id=1"),
        ("toy[a] @ https://h/x%20y/toy-1.0.tar.gz", "toy[a] @ https://h/x%20y/toy-1.0.tar.gz"),
        ("toy@https://u:secret@h/toy-1.0.zip", "toy @ https://h/toy-1.0.zip"),
        (
            "toy @ https://h/t.zip#subdirectory=a&egg=toy ; python_version<'3'",
            'toy @ https://h/t.zip#subdirectory=a ; python_version < "3"',
        ),
        (
            "https://h/toy-1.0.zip;python_version<'3'",
            'toy @ https://h/toy-1.0.zip ; python_version < "3"',
        ),
        ("https://h/a;b/toy-1.0.zip", "toy @ https://h/a;b/toy-1.0.zip"),
        ("https://h/toy-1.0.zip?sig=secret", "toy @ https://h/toy-1.0.zip?sig=****"),
    ],
)
def test_an_archive_on_the_web_is_taken_apart(text: str, line: str) -> None:
    found = requirement(text)

    assert isinstance(found.source, UrlSource)
    assert found.pep508() == line


def test_hashes_come_from_options_and_from_the_address() -> None:
    by_option = requirement(f"toy==1 --hash=sha256:{HASH.upper()} --hash sha512:{HASH * 2}")
    by_address = requirement(f"https://h/toy-1.0.zip#sha256={HASH}")

    assert by_option.hashes == (f"sha256:{HASH}", f"sha512:{HASH * 2}")
    assert by_address.hashes == (f"sha256:{HASH}",)
    assert by_address.resolvable({}) == "toy @ https://h/toy-1.0.zip"


@pytest.mark.parametrize(
    ("text", "file", "line"),
    [
        (
            "wheels/toy-1.0-py3-none-any.whl",
            "conda.yaml",
            "toy @ ./wheels/toy-1.0-py3-none-any.whl",
        ),
        (".\\wheels\\toy-1.0-py3-none-any.whl", "r.txt", "toy @ ./wheels/toy-1.0-py3-none-any.whl"),
        (
            "./wheels/toy-1.0-py3-none-any.whl[x, Y_y] ; python_version < '3'",
            "r.txt",
            'toy[x,y-y] @ ./wheels/toy-1.0-py3-none-any.whl ; python_version < "3"',
        ),
        ("near-1.0.tar.gz", "more/r.txt", "near @ ./more/near-1.0.tar.gz"),
        (
            "../wheels/toy-1.0-py3-none-any.whl",
            "more/r.txt",
            "toy @ ./wheels/toy-1.0-py3-none-any.whl",
        ),
        ("near @ more/near-1.0.tar.gz", "conda.yaml", "near @ ./more/near-1.0.tar.gz"),
        ("more/odd.tar.xz", "conda.yaml", "./more/odd.tar.xz"),
        ("file:more/near-1.0.tar.gz", "conda.yaml", "near @ ./more/near-1.0.tar.gz"),
        ("lib/", "conda.yaml", "lib-rary @ ./lib"),
        ("./lib2", "conda.yaml", "./lib2"),
        ("-e ./lib[dev]", "conda.yaml", "lib-rary[dev] @ ./lib"),
        ("--editable=lib", "conda.yaml", "lib-rary @ ./lib"),
    ],
)
def test_a_file_of_the_model_is_found(model: Model, text: str, file: str, line: str) -> None:
    found = requirement(text, model, file)

    assert isinstance(found.source, FileSource)
    assert found.pep508() == line
    assert found.source.editable is text.startswith("-")


@pytest.mark.parametrize(
    "address",
    [
        "file://{ARTIFACT_PATH}/wheels/toy-1.0-py3-none-any.whl",
        "file://${MODEL_DIR}/wheels/toy-1.0-py3-none-any.whl",
        "{{ model }}/toy/wheels/toy-1.0-py3-none-any.whl",
        "$HOME/wheels/toy-1.0-py3-none-any.whl",
        "%TEMP%\\wheels\\toy-1.0-py3-none-any.whl",
        "<path>/wheels/toy-1.0-py3-none-any.whl",
        "file:///opt/ml/model/wheels/toy-1.0-py3-none-any.whl",
        "file://localhost/opt/wheels/toy-1.0-py3-none-any.whl",
        "C:\\models\\wheels\\toy-1.0-py3-none-any.whl",
        "~/wheels/toy-1.0-py3-none-any.whl",
    ],
)
def test_a_path_of_another_machine_leads_to_the_same_file_in_the_model(
    model: Model, address: str
) -> None:
    found, notice = parse(f"toy @ {address}", model)

    assert isinstance(found, PipRequirement)
    assert found.source == FileSource(path="wheels/toy-1.0-py3-none-any.whl")
    assert isinstance(notice, Notice)
    assert notice.code == "file-taken"
    assert notice.message.endswith(" is taken from the model: wheels/toy-1.0-py3-none-any.whl")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("absent-1.0-py3-none-any.whl", "'absent-1.0-py3-none-any.whl' is not in the model"),
        ("../../x.whl", "the path '../../x.whl' leads out of the model"),
        ("wheels/bad.whl", "'bad.whl' is not the name of a wheel (PEP 427)"),
        ("link.whl", "'link.whl' is a link that leads out of the model"),
        ("./wheels", "'wheels' is no Python project: neither pyproject.toml nor setup.py"),
        ("./plain", "plain/pyproject.toml is broken: "),
        ("-e ./more/near-1.0.tar.gz", "expected a project folder or a repository after -e"),
        ("-e https://h/toy-1.0.zip", "expected a project folder or a repository after -e"),
        ("other @ ./lib", "expected other, but the address is that of lib-rary"),
        (
            "certifi @ file:///croot/certifi_1/work/certifi",
            "the path '/croot/certifi_1/work/certifi' is outside the model; expected a version ",
        ),
        (
            "x @ file:///${A}/x-1.0.zip",
            "the path '/${A}/x-1.0.zip' was never filled in (${A}); expected a version (name==",
        ),
        ("x @ file:///", "the path '/' is outside the model; expected a version (name==1.0) or"),
        ("x @ file://nas/x-1.0.zip", "'nas/x-1.0.zip' is not in the model"),
    ],
)
def test_a_file_that_is_not_in_the_model_is_refused(model: Model, text: str, problem: str) -> None:
    assert refusal(text, model).startswith(problem)


def test_without_a_model_there_are_no_files() -> None:
    assert refusal("./lib") == "a file, './lib', has no place here"


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("-i https://h/simple", ["--index-url https://h/simple"]),
        ("-ihttps://h/simple", ["--index-url https://h/simple"]),
        ("--index-url=https://h/simple", ["--index-url https://h/simple"]),
        ("--pypi-url https://h/simple", ["--index-url https://h/simple"]),
        ("--extra-index-url 'https://h/simple'", ["--extra-index-url https://h/simple"]),
        ("--index-url ${INDEX}", ["--index-url ${INDEX}"]),
        ("-f=https://h/x.html", ["--find-links https://h/x.html"]),
        ("--trusted-host h:8080", ["--trusted-host h:8080"]),
        ("--no-index --pre --prefer-binary", ["--no-index", "--pre", "--prefer-binary"]),
        ("--no-binary=:all: --only-binary a,b", ["--no-binary :all:", "--only-binary a,b"]),
    ],
)
def test_an_option_is_read_in_every_spelling(text: str, options: list[str]) -> None:
    found = parse(text)

    assert all(isinstance(entry, IndexOption) for entry in found)
    assert [str(entry) for entry in found] == options


def test_an_option_behind_a_requirement_is_read_too() -> None:
    found = parse("torch==1.9.0+cu102 -f https://h/torch.html")

    assert [type(entry) for entry in found] == [PipRequirement, IndexOption]


def test_a_folder_of_links_is_one_of_the_model(model: Model) -> None:
    (option,) = parse("--find-links ./wheels/", model)

    assert isinstance(option, IndexOption)
    assert option.value == "wheels"


@pytest.mark.parametrize("folder", ["/dbfs/wheels", "absent", "../..", "file:///x"])
def test_a_folder_of_links_elsewhere_is_left_out_with_a_notice(model: Model, folder: str) -> None:
    for known in (model, None):
        (notice,) = parse(f"-f {folder}", known)
        assert isinstance(notice, Notice)
        assert notice.code == "entry-ignored"
        assert notice.message == f"the folder '{folder}', which is not in the model, is left out"


@pytest.mark.parametrize("option", ["--require-hashes", "--use-feature x", "-C a=b"])
def test_an_option_without_meaning_here_is_left_out_with_a_notice(option: str) -> None:
    (notice,) = parse(option)

    assert isinstance(notice, Notice)
    assert notice.message == f"the option {option.partition(' ')[0]} is left out"


@pytest.mark.parametrize(
    ("text", "path", "constraints"),
    [
        ("-r a.txt", "a.txt", False),
        ("-ra.txt", "a.txt", False),
        ("--requirement=a.txt", "a.txt", False),
        ("-c a.txt", "a.txt", True),
        ("--constraint 'a b.txt'", "a b.txt", True),
    ],
)
def test_an_included_file_is_named(text: str, path: str, constraints: bool) -> None:
    origin = Origin(side="model", file="conda.yaml")

    assert parse(text) == (Include(path=path, constraints=constraints, origin=origin),)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("numpy=1.26", "expected a requirement such as numpy==1.26.4: a single = is conda's, pip"),
        (
            "numpy[x]=1.26",
            "expected a requirement such as numpy==1.26.4: a single = is conda's, pip",
        ),
        ("foo bar", "expected a requirement such as numpy==1.26.4, one in an entry"),
        ("a;python_version<3", "expected a requirement such as numpy==1.26.4: expected a marker"),
        ("a>=1.*", "expected a requirement such as numpy==1.26.4: .* suffix can only be used"),
        ("é", "expected a requirement such as numpy==1.26.4: expected package name at the start"),
        (
            f"a; {'(' * 3_000}",
            # packaging counts for itself from 26.4 on; before, the interpreter's stack ended it.
            (
                "a marker that is nested too deep",
                "expected a requirement such as numpy==1.26.4: marker expression is nested more",
            ),
        ),
        ("a" * 4_001, "longer than 4,000 characters"),
        ("--no-deps", "the option '--no-deps' has no place in a list of requirements"),
        ("-x", "the option '-x' has no place in a list of requirements"),
        ("--pre now", "expected an option instead of 'now'"),
        ("--pre=now", "the option --pre takes no value"),
        ("--index-url", "the option --index-url needs a value"),
        ("--index-url=", "the option --index-url needs a value"),
        (
            "-i ftp://u:secret@h",
            "expected the http(s) address of an index, got 'ftp://****:****@h'",
        ),
        ("-i simple", "expected the http(s) address of an index, got 'simple'"),
        ("--hash 'a", "expected quotes in pairs"),
        ("a --hash=md5:0", "expected sha256:… of 64 hexadecimal digits, got 'md5:0'"),
        (
            "https://h/a-1.0.zip#sha256=0",
            "expected sha256:… of 64 hexadecimal digits, got 'sha256:0'",
        ),
        ("ftp://h/a-1.0.zip", "expected a path, https: or a repository (git+https:), got 'ftp:"),
        ("git+ext::sh -c x", "expected a path, https: or a repository (git+https:), got 'git+ext"),
        ("conda-forge::a", "expected a path, https: or a repository (git+https:), got 'conda-f"),
        (
            "git+https://h/r@-x",
            "'git+https://h/r@-x' has an option where a host or revision belongs",
        ),
        ("git+ssh://u@-oProxy/r", "'git+ssh://u@-oProxy/r' has an option where a host or revision"),
        ("git+https://h/r#subdirectory=../x", "the path '../x' leads out of the model"),
        ("b @ https://h/a-1.0.zip", "expected b, but the address is that of a"),
    ],
)
def test_what_cannot_be_understood_says_what_was_expected(
    text: str, problem: str | tuple[str, ...]
) -> None:
    said = refusal(text)

    assert said.startswith(problem)
    assert "secret" not in said


@given(st.text(max_size=60))
def test_any_text_is_understood_or_refused(text: str) -> None:
    try:
        entries = parse(text)
    except EntryError as error:
        assert str(error)  # noqa: PT017 - that it is raised is no duty
    else:
        assert all(str(entry) for entry in entries)


NAMES = st.from_regex(r"[a-z]([a-z-]{0,8}[a-z])?", fullmatch=True)
VERSIONS = st.from_regex(r"(==|>=|<|~=|!=)[0-9]{1,3}\.[0-9]{1,3}", fullmatch=True)


@given(name=NAMES, version=VERSIONS, extras=st.lists(NAMES, max_size=2, unique=True))
def test_the_line_of_a_requirement_reads_back_the_same(
    name: str, version: str, extras: list[str]
) -> None:
    line = requirement(f"{name}[{', '.join(extras)}] {version}").pep508()

    assert requirement(line).pep508() == line
