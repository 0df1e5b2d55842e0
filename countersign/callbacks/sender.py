"""Post to a URL that somebody else has named.

The name is resolved once. All of its addresses are checked, and the connection goes to one of them, so that
a name cannot lead elsewhere between check and connection. TLS and the header `Host` keep the name. Redirects
are not followed, proxies are not used, and the body of the response is not read.
"""

import asyncio
import ipaddress
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import httpx

from countersign.agreements.addresses import CallbackUrl, IpAddress, IpNetwork, is_in, is_public
from countersign.providers.transport.connections import default_tls

logging.getLogger("httpcore").setLevel(logging.WARNING)  # below it, it prints addresses and headers

SECONDS: Final = 10.0
"""How long a call may take: resolving, connecting, sending, and the head of the response."""
_RESOLVERS: Final = 8
"""Threads that resolve names. A resolver that hangs must not take the threads that the store needs."""
_WRITING: Final = ".send_request_headers.started"
_RETRY_AFTER: Final = "Retry-After"

Resolve = Callable[[str, int], Awaitable[Sequence[IpAddress]]]
"""Resolves a host and a port; raises OSError."""


class NotConnectedError(Exception):
    """Nothing was sent. The message names no host."""


class NoResponseError(Exception):
    """It was sent, at least in part, and there was no response. The message names no host."""


@dataclass(frozen=True, slots=True)
class Response:
    """The head of a response: its status, and its header `Retry-After`."""

    status: int
    retry_after: str | None


class CallbackSender:
    """Posts callbacks, each over a connection of its own.

    Args:
        tls: The TLS settings; by default the usual authorities, or those of `SSL_CERT_FILE`.
        private_networks: Networks that a name may lead to beside the internet, also with plain http.
        resolve: Resolves names; by default with the system's resolver.
        seconds: How long a call may take.
    """

    def __init__(
        self,
        *,
        tls: ssl.SSLContext | None = None,
        private_networks: Sequence[IpNetwork] = (),
        resolve: Resolve | None = None,
        seconds: float = SECONDS,
    ) -> None:
        self._tls = tls or default_tls(trust_env=True)
        self._private_networks = private_networks
        self._threads = ThreadPoolExecutor(_RESOLVERS, thread_name_prefix="resolver")
        self._resolve = resolve or self._ask_system
        self._seconds = seconds

    async def post(self, url: CallbackUrl, headers: Mapping[str, str], body: bytes) -> Response:
        """Post a body, once.

        Args:
            url: The URL, allowed by the settings. A name of this machine may lead to this machine alone, any
                other name to the private networks and, with https, to public addresses.
            headers: The headers beside `Host`, `Content-Length` and the like.
            body: The body, which is JSON.

        Raises:
            NotConnectedError: Nothing was sent.
            NoResponseError: It was sent, at least in part.
        """
        exchange = _Exchange()
        try:
            async with asyncio.timeout(self._seconds):
                return await self._post(url, headers, body, exchange)
        except TimeoutError:
            raise self._failure(exchange, f"no response within {self._seconds:g} s") from None
        except (httpx.HTTPError, OSError, ssl.SSLError) as error:
            raise self._failure(exchange, _reason(error)) from None

    async def _post(
        self, url: CallbackUrl, headers: Mapping[str, str], body: bytes, exchange: "_Exchange"
    ) -> Response:
        addresses = await self._addresses(url)
        for address in addresses:
            request = self._request(url, address, headers, body, exchange)
            if address is not addresses[-1]:  # one that drops packets must leave time for the others
                request.extensions["timeout"]["connect"] = self._seconds / len(addresses)
            async with httpx.AsyncHTTPTransport(
                verify=self._tls, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0)
            ) as transport:
                try:
                    response = await transport.handle_async_request(request)
                except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                    exchange.refused = error  # another address of the same name may do
                    continue
                await response.aclose()
                return Response(response.status_code, response.headers.get(_RETRY_AFTER))
        raise exchange.refused or NotConnectedError("the host has no address")

    async def _addresses(self, url: CallbackUrl) -> Sequence[IpAddress]:
        """Resolve the host, and check every address.

        Raises:
            NotConnectedError: The host cannot be resolved, or one of its addresses must not be called.
        """
        try:
            addresses = await self._resolve(url.host, url.port)
        except OSError:
            raise NotConnectedError("the host cannot be resolved") from None
        if not all(self._may_be_called(url, address) for address in addresses):
            raise NotConnectedError("the host has an address that must not be called")
        return addresses

    def _may_be_called(self, url: CallbackUrl, address: IpAddress) -> bool:
        if url.is_loopback:
            return address.is_loopback
        return is_in(address, self._private_networks) or (not url.is_plain and is_public(address))

    async def _ask_system(self, host: str, port: int) -> Sequence[IpAddress]:
        found = await asyncio.get_running_loop().run_in_executor(
            self._threads, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        )
        return [ipaddress.ip_address(entry[4][0]) for entry in found]

    def _request(
        self,
        url: CallbackUrl,
        address: IpAddress,
        headers: Mapping[str, str],
        body: bytes,
        exchange: "_Exchange",
    ) -> httpx.Request:
        host = f"[{address}]" if address.version == 6 else str(address)  # noqa: PLR2004  # IPv6
        own = {
            "Host": url.authority,
            "User-Agent": "countersign",
            "Accept": "*/*",
            "Content-Type": "application/json",
            "Connection": "close",
        }
        phases = dict.fromkeys(("connect", "read", "write", "pool"), self._seconds)
        extensions: dict[str, Any] = {
            "timeout": phases,
            "target": url.target.encode(),
            "trace": exchange.trace,
        }
        if url.scheme == "https":
            extensions["sni_hostname"] = url.host
        return httpx.Request(
            "POST",
            f"{url.scheme}://{host}:{url.port}",
            headers={**own, **headers},
            content=body,
            extensions=extensions,
        )

    @staticmethod
    def _failure(exchange: "_Exchange", reason: str) -> NotConnectedError | NoResponseError:
        return (NoResponseError if exchange.has_left else NotConnectedError)(reason)


class _Exchange:
    """What is known of one exchange: whether anything was sent, and why no address could be connected to."""

    def __init__(self) -> None:
        self.has_left = False
        self.refused: httpx.ConnectError | httpx.ConnectTimeout | None = None

    async def trace(self, event: str, _info: Mapping[str, Any]) -> None:
        self.has_left = self.has_left or event.endswith(_WRITING)


def _reason(error: Exception) -> str:
    """Return why a call failed, without the library's own words, which may quote addresses."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return "its certificate is not valid"
        if isinstance(cause, ssl.SSLError):
            return "TLS failed"
        cause = cause.__cause__ or cause.__context__
    return "the connection was refused" if isinstance(error, httpx.ConnectError) else "the connection broke"
