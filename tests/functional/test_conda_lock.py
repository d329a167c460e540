"""``envbuild lock`` with the conda runtime: a real channel, an index on loopback, no network."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from envbuild.cli import main
from envbuild.errors import LockFileError
from envbuild.locking.context import read_context
from envbuild.resolve.conda.conda_lock import find_conda_lock
from tests.support.conda_channel import Channel, ChannelServer, pure_package, sample_packages
from tests.support.environments import scrubbed
from tests.support.index import Index, wheel
from tests.support.repodata import record, write_repodata

MLMODEL = """\
flavors:
  python_function:
    env: conda.yaml
    loader_module: spam
    python_version: 3.11.7
"""
Lock = Callable[..., int]


@pytest.fixture(scope="module")
def channels(
    tmp_path_factory: pytest.TempPathFactory, interpreter: Callable[[str], Path]
) -> Channel:
    interpreter("3.11")
    made = Channel(tmp_path_factory.mktemp("channels") / "forge")
    made.add(
        *sample_packages("3.11"),
        pure_package("ham", "1.0", depends=["python", "numbers >=1"]),
        pure_package("numbers", "1.0"),
        pure_package("numbers", "2.0"),
        pure_package("conda-bread", "3.0", pypi_name="bread"),
        pure_package("py-xgboost", "1.6", pypi_name="xgboost"),
    )
    return made


@pytest.fixture(scope="module")
def index() -> Iterator[Index]:
    with Index() as served:
        served.add(
            wheel("web", "1.0", requires=["greet>=1.1", "soup"]),
            wheel("web", "2.0", requires=["greet>=3"]),
            wheel("soup", "1.0"),
            wheel("soup", "1.1"),
            wheel("greet", "9.0"),
        )
        yield served


@pytest.fixture
def lock(tmp_path: Path, channels: Channel, index: Index, monkeypatch: pytest.MonkeyPatch) -> Lock:
    """``lock(["greet"], ["web"])`` locks a model with these conda and pip entries to ``env``."""
    return _locker(tmp_path, channels, index, monkeypatch)


def _locker(folder: Path, channels: Channel, index: Index, patch: pytest.MonkeyPatch) -> Lock:
    patch.chdir(folder)
    patch.setenv("UV_CACHE_DIR", str(folder / "cache"))
    patch.setenv("ENVBUILD_CACHE_DIR", str(folder / "cache"))
    patch.setenv("HOME", str(folder))

    def call(
        conda: list[str], pip: list[str], *arguments: str, forge: str = "", flavor: str = ""
    ) -> int:
        model = folder / "wine"
        model.mkdir(exist_ok=True)
        (model / "MLmodel").write_text(MLMODEL + flavor)
        entries: list[object] = ["python=3.11", *conda, *([{"pip": pip}] if pip else [])]
        document = {"channels": ["forge"], "dependencies": entries}
        (model / "conda.yaml").write_text(json.dumps(document))
        options = ["-o", "env", "--server", "none", "--index-url", index.url]
        options += ["--channel-map", f"forge={forge or channels.address}"]
        options = ["-o", "env"] if "--check" in arguments else options
        return main(["lock", "wine", *options, *arguments])

    return call


def conda_part(context: Path) -> list[str]:
    """The conda packages of a context, without those that every environment has."""
    (platform,) = read_context(context).locks.values()
    usual = {"python", "python_abi", "pip", "setuptools"}
    return [f"{one.name} {one.version}" for one in platform.conda if one.name not in usual]


def pip_part(context: Path) -> list[str]:
    (platform,) = read_context(context).locks.values()
    return [f"{one.name} {one.version}" for one in platform.pylock.packages]


def message(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err.removeprefix("error: ")


@pytest.fixture(scope="module")
def mixed(channels: Channel, index: Index, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A context with packages from both."""
    folder = tmp_path_factory.mktemp("mixed")
    with pytest.MonkeyPatch.context() as patch:
        assert _locker(folder, channels, index, patch)(["spam-native", "greet<2"], ["web<2"]) == 0
    return folder / "env"


def test_conda_comes_first_and_what_it_brings_is_not_installed_twice(
    mixed: Path, index: Index
) -> None:
    assert conda_part(mixed) == ["greet 1.1", "libspam 1.3.0", "spam-native 1.1.0"]
    assert pip_part(mixed) == ["soup 1.1", "web 1.0"]
    assert index.count("/simple/greet/") == 0
    assert sorted(path.name for path in mixed.iterdir()) == [
        ".dockerignore",
        "Dockerfile",
        "conda-linux-64.lock",
        "conda-lock.yml",
        "environment.yml",
        "pylock.toml",
        "requirements.txt",
    ]


