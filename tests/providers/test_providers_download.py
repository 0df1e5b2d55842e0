"""Presigned files: from where we expect them, without our key, never too large and never for ever."""

import asyncio
import gzip
import hashlib
import io

import pytest

from countersign.providers.download import DownloadRules
from countersign.providers.errors import (
    ContractBrokenError,
    NotReadyError,
    ProviderError,
    RejectedError,
    ThrottledError,
    UnavailableError,
)
from countersign.providers.transport import Transport
from countersign.providers.turbodocx.client import TurboDocxClient
from countersign.providers.turbodocx.error_bodies import explain
from tests.providers.provider_calls import DOCUMENT_ID, error_of
from tests.providers.provider_edge import Exchange, FixedKey, client, edge, response

PDF = b"%PDF-1.7\n" + b"x" * 300_000 + b"\n%%EOF\n"
LIMIT = 1_000_000


def pdf(**headers: str) -> bytes:
    return response(200, PDF, media_type="application/pdf", headers=headers)


async def failure(url: str, provider: TurboDocxClient, limit: int = LIMIT) -> ProviderError:
    return await error_of(lambda it: it.download(url, io.BytesIO(), max_bytes=limit), provider)


async def test_a_file_arrives_whole_without_our_key() -> None:
    sink, progress = io.BytesIO(), list[int]()
    async with edge(pdf()) as server, client(server.base_url) as provider:
        size = await provider.download(
            f"{server.base_url}/presigned?X-Amz-Signature=1", sink, max_bytes=LIMIT, heartbeat=progress.append
        )
    assert size == len(PDF)
    assert hashlib.sha256(sink.getvalue()).digest() == hashlib.sha256(PDF).digest()
    assert progress == sorted(progress)
    assert progress[-1] == size
    headers = server.received[0].headers
    assert {"authorization", "x-rapiddocx-org-id", "cookie", "x-request-id"} & headers.keys() == set()
    assert headers["accept-encoding"] == "identity", "a file is not to be packed on its way"


async def test_one_line_tells_of_a_file_without_its_address(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG"):
        async with edge(pdf()) as server, client(server.base_url) as provider:
            await provider.download(f"{server.base_url}/p?X-Amz-Signature=1", io.BytesIO(), max_bytes=LIMIT)
    (line,) = (vars(record) for record in caplog.records if record.name == "countersign.providers")
    assert (line["operation"], line["status"], line["outcome"]) == ("download", 200, "ok")
    assert "X-Amz-Signature" not in str([vars(record) for record in caplog.records])


@pytest.mark.parametrize(
    ("reply", "limit", "outcome"),
    [
        (pdf(), 1000, "ContractBroken"),
        (response(429), LIMIT, "Throttled"),
        (response(403), LIMIT, "Unavailable"),
    ],
    ids=["too large", "throttled", "expired"],
)
async def test_the_line_says_what_a_file_ended_in(
    reply: bytes, limit: int, outcome: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with edge(reply) as server, client(server.base_url) as provider:
        await failure(f"{server.base_url}/p", provider, limit)
    assert vars(caplog.records[-1])["outcome"] == outcome


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "http://169.254.169.254/latest/meta-data",
        "https://169.254.169.254/",
        "http://bucket.s3.amazonaws.com/x",
        "https://evilamazonaws.com/x",
        "https://amazonaws.com.evil.example/x",
        "https://user@bucket.s3.amazonaws.com/x",
        "https://bucket.s3.amazonaws.com:8443/x",
        "https://localhost/x",
        "http://127.0.0.1:1/x",
        "http://[::1",
        "https://bucket.s3.amazonaws.com:99999/x",
        "https://bucket.s3.amazonaws.com/a\x7fb",
        "https://xn--.amazonaws.com/x",
        "https://bucket.s3.amazonaws.com/" + "x" * 70_000,
        "not a url",
        "",
    ],
)
async def test_a_link_elsewhere_is_not_followed(url: str) -> None:
    """P23."""
    async with edge(pdf()) as server, client(server.base_url) as provider:
        error = await failure(url, provider)
    assert type(error) is ContractBrokenError
    assert not server.received
    assert url not in str(error) or not url


@pytest.mark.parametrize("host", ["169.254.169.254", "127.0.0.2", "countersign.invalid"])
async def test_the_sandboxs_port_elsewhere_is_not_the_sandbox(host: str) -> None:
    async with edge(pdf()) as server, client(server.base_url) as provider:
        assert type(await failure(f"http://{host}:{server.port}/x", provider)) is ContractBrokenError


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "countersign.invalid"])
async def test_this_machine_is_no_file_host_where_the_provider_is_real(host: str) -> None:
    """P23: neither is the API's own host."""
    async with client("https://countersign.invalid") as provider:
        assert type(await failure(f"https://{host}/x", provider)) is ContractBrokenError


async def test_the_providers_file_host_is_allowed() -> None:
    async with client("https://countersign.invalid") as provider:
        error = await failure("https://countersign-test.invalid.amazonaws.com/x", provider)
    assert type(error) is UnavailableError, "tried, though no such host answers"


async def test_a_sandbox_elsewhere_on_this_machine_is_not_ours() -> None:
    async with edge(pdf()) as other, edge() as server, client(server.base_url) as provider:
        assert type(await failure(f"{other.base_url}/x", provider)) is ContractBrokenError
    assert not other.received


@pytest.mark.parametrize("status", [204, 206, 302, 400, 403, 404, 410, 500, 503])
async def test_a_link_that_no_longer_serves_is_tried_afresh_later(status: int) -> None:
    """P17: a 403 from the file host is an expired link, and says nothing of our key."""
    async with edge(response(status)) as server, client(server.base_url) as provider:
        assert type(await failure(f"{server.base_url}/x", provider)) is UnavailableError


