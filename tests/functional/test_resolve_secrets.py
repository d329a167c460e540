"""What a build script can see while a resolver asks it what its package depends on."""

from __future__ import annotations

import os
import stat
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from envbuild.ambient import Ambient
from envbuild.entries.requirements import UrlSource, VcsSource
from envbuild.errors import IndexUnavailableError, SpecError
from envbuild.fetch.loopback_server import LoopbackServer
from envbuild.process import Completed, run
from envbuild.resolve.uv import UvResolver
from tests.functional.test_resolve_uv import PYPROJECT, backend, git_repository
from tests.support.index import Index, sdist, wheel
from tests.support.problems import ambient_of, index_option, problem, requirement

CANARY = "c4n4ry"

# Dumps everything in reach: its own environment, home and folder, and those of who started it.
SPY = """
import os, subprocess
found = [repr(dict(os.environ))]
for name in (".netrc", ".pypirc", ".config/pip/pip.conf", ".config/uv/uv.toml"):
    try:
        found.append(open(os.path.join(os.environ["HOME"], name)).read())
    except OSError:
        pass
pid = os.getpid()
while pid > 1:
    for name in ("environ", "cmdline"):
        found.append(open("/proc/%d/%s" % (pid, name), "rb").read().decode("utf-8", "replace"))
    program = os.readlink("/proc/%d/exe" % pid)
    folder = os.readlink("/proc/%d/cwd" % pid)
    if os.path.basename(program) == "uv":
        for name in sorted(os.listdir(folder)):
            path = os.path.join(folder, name)
            if os.path.isfile(path):
                found.append(open(path).read())
        break
    pid = int(open("/proc/%d/stat" % pid).read().rpartition(")")[2].split()[1])
open("{dump}", "a").write("\\n".join(found))
"""


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    return tmp_path / "dump.txt"


@pytest.fixture
def index(dump: Path) -> Iterator[Index]:
    spy = SPY.replace("{dump}", str(dump))
    with Index(credentials=("ada", CANARY)) as index:
        index.add(
            sdist("nosy", "1.0", pyproject=PYPROJECT, files=backend("nosy", "1.0", first=spy)),
            wheel("eggs", "1.0"),
        )
        yield index


def secretive(tmp_path: Path, **environ: str) -> Ambient:
    ambient = ambient_of(
        tmp_path, AWS_SECRET_ACCESS_KEY=CANARY, UV_INDEX_X_PASSWORD=CANARY, **environ
    )
    (ambient.home / ".pypirc").write_text(f"password = {CANARY}\n")
    return ambient


@pytest.mark.may_skip("reads /proc of Linux")
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="reads /proc of Linux")
@pytest.mark.parametrize("given", ["in the address", "by variables", "netrc", "keyring"])
def test_a_build_script_finds_no_secret(
    index: Index, tmp_path: Path, dump: Path, given: str
) -> None:
    ambient = secretive(tmp_path, INDEX_USER="ada", INDEX_TOKEN=CANARY)
    address = index.url
    match given:
        case "in the address":
            address = index.url_with_credentials
        case "by variables":
            address = index.url.replace("//", "//${INDEX_USER}:${INDEX_TOKEN}@")
        case "netrc":
            (ambient.home / ".netrc").write_text(f"machine 127.0.0.1 login ada password {CANARY}\n")
        case _:
            ambient = with_keyring(tmp_path, ambient)

    resolution = UvResolver.of(ambient).resolve(problem(["nosy", "eggs"], index=address))

    assert [package.name for package in resolution.pylock.packages] == ["eggs", "nosy"]
    assert CANARY not in repr(resolution)
    seen = dump.read_text()
    assert "requirements.in" in seen, "the spy did not reach uv"
    assert "nosy" in seen, "the spy did not read uv's folder"
    assert CANARY not in seen
    assert os.environ["HOME"] not in seen.split("\x00")