def test_the_python_of_the_lock_is_the_one_that_conda_brings(mixed: Path) -> None:
    (platform,) = read_context(mixed).locks.values()

    python = next(one.version for one in platform.conda if one.name == "python")
    assert str(platform.target.python) == python
    assert platform.resolver.startswith("conda-lock ")


def test_unmodified_conda_lock_reads_and_renders_the_file(mixed: Path, tmp_path: Path) -> None:
    program, _ = find_conda_lock()

    subprocess.run(
        [program, "render", "-k", "explicit", "-p", "linux-64", mixed / "conda-lock.yml"],
        check=True,
        capture_output=True,
        env=scrubbed(),
        cwd=tmp_path,
    )

    rendered = (tmp_path / "conda-linux-64.lock").read_text().splitlines()
    ours = (mixed / "conda-linux-64.lock").read_text().splitlines()
    packages = [line for line in rendered if line.startswith("file:")]
    assert sorted(packages) == sorted(line for line in ours if line.startswith("file:"))
    assert [line.split()[2] for line in rendered if line.startswith("# pip ")] == ["soup", "web"]


def test_every_entry_of_the_file_has_a_hash(mixed: Path) -> None:
    document = yaml.safe_load((mixed / "conda-lock.yml").read_text())

    rows = document["package"]
    assert {row["manager"] for row in rows} == {"conda", "pip"}
    assert all(len(row["hash"]["sha256"]) == 64 for row in rows)
    assert all(len(row["hash"]["md5"]) == 32 for row in rows if row["manager"] == "conda")


def test_the_same_inputs_give_the_same_bytes(mixed: Path, lock: Lock, tmp_path: Path) -> None:
    lock(["spam-native", "greet<2"], ["web<2"])

    assert {path.name: path.read_bytes() for path in (tmp_path / "env").iterdir()} == {
        path.name: path.read_bytes() for path in mixed.iterdir()
    }


def test_a_package_in_both_sections_is_taken_from_conda_in_a_version_that_suits_both(
    lock: Lock, tmp_path: Path
) -> None:
    assert lock(["greet"], ["greet==1.0", "soup"]) == 0

    assert conda_part(tmp_path / "env") == ["greet 1.0"]
    assert pip_part(tmp_path / "env") == ["soup 1.1"]


def test_conda_is_asked_again_for_what_it_brings_on_its_own_where_pip_needs_another_version(
    lock: Lock, tmp_path: Path
) -> None:
    assert lock(["ham"], ["numbers==1.0"]) == 0

    assert conda_part(tmp_path / "env") == ["ham 1.0", "numbers 1.0"]
    assert pip_part(tmp_path / "env") == []


def test_the_packages_own_dist_info_says_what_it_is_on_pypi(lock: Lock, tmp_path: Path) -> None:
    assert lock(["conda-bread"], ["bread", "soup"]) == 0

    assert conda_part(tmp_path / "env") == ["conda-bread 3.0"]
    assert pip_part(tmp_path / "env") == ["soup 1.1"]


def test_the_users_name_map_says_so_too(lock: Lock, tmp_path: Path, channels: Channel) -> None:
    (tmp_path / "names.toml").write_text('[names]\nspam-native = "spam"\nlibspam = false\n')
    with ChannelServer(channels.folder.parent) as server:
        forge = server.url("forge")
        assert lock(["spam-native"], ["spam", "soup"], "--name-map", "names.toml", forge=forge) == 0

    assert conda_part(tmp_path / "env") == ["libspam 1.3.0", "spam-native 1.1.0"]
    assert pip_part(tmp_path / "env") == ["soup 1.1"]


