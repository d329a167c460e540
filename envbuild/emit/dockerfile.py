"""``Dockerfile`` and ``.dockerignore``: one recipe, with the index or with a bundle and no network.

Only what both builders of Docker know: docker-py drives the classic one, so no ``RUN --mount``.
Pure: a header and the names of the lock files in, text out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from envbuild.emit.conda_stages import (
    ENTRYPOINT,
    FORGET_MODEL,
    LIBRARIES,
    PREFIX,
    CondaImage,
    conda_arguments,
    conda_builder_stage,
    conda_files,
    conda_variables,
)
from envbuild.locking.header import Header

__all__ = ["MODEL_FOLDER", "Recipe", "dockerfile_text", "dockerignore_text"]

MODEL_FOLDER = "/opt/model"
"""Where a model that is part of the image lies; the scoring scripts look there last."""

_VENV = "/opt/venv"
_HOME = "/home/serving"
_USER = 10001  # above the range that distributions and base images give out
# Docker's own slim images, each of which has a full one with compilers and git beside it.
_SLIM = re.compile(r"python:([\w.]+)-slim((?:-\w+)?)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What an image is made of. Mappings are by platform name, files those of the context.

    ``digest`` is the sha256 (hex) of the locked packages. ``to_build`` have no wheel on one of the
    platforms, ``need_full_image`` load libraries that slim images lack.
    """

    header: Header
    digest: str
    machines: Mapping[str, str]  # what uname -m says there
    requirements: Mapping[str, str]
    unhashed: Mapping[str, str]
    tools: Mapping[str, str]
    to_build: tuple[str, ...] = ()
    need_full_image: tuple[str, ...] = ()
    private_index: bool = False
    conda: CondaImage | None = None  # with the conda runtime

    @property
    def prefix(self) -> str:
        """Where the environment lies."""
        return _VENV if self.conda is None else PREFIX


def dockerfile_text(recipe: Recipe) -> str:
    """The Dockerfile."""
    blocks = [
        _introduction(recipe),
        _arguments(recipe),
        _parts_stage(recipe),
        _builder_stage(recipe) if recipe.conda is None else _conda_stage(recipe, recipe.conda),
        _runtime_stage(recipe),
    ]
    return "\n\n".join(blocks) + "\n"


def dockerignore_text(recipe: Recipe) -> str:
    """What the build may see: the files that the image is made of."""
    names = [
        *recipe.requirements.values(),
        *recipe.unhashed.values(),
        *(conda_files(recipe.conda) if recipe.conda else ()),
        "files",
        "tools",
        "wheels",
        "SHA256SUMS",
        "score.py",
        "model",
    ]
    lines = [
        "# Nothing but what the Dockerfile uses, so that nothing else makes it build anew.",
        "*",
        *(f"!{name}" for name in names),
        "**/__pycache__",
    ]
    return "".join(f"{line}\n" for line in lines)


def _introduction(recipe: Recipe) -> str:
    header = recipe.header
    behind = f" behind {header.server}" if header.serving.kind != "none" else ""
    tag = re.sub(r"[^a-z0-9]+", "-", header.model.lower()).strip("-") or "model"
    platforms = ", ".join(recipe.machines)
    return f"""\
# {_comment(header.model)}{behind}: CPython {header.target.python} on {platforms}.
# Written by envbuild lock.
#
#   docker build -t {tag} .                   from the package index
#   docker build --network none -t {tag} .    in a bundle of 'envbuild export': nothing is fetched
#
# A folder "model" beside this file becomes part of the image. Without one, mount the model at
# {MODEL_FOLDER}; Azure ML mounts it where it likes and says so in AZUREML_MODEL_DIR."""


def _arguments(recipe: Recipe) -> str:
    header = recipe.header
    major, minor = header.target.glibc
    if recipe.conda is not None:
        return conda_arguments(recipe.conda, header.base_image, header.target.glibc)
    lines = [
        "# For another registry: --build-arg BASE_IMAGE=registry.example/python:…, with the same",
        f"# Python and glibc {major}.{minor} or newer, for which the wheels are.",
    ]
    if recipe.need_full_image:
        names = ", ".join(recipe.need_full_image)
        lines.append(f"# Not a slim image, which lacks libraries that this loads: {names}.")
    lines.append(f"ARG BASE_IMAGE={header.base_image}")
    if recipe.to_build:
        names = ", ".join(recipe.to_build)
        lines += [
            f"# Without a wheel, so that the index can only give sources to compile: {names}.",
            "# A bundle has their wheels; for it --build-arg BUILDER_IMAGE may be the base image.",
        ]
    lines.append(f"ARG BUILDER_IMAGE={_builder_image(recipe)}")
    return "\n".join(lines)


