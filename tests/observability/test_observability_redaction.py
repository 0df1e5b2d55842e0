"""Redaction: what is masked, what is left alone, and that no value can break, slow or fool it."""

import base64
import dataclasses
import json
import uuid
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr

from countersign.observability import redaction
from countersign.observability.patterns import MASK, PATTERNS, TOKEN, is_sensitive
from countersign.observability.redaction import protect, redact, redact_body, redact_text

SECRETS = {
    "key": "TDX-live-8f3a9c21b7d64e05",
    "partner key": "TDXP-8f3a9c21b7d64e05",
    "webhook secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "payment key": "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc",
    "cloud key": "AKIA" + "IOSFODNN7EXAMPLE",
    "vault token": "hvs." + "CAESIJlWZSAqqMTjGdYSGAXqDOeVFqfLm0uX",
    "code host token": "ghp_" + "16C7e42F292c6912E7710c838347Ae178B4a",
    "chat token": "xoxb-" + "1234567890-abcdefghijkl",
    "maps key": "AIza" + "SyD-9tSrke72PouQMnMX-a7eZSW0jkFMBWY",
    "web token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
}
PEOPLE = {
    "e-mail": "jane.doe@example.com",
    "tagged e-mail": "jane+contracts@mail.example.co.uk",
    "international e-mail": "jürgen@bücher.example",
    "punycode e-mail": "jane@xn--e1afmkfd.xn--p1ai",
    "encoded e-mail": "jane%2Bx%40example.com",
    "phone": "+49 30 901820",
    "dense phone": "+14155552671",
    "American phone": "(415) 555-2671",
    "dashed phone": "415-555-2671",
    "card": "4242424242424242",
    "spaced card": "4242 4242 4242 4242",
    "dashed card": "5555-5555-5555-4444",
    "amex": "378282246310005",
}


@pytest.mark.parametrize("secret", [*SECRETS.values(), *PEOPLE.values()], ids=[*SECRETS, *PEOPLE])
@pytest.mark.parametrize(
    "around", ["{}", "before {} after", "({})", "<{}>", "'{}',", '"{}"', "see:{}.", "a={};b"]
)
def test_what_looks_like_a_secret_or_a_person_is_masked(secret: str, around: str) -> None:
    shown = redact_text(around.format(secret))
    assert secret not in shown
    assert MASK in shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Authorization: Bearer abc.DEF-123", f"Authorization: {MASK}"),
        ("sent Basic dXNlcjpwYXNz here", f"sent Basic {MASK} here"),
        ("Set-Cookie: sid=1; Path=/; a=b\nnext", f"Set-Cookie: {MASK}\nnext"),
        ("password=hunter2&a=1", f"password={MASK}&a=1"),
        ('{"client_secret": "a\\"b", "n": 1}', f'{{"client_secret": {MASK}, "n": 1}}'),
        ("https://me:hunter2@db.example/x", f"https://{MASK}@db.example/x"),
        (
            "GET https://s3.example/f?X-Amz-Signature=ab&e=1 H",
            f"GET https://s3.example/f?X-Amz-Signature={MASK}&e=1 H",
        ),
        ('"GET /webhooks?token=abc HTTP/1.1" 200', f'"GET /webhooks?token={MASK} HTTP/1.1" 200'),
        (
            "https://a.blob.core.windows.net/f?sv=1&sig=ab%3D",
            f"https://a.blob.core.windows.net/f?sv=1&sig={MASK}",
        ),
        ("email = 'jane'", f"email = {MASK}"),
        (
            "see https://app.documenso.com/sign/kM3p_x-9aQ1rT7uW2yZ4b, soon",
            f"see https://app.documenso.com/sign/{MASK} soon",
        ),
        ('"/embed/sign/kM3p_x-9aQ1rT7uW2yZ4b#abc"', f'"/embed/sign/{MASK}"'),
        (
            "https://app.turbodocx.com/e-signature/embed/2dea1f80?sut=kM3p_x-9aQ HTTP/1.1",
            f"https://app.turbodocx.com/e-signature/embed/{MASK} HTTP/1.1",
        ),
        (
            "https://app.turbodocx.com/s/2dea1f80?a=1&sut=kM3p_x",
            f"https://app.turbodocx.com/s/2dea1f80?a=1&sut={MASK}",
        ),
        ("GET /_sandbox/sign-once/kM3p_x-9aQ1rT7uW2yZ4b 200", f"GET /_sandbox/sign-once/{MASK} 200"),
    ],
)
def test_the_value_of_a_sensitive_key_in_text_is_masked(text: str, shown: str) -> None:
    assert redact_text(text) == shown


