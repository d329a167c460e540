"""What makes two problems one, and asking for each once."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from envbuild.entries.requirements import FileSource
from envbuild.errors import EnvbuildError, IndexUnavailableError, ResolutionError
from envbuild.fleet.environment import AskedOnce, environment_key, problem_key
from envbuild.resolve.interface import Problem, Resolution, ResolverOptions
from tests.support.merging import model_of, plans
from tests.support.problems import index_option, problem, requirement, target

LOCK = """\
lock-version = "1.0"
created-by = "x"
[[packages]]
name = "spam"
version = "{version}"
wheels = [{{ name = "spam-{version}-py3-none-any.whl", hashes = {{ sha256 = "00" }} }}]
"""


def asked(**changes: object) -> Problem:
    return replace(problem(["spam==1", "eggs"]), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(asked(model_path="/elsewhere"), id="where the model lies"),
        pytest.param(
            asked(
                requirements=tuple(
                    requirement(text, position=f"[{place}]")
                    for place, text in enumerate(("spam==1", "eggs"), start=7)
                )
            ),
            id="where an entry stands",
        ),
    ],
)
def test_what_the_solution_does_not_depend_on_does_not_count(other: Problem) -> None:
    assert problem_key(asked()) == problem_key(other)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(problem(["spam==2", "eggs"]), id="a version"),
        pytest.param(problem(["eggs", "spam==1"]), id="the order"),
        pytest.param(asked(target=target("3.9.1")), id="the Python"),
        pytest.param(asked(constraints=(requirement("ham<2"),)), id="a constraint"),
        pytest.param(asked(overrides=(requirement("ham<2"),)), id="an override"),
        pytest.param(asked(index_options=(index_option("pre"),)), id="an index option"),
        pytest.param(asked(options=ResolverOptions(prerelease=True)), id="a choice"),
        pytest.param(asked(previous=LOCK.format(version="1")), id="what to stay close to"),
    ],
)
def test_what_the_solution_depends_on_counts(other: Problem) -> None:
    assert problem_key(asked()) != problem_key(other)


def test_locks_with_the_same_pins_are_the_same_to_stay_close_to() -> None:
    text = LOCK.format(version="1")

    assert problem_key(asked(previous=text)) == problem_key(asked(previous=f"# older\n{text}"))


def test_files_of_a_model_count_by_their_content(tmp_path: Path) -> None:
    keys = set()
    for name, data in (("a", b"one"), ("b", b"one"), ("c", b"two")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x-1-py3-none-any.whl").write_bytes(data)
        source = FileSource(path="x-1-py3-none-any.whl")
        local = replace(requirement("x"), source=source)
        keys.add(problem_key(asked(requirements=(local,), model_path=str(tmp_path / name))))

    assert len(keys) == 2


def test_a_folder_of_links_in_a_model_is_its_own() -> None:
    links = index_option("find-links", "wheels", side="model")
    one, other = (asked(index_options=(links,), model_path=path) for path in ("/a", "/b"))

    assert problem_key(one) != problem_key(other)


def test_models_of_another_name_have_one_environment() -> None:
    one, other = model_of("spam==1"), replace(model_of("spam==1"), name="other")

    assert environment_key(one, plans(one), {}) == environment_key(other, plans(other), {})


@dataclass
class Counting:
    error: EnvbuildError | None = None
    calls: list[Problem] = field(default_factory=list)

    def resolve(self, problem: Problem) -> Resolution:
        self.calls.append(problem)
        if self.error:
            raise self.error
        return Resolution(target=problem.target, pylock=None, resolver="x")  # type: ignore[arg-type]

    def satisfiable(self, problem: Problem) -> bool:
        self.calls.append(problem)
        if self.error:
            raise self.error
        return True


def test_each_problem_is_solved_once() -> None:
    inner = Counting()
    resolver = AskedOnce(resolver=inner)

    first, second = resolver.resolve(asked()), resolver.resolve(asked(model_path="/other"))
    resolver.resolve(problem(["ham"]))

    assert first is second
    assert (len(inner.calls), resolver.found.asked, resolver.found.reused) == (2, 2, 1)


@pytest.mark.parametrize("error", [ResolutionError("no"), IndexUnavailableError("away")])
def test_a_refusal_is_an_answer_too(error: EnvbuildError) -> None:
    inner = Counting(error=error)
    resolver = AskedOnce(resolver=inner)

    for ask in (resolver.resolve, resolver.resolve, resolver.satisfiable, resolver.satisfiable):
        with pytest.raises(type(error)) as caught:
            ask(asked())
        assert caught.value is error
    assert len(inner.calls) == 2


def test_whether_there_is_a_solution_is_asked_once() -> None:
    inner = Counting()
    resolver = AskedOnce(resolver=inner)

    assert resolver.satisfiable(asked())
    assert resolver.satisfiable(asked())
    assert len(inner.calls) == 1
