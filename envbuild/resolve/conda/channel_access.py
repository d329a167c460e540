"""How a solver reaches channels without knowing who we are.

It is given addresses without user, password or token, and a proxy on loopback that adds them, each
for its own channel, and that speaks TLS with the certificates of the user. So no credential is in
an argument, an environment, a file, or the cache of repodata, which is keyed by these addresses.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from envbuild.ambient import Ambient
from envbuild.errors import EnvbuildError, IndexUnavailableError
from envbuild.fetch.credentials import (
    CredentialStore,
    origin_of,
    split_credentials,
    split_token,
)
from envbuild.fetch.relay import Relay
from envbuild.fetch.routes import Routes
from envbuild.fetch.transport import Transport
from envbuild.process import Runner, run

__all__ = ["ChannelAccess", "bare_channel", "open_channels"]

_WEB = ("http://", "https://")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelAccess:
    """``failures`` says why a server could not be reached, by its origin; it fills up."""

    routes: Routes
    failures: Mapping[str, str]
    proxy: Relay | None = field(default=None, repr=False)

    def inside(self, address: str) -> str:
        """``address`` as the solver is to be told of it: without credentials, by way of the proxy.

        The same offline, where nobody answers: the cache knows it by this name.
        """
        return self.routes.inside(bare_channel(address))

    def outside(self, text: str) -> str:
        """What the solver says, with addresses as they are outside, without credentials."""
        return self.routes.outside(text)

    def environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        """``environ`` with the proxy in place of any other."""
        return self.proxy.environment(environ) if self.proxy else dict(environ)

    def explain(self, error: EnvbuildError) -> EnvbuildError:
        """``error`` of the solver, or the reason that only the proxy knows: no connection."""
        if not isinstance(error, IndexUnavailableError) or not self.failures:
            return error
        origin, reason = min(self.failures.items())
        return IndexUnavailableError(
            "the channel cannot be reached",
            where=origin,
            details=(reason,),
            remedy=(
                "its address, the proxy and the certificates; or --offline; or --runtime pip, which"
                " takes from PyPI what is there"
            ),
        )


@contextmanager
def open_channels(
    addresses: Iterable[str], ambient: Ambient, *, offline: bool = False, runner: Runner = run
) -> Iterator[ChannelAccess]:
    """Access to the channels at ``addresses`` (expanded, credentials inside) until it is left."""
    addresses = tuple(address for address in addresses if address.startswith(_WEB))
    # A token tells a server who we are as well as a password does; both may be there.
    secret = [split_credentials(address)[0] for address in addresses if split_token(address)[1]]
    routes = Routes.of({origin_of(address) for address in addresses}, secret)
    with ExitStack() as stack:
        relay = None
        if addresses and not offline:
            store = CredentialStore.of(ambient, addresses, runner=runner)
            transport = Transport(environ=ambient.environ, credentials=store)
            relay = stack.enter_context(Relay(transport, routes, follows=True))
        failures = relay.failures if relay else {}
        yield ChannelAccess(routes=routes, failures=failures, proxy=relay)


def bare_channel(address: str) -> str:
    """``address`` without user, password and token."""
    return split_token(split_credentials(address)[0])[0]
