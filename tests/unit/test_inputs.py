"""What a lock depends on: the meaning of its inputs, not how they are written down."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from envbuild.entries.requirements import CondaRequirement, PipRequirement
from envbuild.errors import ModelError, UsageError
from envbuild.locking.inputs import (
    OptionValue,
    compare_inputs,
    describe_inputs,
    describe_options,
    digest_inputs,
    restore_options,
)
from envbuild.model import Flavor
from envbuild.options import LockOptions
from envbuild.origins import Origin
from envbuild.platforms import parse_platform
from envbuild.server import Companion, PackageSet, Probes, ServerProfile
from envbuild.spec import EnvSpec
from tests.support.locks import index, make_model, online_profile, python_request, requirement

NOTHING = ServerProfile(name="none", summary="", package_sets=(), kind="none")
ONE = "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"  # the sha256 of b"one"
ALWAYS = ("envbuild: inputs 1", "none: kind none", "option: platform linux-64")
MODEL_LINES = (
    "MLmodel: flavor python_function",
    "MLmodel: flavor sklearn",
    "MLmodel: loader_module mlflow.sklearn",
    "MLmodel: mlflow_version 1.26.1",
    "MLmodel: python_version 3.7.11",
    "MLmodel: sklearn.sklearn_version 0.24.1",
)


def _companion(name: str, *ranges: str) -> Companion:
    origin = Origin(side="server", file="mine")
    versions = tuple(SpecifierSet(text) for text in ranges)
    return Companion(name=canonicalize_name(name), ranges=versions, origin=origin)


def spec_of(*requirements: PipRequirement) -> EnvSpec:
    return EnvSpec(pip=requirements, python=None, files=("conda.yaml",))


def lines(
    spec: EnvSpec,
    *,
    path: Path = Path(),
    server: ServerProfile = NOTHING,
    options: LockOptions | None = None,
    constraints: tuple[PipRequirement, ...] = (),
) -> list[str]:
    """The lines beside those that every model of these tests has."""
    options = options or LockOptions(server="none")
    described = describe_inputs(make_model(path), spec, server, options, constraints=constraints)
    usual = {*MODEL_LINES, *ALWAYS, "option: server none"}
    return [line for line in described if line not in usual]


def test_requirements_are_named_by_file_and_meaning() -> None:
    spec = spec_of(requirement("scikit_learn == 0.24.1"), requirement("a>=1,<2; os_name=='nt'"))

    assert lines(spec) == [
        'conda.yaml: a<2,>=1; os_name == "nt"',
        "conda.yaml: scikit-learn==0.24.1",
    ]


def test_neither_order_nor_doubles_count() -> None:
    first, second = requirement("a==1"), requirement("b==1")

    assert lines(spec_of(first, second)) == lines(spec_of(second, first, second))


def test_what_was_told_from_the_record_counts_as_the_record_does() -> None:
    told = requirement("torch", file="MLmodel", side="record")

    assert lines(spec_of(told)) == []


def test_hashes_count() -> None:
    pinned = replace(requirement("a==1"), hashes=("sha256:b", "sha256:a"))

    assert lines(spec_of(pinned)) == ["conda.yaml: a==1 --hash=sha256:a --hash=sha256:b"]


def test_wheels_of_the_model_count_by_their_bytes(tmp_path: Path) -> None:
    (tmp_path / "a.whl").write_bytes(b"one")
    spec = spec_of(requirement("a @ ./a.whl"))
    before = lines(spec, path=tmp_path)
    (tmp_path / "a.whl").write_bytes(b"two")
    after = lines(spec, path=tmp_path)

    assert before == [f"conda.yaml: a @ ./a.whl sha256:{ONE}"]
    assert before != after


def test_folders_of_the_model_count_by_their_files(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    spec = spec_of(requirement("a @ ./lib"))
    (before,) = lines(spec, path=tmp_path)
    (tmp_path / "lib" / "setup.py").write_text("")
    (after,) = lines(spec, path=tmp_path)

    assert before.startswith("conda.yaml: a @ ./lib tree:")
    assert before != after


def test_a_wheel_that_is_not_there_is_a_model_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        lines(spec_of(requirement("a @ ./a.whl")), path=tmp_path)

    assert caught.value.where == "conda.yaml: dependencies[2].pip[0]"


def test_everything_else_in_the_spec_counts() -> None:
    origin = Origin(side="model", file="conda.yaml")
    conda = CondaRequirement(name="cudatoolkit", origin=origin, text="", version="==11.3")
    tool = CondaRequirement(name="pip", origin=origin, text="", version="<=21.2.4")
    spec = EnvSpec(
        pip=(),
        python=python_request("3.7.11"),
        conda=(conda,),
        conda_tools=(tool,),
        channels=("https://u:p@example.org/conda", "conda-forge"),
        constraints=(requirement("numpy<2", file="constraints.txt"),),
        index_options=(
            index("extra-index-url", "https://u:p@b.org/simple"),
            index("index-url", "https://a.example.org/simple"),
            index("extra-index-url", "https://a.org/simple"),
            index("pre", ""),
        ),
        files=("conda.yaml",),
    )

    assert lines(spec) == [
        "conda.yaml: --extra-index-url https://****:****@b.org/simple https://a.org/simple",
        "conda.yaml: --index-url https://a.example.org/simple",
        "conda.yaml: --pre",
        "conda.yaml: channels https://****:****@example.org/conda, conda-forge",
        "conda.yaml: conda cudatoolkit[version='==11.3']",
        "conda.yaml: conda pip[version='<=21.2.4']",
        "conda.yaml: python ==3.7.11",
        "constraints.txt: constraint numpy<2",
    ]


def test_the_order_of_channels_and_indexes_counts() -> None:
    spec = replace(spec_of(), channels=("a", "b"))
    options = [index("extra-index-url", f"https://{host}/") for host in ("a.org", "b.org")]

    assert lines(spec) != lines(replace(spec, channels=("b", "a")))
    assert lines(replace(spec, index_options=tuple(options))) != lines(
        replace(spec, index_options=tuple(reversed(options)))
    )


def test_a_password_does_not_count() -> None:
    old, new = (index("index-url", f"https://u:{word}@example.org/") for word in ("old", "new"))

    assert lines(replace(spec_of(), index_options=(old,))) == lines(
        replace(spec_of(), index_options=(new,))
    )


def test_what_mlmodel_records_counts_but_not_every_setting() -> None:
    model = replace(
        make_model(Path()),
        flavors=(Flavor(name="xgboost", settings={"xgb_version": "1.7.6", "data": "model.xgb"}),),
        mlflow_version=None,
        python_version=None,
        loader_module="",
    )

    described = describe_inputs(model, spec_of(), NOTHING, LockOptions(server="none"))

    assert described == (
        "MLmodel: flavor xgboost",
        "MLmodel: xgboost.xgb_version 1.7.6",
        "envbuild: inputs 1",
        "none: kind none",
        "option: platform linux-64",
        "option: server none",
    )


def test_a_server_counts_with_all_that_it_needs_and_how_it_is_started() -> None:
    server = ServerProfile(
        name="mine",
        summary="not what counts",
        package_sets=(
            PackageSet(
                python=SpecifierSet(),
                packages=(requirement("c"), requirement("a>=2")),
                beside=(_companion("b", "<1", ">=3"),),
            ),
            PackageSet(python=SpecifierSet("<3.8"), packages=(requirement("a>=1"),), rank=1),
        ),
        scoring_needs=(requirement("pandas"),),
        mlflow="skinny",
        skinny_swap=True,
        model_decides_mlflow=True,
        command=("serve", "--port", "80"),
        port=80,
        probes=Probes(liveness="/live", readiness="/ready", scoring="/score"),
        environment={"A": "1"},
        kind="online",
    )

    assert [line for line in lines(spec_of(), server=server) if line.startswith("mine: ")] == [
        "mine: command serve --port 80",
        "mine: environment A=1",
        "mine: for Python <3.8, rank 1: a>=1",
        "mine: for Python any, rank 0: a>=2, c; beside b<1 or b>=3",
        "mine: kind online",
        "mine: mlflow-may-be-swapped yes",
        "mine: model-decides-mlflow yes",
        "mine: needs-mlflow skinny",
        "mine: pandas (script)",
        "mine: port 80",
        "mine: probes /live /ready /score",
    ]


def test_a_users_script_counts_by_its_bytes(tmp_path: Path) -> None:
    server = online_profile(tmp_path / "profile.toml")

    def scripts() -> list[str]:
        return [line for line in lines(spec_of(), server=server) if ": script " in line]

    assert scripts() == []
    (tmp_path / "score.py").write_text("one")
    before = scripts()
    (tmp_path / "score.py").write_text("two")

    assert before == [f"azureml-online: script sha256:{ONE}"]
    assert before != scripts()


def test_constraints_of_the_user_count_by_what_they_say() -> None:
    constraint = requirement("numpy<2", file="/home/me/constraints.txt", side="option")
    options = LockOptions(server="none", constraint_files=("/home/me/constraints.txt",))

    assert lines(spec_of(), options=options, constraints=(constraint,)) == [
        "constraints.txt: constraint numpy<2"
    ]


def test_options_count_when_they_are_not_the_usual_ones() -> None:
    options = LockOptions(
        server="none",
        platforms=(parse_platform("linux-aarch64"), parse_platform("linux-64")),
        python="3.8",
        index_url="https://u:p@example.org/simple",
        extra_index_urls=("https://b.org/", "https://a.org/"),
        find_links=("/opt/wheels", "wheels"),
        exclude_newer="2024-01-01",
        only_binary=True,
        fill_in=False,
        relax=("SciPy", "numpy"),
        upgrade=True,
        upgrade_packages=("numpy",),
        cache_dir="/tmp/cache",
        offline=True,
    )

    assert lines(spec_of(), options=options) == [
        "option: exclude-newer 2024-01-01",
        "option: extra-index-urls https://b.org/ https://a.org/",
        "option: fill-in no",
        "option: find-links wheels",
        "option: index-url https://****:****@example.org/simple",
        "option: only-binary yes",
        "option: platform linux-aarch64",
        "option: python 3.8",
        "option: relax numpy",
        "option: relax scipy",
    ]


OPTIONS = LockOptions(
    server="mlflow",
    runtime="conda",
    platforms=(parse_platform("win-64"), parse_platform("linux-64")),
    python="3.8",
    base_image="python:3.8",
    resolver="pip-tools",
    index_url="https://${USER}:${PASSWORD}@example.org/simple",
    extra_index_urls=("https://b.org/", "https://a.org/"),
    find_links=("wheels",),
    constraint_files=("constraints.txt",),
    exclude_newer="2024-01-01",
    only_binary=True,
    prerelease=True,
    fill_in=False,
    keep_mlflow=True,
    strict_server=True,
    model_indexes=False,
    relax=("numpy", "scipy"),
)


def test_options_are_restored_as_they_were_described() -> None:
    assert restore_options(describe_options(OPTIONS)) == OPTIONS
    assert restore_options(describe_options(LockOptions())) == LockOptions()


def test_what_was_restored_is_described_the_same() -> None:
    secret = replace(OPTIONS, index_url="https://u:p@example.org/", find_links=("/opt/wheels",))

    described = describe_options(secret)

    assert described["index-url"] == "https://****:****@example.org/"
    assert described["find-links"] == ("wheels",)
    assert describe_options(restore_options(described)) == described


def test_options_of_another_version_are_left_out() -> None:
    described: dict[str, OptionValue] = {
        "python": ("3.8",),
        "unheard-of": "x",
        "offline": True,
        "only-binary": True,
    }

    assert restore_options(described) == LockOptions(only_binary=True)


def test_a_platform_of_another_version_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="unknown platform 'amiga'"):
        restore_options({"platforms": ("amiga",)})


def test_the_digest_is_that_of_the_lines() -> None:
    assert digest_inputs(["a", "b"]) == (
        "911169ddaaf146aff539f58c26c489af3b892dff0fe283c1c264c65ae5aa59a2"
    )


@pytest.mark.parametrize(
    ("before", "after", "differences"),
    [
        (["c: a==1"], ["c: a==1"], []),
        (["c: a==1"], ["c: a==2"], ["c: a==1 -> a==2"]),
        (["c: a"], ["c: a[x]>=2"], ["c: a -> a[x]>=2"]),
        (["c: a @ git+https://x@1"], ["c: a==1"], ["c: a @ git+https://x@1 -> a==1"]),
        (["c: a==1"], ["r: a==1"], ["c: a==1 removed", "r: a==1 added"]),
        (["c: a==1"], ["c: ab==1"], ["c: a==1 removed", "c: ab==1 added"]),
        ([], ["c: b", "c: a"], ["c: a added", "c: b added"]),
        (
            ["o: platform linux-64"],
            ["o: platform linux-64", "o: platform win-64"],
            ["o: platform win-64 added"],
        ),
        (["c: conda a[version='==1']"], ["c: conda a"], ["c: conda a[version='==1'] -> conda a"]),
        (["o: python 3.7"], ["o: python 3.8"], ["o: python 3.7 -> python 3.8"]),
        (["c: --pre"], ["c: --no-index"], ["c: --no-index added", "c: --pre removed"]),
        (
            ["s: environment A=1"],
            ["s: environment A=2", "s: environment B=1"],
            ["s: environment A=1 -> environment A=2", "s: environment B=1 added"],
        ),
        (
            ["s: for Python any, rank 0: a>=1", "s: for Python any, rank 1: a"],
            ["s: for Python any, rank 0: a>=2"],
            [
                "s: for Python any, rank 0: a>=1 -> for Python any, rank 0: a>=2",
                "s: for Python any, rank 1: a removed",
            ],
        ),
        (["s: a", "s: a==1"], ["s: a>=2"], ["s: a removed", "s: a==1 removed", "s: a>=2 added"]),
    ],
)
def test_differences_say_what_changed(
    before: list[str], after: list[str], differences: list[str]
) -> None:
    assert sorted(compare_inputs(before, after)) == sorted(differences)


@given(st.lists(st.text()), st.lists(st.text()))
def test_there_are_differences_exactly_when_the_lines_differ(
    before: list[str], after: list[str]
) -> None:
    shuffled = random.Random(0).sample(before, len(before))

    assert bool(compare_inputs(before, after)) == (set(before) != set(after))
    assert compare_inputs(before, shuffled) == ()
