"""Why a build failed, from what it printed: the missing header, library or tool, if one shows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

__all__ = ["diagnose", "last_lines"]

_SHOWN = 15

# Debian's packages for the headers that packages of this field ask for most.
_HEADERS = {
    "Python.h": "python3-dev",
    "cblas.h": "libopenblas-dev",
    "ffi.h": "libffi-dev",
    "fuse.h": "libfuse-dev",
    "gdal.h": "libgdal-dev",
    "geos_c.h": "libgeos-dev",
    "hdf5.h": "libhdf5-dev",
    "jpeglib.h": "libjpeg-dev",
    "krb5.h": "libkrb5-dev",
    "libpq-fe.h": "libpq-dev",
    "librdkafka/rdkafka.h": "librdkafka-dev",
    "libxml/xmlversion.h": "libxml2-dev",
    "mysql.h": "default-libmysqlclient-dev",
    "openssl/opensslv.h": "libssl-dev",
    "openssl/ssl.h": "libssl-dev",
    "portaudio.h": "portaudio19-dev",
    "sasl/sasl.h": "libsasl2-dev",
    "snappy-c.h": "libsnappy-dev",
    "sndfile.h": "libsndfile1-dev",
    "sql.h": "unixodbc-dev",
    "yaml.h": "libyaml-dev",
    "zlib.h": "zlib1g-dev",
}
_TOOLS = {
    "cmake": "cmake",
    "gfortran": "gfortran",
    "mysql_config": "default-libmysqlclient-dev",
    "ninja": "ninja-build",
    "pg_config": "libpq-dev",
    "pkg-config": "pkg-config",
    "swig": "swig",
}


def _header(match: re.Match[str]) -> str:
    name = match["name"]
    package = _HEADERS.get(name)
    return f"the header {name} is missing" + (f" (Debian: {package})" if package else "")


def _tool(match: re.Match[str]) -> str:
    name = match["name"]
    package = _TOOLS.get(name)
    return f"the program {name} is missing" + (f" (Debian: {package})" if package else "")


_COMPILER = r"'(?:[\w./-]*/)?(?P<name>[\w+-]*(?:cc|\+\+|clang))'"
_PROGRAMS = "pg_config|mysql_config|pkg-config|cmake|ninja|gfortran|swig"
_CAUSES: tuple[tuple[str, Callable[[re.Match[str]], str]], ...] = (
    (
        r"fatal error: '?(?P<name>[\w./+-]+\.h(?:pp|h)?)'?(?: file not found|: No such)",
        _header,
    ),
    (r"cannot find -l(?P<name>[\w.+-]+)", lambda m: f"the library {m['name']} is missing"),
    (
        rf"(?:command|unable to execute) {_COMPILER}(?: failed)?: No such file",
        lambda m: f"the compiler {m['name']} is missing (Debian: build-essential)",
    ),
    (
        r"(?i)can't find rust compiler|cargo[^\n]*(?:not installed|not found)",
        lambda _: "the Rust compiler is missing (Debian: cargo)",
    ),
    (rf"(?P<name>{_PROGRAMS})(?: executable|: command|:)? not found", _tool),
    (rf"No such file or directory: '(?P<name>{_PROGRAMS})'", _tool),
    (
        r"ModuleNotFoundError: No module named '(?P<name>[\w.]+)'",
        lambda m: f"its build imports {m['name']}, which it does not ask for",
    ),
    (r"No space left on device", lambda _: "the disk is full"),
)


def diagnose(output: str) -> tuple[str, ...]:
    """Causes that can be named, in the order of the patterns, each once."""
    return tuple(dict.fromkeys(_found(output)))


def _found(output: str) -> Iterator[str]:
    for pattern, word in _CAUSES:
        for match in re.finditer(pattern, output):
            yield word(match)


def last_lines(output: str) -> tuple[str, ...]:
    """The last lines that say something."""
    lines = [line.rstrip() for line in output.splitlines() if line.strip()]
    return tuple(lines[-_SHOWN:])
