"""A lock is stale when what it depends on means something else, or when it was edited."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path

import pytest

from envbuild.ambient import Ambient
from envbuild.entries.requirements import PipRequirement
from envbuild.errors import LockFileError, ProfileError
from envbuild.locking.staleness import CheckResult, check
from envbuild.model import read_model
from envbuild.options import LockOptions
from envbuild.server import ServerProfile
from envbuild.spec import parse_environment
from tests.support.goldens import two_platforms
from tests.support.locks import (
    lock,
    make_plan,
    online_profile,
    package,
    requirement,
    resolution,
)
from tests.support.paths import MODELS

SEED = MODELS / "seed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """The seed model, a context of it, and what to do with both."""

    model: Path
    env: Path
    ambient: Ambient

    def check(self, *, options: LockOptions | None = None) -> CheckResult:
        read = read_model(self.model, ambient=self.ambient)
        return check(read, self.env, options=options, ambient=self.ambient)

    def edit(self, name: str, change: Callable[[str], str]) -> None:
        path = self.model / name
        path.write_text(change(path.read_text()))

    def lock(self, options: LockOptions | None = None, *constraints: PipRequirement) -> None:
        model = read_model(self.model, ambient=self.ambient)
        profile = online_profile()
        plan = make_plan(profile, [requirement("mlflow")], constraints=constraints)
        plan = replace(plan, spec=parse_environment(model))
        found = resolution([package("mlflow==1.30.1", "py3-none-any")])
        lock(model, plan, found, options=options).write(self.env)


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    def load(name: str) -> ServerProfile:
        if name == "azureml-online":
            return online_profile()
        raise ProfileError(f"there is no profile {name!r}")

    monkeypatch.setattr("envbuild.server.load_profile", load)
    shutil.copytree(SEED, tmp_path / "model")
    ambient = Ambient(environ={}, home=tmp_path / "home", cwd=tmp_path)
    made = Case(model=tmp_path / "model", env=tmp_path / "env", ambient=ambient)
    made.lock()
    return made


def test_a_new_lock_is_fresh(case: Case) -> None:
    assert case.check() == CheckResult(fresh=True)


def test_comments_order_and_spacing_leave_a_lock_fresh(case: Case) -> None:
    case.edit(
        "conda.yaml",
        lambda text: text.replace(
            "  - cloudpickle==2.0.0\n  - psutil==5.8.0\n",
            "  - psutil == 5.8.0  # for the server\n\n  - cloudpickle==2.0.0\n",
        ),
    )

    assert case.check() == CheckResult(fresh=True)


def test_a_changed_pin_is_named(case: Case) -> None:
    case.edit("conda.yaml", lambda text: text.replace("0.24.1", "0.24.2"))

    assert case.check() == CheckResult(
        fresh=False, differences=("conda.yaml: scikit-learn==0.24.1 -> scikit-learn==0.24.2",)
    )


def test_a_new_and_a_removed_requirement_are_named(case: Case) -> None:
    case.edit("conda.yaml", lambda text: text.replace("psutil==5.8.0", "xgboost"))

    assert case.check().differences == (
        "conda.yaml: psutil==5.8.0 removed",
        "conda.yaml: xgboost added",
    )


def test_another_python_is_named(case: Case) -> None:
    case.edit("conda.yaml", lambda text: text.replace("python=3.7.11", "python=3.8.5"))

    assert case.check().differences == ("conda.yaml: python ==3.7.11 -> python ==3.8.5",)


def test_what_mlmodel_records_counts(case: Case) -> None:
    case.edit("MLmodel", lambda text: text.replace("0.24.1", "0.24.2"))

    assert case.check().differences == (
        "MLmodel: sklearn.sklearn_version 0.24.1 -> sklearn.sklearn_version 0.24.2",
    )


def test_weights_and_run_ids_do_not_count(case: Case) -> None:
    case.edit("MLmodel", lambda text: text.replace("run_id: 1e5c", "run_id: 2e5c"))
    (case.model / "model.pkl").write_bytes(b"new weights")

    assert case.check() == CheckResult(fresh=True)


def test_the_recorded_options_count_unless_others_are_given(case: Case) -> None:
    options = LockOptions(python="3.7.11", exclude_newer="2024-01-01")
    case.lock(options)

    assert case.check().fresh
    assert case.check(options=options).fresh
    assert case.check(options=replace(options, python="3.8")).differences == (
        "option: python 3.7.11 -> python 3.8",
    )


def test_constraints_are_read_where_they_were(case: Case) -> None:
    (case.ambient.cwd / "constraints.txt").write_text("numpy<2\n")
    options = LockOptions(constraint_files=("constraints.txt",))
    case.lock(options, requirement("numpy<2", file="constraints.txt", side="option"))

    assert case.check().fresh
    (case.ambient.cwd / "constraints.txt").write_text("numpy<1.24\n")
    assert case.check().differences == (
        "constraints.txt: constraint numpy<2 -> constraint numpy<1.24",
    )
    (case.ambient.cwd / "constraints.txt").unlink()
    assert case.check().differences == (
        "constraints.txt: cannot be read, and the lock depends on it",
        "constraints.txt: constraint numpy<2 removed",
    )


def test_a_profile_that_a_new_release_brings_makes_a_lock_stale(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = replace(online_profile(), port=8080)
    monkeypatch.setattr("envbuild.server.load_profile", lambda _: changed)

    assert case.check().fresh  # the built-in profiles of a release do not change
    monkeypatch.setattr(import_module("envbuild.locking.staleness"), "__version__", "99")
    assert case.check().differences == ("azureml-online: port 5001 -> port 8080",)


def test_a_profile_that_is_gone_makes_a_lock_stale(case: Case) -> None:
    case.lock(LockOptions(server="mine.toml"))

    assert case.check() == CheckResult(
        fresh=False, differences=("option: server mine.toml: there is no profile 'mine.toml'",)
    )


def test_an_edited_lock_file_is_stale(case: Case) -> None:
    lock_file = case.env / "pylock.toml"
    lock_file.write_text(lock_file.read_text().replace("1.30.1", "1.30.0"))
    (case.env / "requirements.txt").write_text("mlflow\n")
    (case.env / "tools" / "requirements.txt").unlink()

    assert case.check() == CheckResult(
        fresh=False,
        differences=(
            "pylock.toml: its packages were edited by hand",
            "requirements.txt: edited by hand",
            "tools/requirements.txt: missing",
        ),
    )


def test_edited_inputs_do_not_pass_for_fresh(case: Case) -> None:
    lock_file = case.env / "pylock.toml"
    lock_file.write_text(lock_file.read_text().replace("psutil==5.8.0", "psutil==5.9.0", 1))
    case.edit("conda.yaml", lambda text: text.replace("psutil==5.8.0", "psutil==5.9.0"))

    assert case.check() == CheckResult(
        fresh=False, differences=("pylock.toml: its inputs were edited by hand",)
    )


def test_an_adapted_rendering_is_only_noted(case: Case) -> None:
    (case.env / "Dockerfile").write_text("FROM mine\n")
    (case.env / "azureml" / "endpoint.yml").unlink()

    assert case.check() == CheckResult(
        fresh=True, notes=("Dockerfile: edited by hand", "azureml/endpoint.yml: missing")
    )


def test_a_missing_lock_of_a_platform_is_stale(case: Case, tmp_path: Path) -> None:
    (tmp_path / "two").mkdir()
    two_platforms(tmp_path / "two").write(tmp_path / "both")
    (tmp_path / "both" / "pylock.linux-64.toml").unlink()

    found = check(read_model(case.model), tmp_path / "both", ambient=case.ambient)

    assert "pylock.linux-64.toml: missing" in found.differences


def test_a_lock_file_of_another_lock_is_stale(case: Case, tmp_path: Path) -> None:
    (tmp_path / "two").mkdir()
    two_platforms(tmp_path / "two").write(tmp_path / "both")
    shutil.copy(tmp_path / "both" / "pylock.linux-64.toml", case.env)

    assert "pylock.toml: from another lock than pylock.linux-64.toml" in case.check().differences


def test_without_a_context_there_is_nothing_to_check(case: Case) -> None:
    shutil.rmtree(case.env)

    with pytest.raises(LockFileError, match="there is no such folder"):
        case.check()


def test_a_lock_file_that_is_no_text_is_an_error(case: Case) -> None:
    (case.env / "pylock.toml").write_bytes(b"\xff")

    with pytest.raises(LockFileError, match=r"pylock\.toml: cannot be read: 'utf-8' codec"):
        case.check()
