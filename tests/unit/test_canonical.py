"""A resolution in canonical form: only what the target can use, and nothing about who found it."""

from __future__ import annotations

from pathlib import Path

import pytest
from packaging.pylock import Package, PackageArchive, PackageVcs, PackageWheel, Pylock
from packaging.version import Version

from envbuild.errors import IntegrityError, ModelError, ResolutionError
from envbuild.locking.canonical import PlatformLock, canonicalize
from envbuild.platforms import Target
from tests.support.locks import (
    archive,
    folder,
    git,
    make_model,
    package,
    resolution,
    sha256,
    target,
    wheel,
)

MANYLINUX = "cp37-cp37m-manylinux2014_x86_64"


def canonical(tmp_path: Path, *packages: Package, on: Target | None = None) -> PlatformLock:
    return canonicalize(make_model(tmp_path), resolution(packages, on=on))[0]


def only(lock: PlatformLock) -> Package:
    (found,) = lock.pylock.packages
    return found


def filenames(found: Package) -> list[str]:
    return [each.filename for each in found.wheels or ()]


def test_packages_are_sorted_by_name(tmp_path: Path) -> None:
    lock = canonical(tmp_path, package("b==1", "py3-none-any"), package("a==1", "py3-none-any"))

    assert [found.name for found in lock.pylock.packages] == ["a", "b"]


def test_wheels_of_other_pythons_platforms_and_glibcs_are_left_out(tmp_path: Path) -> None:
    fitting = package(
        "numpy==1.21.6",
        "cp37-cp37m-manylinux_2_17_x86_64.manylinux2014_x86_64",
        "cp37-cp37m-manylinux_2_28_x86_64",
        "cp37-cp37m-manylinux_2_31_x86_64",
        "cp37-cp37m-musllinux_1_1_x86_64",
        "cp37-cp37m-manylinux2014_aarch64",
        "cp37-cp37m-win_amd64",
        "cp38-cp38-manylinux2014_x86_64",
        "cp36-abi3-manylinux2014_x86_64",
    )

    assert filenames(only(canonical(tmp_path, fitting))) == [
        "numpy-1.21.6-cp36-abi3-manylinux2014_x86_64.whl",
        "numpy-1.21.6-cp37-cp37m-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        "numpy-1.21.6-cp37-cp37m-manylinux_2_28_x86_64.whl",
    ]


def test_a_wheel_makes_the_sdist_superfluous(tmp_path: Path) -> None:
    lock = canonical(tmp_path, package("a==1", "py3-none-any", with_sdist=True))

    assert only(lock).sdist is None
    assert lock.to_build == ()


def test_without_a_fitting_wheel_the_sdist_is_to_be_built(tmp_path: Path) -> None:
    lock = canonical(tmp_path, package("a==1", "cp311-cp311-win_amd64", with_sdist=True))

    assert only(lock).wheels is None
    assert (found := only(lock).sdist)
    assert found.filename == "a-1.tar.gz"
    assert lock.to_build == ("a",)


def test_markers_are_evaluated_for_the_target_and_gone(tmp_path: Path) -> None:
    lock = canonical(
        tmp_path,
        package("old==1", "py3-none-any", marker="python_version < '3.8'"),
        package("new==1", "py3-none-any", marker="python_version >= '3.8'"),
        package("win==1", "py3-none-any", marker="sys_platform == 'win32'"),
        package("extra==1", "py3-none-any", marker="extra == 'x'"),
    )

    assert [(found.name, found.marker) for found in lock.pylock.packages] == [("old", None)]


def test_forks_of_a_resolution_leave_one_entry_for_a_name(tmp_path: Path) -> None:
    lock = canonical(
        tmp_path,
        package("numpy==1.26.4", "py3-none-any", marker="python_version >= '3.9'"),
        package("numpy==1.21.6", "py3-none-any", marker="python_version < '3.9'"),
    )

    assert only(lock).version == Version("1.21.6")


def test_a_name_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ResolutionError) as caught:
        canonical(tmp_path, package("a==1", "py3-none-any"), package("a==2", "py3-none-any"))

    assert str(caught.value) == ("uv 0.13.9 locked a package twice for linux-64\n  a: 1 and 2")


def test_sha256_is_the_only_hash_that_stays(tmp_path: Path) -> None:
    hashes = {"md5": "0" * 32, "sha256": sha256("a").upper(), "sha512": "0" * 128}
    name = "a-1-py3-none-any.whl"
    found = PackageWheel(name=name, url=f"https://example.org/{name}", hashes=hashes)

    lock = canonical(tmp_path, package("a==1", wheels=[found]))

    assert [each.hashes for each in only(lock).wheels or ()] == [{"sha256": sha256("a")}]


