"""Server profiles: the schema with all its violations, and the built-in ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from envbuild.errors import ProfileError
from envbuild.origins import Origin
from envbuild.pythons import load_releases
from envbuild.server import BUILT_IN, Companion, PackageSet, Probes, ServerProfile, load_profile
from tests.support.paths import PACKAGE

WHOLE = """\
name = "gateway"
summary = "our own gateway"
command = ["uvicorn", "score:app"]
port = 9000

[script]
name = "score.py"
needs = ["numpy", "pandas>=2"]

[mlflow]
needs = "skinny"
swap = true

[probes]
liveness = "/live"
readiness = "/ready"
scoring = "/score"

[environment]
WORKERS = "2"

[[requires]]
python = ">=3.9"
packages = ["fastapi[all]>=0.110", "uvicorn; sys_platform == 'linux'"]
beside = ["pydantic<2 or pydantic>=2.5", "mlflow>=2.16"]

[[requires]]
python = ">=3.8"
rank = 1
reason = "newer releases need pydantic 2"
packages = ["fastapi<0.100"]
"""
SMALL = 'name = "a"\nsummary = "b"\nkind = "none"\nrequires = []\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "score.py").write_text("", encoding="utf-8")
    return tmp_path


def load(folder: Path, text: str) -> ServerProfile:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return load_profile(str(path))


def refusal(folder: Path, text: str) -> str:
    """The whole message, without the folder."""
    with pytest.raises(ProfileError) as raised:
        load(folder, text)
    return str(raised.value).replace(f"{folder}/", "")


def test_every_key_ends_up_in_the_profile(folder: Path) -> None:
    profile = load(folder, WHOLE)

    first, second = profile.package_sets
    assert (profile.name, profile.summary, profile.kind) == ("gateway", "our own gateway", "online")
    assert profile.command == ("uvicorn", "score:app")
    assert profile.port == 9000
    assert profile.script == "score.py"
    assert [entry.pep508() for entry in profile.scoring_needs] == ["numpy", "pandas>=2"]
    assert (profile.mlflow, profile.skinny_swap, profile.model_decides_mlflow) == (
        "skinny",
        True,
        False,
    )
    assert profile.probes == Probes(liveness="/live", readiness="/ready", scoring="/score")
    assert profile.environment == {"WORKERS": "2"}
    assert profile.path == folder / "mine.toml"
    assert [entry.pep508() for entry in first.packages] == [
        "fastapi[all]>=0.110",
        'uvicorn; sys_platform == "linux"',
    ]
    assert [str(companion) for companion in first.beside] == [
        "pydantic<2 or pydantic>=2.5",
        "mlflow>=2.16",
    ]
    assert (second.rank, second.reason) == (1, "newer releases need pydantic 2")


def test_requirements_know_where_in_the_profile_they_stand(folder: Path) -> None:
    profile = load(folder, WHOLE)

    assert profile.package_sets[0].packages[1].origin == Origin(
        side="server", file="mine.toml", position="requires[0].packages[1]"
    )
    assert str(profile.package_sets[0].beside[1].origin) == "mine.toml: requires[0].beside[1]"
    assert str(profile.scoring_needs[0].origin) == "mine.toml: script.needs[0]"
    assert str(load_profile("azureml-online").package_sets[0].packages[0].origin) == (
        "azureml-online: requires[0].packages[0]"
    )


def test_the_least_that_a_profile_has_is_a_name_and_its_packages(folder: Path) -> None:
    profile = load(folder, SMALL)

    assert profile == ServerProfile(
        name="a",
        summary="b",
        package_sets=(),
        kind="none",
        environment={},
        path=folder / "mine.toml",
    )


def test_all_violations_are_told_at_once_with_their_places(folder: Path) -> None:
    text = """\
summary = ""
kind = "onlin"
comand = ["a"]
command = ["serve", 1, ""]
port = 70000

[script]
name = "gone.py"
needs = "numpy"

[mlflow]
needs = "fat"
swap = "yes"

[probes]
liveness = "live"
readiness = "/ready"

[environment]
WORKERS = 2

[[requires]]
python = "3.9 or newer"
rank = true
packages = ["fast api", "x @ https://example.org/x.whl", ""]
beside = ["a<1 or b>2", "!"]

