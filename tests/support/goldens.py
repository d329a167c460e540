"""The contexts of ``tests/golden``: what was locked, and how to write them anew.

    python -m tests.support.goldens

Read the difference before committing it: every byte of it is what users will see in theirs.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from unittest import mock

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from envbuild.entries.requirements import CondaRequirement
from envbuild.locking.lock import Lock
from envbuild.merge import Change
from envbuild.options import LockOptions
from envbuild.origins import Origin
from envbuild.platforms import parse_platform
from envbuild.resolve.conda.interface import CondaPackage
from envbuild.server import PackageSet, ServerProfile
from tests.support.locks import (
    archive,
    conda_package,
    folder,
    git,
    index,
    lock,
    make_model,
    make_plan,
    online_profile,
    package,
    requirement,
    resolution,
    sha256,
    target,
)
from tests.support.paths import TESTS

__all__ = ["CASES", "GOLDEN", "batch_profile", "rendered"]

GOLDEN = TESTS / "golden"
SCRIPT = "def init():\n    pass\n"
_CP37 = "cp37-cp37m-manylinux_2_17_x86_64.manylinux2014_x86_64"
_CP39 = "cp39-cp39-manylinux_2_17_x86_64.manylinux2014_x86_64"
_COMMIT = "5f0e4f3a1d2c4b6a8e9d7c5b3a1f2e4d6c8b0a92"


def seed(work: Path) -> Lock:
    """The model of ``fixtures/models/seed``; its mlflow is swapped for the smaller one."""
    plan = make_plan(
        online_profile(_profile(work)),
        [
            requirement("mlflow-skinny"),
            requirement("cloudpickle==2.0.0"),
            requirement("psutil==5.8.0"),
            requirement("scikit-learn==0.24.1"),
            requirement("pandas", file="MLmodel", side="record"),
            requirement("azureml-inference-server-http>=0.8", file="azureml-online", side="server"),
        ],
        changes=(
            Change(
                kind="swapped",
                name="mlflow",
                before="mlflow",
                after="mlflow-skinny",
                reason="the server's gunicorn and that of mlflow exclude each other",
                origin="conda.yaml: dependencies[2].pip[0]",
            ),
        ),
    )
    packages = [
        package("scikit-learn==0.24.1", _CP37, "cp38-cp38-manylinux2014_x86_64", with_sdist=True),
        package("psutil==5.8.0", "cp37-cp37m-manylinux2010_x86_64", "cp37-cp37m-win_amd64"),
        package("mlflow-skinny==1.30.1", "py3-none-any", with_sdist=True),
        package("cloudpickle==2.0.0", "py3-none-any", with_sdist=True),
        package("azureml-inference-server-http==0.8.4.2", "py3-none-any"),
        package("colorama==0.4.6", "py2.py3-none-any", marker="sys_platform == 'win32'"),
        package("numpy==1.21.6", _CP37, "cp37-cp37m-manylinux_2_12_x86_64", with_sdist=True),
        package("pandas==1.3.5", _CP37),
    ]
    return lock(make_model(_model(work)), plan, resolution(packages))


def batch(work: Path) -> Lock:
    """A batch deployment, with fusepy, which has no wheel."""
    plan = make_plan(
        batch_profile(_profile(work)),
        [
            requirement("mlflow-skinny==2.9.2"),
            requirement("azureml-core", file="azureml-batch", side="server"),
            requirement("azureml-dataset-runtime[fuse]", file="azureml-batch", side="server"),
        ],
        python="3.9.18",
    )
    packages = [
        package("azureml-core==1.57.0", "py3-none-any"),
        package("azureml-dataset-runtime==1.57.0", "py3-none-any"),
        package("fusepy==3.0.1"),
        package("mlflow-skinny==2.9.2", "py3-none-any"),
        package("pyarrow==15.0.2", _CP39, "cp39-cp39-manylinux_2_28_x86_64"),
    ]
    model = make_model(_model(work), name="Churn (monthly)")
    options = LockOptions(server="azureml-batch", exclude_newer="2024-06-01")
    return lock(model, plan, resolution(packages, on=target("3.9.18")), options=options)


def sources(work: Path) -> Lock:
    """A wheel and a folder of the model, a repository, an archive, a private index."""
    model = _model(work)
    (model / "code").mkdir()
    (model / "code" / "spam-1.0-py3-none-any.whl").write_bytes(b"the wheel of the model")
    (model / "lib" / "eggs").mkdir(parents=True)
    (model / "lib" / "pyproject.toml").write_text("[project]\nname = 'eggs'\nversion = '2'\n")
    (model / "lib" / "eggs" / "__init__.py").write_text("")
    plan = make_plan(
        online_profile(_profile(work)),
        [
            requirement("spam @ ./code/spam-1.0-py3-none-any.whl"),
            requirement("eggs @ ./lib"),
            requirement("ham @ git+https://git.example.org/ham@main"),
            requirement("private==3"),
            requirement('bacon==0.1; python_version < "3.8"'),
        ],
        index_options=(
            index("extra-index-url", "https://reader:${PASSWORD}@pypi.example.org/simple"),
            index("find-links", "https://download.example.org/wheels.html"),
            index("trusted-host", "download.example.org"),
            index("find-links", "wheels"),
            index("pre", ""),
        ),
    )
    packages = [
        archive("spam==1.0", path="code/spam-1.0-py3-none-any.whl", data="the wheel of the model"),
        folder("eggs", "lib"),
        git("ham", "https://git.example.org/ham", _COMMIT, subdirectory="python"),
        archive("toast==2.0", url="https://user:pa55word@example.org/toast-2.0.tar.gz"),
        package("bacon==0.1"),
        package("private==3", "py3-none-any"),
    ]
    return lock(make_model(model, name="sources"), plan, resolution(packages))


def two_platforms(work: Path) -> Lock:
    """One context for Intel and ARM machines; the latter has to compile a package."""
    names = ("linux-64", "linux-aarch64")
    machines = ("x86_64", "aarch64")
    resolutions = []
    for name, machine in zip(names, machines, strict=True):
        wheels = [] if name == "linux-aarch64" else [f"cp311-cp311-manylinux2014_{machine}"]
        packages = [
            package("numpy==1.26.4", f"cp311-cp311-manylinux_2_17_{machine}"),
            package("lightgbm==4.3.0", *wheels, with_sdist=True),
        ]
        resolutions.append(resolution(packages, on=target("3.11.7", name)))
    plan = make_plan(
        online_profile(_profile(work)), [requirement("lightgbm==4.3.0")], python="3.11.7"
    )
    options = LockOptions(platforms=tuple(parse_platform(name) for name in names))
    return lock(make_model(_model(work), name="boost"), plan, *resolutions, options=options)


def own_image(work: Path) -> Lock:
    """The user's base image by digest, no server at all."""
    profile = ServerProfile(name="none", summary="only the model", package_sets=(), kind="none")
    plan = make_plan(profile, [requirement("numpy==2.1.3")], python="3.12.7", channels=())
    digest = sha256("an image")
    options = LockOptions(
        server="none",
        python="3.12.7",
        base_image=f"registry.example.org:5000/base/python:3.12.7-slim@sha256:{digest}",
    )
    packages = [package("numpy==2.1.3", "cp312-cp312-manylinux_2_17_x86_64")]
    found = resolution(packages, on=target("3.12.7", glibc=(2, 36)))
    return lock(make_model(_model(work), name="plain"), plan, found, options=options)


