"""What a Dockerfile says in each situation; whole ones are golden files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from envbuild.emit.dockerfile import Recipe, dockerfile_text, dockerignore_text
from envbuild.locking.lock import default_base_image, need_full_image
from envbuild.options import LockOptions
from tests.support.locks import (
    git,
    index,
    lock,
    make_model,
    make_plan,
    online_profile,
    package,
    requirement,
    resolution,
    target,
)
from tests.unit.test_header import HEADER

RECIPE = Recipe(
    header=HEADER,
    digest="0" * 64,
    machines={"linux-64": "x86_64"},
    requirements={"linux-64": "requirements.txt"},
    unhashed={},
    tools={"linux-64": "tools/requirements.txt"},
)


def recipe_on(image: str, *, to_build: tuple[str, ...] = ("fusepy",)) -> Recipe:
    return replace(RECIPE, header=replace(HEADER, base_image=image), to_build=to_build)


def line_with(text: str, start: str) -> str:
    (found,) = [line for line in text.splitlines() if line.startswith(start)]
    return found


@pytest.mark.parametrize(
    ("image", "builder"),
    [
        ("python:3.7.11-slim", "python:3.7.11"),
        ("python:3.7.11-slim-bookworm", "python:3.7.11-bookworm"),
        ("python:3.7.11", "${BASE_IMAGE}"),
        ("python", "${BASE_IMAGE}"),
        (f"python:3.7.11-slim@sha256:{'0' * 64}", "${BASE_IMAGE}"),
        ("registry.example.org:5000/python:3.7.11-slim", "${BASE_IMAGE}"),
    ],
)
def test_the_builder_has_a_compiler_where_one_is_known(image: str, builder: str) -> None:
    text = dockerfile_text(recipe_on(image))

    assert line_with(text, "ARG BASE_IMAGE=") == f"ARG BASE_IMAGE={image}"
    assert line_with(text, "ARG BUILDER_IMAGE=") == f"ARG BUILDER_IMAGE={builder}"


def test_without_anything_to_build_the_builder_is_the_base() -> None:
    text = dockerfile_text(recipe_on("python:3.7.11-slim", to_build=()))

    assert line_with(text, "ARG BUILDER_IMAGE=") == "ARG BUILDER_IMAGE=${BASE_IMAGE}"
    assert "Without a wheel" not in text


def test_an_image_by_digest_is_labelled_with_it() -> None:
    digest = f"sha256:{'1' * 64}"

    text = dockerfile_text(recipe_on(f"registry.example.org:5000/python@{digest}"))

    assert (
        "      org.opencontainers.image.base.name=registry.example.org:5000/python \\\n"
        f"      org.opencontainers.image.base.digest={digest} \\\n"
    ) in text


def test_odd_names_cannot_break_out_of_a_label_or_comment() -> None:
    name = 'a "b"\n$(c) \\ d'

    text = dockerfile_text(replace(RECIPE, header=replace(HEADER, model=name)))

    assert text.startswith('# a "b" $(c) \\ d behind azureml-online: CPython 3.7.11 on linux-64.\n')
    assert 'LABEL org.opencontainers.image.title="a \\"b\\" \\$(c) \\\\ d" \\\n' in text
    assert "#   docker build -t a-b-c-d .  " in text


@pytest.mark.parametrize(
    ("model", "tag"), [("Iris Flowers", "iris-flowers"), ("模型", "model"), ("", "model")]
)
def test_the_tag_to_build_is_one_that_docker_takes(model: str, tag: str) -> None:
    text = dockerfile_text(replace(RECIPE, header=replace(HEADER, model=model)))

    assert f"#   docker build -t {tag} .   " in text


def test_repositories_are_installed_unless_a_bundle_has_their_wheels() -> None:
    text = dockerfile_text(replace(RECIPE, unhashed={"linux-64": "requirements.vcs.txt"}))

    assert (
        " && if [ -f requirements.vcs.txt ]; then "
        "python -m pip install --no-cache-dir --no-deps -r requirements.vcs.txt; fi\n"
    ) in text


def test_repositories_of_several_platforms_are_chosen_by_machine() -> None:
    machines = {"linux-64": "x86_64", "linux-aarch64": "aarch64"}
    names = {name: f"requirements.{name}.txt" for name in machines}
    several = replace(
        RECIPE,
        machines=machines,
        requirements=names,
        tools={name: f"tools/{file}" for name, file in names.items()},
        unhashed={"linux-aarch64": "requirements.vcs.linux-aarch64.txt"},
    )

    text = dockerfile_text(several)

    assert 'if [ -f "requirements.vcs.${platform}.txt" ]' in text
    assert dockerignore_text(several).splitlines()[2:5] == [
        "!requirements.linux-64.txt",
        "!requirements.linux-aarch64.txt",
        "!requirements.vcs.linux-aarch64.txt",
    ]


def test_a_port_without_probes_has_no_health_check() -> None:
    serving = replace(HEADER.serving, probes=None)

    text = dockerfile_text(replace(RECIPE, header=replace(HEADER, serving=serving)))

    assert "EXPOSE 5001\n" in text
    assert "HEALTHCHECK" not in text


def test_lightgbm_gets_an_image_with_the_library_that_it_loads(tmp_path: Path) -> None:
    plan = make_plan(online_profile(), [requirement("lightgbm")])
    packages = [package("lightgbm==4.6.0", "py3-none-manylinux_2_28_x86_64")]

    made = lock(make_model(tmp_path), plan, resolution(packages))

    assert need_full_image(made.platforms) == ("lightgbm",)
    assert made.base_image == "python:3.7.11"
    assert (
        "# Not a slim image, which lacks libraries that this loads: lightgbm.\n"
        "ARG BASE_IMAGE=python:3.7.11\n"
    ) in made.files()["Dockerfile"].decode()


def test_a_base_image_of_the_user_is_taken_as_it_is(tmp_path: Path) -> None:
    plan = make_plan(online_profile(), [requirement("lightgbm")])
    found = resolution([package("lightgbm==4.6.0", "py3-none-manylinux_2_28_x86_64")])
    options = LockOptions(base_image="mine:1")

    made = lock(make_model(tmp_path), plan, found, options=options)

    assert made.base_image == "mine:1"
    assert "slim" not in made.files()["Dockerfile"].decode()


def test_the_usual_image_is_slim() -> None:
    assert default_base_image(target("3.12.7").python, ()) == "python:3.12.7-slim"


def test_an_index_with_a_password_points_to_the_bundle(tmp_path: Path) -> None:
    options = (index("extra-index-url", "https://u:p@example.org/simple"),)
    found = resolution([package("a==1", "py3-none-any")])

    def dockerfile(*, private: bool) -> str:
        chosen = options if private else ()
        plan = make_plan(online_profile(), [requirement("a")], index_options=chosen)
        return lock(make_model(tmp_path), plan, found).files()["Dockerfile"].decode()

    hint = "build from a bundle, or hand them over as a secret of your builder.\n"
    assert hint in dockerfile(private=True)
    assert hint not in dockerfile(private=False)
    assert "u:p@" not in dockerfile(private=True)


def test_what_one_platform_has_to_build_shapes_the_image_of_all(tmp_path: Path) -> None:
    on_arm = resolution(
        [git("a", "https://e.org/a", "0" * 40)], on=target(platform="linux-aarch64")
    )
    on_intel = resolution([package("a==1", "py3-none-any")])
    plan = make_plan(online_profile(), [requirement("a")])

    text = lock(make_model(tmp_path), plan, on_arm, on_intel).files()["Dockerfile"].decode()

    assert "# Without a wheel, so that the index can only give sources to compile: a.\n" in text