def test_a_recorded_version_that_no_channel_has_is_given_up_with_a_word(
    lock: Lock, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flavor = "  xgboost:\n    xgb_version: 1.7.1\n"

    assert lock(["py-xgboost"], ["soup"], flavor=flavor) == 0

    assert conda_part(tmp_path / "env") == ["py-xgboost 1.6"]
    (line,) = (text for text in capsys.readouterr().out.splitlines() if "changed" in text)
    assert line == (
        "  changed   xgboost==1.7.1 -> xgboost: MLmodel: flavors.xgboost.xgb_version records 1.7.1,"
        " but with that nothing resolves"
    )


def test_a_direct_contradiction_names_both_entries_and_the_way(
    lock: Lock, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lock(["ham"], ["numbers==7.0"]) == 7

    text = message(capsys)
    assert text.startswith("""\
the pip part contradicts what conda brings
  numbers: conda.yaml: dependencies[2].pip[0] asks for numbers==7.0 from pip, \
conda.yaml: dependencies[1] (numbers 2.0 from conda, by way of ham) brings numbers==2.0
  why, in the words of the solver:
""")


def test_a_contradiction_further_down_names_both_entries(
    lock: Lock, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lock(["greet"], ["web==2.0"]) == 8

    assert message(capsys).splitlines()[:4] == [
        "no set of releases satisfies the requirements",
        "  these cannot stand together:",
        "    web==2.0    (conda.yaml: dependencies[2].pip[0])",
        "    greet==2.0  (conda.yaml: dependencies[1] (greet 2.0 from conda))",
    ]


def test_conda_packages_that_cannot_be_solved_are_told_with_the_entries_that_asked(
    lock: Lock, channels: Channel, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lock(["eggs=1.0", "greet=2.0"], []) == 8

    assert (
        message(capsys)
        == """\
no set of conda packages for linux-64 satisfies what is asked for
  why, in the words of the solver:
    The following packages are incompatible
    ├─ greet 2.0.* can be installed with any of the following options:
    │  └─ greet 2.0
    └─ eggs 1.0.* cannot be installed because there are no viable options:
       └─ eggs 1.0 would constrain
          └─ greet <2, which conflicts with any installable versions previously reported
  asked for by:
    eggs=1.0   (conda.yaml: dependencies[1])
    greet=2.0  (conda.yaml: dependencies[2])
  try: another version of one of these entries
"""
    )


def test_a_package_in_no_channel_is_told_with_the_channels(
    lock: Lock, channels: Channel, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lock(["grete=1.0"], []) == 8

    assert (
        message(capsys)
        == f"""\
no set of conda packages for linux-64 satisfies what is asked for
  why, in the words of the solver:
    No candidates were found for grete 1.0.*.
  grete is in no channel ({channels.address}); there is greet
  asked for by:
    grete=1.0  (conda.yaml: dependencies[1])
  try: --channel with a channel that has grete; or another spelling
"""
    )


def test_a_missing_virtual_package_is_told_with_its_option_and_can_be_given(
    lock: Lock, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lock(["only-gpu"], []) == 8
    text = message(capsys)
    assert "  the target has no __cuda\n" in text
    assert text.endswith(
        "  try: --virtual-package __cuda=VERSION, if the machine that will run it has that\n"
    )

    assert lock(["only-gpu"], [], "--virtual-package", "__cuda=12.4") == 0
    assert conda_part(tmp_path / "env") == ["libspam 1.3.0", "only-gpu 1.0"]


def test_the_glibc_is_that_of_the_base_image(lock: Lock, tmp_path: Path) -> None:
    lock(["newest-glibc"], [])

    assert conda_part(tmp_path / "env") == ["newest-glibc 1.0"]


def test_a_channel_that_is_not_there_is_named(
    lock: Lock, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = (tmp_path / "gone").as_uri()

    assert lock(["greet"], [], forge=gone) == 9
    assert message(capsys).startswith(f"{gone}: there is no such channel")


@pytest.mark.parametrize("kind", ["login", "token"])
def test_credentials_of_a_channel_are_used_and_never_written(
    kind: str,
    lock: Lock,
    tmp_path: Path,
    channels: Channel,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = {"credentials": ("ann", "s3cret")} if kind == "login" else {"token": "s3cret"}
    monkeypatch.setenv("SECRET", "s3cret")
    with ChannelServer(channels.folder.parent, **asked) as server:
        forge = server.secret_url("forge").replace("s3cret", "${SECRET}")
        assert lock(["greet=1.1"], ["soup"], "-v", forge=forge) == 0
        (url, *_) = [
            one.url
            for one in read_context(tmp_path / "env").locks["linux-64"].conda
            if one.name == "greet"
        ]
        assert url == f"{server.url('forge')}/noarch/greet-1.1-pyhd8ed1ab_0.conda"

    written = [path.read_text() for path in (tmp_path / "env").rglob("*") if path.is_file()]
    said = capsys.readouterr()
    assert not any("s3cret" in text for text in (*written, said.out, said.err))


def test_a_stay_close_lock_moves_only_what_is_named(lock: Lock, tmp_path: Path) -> None:
    lock(["greet=1.0", "libspam=1.2"], ["soup==1.0"])
    lock(["greet", "libspam"], ["soup"])
    assert conda_part(tmp_path / "env") == ["greet 1.0", "libspam 1.2.0"]
    assert pip_part(tmp_path / "env") == ["soup 1.0"]

    lock(["greet", "libspam"], ["soup"], "--upgrade-package", "greet")
    assert conda_part(tmp_path / "env") == ["greet 2.0", "libspam 1.2.0"]
    assert pip_part(tmp_path / "env") == ["soup 1.0"]

    lock(["greet", "libspam"], ["soup"], "--upgrade-package", "soup")
    assert conda_part(tmp_path / "env") == ["greet 2.0", "libspam 1.2.0"]
    assert pip_part(tmp_path / "env") == ["soup 1.1"]


def test_check_tells_a_changed_conda_entry_and_an_edited_file_without_solving(
    lock: Lock, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lock(["greet<2"], ["soup"])
    assert lock(["greet<2"], ["soup"], "--check") == 0
    capsys.readouterr()

    assert lock(["greet<1.1"], ["soup"], "--check") == 1
    assert "conda.yaml: conda greet[version='<2'] -> conda greet[version='<1.1']" in (
        capsys.readouterr().out
    )

    file = tmp_path / "env" / "conda-lock.yml"
    file.write_text(file.read_text().replace("greet-1.1", "greet-1.0"))
    with pytest.raises(LockFileError) as raised:
        read_context(tmp_path / "env")
    assert str(raised.value) == (
        f"{file}: its packages were edited by hand\n  try: envbuild lock again"
    )
    assert lock(["greet<2"], ["soup"], "--check") == 1
    assert "conda-lock.yml: edited by hand" in capsys.readouterr().out


def test_two_platforms_are_solved_each_for_itself(
    lock: Lock, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lock(["greet"], [], "--platform", "linux-64", "--platform", "linux-aarch64") == 8

    text = message(capsys)
    assert text.startswith("no set of conda packages for linux-aarch64")
    assert "has no packages for linux-aarch64" in text


def test_a_solver_of_the_users_own_is_started_and_named(lock: Lock, tmp_path: Path) -> None:
    exe = tmp_path / "conda"
    exe.write_text(f'#!/bin/sh\nexec {sys.executable} -m envbuild.resolve.conda.solver "$@"\n')
    exe.chmod(0o755)

    assert lock(["greet"], ["soup"], "--conda-exe", "./conda") == 0

    (platform,) = read_context(tmp_path / "env").locks.values()
    assert conda_part(tmp_path / "env") == ["greet 2.0"]
    assert platform.resolver.partition(";")[0].endswith(", conda (--conda-exe)")


def test_a_channel_that_was_read_once_is_solved_from_offline(
    lock: Lock, tmp_path: Path, channels: Channel
) -> None:
    with ChannelServer(channels.folder.parent) as server:
        forge = server.url("forge")
        assert lock(["greet=1.1"], [], forge=forge) == 0
    first = (tmp_path / "env" / "conda-lock.yml").read_bytes()

    assert lock(["greet=1.1"], [], "--offline", "--upgrade", forge=forge) == 0
    assert (tmp_path / "env" / "conda-lock.yml").read_bytes() == first


def test_the_summary_says_what_conda_brings(lock: Lock, capsys: pytest.CaptureFixture[str]) -> None:
    lock(["spam-native"], ["soup"])

    said = capsys.readouterr().out.splitlines()
    assert "  conda     6: 3 by name, 3 that these need; from forge" in said
    assert "  packages  1: 1 from the model, 0 for the server, 0 that these need" in said


def test_a_solver_that_crashes_is_a_tool_that_failed(
    lock: Lock, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exe = tmp_path / "conda"
    exe.write_text(f"#!{sys.executable}\nimport sys\nsys.exit('out of memory')\n")
    exe.chmod(0o755)

    assert lock(["greet"], [], "--conda-exe", "./conda") == 10
    text = message(capsys)
    assert text.startswith(
        "linux-64: conda-lock ended with code 1, and conda said nothing that is known\n"
    )
    assert "out of memory" in text


def test_two_platforms_are_locked_each_with_its_own_packages(
    lock: Lock, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    native = ("linux-64", "linux-aarch64")
    records = [record("python", "3.11.9", build="h_1", subdir=subdir) for subdir in native] + [
        record("libspam", "1.3.0", subdir="linux-64"),
        record("libspam", "1.2.0", subdir="linux-aarch64"),
        record("pip", "24.0", ["python >=3.8"], subdir="noarch", noarch="python"),
    ]
    forge = write_repodata(tmp_path / "forge", records, subdirs=(*native, "noarch"))
    options = [word for subdir in native for word in ("--platform", subdir)]

    assert lock(["libspam"], ["soup"], *options, forge=forge) == 0

    locks = read_context(tmp_path / "env").locks
    assert {
        name: [package.version for package in found.conda] for name, found in locks.items()
    } == {
        "linux-64": ["1.3.0", "24.0", "3.11.9"],
        "linux-aarch64": ["1.2.0", "24.0", "3.11.9"],
    }
    assert [(tmp_path / "env" / f"conda-{name}.lock").is_file() for name in native] == [True, True]
    rows = [row.split() for row in capsys.readouterr().out.splitlines()]
    parts = [(label, platform) for label, platform, *_ in rows if label in {"conda", "packages"}]
    assert parts == [
        ("conda", "linux-64,"),
        ("packages", "linux-64,"),
        ("conda", "linux-aarch64,"),
        ("packages", "linux-aarch64,"),
    ]
