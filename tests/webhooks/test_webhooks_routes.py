"""Routes to workflows of a user's own: verified, routed, signalled once, on a real receiver and Temporal."""

import base64
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from standardwebhooks.webhooks import Webhook
from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError
from temporalio.worker import Worker

from countersign.configuration import SettingsError
from countersign.testing import eventually
from countersign.webhooks.configured.adapter import WorkflowAdapter
from countersign.webhooks.configured.route_file import WorkflowRoute, read_routes
from countersign.webhooks.inbox import SEEN_LIMIT, Inbox, WebhookEvent
from countersign.webhooks.verification import Verification, verify_signatures
from tests.webhooks.webhook_deliveries import encode
from tests.webhooks.webhook_orders import QUEUE, Order, Started
from tests.webhooks.webhook_receivers import calling, receiver_in_process

SECRET = "a-secret-of-some-length"
STANDARD = "whsec_" + base64.b64encode(b"0123456789abcdef01234567").decode()
GITHUB = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
SLACK = (
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
    b"&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
    b"&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F"
    b"96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
)
FIELDS = """
workflow = "order-{data.order}"
signal = "payment"
event_id = "id"
only = ["invoice.paid"]
data = { amount = "data.amount", line = "data.lines.0.name" }
"""
ROUTES = f"""
[standard]
{FIELDS}
[body]
{FIELDS}
verify = {{ scheme = "hmac", header = "X-Hub-Signature-256", prefix = "sha256=" }}
[timed]
{FIELDS}
[timed.verify]
scheme = "hmac"
header = "X-Slack-Signature"
prefix = "v0="
timestamp_header = "X-Slack-Request-Timestamp"
signed = "v0:{{timestamp}}:{{body}}"
[one-header]
{FIELDS}
verify = {{ scheme = "hmac", header = "Stripe-Signature", parameter = "v1", timestamp_parameter = "t" }}
[base64]
{FIELDS}
verify = {{ scheme = "hmac", header = "X-Shopify-Hmac-Sha256", encoding = "base64" }}
[token]
{FIELDS}
verify = {{ scheme = "secret", header = "Authorization", prefix = "Bearer " }}
[starting]
{FIELDS.replace("order-", "started-")}
verify = {{ scheme = "secret", header = "Authorization", prefix = "Bearer " }}
start = {{ workflow = "Started", task_queue = "{QUEUE}" }}
"""
NAMES = ("standard", "body", "timed", "one-header", "base64", "token")
TIMED = ("standard", "timed", "one-header")


def payload(order: str, **changes: Any) -> dict[str, Any]:
    data = {"order": order, "amount": 3.5, "lines": [{"name": "Consulting"}], "card": "4242"}
    return {"id": f"evt_{uuid.uuid4().hex}", "type": "invoice.paid", "data": data} | changes


def sign(name: str, body: bytes, *, secret: str = SECRET, age: int = 0, at: str = "") -> dict[str, str]:
    """Sign as the sender does, without the code under test."""
    at = at or str(int(time.time()) - age)

    def digest(message: bytes) -> str:
        return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()

    if name == "standard":
        key = STANDARD if secret == SECRET else "whsec_" + base64.b64encode(secret.encode() * 2).decode()
        signature = _standard(key, body, int(at))
        return {"webhook-id": "msg_1", "webhook-timestamp": at, "webhook-signature": signature}
    if name == "body":
        return {"X-Hub-Signature-256": f"sha256={digest(body)}"}
    if name == "timed":
        signature = digest(f"v0:{at}:".encode() + body)
        return {"X-Slack-Signature": f"v0={signature}", "X-Slack-Request-Timestamp": at}
    if name == "one-header":
        return {"Stripe-Signature": f"t={at},v0=1,v1={'0' * 64},v1={digest(f'{at}.'.encode() + body)}"}
    if name == "base64":
        return {"X-Shopify-Hmac-Sha256": base64.b64encode(bytes.fromhex(digest(body))).decode()}
    return {"Authorization": f"Bearer {secret}"}


