"""Downloads from servers that fail in every way, into a cache that must never be wrong."""

from __future__ import annotations

import hashlib
import random
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from envbuild.errors import EnvbuildError, IndexUnavailableError, IntegrityError, OutputError
from envbuild.fetch.cache import ArtefactCache
from envbuild.fetch.download import Artefact, Downloader, Patience
from envbuild.fetch.transport import Transport
from tests.support.flaky import Answer, FlakyServer

DATA = random.Random(1).randbytes(700_000)
DIGEST = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def server() -> Iterator[FlakyServer]:
    with FlakyServer({"spam.whl": DATA}) as flaky:
        yield flaky


class Logins:
    """Credentials by the start of a URL; ``more`` is known only after a refusal."""

    def __init__(
        self,
        known: Mapping[str, tuple[str, str]],
        more: Mapping[str, tuple[str, str]] | None = None,
    ) -> None:
        self.known = dict(known)
        self.more = dict(more or {})

    def for_url(self, url: str) -> tuple[str, str] | None:
        return next((login for start, login in self.known.items() if url.startswith(start)), None)

    def after_refusal(self, url: str) -> bool:
        self.known |= self.more
        return self.for_url(url) is not None


def downloader(folder: Path, **choices: object) -> Downloader:
    slept: list[float] = []
    transport = Transport(environ={}, read_timeout=0.5, connect_timeout=2.0)
    made = Downloader(
        cache=ArtefactCache(root=folder / "cache"),
        transport=transport,
        patience=Patience(sleep=slept.append),
    )
    return replace(made, **choices)  # type: ignore[arg-type]


def spam(server: FlakyServer, *, sized: bool = True, sha256: str = DIGEST) -> Artefact:
    return Artefact(
        name="spam", url=server.url("spam.whl"), sha256=sha256, size=len(DATA) if sized else None
    )


def fetch(made: Downloader, *artefacts: Artefact) -> dict[str, Path]:
    return made.fetch_all(artefacts)


def test_a_file_arrives_under_its_hash(server: FlakyServer, tmp_path: Path) -> None:
    found = fetch(downloader(tmp_path), spam(server))

    path = tmp_path / f"cache/sha256/{DIGEST[:2]}/{DIGEST}"
    assert found == {DIGEST: path}
    assert path.read_bytes() == DATA
    assert not list((tmp_path / "cache/partial").iterdir())


def test_what_is_there_is_not_fetched_again(server: FlakyServer, tmp_path: Path) -> None:
    fetch(downloader(tmp_path), spam(server))

    fetch(downloader(tmp_path), spam(server), spam(server))

    assert len(server.asked) == 1


@pytest.mark.parametrize("spoil", [lambda data: data[:-1], lambda data: b"x" + data[1:]])
def test_a_cached_file_that_has_changed_is_fetched_again(
    server: FlakyServer, tmp_path: Path, spoil: object
) -> None:
    assert callable(spoil)
    (path,) = fetch(downloader(tmp_path), spam(server)).values()
    path.write_bytes(spoil(DATA))

    fetch(downloader(tmp_path), spam(server))

    assert path.read_bytes() == DATA


