"""Fetching a presigned file: only from where we expect it, never more than allowed, never for ever."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final
from urllib.parse import SplitResult, urlsplit

from countersign.loopback import LOOPBACK_HOSTS
from countersign.providers import retry_after
from countersign.providers.calls import Call, Limits
from countersign.providers.errors import ContractBrokenError, ThrottledError, UnavailableError
from countersign.providers.port import Sink
from countersign.providers.transport import RemoteFile, Transport

_OPERATION: Final = "download"


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadRules:
    """The rules of downloads.

    Args:
        hosts: The hosts, or with a leading dot their domains, that presigned links may point to.
        seconds: The time limit of a download.
    """

    hosts: tuple[str, ...] = (".amazonaws.com",)
    seconds: float = Limits().download_total


async def download(
    transport: Transport,
    url: str,
    sink: Sink,
    *,
    max_bytes: int,
    rules: DownloadRules,
    heartbeat: Callable[[int], object] | None = None,
) -> int:
    """Stream a presigned file into a sink, without credentials.

    Args:
        transport: The connections to use.
        url: The link, as fresh as possible: it expires.
        sink: Takes the bytes; what it holds after an error is worthless.
        max_bytes: The largest file to accept.
        rules: From where, and for how long.
        heartbeat: Called with the number of bytes after every chunk.

    Returns:
        How many bytes there were.

    Raises:
        ContractBrokenError: The link points elsewhere, or the file is too large.
        ThrottledError: 429.
        UnavailableError: Anything else; a fresh link may help.
    """
    _check(url, transport, rules)
    try:
        async with asyncio.timeout(rules.seconds), transport.open(url, operation=_OPERATION) as file:
            _raise_for(file, limit=transport.limits.retry_after)
            return await _copy(file, sink, max_bytes, heartbeat)
    except TimeoutError:
        raise UnavailableError("download: took too long", operation=_OPERATION) from None


async def download_own(
    transport: Transport,
    call: Call,
    sink: Sink,
    *,
    max_bytes: int,
    heartbeat: Callable[[int], object] | None = None,
) -> int:
    """Stream a file of the provider's own API into a sink, with credentials.

    Args:
        transport: The connections to use.
        call: The request.
        sink: Takes the bytes; what it holds after an error is worthless.
        max_bytes: The largest file to accept.
        heartbeat: Called with the number of bytes after every chunk.

    Returns:
        How many bytes there were.

    Raises:
        ProviderError: The provider refuses, fails or is too slow, or the file is too large.
    """
    try:
        async with asyncio.timeout(transport.limits.download_total), transport.stream(call) as file:
            return await _copy(file, sink, max_bytes, heartbeat)
    except TimeoutError:
        raise UnavailableError(f"{call.operation}: took too long", operation=call.operation) from None


async def _copy(
    file: RemoteFile, sink: Sink, max_bytes: int, heartbeat: Callable[[int], object] | None
) -> int:
    size = 0
    async for chunk in file.chunks:
        size += len(chunk)
        if size > max_bytes:
            raise ContractBrokenError("download: larger than allowed", operation=_OPERATION)
        sink.write(chunk)
        if heartbeat:
            heartbeat(size)
    return size


def _check(url: str, transport: Transport, rules: DownloadRules) -> None:
    try:
        parts = urlsplit(url)
        allowed = _is_allowed(parts, rules) or _is_sandbox(parts, transport)
    except ValueError:
        allowed = False
    if not allowed:
        raise ContractBrokenError("download: the link names a host that is not allowed", operation=_OPERATION)


def _is_allowed(url: SplitResult, rules: DownloadRules) -> bool:
    host = (url.hostname or "").lower()
    known = any(
        host == allowed or (allowed.startswith(".") and host.endswith(allowed)) for allowed in rules.hosts
    )
    return known and url.scheme == "https" and url.port in {None, 443} and url.username is None


def _is_sandbox(url: SplitResult, transport: Transport) -> bool:
    base = urlsplit(transport.base_url)
    same = (url.scheme, url.port) == (base.scheme, base.port)
    return same and base.hostname in LOOPBACK_HOSTS and url.hostname in LOOPBACK_HOSTS


def _raise_for(file: RemoteFile, *, limit: float) -> None:
    if file.status == HTTPStatus.TOO_MANY_REQUESTS:
        wait = retry_after.seconds_to_wait(
            file.headers.get("Retry-After"), now=datetime.now(UTC), limit=limit
        )
        raise ThrottledError("download: throttled (429)", operation=_OPERATION, retry_after=wait)
    if file.status != HTTPStatus.OK:
        raise UnavailableError(f"download: HTTP {file.status}", operation=_OPERATION)