def _builder_image(recipe: Recipe) -> str:
    """An image with compilers and git where something has to be built, else the base image."""
    slim = _SLIM.fullmatch(recipe.header.base_image)
    return f"python:{slim[1]}{slim[2]}" if recipe.to_build and slim else "${BASE_IMAGE}"


def _parts_stage(recipe: Recipe) -> str:
    # The script of a bundle with conda packages checks what it uses once more, and needs the list
    # for that, but not the lines of the model, with which the environment would be made anew.
    forget = "rm -f SHA256SUMS" if recipe.conda is None else FORGET_MODEL
    return f"""\
# What lies beside this file, checked and sorted, so that each later step takes only its own part
# and is not done again when another one changes.
FROM ${{BASE_IMAGE}} AS parts
# Root for now, whatever user the base image has.
# hadolint ignore=DL3002
USER 0:0
COPY . /context/
WORKDIR /context
RUN if [ -f SHA256SUMS ]; then sha256sum --check --ignore-missing --quiet SHA256SUMS; fi \\
 && {forget} \\
 && mkdir -p model /app \\
 && if [ -f score.py ]; then mv score.py /app/; fi \\
 && mv model /model \\
 && chmod -R a+rX /app /model"""


_PRIVATE_INDEX = (
    "# An index in the requirements needs credentials, and what a layer holds anyone can read:",
    "# build from a bundle, or hand them over as a secret of your builder.",
)


def _builder_stage(recipe: Recipe) -> str:
    minor = recipe.header.target.python_minor
    python, dotted = "{}, {}".format(*minor), "{}.{}".format(*minor)
    return f"""\
# The environment is made at the path where it will run: a venv's scripts have that path inside.
FROM ${{BUILDER_IMAGE}} AS builder
# hadolint ignore=DL3002
USER 0:0
ENV PATH={_VENV}/bin:$PATH \\
    PIP_DISABLE_PIP_VERSION_CHECK=1 \\
    PIP_NO_INPUT=1
COPY --from=parts /context/ /context/
WORKDIR /context
RUN python3 -c 'import sys; sys.version_info[:2] == ({python}) or sys.exit("no Python {dotted}")' \\
 && python3 -m venv {_VENV}
{_install_steps(recipe)}"""


def _conda_stage(recipe: Recipe, conda: CondaImage) -> str:
    several = len(recipe.requirements) > 1
    unhashed = _file(recipe.unhashed, several, "requirements.vcs.{}.txt")
    return conda_builder_stage(
        conda,
        platform_steps=_platform_steps(recipe) if several else (),
        requirements=_file(recipe.requirements, several, "requirements.{}.txt"),
        unhashed=unhashed if recipe.unhashed else "",
        comment=_PRIVATE_INDEX if recipe.private_index else (),
    )


def _install_steps(recipe: Recipe) -> str:
    several = len(recipe.requirements) > 1
    unhashed = _file(recipe.unhashed, several, "requirements.vcs.{}.txt")
    steps = [
        *(_platform_steps(recipe) if several else []),
        'if [ -d wheels ]; then export PIP_NO_INDEX=1 PIP_FIND_LINKS="wheels tools"; fi',
        _pip("--require-hashes", _file(recipe.tools, several, "tools/requirements.{}.txt")),
        _pip("--require-hashes", _file(recipe.requirements, several, "requirements.{}.txt")),
    ]
    if recipe.unhashed:
        steps.append(f"if [ -f {unhashed} ]; then {_pip('', unhashed)}; fi")
    comment = [
        *(_PRIVATE_INDEX if recipe.private_index else ()),
        "# pip first, since the one in an old Python does not know today's wheels. Each file must",
        "# have a hash that the lock knows. In a bundle pip sees the bundle and nothing else.",
    ]
    return "\n".join([*comment, "RUN " + " \\\n && ".join(steps)])