@pytest.mark.parametrize("sized", [True, False], ids=["size locked", "size unknown"])
@pytest.mark.parametrize(
    "answer",
    [
        Answer(how="reset", after=300_000),
        Answer(how="reset", after=0),
        Answer(how="cut", after=300_000),
        Answer(how="cut", after=0),
        Answer(how="stall", after=300_000),
        Answer(how="stall", after=0),
        Answer(status=500),
        Answer(status=502),
        Answer(status=503, headers={"Retry-After": "3"}),
        Answer(status=429, headers={"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}),
    ],
    ids=lambda answer: f"{answer.how} {answer.status} after {answer.after}",
)
def test_what_passes_is_tried_again(
    server: FlakyServer, tmp_path: Path, answer: Answer, sized: bool
) -> None:
    server.answers = [answer, answer]

    (path,) = fetch(downloader(tmp_path), spam(server, sized=sized)).values()

    assert path.read_bytes() == DATA
    assert len(server.asked) == 3


def test_a_broken_download_goes_on_where_it_ended(server: FlakyServer, tmp_path: Path) -> None:
    server.answers = [Answer(how="cut", after=300_000)]

    fetch(downloader(tmp_path), spam(server))

    assert server.asked == [("/spam.whl", ""), ("/spam.whl", "bytes=300000-")]


def test_a_server_that_cannot_resume_sends_it_all(server: FlakyServer, tmp_path: Path) -> None:
    server.answers = [Answer(how="cut", after=300_000), Answer(how="unranged")]

    (path,) = fetch(downloader(tmp_path), spam(server)).values()

    assert path.read_bytes() == DATA


def leave_partial(folder: Path, data: bytes) -> None:
    partial = folder / "cache/partial"
    partial.mkdir(parents=True)
    (partial / DIGEST).write_bytes(data)


@pytest.mark.parametrize(
    ("left", "asked"),
    [
        pytest.param(DATA[:500_000], 1, id="a true beginning"),
        pytest.param(DATA, 0, id="all of it"),
        pytest.param(b"x" * 500_000, 2, id="other bytes"),
        pytest.param(DATA + b"more", 1, id="more than there is"),
        pytest.param(b"x" * len(DATA), 1, id="other bytes of the same size"),
    ],
)
def test_what_an_earlier_run_left_is_used_if_it_is_true(
    server: FlakyServer, tmp_path: Path, left: bytes, asked: int
) -> None:
    leave_partial(tmp_path, left)

    (path,) = fetch(downloader(tmp_path), spam(server)).values()

    assert path.read_bytes() == DATA
    assert len(server.asked) == asked


def test_more_than_there_is_of_unknown_size_starts_again(
    server: FlakyServer, tmp_path: Path
) -> None:
    leave_partial(tmp_path, DATA + b"more")

    (path,) = fetch(downloader(tmp_path), spam(server, sized=False)).values()

    assert path.read_bytes() == DATA
    assert server.asked[1] == ("/spam.whl", "")


def test_a_server_without_lengths_is_believed_by_the_hash(
    server: FlakyServer, tmp_path: Path
) -> None:
    server.answers = [Answer(how="shorter", after=300_000), Answer(how="unlengthed")]

    (path,) = fetch(downloader(tmp_path), spam(server)).values()

    assert path.read_bytes() == DATA


def test_an_endless_answer_ends_at_the_locked_size(server: FlakyServer, tmp_path: Path) -> None:
    server.answers = [Answer(how="endless")]

    with pytest.raises(IntegrityError):
        fetch(downloader(tmp_path), spam(server))


def test_other_bytes_are_refused_with_both_hashes(server: FlakyServer, tmp_path: Path) -> None:
    server.files["spam.whl"] = bytes(len(DATA))

    with pytest.raises(IntegrityError) as caught:
        fetch(downloader(tmp_path), spam(server))

    assert str(caught.value) == (
        f"{server.url('spam.whl')}: spam is not the file that was locked\n"
        f"  expected sha256 {DIGEST}\n"
        f"  got sha256      {hashlib.sha256(bytes(len(DATA))).hexdigest()}\n"
        "  try: find out why the index serves other bytes before locking again"
    )
    assert not (tmp_path / "cache/sha256").exists()


@pytest.mark.parametrize("status", [400, 403, 404, 410, 501])
def test_a_final_answer_is_not_asked_for_twice(
    server: FlakyServer, tmp_path: Path, status: int
) -> None:
    server.answers = [Answer(status=status)]

    with pytest.raises(IndexUnavailableError, match=f"spam cannot be had: {status}"):
        fetch(downloader(tmp_path), spam(server))

    assert len(server.asked) == 1


def test_a_server_that_never_recovers_is_given_up(server: FlakyServer, tmp_path: Path) -> None:
    server.answers = [Answer(status=503)] * 10

    with pytest.raises(IndexUnavailableError) as caught:
        fetch(downloader(tmp_path), spam(server))

    assert str(caught.value) == (
        f"{server.url('spam.whl')}: spam cannot be fetched, tried 5 times: "
        "503 Service Unavailable\n"
        "  try: the same command again; what has arrived is kept"
    )
    assert len(server.asked) == 5


def test_waits_grow_and_heed_the_server() -> None:
    patience = Patience()

    waits = [patience.wait_before(attempt, 0.0) for attempt in (1, 2, 3)]

    assert 0.375 <= waits[0] <= 0.625
    assert 0.75 <= waits[1] <= 1.25
    assert 1.5 <= waits[2] <= 2.5
    assert patience.wait_before(1, 7.0) == 7.0
    assert patience.wait_before(1, 7000.0) == 30.0


def test_a_connection_that_brings_something_is_not_given_up(
    server: FlakyServer, tmp_path: Path
) -> None:
    server.answers = [Answer(how="cut", after=70_000)] * 9

    (path,) = fetch(downloader(tmp_path), spam(server)).values()

    assert path.read_bytes() == DATA


def test_offline_only_the_cache_counts(server: FlakyServer, tmp_path: Path) -> None:
    with pytest.raises(IndexUnavailableError) as caught:
        fetch(downloader(tmp_path, offline=True), spam(server))

    assert str(caught.value) == (
        f"{server.url('spam.whl')}: spam is not in the cache\n  try: without --offline"
    )
    fetch(downloader(tmp_path), spam(server))
    assert fetch(downloader(tmp_path, offline=True), spam(server))


def test_no_server_at_all_is_told_without_a_traceback(tmp_path: Path) -> None:
    artefact = Artefact(name="spam", url="http://127.0.0.1:9/spam.whl", sha256=DIGEST)

    with pytest.raises(IndexUnavailableError) as caught:
        fetch(downloader(tmp_path), artefact)

    assert "tried 5 times: Connection refused" in str(caught.value)


def test_all_that_is_gone_is_told_at_once(server: FlakyServer, tmp_path: Path) -> None:
    wanted = [
        Artefact(name=name, url=server.url(name), sha256=digest * 64)
        for name, digest in (("eggs", "a"), ("ham", "b"))
    ]

    with pytest.raises(IndexUnavailableError) as caught:
        fetch(downloader(tmp_path), *wanted, spam(server))

    message = str(caught.value)
    assert "eggs cannot be had: 404 Not Found" in message
    assert "ham cannot be had: 404 Not Found" in message
    assert ArtefactCache(root=tmp_path / "cache").find(DIGEST)


def test_wrong_bytes_are_told_before_what_is_gone(server: FlakyServer, tmp_path: Path) -> None:
    wrong = spam(server, sized=False, sha256="0" * 64)
    gone = Artefact(name="gone", url=server.url("gone"), sha256="1" * 64)

    with pytest.raises(IntegrityError, match="spam is not the file that was locked"):
        fetch(downloader(tmp_path), gone, wrong)


def test_credentials_go_to_their_own_server_only(server: FlakyServer, tmp_path: Path) -> None:
    with FlakyServer({}) as gate:
        gate.answers = [
            Answer(status=302, headers={"Location": server.url("spam.whl", "localhost")})
        ]
        store = Logins({f"http://127.0.0.1:{gate.port}/": ("user", "canary")})
        transport = Transport(environ={}, credentials=store)
        artefact = replace(spam(server), url=gate.url("spam.whl"))

        fetch(downloader(tmp_path, transport=transport), artefact)

        assert gate.authorization == ["Basic dXNlcjpjYW5hcnk="]
    assert server.authorization == [""]


def test_after_a_refusal_the_keyring_is_asked(server: FlakyServer, tmp_path: Path) -> None:
    server.answers = [Answer(status=401)]
    store = Logins({}, more={server.url(""): ("user", "canary")})

    fetch(downloader(tmp_path, transport=Transport(environ={}, credentials=store)), spam(server))

    assert server.authorization == ["", "Basic dXNlcjpjYW5hcnk="]


def test_a_refusal_asks_for_credentials_by_host(server: FlakyServer, tmp_path: Path) -> None:
    server.answers = [Answer(status=401)]

    with pytest.raises(IndexUnavailableError) as caught:
        fetch(downloader(tmp_path), spam(server))

    assert str(caught.value).endswith(
        "  try: credentials for 127.0.0.1: a .netrc, or the index address"
    )


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("file:///etc/passwd", "it redirects to something that is not http"),
        ("/spam.whl", "more than 10 redirects"),
    ],
)
def test_redirects_end(server: FlakyServer, tmp_path: Path, location: str, reason: str) -> None:
    server.answers = [Answer(status=302, headers={"Location": location})] * 30

    with pytest.raises(IndexUnavailableError, match=reason):
        fetch(downloader(tmp_path), spam(server))


