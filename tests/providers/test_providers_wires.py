"""P7, P25, P26: what happens before HTTP begins, and on the way, with the sandbox at the other end."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest
import trustme

from countersign.providers import errors
from countersign.providers.turbodocx.client import TurboDocxClient
from countersign.secrets.rotation import Rotating
from countersign.settings import ProviderSettings
from devstack.sandbox import Sandbox
from tests.providers.provider_calls import error_of
from tests.providers.provider_desk import SEND, Desk, client_of, settings_of
from tests.providers.provider_wires import proxy_to, tls_before

NAME = "api.countersign.invalid"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    """TLS settings of a company with a certificate authority of its own."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def certified(authority: trustme.CA, name: str, *, ends_in: timedelta = timedelta(days=1)) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name, not_after=datetime.now(UTC) + ends_in).configure_cert(context)
    return context


def port_of(sandbox: Sandbox) -> int:
    port = urlsplit(sandbox.url).port
    assert port is not None
    return port


def client_at(
    base_url: str, desk: Desk, *, tls: ssl.SSLContext | None = None, trust_env: bool = False
) -> TurboDocxClient:
    """The desk's client, at another address."""
    settings = settings_of(replace(desk.sandbox, url=base_url))
    return client_of(Rotating(settings), ProviderSettings(trust_env=trust_env), tls=tls)


class TestTls:
    """P7."""

    async def test_a_certificate_of_our_own_authority_serves(
        self, desk: Desk, authority: trustme.CA, trusting: ssl.SSLContext
    ) -> None:
        async with (
            tls_before(port_of(desk.sandbox), certified(authority, "127.0.0.1")) as port,
            client_at(f"https://127.0.0.1:{port}", desk, tls=trusting) as client,
        ):
            assert await desk.send(client)
        assert await desk.sent() == 1

    @pytest.mark.parametrize("why", ["unknown authority", "another name", "expired"])
    async def test_any_other_is_refused_before_anything_is_sent(
        self, desk: Desk, authority: trustme.CA, trusting: ssl.SSLContext, why: str
    ) -> None:
        issuer = trustme.CA() if why == "unknown authority" else authority
        name = NAME if why == "another name" else "127.0.0.1"
        lasts = timedelta(seconds=-1) if why == "expired" else timedelta(days=1)
        await desk.watch_calls()
        async with (
            tls_before(port_of(desk.sandbox), certified(issuer, name, ends_in=lasts)) as port,
            client_at(f"https://127.0.0.1:{port}", desk, tls=trusting) as client,
        ):
            assert type(await error_of(desk.send, client)) is errors.UntrustedCertificateError
        assert await desk.calls() == 0
        assert await desk.send(desk.client), "provably not sent, so it may be made again"
        assert await desk.sent() == 1


async def test_a_name_that_is_not_found_was_never_sent(desk: Desk) -> None:
    """P7."""
    async with client_at(f"https://{NAME}", desk) as client:
        assert type(await error_of(desk.send, client)) is errors.NotSentError
    assert await desk.send(desk.client)
    assert await desk.sent() == 1


class TestIdleConnections:
    """P25: the sandbox closes a connection that it did not say it would close."""

    async def test_a_closed_connection_is_not_used(self, desk: Desk) -> None:
        await desk.break_calls("/v1/deliverable", "GET", do="close")
        await desk.client.probe()
        await asyncio.sleep(0.05)  # for the closing to arrive: earlier, the race below may be lost
        assert await desk.send(desk.client)
        assert await desk.sent() == 1

    async def test_a_write_that_meets_the_closing_is_unknown_and_not_repeated(self, desk: Desk) -> None:
        await desk.client.probe()
        await desk.break_calls(SEND, "POST", do="drop", times=1)
        assert type(await error_of(desk.send, desk.client)) is errors.OutcomeUnknownError
        assert await desk.calls() == 1, "a client that tries again on a fresh connection is seen twice"
        assert await desk.sent() == 0

    async def test_anyone_wins_the_race_no_write_is_done_twice(self, desk: Desk) -> None:
        await desk.break_calls("/v1/deliverable", "GET", do="close", seconds=0.004)
        for number in range(20):
            await desk.client.probe()
            await asyncio.sleep(number * 0.0005)
            one = replace(desk, title=f"{desk.title} {number}")
            try:
                await one.send(desk.client)
            except errors.OutcomeUnknownError:
                assert await one.sent() <= 1
            else:
                assert await one.sent() == 1


class TestProxies:
    """P26: a proxy of the environment is asked only where the settings say so, and never sees the key."""

    @asynccontextmanager
    async def proxied(
        self,
        desk: Desk,
        monkeypatch: pytest.MonkeyPatch,
        *,
        trust_env: bool = True,
        refusal: bytes = b"",
    ) -> AsyncIterator[tuple[TurboDocxClient, list[str]]]:
        """A client of a provider that only a proxy can reach, and what the proxy was asked."""
        authority, trusting, asked = trustme.CA(), ssl.create_default_context(), list[str]()
        authority.configure_trust(trusting)
        async with (
            tls_before(port_of(desk.sandbox), certified(authority, NAME)) as front,
            proxy_to(front, asked, refusal) as proxy,
        ):
            monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy}")
            monkeypatch.setenv("NO_PROXY", "")
            async with client_at(f"https://{NAME}", desk, tls=trusting, trust_env=trust_env) as client:
                yield client, asked

    async def test_it_is_asked_where_the_settings_say_so(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with self.proxied(desk, monkeypatch) as (client, asked):
            assert await desk.send(client)
            assert await client.find_deliverables("no such & none") == ()
        assert asked == [f"CONNECT {NAME}:443 HTTP/1.1"]
        assert await desk.sent() == 1

    async def test_it_is_not_asked_otherwise(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        async with self.proxied(desk, monkeypatch, trust_env=False) as (client, asked):
            assert type(await error_of(desk.send, client)) is errors.NotSentError
        assert asked == []

    @pytest.mark.parametrize("status", ["407 Proxy Authentication Required", "502 Bad Gateway"])
    async def test_what_it_refuses_was_never_sent(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch, status: str
    ) -> None:
        refusal = f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode()
        async with self.proxied(desk, monkeypatch, refusal=refusal) as (client, asked):
            assert type(await error_of(desk.send, client)) is errors.NotSentError
        assert len(asked) == 1
        assert await desk.sent() == 0

    async def test_an_answer_lost_behind_it_is_unknown(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await desk.break_calls(SEND, "POST", do="drop", at="after")
        async with self.proxied(desk, monkeypatch) as (client, _):
            assert type(await error_of(desk.send, client)) is errors.OutcomeUnknownError
        assert await desk.calls() == await desk.sent() == 1