def batch_profile(path: Path) -> ServerProfile:
    """A profile like ``azureml-batch``."""
    packages = tuple(
        requirement(text, file="azureml-batch", side="server")
        for text in ("azureml-core", "azureml-dataset-runtime[fuse]")
    )
    return ServerProfile(
        name="azureml-batch",
        summary="Azure ML batch endpoint",
        package_sets=(PackageSet(python=SpecifierSet(">=3.8"), packages=packages),),
        script="score.py",
        environment={"MLFLOW_DISABLE_TELEMETRY": "true"},
        kind="batch",
        path=path,
    )


def conda(work: Path) -> Lock:
    """A Python of conda's with a native package, and pip beside it."""
    return _conda_lock(work, [conda_package("py-xgboost", "1.7.4", "cpu_py311h6b9c9f9_0")])


def conda_gpu(work: Path) -> Lock:
    """Packages for CUDA decide the base image; nothing is left for pip, on two platforms."""
    packages = [
        conda_package("cuda-version", "12.4", "h3060b56_3", subdir="noarch"),
        conda_package("pytorch", "2.3.0", "cuda120_py311h6b9c9f9_0", depends=("__cuda",)),
    ]
    return _conda_lock(work, packages, pip=False, platforms=("linux-64", "linux-aarch64"))


