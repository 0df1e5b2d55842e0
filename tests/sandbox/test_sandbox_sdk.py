"""Test that the provider's SDK runs against the sandbox with only another base_url."""

import json
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from turbodocx_sdk import Deliverable, TurboSign, TurboWebhooks, verify_webhook_signature
from turbodocx_sdk.http import (
    AuthenticationError,
    AuthorizationError,
    ConflictError,
    NotFoundError,
    RateLimitError,
    TurboDocxError,
    ValidationError,
)

from tests.sandbox.sandbox_kit import (
    ADMIN_KEY,
    EVENTS,
    MEMBER_KEY,
    ORDER_FORM,
    ORG_ID,
    SERVICES_AGREEMENT,
    Api,
    Receiver,
    signature,
)

pytestmark = pytest.mark.thorough

PEOPLE = [
    {"name": "Ada", "email": "ada@example.com", "signingOrder": 1},
    {"name": "Bob", "email": "bob@example.com", "signingOrder": 2},
]
FIELDS = [signature("ada@example.com", "{signature1}"), signature("bob@example.com", "{signature2}")]
VARIABLES = [{"placeholder": "{CustomerName}", "text": "Ada Lovelace", "mimeType": "text"}]
ALL_EVENTS = [f"signature.document.{event}" for event in EVENTS]


@pytest.fixture(autouse=True)
def sdk(api: Api) -> None:
    configure(api, ADMIN_KEY)


def configure(api: Api, key: str, org_id: str = ORG_ID) -> None:
    url = str(api.base_url).rstrip("/")
    Deliverable.configure(api_key=key, org_id=org_id, base_url=url)
    TurboWebhooks.configure(api_key=key, org_id=org_id, base_url=url)
    TurboSign.configure(
        api_key=key, org_id=org_id, base_url=url, sender_email="me@example.com", sender_name="Me"
    )


async def generate(name: str = "Contract") -> str:
    made = await Deliverable.generate_deliverable(
        name=name, template_id=SERVICES_AGREEMENT, variables=VARIABLES, tags=["hr"]
    )
    return str(made["results"]["deliverable"]["id"])


async def test_deliverables() -> None:
    first, second = await generate("First Contract"), await generate("Second Contract")
    listed = await Deliverable.list_deliverables(query="first", show_tags=True, limit=5, offset=0)
    assert [result["id"] for result in listed["results"]] == [first]
    assert listed["results"][0]["tags"][0]["label"] == "hr"
    assert listed["totalRecords"] == 1
    changed = await Deliverable.update_deliverable_info(first, name="Renamed", description="x", tags=[])
    assert changed["deliverableId"] == first
    details = await Deliverable.get_deliverable_details(first, show_tags=True)
    assert (details["name"], details["tags"], details["variables"]) == ("Renamed", [], VARIABLES)
    assert details["isActive"] is True
    assert (await Deliverable.download_pdf(first)).startswith(b"%PDF")
    assert (await Deliverable.download_source_file(first)).startswith(b"PK")
    assert (await Deliverable.delete_deliverable(second))["deliverableId"] == second
    assert (await Deliverable.list_deliverables())["totalRecords"] == 1


async def test_a_signature_from_send_to_download(api: Api) -> None:
    sent = await TurboSign.send_signature(PEOPLE, FIELDS, deliverable_id=await generate())
    document = sent["documentId"]
    assert sent["status"].lower() == "under_review"
    assert [recipient["name"] for recipient in sent["recipients"]] == ["Ada", "Bob"]
    assert (await TurboSign.get_status(document))["status"] == "under_review"
    ada, bob = (recipient["id"] for recipient in sent["recipients"])
    assert await TurboSign.resend_email(document, [ada]) == {"success": True, "recipientCount": 1}
    reminded = await TurboSign.send_reminder(document)
    assert {result["recipientId"]: result["status"] for result in reminded["results"]} == {
        ada: "sent",
        bob: "skipped_wrong_order",
    }
    with pytest.raises(ValidationError):
        await TurboSign.download(document)
    api.complete(document)
    recipients = await TurboSign.get_recipients(document)
    assert recipients["summary"]["completed"] == 2
    assert recipients["document"]["sentBy"] == {"name": "Me", "email": "me@example.com"}
    assert (await TurboSign.download(document)).startswith(b"%PDF")
    trail = (await TurboSign.get_audit_trail(document))["auditTrail"]
    assert [entry["previousHash"] for entry in trail[1:]] == [entry["currentHash"] for entry in trail[:-1]]
    assert {"document_sent", "document_viewed", "document_signed"} <= {entry["actionType"] for entry in trail}