def _standard(key: str, body: bytes, at: int) -> str:
    return Webhook(key).sign("msg_1", datetime.fromtimestamp(at, UTC), body.decode())


@dataclass(frozen=True)
class Running:
    order: str
    handle: WorkflowHandle[Any, Any]

    async def events(self) -> list[WebhookEvent]:
        return await self.handle.query(Order.events)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def http(
    receiving: Client, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[httpx.AsyncClient]:
    file = tmp_path_factory.mktemp("routes") / "routes.toml"
    file.write_text(ROUTES)
    secrets = {
        f"{name.upper().replace('-', '_')}_WEBHOOK_SECRET": SECRET for name in (*NAMES[1:], "starting")
    }
    async with (
        Worker(receiving, task_queue=QUEUE, workflows=[Order, Started]),
        receiver_in_process(
            receiving, COUNTERSIGN_WEBHOOKS_ROUTES=str(file), STANDARD_WEBHOOK_SECRET=STANDARD, **secrets
        ) as url,
        calling(url) as http,
    ):
        yield http


@asynccontextmanager
async def an_order(client: Client) -> AsyncIterator[Running]:
    order = uuid.uuid4().hex
    handle = await client.start_workflow("Order", id=f"order-{order}", task_queue=QUEUE)
    yield Running(order, handle)
    with suppress(RPCError):  # it has ended
        await client.get_workflow_handle(handle.id).terminate()


async def deliver(http: httpx.AsyncClient, name: str, body: bytes, headers: dict[str, str]) -> int:
    response = await http.post(f"/webhooks/{name}", content=body, headers=headers)
    return response.status_code


@pytest.mark.parametrize("name", NAMES)
async def test_a_verified_delivery_signals_the_workflow_with_the_selected_fields(
    receiving: Client, http: httpx.AsyncClient, name: str
) -> None:
    async with an_order(receiving) as running:
        sent = payload(running.order)
        body = encode(sent)
        assert await deliver(http, name, body, sign(name, body)) == 200
        (event,) = await running.events()
    assert (event.id, event.kind) == (sent["id"], "invoice.paid")
    assert event.data == {"amount": 3.5, "line": "Consulting"}
    assert event.received_at.startswith("20")


@pytest.mark.parametrize("name", NAMES)
async def test_a_delivery_that_is_not_verified_signals_nothing(
    receiving: Client, http: httpx.AsyncClient, name: str
) -> None:
    async with an_order(receiving) as running:
        body = encode(payload(running.order))
        right = sign(name, body)
        first = next(iter(right))
        signature = max(right, key=lambda header: len(right[header]))
        attempts = [
            (body, {}),
            (body, sign(name, body, secret="another-secret-of-some-length")),
            (body, right | {signature: ""}),
            (body, right | {signature: right[signature][:-4]}),
            (body, right | {signature: right[signature] + "00"}),
            (body, {header: value for header, value in right.items() if header != first}),
        ]
        if name != "token":  # TLS alone protects its body
            attempts.append((body + b" ", right))
        if name in TIMED:
            attempts += [(body, sign(name, body, age=310)), (body, sign(name, body, age=-310))]
            if name != "standard":  # the official library signs no such times
                attempts += [(body, sign(name, body, at=at)) for at in ("soon", f"{time.time()}", "9" * 12)]
            attempts.append((body, {key: value.replace("1", "2", 1) for key, value in right.items()}))
        assert {await deliver(http, name, *attempt) for attempt in attempts} == {401}
        twice = [(first, right[first]), *right.items()]
        response = await http.post(f"/webhooks/{name}", content=body, headers=twice)
        assert response.status_code == 401
        assert await running.events() == []


@pytest.mark.parametrize(
    "order",
    [
        "",
        " ",
        "a b",
        "a\nb",
        "a\x00b",
        "\x1b[2J",
        "$(reboot)",
        "'; drop",
        "ä",
        "\ud800",
        "x" * 201,
        None,
        {},
        [],
        1.5,
        True,
    ],
    ids=repr,
)
async def test_a_value_that_no_id_can_contain_signals_nothing(http: httpx.AsyncClient, order: Any) -> None:
    body = json.dumps(payload(order)).encode()
    assert await deliver(http, "token", body, sign("token", body)) == 200


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"type": "invoice.sent"}, 200),
        ({"type": None}, 200),
        ({"type": ["invoice.paid"]}, 200),
        ({"data": None}, 200),
        ({"data": []}, 200),
        ({"id": None}, 422),
        ({"id": "a\nb"}, 422),
        ({"id": {"a": 1}}, 422),
    ],
    ids=repr,
)
async def test_events_that_a_route_does_not_take(
    receiving: Client, http: httpx.AsyncClient, changes: dict[str, Any], status: int
) -> None:
    async with an_order(receiving) as running:
        body = encode(payload(running.order, **changes))
        assert await deliver(http, "token", body, sign("token", body)) == status
        assert await running.events() == []


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"id": 1, "id": 2}', b'{"a": NaN}', b"\xff", b"[" * 100_000]
)
async def test_bodies_that_are_not_strict_json_are_rejected(http: httpx.AsyncClient, body: bytes) -> None:
    status = await deliver(http, "token", body, sign("token", body))
    assert status == (413 if len(body) > 65_536 else 400)


