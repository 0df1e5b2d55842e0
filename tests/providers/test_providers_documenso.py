"""Documenso's adapter against its sandbox: what is special about this provider."""

import io
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from fpdf import FPDF
from pydantic import SecretStr

from countersign.agreements.events import EventKind
from countersign.agreements.messages import SignatureField, Signer
from countersign.agreements.reference import Marker
from countersign.documents import PageSize
from countersign.providers.documenso.adapter import Documenso, connect
from countersign.providers.documenso.requests import draft_parts
from countersign.providers.documenso.settings import DocumensoSettings
from countersign.providers.documenso.webhook import SECRET_HEADER, DocumensoWebhookAdapter
from countersign.providers.errors import (
    NotReadyError,
    NotSentError,
    OutcomeUnknownError,
    RejectedError,
    ThrottledError,
    UnauthorizedError,
)
from countersign.providers.port import File, SendOrder
from countersign.secrets.rotation import Rotating
from countersign.settings import ProviderSettings
from countersign.webhooks.verification import Verification, verify_signatures
from devstack.sandbox import DOCUMENSO_KEY, Sandbox

A4 = PageSize(595.28, 841.89)
ADA = Signer(name="Ada Lovelace", email="Ada@example.com")
GRACE = Signer(name="Grace Hopper", email="grace@example.com")


def a_pdf() -> bytes:
    document = FPDF(format="A4")
    document.add_page()
    return bytes(document.output())


def order(number: int = 0, **changes: Any) -> SendOrder:
    given: dict[str, Any] = {
        "marker": Marker(f"documenso-{number}-{datetime.now(UTC).timestamp():.6f}"[:40], "k3x9qa12"),
        "title": "Statement of Work",
        "description": "Please sign.",
        "sender": None,
        "source": File("contract.pdf", a_pdf(), (A4,)),
        "signers": (ADA, GRACE),
        "cc": ("legal@example.com",),
        "fields": (
            SignatureField(signer=1, page=1, x=100, y=200, width=200, height=40),
            SignatureField(signer=2, page=1, x=100, y=400, width=200, height=40),
        ),
    }
    return SendOrder(**given | changes)


@pytest_asyncio.fixture
async def documenso(documenso_sandbox: Sandbox) -> AsyncIterator[Documenso]:
    """An account at the sandbox."""
    await documenso_sandbox.call("DELETE", "/_sandbox/faults")
    settings = DocumensoSettings(api_key=SecretStr(DOCUMENSO_KEY), base_url=documenso_sandbox.url)
    opened = connect("documenso", Rotating(settings), ProviderSettings())
    yield opened
    await opened.close()
    await documenso_sandbox.call("DELETE", "/_sandbox/faults")


async def break_call(sandbox: Sandbox, path: str, **fault: Any) -> None:
    await sandbox.call("PUT", "/_sandbox/faults", {"api": [{"path": path, **fault}]})


def test_fields_are_in_percent_of_their_page() -> None:
    wide = PageSize(1000, 500)
    form, part = draft_parts(
        order(
            source=File("contract.pdf", b"%PDF-", (A4, wide)),
            fields=(
                SignatureField(signer=1, page=2, x=100, y=50, width=250, height=25),
                SignatureField(
                    signer=2, page=1, x=59.528, y=84.189, width=297.64, height=84.189, type="date"
                ),
            ),
        )
    )
    payload = json.loads(form["payload"])
    first, second = (recipient["fields"][0] for recipient in payload["recipients"][:2])
    assert (first["page"], first["positionX"], first["positionY"]) == (2, 10, 10)
    assert (first["width"], first["height"], first["type"]) == (25, 5, "SIGNATURE")
    assert (second["positionX"], second["positionY"], second["width"], second["type"]) == (10, 10, 50, "DATE")
    assert payload["externalId"].startswith("[documenso-")
    assert payload["recipients"][2] == {
        "email": "legal@example.com",
        "name": "legal@example.com",
        "role": "CC",
    }
    assert (part.field, part.media_type) == ("files", "application/pdf")


