"""Conda first: when it is asked again, and what is left to the pip solve."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from envbuild.errors import ConflictError, PythonVersionError, ResolutionError
from envbuild.merge import Plan
from envbuild.merging.name_map import load_name_map
from envbuild.resolve.conda.first import CondaFirst
from envbuild.resolve.conda.interface import CondaOptions, CondaPackage
from tests.support.conda_solving import FakeSolver, package
from tests.support.merging import NO_SERVER, model_of, plans, target

PREVIOUS = """\
version: 1
metadata: {platforms: [linux-64]}
package:
- {name: pytorch, version: '1', manager: conda, platform: linux-64, url: 'https://host/c/linux-64/pytorch-1-0.conda', hash: {md5: a}}
- {name: flask, version: '1', manager: conda, platform: linux-64, url: 'https://host/c/linux-64/flask-1-0.conda', hash: {md5: a}}
"""  # noqa: E501


def plan_of(*pip: str, conda: Iterable[str] = ("pandas",)) -> Plan:
    return plans(model_of(*pip, conda=conda), NO_SERVER)[0]


def pandas_with_numpy(versions: dict[str, list[str]]) -> list[CondaPackage] | None:
    """A channel with two versions of numpy."""
    wanted = versions.get("numpy", [""])
    if not set(wanted) <= {"", "==1.21", "<2"}:
        return None
    numpy = "1.21" if wanted != [""] else "2.0"
    return [
        package("python", "3.11.9"),
        package("pandas", "2.0", "python", "numpy"),
        package("numpy", numpy, "python"),
    ]


def first(solver: FakeSolver, **choices: object) -> CondaFirst:
    return CondaFirst(solver=solver, names=load_name_map(), **choices)  # type: ignore[arg-type]


def test_a_conda_part_is_solved_once_however_often_it_is_asked_for() -> None:
    solver = FakeSolver(pandas_with_numpy)
    conda = first(solver)

    one, other = (conda.beside(plan_of("flask"), target()) for _ in range(2))

    assert len(solver.problems) == 1
    assert one.resolution is other.resolution
    assert str(one.python) == "3.11.9"


def test_conda_is_asked_again_for_what_suits_the_pip_part() -> None:
    solver = FakeSolver(pandas_with_numpy)

    beside = first(solver).beside(plan_of("numpy==1.21"), target())

    assert [one.pep508() for one in beside.provided.entries] == ["numpy==1.21", "pandas==2.0"]
    assert [one.match_spec() for one in solver.problems[-1].requirements][-1] == (
        "numpy[version='==1.21']"
    )


def test_where_that_has_no_solution_the_error_names_both_and_says_why() -> None:
    with pytest.raises(ConflictError) as raised:
        first(FakeSolver(pandas_with_numpy)).beside(plan_of("numpy==1.19"), target())

    assert (
        str(raised.value)
        == """\
the pip part contradicts what conda brings
  numpy: conda.yaml: dependencies[2].pip[0] asks for numpy==1.19 from pip, \
conda.yaml: dependencies[1] (numpy 2.0 from conda, by way of pandas) brings numpy==2.0
  the chain
  try: change one of the entries; or --runtime pip, where conda is not needed"""
    )


@pytest.mark.parametrize("relaxed", [("numpy",), ("auto",)])
def test_a_pin_that_may_move_is_left_to_the_pip_solve(relaxed: tuple[str, ...]) -> None:
    beside = first(FakeSolver(pandas_with_numpy), relaxed=relaxed).beside(
        plan_of("numpy==1.19"), target()
    )

    assert [one.pep508() for one in beside.provided.entries] == ["numpy==2.0", "pandas==2.0"]


def test_a_conda_part_without_a_solution_is_asked_once_and_fails_alike() -> None:
    solver = FakeSolver(lambda _: None)
    conda = first(solver)

    for _ in range(2):
        with pytest.raises(ResolutionError, match="no"):
            conda.beside(plan_of("flask"), target())
    assert len(solver.problems) == 1


def test_a_solved_part_without_python_is_refused() -> None:
    beside = first(FakeSolver(lambda _: [package("pandas", "2.0")])).beside(
        plan_of("flask"), target()
    )

    with pytest.raises(PythonVersionError, match="the solved conda part has no python"):
        _ = beside.python


@pytest.mark.parametrize(
    ("given", "moving"),
    [("torch", ("pytorch",)), ("pytorch", ("pytorch",)), ("Flask", ("flask",)), ("other", ())],
)
def test_a_package_to_upgrade_may_be_named_as_in_conda_or_on_pypi(
    given: str, moving: tuple[str, ...]
) -> None:
    solver = FakeSolver(pandas_with_numpy)
    options = CondaOptions(upgrade_packages=(given,))

    first(solver, options=options, previous=PREVIOUS).beside(plan_of("flask"), target())

    assert solver.problems[0].options.upgrade_packages == moving
    assert solver.problems[0].previous == PREVIOUS
