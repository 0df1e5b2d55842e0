"""Limits of connections: requests that are too large, too slow, incomplete, or not HTTP."""

import asyncio
import ssl
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import pytest
import trustme
from temporalio.client import Client

import receiver as receiver_process
from countersign.http_server import server
from tests.webhooks.webhook_deliveries import encode, envelope, sign
from tests.webhooks.webhook_receiver import Agreement
from tests.webhooks.webhook_receivers import RunningReceiver, receiver_in_process
from tests.webhooks.webhook_wire import exchange, open_connection, request, status, wait_for_close

LIMIT = 65_536
CHUNKED = ("Transfer-Encoding", "chunked")
CLOSE = b"Connection: close\r\n"
HEALTH = request({}, method="GET", path="/healthz")


async def test_a_body_of_the_limit_is_read(receiver: RunningReceiver, agreement: Agreement) -> None:
    body = encode(envelope(agreement.title, padding="x" * 64_000)).ljust(LIMIT)

    response = await exchange(receiver.url, request({**sign(body), "Content-Length": str(LIMIT)}, body))

    assert status(response) == 200


@pytest.mark.parametrize("length", [LIMIT + 1, 2**31, 10**19])
async def test_a_longer_content_length_is_rejected(receiver: RunningReceiver, length: int) -> None:
    response = await exchange(receiver.url, request({"Content-Length": str(length)}))

    assert status(response) == 413
    assert response.endswith(b"\r\n\r\nrefused\n")


@pytest.mark.parametrize("length", ["-1", "+5", "0x10", "5, 6", "", "9" * 5000])
async def test_an_invalid_content_length_is_rejected(receiver: RunningReceiver, length: str) -> None:
    response = await exchange(receiver.url, request({"Content-Length": length}, b"hello"))

    assert status(response) == 400


async def test_endless_chunks_are_rejected(receiver: RunningReceiver) -> None:
    chunk = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"

    response = await exchange(receiver.url, request([CHUNKED]), *[chunk] * 1000)

    assert status(response) in {413, None}  # None: the reset arrived before the response
    assert status(await exchange(receiver.url, HEALTH)) == 200


async def test_a_chunk_beyond_the_limit_is_rejected(receiver: RunningReceiver) -> None:
    body = b"10001\r\n" + b"x" * 0x10001 + b"\r\n0\r\n\r\n"

    assert status(await exchange(receiver.url, request([CHUNKED], body))) == 413


async def test_a_chunked_delivery_is_accepted(receiver: RunningReceiver, agreement: Agreement) -> None:
    body = encode(envelope(agreement.title))
    chunks = b"".join(b"1\r\n" + bytes([byte]) + b"\r\n" for byte in body) + b"0\r\n\r\n"

    response = await exchange(receiver.url, request([*sign(body).items(), CHUNKED], chunks))

    assert status(response) == 200
    assert len(await agreement.events()) == 1


@pytest.mark.parametrize("part", [0, 1, 100])
async def test_a_caller_that_disconnects_causes_no_error(
    receiver: RunningReceiver, agreement: Agreement, part: int
) -> None:
    body = encode(envelope(agreement.title))
    whole = request({**sign(body), "Content-Length": str(len(body))})

    await exchange(receiver.url, whole + body[:part], leave=True)
    await exchange(receiver.url, whole[: part + 20], leave=True)

    assert status(await exchange(receiver.url, HEALTH)) == 200
    assert await agreement.events() == []
    assert " 500" not in receiver.logged()
    assert "Exception" not in receiver.logged()


@pytest.mark.parametrize(
    "opening",
    [
        b"",
        b"P",
        request({"X-Slow": "yes"})[:-2],
        request({"Content-Length": "1000"}, b"12345"),
        request([CHUNKED]),
    ],
    ids=["silent", "one byte", "half the headers", "half the body", "no chunk"],
)
async def test_slow_connections_are_closed_and_delay_no_request(
    receiving: Client, monkeypatch: pytest.MonkeyPatch, opening: bytes
) -> None:
    monkeypatch.setattr(server, "RECEIVE_SECONDS", 0.3)
    async with receiver_in_process(receiving) as url, AsyncExitStack() as stack:
        slow = [await stack.enter_async_context(open_connection(url)) for _ in range(20)]
        for _, writer in slow:
            writer.write(opening)

        assert status(await exchange(url, HEALTH)) == 200
        for received_bytes in await asyncio.gather(*(wait_for_close(*item) for item in slow)):
            assert received_bytes == b""


async def test_the_time_limit_applies_to_one_request(
    receiving: Client, agreement: Agreement, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "RECEIVE_SECONDS", 0.3)
    async with receiver_in_process(receiving) as url, open_connection(url) as (reader, writer):
        for _ in range(4):  # together longer than the limit
            body = encode(envelope(agreement.title))
            whole = request({**sign(body), "Content-Length": str(len(body))}, body)
            writer.write(whole.replace(CLOSE, b""))
            assert (await reader.readuntil(b"accepted\n")).startswith(b"HTTP/1.1 200")
            await asyncio.sleep(0.15)
        writer.write(b"POST / HTTP/1.1\r\n")

        assert await wait_for_close(reader, writer) == b""


async def test_an_incomplete_pipelined_request_is_closed(
    receiving: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "RECEIVE_SECONDS", 0.3)
    async with receiver_in_process(receiving) as url, open_connection(url) as (reader, writer):
        writer.write(HEALTH.replace(CLOSE, b"") + request({"Content-Length": "99"}, b"12345"))
        await reader.readuntil(b"alive\n")

        with suppress(ConnectionResetError):
            async with asyncio.timeout(5):  # it sends nothing more, so only the limit can end it
                assert await reader.read() == b""


