"""Ranges of advisories, by the evaluation algorithm of the OSV schema."""

from __future__ import annotations

import json
from typing import Any

import pytest
from packaging.version import Version

from envbuild.errors import UsageError
from envbuild.fleet.advisories import Affected, parse_advisories


def advisory(*events: dict[str, str], **extra: Any) -> dict[str, Any]:
    affected = {
        "package": {"ecosystem": "PyPI", "name": "Spam_Eggs"},
        "ranges": [{"type": "ECOSYSTEM", "events": list(events)}],
        "versions": extra.pop("versions", []),
    }
    return {"id": "GHSA-1", "affected": [affected], **extra}


def affected(*events: dict[str, str], **extra: Any) -> Affected:
    (found,) = parse_advisories(json.dumps(advisory(*events, **extra)), where="x.json")
    (one,) = found.affected
    return one


@pytest.mark.parametrize(
    ("events", "hit", "spared"),
    [
        ([{"introduced": "0"}, {"fixed": "2.0"}], ["0.1", "1.9.post1", "2.0rc1"], ["2.0", "3"]),
        ([{"introduced": "1.0"}, {"fixed": "2.0"}], ["1", "1.0.1"], ["0.9", "1.0.dev3", "2"]),
        ([{"introduced": "1.0"}, {"last_affected": "2.0"}], ["2.0.0"], ["2.0.post1", "2.0.1"]),
        ([{"introduced": "0"}], ["0", "99"], []),
        (
            [{"fixed": "2.0"}, {"introduced": "3.0"}, {"introduced": "1.0"}, {"fixed": "3.1"}],
            ["1.5", "3.0.5"],
            ["2.5", "3.1", "0.5"],
        ),
        ([{"introduced": "0"}, {"limit": "2.0"}], ["1.9"], ["2.0"]),
        ([{"introduced": "0"}, {"limit": "*"}], ["1.9"], []),
        ([{"introduced": "1.10"}, {"fixed": "1.20"}], ["1.10", "1.19"], ["1.9", "1.2", "1.20"]),
    ],
)
def test_a_range_hits_what_lies_between_its_events(
    events: list[dict[str, str]], hit: list[str], spared: list[str]
) -> None:
    found = affected(*events)

    assert [text for text in hit if not found.hits(Version(text))] == []
    assert [text for text in spared if found.hits(Version(text))] == []


def test_versions_count_by_what_they_mean_and_legacy_ones_are_kept() -> None:
    found = affected({"introduced": "5"}, {"fixed": "6"}, versions=["1.0.0rc1", "2004d-old"])

    assert found.hits(Version("1.0.0-RC.1"))
    assert not found.hits(Version("1.0.0"))


def test_a_local_version_is_hit_like_the_release_that_it_was_built_of() -> None:
    last = affected({"introduced": "1.0"}, {"last_affected": "1.13.1"})
    listed = affected({"introduced": "9"}, versions=["1.12.0", "1.11.0+cu113"])

    assert last.hits(Version("1.13.1+cu117"))
    assert not last.hits(Version("1.13.2+cu117"))
    assert listed.hits(Version("1.12.0+cpu"))
    assert listed.hits(Version("1.11.0+cu113"))
    assert not listed.hits(Version("1.11.0+cpu"))


def test_semantic_versions_count_too() -> None:
    document = advisory({"introduced": "0"}, {"fixed": "1.0.0-rc.1"})
    document["affected"][0]["ranges"][0]["type"] = "SEMVER"
    (found,) = parse_advisories(json.dumps(document), where="x.json")

    assert found.affected[0].hits(Version("1.0.0b1"))
    assert not found.affected[0].hits(Version("1.0.0rc1"))


def test_a_release_that_is_hit_itself_mends_nothing() -> None:
    document = advisory({"introduced": "0"}, {"fixed": "1.5"})
    document["affected"][0]["ranges"].append(
        {"type": "ECOSYSTEM", "events": [{"introduced": "1.4"}, {"fixed": "1.8"}]}
    )
    (found,) = parse_advisories(json.dumps(document), where="x.json")

    assert found.affected[0].fixed_in(Version("1.0")) == Version("1.8")


def test_the_first_release_that_mends_it_is_named() -> None:
    found = affected({"introduced": "0"}, {"fixed": "1.5"}, {"introduced": "2"}, {"fixed": "2.3"})

    assert found.fixed_in(Version("1.0")) == Version("1.5")
    assert found.fixed_in(Version("2.1")) == Version("2.3")
    assert found.fixed_in(Version("3")) is None


def test_names_are_normalized_and_what_does_not_concern_us_is_left_out() -> None:
    other = {"id": "X", "affected": [{"package": {"ecosystem": "npm", "name": "spam"}}]}
    gone = advisory({"introduced": "0"}, id="GONE", withdrawn="2024-01-01T00:00:00Z")
    commits = advisory(id="GIT")
    commits["affected"][0]["ranges"] = [{"type": "GIT", "events": [{"introduced": "abc"}]}]
    text = json.dumps({"vulns": [other, gone, commits, advisory({"introduced": "0"})]})

    found = parse_advisories(text, where="x.json")

    assert [one.id for one in found] == ["GIT", "GHSA-1"]
    assert found[0].affected[0].ranges == ()
    assert found[1].affected[0].name == "spam-eggs"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "not JSON: "),
        ('"x"', "no advisories in it"),
        ("[3]", "advisory 1 is not of the OSV schema: "),
        ('{"affected": []}', "advisory 1 is not of the OSV schema: KeyError('id')"),
        # As a batch query answers: no more than which advisories there are.
        ('{"vulns": [{"id": "X"}]}', "advisory 1 is not of the OSV schema: KeyError('affected')"),
    ],
)
def test_what_is_no_advisory_is_refused(text: str, problem: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_advisories(text, where="x.json")

    assert str(error.value).startswith(f"x.json: {problem}")
