"""A bundle that is not as it was made installs nothing, whatever was changed in it."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from envbuild.emit.bundle import check_files
from envbuild.errors import IntegrityError
from envbuild.fs import sha256_file
from tests.support.environments import scrubbed
from tests.support.exporting import Site, package
from tests.support.index import Index, wheel


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with Index() as index:
        site = Site(folder=tmp_path_factory.mktemp("site"), index=index)
        files = [wheel("eggs", "2.0"), wheel("spam", "1.0", requires=["eggs"])]
        index.add(*files)
        context = site.context(*(package(index, file) for file in files))
        yield site.export(context).path


@pytest.fixture
def bundle(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "bundle"))


def files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def flip(path: Path, position: int | None = None) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2 if position is None else position] ^= 0x01
    path.write_bytes(bytes(data))


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def remove(path: Path) -> None:
    path.unlink()


def add(path: Path) -> None:
    path.with_name(f"{path.name}.more").write_bytes(b"more")


def run(
    bundle: Path, target: Path, program: str = "install.sh"
) -> subprocess.CompletedProcess[str]:
    runner = "sh" if program.endswith(".sh") else sys.executable
    return subprocess.run(
        [runner, bundle / program, target, "--python", sys.executable],
        env=scrubbed(),
        capture_output=True,
        text=True,
        check=False,
    )


def refused(bundle: Path, target: Path, program: str = "install.sh") -> bool:
    done = run(bundle, target, program)
    return done.returncode != 0 and not target.exists()


@pytest.mark.parametrize("program", ["install.sh", "install.py"])
@pytest.mark.parametrize("change", [flip, truncate, remove, add])
def test_every_file_is_guarded(
    bundle: Path, original: Path, change: Callable[[Path], None], program: str
) -> None:
    other = {"install.sh": "install.py", "install.py": "install.sh"}
    accepted = []
    for file in files_of(bundle):
        change(file)
        gone = file.name == program and change is remove
        if not refused(bundle, bundle.parent / "env", other[program] if gone else program):
            accepted.append(file)
        add_on = file.with_name(f"{file.name}.more")
        add_on.unlink(missing_ok=True)
        shutil.copyfile(original / file.relative_to(bundle), file)
    assert accepted == []
    check_files(bundle)


def test_a_flipped_byte_anywhere_in_the_scripts_is_noticed(bundle: Path, original: Path) -> None:
    chance = random.Random(0)
    accepted = []
    for name in ("install.sh", "install.py", "SHA256SUMS"):
        size = (bundle / name).stat().st_size
        for position in chance.sample(range(size), 12):
            flip(bundle / name, position)
            if not refused(bundle, bundle.parent / "env"):
                accepted.append((name, position))
            shutil.copyfile(original / name, bundle / name)
    assert accepted == []


@pytest.mark.parametrize("program", ["install.sh", "install.py"])
def test_the_message_names_the_file_and_both_hashes(bundle: Path, program: str) -> None:
    path = bundle / "score.py"
    before = next(
        line[:64] for line in (bundle / "SHA256SUMS").read_text().splitlines() if "score.py" in line
    )
    path.write_text("import os\n")

    done = run(bundle, bundle.parent / "env", program)

    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == (
        "install.py: this is not the bundle that was made:\n"
        f"  score.py: expected sha256 {before}, got {sha256_file(path)}\n"
        "nothing was installed\n"
    )


def link(bundle: Path) -> str:
    (bundle / "wheels/link").symlink_to("/etc/hostname")
    return "wheels/link: neither a file nor a folder"


def linked_file(bundle: Path) -> str:
    (bundle / "score.py").rename(bundle.parent / "score.py")
    (bundle / "score.py").symlink_to(bundle.parent / "score.py")
    return "score.py: neither a file nor a folder"


def linked_folder(bundle: Path) -> str:
    (bundle / "wheels").rename(bundle.parent / "wheels")
    (bundle / "wheels").symlink_to(bundle.parent / "wheels")
    return "wheels: neither a file nor a folder"


def pipe(bundle: Path) -> str:
    os.mkfifo(bundle / "pipe")
    return "pipe: neither a file nor a folder"


def odd_name(bundle: Path) -> str:
    (bundle / "a\nb").write_text("")
    return "a\\nb: not in SHA256SUMS"


def hidden(bundle: Path) -> str:
    (bundle / ".hidden").write_text("")
    return ".hidden: not in SHA256SUMS"


def sums_line(line: str) -> Callable[[Path], str]:
    def change(bundle: Path) -> str:
        sums = bundle / "SHA256SUMS"
        number = sums.read_text().count("\n") + 1
        sums.write_text(sums.read_text() + line + "\n")
        return f"SHA256SUMS: line {number} cannot be understood"

    return change


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(link, id="a link"),
        pytest.param(linked_file, id="a file that became a link"),
        pytest.param(linked_folder, id="a folder that became a link"),
        pytest.param(pipe, id="a named pipe"),
        pytest.param(odd_name, id="a line break in a name"),
        pytest.param(hidden, id="a hidden file"),
        pytest.param(sums_line(f"{'0' * 64}  ../outside"), id="a name outside"),
        pytest.param(sums_line(f"{'0' * 64}  /etc/hostname"), id="an absolute name"),
        pytest.param(sums_line(f"{'0' * 64} *score.py"), id="binary mode"),
        pytest.param(sums_line("0" * 64), id="no name"),
        pytest.param(sums_line("sha256"), id="no hash"),
        pytest.param(sums_line(""), id="an empty line"),
    ],
)
def test_what_has_no_place_in_a_bundle_is_refused(
    bundle: Path, change: Callable[[Path], str]
) -> None:
    expected = change(bundle)

    with pytest.raises(IntegrityError) as caught:
        check_files(bundle)

    assert expected in caught.value.details
    done = run(bundle, bundle.parent / "env")
    assert done.returncode == 1
    assert f"  {expected}\n" in done.stderr
    assert not (bundle.parent / "env").exists()


def test_a_name_twice_in_the_sums_is_refused(bundle: Path) -> None:
    sums = bundle / "SHA256SUMS"
    first = sums.read_text().splitlines()[0]
    sums.write_text(f"{sums.read_text()}{first}\n")

    assert refused(bundle, bundle.parent / "env")


def test_many_differences_are_counted(bundle: Path) -> None:
    for number in range(30):
        (bundle / f"more-{number:02}").write_text("")

    done = run(bundle, bundle.parent / "env")

    assert "  more-19: not in SHA256SUMS\n  … and 10 more\n" in done.stderr