[[requires]]
rank = 1
packages = []
colour = "red"
"""

    assert (
        refusal(folder, text)
        == """\
mine.toml: the profile does not fit the schema
  comand: unknown key; did you mean 'command'?
  kind: expected one of online, batch, none, got 'onlin'
  mlflow.needs: expected one of none, skinny, full, got 'fat'
  name: missing; expected a text
  summary: expected a text, got an empty one
  requires[0].rank: expected a whole number, got true or false
  requires[0].python: expected a range of versions such as >=3.9,<3.13, got '3.9 or newer'
  requires[0].packages[2]: expected a text, got an empty one
  requires[0].packages[0]: expected a requirement such as azureml-core>=1.61, got 'fast api'
  requires[0].packages[1]: expected a requirement such as azureml-core>=1.61; an address is not\
 supported, got 'x @ https://example.org/x.whl'
  requires[0].beside[0]: expected alternatives of one package, got 'a<1 or b>2'
  requires[0].beside[1]: expected a requirement such as azureml-core>=1.61, got '!'
  requires[1].colour: unknown key; known: python, packages, rank, reason, beside
  requires[1]: a rank above 0 needs a reason, and only such a rank has one
  mlflow.swap: expected true or false, got a text
  script.needs: expected an array, got a text
  command[1]: expected a text, got a whole number
  command[2]: expected a text, got an empty one
  port: expected a whole number from 1 to 65535, got 70000
  probes.scoring: missing; expected a text
  probes: liveness has to begin with a slash, got 'live'
  environment.WORKERS: expected a text, got a whole number
  script.name: no file 'gone.py' beside the profile, nor among envbuild's own
  try: docs/reference/server-profiles.md describes the format"""
    )


@pytest.mark.parametrize(
    ("change", "violation"),
    [
        ("requires = []", "requires: missing; expected an array"),
        ('kind = "none"', "kind online needs a command"),
    ],
)
def test_what_is_missing_is_named(folder: Path, change: str, violation: str) -> None:
    assert violation in refusal(folder, SMALL.replace(f"{change}\n", ""))


@pytest.mark.parametrize(
    ("text", "violation"),
    [
        (SMALL.replace('"none"', '"batch"'), "kind batch needs a script"),
        (
            f'{SMALL}[probes]\nliveness = "/"\nreadiness = "/"\nscoring = "/"\n',
            "probes need a port",
        ),
        (SMALL.replace("[]", "[1, 1979-05-27]"), "requires[0]: expected a table, got a whole"),
        (SMALL.replace("[]", "[1, 1979-05-27]"), "requires[1]: expected a table, got a date"),
        (f"{SMALL}script = 1\n", "script: expected a table, got a whole number"),
    ],
)
def test_what_does_not_go_together_is_named(folder: Path, text: str, violation: str) -> None:
    assert violation in refusal(folder, text)


def test_two_sets_of_one_rank_for_one_python_are_refused(folder: Path) -> None:
    text = SMALL.replace(
        "requires = []",
        '[[requires]]\npython = ">=3.9"\n[[requires]]\npython = "<3.9"\n'
        '[[requires]]\npython = "==3.11.*"',
    )

    assert "requires[2] has the same rank 0 as requires[0] for Python 3.11.0" in refusal(
        folder, text
    )


def test_a_script_of_envbuild_need_not_lie_beside_the_profile(folder: Path) -> None:
    assert load(folder, f'{SMALL}[script]\nname = "online.py"\n').script == "online.py"


@pytest.mark.parametrize(
    ("name", "guess"),
    [("azureml-onlin", "azureml-online"), ("mlflows", "mlflow"), ("zzz", "azureml-online")],
)
def test_an_unknown_name_is_met_with_those_there_are(name: str, guess: str) -> None:
    with pytest.raises(ProfileError) as raised:
        load_profile(name)

    assert str(raised.value) == (
        f"no server profile is called {name!r}\n"
        "  built in: azureml-online, azureml-batch, mlflow, none\n"
        f"  try: --server {guess}, or the path of a TOML file"
    )


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProfileError) as raised:
        load_profile(str(tmp_path / "gone.toml"))

    assert str(raised.value) == (
        f"{tmp_path}/gone.toml: the profile cannot be read: No such file or directory"
    )


def test_what_is_no_toml_is_told_with_its_line(folder: Path) -> None:
    assert refusal(folder, "name =").startswith("mine.toml: the profile is no TOML: Invalid value")


def test_what_is_no_text_is_told(folder: Path) -> None:
    (folder / "mine.toml").write_bytes(b"name = '\xff'")

    with pytest.raises(ProfileError, match="the profile is not UTF-8"):
        load_profile(str(folder / "mine.toml"))


def test_any_file_may_be_a_profile(folder: Path) -> None:
    (folder / "profile").write_text(SMALL, encoding="utf-8")

    assert load_profile(str(folder / "profile")).name == "a"


def test_sets_are_given_for_a_python_best_rank_first(folder: Path) -> None:
    profile = load(folder, WHOLE)

    assert [found.rank for found in profile.sets_for("3.11.7")] == [0, 1]
    assert [found.rank for found in profile.sets_for("3.8.20")] == [1]
    assert profile.sets_for("3.7.17") == ()


def test_a_companion_allows_what_is_in_any_of_its_ranges() -> None:
    companion = Companion(
        name=canonicalize_name("mlflow"),
        ranges=(SpecifierSet("<1.27"), SpecifierSet(">=2.16")),
        origin=Origin(side="server", file="mine"),
    )

    allowed = ["==1.20", "", "<3,>=2.1", "==2.16.*"]
    refused = ["==1.30.1", "==2.9.2", ">=1.27,<2.16", "~=2.3.0"]
    assert all(companion.allows(SpecifierSet(text)) for text in allowed)
    assert not any(companion.allows(SpecifierSet(text)) for text in refused)


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_built_in_profile_is_what_it_is_called(name: str) -> None:
    profile = load_profile(name)

    assert profile.name == name
    assert profile.path is None
    assert not profile.script or (PACKAGE / "scoring" / profile.script).is_file()


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_python_has_a_first_line_or_none_at_all(name: str) -> None:
    profile = load_profile(name)

    for python in load_releases().all():
        ranks = [found.rank for found in profile.sets_for(str(python))]
        assert ranks[:1] in ([], [0]), python
        assert len(ranks) == len(set(ranks)), python


@pytest.mark.parametrize(
    ("name", "pythons"),
    [
        ("azureml-online", {6, 7, 8, 9, 10, 11, 12, 13, 14, 15}),
        ("azureml-batch", {6, 7, 8, 9, 10, 11, 12, 13}),
        ("mlflow", {7, 8, 9, 10, 11, 12, 13, 14, 15}),
        ("none", {6, 7, 8, 9, 10, 11, 12, 13, 14, 15}),
    ],
)
def test_the_built_in_profiles_are_for_these_pythons(name: str, pythons: set[int]) -> None:
    profile = load_profile(name)

    assert {
        python.minor for python in load_releases().all() if profile.sets_for(str(python))
    } == pythons


@pytest.mark.parametrize("name", ["azureml-online", "azureml-batch", "mlflow"])
def test_no_server_package_is_without_a_floor_and_no_older_line_without_an_end(name: str) -> None:
    """Without a floor a resolver walks back through the years, without an end into other lines."""
    for packages in load_profile(name).package_sets:
        own = [entry for entry in packages.packages if "setuptools" not in entry.pep508()]
        assert all(_floor(entry.specifier) or _end(entry.specifier) for entry in own)
        if packages.rank:
            assert any(_end(entry.specifier) for entry in own), packages.reason


def _floor(specifier: SpecifierSet) -> bool:
    return any(bound.operator in {">=", "=="} for bound in specifier)


def _end(specifier: SpecifierSet) -> bool:
    return any(bound.operator in {"<", "<=", "=="} for bound in specifier)


def test_azures_probes_are_those_of_its_documents() -> None:
    profile = load_profile("azureml-online")

    assert profile.port == 5001
    assert profile.probes == Probes(liveness="/", readiness="/", scoring="/score")


def test_package_sets_are_values() -> None:
    assert PackageSet(python=SpecifierSet(), packages=()) == PackageSet(
        python=SpecifierSet(), packages=()
    )