@pytest.mark.parametrize("review", [False, True])
async def test_an_uploaded_file(api: Api, *, review: bool) -> None:
    content = await Deliverable.download_pdf(await generate())
    if review:
        answer = await TurboSign.create_signature_review_link(PEOPLE, file=content, document_name="Up")
        assert answer["previewUrl"].startswith(str(api.base_url))
        assert (await TurboSign.get_status(answer["documentId"]))["status"] == "review_ready"
        return
    answer = await TurboSign.send_signature(
        PEOPLE,
        FIELDS,
        file=content,
        file_name="kept name",
        document_name="Up",
        cc_emails=["cc@example.com"],
        send_email=False,
        reminders_enabled=True,
        reminder_delay={"value": 1, "unit": "days"},
        max_reminders=0,
        expiration_enabled=True,
        expire_after={"value": 10, "unit": "days"},
        expiration_warning={"value": 0, "unit": "days"},
    )
    assert "sendEmail: false" in answer["message"]
    assert (await TurboSign.get_status(answer["documentId"]))["expiresAt"]
    assert api.ledger("email_sent") == []


async def test_template_roles() -> None:
    setup = await TurboSign.get_template_signature_setup(ORDER_FORM)
    assert [role["key"] for role in setup["roles"]] == ["client", "countersigner"]
    sent = await TurboSign.send_signature(
        [{"role": "client", "name": "Ada", "email": "ada@example.com"}], template_id=ORDER_FORM
    )
    assert [recipient["email"] for recipient in sent["recipients"]] == [
        "ada@example.com",
        "countersigner@example.com",
    ]


async def test_voiding() -> None:
    sent = await TurboSign.send_signature(PEOPLE, FIELDS, template_id=SERVICES_AGREEMENT)
    voided = await TurboSign.void_document(sent["documentId"], "changed our minds")
    assert (voided["status"], voided["voidReason"]) == ("voided", "changed our minds")


async def test_embedded_signing(api: Api) -> None:
    settings = await TurboSign.get_embedded_signing_settings()
    assert settings["enabled"] is True
    people: list[dict[str, Any]] = [
        {"name": "Ada", "email": "ada@example.com", "auth": {"email_otp": True}},
        {"name": "Bob", "email": "bob@example.com"},
    ]
    made = await TurboSign.create_embedded_signature(people, fields=FIELDS, template_id=SERVICES_AGREEMENT)
    assert [recipient["status"] for recipient in made["recipients"]] == ["ready", "pending"]
    ada = made["recipients"][0]
    assert ada["embedUrl"].startswith(str(api.base_url))
    assert ada["identityVerificationMode"] == "otp"
    with pytest.raises(ConflictError) as refused:
        await TurboSign.create_signing_url(
            made["documentId"], recipient_id=made["recipients"][1]["recipientId"]
        )
    assert refused.value.code == "RecipientNotInTurn"


async def test_an_external_identity_check_signs_by_a_single_use_link(api: Api) -> None:
    identity = {"mode": "external_idv", "provider": "CAPA", "maxAgeMinutes": 60}
    person = {
        "name": "Ada",
        "email": "ada@example.com",
        "signingOrder": 1,
        "externalId": "a-1",
        "identityVerification": identity,
    }
    sent = await TurboSign.send_signature([person], FIELDS[:1], template_id=SERVICES_AGREEMENT)
    assert api.ledger("email_sent") == []
    with pytest.raises(ConflictError, match="single-use"):
        await TurboSign.resend_email(sent["documentId"], [sent["recipients"][0]["id"]])
    assertion = {
        "provider": "CAPA",
        "verificationId": "v-1",
        "verifiedAt": api.get("/_sandbox/clock").json()["now"],
        "subjectEmail": "ada@example.com",
    }
    link = await TurboSign.create_signing_url(
        sent["documentId"], external_id="a-1", identity_assertion=assertion, return_url="https://example.com"
    )
    assert (link["identityVerificationMode"], link["externalId"]) == ("external_idv", "a-1")
    assert [api.get(link["url"]).status_code for _ in range(2)] == [200, 410]
    stale = assertion | {"verifiedAt": "2020-01-01T00:00:00Z"}
    with pytest.raises(ValidationError) as refused:
        await TurboSign.create_signing_url(sent["documentId"], external_id="a-1", identity_assertion=stale)
    assert refused.value.code == "IdentityAssertionExpired"


async def test_webhooks(receiver: Receiver) -> None:
    made = await TurboWebhooks.create_webhook([receiver.url], ALL_EVENTS)
    assert made["secret"].startswith("whsec_")
    shown = await TurboWebhooks.get_webhook()
    assert shown["availableEvents"] == ALL_EVENTS
    assert made["secret"] not in json.dumps(shown)
    tested = await TurboWebhooks.test_webhook(ALL_EVENTS[0], {"document_id": "x"})
    assert tested["summary"] == {"total": 1, "successful": 1, "failed": 0, "errors": []}
    [delivery] = receiver.wait(1)
    assert verify_webhook_signature(
        delivery.raw,
        delivery.headers["x-turbodocx-signature"],
        delivery.headers["x-turbodocx-timestamp"],
        made["secret"],
    )
    assert (await TurboWebhooks.notify_webhook(ALL_EVENTS[0], {}))["summary"]["successful"] == 1
    log = await TurboWebhooks.list_webhook_deliveries(limit=1, is_delivered=True, http_status=200)
    assert (log["totalRecords"], len(log["results"])) == (2, 1)
    replayed = await TurboWebhooks.replay_webhook_delivery(log["results"][0]["id"])
    assert (replayed["status"], replayed["attemptCount"]) == ("pending", 0)
    receiver.wait(3)
    stats = await TurboWebhooks.get_webhook_stats(days=7)
    assert stats["period"]["days"] == 7
    rotated = await TurboWebhooks.regenerate_webhook_secret()
    assert rotated["secret"] not in {made["secret"], None}
    updated = await TurboWebhooks.update_webhook(events=ALL_EVENTS[:2], is_active=False)
    assert (updated["events"], updated["isActive"]) == (ALL_EVENTS[:2], False)
    assert "deleted" in (await TurboWebhooks.delete_webhook())["message"]
    with pytest.raises(NotFoundError):
        await TurboWebhooks.get_webhook()


