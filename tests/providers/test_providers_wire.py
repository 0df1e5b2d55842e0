"""Our requests beside the official SDK's for the same operations: equal on the wire."""

import io
import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

import pytest
from turbodocx_sdk import Deliverable, TurboSign, TurboWebhooks

from countersign.agreements.messages import (
    EmailCode,
    ExternalCheck,
    IdentityCheck,
    Image,
    JsonData,
    Repeated,
    RichText,
    SmsCode,
    Table,
    Variable,
)
from countersign.providers.errors import ContractBrokenError, OutcomeUnknownError
from countersign.providers.port import IdentityAssertion
from countersign.providers.turbodocx.client import TurboDocxClient
from countersign.providers.turbodocx.requests import (
    Field,
    Recipient,
    SignatureRequest,
    UploadFile,
    identity,
    variables,
)
from tests.providers.provider_calls import DOCUMENT_ID
from tests.providers.provider_edge import KEY, PREPARED, Received, client, edge, response

RECIPIENT_ID = "3f0e9c1a-0000-4000-8000-0000000000a1"
TEMPLATE_ID = "3f0e9c1a-0000-4000-8000-00000000fee1"
PNG = b"\x89PNG\r\n\x1a\n"
PDF = b"%PDF-1.7\n%%EOF\n"
DOCX = b"PK\x03\x04word/document.xml"
_SENDER: dict[str, Any] = {"sender_email": "sender@example.com", "sender_name": "Sam Sender"}


@dataclass(frozen=True)
class Pair:
    """One operation, ours and theirs, and an answer that both can read."""

    own: Callable[[TurboDocxClient], Awaitable[object]]
    theirs: Callable[[], Awaitable[object]]
    answer: Any


def own(**source: Any) -> SignatureRequest:
    return SignatureRequest(
        document_name="Contract [X-1~abc123]",
        description="Please sign",
        recipients=(
            Recipient(name="Ann", email="ann@example.com", signing_order=1),
            Recipient(name="Bo", email="bo@example.com", signing_order=2),
        ),
        fields=(
            Field(type="signature", recipient_email="ann@example.com", anchor="{S1}", width=200, height=40),
            Field(
                type="text",
                recipient_email="bo@example.com",
                page=1,
                x=100,
                y=500,
                width=200,
                height=50,
                required=False,
            ),
        ),
        cc=("copy@example.com",),
        send_email=False,
        **_SENDER,
        **source,
    )


def reviewed(**source: Any) -> SignatureRequest:
    return SignatureRequest(
        document_name="C",
        recipients=(Recipient(name="Ann", email="ann@example.com", signing_order=1),),
        review=True,
        **_SENDER,
        **source,
    )


def theirs(**source: Any) -> Awaitable[object]:
    return TurboSign.send_signature(
        [
            {"name": "Ann", "email": "ann@example.com", "signingOrder": 1},
            {"name": "Bo", "email": "bo@example.com", "signingOrder": 2},
        ],
        [
            {
                "type": "signature",
                "recipientEmail": "ann@example.com",
                "template": {
                    "anchor": "{S1}",
                    "placement": "replace",
                    "size": {"width": 200, "height": 40},
                },
            },
            {
                "type": "text",
                "recipientEmail": "bo@example.com",
                "required": False,
                "page": 1,
                "x": 100,
                "y": 500,
                "width": 200,
                "height": 50,
            },
        ],
        document_name="Contract [X-1~abc123]",
        document_description="Please sign",
        cc_emails=["copy@example.com"],
        send_email=False,
        **source,
    )


def send(ours_source: Mapping[str, Any], theirs_source: Mapping[str, Any] | None = None) -> Pair:
    return Pair(
        lambda it: it.prepare_for_signing(own(**ours_source), idempotency_key="k"),
        lambda: theirs(**(theirs_source or ours_source)),
        PREPARED,
    )


