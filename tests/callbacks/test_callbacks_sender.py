"""Where a callback connects to, over real sockets: 127.0.0.2 plays the internet, 127.0.0.1 the inside."""

import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import ExitStack

import pytest
import pytest_asyncio
import trustme

from countersign.agreements.addresses import IpAddress, read_callback_url
from countersign.callbacks import sender as sender_module
from countersign.callbacks.sender import CallbackSender, NoResponseError, NotConnectedError, Response
from tests.callbacks.callback_receiver import (
    QUERY,
    Receiver,
    drip,
    drop,
    flood,
    hang,
    receiving,
    responding,
)

OUTSIDE = ipaddress.ip_address("127.0.0.2")
INSIDE = ipaddress.ip_address("127.0.0.1")
NAME = "hooks.example.com"


class Resolver:
    """Answers as the test says, once per question."""

    def __init__(self, *answers: Sequence[IpAddress]) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[IpAddress]:
        del port
        self.asked.append(host)
        return self._answers.pop(0)


@pytest.fixture(autouse=True)
def internet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender_module, "is_public", lambda address: address == OUTSIDE)


@pytest.fixture
def certified(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(NAME).configure_cert(context)
    return context


@pytest.fixture
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest_asyncio.fixture
async def outside(certified: ssl.SSLContext) -> AsyncIterator[Receiver]:
    async with receiving(str(OUTSIDE), tls=certified) as receiver:
        yield receiver


@pytest_asyncio.fixture
async def inside(outside: Receiver, certified: ssl.SSLContext) -> AsyncIterator[Receiver]:
    """Another server at the same port, which must see nothing."""
    async with receiving(str(INSIDE), outside.port, tls=certified) as receiver:
        yield receiver
        assert receiver.calls == []


async def post(
    trusting: ssl.SSLContext,
    receiver: Receiver,
    resolver: Callable[[str, int], Awaitable[Sequence[IpAddress]]],
) -> Response:
    sender = CallbackSender(tls=trusting, resolve=resolver, seconds=2)
    url = read_callback_url(f"https://{NAME}:{receiver.port}/hook?{QUERY}")
    return await sender.post(url, {"webhook-id": "evt_1"}, b"{}")


async def test_the_connection_goes_to_the_address_and_keeps_the_name(
    trusting: ssl.SSLContext, outside: Receiver
) -> None:
    response = await post(trusting, outside, Resolver([OUTSIDE]))
    assert response == Response(204, None)
    (call,) = outside.calls
    assert call.target == f"/hook?{QUERY}"
    assert call.headers["host"] == f"{NAME}:{outside.port}"
    assert (call.headers["webhook-id"], call.headers["content-type"]) == ("evt_1", "application/json")


async def test_a_name_that_changes_its_address_after_the_check_leads_nowhere_else(
    trusting: ssl.SSLContext, outside: Receiver, inside: Receiver
) -> None:
    del inside
    resolver = Resolver([OUTSIDE], [INSIDE])
    await post(trusting, outside, resolver)
    assert resolver.asked == [NAME]
    assert len(outside.calls) == 1
    with pytest.raises(NotConnectedError, match="an address that must not be called"):
        await post(trusting, outside, resolver)
    assert len(outside.calls) == 1


@pytest.mark.parametrize("addresses", [[INSIDE], [OUTSIDE, INSIDE], [INSIDE, OUTSIDE]])
async def test_one_private_address_among_public_ones_is_one_too_many(
    trusting: ssl.SSLContext, outside: Receiver, inside: Receiver, addresses: list[IpAddress]
) -> None:
    del inside
    with pytest.raises(NotConnectedError, match="an address that must not be called"):
        await post(trusting, outside, Resolver(addresses))
    assert outside.calls == []


async def test_a_redirect_is_not_followed(
    trusting: ssl.SSLContext, outside: Receiver, inside: Receiver
) -> None:
    for status in (301, 302, 307, 308):
        outside.script = [responding(status, f"Location: https://127.0.0.1:{inside.port}/")]
        assert (await post(trusting, outside, Resolver([OUTSIDE]))).status == status
    assert len(outside.calls) == 4


@pytest.mark.parametrize("slow", [hang, drip])
async def test_a_slow_response_is_cut_off(
    trusting: ssl.SSLContext, outside: Receiver, slow: Callable[..., Awaitable[None]]
) -> None:
    outside.script = [slow]
    with pytest.raises(NoResponseError, match="no response within 2 s"):
        await post(trusting, outside, Resolver([OUTSIDE]))


async def test_a_body_without_an_end_is_not_read(trusting: ssl.SSLContext, outside: Receiver) -> None:
    outside.script = [flood]
    assert (await post(trusting, outside, Resolver([OUTSIDE]))).status == 200


async def test_a_broken_connection_may_have_delivered(trusting: ssl.SSLContext, outside: Receiver) -> None:
    outside.script = [drop]
    with pytest.raises(NoResponseError, match="the connection broke"):
        await post(trusting, outside, Resolver([OUTSIDE]))


async def test_another_name_in_the_certificate_is_not_accepted(
    trusting: ssl.SSLContext, authority: trustme.CA
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("other.example.com").configure_cert(context)
    async with receiving(str(OUTSIDE), tls=context) as receiver:
        with pytest.raises(NotConnectedError, match="its certificate is not valid"):
            await post(trusting, receiver, Resolver([OUTSIDE]))
    assert receiver.calls == []


async def test_an_address_that_refuses_gives_way_to_the_next(
    trusting: ssl.SSLContext, outside: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = ipaddress.ip_address("127.0.0.3")
    monkeypatch.setattr(sender_module, "is_public", lambda address: address in {OUTSIDE, closed})
    assert (await post(trusting, outside, Resolver([closed, OUTSIDE]))).status == 204
    with pytest.raises(NotConnectedError, match="the connection was refused"):
        await post(trusting, outside, Resolver([closed]))


async def test_an_address_that_drops_packets_leaves_time_for_the_next(
    trusting: ssl.SSLContext, outside: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = ipaddress.ip_address("127.0.0.3")
    monkeypatch.setattr(sender_module, "is_public", lambda address: address in {OUTSIDE, silent})
    with socket.socket() as listening, ExitStack() as waiting:
        listening.bind((str(silent), outside.port))
        listening.listen(0)
        for _ in range(3):  # nobody accepts, so the kernel drops what comes after them
            client = waiting.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex((str(silent), outside.port))
        assert (await post(trusting, outside, Resolver([silent, OUTSIDE]))).status == 204


async def test_a_name_of_this_machine_leads_to_this_machine_alone() -> None:
    async with receiving() as receiver:
        url = read_callback_url(f"http://localhost:{receiver.port}/")
        with pytest.raises(NotConnectedError, match="an address that must not be called"):
            await CallbackSender(resolve=Resolver([ipaddress.ip_address("93.184.215.14")])).post(
                url, {}, b"{}"
            )
        assert (await CallbackSender(resolve=Resolver([INSIDE])).post(url, {}, b"{}")).status == 204
        assert (await CallbackSender().post(read_callback_url(receiver.url), {}, b"{}")).status == 204


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "0177.0.0.1", "127.1", "::ffff:127.0.0.1"])
async def test_what_the_system_resolves_to_this_machine_is_refused_under_any_spelling(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # the real rule
    async with receiving() as receiver:
        url = read_callback_url("https://hooks.example.com/")._replace(host=host, port=receiver.port)
        with pytest.raises(NotConnectedError, match=r"must not be called|cannot be resolved"):
            await CallbackSender().post(url, {}, b"{}")
        assert receiver.calls == []


async def test_a_name_that_does_not_exist_is_reported() -> None:
    url = read_callback_url("https://hooks.example.com/")._replace(host="no-such-host.invalid")
    with pytest.raises(NotConnectedError, match="the host cannot be resolved"):
        await CallbackSender().post(url, {}, b"{}")


PRIVATE = (ipaddress.ip_network("127.0.0.3/32"),)


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_host_in_an_open_network_is_called_there_alone(
    certified: ssl.SSLContext, trusting: ssl.SSLContext, scheme: str
) -> None:
    """127.0.0.3 plays the network that the settings open."""
    tls = certified if scheme == "https" else None
    resolver = Resolver([PRIVATE[0][0]], [PRIVATE[0][0], INSIDE], [INSIDE])
    sender = CallbackSender(tls=trusting, private_networks=PRIVATE, resolve=resolver, seconds=2)
    async with receiving(str(PRIVATE[0][0]), tls=tls) as receiver:
        url = read_callback_url(f"{scheme}://{NAME}:{receiver.port}/hook?{QUERY}")
        assert (await sender.post(url, {}, b"{}")).status == 204
        for _ in range(2):
            with pytest.raises(NotConnectedError, match="an address that must not be called"):
                await sender.post(url, {}, b"{}")
        assert [call.target for call in receiver.calls] == [f"/hook?{QUERY}"]


async def test_plain_http_never_leaves_for_the_internet(trusting: ssl.SSLContext) -> None:
    sender = CallbackSender(tls=trusting, private_networks=PRIVATE, resolve=Resolver([OUTSIDE]), seconds=2)
    async with receiving(str(OUTSIDE)) as receiver:
        url = read_callback_url(f"http://{NAME}:{receiver.port}/")
        with pytest.raises(NotConnectedError, match="an address that must not be called"):
            await sender.post(url, {}, b"{}")
        assert receiver.calls == []
