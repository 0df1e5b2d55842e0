"""Standard Webhooks: the same results as the official library, and providers by configuration."""

import base64
import json
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from standardwebhooks.webhooks import Webhook, WebhookVerificationError
from temporalio.client import Client

from countersign.configuration import SettingsError
from countersign.webhooks.configured.adapter import AgreementAdapter
from countersign.webhooks.configured.route_file import AgreementRoute, read_routes
from countersign.webhooks.configured.signatures import read_key, read_signed_message
from countersign.webhooks.verification import HmacKey, Verification, verify_signatures
from tests.webhooks.webhook_deliveries import encode
from tests.webhooks.webhook_receiver import start_agreement
from tests.webhooks.webhook_receivers import calling, receiver_in_process

SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef01234567").decode()
OTHER = "whsec_" + base64.b64encode(b"another secret, as long.").decode()
PAYLOAD = {
    "type": "contract.signed",
    "timestamp": "2026-01-31T12:00:00Z",
    "data": {"contract": {"id": "c-1", "name": "Contract"}, "signer": {"id": "s-1"}},
}
BODY = encode(PAYLOAD)
Headers = dict[str, str]


def signed(body: bytes = BODY, *, secret: str = SECRET, message_id: str = "msg_1", age: int = 0) -> Headers:
    """Sign with the official library, `age` seconds ago."""
    at = datetime.now(UTC) - timedelta(seconds=age)
    signature = Webhook(secret).sign(message_id, at, body.decode())
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": signature,
    }


def verify_here(headers: Headers, body: bytes = BODY, *, secret: str = SECRET) -> Verification:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    return verify_signatures(read_signed_message(raw, body), [read_key(secret)], now=time.time())


def verify_officially(headers: Headers, body: bytes = BODY, *, secret: str = SECRET) -> bool:
    try:
        Webhook(secret).verify(body, headers)
    except (WebhookVerificationError, ValueError):
        return False
    return True


def _without(name: str) -> Callable[[Headers], Headers]:
    return lambda headers: {key: value for key, value in headers.items() if key != name}


def _with(name: str, change: Callable[[str], str]) -> Callable[[Headers], Headers]:
    return lambda headers: headers | {name: change(headers[name])}


BOTH_ACCEPT: dict[str, Callable[[Headers], Headers]] = {
    "as signed": dict,
    "among others": _with("webhook-signature", lambda right: f"v1,{'A' * 43}= {right} v2,AAAA"),
    "of an unknown version first": _with("webhook-signature", lambda right: f"v9,AAAA {right}"),
    "twice": _with("webhook-signature", lambda right: f"{right} {right}"),
}
BOTH_REFUSE: dict[str, Callable[[Headers], Headers]] = {
    "without id": _without("webhook-id"),
    "without timestamp": _without("webhook-timestamp"),
    "without signature": _without("webhook-signature"),
    "empty id": _with("webhook-id", lambda _: ""),
    "another id": _with("webhook-id", lambda _: "msg_2"),
    "another time": _with("webhook-timestamp", lambda now: str(int(now) - 1)),
    "no number": _with("webhook-timestamp", lambda _: "soon"),
    "no version": _with("webhook-signature", lambda right: right.removeprefix("v1,")),
    "another version": _with("webhook-signature", lambda right: right.replace("v1,", "v2,")),
    "empty signature": _with("webhook-signature", lambda _: "v1,"),
    "truncated": _with("webhook-signature", lambda right: right[:-8]),
    "not base64": _with("webhook-signature", lambda _: "v1,***"),
    "another key's": lambda _: signed(secret=OTHER),
    "too old": lambda _: signed(age=310),
    "too new": lambda _: signed(age=-310),
}


@pytest.mark.parametrize("change", BOTH_ACCEPT.values(), ids=BOTH_ACCEPT)
def test_what_the_official_library_accepts_is_accepted(change: Callable[[Headers], Headers]) -> None:
    headers = change(signed())

    assert verify_officially(headers)
    assert verify_here(headers) is Verification.VERIFIED


@pytest.mark.parametrize("change", BOTH_REFUSE.values(), ids=BOTH_REFUSE)
def test_what_the_official_library_rejects_is_rejected(change: Callable[[Headers], Headers]) -> None:
    headers = change(signed())

    assert not verify_officially(headers)
    assert verify_here(headers) is not Verification.VERIFIED