def test_every_file_without_a_sha256_is_named(tmp_path: Path) -> None:
    name = "a-1-py3-none-any.whl"
    weak = PackageWheel(name=name, url=f"https://example.org/{name}", hashes={"md5": "0" * 32})
    loose = Package(
        name=package("b==1").name,
        archive=PackageArchive(url="https://example.org/b.zip", hashes={"md5": "0" * 32}),
    )

    with pytest.raises(IntegrityError) as caught:
        canonical(tmp_path, loose, package("a==1", wheels=[weak]))

    assert str(caught.value) == (
        "files without a sha256, which nothing could check\n"
        "  a 1: a-1-py3-none-any.whl\n"
        "  b: b.zip\n"
        "  try: an index that gives hashes"
    )


def test_packages_that_the_target_cannot_use_are_all_named(tmp_path: Path) -> None:
    direct = archive("b==1", url="https://example.org/b-1-cp311-cp311-win_amd64.whl")

    with pytest.raises(ResolutionError) as caught:
        canonical(tmp_path, package("a==1", "cp37-cp37m-win_amd64"), direct)

    assert str(caught.value) == (
        "neither a wheel for CPython 3.7.11 on linux-64 nor a source\n"
        "  a 1: a-1-cp37-cp37m-win_amd64.whl\n"
        "  b 1: b-1-cp311-cp311-win_amd64.whl\n"
        "  try: another version of them, another --python or --platform"
    )


