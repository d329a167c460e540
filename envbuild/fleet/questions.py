"""What is asked of the contexts of a fleet: who pins this, who is hit, what would be shared."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from envbuild.errors import UsageError
from envbuild.fleet.advisories import Advisory, Affected
from envbuild.fleet.contexts import Locked, Pin

__all__ = ["Answer", "Hit", "Savings", "hits_of", "parse_pin", "pinned", "savings_of"]

_Hits = Callable[[Locked], Iterable["Hit"]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A pin that was asked for. ``fixed_in`` is the release that mends it, where one is known."""

    context: str
    pin: Pin
    advisory: str = ""
    aliases: tuple[str, ...] = ()
    summary: str = ""
    fixed_in: str = ""

    def document(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        found: dict[str, Any] = {
            "context": self.context,
            "platform": self.pin.platform,
            "name": self.pin.name,
            "version": str(self.pin.version),
            "by": self.pin.by,
        }
        if self.advisory:
            found["advisory"] = self.advisory
            found["aliases"] = list(self.aliases)
            found["summary"] = self.summary
            found["fixed_in"] = self.fixed_in or None
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The hits in ``contexts`` contexts, and those that cannot be read, with why."""

    contexts: int
    hits: tuple[Hit, ...]
    unreadable: tuple[tuple[str, str], ...] = ()

    def document(self) -> dict[str, Any]:
        """As plain values; documented in ``docs/reference/json.md``."""
        return {
            "contexts": self.contexts,
            "hit": len({hit.context for hit in self.hits}),
            "hits": [hit.document() for hit in self.hits],
            "unreadable": [{"context": name, "why": why} for name, why in self.unreadable],
        }

    def table(self) -> str:
        """A line for each hit, and one for all."""
        width = max((len(hit.context) for hit in self.hits), default=0)
        rows = [f"{hit.context:<{width}}  {_row(hit)}" for hit in self.hits]
        rows += [f"{name}  cannot be read: {why}" for name, why in self.unreadable]
        count = len({hit.context for hit in self.hits})
        return "\n".join((*rows, f"{count} of {self.contexts} contexts"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Savings:
    """Bytes of the wheels of ``contexts`` contexts: each with its own, and each wheel once.

    ``unsized`` wheels have no size in their lock, ``to_build`` packages have no wheel: neither
    counts.
    """

    contexts: int
    wheels: int
    distinct: int
    separate: int
    shared: int
    unsized: int = 0
    to_build: int = 0
    unreadable: tuple[tuple[str, str], ...] = ()

    def document(self) -> dict[str, Any]:
        """As plain values; documented in ``docs/reference/json.md``."""
        return {
            "contexts": self.contexts,
            "wheels": self.wheels,
            "distinct_wheels": self.distinct,
            "bytes_separate": self.separate,
            "bytes_shared": self.shared,
            "bytes_saved": self.separate - self.shared,
            "unsized": self.unsized,
            "to_build": self.to_build,
            "unreadable": [{"context": name, "why": why} for name, why in self.unreadable],
        }

    def table(self) -> str:
        """Three lines."""
        saved = self.separate - self.shared
        share = f" ({saved / self.separate:.0%})" if self.separate else ""
        return "\n".join((
            *(f"{name}  cannot be read: {why}" for name, why in self.unreadable),
            f"separate  {self.wheels} wheels, {self.separate / 1e6:.1f} MB",
            f"shared    {self.distinct} wheels, {self.shared / 1e6:.1f} MB",
            f"saved     {saved / 1e6:.1f} MB{share} in {self.contexts} contexts",
        ))  # fmt: skip


def parse_pin(text: str) -> Requirement:
    """``numpy`` or ``numpy>=1.20,<2``.

    Raises:
        UsageError: it is neither.
    """
    try:
        wanted = Requirement(text)
    except InvalidRequirement as error:
        raise UsageError(
            f"not a package and its versions: {text!r}", remedy="--pins 'numpy<2'"
        ) from error
    if wanted.url or wanted.marker or wanted.extras:
        raise UsageError(f"more than a package and its versions: {text!r}")
    return wanted


def pinned(contexts: Iterable[Locked], wanted: Requirement) -> Answer:
    """Who pins ``wanted``; pre-releases count like any other version."""
    name = canonicalize_name(wanted.name)

    def hits(locked: Locked) -> Iterator[Hit]:
        for pin in locked.pins:
            if pin.name == name and wanted.specifier.contains(pin.version, prereleases=True):
                yield Hit(context=locked.name, pin=pin)

    return _answer(contexts, hits)


def hits_of(contexts: Iterable[Locked], advisories: Sequence[Advisory]) -> Answer:
    """Who pins what an advisory says is affected."""
    by_name: dict[str, list[tuple[Advisory, Affected]]] = {}
    for advisory in advisories:
        for affected in advisory.affected:
            by_name.setdefault(affected.name, []).append((advisory, affected))

    def hits(locked: Locked) -> Iterator[Hit]:
        for pin in locked.pins:
            for advisory, affected in by_name.get(pin.name, ()):
                if affected.hits(pin.version):
                    yield Hit(
                        context=locked.name,
                        pin=pin,
                        advisory=advisory.id,
                        aliases=advisory.aliases,
                        summary=advisory.summary,
                        fixed_in=str(affected.fixed_in(pin.version) or ""),
                    )

    return _answer(contexts, hits)


def savings_of(contexts: Iterable[Locked]) -> Savings:
    """What one wheelhouse for all saves against one for each."""
    sizes: dict[str, int] = {}
    unreadable: list[tuple[str, str]] = []
    count = wheels = separate = to_build = 0
    for locked in contexts:
        count += 1
        if locked.failure:
            unreadable.append((locked.name, str(locked.failure)))
        wheels += len(locked.files)
        separate += sum(file.size for file in locked.files)
        to_build += locked.to_build
        sizes |= {file.sha256: file.size for file in locked.files}
    return Savings(
        contexts=count,
        wheels=wheels,
        distinct=len(sizes),
        separate=separate,
        shared=sum(sizes.values()),
        unsized=sum(not size for size in sizes.values()),
        to_build=to_build,
        unreadable=tuple(sorted(unreadable)),
    )


def _answer(contexts: Iterable[Locked], hits: _Hits) -> Answer:
    found: dict[Hit, None] = {}
    unreadable: list[tuple[str, str]] = []
    count = 0
    for locked in contexts:
        count += 1
        if locked.failure:
            unreadable.append((locked.name, str(locked.failure)))
        found |= dict.fromkeys(hits(locked))
    return Answer(
        contexts=count,
        hits=tuple(sorted(found, key=_order)),
        unreadable=tuple(sorted(unreadable)),
    )


def _order(hit: Hit) -> tuple[str, str, str, str]:
    return hit.context, hit.pin.platform, hit.pin.name, hit.advisory


def _row(hit: Hit) -> str:
    by = f" ({hit.pin.by})" if hit.pin.by != "pip" else ""
    text = f"{hit.pin.name} {hit.pin.version}{by}, {hit.pin.platform}"
    if not hit.advisory:
        return text
    named = ", ".join((hit.advisory, *hit.aliases))
    fixed = f"; fixed in {hit.fixed_in}" if hit.fixed_in else ""
    return f"{text}: {named}{fixed}"