VALUES: dict[str, Variable] = {
    "Name": "Ann",
    "Terms": RichText(kind="markdown", text="**30** days"),
    "Contact": RichText(kind="html", text="<p>{who}</p>", variables={"who": "Bo"}),
    "Logo": Image(key="files/a.png", sha256="00"),
    "Phases": Repeated(
        items=("First", RichText(kind="text", text="Second", variables={"Phases.Status": "late"}))
    ),
    "Scope": Repeated(items=(RichText(kind="html", text="<b>All</b>"), "or nothing")),
    "Prices": Table(columns=("Item", "Price"), rows=(("Nuts & bolts", "12.00"), ("Work\nhours", "<5>"))),
    "Items": JsonData(value=[{"name": "Nut", "price": 0.1, "isNew": True}]),
}
"""Every kind of variable."""
WIRE: list[dict[str, Any]] = [
    {"placeholder": "{Name}", "text": "Ann", "mimeType": "text"},
    {"placeholder": "{Terms}", "text": "**30** days", "mimeType": "markdown"},
    {
        "placeholder": "{Contact}",
        "text": "<p>{who}</p>",
        "mimeType": "html",
        "subvariables": [{"placeholder": "{who}", "text": "Bo", "mimeType": "text"}],
    },
    {"placeholder": "{Logo}", "text": "data:image/png;base64,iVBORw0KGgo=", "mimeType": "image"},
    {
        "placeholder": "{Phases}",
        "mimeType": "text",
        "variableStack": {
            "0": {"text": "First", "mimeType": "text"},
            "1": {
                "text": "Second",
                "mimeType": "text",
                "subvariables": [{"placeholder": "{Phases.Status}", "text": "late", "mimeType": "text"}],
            },
        },
    },
    {
        "placeholder": "{Scope}",
        "mimeType": "html",
        "variableStack": {
            "0": {"text": "<b>All</b>", "mimeType": "html"},
            "1": {"text": "or nothing", "mimeType": "text"},
        },
    },
    {
        "placeholder": "{Prices}",
        "text": "<table><tr><th>Item</th><th>Price</th></tr>"
        "<tr><td>Nuts &amp; bolts</td><td>12.00</td></tr>"
        "<tr><td>Work<br>hours</td><td>&lt;5&gt;</td></tr></table>",
        "mimeType": "html",
    },
    {
        "placeholder": "{Items}",
        "value": [{"name": "Nut", "price": 0.1, "isNew": True}],
        "mimeType": "json",
        "usesAdvancedTemplatingEngine": True,
    },
]
"""The same as the provider's documentation writes it."""
CHECKED: list[tuple[str, str, IdentityCheck]] = [
    ("Ann", "ann@example.com", EmailCode()),
    ("Bo", "bo@example.com", SmsCode(phone="+493012345678")),
    ("Cy", "cy@example.com", ExternalCheck(provider="IDP", max_age_minutes=30)),
]
HOOK = {
    "data": {"id": "h", "name": "signature", "urls": [], "events": [], "isActive": 1, "secret": "whsec_x"}
}
PAIRS: dict[str, Pair] = {
    "send a deliverable": send({"deliverable_id": DOCUMENT_ID}),
    "send a template": send({"template_id": TEMPLATE_ID}),
    "send a link": send({"file_link": "https://files.example/a.pdf"}),
    "send a PDF": send(
        {"file": UploadFile(file_name="offer.pdf", content=PDF)}, {"file": PDF, "file_name": "offer.pdf"}
    ),
    "send a DOCX": send(
        {"file": UploadFile(file_name="offer.docx", content=DOCX)}, {"file": DOCX, "file_name": "offer.docx"}
    ),
    "review a PDF": Pair(
        lambda it: it.prepare_for_review(
            reviewed(file=UploadFile(file_name="offer.pdf", content=PDF)), idempotency_key="k"
        ),
        lambda: TurboSign.create_signature_review_link(
            [{"name": "Ann", "email": "ann@example.com", "signingOrder": 1}],
            file=PDF,
            file_name="offer.pdf",
            document_name="C",
        ),
        PREPARED | {"previewUrl": "https://x.example"},
    ),
    "review a deliverable": Pair(
        lambda it: it.prepare_for_review(reviewed(deliverable_id=DOCUMENT_ID), idempotency_key="k"),
        lambda: TurboSign.create_signature_review_link(
            [{"name": "Ann", "email": "ann@example.com", "signingOrder": 1}],
            deliverable_id=DOCUMENT_ID,
            document_name="C",
        ),
        PREPARED | {"previewUrl": "https://x.example"},
    ),
    "send by roles, plainly": Pair(
        lambda it: it.prepare_for_signing(
            SignatureRequest(
                document_name="C",
                recipients=(Recipient(name="Ann", email="ann@example.com", role="client"),),
                template_id=TEMPLATE_ID,
                **_SENDER,
            ),
            idempotency_key="k",
        ),
        lambda: TurboSign.send_signature(
            [{"name": "Ann", "email": "ann@example.com", "role": "client"}],
            template_id=TEMPLATE_ID,
            document_name="C",
        ),
        PREPARED,
    ),
    "send with identity checks": Pair(
        lambda it: it.prepare_for_signing(
            SignatureRequest(
                document_name="C",
                recipients=tuple(
                    Recipient(
                        name=name, email=email, phone=getattr(check, "phone", None), identity=identity(check)
                    )
                    for name, email, check in CHECKED
                ),
                template_id=TEMPLATE_ID,
                **_SENDER,
            ),
            idempotency_key="k",
        ),
        lambda: TurboSign.send_signature(
            [
                {
                    "name": "Ann",
                    "email": "ann@example.com",
                    "identityVerification": {"mode": "otp", "channel": "email"},
                },
                {
                    "name": "Bo",
                    "email": "bo@example.com",
                    "phone": "+493012345678",
                    "identityVerification": {"mode": "otp", "channel": "sms"},
                },
                {
                    "name": "Cy",
                    "email": "cy@example.com",
                    "identityVerification": {"mode": "external_idv", "provider": "IDP", "maxAgeMinutes": 30},
                },
            ],
            template_id=TEMPLATE_ID,
            document_name="C",
        ),
        PREPARED,
    ),
    "generate": Pair(
        lambda it: it.create_deliverable(
            name="Offer",
            template_id=TEMPLATE_ID,
            variables=variables(VALUES, {"files/a.png": PNG}),
            idempotency_key="k",
        ),
        lambda: Deliverable.generate_deliverable(
            name="Offer",
            template_id=TEMPLATE_ID,
            variables=WIRE,
        ),
        {"data": {"results": {"deliverable": {"id": "d", "name": "Offer", "isActive": 1}}}},
    ),
    "find deliverables": Pair(
        lambda it: it.find_deliverables("[X-1~abc123] & more"),
        lambda: Deliverable.list_deliverables(limit=100, query="[X-1~abc123] & more"),
        {"data": {"results": [], "totalRecords": 0}},
    ),
    "delete a deliverable": Pair(
        lambda it: it.delete_deliverable(DOCUMENT_ID, idempotency_key="k"),
        lambda: Deliverable.delete_deliverable(DOCUMENT_ID),
        {"data": {"message": "Deliverable deleted successfully", "deliverableId": DOCUMENT_ID}},
    ),
    "signature setup": Pair(
        lambda it: it.signature_setup(TEMPLATE_ID),
        lambda: TurboSign.get_template_signature_setup(TEMPLATE_ID),
        {"data": {"templateId": TEMPLATE_ID, "roles": []}},
    ),
    "status": Pair(
        lambda it: it.document_status(DOCUMENT_ID),
        lambda: TurboSign.get_status(DOCUMENT_ID),
        {"data": {"status": "under_review"}},
    ),
    "recipients": Pair(
        lambda it: it.document_recipients(DOCUMENT_ID),
        lambda: TurboSign.get_recipients(DOCUMENT_ID),
        {"data": {"document": {"id": "d", "name": "n", "status": "completed"}, "recipients": []}},
    ),
    "audit trail": Pair(
        lambda it: it.audit_trail(DOCUMENT_ID),
        lambda: TurboSign.get_audit_trail(DOCUMENT_ID),
        {"data": {"document": {"id": "d"}, "auditTrail": []}},
    ),
    "void": Pair(
        lambda it: it.void_document(DOCUMENT_ID, "a reason", idempotency_key="k"),
        lambda: TurboSign.void_document(DOCUMENT_ID, "a reason"),
        {"data": {"id": "d", "status": "voided"}},
    ),
    "remind": Pair(
        lambda it: it.send_reminder(DOCUMENT_ID, idempotency_key="k"),
        lambda: TurboSign.send_reminder(DOCUMENT_ID),
        {"data": {"results": []}},
    ),
    "remind some": Pair(
        lambda it: it.send_reminder(DOCUMENT_ID, recipient_ids=(RECIPIENT_ID,), idempotency_key="k"),
        lambda: TurboSign.send_reminder(DOCUMENT_ID, [RECIPIENT_ID]),
        {"data": {"results": []}},
    ),
    "resend": Pair(
        lambda it: it.resend_email(DOCUMENT_ID, recipient_ids=(RECIPIENT_ID,), idempotency_key="k"),
        lambda: TurboSign.resend_email(DOCUMENT_ID, [RECIPIENT_ID]),
        {"data": {"success": True, "recipientCount": 1}},
    ),
    "signing URL": Pair(
        lambda it: it.signing_url(DOCUMENT_ID, recipient_id=RECIPIENT_ID, return_url="https://x.example"),
        lambda: TurboSign.create_signing_url(
            DOCUMENT_ID, recipient_id=RECIPIENT_ID, return_url="https://x.example"
        ),
        {"data": {"results": {"url": "https://sign.example/1"}}},
    ),
    "signing URL after an external check": Pair(
        lambda it: it.signing_url(
            DOCUMENT_ID,
            recipient_id=RECIPIENT_ID,
            assertion=IdentityAssertion(
                provider="IDP",
                verification_id="v-1",
                verified_at=datetime(2027, 1, 31, tzinfo=UTC),
                email="cy@example.com",
            ),
        ),
        lambda: TurboSign.create_signing_url(
            DOCUMENT_ID,
            recipient_id=RECIPIENT_ID,
            identity_assertion={
                "provider": "IDP",
                "verificationId": "v-1",
                "verifiedAt": "2027-01-31T00:00:00+00:00",
                "subjectEmail": "cy@example.com",
            },
        ),
        {"data": {"results": {"url": "https://sign.example/1"}}},
    ),
    "webhook get": Pair(lambda it: it.webhooks.get(), TurboWebhooks.get_webhook, HOOK),
    "webhook create": Pair(
        lambda it: it.webhooks.create(urls=["https://x.example"], events=["signature.document.sent"]),
        lambda: TurboWebhooks.create_webhook(["https://x.example"], ["signature.document.sent"]),
        HOOK | {"message": "created"},
    ),
    "webhook update": Pair(
        lambda it: it.webhooks.update(urls=["https://y.example"], is_active=False),
        lambda: TurboWebhooks.update_webhook(urls=["https://y.example"], is_active=False),
        HOOK | {"message": "updated"},
    ),
    "webhook regenerate": Pair(
        lambda it: it.webhooks.regenerate_secret(),
        TurboWebhooks.regenerate_webhook_secret,
        HOOK | {"message": "m"},
    ),
    "webhook test": Pair(
        lambda it: it.webhooks.test("signature.document.sent", {"a": 1}),
        lambda: TurboWebhooks.test_webhook("signature.document.sent", {"a": 1}),
        {"data": {"deliveries": [], "summary": {}}, "message": "m"},
    ),
    "webhook deliveries": Pair(
        lambda it: it.webhooks.deliveries(limit=100, offset=100, event_type="signature.document.sent"),
        lambda: TurboWebhooks.list_webhook_deliveries(
            limit=100, offset=100, event_type="signature.document.sent"
        ),
        {"data": {"results": [], "totalRecords": 0}},
    ),
}


