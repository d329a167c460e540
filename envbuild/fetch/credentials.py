"""User and password for a URL: from the address itself, a netrc file, or the keyring.

What is found goes to the server of that scheme, host and port and to no other, and never into an
argument list, an environment or a file.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from netrc import NetrcParseError, netrc
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from envbuild.ambient import Ambient
from envbuild.errors import ToolError
from envbuild.process import Runner, run

__all__ = [
    "CredentialStore",
    "Login",
    "origin_of",
    "restore_token",
    "split_credentials",
    "split_token",
]

Login = tuple[str, str]
_DEFAULT_PORTS = {"http": 80, "https": 443}
_TOKEN_IN_PATH = re.compile(r"(?P<before>.*?)/t/(?P<token>[^/]+)(?P<after>/.*)")
_KEYRING_TIMEOUT = 60.0  # seconds; it may have to ask the user to unlock it


@dataclass(frozen=True, slots=True, kw_only=True)
class _Given:
    """An address that carries its user, and a password or the empty string."""

    url: str
    login: Login = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialStore:
    """Looks up who we are to a server. Safe to share between threads.

    ``remark`` says why the netrc file could not be used, or is empty; it names no secret.
    """

    given: tuple[_Given, ...] = ()
    netrc: Mapping[str, Login] = field(default_factory=dict, repr=False)
    remark: str = ""
    keyring: _Keyring | None = None

    @classmethod
    def of(
        cls, ambient: Ambient, urls: Iterable[str] = (), *, runner: Runner = run
    ) -> CredentialStore:
        """What ``urls`` (expanded), the netrc file and the keyring of this user know."""
        split = (split_credentials(url) for url in urls)
        logins, remark = _read_netrc(ambient)
        return cls(
            given=tuple(_Given(url=url, login=login) for url, login in split if login is not None),
            netrc=logins,
            remark=remark,
            keyring=_Keyring(ambient=ambient, run=runner),
        )

    def for_url(self, url: str) -> Login | None:
        """User and password for ``url``, or None.

        An address that carries its own counts for every URL of its origin, the one with the
        longest common path first. One that names only a user is completed from the keyring, else
        taken as it is: some indexes want a token there.
        """
        bare, login = split_credentials(url)
        given = self._given_for(bare) if login is None else _Given(url=bare, login=login)
        if given is not None:
            user, password = given.login
            if not password and self.keyring is not None:
                # pip's keyring entries are named by the index, not by its pages.
                password = self.keyring.password(given.url, user) or ""
            return user, password
        host = urlsplit(bare).hostname or ""
        return self.netrc.get(host) or (self.keyring.known(bare) if self.keyring else None)

    def after_refusal(self, url: str) -> bool:
        """Ask the keyring about a server that wants credentials we had none for; whether it knows.

        It is not asked before: that may open a dialogue.
        """
        return self.keyring is not None and self.keyring.ask(split_credentials(url)[0]) is not None

    def _given_for(self, url: str) -> _Given | None:
        same = [given for given in self.given if origin_of(given.url) == origin_of(url)]
        return max(same, key=lambda given: _common(given.url, url), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Keyring:
    """The ``keyring`` program (https://github.com/jaraco/keyring), each question asked once."""

    ambient: Ambient
    run: Runner
    _answers: dict[tuple[str, str], Login | None] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def password(self, url: str, user: str) -> str | None:
        """The password of ``user`` at ``url`` or its host, or None."""
        login = self._once(url, user)
        return login[1] if login else None

    def ask(self, url: str) -> Login | None:
        """User and password at ``url`` or its host, whoever the user is."""
        return self._once(url, "")

    def known(self, url: str) -> Login | None:
        """What ``ask`` found for the origin of ``url`` before."""
        return self._answers.get((origin_of(url), ""))

    def _once(self, url: str, user: str) -> Login | None:
        key = (origin_of(url), user)
        with self._lock:
            if key not in self._answers:
                services = (url, urlsplit(url).hostname or url)
                found = (self._get(service, user) for service in services)
                self._answers[key] = next((login for login in found if login), None)
            return self._answers[key]

    def _get(self, service: str, user: str) -> Login | None:
        program = self._program()
        if program is None:
            return None
        arguments = ["get", service, user] if user else ["--mode", "creds", "get", service]
        try:
            # The user's own program, and it needs the session bus and the home of the user.
            done = self.run(
                [program, *arguments], env=self.ambient.environ, timeout=_KEYRING_TIMEOUT
            )
        except ToolError:
            return None
        lines = done.stdout.splitlines()
        if done.returncode != 0 or len(lines) != (1 if user else 2):
            return None
        return (user or lines[0], lines[-1])

    def _program(self) -> str | None:
        beside = str(Path(sys.executable).parent)
        folders = (self.ambient.environ.get("PATH", ""), beside)
        return shutil.which("keyring", path=os.pathsep.join(filter(None, folders)))


def split_credentials(url: str) -> tuple[str, Login | None]:
    """``url`` without its user and password, and these, percent-decoded, or None.

    Only of web addresses: the account of an SSH URL is no secret and stays. A prefix such as
    ``git+`` stays as well.
    """
    parts = urlsplit(url)
    userinfo, at, location = parts.netloc.rpartition("@")
    if not at or parts.scheme.rpartition("+")[2] not in _DEFAULT_PORTS:
        return url, None
    user, _, password = userinfo.partition(":")
    return urlunsplit(parts._replace(netloc=location)), (unquote(user), unquote(password))


def split_token(url: str) -> tuple[str, str]:
    """``url`` without the token in its path, and that, or an empty string.

    ``https://host/t/TOKEN/channel``: how anaconda.org, Anaconda Server and Quetz have it.
    """
    parts = urlsplit(url)
    found = _TOKEN_IN_PATH.match(parts.path)
    if parts.scheme not in _DEFAULT_PORTS or found is None:
        return url, ""
    return urlunsplit(parts._replace(path=found["before"] + found["after"])), found["token"]


def restore_token(url: str, secret_urls: Iterable[str]) -> str:
    """``url`` with the token of that of ``secret_urls`` below which it lies, the longest first."""
    pairs = ((split_token(secret)[0].rstrip("/"), secret.rstrip("/")) for secret in secret_urls)
    for bare, secret in sorted(pairs, reverse=True):
        if url == bare or url.startswith(f"{bare}/"):
            return secret + url.removeprefix(bare)
    return url


def origin_of(url: str) -> str:
    """``https://host`` or ``https://host:8443``: what RFC 6454 calls the origin of a URL."""
    parts = urlsplit(url)
    scheme = parts.scheme.rpartition("+")[2]
    host = (parts.hostname or "").lower()
    host = f"[{host}]" if ":" in host else host
    port = _port(url)
    return (
        f"{scheme}://{host}"
        if port in (None, _DEFAULT_PORTS.get(scheme))
        else (f"{scheme}://{host}:{port}")
    )


def _port(url: str) -> int | None:
    try:
        return urlsplit(url).port
    except ValueError:  # not a number: such an address reaches no server
        return None


def _common(one: str, other: str) -> int:
    """How many leading segments of their paths two URLs share."""
    pairs = zip(urlsplit(one).path.split("/"), urlsplit(other).path.split("/"), strict=False)
    count = 0
    for left, right in pairs:
        if left != right:
            break
        count += 1
    return count


def _read_netrc(ambient: Ambient) -> tuple[dict[str, Login], str]:
    """The logins of the netrc file by host, and a remark if it cannot be read.

    Its ``default`` entry is left out: a model can name any host, and must not be sent a password
    by that.
    """
    given = ambient.environ.get("NETRC", "")
    path = Path(given).expanduser() if given else ambient.home / ".netrc"
    try:
        hosts = netrc(path).hosts
    except FileNotFoundError:
        return {}, ""
    except NetrcParseError as error:  # its text may quote a password
        return {}, f"{path} is not a netrc file (line {error.lineno})"
    except (OSError, UnicodeDecodeError):
        return {}, f"{path} cannot be read"
    return {
        host: (login, password or "")
        for host, (login, _, password) in hosts.items()
        if host != "default"
    }, ""