@pytest.mark.parametrize(
    ("no_proxy", "asked"),
    [("", True), ("countersign.invalid", True), (".amazonaws.com", False), ("*", False)],
)
async def test_a_proxy_is_asked_for_a_file_by_the_files_own_host(
    monkeypatch: pytest.MonkeyPatch, no_proxy: str, *, asked: bool
) -> None:
    """P26: what the API's host is exempt from, or is not, says nothing of where files are."""
    async with edge(response(502)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.base_url)
        monkeypatch.setenv("NO_PROXY", no_proxy)
        async with client("https://countersign.invalid", trust_env=True) as provider:
            error = await failure("https://countersign-test.invalid.amazonaws.com/x", provider)
    assert type(error) is UnavailableError
    targets = [request.target for request in proxy.received]
    assert targets == ["countersign-test.invalid.amazonaws.com:443"] * asked


@pytest.mark.parametrize(("asked", "seconds"), [("7", 7), ("9999", 300)])
async def test_a_throttled_download_waits(asked: str, seconds: float) -> None:
    reply = response(429, headers={"Retry-After": asked})
    async with edge(reply) as server, client(server.base_url) as provider:
        error = await failure(f"{server.base_url}/x", provider)
    assert isinstance(error, ThrottledError)
    assert error.retry_after == seconds


async def test_a_file_over_the_limit_is_cut_off() -> None:
    """P20, with an honest length and with none."""
    endless = b"HTTP/1.1 200 OK\r\n\r\n"

    async def never_end(exchange: Exchange) -> None:
        await exchange.write(endless)
        while True:
            await exchange.write(b"x" * 65536)

    for reply in (pdf(), never_end):
        async with edge(reply) as server, client(server.base_url) as provider:
            assert type(await failure(f"{server.base_url}/x", provider, limit=1000)) is ContractBrokenError


async def test_a_file_of_just_the_limit_arrives() -> None:
    async with edge(pdf()) as server, client(server.base_url) as provider:
        url = f"{server.base_url}/x"
        assert await provider.download(url, io.BytesIO(), max_bytes=len(PDF)) == len(PDF)
        assert type(await failure(url, provider, limit=len(PDF) - 1)) is ContractBrokenError


async def test_a_bomb_is_cut_off_by_its_decoded_size() -> None:
    """P22."""
    bomb = response(200, gzip.compress(b"0" * 20_000_000), headers={"Content-Encoding": "gzip"})
    async with edge(bomb) as server, client(server.base_url) as provider:
        assert type(await failure(f"{server.base_url}/x", provider)) is ContractBrokenError


async def test_a_file_packed_twice_is_not_unpacked() -> None:
    """P22: a kilobyte of it could be gigabytes at once."""
    twice = response(200, gzip.compress(gzip.compress(PDF)), headers={"Content-Encoding": "gzip, gzip"})
    async with edge(twice) as server, client(server.base_url) as provider:
        assert type(await failure(f"{server.base_url}/x", provider)) is UnavailableError


async def test_a_file_cut_short_is_no_file() -> None:
    """P19."""

    async def cut(exchange: Exchange) -> None:
        await exchange.write(pdf()[:-100])
        exchange.writer.close()

    async with edge(cut) as server, client(server.base_url) as provider:
        error = await failure(f"{server.base_url}/x", provider)
    assert type(error) is UnavailableError
    assert str(error) == f"download: {server.base_url} broke the connection (RemoteProtocolError)"


async def test_a_file_that_drips_ends_with_the_limit() -> None:
    """P21."""

    async def drip(exchange: Exchange) -> None:
        await exchange.write(pdf()[:200])
        for _ in range(1000):
            await exchange.write(b"x")
            await asyncio.sleep(0.02)

    rules = DownloadRules(seconds=0.3)
    async with edge(drip) as server:
        transport = Transport(server.base_url, provider="x", credentials=FixedKey(), explain=explain)
        async with TurboDocxClient(transport, downloads=rules) as provider:
            assert type(await failure(f"{server.base_url}/x", provider)) is UnavailableError


async def test_what_the_sink_cannot_take_is_its_own_error() -> None:
    class Full:
        def write(self, _: bytes) -> int:
            raise OSError(28, "No space left on device")

    async with edge(pdf()) as server, client(server.base_url) as provider:
        with pytest.raises(OSError, match="No space left"):
            await provider.download(f"{server.base_url}/x", Full(), max_bytes=LIMIT)


@pytest.mark.parametrize("status", [400, 409, 425])
async def test_a_document_that_is_not_finished_is_asked_for_later(status: int) -> None:
    """P24."""
    async with edge(response(status, {"message": "not completed"})) as server, client(server.base_url) as it:
        assert type(await error_of(lambda it: it.download_link(DOCUMENT_ID), it)) is NotReadyError


async def test_a_document_that_does_not_exist_is_refused() -> None:
    async with edge(response(404, {"message": "no"})) as server, client(server.base_url) as it:
        assert type(await error_of(lambda it: it.download_link(DOCUMENT_ID), it)) is RejectedError


async def test_a_link_stays_out_of_reprs() -> None:
    reply = response(200, {"downloadUrl": "https://x.amazonaws.com/?X-Amz-Signature=canary", "fileName": "f"})
    async with edge(reply) as server, client(server.base_url) as provider:
        link = await provider.download_link(DOCUMENT_ID)
    assert "canary" in link.download_url
    assert "canary" not in repr(link)
