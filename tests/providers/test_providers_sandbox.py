"""Faults P1 to P26 as far as they concern this layer, at the sandbox, over HTTP.

What a connection can do before HTTP begins (P7), idle connections (P25) and proxies (P26) are in
`test_providers_wires.py`, a storm of 429 (P6) in `test_providers_agreements.py`.
"""

import asyncio
import io
import uuid
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any, Literal

import pytest
import pytest_asyncio

from countersign.agreements.messages import JsonData, Variable
from countersign.providers import errors
from countersign.providers.calls import Limits
from countersign.providers.circuit import CircuitRules, State
from countersign.providers.errors import ProviderError
from countersign.providers.keys import RotatingKey
from countersign.providers.open_account import OpenAccount, open_account
from countersign.providers.turbodocx.adapter import headers
from countersign.providers.turbodocx.client import TurboDocxClient
from countersign.providers.turbodocx.requests import SignatureRequest, UploadFile, variables
from countersign.providers.turbodocx.settings import TurboDocxSettings
from countersign.secrets.rotation import Rotating
from countersign.settings import ProviderSettings
from devstack.sandbox import MEMBER_KEY
from sandbox.core import docx
from tests.providers.provider_calls import error_of
from tests.providers.provider_desk import ACCOUNT, SEND, TEMPLATE_ID, Desk, client_in, client_of, settings_of
from tests.providers.provider_edge import edge, response

pytestmark = pytest.mark.thorough


async def test_without_a_fault_everything_is_read(desk: Desk) -> None:
    client = desk.client
    document_id = (await client.prepare_for_signing(desk.request(), idempotency_key="k")).document_id
    assert (await client.document_status(document_id)).status == "under_review"
    found = await client.document_recipients(document_id)
    assert [recipient.email for recipient in found.recipients] == ["ann@example.com"]
    assert found.document.name == desk.title
    assert (await client.send_reminder(document_id, idempotency_key="r"))[0].status
    assert (await client.audit_trail(document_id)).entries >= 1
    link = await client.signing_url(document_id, recipient_id=found.recipients[0].id)
    assert link.recipient_id == found.recipients[0].id
    assert link.url not in repr(link)
    ids = (found.recipients[0].id,)
    assert (
        await client.resend_email(document_id, recipient_ids=ids, idempotency_key="e")
    ).recipient_count == 1
    assert (await client.get_template(TEMPLATE_ID)).variables
    assert TEMPLATE_ID in {template.id for template in await client.list_templates()}
    assert desk.deliverable_id in {deliverable.id for deliverable in await client.find_deliverables("NDA")}
    await client.probe()
    assert (await client.void_document(document_id, "no", idempotency_key="v")).status == "voided"
    assert await desk.sent() == 1


async def test_a_template_is_uploaded_filled_downloaded_and_deleted(desk: Desk) -> None:
    content = docx.write([("text", "Dear {Who}, {#Items}{n};{/Items}")])
    file = UploadFile(file_name="letter.docx", content=content)
    template = await desk.client.upload_template("Letter", file, idempotency_key="t")
    needed = [variable.placeholder for variable in (await desk.client.get_template(template.id)).variables]
    assert needed == ["{Who}", "{Items}"]
    values: dict[str, Variable] = {"Who": "Ann", "Items": JsonData(value=[{"n": 1}, {"n": 2}])}
    made = await desk.client.create_deliverable(
        name="Letter to Ann", template_id=template.id, variables=variables(values, {}), idempotency_key="d"
    )
    kinds: tuple[tuple[Literal["pdf", "source"], bytes], ...] = (("pdf", b"%PDF-"), ("source", b"PK"))
    for kind, start in kinds:
        sink = io.BytesIO()
        size = await desk.client.download_deliverable(made.id, sink, file=kind, max_bytes=1_000_000)
        assert (size, sink.getvalue().startswith(start)) == (len(sink.getvalue()), True)
    await desk.client.delete_deliverable(made.id, idempotency_key="x")
    assert await desk.client.find_deliverables("Letter to Ann") == ()
    error = await error_of(
        lambda client: client.download_deliverable(made.id, io.BytesIO(), max_bytes=1_000_000), desk.client
    )
    assert type(error) is errors.RejectedError


