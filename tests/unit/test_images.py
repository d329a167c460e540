"""What the name of a base image tells of its C library."""

from __future__ import annotations

import pytest

from envbuild.errors import RuntimeUnsupportedError
from envbuild.images import conda_base_image, cuda_release, glibc_floor


@pytest.mark.parametrize(
    ("image", "glibc"),
    [
        ("", (2, 28)),
        ("python:3.7.11-slim", (2, 28)),
        ("python:3.11.9-slim", (2, 31)),
        ("python:3.12.3-slim", (2, 36)),
        ("python:3.12-bullseye", (2, 31)),
        ("registry.example/team/serving:7", (2, 28)),
        ("python:3.11-slim-bookworm", (2, 36)),
        ("python:3.12-trixie@sha256:0123", (2, 41)),
        ("python:3.6-slim-stretch", (2, 24)),
        ("docker.io/library/debian:11", (2, 31)),
        ("mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04:latest", (2, 31)),
        ("mcr.microsoft.com/azureml/minimal-ubuntu22.04-py39-cpu-inference:latest", (2, 35)),
        ("mcr.microsoft.com/azureml/base:intelmpi2018.3-ubuntu18.04", (2, 27)),
        ("nvidia/cuda:12.4.1-runtime-ubuntu24.04", (2, 39)),
        ("UBUNTU:22.04", (2, 35)),
        ("registry.access.redhat.com/ubi8/python-39", (2, 28)),
        ("registry.access.redhat.com/ubi9/python-311:1", (2, 34)),
        ("amazonlinux:2", (2, 26)),
        ("public.ecr.aws/amazonlinux/amazonlinux:2023", (2, 34)),
        ("centos:7", (2, 17)),
        ("gcr.io/distroless/python3-debian12", (2, 36)),
    ],
)
def test_the_floor_is_the_distributions_or_the_default(image: str, glibc: tuple[int, int]) -> None:
    assert glibc_floor(image) == glibc


def test_an_image_without_glibc_is_refused() -> None:
    with pytest.raises(RuntimeUnsupportedError) as raised:
        glibc_floor("python:3.11-alpine3.19")

    assert str(raised.value) == (
        "--base-image: python:3.11-alpine3.19 has musl instead of glibc, for which few packages"
        " have wheels\n"
        "  try: an image on Debian or Ubuntu, such as python:3.11-slim"
    )


@pytest.mark.parametrize(
    ("cuda", "image"),
    [
        ("", "debian:12-slim"),
        ("12.4", "nvidia/cuda:12.4.1-base-ubuntu22.04"),
        ("12.5", "nvidia/cuda:12.4.1-base-ubuntu22.04"),
        ("12.0", "nvidia/cuda:12.1.1-base-ubuntu22.04"),
        ("11.2", "nvidia/cuda:11.8.0-base-ubuntu22.04"),
        ("10.2", "debian:12-slim"),
    ],
)
def test_cuda_decides_the_base_of_an_environment_with_its_own_python(cuda: str, image: str) -> None:
    assert conda_base_image(cuda) == image


@pytest.mark.parametrize(
    ("image", "cuda"),
    [
        ("nvidia/cuda:12.4.1-base-ubuntu22.04", "12.4"),
        ("registry.example:5000/nvidia/cuda:11.8.0-runtime@sha256:00", "11.8"),
        ("mcr.microsoft.com/azureml/openmpi4.1.0-cuda11.8-cudnn8-ubuntu22.04", "11.8"),
        ("debian:12-slim", ""),
        ("python:3.11.7-slim", ""),
    ],
)
def test_the_name_of_an_image_tells_its_cuda(image: str, cuda: str) -> None:
    assert cuda_release(image) == cuda