@pytest.mark.parametrize("name", PAIRS)
async def test_our_request_is_the_sdks(name: str) -> None:
    pair = PAIRS[name]
    async with edge(response(200, pair.answer)) as server, client(server.base_url) as provider:
        configure(server.base_url)
        await pair.own(provider)
        await pair.theirs()
    mine, official = server.received
    assert wire(mine) == wire(official)


ODD = [b"", b"null", b"1", b'"data"', b"[]", b"{}", b'{"data": null}', b'{"data": 1}', b'{"data": ["id"]}']


@pytest.mark.parametrize("name", PAIRS)
async def test_no_answer_has_an_operation_end_otherwise_than_as_it_says(name: str) -> None:
    """P13: with a result where the answer needs to hold nothing, else with one of the errors."""
    async with edge() as server, client(server.base_url) as provider:
        for body in ODD:
            server.reply = response(200, body)
            with suppress(ContractBrokenError, OutcomeUnknownError):
                await PAIRS[name].own(provider)


@pytest.mark.parametrize(
    ("file", "official"),
    [("pdf", Deliverable.download_pdf), ("source", Deliverable.download_source_file)],
)
async def test_a_generated_document_is_downloaded_as_by_the_sdk(
    file: Literal["pdf", "source"], official: Callable[[str], Awaitable[bytes]]
) -> None:
    sink = io.BytesIO()
    reply = response(200, PDF, media_type="application/pdf")
    async with edge(reply) as server, client(server.base_url) as provider:
        configure(server.base_url)
        await provider.download_deliverable(DOCUMENT_ID, sink, file=file, max_bytes=1000)
        assert sink.getvalue() == await official(DOCUMENT_ID) == PDF
        with pytest.raises(ContractBrokenError):
            await provider.download_deliverable(DOCUMENT_ID, sink, file=file, max_bytes=3)
    mine, theirs, _ = server.received
    assert wire(mine) == wire(theirs)


