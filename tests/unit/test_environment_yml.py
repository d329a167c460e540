"""``environment.yml``: what was asked for, as conda and people read it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from envbuild.emit.environment import environment_text
from envbuild.emit.scalars import quoted, scalar
from envbuild.entries.requirements import CondaRequirement
from envbuild.locking.lock import Lock
from envbuild.merge import Plan
from envbuild.origins import Origin
from tests.support.locks import (
    folder,
    lock,
    make_model,
    make_plan,
    online_profile,
    requirement,
    resolution,
)


def lock_with(plan: Plan, path: Path = Path(), *, name: str = "seed") -> Lock:
    return lock(make_model(path, name=name), plan, resolution([]))


def conda(text: str, name: str) -> CondaRequirement:
    return CondaRequirement(name=name, origin=Origin(side="model", file="conda.yaml"), text=text)


def test_conda_packages_stand_beside_python_and_pip() -> None:
    plan = make_plan(online_profile(), [])
    spec = replace(
        plan.spec,
        conda=(conda("nvidia::cudatoolkit=11.3", "cudatoolkit"),),
        conda_tools=(conda("pip<=21.2.4", "pip"),),
        channels=("https://u:p@example.org/conda", "conda-forge"),
    )

    text = environment_text(lock_with(replace(plan, spec=spec)))

    assert yaml.safe_load(text) == {
        "name": "seed",
        "channels": ["https://****:****@example.org/conda", "conda-forge"],
        "dependencies": ["python=3.7.11", "nvidia::cudatoolkit=11.3", "pip<=21.2.4"],
    }


def test_the_models_requirements_come_before_the_servers() -> None:
    plan = make_plan(
        online_profile(),
        [
            requirement("a", file="azureml-online", side="server"),
            requirement("c"),
            requirement("b"),
            requirement("pandas==1", file="MLmodel", side="record"),
        ],
    )

    text = environment_text(lock_with(plan))

    assert text.endswith(
        "  - pip:\n"
        "      - b  # conda.yaml\n"
        "      - c  # conda.yaml\n"
        "      - pandas==1  # MLmodel\n"
        "      - a  # azureml-online\n"
    )


def test_a_folder_of_the_model_is_named_by_its_place_in_the_context(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    plan = make_plan(online_profile(), [requirement("x @ ./lib")])
    made = lock(make_model(tmp_path), plan, resolution([folder("x", "lib")]))

    assert "      - ./files/x  # conda.yaml\n" in environment_text(made)


@pytest.mark.parametrize(("name", "written"), [("a b/c:d#e", "a-b-c-d-e"), ("on", "'on'")])
def test_the_name_is_one_that_conda_takes(name: str, written: str) -> None:
    text = environment_text(lock_with(make_plan(online_profile(), []), name=name))

    assert f"\nname: {written}\n" in text


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"))))
def test_scalars_are_read_back_as_they_were_written(text: str) -> None:
    for written in (scalar(text), quoted(text)):
        assert yaml.safe_load(f"a: {written}  # comment\n") == {"a": text}
        assert "\n" not in written
