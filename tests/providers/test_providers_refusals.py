"""P15, P16: every shape of error body gives its code, for logs, and a message, for the caller."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.observability.patterns import MASK
from countersign.providers.calls import Call
from countersign.providers.errors import RejectedError, UnauthorizedError
from countersign.providers.turbodocx.error_bodies import explain
from tests.providers.provider_calls import error_of, request, write
from tests.providers.provider_edge import client, edge, response

JOI = {
    "message": "There was an issue validating the body",
    "type": "ValidationError",
    "data": {"errors": [{"path": ["name"], "message": '"name" is too short'}, {"message": "no template"}]},
}
SHAPES: dict[str, tuple[Any, str | None, str]] = {
    "validation": (JOI, "ValidationError", '"name" is too short; no template'),
    "message and type": ({"message": "Gone", "type": "DocumentNotFound"}, "DocumentNotFound", "Gone"),
    "message and error": (
        {"message": "No", "error": "InvalidSignatureSchedule"},
        "InvalidSignatureSchedule",
        "No",
    ),
    "error and code": (
        {"error": "Must provide one", "code": "InvalidFileSource"},
        "InvalidFileSource",
        "Must provide one",
    ),
    "identity": ({"message": "m", "type": "T", "error": "m", "code": "C"}, "C", "m"),
    "recipients": ({"error": "Some are signed", "invalidRecipientIds": ["x"]}, None, "Some are signed"),
    "reminder": (
        {"error": "e", "code": "DocumentNotActionable", "status": "voided"},
        "DocumentNotActionable",
        "e",
    ),
    "nested": ({"error": {"message": "m", "code": "QUOTE_NOT_FOUND"}}, "QUOTE_NOT_FOUND", "m"),
    "bulk": ({"errors": [{"message": "row 1"}, {"message": "row 2"}]}, None, "row 1; row 2"),
    "nothing": (None, None, ""),
    "list": ([], None, ""),
    "text": ("no", None, ""),
    "wrong types": ({"message": 1, "code": [], "error": 2, "data": [], "errors": "x"}, None, ""),
    "code that is none": ({"message": "m", "code": "jane@canary.example"}, None, "m"),
}
CALL = Call(operation="x", path="/", private=("Jane Canary", "Contract for Canary"))


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_is_read(shape: str) -> None:
    body, code, message = SHAPES[shape]
    refusal = explain(body, CALL)
    assert (refusal.code, refusal.message) == (code, message)


@pytest.mark.parametrize(
    ("message", "safe"),
    [
        ('Recipient "jane canary" has no fields', f'Recipient "{MASK}" has no fields'),
        ("<jane@canary.example> is not unique", f"<{MASK}> is not unique"),
        (
            "see https://s3.example/x?X-Amz-Signature=abc now",
            f"see https://s3.example/x?X-Amz-Signature={MASK} now",
        ),
        ("call +1 (555) 123-4567 now", f"call {MASK} now"),
        ("Zoë has signed", "Zoë has signed"),
        (
            "document 3f0e9c1a-0000-4000-8000-00000000d0c1 not found",
            "document 3f0e9c1a-0000-4000-8000-00000000d0c1 not found",
        ),
        ("the key TDX-test-0123456789abcdef is not known", f"the key {MASK} is not known"),
        ("line\r\nforged=1\x1b[2J", "line forged=1 [2J"),
        ("x" * 1000, "x" * 300 + "…"),
    ],
)
def test_secrets_and_what_the_request_held_are_masked(message: str, safe: str) -> None:
    assert explain({"error": message}, CALL).message == safe


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["message", "error", "code", "type", "data", "errors"]), inner, max_size=4
        )
    ),
)


@given(JSON)
def test_no_body_breaks_the_reader(body: Any) -> None:
    refusal = explain(body, CALL)
    assert len(refusal.message) <= 301
    assert refusal.message.isprintable()


@given(st.text(), st.text())
def test_private_texts_never_pass(before: str, after: str) -> None:
    message = explain({"message": f"{before}Jane Canary{after}"}, CALL).message
    assert "jane canary" not in message.lower()


@pytest.mark.parametrize("status", [400, 404, 409, 410, 422, 423])
async def test_a_refusal_names_code_and_reason_but_no_one(status: int) -> None:
    body = {"error": "Jane Canary <jane@canary.example> has no fields", "code": "SignerHasNoFields"}
    async with edge(response(status, body)) as server, client(server.base_url) as provider:
        error = await error_of(write, provider)
    assert type(error) is RejectedError
    assert (error.status, error.code) == (status, "SignerHasNoFields")
    assert str(error) == f"prepare_for_signing: refused (HTTP {status}): SignerHasNoFields"
    assert error.provider_message == f"{MASK} <{MASK}> has no fields"
    assert "canary" not in repr(error).lower()


@pytest.mark.parametrize(
    "body",
    [b"[" * 100_000, b"\xff", b"<html>", b'{"n": ' + b"9" * 5000 + b"}"],
    ids=["too deep", "no text", "page", "huge number"],
)
async def test_a_refusal_that_cannot_be_read_is_a_refusal(body: bytes) -> None:
    async with edge(response(400, body)) as server, client(server.base_url) as provider:
        error = await error_of(write, provider)
    assert type(error) is RejectedError
    assert str(error) == "prepare_for_signing: refused (HTTP 400)"


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (402, "OtpNotEntitled"),
        (403, "EmbeddedSigningNotEnabled"),
        (403, "OtpOverrideNotAllowed"),
        (403, "ExternalIdvNotAllowed"),
    ],
)
async def test_a_feature_that_is_refused_says_what_to_do_and_nothing_of_the_key(
    status: int, code: str
) -> None:
    reply = response(status, {"error": "no", "code": code})
    async with edge(reply) as server, client(server.base_url) as provider:
        error = await error_of(write, provider)
    assert type(error) is RejectedError
    assert str(error).startswith(f"prepare_for_signing: refused (HTTP {status}): {code}; the ")


async def test_a_role_that_is_missing_says_nothing_of_the_key() -> None:
    async with edge(response(403)) as server, client(server.base_url) as provider:
        error = await error_of(lambda client: client.webhooks.get(), provider)
    assert isinstance(error, UnauthorizedError)
    assert not error.about_key


@pytest.mark.parametrize("status", [401, 402])
async def test_where_a_role_may_be_missing_other_refusals_are_of_the_key(status: int) -> None:
    async with edge(response(status)) as server, client(server.base_url) as provider:
        error = await error_of(lambda client: client.webhooks.get(), provider)
    assert isinstance(error, UnauthorizedError)
    assert error.about_key


def test_a_request_shows_no_one() -> None:
    assert "canary" not in repr(request()).lower()
    assert "canary" in json.dumps(request().wire()).lower(), "or the test shows nothing"