def with_keyring(tmp_path: Path, ambient: Ambient) -> Ambient:
    """A keyring that knows the index."""
    tools = tmp_path / "tools"
    tools.mkdir()
    program = tools / "keyring"
    program.write_text(f"#!/bin/sh\nprintf 'ada\\n{CANARY}\\n'\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    path = f"{tools}:{ambient.environ['PATH']}"
    return replace(ambient, environ={**ambient.environ, "PATH": path})


def test_no_argument_variable_or_file_of_a_resolver_holds_a_secret(
    index: Index, tmp_path: Path
) -> None:
    seen: list[str] = []

    def watch(argv: list[str], *, env: dict[str, str], cwd: Path, **more: object) -> Completed:
        seen.extend([*argv, repr(env), *(file.read_text() for file in cwd.glob("*.*"))])
        return run(argv, env=env, cwd=cwd)

    url = index.file_url("eggs-1.0-py3-none-any.whl").replace("//", f"//ada:{CANARY}@")
    eggs = replace(requirement("eggs"), source=UrlSource(url="x"), raw_url=url)
    resolver = UvResolver.of(secretive(tmp_path), runner=watch)  # type: ignore[arg-type]

    resolution = resolver.resolve(problem([eggs], index=index.url_with_credentials))

    (package,) = resolution.pylock.packages
    assert package.archive is not None
    assert package.archive.url == index.file_url("eggs-1.0-py3-none-any.whl")
    assert seen
    assert CANARY not in "\n".join(seen)


def test_a_wrong_password_is_refused_without_showing_it(index: Index, tmp_path: Path) -> None:
    wrong = index.url.replace("//", f"//ada:{CANARY}2@")

    with pytest.raises(IndexUnavailableError) as caught:
        UvResolver.of(ambient_of(tmp_path)).resolve(problem(["eggs"], index=wrong))

    assert str(caught.value) == (
        f"--index-url: --index-url http://****:****@127.0.0.1:{index.port}/simple:"
        " 127.0.0.1 answers 401 Unauthorized\n"
        f"  asked for {index.url}\n"
        "  try: credentials for 127.0.0.1: ${VARIABLE} in its address, or a .netrc"
    )


def test_a_netrc_that_is_none_is_told_with_the_refusal(index: Index, tmp_path: Path) -> None:
    ambient = ambient_of(tmp_path)
    (ambient.home / ".netrc").write_text(f"machine 127.0.0.1 pasword {CANARY}\n")

    with pytest.raises(IndexUnavailableError) as caught:
        UvResolver.of(ambient).resolve(problem(["eggs"], index=index.url))

    assert caught.value.details[1] == f"{ambient.home / '.netrc'} is not a netrc file (line 1)"
    assert CANARY not in str(caught.value)


def test_a_dead_index_with_a_password_is_named_without_it(tmp_path: Path) -> None:
    dead = f"http://ada:{CANARY}@127.0.0.1:9/simple"

    with pytest.raises(IndexUnavailableError) as caught:
        UvResolver.of(ambient_of(tmp_path)).resolve(problem(["eggs"], index=dead))

    assert str(caught.value) == (
        "--index-url: --index-url http://****:****@127.0.0.1:9/simple:"
        " 127.0.0.1 cannot be reached: Connection refused\n"
        "  try: another address for --index-url"
    )


def test_the_cache_stays_warm_although_each_relay_is_new(index: Index, tmp_path: Path) -> None:
    resolver = UvResolver.of(ambient_of(tmp_path))
    wanted = problem(["eggs"], index=index.url_with_credentials)
    first = resolver.resolve(wanted)
    index.requests.clear()

    assert resolver.resolve(wanted) == first
    assert index.requests == []


def test_a_proxy_with_a_password_is_used_and_not_shown(tmp_path: Path, dump: Path) -> None:
    """Here another index plays the proxy: it answers absolute addresses as its own."""
    with Index() as proxy:
        proxy.add(wheel("eggs", "1.0"))
        ambient = ambient_of(tmp_path, HTTP_PROXY=f"http://ada:{CANARY}@127.0.0.1:{proxy.port}")

        resolution = UvResolver.of(ambient).resolve(
            problem(["eggs"], index="http://pypi.example/simple")
        )

    (package,) = resolution.pylock.packages
    (file,) = package.wheels or ()
    assert file.url == "http://pypi.example/files/eggs-1.0-py3-none-any.whl"
    assert all("proxy-authorization" in request.headers for request in proxy.requests)


def test_a_secret_in_a_query_of_an_index_is_not_written_down(tmp_path: Path) -> None:
    option = index_option("find-links", f"https://files.example/x?token={CANARY}")

    with pytest.raises(SpecError) as caught:
        UvResolver.of(ambient_of(tmp_path)).resolve(problem(["eggs"], index_options=(option,)))

    assert CANARY not in str(caught.value)


def test_a_private_repository_is_fetched_through_the_relay(tmp_path: Path) -> None:
    repository = git_repository(tmp_path / "repository", "mine")
    www = str(tmp_path / "www")
    clone = ["git", "clone", "-q", "--bare", str(repository), www]
    for words in (clone, ["git", "-C", www, "update-server-info"]):
        assert run(words, env={"PATH": "/usr/bin:/bin"}).returncode == 0
    with Folder(tmp_path / "www", ("ada", CANARY)) as server:
        address = f"{server.root}/@v1".replace("//127", "//ada:${TOKEN}@127")
        mine = replace(
            requirement("mine"),
            source=VcsSource(vcs="git", url=server.root, ref="v1"),
            raw_url=f"git+{address}",
        )
        resolver = UvResolver.of(ambient_of(tmp_path, TOKEN=CANARY))

        resolution = resolver.resolve(problem([mine], index_options=(index_option("no-index"),)))

    (package,) = resolution.pylock.packages
    assert package.vcs is not None
    assert package.vcs.url == f"{server.root}/"
    assert [notice.code for notice in resolution.notices] == ["variable-sent"]
    assert CANARY not in repr(resolution)


class Folder(LoopbackServer):
    """Serves a folder to who has the password."""

    def __init__(self, folder: Path, credentials: tuple[str, str]) -> None:
        token = b64encode(":".join(credentials).encode()).decode()

        class Handler(SimpleHTTPRequestHandler):
            def __init__(self, *arguments: Any) -> None:
                super().__init__(*arguments, directory=str(folder))

            def do_GET(self) -> None:
                if self.headers.get("Authorization") == f"Basic {token}":
                    super().do_GET()
                else:
                    self.send_error(401)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        super().__init__(Handler)
