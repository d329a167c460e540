"""HTTP for artefacts: proxies, certificates, credentials host by host, and what is worth a retry.

requests is given everything in words; it reads neither the environment nor ``.netrc`` by itself
(``trust_env`` is off), so what reaches a server is what the caller's ``Ambient`` and
credentials say.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote, urljoin, urlsplit, urlunsplit

from envbuild.fetch.credentials import restore_token

if TYPE_CHECKING:
    from requests import Response, Session

__all__ = [
    "Credentials",
    "Refused",
    "Transport",
    "Unreachable",
    "describe",
    "shown_host",
    "with_login",
]

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
# 425, 429 and the 5xx that proxies and overloaded servers answer with.
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504, 507, 520, 521, 522, 523, 524})
_MOST_REDIRECTS = 10
_CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


class Credentials(Protocol):
    """Who we are to a server."""

    def for_url(self, url: str) -> tuple[str, str] | None:
        """User and password for this URL's scheme, host and port, or None."""

    def after_refusal(self, url: str) -> bool:
        """Look further, once a server has refused us; whether ``for_url`` knows more now."""


class Refused(Exception):  # noqa: N818 - a fact for the download, worded as an error there
    """The server gave a final answer that is not the file. ``reason`` names no secret."""

    def __init__(self, reason: str, status: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status


class Unreachable(Exception):  # noqa: N818 - as above
    """No answer, or one that may pass; ``wait`` is the server's wish in seconds."""

    def __init__(self, reason: str, *, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.wait = wait


@dataclass(frozen=True, slots=True, kw_only=True)
class Transport:
    """Opens GET requests. Safe to share between threads: each has a session of its own.

    ``environ`` gives proxies (``HTTPS_PROXY``, ``NO_PROXY`` …) and the certificate bundle;
    ``connect_timeout`` and ``read_timeout`` are in seconds. ``secret_urls`` have a token in their
    path, which is put into addresses below them that lack it.
    """

    environ: Mapping[str, str]
    credentials: Credentials | None = None
    secret_urls: tuple[str, ...] = field(default=(), repr=False)
    connect_timeout: float = 15.0
    read_timeout: float = 60.0
    _local: threading.local = field(default_factory=threading.local, repr=False, compare=False)

    @contextmanager
    def get(self, url: str, *, offset: int = 0, accept: str = "*/*") -> Iterator[Response]:
        """The answer (200, or 206 from ``offset``) to a GET of ``url``, its body not yet read.

        Redirects are followed here, so that each hop gets the credentials of its own host and
        never those of the one before.

        Raises:
            Refused: a status that no retry will change.
            Unreachable: no connection, or a status that passes.
        """
        from requests import RequestException

        headers = {"Accept": accept, "Accept-Encoding": "identity"}
        if offset:
            headers["Range"] = f"bytes={offset}-"
        try:
            response = self._follow(restore_token(url, self.secret_urls), headers)
            with response:
                yield response
        except RequestException as error:
            raise Unreachable(describe(error)) from None

    def _follow(self, url: str, headers: Mapping[str, str]) -> Response:
        for _ in range(_MOST_REDIRECTS):
            response = self.exchange("GET", url, headers=headers)
            if response.status_code == 401 and self._knows_more(url):
                response.close()
                response = self.exchange("GET", url, headers=headers)
            if response.status_code not in _REDIRECTS:
                _check(response)
                return response
            location = response.headers.get("Location", "")
            response.close()
            url = urljoin(url, location)
            if urlsplit(url).scheme not in {"http", "https"}:
                raise Refused("it redirects to something that is not http", response.status_code)
        raise Refused(f"more than {_MOST_REDIRECTS} redirects", 0)

    def _knows_more(self, url: str) -> bool:
        store = self.credentials
        return store is not None and not store.for_url(url) and store.after_refusal(url)

    def exchange(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None = None
    ) -> Response:
        """One request and its answer, whatever that is, its body not yet read.

        Raises:
            requests.RequestException: there is no answer.
        """
        from requests.auth import HTTPBasicAuth

        auth = self.credentials.for_url(url) if self.credentials else None
        return self._session().request(
            method,
            url,
            headers=dict(headers),
            data=body,
            auth=HTTPBasicAuth(auth[0].encode(), auth[1].encode()) if auth else None,
            proxies={urlsplit(url).scheme: proxy} if (proxy := self.proxy_for(url)) else {},
            timeout=(self.connect_timeout, self.read_timeout),
            allow_redirects=False,
            stream=True,
        )

    def follow(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None = None
    ) -> Response:
        """As ``exchange``, past the redirects that lead to a web server.

        Each hop gets the credentials of its own host. After too many the last one is the answer.
        """
        response = self.exchange(method, url, headers=headers, body=body)
        for _ in range(_MOST_REDIRECTS):
            target = urljoin(url, response.headers.get("Location", ""))
            web = urlsplit(target).scheme in {"http", "https"}
            if response.status_code not in _REDIRECTS or not web:
                break
            response.close()
            url = target
            response = self.exchange(method, url, headers=headers, body=body)
        return response

    def _session(self) -> Session:
        session: Session | None = getattr(self._local, "session", None)
        if session is None:
            from requests import Session

            from envbuild.fetch.tls import TrustingAdapter, trusted

            session = Session()
            session.trust_env = False
            session.mount("https://", TrustingAdapter(trusted(self._certificates())))
            self._local.session = session
        return session

    def proxy_for(self, url: str) -> str:
        """The proxy for ``url``, which may hold credentials, or empty for none."""
        parts = urlsplit(url)
        environ = {name.lower(): value for name, value in self.environ.items() if value}
        bypass = {"no": environ.get("no_proxy", "")}
        # Brings http.client and email along; typeshed does not know it.
        from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

        if proxy_bypass_environment(parts.netloc.rpartition("@")[2], bypass):
            return ""
        return environ.get(f"{parts.scheme}_proxy") or environ.get("all_proxy", "")

    def _certificates(self) -> str:
        return next((self.environ[name] for name in _CA_VARIABLES if self.environ.get(name)), "")


def with_login(url: str, login: tuple[str, str]) -> str:
    """``url`` with user and password in it. Never show or store the result."""
    parts = urlsplit(url)
    user, password = (quote(part, safe="") for part in login)
    return urlunsplit(parts._replace(netloc=f"{user}:{password}@{parts.netloc.rpartition('@')[2]}"))


def shown_host(url: str) -> str:
    """The host of a URL for a message: no user, no password, no query."""
    return urlsplit(url).hostname or url


def _check(response: Response) -> None:
    status = response.status_code
    if status in {200, 206}:
        return
    response.close()
    reason = f"{status} {response.reason or ''}".strip()
    if status in _PASSING:
        raise Unreachable(reason, wait=_retry_after(response.headers.get("Retry-After", "")))
    raise Refused(reason, status)


def _retry_after(value: str) -> float:
    """Seconds; the date form of RFC 9110 10.2.3 is not worth its clocks and counts as no wish."""
    return float(value) if value.isascii() and value.isdigit() else 0.0


def describe(error: BaseException) -> str:
    """What went wrong, from the innermost cause; requests' own text repeats URLs and queries."""
    from requests import exceptions as failed

    match error:
        case failed.SSLError():
            return f"its certificate is not trusted ({_innermost(error)})"
        case failed.ProxyError():
            return f"the proxy cannot be used ({_innermost(error)})"
        case failed.ConnectTimeout():
            return "no connection in time"
        case failed.ReadTimeout():
            return "it stalled"
        case failed.InvalidURL() | failed.InvalidSchema() | failed.MissingSchema():
            return "the address cannot be read"
        case _:
            return _innermost(error)


def _innermost(error: BaseException) -> str:
    reason = ""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        if isinstance(current, OSError) and current.strerror:
            reason = current.strerror
        nested = [part for part in current.args if isinstance(part, BaseException)]
        current = (
            current.__cause__
            or current.__context__
            or getattr(current, "reason", None)
            or (nested[0] if nested else None)
        )
        if not isinstance(current, BaseException):
            break
    return reason or "the connection broke"