async def test_without_a_workflow_the_sender_tries_again(receiving: Client, http: httpx.AsyncClient) -> None:
    body = encode(payload("of-nobody"))
    assert await deliver(http, "token", body, sign("token", body)) == 404
    async with an_order(receiving) as running:
        pass  # it has ended
    body = encode(payload(running.order))
    assert await deliver(http, "token", body, sign("token", body)) == 200


async def test_a_route_starts_a_workflow_once(receiving: Client, http: httpx.AsyncClient) -> None:
    order = uuid.uuid4().hex
    body = encode(payload(order))
    assert [await deliver(http, "starting", body, sign("token", body)) for _ in range(3)] == [200] * 3
    handle = receiving.get_workflow_handle(f"started-{order}")
    fields = {"amount": 3.5, "line": "Consulting"}
    assert await handle.result() == [fields, fields]
    run_id = (await handle.describe()).run_id
    assert await deliver(http, "starting", body, sign("token", body)) == 200
    assert (await handle.describe()).run_id == run_id


async def test_an_inbox_takes_an_event_once_even_after_continuing_as_new(
    receiving: Client, http: httpx.AsyncClient
) -> None:
    async with an_order(receiving) as running:
        first, second = (encode(payload(running.order, id=name)) for name in ("evt_1", "evt_2"))
        for body in (first, first, second):
            assert await deliver(http, "token", body, sign("token", body)) == 200
        assert len(await running.events()) == 3
        await running.handle.signal(Order.request_next, "continue")
        handle = receiving.get_workflow_handle(running.handle.id)
        await eventually(handle.describe, lambda now: now.run_id != running.handle.first_execution_run_id)
        for body in (second, first):
            assert await deliver(http, "token", body, sign("token", body)) == 200
        await handle.signal(Order.request_next, "take")
        assert await handle.result() == ["evt_1", "evt_2"]


def test_an_inbox_forgets_the_oldest_ids_first() -> None:
    inbox = Inbox()
    for number in range(SEEN_LIMIT + 1):
        assert inbox.put(WebhookEvent(id=str(number)))
    assert not inbox.put(WebhookEvent(id=str(SEEN_LIMIT)))
    assert not inbox.put(WebhookEvent(id="1"))
    assert inbox.put(WebhookEvent(id="0"))
    assert len(inbox.state().seen) == SEEN_LIMIT