def test_a_proxy_of_the_environment_is_used(server: FlakyServer, tmp_path: Path) -> None:
    """The server is asked by a whole URL, as proxies are, for a host that does not exist."""
    server.files["/pypi.invalid/spam.whl"] = DATA
    server.files["http://pypi.invalid/spam.whl"] = DATA
    transport = Transport(environ={"HTTP_PROXY": f"http://127.0.0.1:{server.port}"})
    artefact = replace(spam(server), url="http://pypi.invalid/spam.whl")

    fetch(downloader(tmp_path, transport=transport), artefact)

    assert server.asked == [("http://pypi.invalid/spam.whl", "")]


def test_no_proxy_is_heeded(server: FlakyServer, tmp_path: Path) -> None:
    transport = Transport(environ={"HTTP_PROXY": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1"})

    fetch(downloader(tmp_path, transport=transport), spam(server))


def test_a_file_of_this_machine_is_checked_and_copied(tmp_path: Path) -> None:
    source = tmp_path / "with space.whl"
    source.write_bytes(DATA)
    artefact = Artefact(name="spam", url=source.as_uri(), sha256=DIGEST)

    (path,) = fetch(downloader(tmp_path), artefact).values()

    assert path.read_bytes() == DATA
    assert path.stat().st_ino != source.stat().st_ino


def test_a_changed_file_of_this_machine_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "spam.whl"
    source.write_bytes(b"other")

    with pytest.raises(IntegrityError, match="spam is not the file that was locked"):
        fetch(downloader(tmp_path), Artefact(name="spam", url=source.as_uri(), sha256=DIGEST))


def test_a_missing_file_of_this_machine_is_named(tmp_path: Path) -> None:
    url = (tmp_path / "spam.whl").as_uri()

    with pytest.raises(IndexUnavailableError) as caught:
        fetch(downloader(tmp_path), Artefact(name="spam", url=url, sha256=DIGEST))

    assert str(caught.value) == f"{url}: spam cannot be read: No such file or directory"


def test_a_cache_that_cannot_be_written_is_named(server: FlakyServer, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")

    with pytest.raises(OutputError, match="cannot use the cache: Not a directory"):
        fetch(downloader(tmp_path), spam(server))


def test_two_at_once_fetch_a_file_once(server: FlakyServer, tmp_path: Path) -> None:
    failures: list[EnvbuildError] = []

    def work() -> None:
        try:
            fetch(downloader(tmp_path), spam(server))
        except EnvbuildError as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert len(server.asked) == 1


def test_the_reporter_hears_of_all_bytes(server: FlakyServer, tmp_path: Path) -> None:
    class Heard:
        said: list[tuple[int, int]] = []  # noqa: RUF012

        def step(self, text: str) -> None: ...

        def advance(self, done: int, total: int) -> None:
            self.said.append((done, total))

    heard = Heard()
    downloader(tmp_path).fetch_all([spam(server)], reporter=heard)

    assert heard.said[-1] == (len(DATA), len(DATA))
    assert [done for done, _ in heard.said] == sorted(done for done, _ in heard.said)


def test_a_server_that_fails_at_random_gives_the_right_bytes_in_the_end(tmp_path: Path) -> None:
    chance = random.Random(7)
    files = {
        f"file-{number}": chance.randbytes(chance.randrange(1, 300_000)) for number in range(20)
    }
    kinds = ("whole", "whole", "reset", "cut", "unranged")

    def choose() -> Answer:
        if chance.random() < 0.2:
            return Answer(status=chance.choice([500, 503, 429]))
        return Answer(how=chance.choice(kinds), after=chance.randrange(300_000))

    with FlakyServer(files) as server:
        server.choose = choose
        wanted = [
            Artefact(
                name=name,
                url=server.url(name),
                sha256=hashlib.sha256(data).hexdigest(),
                size=len(data),
            )
            for name, data in files.items()
        ]
        patient = downloader(tmp_path, patience=Patience(attempts=30, sleep=lambda _: None))
        found = fetch(patient, *wanted)

    assert {path.read_bytes() for path in found.values()} == set(files.values())
