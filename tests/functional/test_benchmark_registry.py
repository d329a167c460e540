"""The made-up registry: the same bytes each time, and as much repetition as a real one has."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from packaging.requirements import Requirement

from benchmarks.registry import distinct_environments, make_registry, write_registry
from envbuild.model import read_model
from envbuild.spec import parse_environment


def test_a_registry_is_the_same_each_time_and_another_with_another_seed() -> None:
    first = make_registry(60)

    assert make_registry(60) == first
    assert make_registry(60, seed=7) != first
    assert len(first) == len({model.folder for model in first}) == 60


def test_environments_are_as_many_and_as_unequally_used_as_in_a_real_registry() -> None:
    made = make_registry(2000)
    used = Counter(model.environment for model in made)

    assert (distinct_environments(1366), distinct_environments(2000)) == (344, 504)
    assert len(used) == 504
    # The tenth that is used most makes up more than half; most others are used once or twice.
    assert sum(count for _, count in used.most_common(50)) > 1000
    assert sorted(used.values())[len(used) // 2] <= 2


def test_a_registry_of_one_is_one_model() -> None:
    (model,) = make_registry(1)

    assert set(model.files) == {"MLmodel", "conda.yaml", "python_env.yaml", "requirements.txt"}


def test_every_model_is_read_as_what_it_was_made_from(tmp_path: Path) -> None:
    for made in write_registry(tmp_path, 40):
        model = read_model(tmp_path / made.folder)
        spec = parse_environment(model)

        assert (model.notices, spec.notices) == ((), ())
        assert model.mlflow_version == made.environment.mlflow
        assert {entry.pep508() for entry in spec.pip} == {
            str(Requirement(entry)) for entry in made.environment.pip
        }
        assert spec.python is not None
        assert spec.python.specifier.contains(made.environment.python)
