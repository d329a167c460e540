"""``envbuild lock`` from arguments to files and exit code, against an index on loopback."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from envbuild.cli import main
from tests.support.index import Distribution, Index, sample_wheels, sdist, wheel
from tests.support.projects import project_files

MLMODEL = """\
flavors:
  python_function:
    env: conda.yaml
    loader_module: spam
    python_version: 3.11.7
"""
CONDA = """\
# the environment
name: env
channels: [conda-forge]
dependencies:
  - python=3.11.7
  - pip
  - pip:
      - spam==1.0
      - eggs>=2
"""

BREAKS = "raise SystemExit('libham is missing')"

Run = Callable[..., int]
Files = dict[str, bytes]


@pytest.fixture
def index() -> Iterator[Index]:
    with Index() as served:
        served.add(*sample_wheels())
        yield served


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "wine"
    folder.mkdir()
    (folder / "MLmodel").write_text(MLMODEL)
    (folder / "conda.yaml").write_text(CONDA)
    return folder


@pytest.fixture
def run(tmp_path: Path, index: Index, monkeypatch: pytest.MonkeyPatch) -> Run:
    """``run("lock", "wine")`` in the folder of the model, with the index of the test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path))

    def call(command: str, *arguments: str, server: str = "none") -> int:
        options = ["--server", server]
        if command == "lock" and "--check" not in arguments:
            options += ["--index-url", index.url]
        if "--check" in arguments:
            options = []
        return main([command, *arguments, *options])

    return call


def source(name: str, version: str, *, extra: str = "pass") -> Distribution:
    """An sdist that says what it depends on only when it is built; ``extra`` runs then."""
    files = project_files(name, version, extra=extra)
    build_system = files["pyproject.toml"].partition("[project]")[0]
    return sdist(name, version, files=files, pyproject=build_system)


def read(folder: Path) -> Files:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def edit(model: Path, old: str, new: str) -> None:
    path = model / "conda.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.usefixtures("model")