@pytest.mark.parametrize(
    "harmless",
    [
        "550e8400-e29b-41d4-a716-446655440000",
        "12345678-1234-4234-8234-123456789012",
        "2026-11-23T10:20:30.123456+01:00",
        "2026-11-23 10:20:30,123 INFO",
        "1769860800 1769860800000 1769860800000000000",
        "SO-2026-000123",
        "agreement-so-2026-000123",
        "[SO-2026-0001~7f3a9c]",
        "PO 4500012345",
        "20261123-0000017",
        "evt_4b0d3e2c6f7a8b9c0d1e2f3a4b5c6d7e",
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "127.0.0.1:8420 and [::1]:7233",
        "https://api.example.com/turbosign/documents/{id}/status",
        "temporalio==1.35.0 @ main",
        "GET /turbosign/documents/550e8400-e29b-41d4-a716-446655440000/status 200 in 12.5 ms",
        "what? nothing",
        "TURBODOCX_API_KEY is not set",
        "TURBODOCX_API_KEY: is a placeholder; set the real value",
        "the signature: pending",
        "Basic authentication, Bearer tokens",
        "4242424242424241",
        "4111 2026",
        "12345@worker-7",
        "retry 3/10 after 1.5s (+0.2)",
        "GET /turbosign/documents/{id}/signing-url and /sign/{token}",
        "POST /_sandbox/documents/1/recipients/2/sign HTTP/1.1",
    ],
)
def test_what_is_harmless_is_left_alone(harmless: str) -> None:
    assert redact_text(harmless) == harmless


@given(st.uuids())
def test_no_uuid_is_masked(value: uuid.UUID) -> None:
    assert redact_text(f"document {value} ({value.hex})") == f"document {value} ({value.hex})"


@given(st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2090, 1, 1)))  # noqa: DTZ001 - both kinds
def test_no_time_is_masked(value: datetime) -> None:
    aware = value.replace(tzinfo=UTC)
    text = f"{value} {aware.isoformat()} {int(aware.timestamp() * 1000)} {value:%Y%m%dT%H%M%SZ}"
    assert redact_text(text) == text


@given(st.from_regex(r"[A-Z]{2,4}-20[0-9]{2}-[0-9]{4,8}", fullmatch=True))
def test_no_order_number_is_masked(value: str) -> None:
    assert redact_text(f"order {value} sent") == f"order {value} sent"


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "DB_PASSWORD",
        "apiKey",
        "X-Api-Key",
        "client_secret",
        "access_token",
        "Authorization",
        "Set-Cookie",
        "X-TurboDocx-Signature",
        "private_key",
        "connectionString",
        "dsn",
        "otp",
        "pin",
        "cvv",
        "cardNumber",
        "iban",
        "ssn",
        "dob",
        "email",
        "senderEmail",
        "cc_emails",
        "phone",
        "name",
        "recipient_name",
        "firstName",
        "address",
        "recipients",
        "signers",
        "downloadUrl",
        "previewUrl",
        "x_forwarded_for",
        "ip_address",
        "title",
        "variables",
        "secret_id",
        "documentName",
        "webhook_secret_previous",
    ],
)
def test_sensitive_keys(name: str) -> None:
    assert is_sensitive(name)