async def test_a_template_is_uploaded_as_the_contract_says() -> None:
    """The Python SDK has no such method; see section 3 of the contract."""
    made = {"id": TEMPLATE_ID, "name": "Offer", "isActive": 1, "variables": None}
    reply = response(200, {"data": {"results": {"template": made, "redirectUrl": "/"}}})
    async with edge(reply) as server, client(server.base_url) as provider:
        uploaded = await provider.upload_template(
            "Offer",
            UploadFile(file_name="offer.docx", content=DOCX),
            description="Prices",
            idempotency_key="k",
        )
    assert uploaded.id == TEMPLATE_ID
    (request,) = server.received
    assert (request.method, request.target) == ("POST", "/template/upload-and-create")
    assert parts(request) == [
        ("description", None, None, b"Prices"),
        ("name", None, None, b"Offer"),
        ("tags", None, None, []),
        ("variables", None, None, []),
        (
            "templateFile",
            "document.docx",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            DOCX,
        ),
    ]


async def test_a_difference_is_seen() -> None:
    """The comparison is no pretence: another name is another request."""
    async with edge(response(200, PREPARED)) as server, client(server.base_url) as provider:
        for name in ("one.pdf", "two.pdf"):
            file = UploadFile(file_name=name, content=PDF)
            await provider.prepare_for_signing(own(file=file), idempotency_key="k")
    one, two = server.received
    assert wire(one) != wire(two)


