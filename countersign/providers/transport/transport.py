"""One call, from its credentials to its result or its one error."""

import asyncio
import functools
import json
import logging
import math
import ssl
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final, Self, TypeVar, cast
from urllib.parse import urlsplit

import httpx

from countersign.loopback import LOOPBACK_HOSTS
from countersign.observability import tracing
from countersign.observability.correlation import request_id
from countersign.observability.metrics import PROVIDER_CALL_SECONDS, PROVIDER_CALLS
from countersign.observability.redaction import redact_body
from countersign.providers import retry_after
from countersign.providers.calls import Call, Limits
from countersign.providers.errors import ContractBrokenError, KeyReplacedError, ProviderError
from countersign.providers.outcomes import Refusal, broken, error_of_failure, error_of_status
from countersign.providers.transport.connections import api_transport, default_tls, file_transport
from countersign.providers.transport.ports import Credentials, Gate, OpenGate, RemoteFile
from countersign.proxy import environment_proxy, no_proxy

OK: Final = "ok"
_log = logging.getLogger("countersign.providers")
_calls = functools.cache(PROVIDER_CALLS.labels)
_seconds = functools.cache(PROVIDER_CALL_SECONDS.labels)


@dataclass(frozen=True, slots=True)
class Report:
    """Reports the exchanges with one provider.

    Args:
        provider: Its name, for metrics and logs.
        host: The host of its API.
    """

    provider: str
    host: str

    def call(
        self, call: Call, status: int | None, error: ProviderError | None, seconds: float, request_id: str
    ) -> None:
        """Report how a call of the API ended."""
        outcome = OK if error is None else outcome_of(error)
        _calls(self.provider, call.operation, outcome).inc()
        _seconds(self.provider, call.operation).observe(seconds)
        tracing.record_call(
            call.method, call.path, host=self.host, seconds=seconds, status=status, error=_failed(outcome)
        )
        if _log.isEnabledFor(logging.INFO):
            reported = {
                "provider": self.provider,
                "operation": call.operation,
                "method": call.method,
                "host": self.host,
                "path": call.path,
                "status": status,
                "outcome": outcome,
                "ms": round(seconds * 1000, 1),
                "request_id": request_id,
            }
            _log.handle(
                _log.makeRecord(
                    _log.name, logging.INFO, __file__, 0, "provider call", (), None, "call", reported
                )
            )  # as `_log.info` does, without the costly search for the caller

    def bodies(self, call: Call, received: bytes) -> None:
        """Show what was sent and received, redacted and cut."""
        sent = redact_body(json.dumps(call.body or call.form).encode())
        reported = {"operation": call.operation, "sent": sent, "received": redact_body(received)}
        _log.debug("provider bodies", extra=reported)

    def file(self, operation: str, host: str, status: int | None, outcome: str, seconds: float) -> None:
        """Report how the download of a file ended."""
        tracing.record_call(
            "GET", operation, host=host, seconds=seconds, status=status, error=_failed(outcome)
        )
        _log.info(
            "provider file",
            extra={
                "provider": self.provider,
                "operation": operation,
                "method": "GET",
                "host": host,
                "status": status,
                "outcome": outcome,
                "ms": round(seconds * 1000, 1),
            },
        )


def outcome_of(error: ProviderError) -> str:
    """Name what a call ended in."""
    return type(error).__name__.removesuffix("Error")


def _failed(outcome: str) -> str | None:
    return None if outcome == OK else outcome


T = TypeVar("T")

ANSWER_LIMIT: Final = 16 * 1024 * 1024
"""Bytes of a decoded response. A larger one, or a compression bomb, breaks the contract."""
ERROR_LIMIT: Final = 64 * 1024
"""Bytes of an error body, decoded; the rest is not read. No error that explains itself is longer."""

_PACKED: Final = frozenset({"gzip", "deflate", "br", "zstd"})
"""What httpx may unpack. We ask for gzip: others, or one in another, make gigabytes of a kilobyte at once."""


