"""Explaining and relaxing, with the real uv, against a real index on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from envbuild.errors import ResolutionError, UsageError
from envbuild.merge import Change
from envbuild.resolve.conflicts import Budget
from envbuild.resolve.explain import Explanation, explain
from envbuild.resolve.interface import ResolverOptions
from envbuild.resolve.relax import relax
from envbuild.resolve.uv import UvResolver
from tests.support.index import Index, sdist, wheel
from tests.support.problems import ambient_of, problem, requirement


@pytest.fixture(scope="module")
def index() -> Iterator[Index]:
    with Index() as index:
        for version in ("1.0.0", "1.1.0", "1.1.3", "1.2.0", "2.0.0"):
            index.add(wheel("eggs", version))
        for version in ("1.0", "1.1", "2.0"):
            index.add(wheel("bacon", version))
        index.add(
            wheel("spam", "1.0", requires=["eggs>=1.1.2,<2"]),
            wheel("spam", "2.0", requires=["eggs>=2"]),
            wheel("lettuce", "1.0", requires=["bacon==1.0"]),
            wheel("mlflow", "2.0", requires=["bacon<2"]),
            wheel("mlflow-skinny", "2.0"),
            wheel("server", "1.0", requires=["bacon>=2"]),
            wheel("far", "1.0.0", requires=["near>=1.0.1"]),
            wheel("far", "2.0.0"),
            wheel("near", "1.0.0"),
            wheel("near", "1.0.1"),
            wheel("crust", "1.0.0", requires=["eggs>=1.1.2", "bacon>=1.1"]),
            wheel("crust", "1.0.1", requires=["eggs>=1.1.2", "bacon>=1.1"]),
            wheel("torch", "1.9.0"),
            wheel("torch", "2.0.0"),
            wheel("scikit-learn", "1.0"),
            wheel("modern", "1.0", requires_python=">=3.12"),
            wheel("modern", "0.9", requires_python="<3.12"),
            wheel("ancient", "1.0", tag="cp39-cp39-manylinux_2_17_x86_64"),
            sdist("source", "1.0"),
            *(
                wheel(f"p{n}", f"{v}.0", requires=[f"q{n}=={v}.0"])
                for n in range(9)
                for v in (1, 2)
            ),
            *(wheel(f"q{n}", f"{v}.0") for n in range(9) for v in (1, 2)),
        )
        yield index


@pytest.fixture(scope="module")
def resolver(tmp_path_factory: pytest.TempPathFactory) -> UvResolver:
    # One cache for all: only the first test waits for the index.
    return UvResolver.of(ambient_of(tmp_path_factory.mktemp("resolver")))


def shown(explanation: Explanation) -> str:
    return str(explanation.error())


def test_two_pins_of_the_model_are_named_with_their_places(
    index: Index, resolver: UvResolver
) -> None:
    explanation = explain(
        problem(["bacon==1.0", "spam==1.0", "eggs==1.1.0"], index=index.url), resolver
    )

    # uv says "spam<=1.0" where it has not looked at later releases yet.
    assert shown(explanation).replace("spam<=1.0", "spam==1.0") == (
        "no set of releases satisfies the requirements\n"
        "  these cannot stand together:\n"
        "    spam==1.0    (conda.yaml: dependencies[2].pip[1])\n"
        "    eggs==1.1.0  (conda.yaml: dependencies[2].pip[2])\n"
        "  why, in the words of the resolver:\n"
        "    Because spam==1.0 depends on eggs>=1.1.2,<2 and you require spam==1.0, we can conclude"
        " that you require eggs>=1.1.2,<2.\n"
        "    And because you require eggs==1.1.0, we can conclude that your requirements are"
        " unsatisfiable.\n"
        "  the smallest set of the model's versions that must give way: eggs==1.1.0\n"
        "  try: --relax eggs"
    )
    # Without spam the rest resolves too, but no other release of spam fits that eggs.
    assert explanation.choices == (("eggs",),)


def test_every_set_of_the_smallest_size_is_offered(index: Index, resolver: UvResolver) -> None:
    explanation = explain(problem(["p0==1.0", "q0==2.0"], index=index.url), resolver)

    assert explanation.choices == (("p0",), ("q0",))
    assert shown(explanation).splitlines()[-3:] == [
        "  the smallest set of the model's versions that must give way: p0==1.0",
        "  or as well: q0==2.0",
        "  try: --relax auto",
    ]


def test_the_servers_side_is_named_and_only_the_model_gives_way(
    index: Index, resolver: UvResolver
) -> None:
    explanation = explain(
        problem(["bacon==1.1", "eggs"], server=["server"], index=index.url), resolver
    )

    assert [one.origin.side for one in explanation.conflicts[0]] == ["model", "server"]
    assert explanation.choices == (("bacon",),)
    assert explanation.remedies == (
        "another --server, since the model resolves without this one",
        "--relax bacon",
    )


def test_the_light_mlflow_is_offered_if_it_helps(index: Index, resolver: UvResolver) -> None:
    explanation = explain(problem(["mlflow==2.0"], server=["server"], index=index.url), resolver)

    assert explanation.remedies[0] == "mlflow-skinny for mlflow, by leaving out --keep-mlflow"
    # mlflow has no other release, so that letting its version go is no help.
    assert explanation.remedies[-1] == "the model without mlflow"
    assert not explanation.relaxable


def test_the_light_mlflow_is_not_offered_to_a_server_that_needs_the_full_one(
    index: Index, resolver: UvResolver
) -> None:
    wanted = problem(["bacon==2.0", "mlflow-skinny"], server=["mlflow==2.0"], index=index.url)

    assert explain(wanted, resolver).remedies == (
        "another --server, since the model resolves without this one",
        "--relax bacon",
    )


def test_a_module_of_python_is_no_package(index: Index, resolver: UvResolver) -> None:
    assert shown(explain(problem(["sys"], index=index.url), resolver)) == (
        "no set of releases satisfies the requirements\n"
        "  this cannot be met:\n"
        "    sys  (conda.yaml: dependencies[2].pip[0])\n"
        "  why, in the words of the resolver:\n"
        "    Because sys was not found in the package registry and you require sys, we can conclude"
        " that your requirements are unsatisfiable.\n"
        "  try: no sys at conda.yaml: dependencies[2].pip[0], since 'sys' is a part of Python"
        " itself; there is no package to install"
    )


def test_a_modules_name_gets_its_package(index: Index, resolver: UvResolver) -> None:
    explanation = explain(problem(["sklearn==1.0"], index=index.url), resolver)

    (remedy,) = explanation.remedies
    assert remedy.startswith(
        "scikit-learn instead of sklearn at conda.yaml: dependencies[2].pip[0]"
    )
    assert explanation.give_way == ()


def test_a_package_that_no_index_has_needs_another_index(
    index: Index, resolver: UvResolver
) -> None:
    explanation = explain(problem(["private==1.0"], index=index.url), resolver)

    assert explanation.remedies == (
        "the index that has private, with --extra-index-url",
        "the model without private",
    )


def test_a_release_that_does_not_exist_gets_its_neighbours(
    index: Index, resolver: UvResolver
) -> None:
    explanation = explain(problem(["eggs==1.1.7"], index=index.url), resolver)

    assert explanation.remedies == (
        "a release of eggs that exists, such as 1.1.3 or 1.2.0",
        "--relax eggs",
    )


def test_a_build_of_torch_gets_its_index(index: Index, resolver: UvResolver) -> None:
    explanation = explain(problem(["torch==1.9.0+cu102"], index=index.url), resolver)

    assert explanation.remedies == (
        "--extra-index-url https://download.pytorch.org/whl/cu102",
        "a release of torch that exists, such as 1.9.0",
        "--relax torch",
    )


def test_another_local_version_needs_the_index_that_has_it(
    index: Index, resolver: UvResolver
) -> None:
    explanation = explain(problem(["eggs==1.2.0+corp1"], index=index.url), resolver)

    assert explanation.remedies[0] == "the index that has eggs 1.2.0+corp1, with --extra-index-url"


@pytest.mark.parametrize(
    ("wanted", "remedy"), [("modern==1.0", "--python 3.12"), ("ancient==1.0", "--python 3.9")]
)
def test_another_python_is_offered_if_it_helps(
    index: Index, resolver: UvResolver, wanted: str, remedy: str
) -> None:
    explanation = explain(problem([wanted], index=index.url, python="3.11.7"), resolver)

    assert remedy in explanation.remedies


def test_several_that_cannot_be_met_are_told_apart(index: Index, resolver: UvResolver) -> None:
    lines = shown(explain(problem(["eggs==7", "bacon==7"], index=index.url), resolver)).splitlines()

    assert lines.count("  this cannot be met:") == 1
    assert lines.count("  nor can this be met:") == 1


def test_what_resolves_after_all_has_no_conflict(index: Index, resolver: UvResolver) -> None:
    explanation = explain(problem(["eggs==1.0.0"], index=index.url), resolver)

    assert explanation == Explanation(conflicts=(), derivation=(), is_smallest=True)


def test_no_python_is_offered_if_none_near_helps(index: Index, resolver: UvResolver) -> None:
    explanation = explain(
        problem(["modern==1.0", "ancient==1.0"], index=index.url, python="3.11.7"), resolver
    )

    assert not any("--python" in remedy for remedy in explanation.remedies)


def test_only_binary_and_exclude_newer_are_named_as_reasons(
    index: Index, resolver: UvResolver
) -> None:
    binary = ResolverOptions(only_binary=True)
    old = ResolverOptions(exclude_newer="2019-01-01")

    built = explain(problem(["source"], index=index.url, options=binary), resolver)
    newer = explain(problem(["eggs"], index=index.url, options=old), resolver)

    assert built.remedies == ("the same without --only-binary, which builds what has no wheel",)
    assert newer.remedies == ("a later --exclude-newer",)


def test_every_conflict_on_the_way_is_listed(index: Index, resolver: UvResolver) -> None:
    pins = [f"{name}{n}=={version}" for n in range(8) for name, version in (("p", 1), ("q", 2))]
    budget = Budget(calls=1000, seconds=120)

    explanation = explain(problem(pins, index=index.url), resolver, budget=budget)
    lines = shown(explanation).splitlines()

    assert explanation.is_smallest
    assert {len(names) for names in explanation.choices} == {8}
    assert lines.count("  these cannot stand together:") == 1
    assert lines.count("  nor can these stand together:") == 5
    assert "  and 2 more such sets" in lines


def test_a_spent_budget_says_that_the_set_may_not_be_the_smallest(
    index: Index, resolver: UvResolver
) -> None:
    pins = [f"{name}{n}=={version}" for n in range(6) for name, version in (("p", 1), ("q", 2))]

    explanation = explain(problem(pins, index=index.url), resolver, budget=Budget(calls=40))

    assert not explanation.is_smallest
    assert (
        "  a set, perhaps not the smallest, of the model's versions that must give way: "
        in shown(explanation)
    )


def test_without_any_budget_the_resolver_still_has_its_say(
    index: Index, resolver: UvResolver
) -> None:
    explanation = explain(
        problem(["spam==1.0", "eggs==1.1.0"], index=index.url), resolver, budget=Budget(calls=0)
    )

    assert explanation.conflicts == ()
    assert explanation.derivation[-1].endswith("your requirements are unsatisfiable.")
    assert explanation.give_way == ()


def test_a_long_derivation_is_cut() -> None:
    lines = tuple(f"line {n}" for n in range(40))
    explanation = Explanation(conflicts=(), derivation=lines)

    assert shown(explanation).splitlines()[-1] == "    … and 10 more lines"


# Relaxing


def relaxed(name: str, before: str, after: str, position: int) -> Change:
    return Change(
        kind="relaxed",
        name=name,
        before=before,
        after=after,
        reason="the requirements have no solution with it",
        origin=f"conda.yaml: dependencies[2].pip[{position}]",
    )


def test_a_pin_goes_up_to_the_nearest_release_that_resolves(
    index: Index, resolver: UvResolver
) -> None:
    wanted = problem(["spam==1.0", "eggs==1.1.0", "bacon"], index=index.url)

    moved, changes, resolution = relax(wanted, ("Eggs",), resolver)

    assert changes == (relaxed("eggs", "==1.1.0", "==1.1.3", 1),)
    assert [str(one.specifier) for one in moved.requirements] == ["==1.0", "==1.1.3", ""]
    assert {str(one.name): str(one.version) for one in resolution.pylock.packages} == {
        "bacon": "2.0",
        "eggs": "1.1.3",
        "spam": "1.0",
    }


def test_a_pin_goes_down_where_that_is_nearer(index: Index, resolver: UvResolver) -> None:
    _, changes, _ = relax(
        problem(["spam==1.0", "eggs==2.0.0"], index=index.url), ("eggs",), resolver
    )

    assert changes == (relaxed("eggs", "==2.0.0", "==1.2.0", 1),)


def test_a_pin_of_conda_goes_no_further_than_it_must(index: Index, resolver: UvResolver) -> None:
    wanted = problem(["spam==1.0", "eggs==1.1.0.*", "bacon"], index=index.url)

    _, changes, _ = relax(wanted, ("eggs",), resolver)

    assert changes == (relaxed("eggs", "==1.1.0.*", "==1.1.3", 1),)


def test_auto_moves_the_pins_that_must_move_least(index: Index, resolver: UvResolver) -> None:
    wanted = problem(["far==1.0.0", "near==1.0.0"], index=index.url)

    _, changes, _ = relax(wanted, ("auto",), resolver)

    # far would have to go to another major release.
    assert changes == (relaxed("near", "==1.0.0", "==1.0.1", 1),)


def test_auto_finds_pins_beside_the_one_that_could_only_be_left_out(
    index: Index, resolver: UvResolver
) -> None:
    wanted = problem(["crust==1.0.0", "eggs==1.1.0", "bacon==1.0"], index=index.url)

    explanation = explain(wanted, resolver)
    _, changes, _ = relax(wanted, ("auto",), resolver)

    # Without crust all is well, but every release of it needs newer eggs and bacon.
    assert explanation.choices == (("bacon", "eggs"),)
    assert explanation.remedies == ("--relax bacon eggs",)
    assert not explanation.is_smallest
    assert changes == (
        relaxed("eggs", "==1.1.0", "==1.1.3", 1),
        relaxed("bacon", "==1.0", "==1.1", 2),
    )


def test_auto_would_rather_lose_a_bound_than_a_major_release(
    index: Index, resolver: UvResolver
) -> None:
    wanted = problem(["far==1.0.0", "near<1.0.1"], index=index.url)

    _, changes, _ = relax(wanted, ("auto",), resolver)

    assert changes == (relaxed("near", "<1.0.1", "==1.0.1", 1),)


def test_several_pins_move_together(index: Index, resolver: UvResolver) -> None:
    wanted = problem(["p0==1.0", "q0==2.0", "p1==1.0", "q1==2.0"], index=index.url)

    _, changes, _ = relax(wanted, ("p0", "p1"), resolver)

    assert changes == (relaxed("p0", "==1.0", "==2.0", 0), relaxed("p1", "==1.0", "==2.0", 2))


def test_bounds_that_are_no_pin_are_lost(index: Index, resolver: UvResolver) -> None:
    _, changes, _ = relax(problem(["eggs<1.1", "spam==1.0"], index=index.url), ("eggs",), resolver)

    assert changes == (relaxed("eggs", "<1.1", "==1.2.0", 0),)


def test_a_build_of_torch_goes_to_the_same_release_without_it(
    index: Index, resolver: UvResolver
) -> None:
    _, changes, _ = relax(problem(["torch==1.9.0+cu102"], index=index.url), ("torch",), resolver)

    assert changes == (relaxed("torch", "==1.9.0+cu102", "==1.9.0", 0),)


def test_what_resolves_is_left_alone(index: Index, resolver: UvResolver) -> None:
    wanted = problem(["eggs==1.1.0"], index=index.url)

    moved, changes, resolution = relax(wanted, ("eggs", "auto"), resolver)

    assert (moved, changes) == (wanted, ())
    assert str(resolution.pylock.packages[0].version) == "1.1.0"


def test_a_pin_that_could_stay_is_no_change(index: Index, resolver: UvResolver) -> None:
    wanted = problem(["p0==1.0", "q0==2.0", "eggs==1.1.0"], index=index.url)

    _, changes, _ = relax(wanted, ("p0", "eggs"), resolver)

    assert [change.name for change in changes] == ["p0"]


def test_letting_go_of_the_wrong_pin_is_not_enough(index: Index, resolver: UvResolver) -> None:
    wanted = problem(["p0==1.0", "q0==2.0", "eggs==1.1.0"], index=index.url)

    with pytest.raises(ResolutionError):
        relax(wanted, ("eggs",), resolver)


def test_auto_explains_where_nothing_can_give_way(index: Index, resolver: UvResolver) -> None:
    with pytest.raises(ResolutionError, match=r"this cannot be met:\n    sys "):
        relax(problem(["sys"], index=index.url), ("auto",), resolver)


def test_the_servers_requirements_do_not_move(index: Index, resolver: UvResolver) -> None:
    wanted = problem(["spam==1.0"], server=["eggs==1.1.0"], index=index.url)

    with pytest.raises(UsageError) as caught:
        relax(wanted, ("eggs", "unheard-of"), resolver)

    assert str(caught.value) == (
        "cannot relax eggs, unheard-of: no requirement of the model with a version\n  it has spam"
    )


def test_a_model_without_versions_has_none_to_relax(index: Index, resolver: UvResolver) -> None:
    with pytest.raises(UsageError, match="it has none"):
        relax(problem(["spam"], index=index.url), ("spam",), resolver)


def test_a_requirement_for_another_system_is_no_change(index: Index, resolver: UvResolver) -> None:
    windows = replace(
        requirement('eggs==1.0.0; sys_platform == "win32"'),
        origin=requirement("x").origin,
    )
    wanted = problem([windows, "p0==1.0", "q0==2.0"], index=index.url)

    _, changes, _ = relax(wanted, ("eggs", "q0"), resolver)

    assert [change.name for change in changes] == ["q0"]


def test_relaxing_needs_no_earlier_lock(index: Index, resolver: UvResolver, tmp_path: Path) -> None:
    previous = 'packages = [{name = "eggs", version = "1.0.0", wheels = []}]\n'
    wanted = problem(["spam==1.0", "eggs==1.1.0"], index=index.url, previous=previous)

    _, changes, _ = relax(wanted, ("eggs",), resolver)

    assert changes == (relaxed("eggs", "==1.1.0", "==1.1.3", 1),)
