"""Every status and every transport failure ends in exactly one error, for reads and for writes."""

import asyncio
import gzip
import json
import socket
import ssl
import zlib
from collections.abc import Iterator

import httpx
import pytest
import trustme

from countersign.providers import errors
from countersign.providers.calls import Limits
from countersign.providers.transport import transport
from countersign.providers.transport.transport import ERROR_LIMIT
from tests.providers.provider_calls import Operation, error_of, read, write
from tests.providers.provider_edge import PREPARED, STATUS, Exchange, Reply, client, edge, response

QUICK = Limits(read=0.3, read_total=1, write_total=1)
PROOFS = {httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError}
FAILURES = [
    kind
    for kind in (*vars(httpx).values(), OSError, RuntimeError, TimeoutError, TypeError)
    if isinstance(kind, type) and issubclass(kind, httpx.TransportError | OSError | RuntimeError | TypeError)
]
OPERATIONS = [pytest.param(read, id="read"), pytest.param(write, id="write")]


def expected(status: int, *, writes: bool) -> type[errors.ProviderError] | None:
    """Read off the table of faults: an independent statement of `outcomes.py`."""
    if status in {401, 402, 403}:
        return errors.UnauthorizedError
    if status == 429:
        return errors.ThrottledError
    if status in {101, 408, 499} or status >= 500:
        return errors.OutcomeUnknownError if writes else errors.UnavailableError
    if status >= 400:
        return errors.RejectedError
    if status < 300:
        return None
    return errors.OutcomeUnknownError if writes else errors.ContractBrokenError


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_every_status_is_one_error(operation: Operation) -> None:
    async with edge() as server, client(server.base_url) as provider:
        for status in (101, *range(200, 600), 600, 999):
            body = PREPARED if operation is write else STATUS
            has_body = status not in {101, 204, 304}
            server.reply = response(status, body if has_body else b"")
            if (kind := expected(status, writes=operation is write)) is not None:
                assert type(await error_of(operation, provider)) is kind, status
            elif has_body:
                assert await operation(provider)
        assert len(server.received) == 402, "one request each; 204 has nothing to read"


async def hang(_: Exchange) -> None:
    await asyncio.sleep(3600)


async def drop(exchange: Exchange) -> None:
    exchange.writer.close()


async def reset(exchange: Exchange) -> None:
    exchange.reset()


async def truncate(exchange: Exchange) -> None:
    await exchange.write(response(200, PREPARED)[:-5])
    exchange.writer.close()


async def drip(exchange: Exchange) -> None:
    for byte in response(200, PREPARED):
        await exchange.write(bytes([byte]))
        await asyncio.sleep(0.02)