READ_FAULTS: dict[str, tuple[dict[str, Any], type[ProviderError]]] = {
    "P1 500": ({"do": "status", "status": 500}, errors.UnavailableError),
    "P1 502": ({"do": "status", "status": 502}, errors.UnavailableError),
    "P1 503": ({"do": "status", "status": 503}, errors.UnavailableError),
    "P1 504": ({"do": "html", "status": 504}, errors.UnavailableError),
    "P3 429": ({"do": "rate_limit", "retry_after": 2}, errors.ThrottledError),
    "P9 dropped": ({"do": "drop"}, errors.UnavailableError),
    "P9 reset": ({"do": "reset"}, errors.UnavailableError),
    "P11 truncated": ({"do": "truncate", "at": "after"}, errors.UnavailableError),
    "P11 wrong length": ({"do": "content_length", "at": "after"}, errors.UnavailableError),
    "P12 page": ({"do": "html", "status": 200}, errors.ContractBrokenError),
    "P12 type": ({"do": "content_type", "at": "after"}, errors.ContractBrokenError),
    "P13 corrupt": ({"do": "corrupt", "at": "after"}, errors.ContractBrokenError),
    "P13 empty": ({"do": "empty", "at": "after"}, errors.ContractBrokenError),
    "P13 null": ({"do": "fields", "at": "after", "fields": {"data": None}}, errors.ContractBrokenError),
    "P13 stand-in": ({"do": "status", "status": 200, "body": []}, errors.ContractBrokenError),
    "P14 redirect": ({"do": "redirect"}, errors.ContractBrokenError),
    "P16 404": ({"do": "status", "status": 404}, errors.RejectedError),
    "P21 drip": ({"do": "drip", "at": "after", "seconds": 0.2}, errors.UnavailableError),
    "P21 hang": ({"do": "hang"}, errors.UnavailableError),
    "P22 bomb": ({"do": "gzip"}, errors.UnavailableError),
    "P20 endless": ({"do": "endless"}, errors.UnavailableError),
}


@pytest.mark.heavy
@pytest.mark.parametrize("name", READ_FAULTS)
async def test_a_read_ends_in_its_error_after_one_request(name: str, desk: Desk, document_id: str) -> None:
    fault, kind = READ_FAULTS[name]
    await desk.break_calls("*/status", "GET", **fault)
    async with desk.client_for(fault) as impatient:
        error = await error_of(lambda client: client.document_status(document_id), impatient)
    assert type(error) is kind
    assert await desk.calls() == 1, "Temporal retries, nothing else"


SEND_FAULTS: dict[str, tuple[dict[str, Any], type[ProviderError], int]] = {
    "P2 500, not done": ({"do": "status", "status": 500}, errors.OutcomeUnknownError, 0),
    "P2 502, done": ({"do": "status", "status": 502, "at": "after"}, errors.OutcomeUnknownError, 1),
    "P2 503, done": ({"do": "status", "status": 503, "at": "after"}, errors.OutcomeUnknownError, 1),
    "P3 429": ({"do": "rate_limit", "retry_after": 2}, errors.ThrottledError, 0),
    "P8 silence, done": ({"do": "hang", "at": "after"}, errors.OutcomeUnknownError, 1),
    "P8 silence, not done": ({"do": "hang"}, errors.OutcomeUnknownError, 0),
    "P9 dropped, done": ({"do": "drop", "at": "after"}, errors.OutcomeUnknownError, 1),
    "P9 dropped, not done": ({"do": "drop"}, errors.OutcomeUnknownError, 0),
    "P9 reset, done": ({"do": "reset", "at": "after"}, errors.OutcomeUnknownError, 1),
    "P11 truncated": ({"do": "truncate", "at": "after"}, errors.OutcomeUnknownError, 1),
    "P11 wrong length": ({"do": "content_length", "at": "after"}, errors.OutcomeUnknownError, 1),
    "P12 page": ({"do": "html", "status": 200, "at": "after"}, errors.OutcomeUnknownError, 1),
    "P12 type": ({"do": "content_type", "at": "after"}, errors.OutcomeUnknownError, 1),
    "P13 corrupt": ({"do": "corrupt", "at": "after"}, errors.OutcomeUnknownError, 1),
    "P13 empty": ({"do": "empty", "at": "after"}, errors.OutcomeUnknownError, 1),
    "P13 null id": (
        {"do": "fields", "at": "after", "fields": {"documentId": None}},
        errors.OutcomeUnknownError,
        1,
    ),
    "P13 stand-in": ({"do": "status", "status": 200, "body": {}}, errors.OutcomeUnknownError, 0),
    "P14 redirect": ({"do": "redirect", "at": "after"}, errors.OutcomeUnknownError, 1),
    "P15 401": ({"do": "status", "status": 401}, errors.UnauthorizedError, 0),
    "P15 402": ({"do": "status", "status": 402}, errors.UnauthorizedError, 0),
    "P15 403": ({"do": "status", "status": 403}, errors.UnauthorizedError, 0),
    "P16 422": ({"do": "status", "status": 422}, errors.RejectedError, 0),
    "P21 drip": ({"do": "drip", "at": "after", "seconds": 0.2}, errors.OutcomeUnknownError, 1),
}