Call = Callable[[], Awaitable[Any]]
NOWHERE = str(uuid.uuid4())


def _send(**changes: Any) -> Call:
    given = {"recipients": PEOPLE, "fields": FIELDS, "template_id": SERVICES_AGREEMENT} | changes
    return lambda: TurboSign.send_signature(**given)


@pytest.mark.parametrize(
    ("call", "error", "code"),
    [
        (lambda: TurboSign.get_status("no-uuid"), ValidationError, "ValidationError"),
        (lambda: TurboSign.get_status(NOWHERE), NotFoundError, "DocumentNotFound"),
        (lambda: Deliverable.get_deliverable_details(NOWHERE), NotFoundError, "DeliverableNotFound"),
        (lambda: generate("x"), ValidationError, "ValidationError"),
        (_send(template_id=None), ValidationError, "InvalidFileSource"),
        (_send(fields=None), ValidationError, "FieldsRequired"),
        (_send(fields=FIELDS[:1]), ValidationError, "SignerHasNoFields"),
        (
            _send(expiration_enabled=True, expire_after={"value": 1, "unit": "days"},
                  expiration_warning={"value": 2, "unit": "days"}),
            ValidationError,
            "InvalidSignatureSchedule",
        ),
        (
            _send(recipients=[PEOPLE[0] | {"identityVerification": {"mode": "otp", "channel": "sms"}}],
                  fields=FIELDS[:1]),
            ValidationError,
            "OtpPhoneRequired",
        ),
        (
            lambda: TurboSign.get_template_signature_setup(SERVICES_AGREEMENT),
            NotFoundError,
            "SignatureSetupNotFound",
        ),
        (lambda: TurboWebhooks.create_webhook(["http://example.com"], ALL_EVENTS), ValidationError, None),
        (lambda: TurboWebhooks.create_webhook(["https://example.com"], ["nope"]), ValidationError, None),
    ],
)  # fmt: skip
async def test_every_error_shape_becomes_the_sdks_own_error(
    call: Call, error: type[TurboDocxError], code: str | None
) -> None:
    with pytest.raises(error) as refused:
        await call()
    assert str(refused.value), "the message is lost"
    assert not str(refused.value).startswith("HTTP ")
    assert code is None or refused.value.code == code


async def test_conflicts_and_final_documents(receiver: Receiver) -> None:
    await TurboWebhooks.create_webhook([receiver.url], ALL_EVENTS)
    with pytest.raises(ConflictError, match="already in use"):
        await TurboWebhooks.create_webhook([receiver.url], ALL_EVENTS)
    sent = await TurboSign.send_signature(PEOPLE, FIELDS, template_id=SERVICES_AGREEMENT)
    await TurboSign.void_document(sent["documentId"], "no")
    with pytest.raises(ConflictError) as refused:
        await TurboSign.send_reminder(sent["documentId"])
    assert refused.value.code == "DocumentNotActionable"
    other = await TurboSign.send_signature(PEOPLE, FIELDS, template_id=SERVICES_AGREEMENT)
    with pytest.raises(ValidationError, match="not eligible"):
        await TurboSign.resend_email(other["documentId"], [other["recipients"][1]["id"]])


async def test_keys_roles_organizations_and_rates(api: Api) -> None:
    api.put("/_sandbox/faults", json={"api": [{"do": "rate_limit", "retry_after": 1}]})
    with pytest.raises(RateLimitError):
        await Deliverable.list_deliverables()
    configure(api, MEMBER_KEY)
    assert (await Deliverable.list_deliverables())["totalRecords"] == 0
    with pytest.raises(AuthorizationError):
        await TurboWebhooks.get_webhook()
    configure(api, "TDX-wrong")
    with pytest.raises(AuthenticationError, match="API key"):
        await Deliverable.list_deliverables()
    with pytest.raises(AuthenticationError):
        await TurboWebhooks.get_webhook()
    configure(api, ADMIN_KEY, org_id=NOWHERE)
    with pytest.raises(AuthorizationError, match="organization"):
        await TurboSign.get_status(NOWHERE)


@pytest.mark.parametrize("status", [402, 410, 422, 423, 499, 500, 503])
async def test_other_statuses_keep_their_number(api: Api, status: int) -> None:
    api.put("/_sandbox/faults", json={"api": [{"do": "status", "status": status}]})
    with pytest.raises(TurboDocxError) as refused:
        await Deliverable.list_deliverables()
    assert (type(refused.value), refused.value.status_code) == (TurboDocxError, status)
