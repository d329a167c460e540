"""The channel that tests solve, bundle and install from is a real one."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from rattler import RepoDataRecord
from rattler.exceptions import SolverError

from tests.support.conda_channel import Channel, ChannelServer, sample_packages
from tests.support.conda_installing import install_from, solve_from
from tests.support.environments import scrubbed


@pytest.fixture(scope="module")
def channel(
    tmp_path_factory: pytest.TempPathFactory, interpreter: Callable[[str], Path]
) -> Channel:
    for minor in ("3.11", "3.8"):
        interpreter(minor)
    made = Channel(tmp_path_factory.mktemp("channels") / "forge")
    made.add(*sample_packages("3.11", "3.8"))
    return made


@pytest.fixture(scope="module")
def prefix(channel: Channel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prefix")
    records = solve_from(channel.address, "python 3.11.*", "spam-native", "greet", "pip")
    install_from(records, folder / "env", cache=folder / "cache")
    return folder / "env"


def output(*argv: str | Path) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=True, env=scrubbed())
    return done.stdout.strip()


def named(records: tuple[RepoDataRecord, ...]) -> list[str]:
    return [f"{record.name.normalized} {record.version} {record.build}" for record in records]


def test_python_runs_in_its_prefix_and_with_its_own_library(prefix: Path) -> None:
    code = "import bz2, ctypes, lzma, sqlite3, ssl, sys, zlib; print(sys.prefix)"
    code += "; print({l.split()[-1] for l in open('/proc/self/maps') if 'libpython3.1' in l})"

    said = output(prefix / "bin/python", "-I", "-c", code).splitlines()

    library = prefix / "lib/libpython3.11.so.1.0"
    assert said == [str(prefix), f"{{'{library}'}}" if library.exists() else "set()"]


def test_placeholders_become_the_prefix_in_texts_and_in_programs(prefix: Path) -> None:
    code = "import spam, sysconfig; print(spam.prefix(), sysconfig.get_config_var('LIBDIR'))"

    assert output(prefix / "bin/python", "-I", "-c", code) == f"{prefix} {prefix}/lib"


def test_a_native_library_loads(prefix: Path) -> None:
    code = "import spam; print(spam.add(40, 2), spam.library(), spam.__version__)"

    assert output(prefix / "bin/python", "-I", "-c", code) == "42 1.3.0 1.1.0"


def test_programs_of_noarch_packages_run(prefix: Path) -> None:
    assert output(prefix / "bin/greet") == "hello from greet"
    assert output(prefix / "bin/pip", "--isolated", "check") == "No broken requirements found."


def test_pip_sees_packages_under_their_names_on_pypi(prefix: Path) -> None:
    listed = output(prefix / "bin/pip", "--isolated", "list", "--format=freeze").splitlines()

    assert [line for line in listed if line.startswith(("greet", "spam"))] == [
        "greet==2.0",
        "spam==1.1.0",
    ]


def test_another_python_has_builds_of_its_own(channel: Channel) -> None:
    records = solve_from(channel.address, "python 3.8.*", "spam-native", "greet")

    assert [line for line in named(records) if line.startswith(("greet", "spam"))] == [
        "greet 1.1 pyhd8ed1ab_0",
        "spam-native 1.1.0 py38h5_0",
    ]


def test_virtual_packages_decide_which_builds_fit(channel: Channel) -> None:
    assert named(solve_from(channel.address, "libspam 1.3.*")) == ["libspam 1.3.0 cpu_h2_0"]
    assert named(solve_from(channel.address, "libspam 1.3.*", cuda="12.4")) == [
        "libspam 1.3.0 cuda12_h3_1"
    ]
    assert named(solve_from(channel.address, "newest-glibc", glibc="2.99")) == [
        "newest-glibc 2.0 0"
    ]
    assert named(solve_from(channel.address, "newest-glibc")) == ["newest-glibc 1.0 0"]
    with pytest.raises(SolverError, match="__cuda"):
        solve_from(channel.address, "only-gpu")


def test_constraints_hold_without_being_dependencies(channel: Channel) -> None:
    names = [line.split()[0] for line in named(solve_from(channel.address, "eggs ==1.0"))]
    both = named(solve_from(channel.address, "eggs ==1.0", "greet"))

    assert "greet" not in names
    assert "greet 1.1 pyhd8ed1ab_0" in both


def test_both_formats_install(channel: Channel, tmp_path: Path) -> None:
    records = solve_from(channel.address, "python 3.11.*", "spam-native ==1.0.0")

    install_from(records, tmp_path / "env", cache=tmp_path / "cache")

    assert [r.file_name for r in records if r.file_name.endswith(".tar.bz2")] == [
        "spam-native-1.0.0-py311h5_0.tar.bz2"
    ]
    code = "import spam; print(spam.__version__)"
    assert output(tmp_path / "env/bin/python", "-I", "-c", code) == "1.0.0"


def test_the_same_packages_are_the_same_bytes() -> None:
    again = sample_packages.__wrapped__("3.11")

    assert [package.sha256 for package in again] == [
        package.sha256 for package in sample_packages("3.11")
    ]


def test_a_server_serves_what_the_folder_has(channel: Channel) -> None:
    with ChannelServer(channel.folder.parent) as server:
        over_http = named(solve_from(server.url("forge"), "greet", "python 3.11.*"))
        with pytest.raises(HTTPError, match="404"):
            urlopen(f"{server.url('forge')}/noarch/none.json")

    assert over_http == named(solve_from(channel.address, "greet", "python 3.11.*"))


def test_a_server_asks_for_a_password(channel: Channel) -> None:
    with ChannelServer(channel.folder.parent, credentials=("ada", "s3cret")) as server:
        address = f"{server.url('forge')}/noarch/repodata.json"
        with pytest.raises(HTTPError, match="401"):
            urlopen(address)
        with urlopen(Request(address, headers={"Authorization": "Basic YWRhOnMzY3JldA=="})) as good:
            assert good.status == 200
        assert server.secret_url("forge") == f"http://ada:s3cret@{server.host}/forge"


def test_a_server_asks_for_a_token(channel: Channel) -> None:
    with ChannelServer(channel.folder.parent, token="tk-123") as server:
        with pytest.raises(HTTPError, match="403"):
            urlopen(f"{server.url('forge')}/noarch/repodata.json")
        with urlopen(f"{server.secret_url('forge')}/noarch/repodata.json") as good:
            assert good.status == 200


def test_a_server_fails_as_told_and_counts(channel: Channel) -> None:
    with ChannelServer(channel.folder.parent) as server:
        server.failures["noarch/repodata.json"] = 503
        with pytest.raises(HTTPError, match="503"):
            urlopen(f"{server.url('forge')}/noarch/repodata.json")

        assert server.count("repodata.json") == 1
