"""Any bytes and headers: no 5xx, no signal without a valid signature, and the receiver keeps serving."""

import hashlib
import hmac
import json
import string
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest_asyncio
from hypothesis import example, given, settings
from hypothesis import strategies as st
from temporalio.client import Client

from countersign.providers.turbodocx.webhook import TurboDocxWebhookAdapter
from countersign.webhooks.configured.signatures import read_signed_message
from countersign.webhooks.routes import NotJsonError, parse_object
from countersign.webhooks.verification import Headers, Verification, verify_signatures
from tests.webhooks.webhook_deliveries import PATH, SECRET, digest, encode, envelope, sign
from tests.webhooks.webhook_receiver import Agreement, start_agreement
from tests.webhooks.webhook_receivers import RunningReceiver
from tests.webhooks.webhook_wire import exchange, request, status

NOW = 1_800_000_000
many = settings(max_examples=30, deadline=None)
pure = settings(max_examples=100, deadline=None)

names = st.text(string.ascii_letters + "-_", min_size=1, max_size=20)
values = st.text(st.characters(codec="latin-1", exclude_characters="\r\n\x00"), max_size=60)
known_names = st.sampled_from(
    [
        "X-TurboDocx-Signature",
        "X-TurboDocx-Timestamp",
        "X-Forwarded-For",
        "Content-Type",
        "Content-Encoding",
        "Expect",
        "Host",
        "Connection",
        "Cookie",
        "Transfer-Encoding",
        "Content-Length",
        "Upgrade",
    ]
)
headers = st.lists(st.tuples(names | known_names, values), max_size=8)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def lasting(receiving: Client) -> AsyncIterator[Agreement]:
    """One agreement for all examples."""
    agreement = await start_agreement(receiving)
    yield agreement
    await agreement.handle.terminate()


async def is_unharmed(receiver: RunningReceiver) -> bool:
    body = encode(envelope("Somebody else's"))
    response = await exchange(receiver.url, request({**sign(body), "Content-Length": str(len(body))}, body))
    return status(response) == 200


@many
@given(
    raw=st.binary(max_size=2000)
    | st.lists(
        st.sampled_from(
            [
                b"POST",
                b" ",
                PATH.encode(),
                b"HTTP/1.1",
                b"\r\n",
                b"\n",
                b":",
                b"Content-Length",
                b"chunked",
                b"0",
                b"\x00",
            ]
        ),
        max_size=40,
    ).map(b"".join)
)
async def test_any_bytes(receiver: RunningReceiver, raw: bytes) -> None:
    response = await exchange(receiver.url, raw + b"\r\nConnection: close\r\n\r\n\r\n")

    assert (status(response) or 0) < 500
    assert await is_unharmed(receiver)


@many
@given(extra=headers, body=st.binary(max_size=300), valid=st.booleans())
@example(extra=[("Transfer-Encoding", "chunked")], body=b"", valid=True)
@example(extra=[("Expect", "100-continue")], body=b"{}", valid=False)
@example(extra=[("Expect", "100-continue")], body=b"", valid=True)
async def test_any_headers_and_body(
    receiver: RunningReceiver, lasting: Agreement, extra: list[tuple[str, str]], body: bytes, *, valid: bool
) -> None:
    event = encode(envelope(lasting.title))
    before = await lasting.count()
    secret = SECRET if valid else "whsec_another"
    whole = [*sign(event, secret=secret).items(), *extra, ("Content-Length", str(len(event)))]

    response = await exchange(receiver.url, request(whole, event + body))

    assert (status(response) or 0) < 500
    applied = await lasting.count() - before
    assert applied == (valid and status(response) == 200)
    assert await is_unharmed(receiver)


@many
@given(
    change=st.dictionaries(
        st.sampled_from(["event", "event_id", "data", "created_at", "eventType"]), json_values
    ),
    inner=st.dictionaries(
        st.sampled_from(["document_id", "title", "recipient_id", "viewed_at", "document_hash"]), json_values
    ),
)
@example(change={"event_id": "\ud800"}, inner={})
@example(change={}, inner={"title": "\ud800", "document_id": "\x00"})
async def test_any_verified_payload(
    http: httpx.AsyncClient, lasting: Agreement, change: dict[str, Any], inner: dict[str, Any]
) -> None:
    payload = envelope(lasting.title)
    payload["data"] |= inner
    body = json.dumps(payload | change).encode()
    before = await lasting.count()

    response = await http.post(PATH, content=body, headers=sign(body))

    assert response.status_code in {200, 400, 422}
    applied = await lasting.count() - before
    assert applied in {0, 1}
    assert applied <= (response.status_code == 200)


raw_headers = st.lists(
    st.tuples(
        st.sampled_from(
            [
                b"x-turbodocx-signature",
                b"x-turbodocx-timestamp",
                b"webhook-id",
                b"webhook-timestamp",
                b"webhook-signature",
                b"other",
            ]
        ),
        st.binary(max_size=100)
        | st.just(str(NOW).encode())
        | st.from_regex(rb"sha256=[0-9a-f]{64}", fullmatch=True)
        | st.from_regex(rb"v1a?,[A-Za-z0-9+/]{4,88}={0,2}", fullmatch=True),
    ),
    max_size=6,
)


@pure
@given(sent=raw_headers, body=st.binary(max_size=100))
def test_verification_never_raises_and_never_accepts_a_forgery(sent: Headers, body: bytes) -> None:
    adapter = TurboDocxWebhookAdapter()
    keys = [adapter.key(SECRET)]
    for signed_message in (adapter.signed_message(sent, body), read_signed_message(sent, body)):
        assert verify_signatures(signed_message, keys, now=NOW) is not Verification.VERIFIED


@pure
@given(
    body=st.binary(max_size=200),
    timestamp=st.integers(NOW - 400, NOW + 400),
    secret=st.sampled_from([SECRET, SECRET + "x", SECRET[:-1]]),
    flip=st.none() | st.integers(0, 255),
)
def test_judging_agrees_with_the_definition(
    body: bytes, timestamp: int, secret: str, flip: int | None
) -> None:
    signature = digest(body, str(timestamp), secret)
    sent = [
        (b"x-turbodocx-signature", b"sha256=" + signature.encode()),
        (b"x-turbodocx-timestamp", b"%d" % timestamp),
    ]
    received = body if flip is None else body + bytes([flip])
    adapter = TurboDocxWebhookAdapter()

    checked = verify_signatures(adapter.signed_message(sent, received), [adapter.key(SECRET)], now=NOW)

    right = hmac.new(SECRET.encode(), b"%d." % timestamp + received, hashlib.sha256).hexdigest() == signature
    fresh = abs(NOW - timestamp) <= 300
    expected = Verification.STALE if not fresh else Verification.VERIFIED if right else Verification.MISMATCH
    assert checked is expected


@pure
@given(body=st.binary(max_size=200) | json_values.map(lambda value: json.dumps(value).encode()))
def test_parsing_agrees_with_json_or_rejects(body: bytes) -> None:
    try:
        parsed = parse_object(body)
    except NotJsonError:
        return
    assert parsed == json.loads(body)