async def test_connections_beyond_the_limit_get_503(
    receiving: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiver_process, "CONNECTION_LIMIT", 10)
    async with receiver_in_process(receiving) as url:
        async with AsyncExitStack() as stack:
            for _ in range(10):
                await stack.enter_async_context(open_connection(url))
            response = await exchange(url, b"")

        assert response.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
        assert b"\r\nretry-after: 5\r\n" in response
        while status(await exchange(url, HEALTH)) != 200:
            pass


@pytest.mark.parametrize(
    "headers",
    [
        [("Content-Length", "5"), CHUNKED],
        [CHUNKED, ("Content-Length", "5")],
        [("Content-Length", "5"), ("Content-Length", "6")],
        [("Transfer-Encoding", "gzip, chunked")],
        [("Transfer-Encoding", "identity")],
        [("Transfer-Encoding", "chunked"), ("Transfer-Encoding", "chunked")],
        [("Content-Length", "5"), ("Transfer-Encoding", "xchunked")],
        [("Content-Length ", "5")],
    ],
    ids=repr,
)
async def test_an_ambiguous_body_length_is_rejected(
    receiver: RunningReceiver, headers: list[tuple[str, str]]
) -> None:
    smuggled = b"0\r\n\r\n" + request({}, path="/healthz", method="GET")

    response = await exchange(receiver.url, request(headers, smuggled))

    assert status(response) in {400, 501}
    assert b"alive" not in response


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\x00" * 100,
        b"hello\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"POST /webhooks/turbodocx HTTP/1.1\nHost: receiver\nConnection: close\n\n",
        b"POST /webhooks/turbodocx HTTP/1.1\r\nNo colon\r\n\r\n",
        b"POST /webhooks/turbodocx HTTP/9.9\r\nHost: receiver\r\nConnection: close\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: " + b"a" * 100_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * 20_000 + b"\r\n",
        request([CHUNKED], b"zz\r\n"),
        request([CHUNKED], b"5\r\nhello\r\n0\r\n" + b"X: y\r\n" * 10_000),
    ],
    ids=lambda value: repr(value[:30]),
)
async def test_bytes_that_are_not_http_get_the_same_text(receiver: RunningReceiver, garbage: bytes) -> None:
    response = await exchange(receiver.url, garbage)

    assert status(response) in {400, 401, 404, None}  # None: the reset arrived before the response
    assert not response or response.endswith(b"\r\n\r\nrefused\n")
    assert status(await exchange(receiver.url, HEALTH)) == 200


@pytest.mark.parametrize(
    "method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "BREW"]
)
async def test_only_post_delivers(receiver: RunningReceiver, method: str) -> None:
    response = await exchange(receiver.url, request({}, method=method))

    assert status(response) == 405
    assert b"TRACE" not in response


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/webhooks",
        "/webhooks/",
        "/webhooks/turbodocx/",
        "/webhooks/TurboDocx",
        "/webhooks/another",
        "//webhooks/turbodocx",
        "/webhooks/../healthz",
        "/webhooks/turbodocx%00",
        "/webhooks/turbodocx%2f",
        "/docs",
        "/metrics",
        "http://receiver/webhooks/turbodocx",
        "*",
    ],
)
async def test_other_paths_do_not_exist(receiver: RunningReceiver, path: str) -> None:
    response = await exchange(receiver.url, request({}, path=path))

    assert status(response) in {400, 404}
    assert response.endswith(b"refused\n")


async def test_an_upgrade_is_not_accepted(receiver: RunningReceiver) -> None:
    upgrade = {"Upgrade": "websocket", "Sec-WebSocket-Key": "x", "Sec-WebSocket-Version": "13"}
    whole = request(upgrade, method="GET").replace(b"Connection: close", b"Connection: Upgrade, close")

    assert status(await exchange(receiver.url, whole)) == 405


async def test_expect_100_continue_is_supported(receiver: RunningReceiver, agreement: Agreement) -> None:
    body = encode(envelope(agreement.title))
    headers = {**sign(body), "Content-Length": str(len(body)), "Expect": "100-continue"}
    async with open_connection(receiver.url) as (reader, writer):
        writer.write(request(headers))
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
        writer.write(body)

        assert status(await reader.read()) == 200


async def test_it_serves_https(
    receiving: Client, agreement: Agreement, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    for pem in certificate.cert_chain_pems:
        pem.write_to_path(tmp_path / "chain.pem", append=True)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    files = {
        "COUNTERSIGN_WEBHOOKS_TLS_CERTIFICATE": str(tmp_path / "chain.pem"),
        "COUNTERSIGN_WEBHOOKS_TLS_KEY": str(tmp_path / "key.pem"),
    }
    body = encode(envelope(agreement.title))

    async with receiver_in_process(receiving, **files) as url:
        assert url.startswith("https://127.0.0.1:")
        async with open_connection(url, trusting) as (reader, writer):
            writer.write(request({**sign(body), "Content-Length": str(len(body))}, body))
            assert status(await reader.read()) == 200

        monkeypatch.setattr(server, "RECEIVE_SECONDS", 0.2)
        async with open_connection(url, trusting) as (reader, writer):
            assert await wait_for_close(reader, writer) == b""
