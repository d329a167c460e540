"""The same inputs give the same bytes, in whatever order they come."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.pylock import Package

from envbuild.errors import ResolutionError
from envbuild.locking.lock import Lock
from envbuild.merge import Change
from envbuild.notices import Notice
from envbuild.options import LockOptions
from envbuild.platforms import parse_platform
from tests.support.locks import (
    lock,
    make_model,
    make_plan,
    online_profile,
    package,
    requirement,
    resolution,
    target,
)

T = TypeVar("T")

REQUIREMENTS = (
    requirement("scikit-learn==0.24.1"),
    requirement("numpy"),
    requirement("psutil==5.8.0"),
    requirement("pandas", file="MLmodel", side="record"),
    requirement("azureml-inference-server-http", file="azureml-online", side="server"),
)
PACKAGES = (
    package("numpy==1.21.6", "cp37-cp37m-manylinux2014_x86_64", "cp37-cp37m-manylinux1_x86_64"),
    package("psutil==5.8.0", "cp37-cp37m-manylinux2010_x86_64", "cp37-cp37m-win_amd64"),
    package("fusepy==3.0.1"),
    package("colorama==0.4", "py3-none-any", marker="sys_platform == 'win32'"),
)
CHANGES = tuple(
    Change(kind=kind, name=name, before=name, after="", reason="why", origin="conda.yaml: x[1]")
    for kind, name in (("dropped", "sys"), ("added", "numpy"), ("dropped", "json"))
)
PLATFORMS = ("linux-64", "linux-aarch64", "win-64")


def shuffled(items: Sequence[T], order: random.Random) -> list[T]:
    return order.sample(items, len(items))


def scrambled(found: Package, order: random.Random) -> Package:
    return replace(found, wheels=shuffled(found.wheels, order)) if found.wheels else found


def made(order: random.Random, platforms: Sequence[str] = ("linux-64",)) -> Lock:
    """The same lock from inputs in another order."""
    entries = shuffled(REQUIREMENTS, order)
    plan = make_plan(online_profile(), entries, changes=tuple(shuffled(CHANGES, order)))
    resolutions = [
        resolution(
            [scrambled(found, order) for found in shuffled(PACKAGES, order)],
            on=target(platform=name),
        )
        for name in shuffled(platforms, order)
    ]
    options = LockOptions(platforms=tuple(parse_platform(name) for name in platforms))
    return lock(make_model(Path()), plan, *resolutions, options=options)


IN_ORDER = dict(made(random.Random(0)).files())


@given(st.randoms(use_true_random=False))
def test_the_order_of_inputs_leaves_every_byte_as_it_is(order: random.Random) -> None:
    files = made(order).files()

    assert dict(files) == IN_ORDER
    assert list(files) == list(IN_ORDER)


def test_the_order_of_platforms_leaves_every_byte_as_it_is() -> None:
    packages = (package("numpy==1.21.6", "py3-none-any"),)

    def files(order: int) -> dict[str, bytes]:
        names = shuffled(PLATFORMS, random.Random(order))
        found = [resolution(packages, on=target(platform=name)) for name in names]
        options = LockOptions(platforms=tuple(map(parse_platform, PLATFORMS)))
        plan = make_plan(online_profile(), REQUIREMENTS)
        return dict(lock(make_model(Path()), plan, *found, options=options).files())

    assert files(0) == files(1) == files(2)


def test_a_lock_knows_what_was_changed_and_remarked() -> None:
    notice = Notice(code="a", message="A.")
    other = Notice(code="b", message="B.")
    plan = replace(make_plan(online_profile(), [], changes=CHANGES), notices=(notice,))
    found = replace(resolution([]), notices=(other, notice))

    result = lock(make_model(Path()), plan, found)

    assert result.changes == CHANGES
    assert result.notices == (notice, other)
    assert result.server == plan.server


def test_only_the_users_own_constraints_are_taken_from_the_plan() -> None:
    constraints = (
        requirement("numpy<2", file="constraints.txt", side="option"),
        requirement("scipy<2", file="conda-provided", side="model"),
    )
    plan = make_plan(online_profile(), [], constraints=constraints)

    inputs = lock(make_model(Path()), plan, resolution([])).inputs

    assert [line for line in inputs if ": constraint" in line] == [
        "constraints.txt: constraint numpy<2"
    ]


def test_only_binary_is_held_to() -> None:
    plan = make_plan(online_profile(), [])
    options = LockOptions(only_binary=True)

    with pytest.raises(ResolutionError) as caught:
        lock(make_model(Path()), plan, resolution([package("a==1")]), options=options)

    assert caught.value.details == ("a 1: a source archive",)