class AnswerTooLargeError(Exception):
    """A response over `ANSWER_LIMIT`."""


async def read_body(response: httpx.Response) -> bytes:
    """Read a body, decoded; of an error at most `ERROR_LIMIT` bytes.

    Raises:
        AnswerTooLargeError: A 2xx body is longer than `ANSWER_LIMIT`.
        httpx.HTTPError: It broke off, or is not encoded as it says.
    """
    body = bytearray()
    async for chunk in chunks(response):
        body += chunk
        if not response.is_success and len(body) > ERROR_LIMIT:
            break
        if len(body) > ANSWER_LIMIT:
            raise AnswerTooLargeError
    return bytes(body if response.is_success else body[:ERROR_LIMIT])


def chunks(response: httpx.Response) -> AsyncIterator[bytes]:
    """Read a body piece by piece, decoded.

    Raises:
        httpx.HTTPError: While it is read; at once if it is encoded in a way that we do not take.
    """
    if "Content-Encoding" not in response.headers:  # then httpx's decoding, counting is for nothing
        return aiter(cast("AsyncIterable[bytes]", response.stream))
    codings = response.headers.get_list("Content-Encoding", split_commas=True)
    packed = [item for item in map(str.lower, codings) if item in _PACKED]
    if packed not in ([], ["gzip"]):
        raise httpx.DecodingError("packed in a way that was not asked for")
    return response.aiter_bytes()


def parse_answer(call: Call, headers: httpx.Headers, body: bytes, parse: Callable[[Any], T]) -> T:
    """Read a 2xx answer's JSON, or None where it is empty, with the call's own parser.

    Raises:
        ContractBrokenError: A read got another response.
        OutcomeUnknownError: A write was.
    """
    media_type = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if body and media_type != "application/json" and not media_type.endswith("+json"):
        raise broken("not as JSON", operation=call.operation, writes=call.writes)
    try:
        return parse(json.loads(body.decode()) if body else None)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise broken("not with what it must hold", operation=call.operation, writes=call.writes) from None


def json_or_none(body: bytes) -> Any:
    """Read the body of an error response, which may hold anything."""
    try:
        return json.loads(body.decode())
    except (ValueError, RecursionError):
        return None


_HEADERS: Final = {"User-Agent": "countersign", "Accept": "application/json", "Accept-Encoding": "gzip"}
_OF_FILES: Final = {"User-Agent": "countersign", "Accept": "*/*", "Accept-Encoding": "identity"}
_NO_BODY: Final = httpx.ByteStream(b"")


class RequestBuilder:
    """Makes requests for one base URL.

    Args:
        base_url: It, without a slash at its end.
        limits: How long the phases of a request may take.
        proxied: Whether a proxy is used.
    """

    def __init__(self, base_url: str, limits: Limits, *, proxied: bool) -> None:
        self._base_url = base_url
        self._url = httpx.URL(base_url)
        self._host = self._url.netloc.decode("ascii")
        self._prefix = self._url.raw_path.rstrip(b"/")
        self._proxied = proxied
        self._reading = _phases(limits, limits.read_total)
        self._writing = _phases(limits, limits.write_total)
        self._of_files = _phases(limits, math.inf)

    def call(self, call: Call, correlation: str, credentials: Mapping[str, str]) -> httpx.Request:
        """Make the request of a call; `correlation` is its id, `credentials` are headers."""
        headers = {"Host": self._host, **_HEADERS, **credentials, "X-Request-ID": correlation}
        if not call.writes:
            return self._request(call, headers, self._reading, stream=_NO_BODY)
        headers["Idempotency-Key"] = call.idempotency_key or correlation
        if call.file is None:
            headers["Content-Type"] = "application/json"
            return self._request(call, headers, self._writing, json=call.body)
        file = call.file.name, call.file.content, call.file.media_type
        return self._request(call, headers, self._writing, data=call.form, files={call.file.field: file})

    def file(self, url: str) -> httpx.Request:
        """Build the request for a file of another host, without headers of ours."""
        return httpx.Request("GET", url, headers=_OF_FILES, extensions={"timeout": self._of_files})

    def _request(
        self, call: Call, headers: dict[str, str], phases: Mapping[str, float | None], **body: Any
    ) -> httpx.Request:
        url: httpx.URL | str = self._url
        extensions: dict[str, Any] = {"timeout": phases}
        if self._proxied:  # its CONNECT would take the target over
            url = self._base_url + call.target
        else:
            extensions["target"] = self._prefix + call.target.encode("ascii")
        return httpx.Request(call.method, url, headers=headers, extensions=extensions, **body)


