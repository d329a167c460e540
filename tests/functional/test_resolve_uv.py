"""The uv resolver, with the real uv, against a real index on loopback."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from packaging.pylock import Pylock

from envbuild.entries.requirements import FileSource, PipRequirement, UrlSource, VcsSource
from envbuild.errors import (
    BuildError,
    IndexUnavailableError,
    IntegrityError,
    ResolutionError,
    SpecError,
    ToolError,
    UsageError,
)
from envbuild.origins import Origin
from envbuild.platforms import parse_platform
from envbuild.resolve.interface import ResolverOptions
from envbuild.resolve.uv import UvResolver
from tests.support.index import Index, sdist, wheel
from tests.support.problems import ambient_of, index_option, problem, requirement, target

BACKEND = """
import os
def prepare_metadata_for_build_wheel(folder, config_settings=None):
    info = "{name}-{version}.dist-info"
    os.makedirs(os.path.join(folder, info))
    with open(os.path.join(folder, info, "METADATA"), "w") as stream:
        stream.write("Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n{more}")
    with open(os.path.join(folder, info, "WHEEL"), "w") as stream:
        stream.write("Wheel-Version: 1.0\\n")
    return info
def build_wheel(*arguments):
    raise SystemExit("a resolver builds no wheel")
def build_sdist(*arguments):
    raise SystemExit("nor an sdist")