@pytest.mark.parametrize("name", SEND_FAULTS)
async def test_a_send_ends_in_its_error_and_goes_out_once_at_most(name: str, desk: Desk) -> None:
    fault, kind, sent = SEND_FAULTS[name]
    await desk.break_calls(SEND, "POST", **fault)
    async with desk.client_for(fault) as client:
        assert type(await error_of(desk.send, client)) is kind
    assert await desk.calls() == 1
    assert await desk.sent() == sent


async def test_a_send_may_be_done_after_we_gave_up(desk: Desk) -> None:
    """P10: so an unknown outcome says nothing, however long the silence was."""
    await desk.break_calls(SEND, "POST", do="drop", at="late", commit_after=0.2)
    assert type(await error_of(desk.send, desk.client)) is errors.OutcomeUnknownError
    assert await desk.sent() == 0
    while await desk.sent() == 0:  # noqa: ASYNC110  # the sandbox does it in its own time
        await asyncio.sleep(0.05)
    assert await desk.sent() == 1


@pytest.mark.parametrize("status", [302, 307, 308])
async def test_a_redirect_is_not_followed_and_takes_no_key_along(desk: Desk, status: int) -> None:
    """P14."""
    async with edge(response(200, {})) as elsewhere:
        await desk.break_calls("*", "POST", do="redirect", status=status, location=f"{elsewhere.base_url}/x")
        assert type(await error_of(desk.send, desk.client)) is errors.OutcomeUnknownError
        assert elsewhere.received == []


RETRY_AFTER: dict[str, tuple[dict[str, Any], float | None]] = {
    "P3 seconds": ({"retry_after": 2}, 2),
    "P4 date in the past": ({"retry_after_date": -30}, 0),
    "P5 absent": ({}, 60),
    "P5 negative": ({"retry_after": -5}, None),
    "P5 soon": ({"retry_after": "soon"}, None),
    "P5 31 years": ({"retry_after": 1_000_000_000}, 300),
}


@pytest.mark.parametrize("name", RETRY_AFTER)
async def test_retry_after_is_obeyed_within_reason(name: str, desk: Desk) -> None:
    fault, seconds = RETRY_AFTER[name]
    await desk.break_calls(SEND, "POST", do="rate_limit", **fault)
    error = await error_of(desk.send, desk.client)
    assert isinstance(error, errors.ThrottledError)
    assert error.retry_after == seconds


async def test_no_wait_is_longer_than_the_limit(desk: Desk) -> None:
    """P5."""
    await desk.break_calls(SEND, "POST", do="rate_limit", retry_after=100)
    limits = Limits(retry_after=7)
    async with client_of(Rotating(settings_of(desk.sandbox)), limits=limits) as client:
        error = await error_of(desk.send, client)
    assert isinstance(error, errors.ThrottledError)
    assert error.retry_after == 7


async def test_retry_after_as_a_date_is_measured_from_now(desk: Desk) -> None:
    """P4."""
    await desk.break_calls(SEND, "POST", do="rate_limit", retry_after_date=120)
    error = await error_of(desk.send, desk.client)
    assert isinstance(error, errors.ThrottledError)
    assert error.retry_after is not None
    assert 60 < error.retry_after <= 120