@pytest.mark.parametrize(
    "name",
    [
        "shipping",
        "spinner",
        "discard",
        "company",
        "author",
        "hostname",
        "workflow_name",
        "task_queue_name",
        "server_address",
        "signature_event",
        "recipient_id",
        "recipient_count",
        "document_id",
        "workflow_id",
        "status",
        "event",
        "timestamp",
        "path",
        "host",
        "request_id",
        "initiated_by",
        "reference",
        "level",
        "",
        "_",
        "expiry",
    ],
)
def test_harmless_keys(name: str) -> None:
    assert not is_sensitive(name)


class Person(BaseModel):
    name: str
    age: int


@dataclasses.dataclass
class Letter:
    subject: str
    pages: int
    writer: Person


class Broken:
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


def test_nested_values_are_masked_by_key() -> None:
    value = {
        "signers": ["Jane"],
        "letter": Letter("Divorce", 2, Person(name="Jane", age=40)),
        "attributes": MappingProxyType({"email": "Jane", "code": 1}),
        "error": ValueError("for jane@example.com"),
        "key": SecretStr("hunter2hunter2"),
        "raw": b"jane@example.com",
        "set": {"jane@example.com"},
        "flags": (True, None, 1.5, 7),
        "card": 1,
        "number": 4242424242424242,
    }
    assert redact(value) == {
        "signers": MASK,
        "letter": {"subject": MASK, "pages": 2, "writer": {"name": MASK, "age": 40}},
        "attributes": {"email": MASK, "code": 1},
        "error": f"for {MASK}",
        "key": "**********",
        "raw": MASK,
        "set": [MASK],
        "flags": [True, None, 1.5, 7],
        "card": MASK,
        "number": MASK,
    }


def test_odd_values_do_not_break_it() -> None:
    endless: list[Any] = []
    endless += [endless, {"again": endless}]
    for value in (
        endless,
        Broken(),
        {Broken(): Broken()},
        object,
        float("nan"),
        10**5000,
        b"\xff\xfe",
    ):
        assert "RuntimeError" not in str(redact(value))


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.datetimes(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.text() | st.sampled_from(["password", "email", "id"]) | st.integers(), inner)
        | st.tuples(inner, inner)
        | st.frozensets(st.text())
    ),
    max_leaves=20,
)
fragments = st.sampled_from(
    [
        *SECRETS.values(),
        *PEOPLE.values(),
        MASK,
        "password=",
        "'email': ",
        '"',
        "'",
        "\\",
        "//",
        "://",
        "@",
        "=",
        ":",
        ",",
        " ",
        "\n",
        "Bearer ",
        "Cookie: ",
        "%40",
        "+",
        "1",
    ]
)
texts = st.lists(fragments | st.text(max_size=5)).map("".join)


@given(values)
def test_it_never_raises_and_what_it_returns_can_be_rendered(value: Any) -> None:
    json.dumps(redact(value))


@given(st.text("0234579-_aAzZ", max_size=30).filter(redaction._WORD.fullmatch))
@example("x4242424242424242")
@example("4242-4242-4242-4242-a")
@example("415-555-2671-x")
def test_no_pattern_but_the_tokens_matches_in_a_word(word: str) -> None:
    assert [pattern.name for pattern in PATTERNS if pattern is not TOKEN and pattern.regex.search(word)] == []


@given(texts)
@example("Authorization: Bearer a\n")
@example("+49 30 901820" * 9)
@example("(415) 555-2671" * 9)
def test_redacting_a_text_twice_is_redacting_it_once(text: str) -> None:
    once = redact_text(text)
    assert redact_text(once) == once


@given(st.dictionaries(st.sampled_from(["password", "id", "email", "note"]), texts))
def test_redacting_a_value_twice_is_redacting_it_once(value: dict[str, str]) -> None:
    once = redact(value)
    assert redact(once) == once


@given(st.sampled_from([*SECRETS.values(), *PEOPLE.values()]), st.text(max_size=20), st.text(max_size=20))
def test_a_secret_between_spaces_is_found_in_any_text(secret: str, before: str, after: str) -> None:
    assert secret not in redact_text(f"{before} {secret} {after}")


