"""Read files of other hosts behind presigned links."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager

import httpx

from countersign.providers.errors import ContractBrokenError, ProviderError
from countersign.providers.outcomes import error_of_failure
from countersign.providers.transport.ports import RemoteFile
from countersign.providers.transport.transport import OK, Report, RequestBuilder, chunks, outcome_of


class Files:
    """Connections to file hosts, which are not the API's: a proxy may lead to one and not to the other.

    Args:
        report: Logs and counts every file.
        requests: Makes the requests.
        proxy_to: Finds the proxy that leads to a host, if any.
        connect: Opens connections, through a proxy if any.
    """

    def __init__(
        self,
        report: Report,
        requests: RequestBuilder,
        *,
        proxy_to: Callable[[str], str | None],
        connect: Callable[[str | None], httpx.AsyncBaseTransport],
    ) -> None:
        self._report = report
        self._requests = requests
        self._proxy_to = proxy_to
        self._connect = connect
        self._by_proxy: dict[str | None, httpx.AsyncBaseTransport] = {}

    async def close(self) -> None:
        """Close all connections."""
        for client in self._by_proxy.values():
            await client.aclose()

    @asynccontextmanager
    async def open(self, url: str, *, operation: str) -> AsyncIterator[RemoteFile]:
        """Open a file, without credentials or redirects; the circuit ignores it.

        Raises:
            ContractBrokenError: The link is no address.
            UnavailableError: It could not be reached, or broke while it was read.
        """
        try:
            request = self._requests.file(url)
        except (httpx.InvalidURL, ValueError):
            raise ContractBrokenError(f"{operation}: the link is no address", operation=operation) from None
        host, started, status, outcome = request.url.host, time.perf_counter(), None, "Unavailable"
        origin = f"{request.url.scheme}://{request.url.netloc.decode('ascii')}"
        try:
            response = await self._to(host).handle_async_request(request)
            status = response.status_code
            async with aclosing(response):
                yield RemoteFile(status, response.headers, chunks(response))
            outcome = OK
        except ProviderError as problem:
            outcome = outcome_of(problem)
            raise
        except httpx.HTTPError as cause:
            raise error_of_failure(
                cause, operation=operation, origin=origin, writes=False, left=True
            ) from None
        finally:
            self._report.file(operation, host, status, outcome, time.perf_counter() - started)

    def _to(self, host: str) -> httpx.AsyncBaseTransport:
        proxy = self._proxy_to(host)
        if proxy not in self._by_proxy:
            self._by_proxy[proxy] = self._connect(proxy)
        return self._by_proxy[proxy]
