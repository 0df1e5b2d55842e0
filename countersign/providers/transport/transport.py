"""One call, from its credentials to its result or its one error."""

import asyncio
import functools
import ssl
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final, Self, TypeVar
from urllib.parse import urlsplit

import httpx

from countersign.loopback import LOOPBACK_HOSTS
from countersign.observability.correlation import request_id
from countersign.providers import retry_after
from countersign.providers.calls import Call, Limits
from countersign.providers.errors import KeyReplacedError, ProviderError
from countersign.providers.outcomes import Refusal, error_of_failure, error_of_status
from countersign.providers.transport.answers import json_or_none, parse_answer, read_body
from countersign.providers.transport.connections import api_transport, default_tls, file_transport
from countersign.providers.transport.files import Files
from countersign.providers.transport.ports import Credentials, Gate, OpenGate, RemoteFile
from countersign.providers.transport.report import Report
from countersign.providers.transport.request import RequestBuilder
from countersign.proxy import environment_proxy, no_proxy

T = TypeVar("T")

_UNSENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
"""The failures that prove that a request never left. After any other failure it may have left."""


class _Exchange:
    """One exchange: the status of its response, once there is one."""

    status: int | None = None


class Transport:
    """A pooled client for one base URL.

    Args:
        base_url: `https://host`; plain http only for this machine.
        provider: The provider's name, for metrics and logs.
        credentials: Authenticate calls; read again after a 401.
        explain: Reads an error body (None if it was not JSON), given the call.
        gate: The circuit.
        limits: Times and connections.
        trust_env: Whether `HTTPS_PROXY`, `NO_PROXY` and `SSL_CERT_FILE` apply; never for this machine.
        tls: The TLS settings, for a company's own certificate authority; must verify.
        correlate: Names each request, for `X-Request-ID`.
        log_bodies: Whether bodies are logged, redacted and cut, at DEBUG.

    Raises:
        ValueError: The base URL or the TLS settings are not safe.
    """

    def __init__(
        self,
        base_url: str,
        *,
        provider: str,
        credentials: Credentials,
        explain: Callable[[Any, Call], Refusal],
        gate: Gate | None = None,
        limits: Limits | None = None,
        trust_env: bool = False,
        tls: ssl.SSLContext | None = None,
        correlate: Callable[[], str] = request_id,
        log_bodies: bool = False,
    ) -> None:
        url = urlsplit(base_url)
        loopback = url.hostname in LOOPBACK_HOSTS
        if url.scheme != "https" and not (url.scheme == "http" and loopback):
            raise ValueError("base_url: must be https; plain http is for this machine only")
        if tls is not None and (tls.verify_mode != ssl.CERT_REQUIRED or not tls.check_hostname):
            raise ValueError("tls: must verify the certificate and the host's name")
        self.base_url = base_url.rstrip("/")
        self._origin = f"{url.scheme}://{url.netloc.rpartition('@')[2]}"
        self.limits = limits or Limits()
        self._report = Report(provider, url.hostname or "")
        proxy_to = environment_proxy if trust_env else no_proxy
        proxy = proxy_to(url.hostname or "")
        tls = tls or default_tls(trust_env=trust_env)
        self._api = api_transport(self.limits, tls, proxy)
        self._requests = RequestBuilder(self.base_url, self.limits, proxied=proxy is not None)
        self._files = Files(
            self._report,
            self._requests,
            proxy_to=proxy_to,
            connect=functools.partial(file_transport, self.limits, tls),
        )
        self._credentials = credentials
        self._explain = explain
        self._gate = gate or OpenGate()
        self._correlate = correlate
        self._log_bodies = log_bodies

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._api.aclose()
        await self._files.close()

    async def request(self, call: Call, parse: Callable[[Any], T]) -> T:
        """Make a call, once.

        Args:
            call: What to ask.
            parse: Reads the JSON of a 2xx response (None for an empty one); its ValueError, KeyError,
                TypeError or AttributeError means that the contract is broken.

        Raises:
            ProviderError: Exactly one of its kinds, see `outcomes.py`.
        """
        started, correlation, exchange = time.perf_counter(), self._correlate(), _Exchange()
        error: ProviderError | None = None
        try:
            with nullcontext() if call.probes else self._gate.guard(call.operation):
                return await self._answer(call, correlation, exchange, parse)
        except ProviderError as problem:
            error = problem
            raise
        finally:
            self._report.call(call, exchange.status, error, time.perf_counter() - started, correlation)

    async def _answer(
        self, call: Call, correlation: str, exchange: _Exchange, parse: Callable[[Any], T]
    ) -> T:
        credentials = await self._credentials.headers()
        headers, body = await self._send(call, self._requests.call(call, correlation, credentials), exchange)
        if self._log_bodies:
            self._report.bodies(call, body)
        if exchange.status == HTTPStatus.UNAUTHORIZED and await self._credentials.renew(credentials):
            raise KeyReplacedError(
                f"{call.operation}: rejected with a key that has been replaced", operation=call.operation
            )
        return self._result(call, exchange.status or 0, headers, body, parse)

    async def _send(
        self, call: Call, request: httpx.Request, exchange: _Exchange
    ) -> tuple[httpx.Headers, bytes]:
        total = self.limits.write_total if call.writes else self.limits.read_total
        try:
            async with asyncio.timeout(total):
                response = await self._api.handle_async_request(request)
                exchange.status = response.status_code
                async with aclosing(response):
                    return response.headers, await read_body(response)
        except Exception as cause:  # noqa: BLE001  # any failure after a write has left is an unknown outcome
            raise error_of_failure(
                cause,
                operation=call.operation,
                origin=self._origin,
                writes=call.writes,
                left=not isinstance(cause, _UNSENT),
            ) from None

    def _result(
        self, call: Call, status: int, headers: httpx.Headers, body: bytes, parse: Callable[[Any], T]
    ) -> T:
        if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            return parse_answer(call, headers, body, parse)
        wait = retry_after.seconds_to_wait(
            headers.get("Retry-After"), now=datetime.now(UTC), limit=self.limits.retry_after
        )
        raise error_of_status(
            status,
            operation=call.operation,
            writes=call.writes,
            needs_role=call.needs_role,
            refusal=self._explain(json_or_none(body), call),
            retry_after=wait if "Retry-After" in headers or status == HTTPStatus.TOO_MANY_REQUESTS else None,
        )

    def open(self, url: str, *, operation: str) -> AbstractAsyncContextManager[RemoteFile]:
        """Open a file elsewhere; see `Files.open`."""
        return self._files.open(url, operation=operation)