def test_only_binary_names_everything_that_would_be_built(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    packages = [
        package("a==1"),
        archive("b==2", url="https://example.org/b-2.tar.gz"),
        git("c", "https://example.org/c", "0" * 40),
        folder("d", "lib"),
        package("e==1", "py3-none-any"),
    ]

    with pytest.raises(ResolutionError) as caught:
        canonicalize(make_model(tmp_path), resolution(packages), only_binary=True)

    assert str(caught.value) == (
        "only wheels are wanted, and there is none for CPython 3.7.11 on linux-64\n"
        "  a 1: a source archive\n"
        "  b 2: a source archive\n"
        "  c: a git repository\n"
        "  d: a folder of the model\n"
        "  try: without --only-binary, or another version of them"
    )


def test_credentials_are_taken_out_of_every_address(tmp_path: Path) -> None:
    name = "a-1-py3-none-any.whl"
    private = package("a==1", wheels=[wheel(name, url=f"https://u:p@example.org/{name}?sig=s")])
    secret = git("b", "https://u:p@example.org/b", "0" * 40)
    from_index = Package(
        name=private.name,
        version=private.version,
        index="https://u:p@example.org/simple",
        wheels=private.wheels,
    )

    first, second = canonical(tmp_path, from_index, secret).pylock.packages

    assert first.index == "https://example.org/simple"
    assert [each.url for each in first.wheels or ()] == [f"https://example.org/{name}?sig=****"]
    assert second.vcs
    assert second.vcs.url == "https://example.org/b"


def test_a_repository_on_this_machine_keeps_its_path(tmp_path: Path) -> None:
    vcs = PackageVcs(type="git", path="../b", commit_id="0" * 40)

    lock = canonical(tmp_path, Package(name=package("b==1").name, vcs=vcs))

    assert only(lock).vcs == vcs
    assert lock.to_build == ("b",)


def test_a_wheel_of_the_model_moves_to_the_context(tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "a-1-py3-none-any.whl").write_bytes(b"wheel")

    lock, files = canonicalize(
        make_model(tmp_path), resolution([archive("a==1", path="code/a-1-py3-none-any.whl")])
    )

    assert files == {"files/a-1-py3-none-any.whl": tmp_path / "code" / "a-1-py3-none-any.whl"}
    assert (found := only(lock).archive)
    assert (found.path, found.url) == ("files/a-1-py3-none-any.whl", None)
    assert lock.to_build == ()


def test_a_wheel_of_a_local_index_moves_to_the_context_without_a_date(tmp_path: Path) -> None:
    name = "a-1-py3-none-any.whl"
    local = package("a==1", wheels=[wheel(name, url=f"file://{tmp_path}/my%20wheels/{name}")])
    from_folder = Package(
        name=local.name, version=local.version, index=f"file://{tmp_path}", wheels=local.wheels
    )

    lock, files = canonicalize(make_model(tmp_path), resolution([from_folder]))

    assert files == {f"files/{name}": tmp_path / "my wheels" / name}
    (found,) = only(lock).wheels or ()
    assert (found.path, found.url, found.upload_time) == (f"files/{name}", None, None)
    assert only(lock).index is None


def test_an_absolute_path_is_a_file_of_this_machine(tmp_path: Path) -> None:
    path = str(tmp_path / "elsewhere" / "a-1-py3-none-any.whl")

    _, files = canonicalize(make_model(tmp_path), resolution([archive("a==1", path=path)]))

    assert files == {"files/a-1-py3-none-any.whl": Path(path)}


def test_files_of_the_same_name_do_not_overwrite_each_other(tmp_path: Path) -> None:
    for name in ("x", "y"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "source.zip").write_text(name)
    packages = [archive("a==1", path="x/source.zip"), archive("b==1", path="y/source.zip")]

    lock, files = canonicalize(make_model(tmp_path), resolution(packages))

    assert files == {
        "files/source.zip": tmp_path / "x" / "source.zip",
        "files/b/source.zip": tmp_path / "y" / "source.zip",
    }
    assert [found.archive and found.archive.path for found in lock.pylock.packages] == [
        "files/source.zip",
        "files/b/source.zip",
    ]


def test_a_folder_of_the_model_is_copied_without_what_tools_leave_behind(tmp_path: Path) -> None:
    for name in ("lib/setup.py", "lib/a/__init__.py", "lib/__pycache__/x.pyc", "lib/.git/HEAD"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")

    lock, files = canonicalize(make_model(tmp_path), resolution([folder("a", "lib")]))

    assert list(files) == ["files/a/a/__init__.py", "files/a/setup.py"]
    assert (found := only(lock).directory)
    assert (found.path, found.editable) == ("files/a", None)


def test_a_folder_whose_links_lead_out_of_the_model_is_refused(tmp_path: Path) -> None:
    model = tmp_path / "model"
    (model / "lib").mkdir(parents=True)
    (tmp_path / "secret").write_text("secret")
    (model / "lib" / "link").symlink_to(tmp_path / "secret")

    with pytest.raises(ModelError):
        canonicalize(make_model(model), resolution([folder("a", "lib")]))


def test_a_missing_file_of_the_model_is_a_model_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        canonical(tmp_path, archive("a==1", path="code/a-1-py3-none-any.whl"))

    assert caught.value.where == "package a"


def test_the_same_file_from_two_indexes_is_one_file(tmp_path: Path) -> None:
    name = "a-1-py3-none-any.whl"
    twice = [wheel(name, url=f"https://{host}/{name}") for host in ("one.org", "two.org")]

    lock = canonical(tmp_path, package("a==1", wheels=twice))

    assert [each.url for each in only(lock).wheels or ()] == [f"https://one.org/{name}"]


def test_what_is_no_wheel_by_name_is_left_out(tmp_path: Path) -> None:
    odd = wheel("a-1.whl")

    lock = canonical(tmp_path, package("a==1", "py3-none-any", wheels=[odd]))

    assert filenames(only(lock)) == ["a-1-py3-none-any.whl"]


def test_the_lock_says_for_which_machines_it_is(tmp_path: Path) -> None:
    lock = canonical(tmp_path, on=target("3.11.7", "linux-aarch64"))

    (environment,) = lock.pylock.environments or ()
    assert str(environment) == (
        'platform_python_implementation == "CPython" and platform_system == "Linux" '
        'and platform_machine == "aarch64"'
    )
    assert str(lock.pylock.requires_python) == "==3.11.*"
    assert lock.pylock.created_by == "envbuild"


def test_what_only_a_resolver_cares_about_is_gone(tmp_path: Path) -> None:
    chatty = Package(
        name=package("a==1").name,
        version=Version("1"),
        dependencies=[{"name": "b"}],
        wheels=[wheel("a-1-py3-none-any.whl")],
        attestation_identities=[{"kind": "x"}],
        tool={"uv": {}},
    )

    found = only(canonical(tmp_path, chatty))

    assert (found.dependencies, found.attestation_identities, found.tool) == (None, None, None)


def test_a_result_that_is_no_lock_is_refused(tmp_path: Path) -> None:
    nameless = package("a==1", wheels=[wheel("b-1-py3-none-any.whl")])
    broken = resolution([nameless])

    with pytest.raises(ResolutionError) as caught:
        canonicalize(make_model(tmp_path), broken)

    assert str(caught.value) == (
        "the resolver's result is no valid lock\n"
        "  Name in 'b-1-py3-none-any.whl' is not consistent with package name 'a' "
        "in 'packages[0].wheels[0]'"
    )


def test_the_canonical_form_of_a_canonical_form_is_itself(tmp_path: Path) -> None:
    first = canonical(tmp_path, package("b==1"), package("a==1", MANYLINUX))

    again = canonical(tmp_path, *first.pylock.packages)

    assert again == first
    assert isinstance(again.pylock, Pylock)