def _phases(limits: Limits, total: float) -> dict[str, float | None]:
    """Limit the phases of a request; a phase that may last as long as the whole needs no timer.

    Connecting and waiting for a connection always end before the whole does: only their own time-outs prove
    that nothing left.
    """
    before = {"connect": min(limits.connect, total / 2), "pool": min(limits.pool, total / 2)}
    after = {"read": limits.read, "write": limits.write}
    return before | {name: limit if limit < total else None for name, limit in after.items()}


def _no_file(_body: Any) -> None:
    raise ValueError


_UNSENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
"""The failures that prove that a request never left. After any other failure it may have left."""


class _Exchange:
    """One exchange: the status of its response, once there is one."""

    status: int | None = None


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
        throttling_names_a_wait: A 429 of this provider has a Retry-After; one without it is a quota of the
            plan, which refuses the key.

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
        throttling_names_a_wait: bool = False,
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
        self._throttling_names_a_wait = throttling_names_a_wait

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
            with nullcontext() if call.probes else self._gate.guard(call.operation, counts=call.counts):
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
        refusal = self._explain(json_or_none(body), call)
        is_throttled = status == HTTPStatus.TOO_MANY_REQUESTS
        if is_throttled and self._throttling_names_a_wait and "Retry-After" not in headers:
            refusal = replace(refusal, about_key=True)
        raise error_of_status(
            status,
            operation=call.operation,
            writes=call.writes,
            needs_role=call.needs_role,
            refusal=refusal,
            retry_after=wait if "Retry-After" in headers or is_throttled else None,
        )

    @asynccontextmanager
    async def stream(self, call: Call) -> AsyncIterator[RemoteFile]:
        """Open a file of the API itself, with credentials and through the circuit.

        Raises:
            ProviderError: Exactly one of its kinds; the response is another than 200, or broke.
        """
        started, correlation, exchange = time.perf_counter(), self._correlate(), _Exchange()
        error: ProviderError | None = None
        try:
            with self._gate.guard(call.operation):
                credentials = await self._credentials.headers()
                request = self._requests.call(call, correlation, credentials)
                request.headers["Accept"] = "*/*"
                try:
                    response = await self._api.handle_async_request(request)
                    exchange.status = response.status_code
                    async with aclosing(response):
                        if response.status_code != HTTPStatus.OK:
                            body = await read_body(response)
                            self._result(call, response.status_code, response.headers, body, _no_file)
                        yield RemoteFile(response.status_code, response.headers, chunks(response))
                except httpx.HTTPError as cause:
                    left = not isinstance(cause, _UNSENT)
                    raise error_of_failure(
                        cause, operation=call.operation, origin=self._origin, writes=False, left=left
                    ) from None
        except ProviderError as problem:
            error = problem
            raise
        finally:
            self._report.call(call, exchange.status, error, time.perf_counter() - started, correlation)

    def open(self, url: str, *, operation: str) -> AbstractAsyncContextManager[RemoteFile]:
        """Open a file elsewhere; see `Files.open`."""
        return self._files.open(url, operation=operation)
