"""Index options as pip settles them, and as uv's configuration. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import tomli_w

from envbuild.entries.requirements import IndexKind, IndexOption, variables_in
from envbuild.errors import SpecError
from envbuild.fetch.credentials import split_credentials
from envbuild.notices import Notice
from envbuild.origins import Origin
from envbuild.redact import redact, without_userinfo

__all__ = ["PYPI", "Indexes", "refuse_secret_query", "sent_variables", "settle_indexes"]

PYPI = "https://pypi.org/simple"

# An index that sends no cache headers is asked again about every page of every solve otherwise:
# 3.4 s instead of 0.7 s for 75 packages. Files never change under one name.
_CACHE_CONTROL = {"api": "max-age=600", "files": "max-age=365000000"}
_EVERY = ":all:"
_NONE = ":none:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Indexes:
    """Where packages come from. ``urls`` (the index first) and ``find_links`` hold credentials.

    ``no_binary`` and ``only_binary`` hold names or ``:all:``. ``options`` gives the entry that
    named an address, by the address without credentials.
    """

    urls: tuple[str, ...] = field(repr=False)
    find_links: tuple[str, ...] = field(default=(), repr=False)
    prereleases: bool = False
    no_binary: tuple[str, ...] = ()
    only_binary: tuple[str, ...] = ()
    trusted_hosts: tuple[str, ...] = ()
    options: Mapping[str, IndexOption] = field(default_factory=dict)
    notices: tuple[Notice, ...] = ()

    @property
    def strategy(self) -> str:
        """The best version of all indexes, as pip does it and whoever names a second one expects.

        With uv's default, an index of torch builds that has an old numpy too hides all newer ones.
        """
        return "unsafe-best-match" if len(self.urls) > 1 else "first-index"

    def configuration(self, address: Callable[[str], str]) -> str:
        """A ``uv.toml``; ``address`` turns an address into the one that uv is to ask."""
        settings: dict[str, object] = {
            "index": [self._index(url, address) for url in self.urls],
            "find-links": [_ask(url, address) for url in self.find_links],
            "allow-insecure-host": list(self.trusted_hosts),
        }
        if not self.urls:
            settings["no-index"] = True
        return tomli_w.dumps({name: value for name, value in settings.items() if value})

    def _index(self, url: str, address: Callable[[str], str]) -> dict[str, object]:
        # uv asks the default index last; ours goes first, and the last of the others is called so.
        default = {"default": True} if url == self.urls[-1] else {}
        return {"url": _ask(url, address), "cache-control": _CACHE_CONTROL, **default}


def settle_indexes(
    options: tuple[IndexOption, ...], *, environ: Mapping[str, str], model: Path | None, cwd: Path
) -> Indexes:
    """What all options together mean. The user's ``index-url`` wins over the model's.

    Relative ``find-links`` folders of the model lie in ``model``, those of the user in ``cwd``.

    Raises:
        SpecError: an address needs a variable that is not set.
    """
    base = {"model": model or cwd, "record": model or cwd}
    expanded = [
        (option, _locate(option, environ, base.get(option.origin.side, cwd)))
        for option in _last_index_first(options)
    ]

    def values(kind: IndexKind) -> tuple[str, ...]:
        found = (value for option, value in expanded if option.kind == kind)
        return tuple(dict.fromkeys(found))

    has = {option.kind for option in options}
    urls = (*(values("index-url")[:1] or (PYPI,)), *values("extra-index-url"))
    urls = () if "no-index" in has else tuple(dict.fromkeys(urls))
    named = {without_userinfo(value): option for option, value in expanded if value}
    return Indexes(
        urls=urls,
        find_links=values("find-links"),
        prereleases="pre" in has,
        no_binary=_names(values("no-binary")),
        only_binary=_names(values("only-binary")),
        trusted_hosts=values("trusted-host"),
        options=named,
        notices=tuple(_remarks(options, urls)),
    )


def refuse_secret_query(url: str, origin: Origin) -> None:
    """A token in a query or path is a part of the address, which is written down; user and
    password before the host are not.

    Raises:
        SpecError: ``url`` has one.
    """
    bare = split_credentials(url)[0]
    if redact(bare) != bare:
        raise SpecError(
            "the address has a credential in its path or query, which the lock would show",
            where=str(origin),
            remedy="user and password before the host, or the file inside the model",
        )


def sent_variables(address: str, origin: Origin) -> Iterator[Notice]:
    """Say so when a model, which may be anybody's, has a variable of this user sent away."""
    names = variables_in(address)
    if names and origin.side == "model":
        host = urlsplit(address).netloc.rpartition("@")[2]
        yield Notice(
            code="variable-sent",
            message=f"the value of {', '.join(names)} goes to {host}, since the model says so",
            where=str(origin),
        )


def _last_index_first(options: tuple[IndexOption, ...]) -> list[IndexOption]:
    """Of several ``index-url`` pip takes the last; the user's come after the model's."""
    indexes = [option for option in options if option.kind == "index-url"]
    ranked = sorted(indexes, key=lambda option: option.origin.side == "option")
    return [*reversed(ranked), *(option for option in options if option.kind != "index-url")]


def _locate(option: IndexOption, environ: Mapping[str, str], base: Path) -> str:
    value = option.resolvable(environ)
    if option.kind in {"index-url", "extra-index-url", "find-links"}:
        refuse_secret_query(value, option.origin)
    if option.kind != "find-links" or urlsplit(value).scheme:
        return value
    return str((base / value).resolve())


def _ask(url: str, address: Callable[[str], str]) -> str:
    return address(split_credentials(url)[0])


def _names(values: tuple[str, ...]) -> tuple[str, ...]:
    """The format control of pip: commas between names; ``:none:`` empties what stands before."""
    names: list[str] = []
    for name in (name.strip() for value in values for name in value.split(",")):
        if name == _NONE:
            names = []
        elif name:
            names.append(name)
    return (_EVERY,) if _EVERY in names else tuple(dict.fromkeys(names))


def _remarks(options: tuple[IndexOption, ...], urls: tuple[str, ...]) -> Iterator[Notice]:
    if len(urls) > 1:
        shown = ", ".join(without_userinfo(url) for url in urls)
        yield Notice(
            code="several-indexes",
            message="each package comes from whichever index has the best version of it, so anyone "
            f"who may upload to one of them can replace any package: {shown}",
        )
    for option in options:
        yield from sent_variables(option.value, option.origin)
        if option.kind == "trusted-host":
            yield Notice(
                code="trusted-host",
                message=f"the certificate of {option.value} is not checked",
                where=str(option.origin),
            )
        if option.kind == "prefer-binary":
            yield Notice(
                code="prefer-binary",
                message="--prefer-binary is left out: uv takes the newest release that fits",
                where=str(option.origin),
                level="note",
            )
