"""What merging refuses, each with its whole message."""

from __future__ import annotations

from dataclasses import replace

import pytest

from envbuild.errors import ConflictError
from envbuild.merge import MergeOptions
from envbuild.model import Model
from envbuild.server import ServerProfile
from envbuild.spec import parse_environment
from tests.support.merging import NO_SERVER, constraint, model_of, option, plans


def conflict(
    model: Model,
    options: MergeOptions | None = None,
    *,
    profile: ServerProfile | str = NO_SERVER,
    platforms: tuple[str, ...] = ("linux-64",),
) -> str:
    with pytest.raises(ConflictError) as raised:
        plans(model, profile, options=options, platforms=platforms)
    return str(raised.value)


def test_two_entries_of_the_model() -> None:
    model = model_of("mlflow", "numpy==1.21.6", "scipy==1.7", "numpy==1.22.0", "scipy>=1.8")

    assert (
        conflict(model)
        == """\
requirements contradict each other
  numpy: conda.yaml: dependencies[1].pip[1] asks for numpy==1.21.6, conda.yaml:\
 dependencies[1].pip[3] for numpy==1.22.0
  scipy: conda.yaml: dependencies[1].pip[2] asks for scipy==1.7, conda.yaml:\
 dependencies[1].pip[4] for scipy>=1.8
  try: --relax numpy scipy, or change one of the entries"""
    )


def test_an_entry_and_a_constraint_of_the_user() -> None:
    options = MergeOptions(constraints=(option("numpy>=1.24"),))

    assert (
        conflict(model_of("mlflow", "numpy==1.21.6"), options)
        == """\
requirements contradict each other
  numpy: conda.yaml: dependencies[1].pip[1] asks for numpy==1.21.6, constraints.txt: line 1 for\
 numpy>=1.24
  try: --relax numpy, or change one of the entries"""
    )


def test_two_constraints_of_the_user() -> None:
    options = MergeOptions(constraints=(option("numpy>=2"), option("numpy<1.24")), relax=("numpy",))

    assert (
        conflict(model_of("mlflow", "numpy==1.21.6"), options)
        == """\
requirements contradict each other
  numpy: constraints.txt: line 1 asks for numpy<1.24, constraints.txt: line 1 for numpy>=2
  try: change one of the constraints"""
    )


def test_an_entry_and_a_constraint_of_the_model() -> None:
    model = model_of("mlflow", "numpy==1.21.6")
    spec = replace(parse_environment(model), constraints=(constraint("numpy<1.20"),))

    with pytest.raises(ConflictError) as raised:
        plans(model, NO_SERVER, spec=spec)

    assert (
        str(raised.value)
        == """\
requirements contradict each other
  numpy: conda.yaml: dependencies[1].pip[1] asks for numpy==1.21.6, limits.txt: line 1 for\
 numpy<1.20
  try: --relax numpy, or change one of the entries"""
    )


def test_condas_entry_and_pips() -> None:
    model = model_of("mlflow", "torch==2.0.1", conda=["pytorch=1.13"])

    assert (
        conflict(model, MergeOptions(runtime="pip"))
        == """\
requirements contradict each other
  torch: conda.yaml: dependencies[1] asks for torch==1.13.*, conda.yaml: dependencies[2].pip[1] for\
 torch==2.0.1
  try: --relax torch, or change one of the entries"""
    )


def test_entries_that_contradict_each_other_on_one_platform_only() -> None:
    model = model_of("mlflow", "numpy==1.21.6; platform_machine == 'aarch64'", "numpy==1.22.0")

    assert plans(model, NO_SERVER)
    assert (
        conflict(model, platforms=("linux-64", "linux-aarch64"))
        == """\
requirements contradict each other
  numpy: conda.yaml: dependencies[1].pip[1] asks for numpy==1.21.6; platform_machine == "aarch64",\
 conda.yaml: dependencies[1].pip[2] for numpy==1.22.0 (on linux-aarch64)
  try: --relax numpy, or change one of the entries"""
    )


def test_a_pin_of_an_old_server_and_a_strict_profile() -> None:
    model = model_of("mlflow-skinny", "azureml-inference-server-http==0.7.7")

    assert (
        conflict(model, MergeOptions(strict_server=True), profile="azureml-online")
        == """\
requirements contradict each other
  azureml-inference-server-http: conda.yaml: dependencies[1].pip[1] asks for\
 azureml-inference-server-http==0.7.7, azureml-online: requires[0].packages[0] for\
 azureml-inference-server-http>=1.4.1
  try: leave out --strict-server"""
    )


def test_a_pin_that_the_newest_server_cannot_stand_and_a_strict_profile() -> None:
    model = model_of("mlflow-skinny", "pydantic==1.10.13", "numpy==1.21", "numpy==1.22")

    assert (
        conflict(model, MergeOptions(strict_server=True), profile="azureml-online")
        == """\
requirements contradict each other
  numpy: conda.yaml: dependencies[1].pip[2] asks for numpy==1.21, conda.yaml:\
 dependencies[1].pip[3] for numpy==1.22
  pydantic: conda.yaml: dependencies[1].pip[1] asks for pydantic==1.10.13, azureml-online:\
 requires[0].beside[2] for pydantic>=2.11
  try: --relax numpy, or change one of the entries; leave out --strict-server"""
    )


def test_full_mlflow_that_is_to_be_kept_beside_a_strict_server() -> None:
    options = MergeOptions(strict_server=True, keep_mlflow=True)

    assert (
        conflict(model_of("mlflow==2.9.2"), options, profile="azureml-online")
        == """\
requirements contradict each other
  mlflow: conda.yaml: dependencies[1].pip[0] asks for mlflow==2.9.2, azureml-online:\
 requires[0].beside[0] for mlflow<1.27 or mlflow>=2.16
  full mlflow before 2.16 caps gunicorn below 23, which the server needs
  try: leave out --keep-mlflow"""
    )


def test_a_strict_server_does_not_mind_what_the_swap_solves() -> None:
    (only,) = plans(model_of("mlflow==2.9.2"), options=MergeOptions(strict_server=True))

    assert [entry.name for entry in only.requirements if "mlflow" in str(entry.name)] == [
        "mlflow-skinny"
    ]
