"""Keep secrets out of what is shown or stored: every URL goes through here first."""

from __future__ import annotations

import re

__all__ = ["quote", "redact", "without_userinfo"]

_MASK = "****"
# Characters of a quoted text that are shown, and that are looked at: what stands at the end of a
# cut text may be half a credential.
_SHOWN, _READ = 160, 10_000

_VARIABLE = r"\$\{\w+\}"
# RFC 3986: userinfo ends at the last "@" before the path, query or fragment.
_USERINFO = r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*:)?//(?P<userinfo>[^\s/?#]+)@"
# A password with an unescaped "/", "?" or "#" is no valid URL, and a secret all the same. A port
# before the path is not a password: ``https://host:8080/repo@tag``.
_BROKEN_USERINFO = r"//(?P<userinfo>[^\s/?#@:]+:(?!\d+[/?#])[^\s@]*)@"
_QUERY = r"(?P<key>[?&](?P<name>[\w.-]+)=)[^&\s#'\"]+"
# anaconda.org and Quetz put a token into the path of a channel.
_IN_CHANNEL = r"(?P<lead>//[^\s/]+(?:/[^\s/]+)*?/t/)[^\s/?#'\"]+"

_SECRET_NAMES = frozenset({
    "access_token", "apikey", "api_key", "auth", "auth_token", "authorization", "awsaccesskeyid",
    "client_secret", "job_token", "key", "passwd", "password", "private_token", "pwd", "sas",
    "secret", "sig", "signature", "token", "x-amz-credential", "x-amz-security-token",
    "x-amz-signature", "x-goog-credential", "x-goog-signature",
})  # fmt: skip


def redact(text: str) -> str:
    """``text`` with every credential in a URL replaced by ``****``.

    A reference such as ``${TOKEN}`` is no secret and stays, as does the account of an SSH URL
    (``ssh://git@host``), which is not what lets anyone in.
    """
    text = re.sub(_USERINFO, _mask_userinfo, text)
    text = re.sub(_BROKEN_USERINFO, lambda match: f"//{_masked(match['userinfo'])}@", text)
    text = re.sub(_QUERY, _mask_query, text)
    return re.sub(_IN_CHANNEL, rf"\g<lead>{_MASK}", text)


def without_userinfo(url: str) -> str:
    """``url`` without user and password; the account of an SSH URL stays."""

    def drop(match: re.Match[str]) -> str:
        if _is_ssh_account(match):
            return match[0]
        return f"{match['scheme'] or ''}//"

    return re.sub(_BROKEN_USERINFO, "//", re.sub(_USERINFO, drop, url, count=1), count=1)


def quote(text: str) -> str:
    """``text`` in quotes for a message: redacted, control characters escaped, cut when long."""
    shown = redact(text[:_READ])
    if len(shown) > _SHOWN:
        shown = f"{shown[:_SHOWN]}…"
    return repr(shown)


def _mask_userinfo(match: re.Match[str]) -> str:
    if _is_ssh_account(match):
        return match[0]
    return f"{match['scheme'] or ''}//{_masked(match['userinfo'])}@"


def _is_ssh_account(match: re.Match[str]) -> bool:
    scheme: str = match["scheme"] or ""
    return scheme.lower().endswith("ssh:") and ":" not in match["userinfo"]


def _masked(userinfo: str) -> str:
    """Each part on its own, so that ``user:${PASSWORD}`` still says which variable it needs."""
    parts = userinfo.split(":", 1)
    return ":".join(
        part if not part or re.fullmatch(_VARIABLE, part) else _MASK for part in parts
    )  # fmt: skip


def _mask_query(match: re.Match[str]) -> str:
    if match["name"].lower() not in _SECRET_NAMES:
        return match[0]
    key: str = match["key"]
    value = match[0].removeprefix(key)
    return match[0] if re.fullmatch(_VARIABLE, value) else f"{key}{_MASK}"
