"""Verification of a bundle with conda packages: its own Python, a native library, pip on top."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from envbuild.emit.bundle import Bundle
from envbuild.verification import Report, verify
from tests.support.conda_channel import Channel, sample_packages
from tests.support.conda_contexts import MIXED, conda_context, conda_lock
from tests.support.exporting import Site, package, rattler_wheel
from tests.support.index import Index
from tests.support.toy import SCORE, SERVING, library, server, write_model

# The script needs the native library and what conda's noarch package brings.
NATIVE = f"import greet, spam\nassert spam.add(40, 2) == 42\n{SCORE}"


@dataclass(frozen=True, kw_only=True)
class Case:
    """A bundle over a channel and an index, and a model for it."""

    site: Site
    bundle: Bundle
    context: Path
    model: Path

    def verify(self, target: Path) -> Report:
        return verify(target, model=self.model, ambient=self.site.ambient())


@pytest.fixture(scope="module")
def case(
    tmp_path_factory: pytest.TempPathFactory, interpreter: Callable[[str], Path]
) -> Iterator[Case]:
    interpreter("3.11")
    folder = tmp_path_factory.mktemp("case")
    channel = Channel(folder / "forge")
    channel.add(*sample_packages("3.11"))
    wheels = (library(), server())
    with Index() as index:
        index.add(*wheels, rattler_wheel())
        site = Site(folder=folder, index=index)
        entries = [package(index, file) for file in sorted(wheels, key=lambda file: file.project)]
        lock = conda_lock(channel, MIXED, *entries)
        context = conda_context(
            folder / "context", lock, serving=SERVING, files={"score.py": NATIVE}
        )
        bundle = site.export(context)
        model = write_model(folder / "model")
        yield Case(site=site, bundle=bundle, context=context.path, model=model)


def test_a_mixed_environment_is_proven_without_a_network(case: Case) -> None:
    report = case.verify(case.bundle.path)

    assert {step.name: step.outcome for step in report.steps} == {
        "checksums": "passed",
        "wheels fit": "passed",
        "no network": "passed",
        "install": "passed",
        "pip check": "passed",
        "modules import": "passed",
        "model loads": "passed",
        "example predicts": "passed",
        "server starts": "passed",
        "server scores the example": "passed",
        "server refuses bad requests": "passed",
    }


def test_nothing_runs_when_a_conda_package_was_changed(case: Case, tmp_path: Path) -> None:
    copy = tmp_path / "bundle"
    shutil.copytree(case.bundle.path, copy, copy_function=os.link)
    name = "channel/noarch/greet-2.0-pyhd8ed1ab_0.conda"
    (copy / name).unlink()
    (copy / name).write_bytes(b"another")

    report = case.verify(copy)

    first, *others = report.steps
    assert (first.name, first.outcome) == ("checksums", "failed")
    assert first.details[0].startswith(f"{name}: expected sha256 ")
    assert {step.outcome for step in others} == {"skipped"}
    assert report.isolation == "nothing was run"


def test_a_context_says_that_its_bundle_is_what_to_verify(case: Case) -> None:
    report = case.verify(case.context)

    (install,) = [step for step in report.steps if step.name == "install"]
    assert install.outcome == "failed"
    assert install.reason == "conda packages are installed from a bundle"
    assert install.details == ("try: envbuild export; verify that",)
