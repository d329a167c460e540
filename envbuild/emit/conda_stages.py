"""What the Dockerfile of the conda runtime has in place of a venv. Pure.

Nothing in a container activates an environment: what conda's shell hook would set is recorded when
the image is built, and an entry point of three lines puts it in place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from envbuild.emit.conda_files import explicit_name
from envbuild.images import conda_builder_image

__all__ = [
    "ENTRYPOINT",
    "FORGET_MODEL",
    "LIBRARIES",
    "PREFIX",
    "CondaImage",
    "conda_arguments",
    "conda_builder_stage",
    "conda_files",
    "conda_variables",
]

PREFIX = "/opt/env"
_VARIABLES = f"{PREFIX}/etc/conda/activated.sh"
_ENTER = f"{PREFIX}/bin/activated"
# The end of what a bundle has: its own channel and what installs from it.
_BUNDLED = ("channel", "create_prefix.py", "install.py", "install.sh", "manifest.json")

LIBRARIES = f"""\
# The environment's programs find its libraries by themselves. For wheels, and whatever asks the
# system for a library by name: after the system's own, which LD_LIBRARY_PATH would come before.
RUN echo {PREFIX}/lib > /etc/ld.so.conf.d/zz-environment.conf && ldconfig"""

FORGET_MODEL = "if [ -f SHA256SUMS ]; then sed -i '/^[0-9a-f]*  model\\//d' SHA256SUMS; fi"
"""Takes the model out of the list of a bundle's files."""

ENTRYPOINT = f"""\
# Sets what activation would, then becomes the command.
ENTRYPOINT ["{_ENTER}"]"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CondaImage:
    """The conda part of an image. ``platforms`` are names; ``cuda`` is its release, or empty.

    ``has_pip`` says whether the environment has pip, ``has_wheels`` whether anything is for it.
    """

    platforms: tuple[str, ...]
    has_pip: bool = True
    has_wheels: bool = True
    cuda: str = ""


def conda_files(image: CondaImage) -> tuple[str, ...]:
    """What the build may see beside what every image is made of."""
    return (*map(explicit_name, image.platforms), *_BUNDLED)


def conda_arguments(image: CondaImage, base_image: str, glibc: tuple[int, int]) -> str:
    """The ``ARG`` of the base and of the builder."""
    gpu = [
        f"# The lock has packages for CUDA {image.cuda}: the host needs its driver and NVIDIA's",
        "# runtime for containers (docker run --gpus all).",
    ]
    lines = [
        "# For another registry: --build-arg BASE_IMAGE=registry.example/debian:…, with glibc",
        "# {}.{} or newer. The environment has a Python of its own.".format(*glibc),
        *(gpu if image.cuda else ()),
        f"ARG BASE_IMAGE={base_image}",
        "# With a bundle nothing but a shell is needed: --build-arg BUILDER_IMAGE may be the base.",
        f"ARG BUILDER_IMAGE={conda_builder_image()}",
    ]
    return "\n".join(lines)


def conda_builder_stage(
    image: CondaImage,
    *,
    platform_steps: Sequence[str],
    requirements: str,
    unhashed: str,
    comment: Sequence[str] = (),
) -> str:
    """The stage that makes the environment where it will lie: conda writes its path into files."""
    several = len(image.platforms) > 1
    explicit = '"conda-${platform}.lock"' if several else explicit_name(image.platforms[0])
    online = [f"micromamba create --yes --quiet --no-rc --prefix {PREFIX} --file {explicit}"]
    if image.has_wheels and not image.has_pip:
        online.append(f"{PREFIX}/bin/python -m ensurepip --default-pip")
    if image.has_wheels:
        online.append(_pip("--require-hashes ", requirements))
    if unhashed:
        online.append(_pip("", unhashed))
    choice = [
        "if [ -f install.sh ]; then",
        f"      sh install.sh --ignore-missing {PREFIX};",
        "    else",
        *(f"      {step}{' &&' if step != online[-1] else ';'}" for step in online),
        "    fi",
    ]
    install = " \\\n && ".join([*platform_steps, " \\\n".join(choice)])
    notes = "".join(f"{line}\n" for line in comment)
    return f"""\
# The environment is made at the path where it will run: conda writes that path into its files.
FROM ${{BUILDER_IMAGE}} AS builder
# hadolint ignore=DL3002
USER 0:0
COPY --from=parts /context/ /context/
WORKDIR /context
{notes}\
# From a bundle by its own script, which needs neither conda nor a Python; else from the channels.
RUN {install}
{_RECORD}"""


def _pip(flags: str, file: str) -> str:
    return f"{PREFIX}/bin/python -m pip install --no-cache-dir --no-deps {flags}-r {file}"


_RECORD = f"""\
# What activation would set: the scripts of the packages are run once, here. What is in quotes is
# for the shell that runs them.
# hadolint ignore=SC2016
RUN env -i PATH={PREFIX}/bin:/usr/bin:/bin CONDA_PREFIX={PREFIX} bash --posix -c ' \\
      for script in {PREFIX}/etc/conda/activate.d/*.sh; do \\
        if [ -f "$script" ]; then . "$script"; fi; \\
      done; \\
      unset PATH PWD OLDPWD SHLVL _; export -p' > /tmp/activated.sh \\
 && mkdir -p {PREFIX}/etc/conda \\
 && mv /tmp/activated.sh {_VARIABLES} \\
 && printf '#!/bin/sh\\n. {_VARIABLES}\\nexec "$@"\\n' > {_ENTER} \\
 && chmod 755 {_ENTER}"""


def conda_variables(image: CondaImage) -> Mapping[str, str]:
    """What programs that enter a running container see as well."""
    # https://docs.nvidia.com/datacenter/cloud-native/container-toolkit, "Environment variables"
    gpu = {"NVIDIA_DRIVER_CAPABILITIES": "compute,utility", "NVIDIA_VISIBLE_DEVICES": "all"}
    return {"CONDA_PREFIX": PREFIX, **(gpu if image.cuda else {})}