def _route(**changes: Any) -> WorkflowRoute:
    verify = {"scheme": "secret", "header": "X-Token"}
    return WorkflowRoute.model_validate(
        {"workflow": "order-{order}", "signal": "payment", "verify": verify} | changes
    )


def test_without_a_path_the_payload_is_the_events_id() -> None:
    adapter = WorkflowAdapter("a", _route())
    same = [adapter.read([], value) for value in ({"order": 1, "a": 2}, {"a": 2, "order": 1}, {"order": 1})]
    ids = [read.event.id for read in same if read]
    assert ids[0] == ids[1] != ids[2]


@pytest.mark.parametrize(
    ("verify", "headers", "body", "secret", "now"),
    [
        (
            {"scheme": "hmac", "header": "X-Hub-Signature-256", "prefix": "sha256="},
            {"x-hub-signature-256": f"sha256={GITHUB}"},
            b"Hello, World!",
            "It's a Secret to Everybody",
            0,
        ),
        (
            {
                "scheme": "hmac",
                "header": "X-Slack-Signature",
                "prefix": "v0=",
                "timestamp_header": "X-Slack-Request-Timestamp",
                "signed": "v0:{timestamp}:{body}",
            },
            {
                "x-slack-signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
                "x-slack-request-timestamp": "1531420618",
            },
            SLACK,
            "8f742231b10e8888abcd99yyyzzz85a5",
            1531420618,
        ),
    ],
    ids=["GitHub's example", "Slack's example"],
)
def test_signatures_that_senders_document(
    verify: dict[str, str], headers: dict[str, str], body: bytes, secret: str, now: float
) -> None:
    scheme = _route(verify=verify).verify
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    assert (
        verify_signatures(scheme.signed_message(raw, body), [scheme.key(secret)], now=now)
        is Verification.VERIFIED
    )
    message = scheme.signed_message(raw, body + b"!")
    assert verify_signatures(message, [scheme.key(secret)], now=now) is Verification.MISMATCH


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ("workflow = '{data.id}'", "a.workflow: must begin with a text such as order-"),
        ("workflow = 'order'", "a.workflow: must contain a path in braces"),
        ("workflow = 'order-{data.id'", "a.workflow: must contain a path in braces"),
        ("workflow = 'order-{}'", "a.workflow"),
        ("workflow = 'agreement-{data.id}'", "a.workflow: must not fit agreements"),
        ("workflow = 'agreement{data.id}'", "a.workflow: must not fit agreements"),
        ("signal = ''", "a.signal"),
        ("only = 'invoice.paid'", "a.only"),
        ("data = { a = 'b c' }", "a.data.a"),
        ("verify = { scheme = 'md5' }", "a.verify"),
        ("verify = { scheme = 'hmac' }", "a.verify.header: Field required"),
        ("verify = { scheme = 'hmac', header = 'X', signed = 'a' }", "a.verify: signed must contain {body}"),
        ("verify = { scheme = 'hmac', header = 'X', timestamp_parameter = 't' }", "needs parameter"),
        ("verify = { scheme = 'secret', header = 'X', secret = 'hunter2' }", "a.verify.secret"),
        ("start = { workflow = 'A' }", "a.start.task_queue: Field required"),
        ("kinds = { a = 'completed' }", "a.kinds"),
    ],
)
def test_an_error_in_the_file_names_its_place(tmp_path: Path, change: str, complaint: str) -> None:
    fields = {"workflow": "workflow = 'order-{data.id}'", "signal": "signal = 'payment'"}
    fields[change.partition(" ")[0]] = change
    file = tmp_path / "routes.toml"
    file.write_text("\n".join(["[a]", *fields.values()]))
    with pytest.raises(SettingsError) as caught:
        read_routes(file)
    assert complaint in str(caught.value)
    assert "hunter2" not in str(caught.value)