@pytest.mark.parametrize(("orders", "expected"), [((1, 1), "PARALLEL"), ((2, 1), "SEQUENTIAL")])
def test_the_order_of_signing_is_the_agreements(orders: tuple[int, int], expected: str) -> None:
    signers = tuple(
        signer.model_copy(update={"order": number})
        for signer, number in zip((ADA, GRACE), orders, strict=True)
    )
    payload = json.loads(draft_parts(order(signers=signers))[0]["payload"])
    assert payload["meta"]["signingOrder"] == expected
    assert [entry["signingOrder"] for entry in payload["recipients"][:2]] == list(orders)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"source": File("contract.docx", b"PK", ())}, "documenso signs PDF files only"),
        ({"fields": (SignatureField(signer=1, anchor="{Sign}"),)}, "give `page`, `x` and `y`"),
        ({"fields": (SignatureField(signer=1, page=1, x=1, y=1, type="stamp"),)}, "has no type stamp"),
        ({"fields": (SignatureField(signer=1, page=1, x=1, y=1, required=False),)}, "always required"),
        ({"signers": (ADA.model_copy(update={"role": "buyer"}),)}, "has no signer roles"),
    ],
)
def test_what_it_lacks_is_refused_before_anything_is_sent(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        draft_parts(order(**changes))


async def test_two_sends_of_one_order_are_one_envelope(documenso: Documenso) -> None:
    wanted = order(1)
    first = await documenso.send(wanted, idempotency_key="a")
    assert await documenso.send(wanted, idempotency_key="b") == first
    found = await documenso.search(wanted.marker, since=datetime.now(UTC), heartbeat=lambda _: None)
    assert (found.document_ids, found.is_conclusive) == ((first.id,), True)


async def test_a_draft_is_no_sent_document_and_is_used_by_the_next_attempt(
    documenso: Documenso, documenso_sandbox: Sandbox
) -> None:
    wanted = order(2)
    await break_call(documenso_sandbox, "/api/v2/envelope/create", do="drop", at="after")
    with pytest.raises(NotSentError, match="nothing was sent"):
        await documenso.send(wanted, idempotency_key="a")
    found = await documenso.search(wanted.marker, since=datetime.now(UTC), heartbeat=lambda _: None)
    assert (found.document_ids, found.evidence) == ((), "search by external id: 0 sent, 1 drafts")
    sent = await documenso.send(wanted, idempotency_key="b")
    entries = (await documenso_sandbox.ledger())["entries"]
    made = [
        entry
        for entry in entries
        if entry["kind"] == "document_created" and str(wanted.marker) in json.dumps(entry)
    ]
    assert [entry["subject"] for entry in made] == [sent.id]


async def by_hand(sandbox: Sandbox, wanted: SendOrder, *emails: str) -> str:
    """Have a colleague send an envelope with the order's external id, title and people; return its id."""
    body = {
        "title": wanted.title,
        "external_id": str(wanted.marker),
        "recipients": [{"name": email, "email": email} for email in emails],
    }
    return str((await sandbox.call("POST", "/_sandbox/documents", body))["id"])


@pytest.mark.parametrize("emails", [(ADA.email, GRACE.email), (ADA.email, "sender@example.com")])
@pytest.mark.parametrize("has_sent", [False, True])
async def test_a_colleagues_envelope_is_another_even_if_it_looks_the_same(
    documenso: Documenso, documenso_sandbox: Sandbox, emails: tuple[str, ...], *, has_sent: bool
) -> None:
    """The token's own user may be one of the signers, and sees their token of anybody's envelope."""
    people = tuple(Signer(name=email, email=email) for email in emails)
    wanted = order(11, signers=people, cc=())
    if has_sent:
        await documenso.send(order(12), idempotency_key="a")
    other = await by_hand(documenso_sandbox, wanted, *emails)
    assert (await documenso.document(other)).is_own is False
    sent = await documenso.send(wanted, idempotency_key="a")
    assert sent.id != other
    found = await documenso.search(wanted.marker, since=datetime.now(UTC), heartbeat=lambda _: None)
    assert set(found.document_ids) == {sent.id, other}, "a person sees both if the send's outcome is unknown"


@pytest.mark.parametrize("emails", [(ADA.email,), (ADA.email, GRACE.email), ("sender@example.com",)])
async def test_an_envelope_of_its_own_is_known_by_another_process(
    documenso: Documenso, documenso_sandbox: Sandbox, emails: tuple[str, ...]
) -> None:
    people = tuple(Signer(name=email, email=email) for email in emails)
    wanted = order(13, signers=people, cc=(), fields=order().fields[: len(people)])
    sent = await documenso.send(wanted, idempotency_key="a")
    settings = DocumensoSettings(api_key=SecretStr(DOCUMENSO_KEY), base_url=documenso_sandbox.url)
    restarted = connect("documenso", Rotating(settings), ProviderSettings())
    assert (await restarted.document(sent.id)).is_own is True
    assert await restarted.send(wanted, idempotency_key="b") == sent
    await restarted.close()


@pytest.mark.parametrize("fault", [{"do": "drop"}, {"do": "status", "status": 500}], ids=["drop", "500"])
async def test_a_lost_response_to_the_distribution_is_made_up_for_by_a_read(
    documenso: Documenso, documenso_sandbox: Sandbox, fault: dict[str, Any]
) -> None:
    await break_call(documenso_sandbox, "/api/v2/envelope/distribute", at="after", **fault)
    sent = await documenso.send(order(9), idempotency_key="a")
    assert (await documenso.document(sent.id)).status == "pending"


@pytest.mark.parametrize("fault", [{"do": "drop"}, {"do": "status", "status": 500}], ids=["drop", "500"])
async def test_a_distribution_that_was_not_made_is_of_unknown_outcome(
    documenso: Documenso, documenso_sandbox: Sandbox, fault: dict[str, Any]
) -> None:
    """The request may still be on its way: only the settle window and the search prove the opposite."""
    await break_call(documenso_sandbox, "/api/v2/envelope/distribute", at="before", **fault)
    with pytest.raises(OutcomeUnknownError):
        await documenso.send(order(10), idempotency_key="a")


async def test_the_unsigned_file_is_never_taken_for_the_signed_one(documenso: Documenso) -> None:
    sent = await documenso.send(order(3), idempotency_key="a")
    into = io.BytesIO()
    with pytest.raises(NotReadyError):
        await documenso.signed_pdf(sent.id, into, max_bytes=10**7, heartbeat=lambda _: None)
    assert into.getvalue() == b""
    with pytest.raises(NotReadyError):
        await documenso.attachments(sent.id, heartbeat=lambda _: None)


async def test_its_archive_has_a_certificate_and_the_audit_log(
    documenso: Documenso, documenso_sandbox: Sandbox
) -> None:
    sent = await documenso.send(order(4), idempotency_key="a")
    await documenso_sandbox.complete(sent.id)
    while (await documenso.document(sent.id)).status != "completed":  # sealing is a job
        pass
    into = io.BytesIO()
    await documenso.signed_pdf(sent.id, into, max_bytes=10**7, heartbeat=lambda _: None)
    beats: list[int] = []
    (certificate,) = await documenso.attachments(sent.id, heartbeat=beats.append)
    assert beats, "else an archive of large files counts as dead"
    log = await documenso.audit_trail(sent.id)
    assert into.getvalue().startswith(b"%PDF-")
    assert (certificate.name, certificate.content[:5]) == ("certificate.pdf", b"%PDF-")
    assert log["auditLog"]
    assert "token" not in json.dumps(log)


async def test_what_all_have_signed_is_not_voided_while_it_is_sealed(
    documenso: Documenso, documenso_sandbox: Sandbox
) -> None:
    sent = await documenso.send(order(5), idempotency_key="a")
    await documenso_sandbox.call("POST", f"/_sandbox/documents/{sent.id}/complete", {"finalization": "fails"})
    assert (await documenso.document(sent.id)).status == "pending"
    with pytest.raises(RejectedError, match="all have signed"):
        await documenso.void(sent.id, "Too late.", idempotency_key="a")
    await documenso_sandbox.call("POST", f"/_sandbox/documents/{sent.id}/finalize", {})


async def test_a_quota_is_no_pause(documenso: Documenso, documenso_sandbox: Sandbox) -> None:
    """A 429 without Retry-After: the account is blocked, and a person must raise the quota."""
    await break_call(documenso_sandbox, "/api/v2/envelope/create", do="status", status=429)
    with pytest.raises(UnauthorizedError) as refused:
        await documenso.send(order(6), idempotency_key="a")
    assert refused.value.about_key
    assert documenso.advice(refused.value.status).startswith("a quota of the provider's plan is used up")
    await break_call(documenso_sandbox, "/api/v2/envelope/create", do="rate_limit", retry_after=3)
    with pytest.raises(ThrottledError) as throttled:
        await documenso.send(order(7), idempotency_key="a")
    assert throttled.value.retry_after == 3


async def test_an_expired_key_is_refused_whatever_the_status(documenso_sandbox: Sandbox) -> None:
    settings = DocumensoSettings(api_key=SecretStr("api_sandbox_expired"), base_url=documenso_sandbox.url)
    opened = connect("documenso", Rotating(settings), ProviderSettings())
    with pytest.raises(UnauthorizedError) as refused:
        await opened.probe()
    assert (refused.value.status, refused.value.code) == (400, "EXPIRED_CODE")
    await opened.close()


async def test_an_envelope_that_no_one_can_sign_any_more_is_expired(
    documenso: Documenso, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The provider has no status for it: every open recipient's time is over."""
    sent = await documenso.send(order(8), idempotency_key="a")
    envelope = await documenso.client.envelope(sent.id)
    past = datetime.now(UTC) - timedelta(seconds=1)
    over = tuple(entry.model_copy(update={"expires_at": past}) for entry in envelope.recipients)

    async def read(_envelope_id: str) -> Any:
        return envelope.model_copy(update={"recipients": over})

    monkeypatch.setattr(documenso.client, "envelope", read)
    assert (await documenso.document(sent.id)).status == "expired"


BODY: dict[str, Any] = {
    "event": "DOCUMENT_SIGNED",
    "createdAt": "2027-01-01T00:00:00.000Z",
    "payload": {
        "envelopeId": "envelope_1",
        "externalId": "[order-1042~k3x9qa12]",
        "updatedAt": "2027-01-01T00:00:00.000Z",
        "recipients": [
            {"id": 7, "role": "SIGNER", "token": "t1", "signedAt": "2027-01-01T00:00:00.000Z"},
            {"id": 8, "role": "SIGNER", "token": "t2", "signedAt": "2027-01-02T00:00:00.000Z"},
            {"id": 9, "role": "CC", "token": "t3", "signedAt": "2027-01-03T00:00:00.000Z"},
        ],
    },
}


def test_retries_of_an_event_have_one_id_and_other_events_another() -> None:
    adapter = DocumensoWebhookAdapter()
    first = adapter.read((), BODY)
    again = adapter.read((), BODY | {"createdAt": "2027-01-01T00:00:05.000Z"})
    other = adapter.read((), BODY | {"event": "DOCUMENT_COMPLETED"})
    assert first is not None
    assert again is not None
    assert other is not None
    assert first.event.event_id == again.event.event_id != other.event.event_id
    assert (first.event.kind, first.event.recipient_id) == (EventKind.PARTIALLY_SIGNED, "8")
    assert first.marker == Marker("order-1042", "k3x9qa12")
    assert "t1" not in repr(first)
    assert adapter.read((), {"event": "DOCUMENT_CREATED", "payload": {}}) is None


def _viewed(*opened: str) -> dict[str, Any]:
    recipients = [
        {
            "id": number,
            "role": "SIGNER",
            "readStatus": "OPENED" if name in opened else "NOT_OPENED",
            "signingStatus": "SIGNED" if name == "ada" else "NOT_SIGNED",
        }
        for number, name in enumerate(("ada", "ben", "cyd"), start=1)
    ]
    return BODY | {"event": "DOCUMENT_OPENED", "payload": BODY["payload"] | {"recipients": recipients}}


@pytest.mark.parametrize(
    ("opened", "viewer"), [(("ada", "ben"), "2"), (("ada", "ben", "cyd"), None), ((), None)]
)
def test_who_opened_it_is_known_if_only_one_can_have(opened: tuple[str, ...], viewer: str | None) -> None:
    """The event names no recipient."""
    read = DocumensoWebhookAdapter().read((), _viewed(*opened))
    assert read is not None
    assert (read.event.kind, read.event.recipient_id) == (EventKind.VIEWED, viewer)


def test_a_draft_that_is_deleted_concerns_no_agreement() -> None:
    """The adapter deletes spare drafts; they reached no signer, and must not look like a second document."""
    adapter = DocumensoWebhookAdapter()
    cancelled = BODY | {"event": "DOCUMENT_CANCELLED"}
    assert adapter.read((), cancelled | {"payload": BODY["payload"] | {"status": "DRAFT"}}) is None
    assert adapter.read((), cancelled | {"payload": BODY["payload"] | {"status": "PENDING"}}) is not None


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([(SECRET_HEADER, b"the-secret-0123456789")], Verification.VERIFIED),
        ([(SECRET_HEADER, b"another-secret-012345")], Verification.MISMATCH),
        ([(SECRET_HEADER, b"")], Verification.UNSIGNED),
        ([], Verification.UNSIGNED),
        ([(SECRET_HEADER, b"the-secret-0123456789")] * 2, Verification.UNSIGNED),
    ],
)
def test_the_secret_itself_verifies_a_delivery(
    headers: list[tuple[bytes, bytes]], expected: Verification
) -> None:
    adapter = DocumensoWebhookAdapter()
    key = adapter.key("the-secret-0123456789")
    message = adapter.signed_message(headers, b"any body")
    assert verify_signatures(message, [key], now=0) is expected
    with pytest.raises(ValueError, match="must not be empty"):
        adapter.key("")