"""
PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""


def backend(name: str, version: str, *, more: str = "", first: str = "") -> dict[str, str]:
    """The files of a project that needs nothing to build."""
    return {"backend.py": first + BACKEND.format(name=name, version=version, more=more)}


@pytest.fixture
def index() -> Iterator[Index]:
    with Index() as index:
        index.add(
            wheel("spam", "1.0", requires=["eggs>=2"]),
            wheel("eggs", "1.0"),
            wheel("eggs", "2.0"),
            wheel("eggs", "3.0"),
        )
        yield index


@pytest.fixture
def resolver(tmp_path: Path) -> UvResolver:
    return UvResolver.of(ambient_of(tmp_path))


def pins(pylock: Pylock) -> dict[str, str]:
    return {package.name: str(package.version) for package in pylock.packages}


def test_every_package_is_locked_with_url_size_and_hash(index: Index, resolver: UvResolver) -> None:
    resolution = resolver.resolve(problem(["spam"], index=index.url))

    assert pins(resolution.pylock) == {"eggs": "3.0", "spam": "1.0"}
    spam = index.file("spam-1.0-py3-none-any.whl")
    assert spam is not None
    (locked,) = resolution.pylock.packages[1].wheels or ()
    assert locked.url == index.file_url(spam.filename)
    assert (locked.size, dict(locked.hashes)) == (len(spam.data), {"sha256": spam.sha256})
    assert re.fullmatch(r"uv \d+\.\d+\.\d+", resolution.resolver)
    assert resolution.notices == ()


def test_a_second_solve_asks_the_index_nothing(index: Index, resolver: UvResolver) -> None:
    first = resolver.resolve(problem(["spam"], index=index.url))
    index.requests.clear()

    assert resolver.resolve(problem(["spam"], index=index.url)) == first
    assert index.requests == []


def test_a_lock_stays_close_to_the_one_before(index: Index, resolver: UvResolver) -> None:
    old = resolver.resolve(problem(["spam", "eggs<3"], index=index.url))
    previous = tomli_text(old.pylock)
    unchanged = problem(["spam"], index=index.url, previous=previous)
    upgraded = replace(unchanged, options=ResolverOptions(upgrade=True))
    one = replace(unchanged, options=ResolverOptions(upgrade_packages=("Eggs",)))

    assert pins(resolver.resolve(unchanged).pylock)["eggs"] == "2.0"
    assert pins(resolver.resolve(upgraded).pylock)["eggs"] == "3.0"
    assert pins(resolver.resolve(one).pylock)["eggs"] == "3.0"


def test_a_broken_lock_prefers_nothing(index: Index, resolver: UvResolver) -> None:
    broken = problem(["spam"], index=index.url, previous="packages = 3 =")

    assert pins(resolver.resolve(broken).pylock)["eggs"] == "3.0"


def tomli_text(pylock: Pylock) -> str:
    import tomli_w

    return tomli_w.dumps(dict(pylock.to_dict()))


def test_constraints_and_overrides_count(index: Index, resolver: UvResolver) -> None:
    constrained = problem(["spam"], index=index.url, constraints=(requirement("eggs<3"),))
    overridden = problem(["spam"], index=index.url, overrides=(requirement("eggs==1.0"),))

    assert pins(resolver.resolve(constrained).pylock)["eggs"] == "2.0"
    assert pins(resolver.resolve(overridden).pylock)["eggs"] == "1.0"


def test_markers_are_those_of_the_target(index: Index, resolver: UvResolver) -> None:
    wanted = ["spam", 'gone; sys_platform == "win32"', 'eggs<3; python_version < "3.8"']

    resolution = resolver.resolve(problem(wanted, index=index.url, python="3.7.16"))

    assert pins(resolution.pylock) == {"eggs": "2.0", "spam": "1.0"}
    assert [package.marker for package in resolution.pylock.packages] == [None, None]


def test_wheels_of_other_targets_are_left_out(index: Index, resolver: UvResolver) -> None:
    names = ("cp311-cp311-manylinux_2_17_x86_64", "cp310-cp310-manylinux_2_17_x86_64")
    others = ("cp311-cp311-win_amd64", "cp311-cp311-manylinux_2_28_aarch64")
    index.add(*(wheel("fast", "1.0", tag=tag) for tag in (*names, *others)), sdist("fast", "1.0"))

    (package,) = resolver.resolve(problem(["fast"], index=index.url)).pylock.packages

    assert [file.filename for file in package.wheels or ()] == [f"fast-1.0-{names[0]}.whl"]
    assert package.sdist is not None
    assert package.sdist.filename == "fast-1.0.tar.gz"


def test_a_glibc_that_uv_does_not_know_takes_the_one_below(
    index: Index, resolver: UvResolver
) -> None:
    index.add(wheel("fast", "1.0", tag="cp311-cp311-manylinux_2_28_x86_64"))
    modern = replace(target(), glibc=(2, 99))
    between = replace(target(), glibc=(2, 30))

    for one in (modern, between):
        solved = resolver.resolve(replace(problem(["fast"], index=index.url), target=one))
        assert pins(solved.pylock) == {"fast": "1.0"}


def test_a_platform_without_glibc_is_solved_too(index: Index, resolver: UvResolver) -> None:
    index.add(wheel("fast", "1.0", tag="cp311-cp311-macosx_11_0_arm64"))
    mac = replace(target(), platform=parse_platform("osx-arm64"))

    solved = resolver.resolve(replace(problem(["fast"], index=index.url), target=mac))

    assert pins(solved.pylock) == {"fast": "1.0"}


def test_a_yanked_release_is_a_warning(index: Index, resolver: UvResolver) -> None:
    index.add(wheel("old", "1.0", yanked="broken"))

    (notice,) = resolver.resolve(problem(["old==1.0"], index=index.url)).notices

    assert (notice.code, notice.message) == ("yanked", 'old==1.0 is yanked (reason: "broken")')


def test_prereleases_are_taken_only_if_allowed(index: Index, resolver: UvResolver) -> None:
    index.add(wheel("eggs", "4.0rc1"))
    allowed = problem(["eggs"], index=index.url, options=ResolverOptions(prerelease=True))
    by_model = problem(["eggs"], index=index.url, index_options=(index_option("pre"),))

    assert pins(resolver.resolve(problem(["eggs"], index=index.url)).pylock) == {"eggs": "3.0"}
    assert pins(resolver.resolve(allowed).pylock) == {"eggs": "4.0rc1"}
    assert pins(resolver.resolve(by_model).pylock) == {"eggs": "4.0rc1"}


def test_releases_after_a_date_are_left_out(index: Index, resolver: UvResolver) -> None:
    index.add(wheel("eggs", "9.0", upload_time="2024-06-01T00:00:00Z"))
    options = ResolverOptions(exclude_newer="2024-01-01")

    resolution = resolver.resolve(problem(["eggs"], index=index.url, options=options))

    assert pins(resolution.pylock) == {"eggs": "3.0"}


def test_a_date_that_is_none_is_a_usage_error(index: Index, resolver: UvResolver) -> None:
    options = ResolverOptions(exclude_newer="tomorrow")

    with pytest.raises(UsageError, match=r"^invalid value 'tomorrow' for '--exclude-newer"):
        resolver.resolve(problem(["eggs"], index=index.url, options=options))


def test_offline_uses_the_cache_and_says_what_it_lacks(index: Index, resolver: UvResolver) -> None:
    offline = problem(["spam"], index=index.url, options=ResolverOptions(offline=True))

    with pytest.raises(IndexUnavailableError) as caught:
        resolver.resolve(offline)
    online = resolver.resolve(replace(offline, options=ResolverOptions()))

    assert str(caught.value) == (
        "the cache does not hold everything that the solve needs\n"
        "  Because spam was not found in the cache and you require spam, we can conclude that your"
        " requirements are unsatisfiable.\n"
        "  try: the same command without --offline, once"
    )
    assert resolver.resolve(offline) == online


def test_a_cache_folder_is_used_if_named(
    index: Index, resolver: UvResolver, tmp_path: Path
) -> None:
    options = ResolverOptions(cache_dir=str(tmp_path / "mine"))

    resolver.resolve(problem(["spam"], index=index.url, options=options))

    assert (tmp_path / "mine").is_dir()
    assert not (tmp_path / "uv-cache").exists()


def test_the_cache_is_uvs_own_without_other_word(index: Index, tmp_path: Path) -> None:
    ambient = ambient_of(tmp_path, UV_CACHE_DIR="", XDG_CACHE_HOME=str(tmp_path / "xdg"))

    UvResolver.of(ambient).resolve(problem(["spam"], index=index.url))

    assert (tmp_path / "xdg" / "uv").is_dir()


# Local files, URLs, git


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    (folder / "code").mkdir(parents=True)
    return folder


def local(path: str, name: str | None = "local-pkg", **fields: bool) -> PipRequirement:
    return PipRequirement(
        name=name,  # type: ignore[arg-type]
        origin=Origin(side="model", file="conda.yaml", position="dependencies[2].pip[0]"),
        text=path,
        source=FileSource(path=path, **fields),
    )


def test_a_wheel_of_the_model_is_locked_by_its_path_in_it(
    index: Index, resolver: UvResolver, model: Path
) -> None:
    file = wheel("local-pkg", "1.0", requires=["eggs<3"])
    (model / "code" / file.filename).write_bytes(file.data)
    wanted = problem([local(f"code/{file.filename}")], index=index.url, model_path=str(model))

    packages = resolver.resolve(wanted).pylock.packages

    assert [package.name for package in packages] == ["eggs", "local-pkg"]
    assert packages[1].archive is not None
    assert packages[1].archive.path == f"code/{file.filename}"
    assert packages[1].archive.hashes == {"sha256": file.sha256}


@pytest.mark.parametrize("editable", [False, True])
def test_a_project_folder_of_the_model_is_locked_as_a_folder(
    index: Index, resolver: UvResolver, model: Path, editable: bool
) -> None:
    project = model / "code" / "mine"
    project.mkdir()
    files = backend("mine", "1.0", more="Requires-Dist: eggs\\n")
    for name, text in {**files, "pyproject.toml": PYPROJECT}.items():
        (project / name).write_text(text)
    wanted = problem(
        [local("code/mine", None, editable=editable)], index=index.url, model_path=str(model)
    )

    eggs, mine = resolver.resolve(wanted).pylock.packages

    assert (eggs.name, mine.name) == ("eggs", "mine")
    assert mine.directory is not None
    assert (mine.directory.path, mine.directory.editable) == ("code/mine", None)


def test_a_find_links_folder_of_the_model_is_searched(
    index: Index, resolver: UvResolver, model: Path
) -> None:
    file = wheel("eggs", "9.0")
    (model / "code" / file.filename).write_bytes(file.data)
    option = index_option("find-links", "code", side="model")

    (package,) = resolver.resolve(
        problem(["eggs"], index=index.url, index_options=(option,), model_path=str(model))
    ).pylock.packages

    (locked,) = package.wheels or ()
    assert (locked.path, locked.url) == (f"code/{file.filename}", None)


def test_a_url_is_locked_as_an_archive(index: Index, resolver: UvResolver) -> None:
    url = index.file_url("eggs-1.0-py3-none-any.whl")
    eggs = replace(requirement("eggs"), source=UrlSource(url=url), raw_url=url)

    (package,) = resolver.resolve(problem([eggs], index=index.url)).pylock.packages

    assert package.archive is not None
    assert package.archive.url == url
    assert package.archive.hashes["sha256"]


def test_a_token_in_a_query_is_refused_since_the_lock_would_show_it(
    index: Index, resolver: UvResolver
) -> None:
    url = "https://files.example/eggs-1.0-py3-none-any.whl?sig=CANARY"
    eggs = replace(requirement("eggs"), source=UrlSource(url="x"), raw_url=url)

    with pytest.raises(SpecError) as caught:
        resolver.resolve(problem([eggs], index=index.url))

    assert str(caught.value) == (
        "conda.yaml: the address has a credential in its path or query, which the lock would show\n"
        "  try: user and password before the host, or the file inside the model"
    )


def test_git_is_locked_by_commit(index: Index, resolver: UvResolver, tmp_path: Path) -> None:
    repository = git_repository(tmp_path / "repository", "mine")
    url = repository.as_uri()
    mine = replace(
        requirement("mine"),
        source=VcsSource(vcs="git", url=url, ref="v1"),
        raw_url=f"git+{url}@v1",
    )

    (package,) = resolver.resolve(problem([mine], index=index.url)).pylock.packages

    assert package.vcs is not None
    assert (package.vcs.type, package.vcs.url) == ("git", url)
    assert (package.vcs.requested_revision, len(package.vcs.commit_id)) == ("v1", 40)


def test_a_revision_that_is_not_there_is_a_build_error(
    index: Index, resolver: UvResolver, tmp_path: Path
) -> None:
    repository = git_repository(tmp_path / "repository", "mine")
    url = f"git+{repository.as_uri()}@v2"
    mine = replace(requirement("mine"), source=VcsSource(vcs="git", url=url), raw_url=url)

    with pytest.raises(BuildError) as caught:
        resolver.resolve(problem([mine], index=index.url))

    assert caught.value.problem == f"mine @ {url} cannot be fetched with git"
    assert "fatal: couldn't find remote ref refs/tags/v2" in caught.value.details


def git_repository(folder: Path, name: str) -> Path:
    from envbuild.process import run

    folder.mkdir()
    for file, text in {**backend(name, "1.0"), "pyproject.toml": PYPROJECT}.items():
        (folder / file).write_text(text)
    who = ["-c", "user.name=x", "-c", "user.email=x@example.invalid"]
    for words in (["init", "-q"], ["add", "."], [*who, "commit", "-qm", "x"], ["tag", "v1"]):
        done = run(["git", *words], env={"PATH": "/usr/bin:/bin", "HOME": str(folder)}, cwd=folder)
        assert done.returncode == 0, done.stderr
    return folder


# Several indexes


def test_the_best_version_of_all_indexes_is_taken_and_the_risk_named(
    index: Index, resolver: UvResolver
) -> None:
    with Index() as other:
        other.add(wheel("eggs", "2.5+local"))
        extra = index_option("extra-index-url", other.url, side="model")
        wanted = problem(["eggs==2.5+local", "spam"], index=index.url, index_options=(extra,))

        resolution = resolver.resolve(wanted)

    assert pins(resolution.pylock) == {"eggs": "2.5+local", "spam": "1.0"}
    (notice,) = resolution.notices
    assert notice.code == "several-indexes"
    assert notice.message == (
        "each package comes from whichever index has the best version of it, so anyone who may"
        f" upload to one of them can replace any package: {index.url}, {other.url}"
    )


def test_the_index_is_preferred_where_both_have_a_version(
    index: Index, resolver: UvResolver
) -> None:
    with Index() as other:
        other.add(wheel("eggs", "3.0", files={"eggs.py": "other\n"}))
        extra = index_option("extra-index-url", other.url)

        (eggs,) = resolver.resolve(
            problem(["eggs"], index=index.url, index_options=(extra,))
        ).pylock.packages

    (file,) = eggs.wheels or ()
    assert file.url == index.file_url("eggs-3.0-py3-none-any.whl")


def test_find_links_pages_and_no_index(index: Index, resolver: UvResolver) -> None:
    options = (index_option("find-links", index.find_links), index_option("no-index"))

    resolution = resolver.resolve(problem(["spam"], index_options=options))

    assert pins(resolution.pylock) == {"eggs": "3.0", "spam": "1.0"}
    assert index.count("/simple") == 0


def test_format_control_is_passed_on(index: Index, resolver: UvResolver) -> None:
    files = backend("eggs", "3.0")
    index.add(sdist("eggs", "3.0", pyproject=PYPROJECT, files=files))
    source = problem(["eggs"], index=index.url, index_options=(index_option("no-binary", "eggs"),))

    (package,) = resolver.resolve(source).pylock.packages

    assert package.wheels is None
    assert package.sdist is not None


# Failures


def test_no_solution_has_the_derivation(index: Index, resolver: UvResolver) -> None:
    with pytest.raises(ResolutionError) as caught:
        resolver.resolve(problem(["spam", "eggs<2"], index=index.url))

    assert str(caught.value) == (
        "no set of releases satisfies the requirements\n"
        "  Because all versions of spam depend on eggs>=2 and you require spam, we can conclude"
        " that you require eggs>=2.\n"
        "  And because you require eggs<2, we can conclude that your requirements are"
        " unsatisfiable."
    )


def test_satisfiable_says_yes_or_no(index: Index, resolver: UvResolver) -> None:
    assert resolver.satisfiable(problem(["spam"], index=index.url))
    assert not resolver.satisfiable(problem(["spam", "eggs<2"], index=index.url))


def test_only_binary_refuses_what_would_be_built(index: Index, resolver: UvResolver) -> None:
    index.add(sdist("built", "1.0"))
    options = ResolverOptions(only_binary=True)

    with pytest.raises(ResolutionError, match=r"built==1\.0 has no usable wheels"):
        resolver.resolve(problem(["built"], index=index.url, options=options))


def test_a_dead_page_of_the_model_is_named_with_its_entry(
    index: Index, resolver: UvResolver
) -> None:
    index.failures["/gone"] = 404
    option = index_option("find-links", f"{index.root}/gone", side="model")

    with pytest.raises(IndexUnavailableError) as caught:
        resolver.resolve(problem(["spam"], index=index.url, index_options=(option,)))

    assert str(caught.value) == (
        f"conda.yaml: dependencies[1].pip[0]: --find-links {index.root}/gone:"
        " 127.0.0.1 answers 404 Not Found\n"
        f"  asked for {index.root}/gone\n"
        "  try: --ignore-model-indexes, if what it has is elsewhere as well"
    )


@pytest.mark.parametrize(("status", "words"), [(401, "Unauthorized"), (403, "Forbidden")])
def test_an_index_that_wants_credentials_says_how_to_give_them(
    index: Index, resolver: UvResolver, status: int, words: str
) -> None:
    index.failures["/simple"] = status

    with pytest.raises(IndexUnavailableError) as caught:
        resolver.resolve(problem(["spam"], index=index.url))

    assert str(caught.value) == (
        f"--index-url: --index-url {index.url}: 127.0.0.1 answers {status} {words}\n"
        f"  asked for {index.url}\n"
        "  try: credentials for 127.0.0.1: ${VARIABLE} in its address, or a .netrc"
    )


def test_a_build_script_that_fails_is_a_build_error(index: Index, resolver: UvResolver) -> None:
    files = backend("broken", "1.0", first="raise SystemExit('libfoo is missing')\n")
    index.add(sdist("broken", "1.0", pyproject=PYPROJECT, files=files))

    with pytest.raises(BuildError) as caught:
        resolver.resolve(problem(["broken"], index=index.url))

    message = str(caught.value)
    assert message.startswith(
        "broken==1.0 has no wheel that says what it depends on, and its build script fails\n"
    )
    assert "\n  libfoo is missing\n" in message


def test_an_unset_variable_names_itself_and_the_entry(resolver: UvResolver) -> None:
    option = index_option("extra-index-url", "https://${TOKEN}@host.example/simple", side="model")

    with pytest.raises(SpecError) as caught:
        resolver.resolve(problem(["spam"], index_options=(option,)))

    assert str(caught.value) == (
        "conda.yaml: dependencies[1].pip[0]: 'https://${TOKEN}@host.example/simple' needs the"
        " environment variable TOKEN, which is not set\n"
        "  try: export TOKEN=… and run again"
    )


def test_a_hash_that_the_model_names_must_be_there(index: Index, resolver: UvResolver) -> None:
    eggs = replace(requirement("eggs==1.0"), hashes=(f"sha256:{'0' * 64}",))

    with pytest.raises(IntegrityError) as caught:
        resolver.resolve(problem([eggs], index=index.url))

    assert str(caught.value) == (
        "the index has no file with a hash that the model names\n"
        f"  eggs 1.0: sha256:{'0' * 64}\n"
        "  try: find out why the index serves other bytes before locking"
    )


def test_files_with_other_hashes_than_named_are_left_out(
    index: Index, resolver: UvResolver
) -> None:
    chosen = wheel("two", "1.0")
    index.add(chosen, sdist("two", "1.0"))
    two = replace(requirement("two"), hashes=(f"sha256:{chosen.sha256}",))

    (package,) = resolver.resolve(problem([two], index=index.url)).pylock.packages

    assert [dict(file.hashes) for file in package.wheels or ()] == [{"sha256": chosen.sha256}]
    assert package.sdist is None


def test_an_index_without_hashes_is_hashed_by_fetching(
    resolver: UvResolver,
) -> None:
    with Index(hashes=False, json=False) as bare:
        bare.add(file := wheel("eggs", "1.0"))

        (package,) = resolver.resolve(problem(["eggs"], index=bare.url)).pylock.packages

    assert [dict(one.hashes) for one in package.wheels or ()] == [{"sha256": file.sha256}]


def test_anything_else_is_a_tool_error_with_the_command(index: Index, resolver: UvResolver) -> None:
    odd = problem([replace(requirement("spam"), name="no name")], index=index.url)  # type: ignore[arg-type]

    with pytest.raises(ToolError) as caught:
        resolver.resolve(odd)

    assert caught.value.problem == "uv ended with 2"
    assert " pip compile requirements.in " in caught.value.details[0]


# Builds under another Python


def test_a_build_under_another_python_is_said(tmp_path: Path, index: Index) -> None:
    index.add(sdist("built", "1.0", pyproject=PYPROJECT, files=backend("built", "1.0")))
    resolver = UvResolver.of(ambient_of(tmp_path))

    (notice,) = resolver.resolve(problem(["built"], index=index.url, python="3.5.10")).notices

    assert notice.code == "built-by-other-python"
    assert re.fullmatch(
        r"what built depends on was found out by Python 3\.\d+\.\d+, since there is no Python 3\.5"
        r" on this machine",
        notice.message,
    )