ADVERSARIES = [
    "a",
    "a@",
    "a.",
    "a@a.",
    "eyJ",
    "eyJa.",
    "+1 ",
    "1",
    "1 ",
    "1-",
    "://",
    "://a",
    "Bearer ",
    "Bearer a",
    "Bearer" + " " * 500,
    "a=",
    "a='",
    "'a':",
    "\\",
    "'\\",
    " ",
    "TDX-",
    "SG.a",
    "%2B",
    "%40",
    "x ",
    "Cookie:",
    "Cookie: a",
    "abc-_.",
    "+49 30 901820",
    "+4930901820x",
    "(415) 555-2671",
    "password",
    "password='",
    "password=",
    "password: ",
    "4242 ",
    "4242-",
    'a="',
    "(200) ",
    "\n",
    "<redacted>",
]


@pytest.mark.timeout(30)
@pytest.mark.parametrize("size", [100_000, pytest.param(1_000_000, marks=pytest.mark.heavy)])
@pytest.mark.parametrize("part", ADVERSARIES)
def test_no_large_text_is_slow(part: str, size: int) -> None:
    """A pattern that is not linear needs minutes for one of these, a linear one a fraction of a second."""
    redact_text(part * (size // len(part)))


class TestProtectedSecrets:
    SECRET = "swordfish / of the seas"

    @pytest.fixture(autouse=True)
    def _forget(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(redaction, "_protected", set())
        monkeypatch.setattr(redaction, "_known", None)
        protect()

    @pytest.mark.parametrize(
        "form", [SECRET, quote(SECRET, safe=""), base64.b64encode(SECRET.encode()).decode()]
    )
    def test_a_known_secret_is_masked_in_every_form(self, form: str) -> None:
        assert redact(f"got {form}.") == f"got {form}."
        protect(self.SECRET)
        assert form.rstrip("=") not in redact(f"got {form}.")
        assert form.rstrip("=") not in str(redact({"note": [f"x{form}y"]}))

    def test_the_longer_of_two_secrets_is_masked_whole(self) -> None:
        protect("swordfish", "swordfish-2")
        assert redact("swordfish-2") == MASK

    def test_what_is_too_short_is_no_secret(self) -> None:
        protect("the", "")
        assert redact("the end") == "the end"

    def test_every_secret_that_settings_hold_is_known(self) -> None:
        from countersign.settings import WebhookSettings  # noqa: PLC0415 - beside what it shows

        WebhookSettings(webhook_secret=SecretStr("plainwordsonly"))
        assert redact("it is plainwordsonly") == f"it is {MASK}"


def test_of_a_body_the_outline_is_shown() -> None:
    body = {
        "documentName": "Divorce",
        "documentId": "d1",
        "recipients": "[{}]",
        "message": "no Jane",
        "summary": {"total": 2, "waitingOn": ["Jane"], "status": "pending"},
        "rows": [{"createdOn": "2026-01-01T00:00:00Z", "text": "Jane", "ok": True, "none": None}],
    }
    assert json.loads(redact_body(json.dumps(body).encode())) == {
        "documentName": MASK,
        "documentId": "d1",
        "recipients": MASK,
        "message": MASK,
        "summary": {"total": 2, "waitingOn": MASK, "status": "pending"},
        "rows": [{"createdOn": "2026-01-01T00:00:00Z", "text": MASK, "ok": True, "none": None}],
    }


def test_of_other_bodies_the_size_is_shown() -> None:
    assert redact_body(b"") == ""
    assert redact_body(b"\xff not json, jane@example.com") == "<28 bytes that are not JSON>"
    assert redact_body(b"[" * 100_000) == "<100000 bytes that are not JSON>"
    assert redact_body(json.dumps([1] * 5000).encode(), 10) == "[1, 1, 1, ... (15000 bytes)"