def test_the_default_output_is_named_after_the_model(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("lock", "wine") == 0

    assert (tmp_path / "wine-env" / "pylock.toml").is_file()
    assert capsys.readouterr().out == (
        "Locked wine for none on linux-64\n"
        "  Python    3.11.7 (conda.yaml: dependencies[0])\n"
        "  packages  3: 2 from the model, 0 for the server, 1 that these need\n"
        "  wrote     wine-env: .dockerignore, Dockerfile, environment.yml, pylock.toml, "
        "requirements.txt, tools/\n"
        "  next      envbuild export wine-env -o wine-bundle\n"
    )


@pytest.mark.usefixtures("model")
def test_json_holds_the_whole_result(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("lock", "wine", "--json") == 0

    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert found["model"] == "wine"
    assert found["context"] == "wine-env"
    assert found["python"] == "3.11.7"
    (platform,) = found["platforms"]
    assert platform["packages"] == [
        {"name": "eggs", "version": "2.1"},
        {"name": "ham", "version": "1.0"},
        {"name": "spam", "version": "1.0"},
    ]
    assert (platform["from_model"], platform["for_server"], platform["transitive"]) == (2, 0, 1)
    assert "pylock.toml" in found["files"]


@pytest.mark.usefixtures("model")
def test_the_same_command_twice_gives_the_same_bytes(run: Run, tmp_path: Path) -> None:
    assert run("lock", "wine", "-o", "first") == 0
    before = read(tmp_path / "first")
    assert run("lock", "wine", "-o", "first") == 0
    assert run("lock", "wine", "-o", "second") == 0

    assert read(tmp_path / "first") == before
    assert read(tmp_path / "second") == before


@pytest.mark.usefixtures("model")
def test_a_fresh_lock_passes_the_check_without_a_request(
    run: Run, index: Index, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("lock", "wine") == 0
    asked = index.count()
    capsys.readouterr()

    assert run("lock", "wine", "--check") == 0
    assert capsys.readouterr().out == "wine-env is up to date\n"
    assert index.count() == asked


def test_a_touched_pin_fails_the_check_and_is_named(
    run: Run, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("lock", "wine") == 0
    capsys.readouterr()
    edit(model, "spam==1.0", "spam==1.1")

    assert run("lock", "wine", "--check") == 1
    assert capsys.readouterr().out == (
        "wine-env is stale:\n"
        "  conda.yaml: spam==1.0 -> spam==1.1\n"
        "next: envbuild lock wine -o wine-env\n"
    )


def test_a_touched_comment_passes_the_check(run: Run, model: Path) -> None:
    assert run("lock", "wine") == 0
    edit(model, "# the environment", "# still the environment")

    assert run("lock", "wine", "--check") == 0


def test_check_with_options_asks_whether_the_lock_has_those(
    run: Run, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("lock", "wine") == 0
    capsys.readouterr()

    assert run("lock", str(model), "-o", "wine-env", "--check", "--python", "3.11.8") == 1
    assert capsys.readouterr().out == (
        "wine-env is stale:\n"
        "  option: python 3.11.8 added\n"
        f"next: envbuild lock {model} -o wine-env\n"
    )


@pytest.mark.usefixtures("model")
def test_an_edited_file_is_kept_and_said(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("lock", "wine") == 0
    (tmp_path / "wine-env" / "Dockerfile").write_text("FROM scratch\n")
    capsys.readouterr()

    assert run("lock", "wine") == 0
    assert "warning   Dockerfile: it was edited by hand" in capsys.readouterr().out
    assert (tmp_path / "wine-env" / "Dockerfile.edited").read_text() == "FROM scratch\n"


def test_check_as_json_has_the_differences(
    run: Run, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("lock", "wine") == 0
    capsys.readouterr()
    edit(model, "      - eggs>=2\n", "")

    assert run("lock", "wine", "--check", "--json") == 1
    assert json.loads(capsys.readouterr().out) == {
        "fresh": False,
        "context": "wine-env",
        "differences": ["conda.yaml: eggs>=2 removed"],
        "notes": [],
    }


def test_a_new_lock_stays_close_to_the_old_one(run: Run, model: Path, index: Index) -> None:
    assert run("lock", "wine") == 0
    index.add(wheel("ham", "2.0"), wheel("eggs", "3.0"))
    edit(model, "spam==1.0", "spam==1.1")
    assert run("lock", "wine") == 0

    assert pins(model) == {"spam": "1.1", "eggs": "2.1", "ham": "1.0"}


def test_upgrade_package_moves_only_that_package(run: Run, model: Path, index: Index) -> None:
    assert run("lock", "wine") == 0
    index.add(wheel("ham", "2.0"), wheel("eggs", "3.0"))
    shutil.rmtree(model.parent / "cache")
    assert run("lock", "wine", "--upgrade-package", "ham") == 0

    assert pins(model) == {"spam": "1.0", "eggs": "2.1", "ham": "2.0"}


def test_upgrade_moves_all_that_may_move(run: Run, model: Path, index: Index) -> None:
    assert run("lock", "wine") == 0
    index.add(wheel("ham", "2.0"), wheel("eggs", "3.0"))
    shutil.rmtree(model.parent / "cache")
    assert run("lock", "wine", "--upgrade") == 0

    assert pins(model) == {"spam": "1.0", "eggs": "3.0", "ham": "2.0"}


def pins(model: Path) -> dict[str, str]:
    lines = (model.parent / "wine-env" / "requirements.txt").read_text().splitlines()
    pinned = [line.split()[0] for line in lines if "==" in line and not line.startswith(" ")]
    return dict(pin.split("==") for pin in pinned)


def test_what_only_exists_as_source_is_marked(
    run: Run, model: Path, index: Index, capsys: pytest.CaptureFixture[str]
) -> None:
    index.add(source("fusion", "3.0"))
    edit(model, "eggs>=2", "fusion")

    assert run("lock", "wine") == 0
    assert "  to build  fusion 3.0 (has no wheel for this target)\n" in capsys.readouterr().out


def test_only_binary_refuses_what_only_exists_as_source(
    run: Run, model: Path, index: Index, capsys: pytest.CaptureFixture[str]
) -> None:
    index.add(source("fusion", "3.0"))
    edit(model, "eggs>=2", "fusion")

    assert run("lock", "wine", "--only-binary") == 8
    assert "fusion" in capsys.readouterr().err


@pytest.mark.usefixtures("model")
def test_a_source_that_does_not_build_is_gone_round_and_said(
    run: Run, index: Index, capsys: pytest.CaptureFixture[str]
) -> None:
    index.add(source("ham", "2.0", extra=BREAKS))

    assert run("lock", "wine") == 0
    out = capsys.readouterr().out
    assert "ham 1.0" not in out
    assert (
        "  warning   ham==2.0 has no wheel that says what it depends on, and its build script "
        "fails; took a release of ham that has a wheel\n"
    ) in out


def test_a_source_that_does_not_build_and_has_no_other_release_is_an_error(
    run: Run, model: Path, index: Index, capsys: pytest.CaptureFixture[str]
) -> None:
    index.add(source("fusion", "2.0", extra=BREAKS))
    edit(model, "eggs>=2", "fusion==2.0")

    assert run("lock", "wine") == 15
    assert "libham is missing" in capsys.readouterr().err


def test_constraints_bound_what_the_model_leaves_open(
    run: Run, model: Path, tmp_path: Path
) -> None:
    (tmp_path / "bounds.txt").write_text("eggs<2.1\n")

    assert run("lock", "wine", "--constraint", "bounds.txt") == 0
    assert pins(model)["eggs"] == "2.0"


def test_a_version_that_is_nowhere_ends_with_8_and_names_the_entry(
    run: Run, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(model, "spam==1.0", "spam==9.9")

    assert run("lock", "wine") == 8
    error = capsys.readouterr().err
    assert error.startswith("error: no set of releases satisfies the requirements\n")
    assert "spam==9.9  (conda.yaml: dependencies[2].pip[0])" in error
    assert not (tmp_path / "wine-env").exists()


def test_relax_lets_a_pin_go_to_the_nearest_release(
    run: Run, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(model, "spam==1.0", "spam==1.0.5")

    assert run("lock", "wine", "--relax", "spam") == 0
    assert pins(model)["spam"] in {"1.0", "1.1"}
    assert "changed   spam==1.0.5 -> spam==1" in capsys.readouterr().out


def test_relax_auto_finds_what_must_go(run: Run, model: Path, index: Index) -> None:
    index.add(wheel("bacon", "1.0", requires=["ham>=2"]), wheel("ham", "2.0"))
    edit(model, "eggs>=2", "bacon==1.0\n      - ham==1.0")

    assert run("lock", "wine") == 8
    assert run("lock", "wine", "--relax", "auto") == 0
    assert pins(model)["spam"] == "1.0"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nowhere"], 3, "error: nowhere: no such file or folder"),
        (["wine", "--constraint", "nowhere.txt"], 2, "error: nowhere.txt: cannot read"),
        (["wine", "--python", "3.9.99"], 6, "3.9.99"),
        (["wine", "-o", "wine/env"], 12, "would lie inside the model"),
        (["wine", "--platform", "linux-32"], 2, "unknown platform 'linux-32'"),
        (["wine", "--check"], 13, "wine-env"),
    ],
)
@pytest.mark.usefixtures("model")
def test_bad_input_has_its_own_exit_code_and_leaves_nothing_behind(
    arguments: list[str],
    code: int,
    message: str,
    run: Run,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = read(tmp_path / "wine")

    assert run("lock", *arguments) == code

    printed = capsys.readouterr()
    assert message in printed.err
    assert "Traceback" not in printed.err
    assert read(tmp_path / "wine") == before
    assert not (tmp_path / "wine-env").exists()


@pytest.mark.usefixtures("model")
def test_an_unknown_profile_ends_with_5(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("lock", "wine", server="tomcat") == 5
    assert "tomcat" in capsys.readouterr().err


def test_a_failure_leaves_the_existing_output_as_it_was(
    run: Run, model: Path, tmp_path: Path
) -> None:
    assert run("lock", "wine") == 0
    before = read(tmp_path / "wine-env")
    edit(model, "spam==1.0", "spam==9.9")

    assert run("lock", "wine") == 8
    assert read(tmp_path / "wine-env") == before


@pytest.mark.usefixtures("model")
def test_an_index_that_is_gone_ends_with_9_and_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))

    code = main(["lock", "wine", "--server", "none", "--index-url", "http://127.0.0.1:9/simple"])

    assert code == 9
    assert "127.0.0.1 cannot be reached" in capsys.readouterr().err


def test_a_dead_index_of_the_model_can_be_left_out(
    run: Run, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(model, "- spam==1.0", "- --find-links http://127.0.0.1:9/wheels\n      - spam==1.0")

    assert run("lock", "wine") == 9
    error = capsys.readouterr().err
    assert "conda.yaml: dependencies[2].pip[0]" in error
    assert "--ignore-model-indexes" in error
    assert run("lock", "wine", "--ignore-model-indexes") == 0


@pytest.mark.usefixtures("model")
def test_inspect_shows_requirements_and_origins_without_a_request(
    run: Run, index: Index, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("inspect", "wine") == 0

    assert capsys.readouterr().out == (
        "wine (conda.yaml) for none\n"
        "  Python    3.11.7 (conda.yaml: dependencies[0])\n"
        "  runtime   pip\n"
        "  eggs>=2    conda.yaml: dependencies[2].pip[1]\n"
        "  spam==1.0  conda.yaml: dependencies[2].pip[0]\n"
    )
    assert index.count() == 0


@pytest.mark.usefixtures("model")
def test_inspect_as_json_has_the_origins(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("inspect", "wine", "--json") == 0

    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert {
        "name": "spam",
        "requirement": "spam==1.0",
        "side": "model",
        "origin": "conda.yaml: dependencies[2].pip[0]",
    } in found["requirements"]
    assert found["channels"] == ["conda-forge"]


def test_servers_lists_the_profiles(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["servers"]) == 0
    assert main(["servers", "--json", "--python", "3.7.11"]) == 0

    text, document = capsys.readouterr().out.split("{", 1)
    assert [line.split(":")[0] for line in text.splitlines() if not line.startswith(" ")] == [
        "azureml-online",
        "azureml-batch",
        "mlflow",
        "none",
    ]
    found = json.loads("{" + document)["servers"]
    assert "azureml-inference-server-http" in json.dumps(found[0]["packages"])


def test_an_error_as_json_goes_to_standard_output(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("lock", "nowhere", "--json") == 3

    printed = capsys.readouterr()
    assert json.loads(printed.out)["error"]["exit_code"] == 3
    assert printed.err == ""


def test_a_bug_is_said_to_be_one_and_shows_no_traceback(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise KeyError("oh")

    monkeypatch.setattr("envbuild.cli.commands.read_model", fail)

    assert run("lock", "wine") == 70
    assert capsys.readouterr().err == (
        "error: this is a bug in envbuild: KeyError\n"
        "  try: the same command with --verbose, and report what it prints\n"
    )
    with pytest.raises(KeyError):
        run("lock", "wine", "--verbose")


def test_ctrl_c_ends_with_130(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("envbuild.cli.commands.read_model", interrupt)

    assert run("lock", "wine") == 130
    assert capsys.readouterr().err == "error: interrupted; nothing was left half written\n"
