"""What is verified is named in many ways; its steps go into one ledger."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from envbuild.emit.bundle import MANIFEST
from envbuild.errors import LockFileError, UsageError
from envbuild.reporter import SILENT
from envbuild.verification.ledger import Ledger
from envbuild.verification.report import passed, skipped
from envbuild.verification.target import Archive, Folder, Image, this_platform, understand


def test_a_folder_with_a_manifest_is_a_bundle(tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_text("{}")

    assert understand(tmp_path, cwd=Path("/")) == Folder(tmp_path, "bundle")


def test_a_folder_with_a_lock_is_a_context_wherever_one_stands(tmp_path: Path) -> None:
    (tmp_path / "env").mkdir()
    (tmp_path / "env" / "pylock.toml").write_text("")

    assert understand("env", cwd=tmp_path) == Folder(tmp_path / "env", "context")


def test_a_file_with_the_suffix_of_an_archive_is_a_bundle(tmp_path: Path) -> None:
    (tmp_path / "bundle.tar.zst").write_text("")

    assert understand(Path("bundle.tar.zst"), cwd=tmp_path) == Archive(tmp_path / "bundle.tar.zst")


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("")

    with pytest.raises(LockFileError) as caught:
        understand("notes.txt", cwd=tmp_path)

    assert str(caught.value) == (
        f"{tmp_path / 'notes.txt'}: this is neither a bundle nor a context\n"
        "  try: a folder that envbuild lock or export wrote, or an archive of a bundle"
    )


@pytest.mark.parametrize(
    "name",
    [
        "seed",
        "seed:1.0",
        "library/seed",
        "registry.example:5000/team/seed:v1",
        f"seed@sha256:{'0' * 64}",
        "sha256:" + "a" * 64,
        "0123456789ab",
    ],
)
def test_what_is_not_on_the_disk_may_be_an_image(name: str, tmp_path: Path) -> None:
    assert understand(name, cwd=tmp_path) == Image(name)


@pytest.mark.parametrize("name", ["./seed", "/nowhere/seed", "Seed Bundle", "seed/", "../seed"])
def test_what_cannot_be_an_image_is_nothing(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no such bundle or context"):
        understand(name, cwd=tmp_path)


def test_a_path_is_never_taken_for_an_image(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        understand(Path("seed"), cwd=tmp_path)


def test_this_machine_is_a_platform_or_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    found = this_platform()
    assert found is not None
    assert found.name == "linux-aarch64"

    monkeypatch.setattr(platform, "machine", lambda: "s390x")
    assert this_platform() is None


def test_steps_after_a_needed_one_that_failed_are_skipped_with_its_reason() -> None:
    ledger = Ledger(SILENT)
    ledger.need("first", lambda: skipped("first", "no time"), otherwise="the first did not pass")

    assert not ledger.run(["second", "third"], lambda: pytest.fail("not to be run"))

    assert [(step.name, step.outcome, step.reason) for step in ledger.steps] == [
        ("first", "skipped", "no time"),
        ("second", "skipped", "the first did not pass"),
        ("third", "skipped", "the first did not pass"),
    ]
    assert ledger.outcome("third") == "skipped"
    assert ledger.outcome("fourth") is None


def test_the_first_reason_stays() -> None:
    ledger = Ledger(SILENT)
    ledger.block("one")
    ledger.block("two")

    assert ledger.blocked == "one"


def test_a_step_keeps_its_own_time_and_gets_the_whole_otherwise() -> None:
    ledger = Ledger(SILENT)

    ledger.run(["a", "b"], lambda: (passed("a").after(60.0), passed("b")))

    assert ledger.steps[0].seconds == 60.0
    assert ledger.steps[1].seconds < 60.0