def configure(base_url: str) -> None:
    TurboSign.configure(api_key=KEY, org_id="an-org", base_url=base_url, **_SENDER)
    Deliverable.configure(api_key=KEY, org_id="an-org", base_url=base_url)
    TurboWebhooks.configure(api_key=KEY, org_id="an-org", base_url=base_url)


def wire(request: Received) -> dict[str, Any]:
    """What matters of a request; JSON within JSON is compared as what it says."""
    url = urlsplit(request.target)
    media_type = request.headers.get("content-type", "").partition(";")[0]
    return {
        "method": request.method,
        "path": url.path,
        "query": parse_qs(url.query),
        "authorization": request.headers["authorization"],
        "organisation": request.headers["x-rapiddocx-org-id"],
        # the SDK calls the body of a GET and of a DELETE JSON too, though there is none
        "media_type": media_type if request.body or request.method in {"POST", "PATCH"} else None,
        "body": parts(request) if media_type == "multipart/form-data" else said(request.body),
    }


def parts(request: Received) -> list[tuple[Any, ...]]:
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    message = BytesParser(policy=HTTP).parsebytes(head + request.body)
    found = []
    for part in message.iter_parts():
        name, file_name = part.get_param("name", header="content-disposition"), part.get_filename()
        content = part.get_payload(decode=True)
        found.append((name, file_name, part.get_content_type() if file_name else None, said(content)))
    assert found[-1][1] is not None, "the file is the last part"
    return [*sorted(found[:-1]), found[-1]]


def said(text: Any) -> Any:
    try:
        value = json.loads(text) if isinstance(text, bytes | str) else text
    except ValueError:
        return text
    if isinstance(value, dict):
        return {key: said(item) for key, item in value.items()}
    return value
