"""Causes of failed builds, from what compilers and backends really print."""

from __future__ import annotations

import pytest

from envbuild.build.diagnosis import diagnose, last_lines


@pytest.mark.parametrize(
    ("output", "cause"),
    [
        (
            "psycopg/psycopg.h:36:10: fatal error: libpq-fe.h: No such file or directory",
            "the header libpq-fe.h is missing (Debian: libpq-dev)",
        ),
        (
            "spam.c:1:10: fatal error: 'Python.h' file not found",
            "the header Python.h is missing (Debian: python3-dev)",
        ),
        (
            "spam.cc:2:10: fatal error: Eigen/own-header.hpp: No such file or directory",
            "the header Eigen/own-header.hpp is missing",
        ),
        ("/usr/bin/ld: cannot find -lsnappy: No such file", "the library snappy is missing"),
        (
            "error: command 'x86_64-linux-gnu-gcc' failed: No such file or directory",
            "the compiler x86_64-linux-gnu-gcc is missing (Debian: build-essential)",
        ),
        (
            "unable to execute 'gcc': No such file or directory",
            "the compiler gcc is missing (Debian: build-essential)",
        ),
        (
            "error: command '/opt/bin/g++' failed: No such file or directory",
            "the compiler g++ is missing (Debian: build-essential)",
        ),
        ("error: can't find Rust compiler", "the Rust compiler is missing (Debian: cargo)"),
        (
            "Cargo, the Rust package manager, is not installed or is not on PATH.",
            "the Rust compiler is missing (Debian: cargo)",
        ),
        (
            "Error: pg_config executable not found.",
            "the program pg_config is missing (Debian: libpq-dev)",
        ),
        (
            "/bin/sh: 1: mysql_config: not found",
            "the program mysql_config is missing (Debian: default-libmysqlclient-dev)",
        ),
        (
            "FileNotFoundError: [Errno 2] No such file or directory: 'cmake'",
            "the program cmake is missing (Debian: cmake)",
        ),
        (
            "ModuleNotFoundError: No module named 'numpy'",
            "its build imports numpy, which it does not ask for",
        ),
        ("OSError: [Errno 28] No space left on device", "the disk is full"),
    ],
)
def test_a_cause_is_named(output: str, cause: str) -> None:
    assert diagnose(f"before\n{output}\nafter\n") == (cause,)


def test_every_cause_is_named_once() -> None:
    output = "fatal error: a.h: No such file\nfatal error: b.h: No such file\n" * 2

    assert diagnose(output) == ("the header a.h is missing", "the header b.h is missing")


def test_nothing_is_made_up() -> None:
    assert diagnose("error: Microsoft was here\n") == ()


def test_the_last_lines_are_those_that_say_something() -> None:
    output = "".join(f"line {number}  \n\n" for number in range(40))

    assert last_lines(output) == tuple(f"line {number}" for number in range(25, 40))