def test_random_secrets_and_bodies_agree_with_the_official_library() -> None:
    for length in (16, 24, 25, 26, 64):
        secret = "whsec_" + base64.b64encode(secrets.token_bytes(length)).decode().rstrip("=")
        body = encode({"é": secrets.token_hex(length)})
        headers = signed(body, secret=secret)
        assert verify_here(headers, body, secret=secret) is Verification.VERIFIED
        assert verify_officially(headers, body, secret=secret)


@pytest.mark.parametrize("message_id", ["msg.1", "msg 1", "é", "x" * 201])
def test_an_id_with_a_full_stop_is_rejected(message_id: str) -> None:
    assert verify_here(signed(message_id=message_id)) is Verification.UNSIGNED


def test_more_signatures_than_anybody_needs_are_not_compared() -> None:
    headers = signed()
    headers["webhook-signature"] = "v1,AAAA " * 1000 + headers["webhook-signature"]

    assert verify_here(headers) is Verification.MISMATCH


SEED = base64.b64decode("VEVTVFNJR05JTkdLRVlET05PVFVTRVRISVNGT1JBTlk=")
"""The specification's example of an asymmetric key and a signature."""
EXAMPLE = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1a,tQ9V2XOqn7jL/DQenEFpqIugdBVtiMmER5mhSkXBNwM0"
    "mkATuDe6KYYUuxqtaiHeYGb7KaaBRdM5WqyeFiL8Ag==",
}


def _public(seed: bytes) -> str:
    return (
        "whpk_"
        + base64.b64encode(
            Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
        ).decode()
    )


@pytest.mark.parametrize(
    ("seed", "change", "checked"),
    [
        (SEED, {}, Verification.VERIFIED),
        (SEED, {"webhook-id": "msg_2"}, Verification.MISMATCH),
        (bytes(32), {}, Verification.MISMATCH),
        (
            SEED,
            {"webhook-signature": EXAMPLE["webhook-signature"].replace("v1a", "v1")},
            Verification.MISMATCH,
        ),
        (SEED, {"webhook-signature": "v1a,AAAA"}, Verification.MISMATCH),
    ],
)
def test_the_specifications_asymmetric_example(seed: bytes, change: Headers, checked: Verification) -> None:
    raw = [(name.encode(), value.encode()) for name, value in (EXAMPLE | change).items()]
    signed_message = read_signed_message(raw, b'{"test": 2432232314}')

    assert verify_signatures(signed_message, [read_key(_public(seed))], now=1614265330) is checked


def test_a_shared_secret_does_not_verify_an_asymmetric_signature() -> None:
    """A public key must not work as a shared secret."""
    public = base64.b64decode(_public(SEED).removeprefix("whpk_"))
    forged = HmacKey(public)
    headers = signed(secret="whsec_" + base64.b64encode(forged.secret).decode())
    headers["webhook-signature"] += " " + headers["webhook-signature"].replace("v1,", "v1a,")

    assert verify_here(headers, secret=_public(SEED)) is Verification.MISMATCH