class TestKeys:
    """P15."""

    async def test_a_wrong_key_is_reported_from_a_wrong_document(self, desk: Desk) -> None:
        async with client_of(Rotating(settings_of(desk.sandbox, "TDX-test-wrong"))) as client:
            wrong_key = await error_of(desk.send, client)
        wrong_document = await error_of(lambda client: client.document_status(str(uuid.uuid4())), desk.client)
        assert type(wrong_key) is errors.UnauthorizedError
        assert type(wrong_document) is errors.RejectedError
        assert wrong_document.status == 404
        assert await desk.sent() == 0

    async def test_a_key_without_the_role_may_do_everything_else(self, desk: Desk) -> None:
        async with client_of(Rotating(settings_of(desk.sandbox, MEMBER_KEY))) as client:
            error = await error_of(lambda client: client.webhooks.deliveries(), client)
            assert isinstance(error, errors.UnauthorizedError)
            assert not error.about_key
            await desk.send(client)

    async def test_a_rotated_key_is_read_again_and_nothing_fails(self, desk: Desk) -> None:
        old, new = settings_of(desk.sandbox, "TDX-test-rotated-away"), settings_of(desk.sandbox)
        async with client_of(Rotating(old, lambda: new)) as client:
            assert type(await error_of(desk.send, client)) is errors.KeyReplacedError
            assert await desk.send(client)
        assert await desk.sent() == 1

    async def test_a_call_that_was_under_way_while_the_key_was_replaced_may_be_made_again(
        self, desk: Desk
    ) -> None:
        old, new = settings_of(desk.sandbox, "TDX-test-rotated-away"), settings_of(desk.sandbox)
        key = RotatingKey(Rotating(old, lambda: new), headers)
        refused = await key.headers()
        assert await key.renew(refused), "the first that is refused has it read again"
        assert await key.renew(refused), "the second is told that there is another, though none is read now"
        assert not await key.renew(await key.headers())


class Secret:
    """Where the key is read from; counts the readings."""

    def __init__(self, found: TurboDocxSettings) -> None:
        self.found = found
        self.readings = 0

    def read(self) -> TurboDocxSettings:
        self.readings += 1
        return self.found


def opened_with(
    keys: Rotating[TurboDocxSettings], rules: CircuitRules
) -> AbstractAsyncContextManager[OpenAccount]:
    return open_account(ACCOUNT, keys, ProviderSettings(), slots=20, rules=rules)


class TestRefusedKeys:
    """P15, behind the circuit: the key is read again at once, then with each probe."""

    async def test_a_refused_key_is_read_again_at_once_and_then_seldom(self, desk: Desk) -> None:
        wrong = settings_of(desk.sandbox, "TDX-test-wrong")
        secret, rules = Secret(wrong), CircuitRules(blocked_probe=3600)
        await desk.watch_calls()
        async with opened_with(Rotating(wrong, secret.read), rules) as opened:
            assert type(await error_of(desk.send, client_in(opened))) is errors.UnauthorizedError
            assert secret.readings == 1
            while await desk.calls() < 2:  # noqa: ASYNC110  # the probe, which comes at once
                await asyncio.sleep(0.02)
            for _ in range(5):
                held = await error_of(desk.send, client_in(opened))
                assert isinstance(held, errors.BlockedError)
                assert str(held) == "prepare_for_signing: held back: credentials refused"
                assert held.retry_after is not None
                assert held.retry_after > 3000
        assert await desk.calls() == 2, "the refused call and one probe: no more until an hour has passed"
        assert secret.readings == 1, "a probe right after it need not ask again"

    async def test_a_key_that_comes_late_is_found_by_a_probe(self, desk: Desk) -> None:
        wrong = settings_of(desk.sandbox, "TDX-test-wrong")
        secret, rules = Secret(wrong), CircuitRules(blocked_probe=0.2)
        keys = Rotating(wrong, secret.read, renew_seconds=0)
        async with opened_with(keys, rules) as opened:
            assert type(await error_of(desk.send, client_in(opened))) is errors.UnauthorizedError
            while secret.readings < 4:  # with every probe
                assert type(await error_of(desk.send, client_in(opened))) is errors.BlockedError
                await asyncio.sleep(0.02)
            secret.found = settings_of(desk.sandbox)
            while opened.circuit.snapshot().state is State.BLOCKED:  # noqa: ASYNC110  # as above
                await asyncio.sleep(0.02)
            assert await desk.send(client_in(opened))
        assert await desk.sent() == 1


async def test_the_circuit_is_as_the_settings_say(desk: Desk) -> None:
    options = ProviderSettings(circuit_failures=3, time_scale=10)
    async with open_account(ACCOUNT, Rotating(settings_of(desk.sandbox)), options, slots=2) as opened:
        assert opened.circuit.rules == CircuitRules(failures=3, cooldown=6, blocked_probe=3, slots=2)
        await desk.break_calls(SEND, "POST", do="status", status=503)
        for _ in range(3):
            assert opened.circuit.snapshot().state is State.CLOSED
            await error_of(desk.send, client_in(opened))
        assert opened.circuit.snapshot().state is State.OPEN