BROKEN = "broken"  # ContractBroken for a read, OutcomeUnknown for a write
FAILED = "failed"  # Unavailable for a read, OutcomeUnknown for a write
SENT = json.dumps(PREPARED | STATUS).encode()
"""An answer that both operations could read."""
BOMB = gzip.compress(b"0" * (17 * 1024 * 1024))
FAULTS: dict[str, tuple[Reply, str]] = {
    "P8 answer never comes": (hang, FAILED),
    "P9 dropped": (drop, FAILED),
    "P9 reset": (reset, FAILED),
    "P11 truncated": (truncate, FAILED),
    "P11 too long": (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", FAILED),
    "P11 chunk size is junk": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", FAILED),
    "P11 not HTTP": (b"220 smtp.example ESMTP\r\n\r\n", FAILED),
    "P12 page with 200": (response(200, b"<html>", media_type="text/html"), BROKEN),
    "P12 JSON called HTML": (response(200, PREPARED, media_type="text/html"), BROKEN),
    "P13 malformed": (response(200, b'{"documentId": '), BROKEN),
    "P13 empty": (response(200, b""), BROKEN),
    "P13 list": (response(200, []), BROKEN),
    "P13 null": (response(200, b"null"), BROKEN),
    "P13 text": (response(200, b'"x"'), BROKEN),
    "P13 without id": (response(200, {"data": {}, "success": True, "recipients": []}), BROKEN),
    "P13 null id": (response(200, {"data": {"status": None}, "documentId": None, "recipients": []}), BROKEN),
    "P13 empty id": (response(200, {"data": {"status": 1}, "documentId": "", "recipients": []}), BROKEN),
    "P13 too deep": (response(200, b"[" * 100_000), BROKEN),
    "P13 not UTF-8": (response(200, b'{"a": "\xff"}'), BROKEN),
    "P13 huge number": (response(200, b'{"data": ' + b"9" * 5000 + b"}"), BROKEN),
    "P14 elsewhere": (response(302, b"", headers={"Location": "http://169.254.169.254/"}), BROKEN),
    "P20 too large": (response(200, b" " * (17 * 1024 * 1024) + SENT), FAILED),
    "P21 drips": (drip, FAILED),
    "P22 not gzip": (response(200, PREPARED, headers={"Content-Encoding": "gzip"}), FAILED),
    "P22 packed twice": (
        response(200, gzip.compress(gzip.compress(SENT)), headers={"Content-Encoding": "gzip, gzip"}),
        FAILED,
    ),
    "P22 packed otherwise": (
        response(200, zlib.compress(SENT), headers={"Content-Encoding": "Deflate"}),
        FAILED,
    ),
    "P22 bomb": (response(200, BOMB, headers={"Content-Encoding": "gzip"}), FAILED),
}


ENDED_BY_TIME = {"P8 answer never comes", "P21 drips"}


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("fault", FAULTS)
async def test_every_broken_answer_is_one_error_and_one_request(fault: str, operation: Operation) -> None:
    reply, kind = FAULTS[fault]
    limits = QUICK if fault in ENDED_BY_TIME else None
    async with edge(reply) as server, client(server.base_url, limits=limits) as provider:
        error = await error_of(operation, provider)
        assert len(server.received) == 1, "nothing below Temporal may retry"
    if operation is write:
        assert type(error) is errors.OutcomeUnknownError
    else:
        assert type(error) is {BROKEN: errors.ContractBrokenError, FAILED: errors.UnavailableError}[kind]
    assert error.__cause__ is None
    assert error.__context__ is None or error.__suppress_context__, "causes hold addresses and bodies"


@pytest.mark.parametrize("size", [14, 20], ids=["14 MB", "over the limit of answers"])
@pytest.mark.parametrize("operation", OPERATIONS)
async def test_a_large_error_body_is_cut_before_it_is_parsed(
    operation: Operation, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed: list[int] = []
    monkeypatch.setattr(transport, "json_or_none", lambda body: parsed.append(len(body)))
    body = json.dumps({"error": "x" * (size * 1024 * 1024)}).encode()
    async with edge(response(400, body)) as server, client(server.base_url) as provider:
        assert type(await error_of(operation, provider)) is errors.RejectedError
    assert parsed == [ERROR_LIMIT]


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("coding", ["gzip", "GZIP", "identity", "aws-chunked", "aws-chunked, gzip"])
async def test_an_answer_may_be_packed_as_we_asked_or_not_at_all(coding: str, operation: Operation) -> None:
    body = gzip.compress(SENT) if "gzip" in coding.lower() else SENT
    reply = response(200, body, headers={"Content-Encoding": coding})
    async with edge(reply) as server, client(server.base_url) as provider:
        assert await operation(provider)


@pytest.mark.parametrize("media_type", ["Application/JSON; charset=utf-8", "application/hal+json"])
async def test_json_may_be_called_by_its_other_names(media_type: str) -> None:
    async with (
        edge(response(200, STATUS, media_type=media_type)) as server,
        client(server.base_url) as provider,
    ):
        assert await read(provider)


@pytest.mark.parametrize(
    ("operation", "limits"),
    [(read, Limits(read_total=0.2, write_total=3600)), (write, Limits(read_total=3600, write_total=0.2))],
    ids=["read", "write"],
)
async def test_reads_and_writes_have_total_limits_of_their_own(operation: Operation, limits: Limits) -> None:
    async with edge(hang) as server, client(server.base_url, limits=limits) as provider:
        assert "did not respond in time (TimeoutError)" in str(await error_of(operation, provider))


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("P9 dropped", "broke the connection (RemoteProtocolError)"),
        ("P20 too large", "sent a response that is too large (AnswerTooLargeError)"),
        ("P22 packed twice", "encoded its response in a way that is not supported (DecodingError)"),
    ],
)
async def test_a_failure_says_where_and_what_in_words(fault: str, words: str) -> None:
    async with edge(FAULTS[fault][0]) as server, client(server.base_url) as provider:
        error = await error_of(read, provider)
    assert str(error) == f"document_status: {server.base_url} {words}"