@pytest.mark.parametrize(
    "secret", ["", "whsec_", "whsec_***", "whsec_c2hvcnQ=", "whpk_AAAA", "whpk_***", "é"]
)
def test_an_error_about_a_secret_does_not_quote_it(secret: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        read_key(secret)

    assert secret in {"", "whsec_"} or secret not in str(caught.value)


# By configuration

PROVIDERS = """
[acme-sign]
document_id = "data.contract.id"
title = "data.contract.name"
recipient_id = "data.signer.id"

[acme-sign.kinds]
"contract.signed" = "completed"
"contract.declined" = "declined"
"""


@pytest.fixture
def providers(tmp_path: Path) -> Path:
    file = tmp_path / "providers.toml"
    file.write_text(PROVIDERS)
    return file


async def test_a_configured_provider_delivers_beside_turbodocx(receiving: Client, providers: Path) -> None:
    agreement = await start_agreement(receiving)
    payload = json.loads(BODY)
    payload["data"]["contract"]["name"] = agreement.title
    body = encode(payload)
    async with (
        receiver_in_process(
            receiving,
            COUNTERSIGN_WEBHOOKS_ROUTES=str(providers),
            ACME_SIGN_WEBHOOK_SECRET=OTHER,
            ACME_SIGN_WEBHOOK_SECRET_PREVIOUS=SECRET,
            ACME_SIGN_WEBHOOK_SECRET_PREVIOUS_UNTIL=(datetime.now(UTC) + timedelta(hours=1)).isoformat(),
        ) as receiver,
        calling(receiver) as http,
    ):
        for secret, expected in ((SECRET, 200), (OTHER, 200), (SECRET[:-4] + "AAAA", 401)):
            headers = signed(body, secret=secret)
            response = await http.post("/webhooks/acme-sign", content=body, headers=headers)
            assert response.status_code == expected
        assert (await http.post("/webhooks/turbodocx", content=body)).status_code == 401

    first, second = await agreement.events()
    assert first.model_dump(exclude={"received_at"}) == second.model_dump(exclude={"received_at"})
    assert (first.event_id, first.kind, first.provider) == ("msg_1", "completed", "acme-sign")
    assert (first.document_id, first.recipient_id) == ("c-1", "s-1")
    assert first.occurred_at == "2026-01-31T12:00:00Z"
    await agreement.handle.terminate()


async def test_turbodocx_may_be_absent_then(receiving: Client, providers: Path) -> None:
    async with (
        receiver_in_process(
            receiving,
            COUNTERSIGN_WEBHOOKS_ROUTES=str(providers),
            ACME_SIGN_WEBHOOK_SECRET=SECRET,
            TURBODOCX_WEBHOOK_SECRET="",
        ) as receiver,
        calling(receiver) as http,
    ):
        assert (await http.post("/webhooks/turbodocx")).status_code == 404
        assert (await http.post("/webhooks/acme-sign")).status_code == 401


def _adapter() -> AgreementAdapter:
    mapping = AgreementRoute.model_validate(
        {
            "kinds": {"contract.signed": "completed"},
            "document_id": "data.contract.id",
            "title": "data.contract.name",
        }
    )
    return AgreementAdapter("acme", mapping)


@pytest.mark.parametrize(
    "payload", [{}, {"type": 17}, {"type": "invoice.paid"}, {"type": "invoice.paid", "data": []}], ids=repr
)
def test_what_concerns_no_agreement_is_nothing(payload: dict[str, Any]) -> None:
    assert _adapter().read([(b"webhook-id", b"msg_1")], payload) is None


def test_an_unknown_type_is_recorded_by_its_own_name() -> None:
    parsed = _adapter().read([(b"webhook-id", uuid4().hex.encode())], PAYLOAD | {"type": "contract.seen"})

    assert parsed is not None
    assert parsed.event.kind == "acme:contract.seen"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[acme", "is not TOML"),
        ("[acme]\ntitle = 'a'", "acme.kinds: Field required"),
        ("[acme]\ntitel = 'a'", "acme.titel"),
        (PROVIDERS.replace('"declined"', '"refused"'), "acme-sign.kinds.contract.declined"),
        (PROVIDERS.replace("acme-sign", "Acme"), "Acme"),
        (PROVIDERS.replace("acme-sign", "turbodocx"), "turbodocx is an account's name"),
        (PROVIDERS.replace("data.contract.id", "data..id"), "acme-sign.document_id"),
    ],
)
def test_an_error_in_the_providers_file_names_its_place(tmp_path: Path, text: str, complaint: str) -> None:
    file = tmp_path / "providers.toml"
    file.write_text(text)

    with pytest.raises(SettingsError) as caught:
        read_routes(file, {"turbodocx"})

    assert complaint in str(caught.value)
    assert str(file) in str(caught.value)


def test_headers_may_have_the_names_of_svix() -> None:
    renamed = {name.replace("webhook-", "svix-"): value for name, value in signed().items()}
    assert verify_here(renamed) is Verification.VERIFIED
    assert verify_here(renamed | {"svix-id": "msg_2"}) is Verification.MISMATCH
    parsed = _adapter().read([(b"svix-id", b"msg_1")], PAYLOAD)
    assert parsed is not None
    assert parsed.event.event_id == "msg_1"


def test_the_two_names_of_headers_do_not_mix() -> None:
    headers = signed()
    mixed = headers | {"svix-id": headers.pop("webhook-id")}
    assert verify_here(mixed) is not Verification.VERIFIED


def test_ids_may_be_numbers() -> None:
    data = {"contract": {"id": 4711, "name": "Contract"}, "signer": {"id": 7}}
    parsed = _adapter().read([(b"webhook-id", b"msg_1")], PAYLOAD | {"data": data})
    assert parsed is not None
    assert parsed.event.document_id == "4711"