Bad = Callable[[SignatureRequest], SignatureRequest]
REFUSED: dict[str, tuple[Bad, str]] = {
    "no fields": (lambda it: replace(it, fields=()), "FieldsRequired"),
    "unknown deliverable": (lambda it: replace(it, deliverable_id=str(uuid.uuid4())), ""),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_a_refusal_says_why(name: str, desk: Desk) -> None:
    """P16."""
    bad, code = REFUSED[name]
    error = await error_of(
        lambda client: client.prepare_for_signing(bad(desk.request()), idempotency_key="k"), desk.client
    )
    assert type(error) is errors.RejectedError
    assert code in str(error)
    assert "ann@example.com" not in str(error)


class TestDownload:
    """P17 to P22, P24: the signed document."""

    @pytest_asyncio.fixture
    async def url(self, desk: Desk, completed_id: str) -> str:
        return (await desk.client.download_link(completed_id)).download_url

    @staticmethod
    def fetch(url: str, sink: io.BytesIO | None = None) -> Callable[[TurboDocxClient], Awaitable[int]]:
        return lambda client: client.download(url, sink or io.BytesIO(), max_bytes=10_000_000)

    async def test_it_arrives(self, desk: Desk, url: str) -> None:
        sink = io.BytesIO()
        assert await self.fetch(url, sink)(desk.client) == len(sink.getvalue())
        assert sink.getvalue().startswith(b"%PDF-")

    async def test_it_is_not_ready_before_the_last_signature(self, desk: Desk, document_id: str) -> None:
        error = await error_of(lambda client: client.download_link(document_id), desk.client)
        assert type(error) is errors.NotReadyError

    async def test_an_expired_link_asks_for_a_fresh_one(self, desk: Desk, completed_id: str) -> None:
        await desk.sandbox.call("PATCH", "/_sandbox/behaviour", {"presigned_seconds": 0})
        try:
            stale = await desk.client.download_link(completed_id)
            assert (
                type(await error_of(self.fetch(stale.download_url), desk.client)) is errors.UnavailableError
            )
        finally:
            await desk.sandbox.call("PATCH", "/_sandbox/behaviour", {"presigned_seconds": 3600})
        fresh = await desk.client.download_link(completed_id)
        assert await self.fetch(fresh.download_url)(desk.client)

    @pytest.mark.parametrize(
        "elsewhere",
        [
            "file:///etc/passwd",
            "http://169.254.169.254/latest/meta-data",
            "https://amazonaws.com.evil.example/signed.pdf",
            "http://127.0.0.1:{port}/signed.pdf",
        ],
    )
    async def test_a_link_that_leads_elsewhere_is_not_followed(
        self, desk: Desk, completed_id: str, elsewhere: str
    ) -> None:
        """P23: not even to another port of the machine that the sandbox runs on."""
        async with edge(response(200, b"%PDF-1.7")) as other:
            fields = {"downloadUrl": elsewhere.format(port=other.port)}
            await desk.break_calls("*/download", "GET", do="fields", at="after", fields=fields)
            link = await desk.client.download_link(completed_id)
            error = await error_of(self.fetch(link.download_url), desk.client)
            assert type(error) is errors.ContractBrokenError
            assert link.download_url not in str(error)
            assert other.received == []

    @pytest.mark.parametrize(
        ("fault", "kind"),
        [
            ({"do": "truncate", "at": "after"}, errors.UnavailableError),
            ({"do": "reset", "at": "after"}, errors.UnavailableError),
            ({"do": "drip", "at": "after", "seconds": 0.2}, errors.UnavailableError),
            ({"do": "hang"}, errors.UnavailableError),
            ({"do": "status", "status": 403}, errors.UnavailableError),
            ({"do": "redirect"}, errors.UnavailableError),
            ({"do": "endless", "at": "after"}, errors.ContractBrokenError),
            ({"do": "gzip", "at": "after", "size": 2**24}, errors.ContractBrokenError),
        ],
        ids=lambda value: value["do"] if isinstance(value, dict) else "",
    )
    async def test_a_fault_on_the_way_is_an_error(
        self, desk: Desk, url: str, fault: dict[str, Any], kind: type[ProviderError]
    ) -> None:
        await desk.break_calls("/_sandbox/storage/*", "GET", **fault)
        async with desk.client_for(fault) as client:
            assert type(await error_of(self.fetch(url), client)) is kind
        assert await desk.calls() == 1