def _platform_steps(recipe: Recipe) -> list[str]:
    """The platform is the machine's that builds: the classic builder has no TARGETARCH."""
    cases = " ".join(f"{machine}) platform={name} ;;" for name, machine in recipe.machines.items())
    wrong = '*) echo "no lock for $(uname -m)" >&2; exit 1 ;;'
    return [f'case "$(uname -m)" in {cases} {wrong} esac']


def _file(names: Mapping[str, str], several: bool, pattern: str) -> str:  # noqa: FBT001
    if several:
        return '"' + pattern.format("${platform}") + '"'
    return next(iter(names.values()), "")


def _pip(flag: str, file: str) -> str:
    flags = " ".join(part for part in ("--no-cache-dir", "--no-deps", flag) if part)
    return f"python -m pip install {flags} -r {file}"


def _runtime_stage(recipe: Recipe) -> str:
    serving = recipe.header.serving
    blocks = [
        f"""\
# From what changes least to what changes most: the user, the environment, the script, the model.
# New weights then only replace the last layer.
FROM ${{BASE_IMAGE}} AS runtime
USER 0:0
# By number, so that Kubernetes can see that it is not root; with a home for caches, which any user
# in the group of root may write to, as OpenShift has it. Many images have no useradd.
RUN echo "serving:x:{_USER}:{_USER}::{_HOME}:/bin/sh" >> /etc/passwd \\
 && echo "serving:x:{_USER}:" >> /etc/group \\
 && install -d -m 0770 -o {_USER} -g 0 {_HOME}
WORKDIR /app
COPY --from=builder {recipe.prefix}/ {recipe.prefix}/
COPY --from=parts /app/ /app/
COPY --from=parts /model/ {MODEL_FOLDER}/""",
        *((LIBRARIES,) if recipe.conda else ()),
        _environment(recipe),
        _labels(recipe),
        f"USER {_USER}",
    ]
    if serving.port is not None:
        blocks.append(f"EXPOSE {serving.port}")
    if serving.port is not None and serving.probes:
        blocks.append(_healthcheck(serving.port, serving.probes.liveness))
    if recipe.conda:
        blocks.append(ENTRYPOINT)
    elif serving.command:
        blocks.append("# The command itself, whatever the base image would start it with.")
        blocks.append("ENTRYPOINT []")
    if serving.command:
        blocks.append(f"CMD {json.dumps(list(serving.command))}")
    return "\n".join(blocks)


def _environment(recipe: Recipe) -> str:
    extra = recipe.header.serving.environment
    values = {
        "HOME": _HOME,
        "PATH": f"{recipe.prefix}/bin:$PATH",
        **(conda_variables(recipe.conda) if recipe.conda else {}),
        # Nothing can be written to the environment, and logs are to be seen when they happen.
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        **dict(sorted(extra.items())),
    }
    return "ENV " + " \\\n    ".join(_assignment(*item) for item in values.items())


def _healthcheck(port: int, path: str) -> str:
    # http.client knows no proxies, which would answer for a server that is not there.
    code = (
        f"import http.client as h; c = h.HTTPConnection('127.0.0.1', {port}, timeout=4); "
        f"c.request('GET', '{path}'); raise SystemExit(c.getresponse().status != 200)"
    )
    return (
        "# Loading a large model takes minutes, in which a failure does not count.\n"
        "HEALTHCHECK --interval=30s --timeout=5s --start-period=10m --retries=3 \\\n"
        f"    CMD {json.dumps(['python', '-c', code])}"
    )


def _labels(recipe: Recipe) -> str:
    header = recipe.header
    image, _, digest = header.base_image.partition("@")
    labels = {
        "org.opencontainers.image.title": header.model,
        "org.opencontainers.image.base.name": image,
        **({"org.opencontainers.image.base.digest": digest} if digest else {}),
        "io.envbuild.version": header.version,
        "io.envbuild.server": header.server,
        "io.envbuild.lock-digest": f"sha256:{recipe.digest}",
    }
    return "LABEL " + " \\\n      ".join(_assignment(*item) for item in labels.items())


def _assignment(name: str, value: str) -> str:
    """``name=value`` for ENV and LABEL, in quotes where needed; only PATH refers to a variable."""
    if re.fullmatch(r"[\w./:@%+,=-]+", value) or name == "PATH":
        return f"{name}={value}"
    escaped = re.sub(r'(["\\$])', r"\\\1", value).replace("\n", " ")
    return f'{name}="{escaped}"'


def _comment(text: str) -> str:
    return " ".join(text.split())