class TestNeverSent:
    """P7: what provably never left is told apart from what may have."""

    @pytest.mark.parametrize("operation", OPERATIONS)
    async def test_refused(self, operation: Operation) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            async with client(f"http://127.0.0.1:{unused.getsockname()[1]}") as provider:
                assert type(await error_of(operation, provider)) is errors.NotSentError

    @pytest.mark.parametrize("operation", OPERATIONS)
    async def test_no_such_host(self, operation: Operation) -> None:
        async with client("https://countersign.invalid") as provider:
            assert type(await error_of(operation, provider)) is errors.NotSentError

    @pytest.mark.parametrize("operation", OPERATIONS)
    async def test_connecting_takes_too_long(self, operation: Operation, full_backlog: int) -> None:
        limits = Limits(connect=0.2)
        async with client(f"http://127.0.0.1:{full_backlog}", limits=limits) as provider:
            assert type(await error_of(operation, provider)) is errors.NotSentError

    @pytest.mark.parametrize("operation", OPERATIONS)
    async def test_connecting_ends_before_the_total_limit(
        self, operation: Operation, full_backlog: int
    ) -> None:
        limits = Limits(connect=60, read_total=0.4, write_total=0.4)
        async with client(f"http://127.0.0.1:{full_backlog}", limits=limits) as provider:
            assert type(await error_of(operation, provider)) is errors.NotSentError

    @pytest.mark.parametrize("cause", FAILURES)
    async def test_only_four_failures_prove_that_a_write_never_left(
        self, monkeypatch: pytest.MonkeyPatch, cause: type[Exception]
    ) -> None:
        """Whatever a dependency reports on the way, and whatever it raises that is not known today."""

        class Broken(httpx.AsyncBaseTransport):
            async def handle_async_request(self, request: httpx.Request) -> httpx.Response:  # noqa: ARG002  # none is sent
                raise cause("broken")

        monkeypatch.setattr(transport, "api_transport", lambda *_: Broken())
        async with client("https://countersign.invalid") as provider:
            error = await error_of(write, provider)
        expected = errors.NotSentError if cause in PROOFS else errors.OutcomeUnknownError
        assert type(error) is expected

    @pytest.mark.parametrize("operation", OPERATIONS)
    async def test_no_free_connection(self, operation: Operation) -> None:
        limits = Limits(connections=1, pool=0.2)
        async with edge(hang) as server, client(server.base_url, limits=limits) as provider:
            first = asyncio.create_task(error_of(read, provider))
            await server.reached()
            assert type(await error_of(operation, provider)) is errors.NotSentError
            first.cancel()
            assert len(server.received) == 1

    @pytest.mark.parametrize("operation", OPERATIONS)
    async def test_no_tls_at_the_other_end(self, operation: Operation) -> None:
        async with (
            edge(response(200, PREPARED)) as server,
            client(f"https://127.0.0.1:{server.port}", limits=Limits(connect=0.3)) as provider,
        ):
            assert type(await error_of(operation, provider)) is errors.NotSentError
            assert not server.received
            assert server.connections == 1, "connecting is not tried again either"

    @pytest.mark.parametrize("operation", OPERATIONS)
    async def test_a_certificate_that_does_not_verify(
        self, operation: Operation, server_tls: ssl.SSLContext
    ) -> None:
        async with (
            edge(response(200, PREPARED), tls=server_tls) as server,
            client(server.base_url) as provider,
        ):
            assert type(await error_of(operation, provider)) is errors.UntrustedCertificateError
            assert not server.received

    async def test_a_trusted_certificate_serves(
        self, authority: trustme.CA, server_tls: ssl.SSLContext
    ) -> None:
        trusting = ssl.create_default_context()
        authority.configure_trust(trusting)
        async with (
            edge(response(200, PREPARED), tls=server_tls) as server,
            client(server.base_url, tls=trusting) as provider,
        ):
            assert await write(provider)


class TestKeptConnections:
    """P25: a connection that the server closes while it idles."""

    async def test_one_connection_serves_many_calls(self) -> None:
        async with edge(response(200, STATUS)) as server, client(server.base_url) as provider:
            for _ in range(5):
                await read(provider)
            assert server.connections == 1

    async def test_a_write_on_a_closing_connection_is_unknown_and_not_repeated(self) -> None:
        async def answer_once(exchange: Exchange) -> None:
            if len(server.received) == 1:
                await exchange.write(response(200, STATUS))
            else:
                exchange.writer.close()

        async with edge(answer_once) as server, client(server.base_url) as provider:
            await read(provider)
            assert type(await error_of(write, provider)) is errors.OutcomeUnknownError
            assert server.connections == 1
            assert len(server.received) == 2

    async def test_what_broke_leaves_its_place_to_the_next(self) -> None:
        async def break_once(exchange: Exchange) -> None:
            if len(server.received) == 1:
                exchange.reset()
            else:
                await exchange.write(response(200, STATUS))

        limits = Limits(connections=1, pool=5)
        async with edge(break_once) as server, client(server.base_url, limits=limits) as provider:
            await error_of(read, provider)
            assert await read(provider)

    async def test_one_that_idled_for_too_long_is_not_used(self) -> None:
        """Node servers close theirs after 5 s, so ours are given up before that."""
        assert Limits().keep_alive < 5
        limits = Limits(keep_alive=0)
        async with edge(response(200, STATUS)) as server, client(server.base_url, limits=limits) as provider:
            await read(provider)
            await read(provider)
            assert server.connections == 2

    async def test_closing_leaves_none_open_not_even_that_of_a_call_under_way(self) -> None:
        closed = asyncio.Event()

        async def answer_late(exchange: Exchange) -> None:
            await closed.wait()
            await exchange.write(response(200, STATUS))

        async with edge(answer_late) as server:
            provider = client(server.base_url)
            call = asyncio.create_task(read(provider))
            await server.reached()
            await provider.close()
            closed.set()
            assert await call
            await server.left()

    async def test_a_connection_closed_before_is_not_used(self) -> None:
        closing = response(200, STATUS)

        async def answer_and_close(exchange: Exchange) -> None:
            await exchange.write(closing)
            exchange.writer.close()

        async with edge(answer_and_close) as server, client(server.base_url) as provider:
            await read(provider)
            await asyncio.sleep(0.05)
            await read(provider)
            assert server.connections == 2


@pytest.fixture
def full_backlog() -> Iterator[int]:
    """A port that accepts no more connections and refuses none."""
    with socket.socket() as listening, socket.socket() as first, socket.socket() as second:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for filler in (first, second):
            filler.setblocking(False)
            filler.connect_ex(listening.getsockname())
        yield listening.getsockname()[1]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context
