"""Certificates, read once: requests would load the whole bundle again for every connection."""

from __future__ import annotations

import functools
import ssl

from requests.adapters import HTTPAdapter

from envbuild.errors import IndexUnavailableError

__all__ = ["TrustingAdapter", "trusted"]


@functools.cache
def trusted(certificates: str) -> ssl.SSLContext:
    """What servers are checked by: the bundle in a file, or certifi's when that is empty.

    Raises:
        IndexUnavailableError: the file is none of certificates.
    """
    import certifi

    try:
        return ssl.create_default_context(cafile=certificates or certifi.where())
    except OSError as error:
        raise IndexUnavailableError(
            f"the certificates cannot be read: {error.strerror or error}",
            where=certificates,
            remedy="REQUESTS_CA_BUNDLE or SSL_CERT_FILE with a file of certificates",
        ) from error


class TrustingAdapter(HTTPAdapter):
    """An adapter whose connections share one context; ``verify`` of a request does not count."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__()

    def init_poolmanager(self, *args: object, **kwargs: object) -> None:
        """The pools of direct connections."""
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)  # type: ignore[arg-type]

    def proxy_manager_for(self, proxy: str, **kwargs: object) -> object:
        """The pools of connections through a proxy, to which TLS may be spoken as well."""
        return super().proxy_manager_for(
            proxy, ssl_context=self._context, proxy_ssl_context=self._context, **kwargs
        )

    def cert_verify(self, conn: object, url: object, verify: object, cert: object) -> None:
        """Nothing: the context has the certificates and requires one of the server."""