def _conda_lock(
    work: Path,
    packages: list[CondaPackage],
    *,
    pip: bool = True,
    platforms: tuple[str, ...] = ("linux-64",),
) -> Lock:
    plan = make_plan(online_profile(_profile(work)), [requirement("scikit-learn==1.3.0")] * pip)
    origin = Origin(side="model", file="conda.yaml", position="dependencies[0]")
    python = CondaRequirement(name="python", origin=origin, text="python=3.11", version="=3.11")
    plan = replace(
        plan,
        python=Version("3.11.7"),
        runtime="conda",
        conda=(python,),
        channels=("https://user:pa55word@conda.example.org/forge",),
    )
    wheels = [package("scikit-learn==1.3.0", "cp311-cp311-manylinux_2_17_x86_64")] * pip
    base = [
        conda_package("pip", "24.0", "pyhd8ed1ab_0", subdir="noarch", depends=("python >=3.7",)),
        conda_package("python", "3.11.7", "hab00c5b_1_cpython"),
    ]
    every = tuple(sorted([*packages, *base], key=lambda one: one.name))
    resolutions = [
        replace(resolution(wheels, on=target("3.11.7", platform=name)), conda=_placed(every, name))
        for name in platforms
    ]
    return lock(make_model(_model(work)), plan, *resolutions)


def _placed(packages: tuple[CondaPackage, ...], platform: str) -> tuple[CondaPackage, ...]:
    """The packages as another platform's channel has them."""
    return tuple(
        one
        if one.subdir == "noarch"
        else conda_package(one.name, one.version, one.build, subdir=platform, depends=one.depends)
        for one in packages
    )


CASES: Mapping[str, Callable[[Path], Lock]] = {
    "seed": seed,
    "batch": batch,
    "sources": sources,
    "two-platforms": two_platforms,
    "own-image": own_image,
    "conda": conda,
    "conda-gpu": conda_gpu,
}


def rendered(case: str, work: Path) -> dict[str, bytes]:
    """The texts that envbuild writes for a case; not what it only copies."""
    with mock.patch("envbuild.emit.context.__version__", "0.1.0"):
        files = CASES[case](work).files()
    return {
        name: data
        for name, data in files.items()
        if not name.startswith("files/") and not name.endswith("score.py")
    }


def _profile(work: Path) -> Path:
    path = work / "profile" / "profile.toml"
    path.parent.mkdir()
    (path.parent / "score.py").write_text(SCRIPT)
    return path


def _model(work: Path) -> Path:
    path = work / "model"
    path.mkdir()
    return path


def _write_all() -> None:
    for case in CASES:
        shutil.rmtree(GOLDEN / case, ignore_errors=True)
        with tempfile.TemporaryDirectory() as work:
            for name, data in rendered(case, Path(work)).items():
                path = GOLDEN / case / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)


if __name__ == "__main__":
    _write_all()
