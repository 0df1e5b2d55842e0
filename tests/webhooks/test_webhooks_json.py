"""Strict parsing of verified deliveries."""

import gzip
import json

import httpx
import pytest

from countersign.webhooks.routes import NotJsonError, parse_object
from tests.webhooks.webhook_deliveries import PATH, encode, envelope, sign
from tests.webhooks.webhook_receiver import Agreement

BROKEN = {
    "empty": b"",
    "text": b"hello",
    "HTML": b"<!doctype html><html></html>",
    "XML": b"<?xml version='1.0'?><event/>",
    "form": b"event=signature.document.sent&event_id=evt_1",
    "truncated": b'{"event": "signature.document.sent"',
    "two objects": b"{}{}",
    "array": b"[]",
    "array of objects": b'[{"event": "signature.document.sent"}]',
    "string": b'"signature.document.sent"',
    "number": b"1",
    "null": b"null",
    "deep arrays": b'{"a":' + b"[" * 30_000,
    "deep arrays, closed": b'{"a":' + b"[" * 1000 + b"]" * 1000 + b"}",
    "deep objects": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "33 levels": b'{"a":' * 33 + b"1" + b"}" * 33,
    "5000 digits": b'{"a":' + b"9" * 5000 + b"}",
    "5000 fraction digits": b'{"a":1.' + b"9" * 5000 + b"}",
    "NaN": b'{"a":NaN}',
    "Infinity": b'{"a":-Infinity}',
    "1e999": b'{"a":1e999}',
    "UTF-16": '{"event":"signature.document.sent"}'.encode("utf-16"),
    "UTF-32": '{"event":"signature.document.sent"}'.encode("utf-32-le"),
    "byte order mark": b"\xef\xbb\xbf{}",
    "Latin-1": '{"a":"é"}'.encode("latin-1"),
    "overlong": b'{"a":"\xc0\xaf"}',
    "raw surrogate": b'{"a":"\xed\xa0\x80"}',
    "repeated key": b'{"event":"a","event":"b"}',
    "repeated key within": b'{"data":{"document_id":"a","document_id":"b"}}',
    "control character": b'{"a":"\x00"}',
    "single quotes": b"{'a': 1}",
    "comment": b"{} // hello",
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
async def test_a_body_that_is_not_one_json_object_is_rejected(http: httpx.AsyncClient, body: bytes) -> None:
    response = await http.post(PATH, content=body, headers=sign(body))

    assert (response.status_code, response.text) == (400, "refused\n")


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
async def test_what_is_not_verified_is_never_parsed(http: httpx.AsyncClient, body: bytes) -> None:
    response = await http.post(PATH, content=body, headers=sign(body, secret="another"))

    assert response.status_code == 401


def test_ordinary_json_is_read_as_json_reads_it() -> None:
    payload = {"a": [1, -2.5, 1e10, True, None, "é\u2028😀"], "b": {"c": {"d": []}}, "n": 2**63}

    assert parse_object(json.dumps(payload).encode()) == payload
    assert parse_object(json.dumps(payload, ensure_ascii=False).encode()) == payload
    assert parse_object(b'{"a":' * 31 + b"1" + b"}" * 31)


def test_a_parse_error_quotes_nothing() -> None:
    with pytest.raises(NotJsonError) as caught:
        parse_object(b'{"signer@example.com": NaN}')

    assert "example" not in repr(caught.value)
    assert caught.value.__suppress_context__


UNPRINTABLE = {
    "lone surrogate": "\ud800",
    "NUL": "evt\x00",
    "line break": "evt_1\r\nlevel=error",
    "unicode digits": "evt_٣",
    "space": "evt 1",
    "too long": "e" * 201,
    "empty": "",
    "number": 17,
    "list": ["evt_1"],
    "null": None,
    "object": {"id": "evt_1"},
    "true": True,
}


@pytest.mark.parametrize("value", UNPRINTABLE.values(), ids=UNPRINTABLE)
@pytest.mark.parametrize("place", ["event_id", "document_id", "recipient_id"])
async def test_a_known_event_with_a_bad_id_is_rejected(
    http: httpx.AsyncClient, agreement: Agreement, place: str, value: object
) -> None:
    payload = envelope(agreement.title)
    (payload if place == "event_id" else payload["data"])[place] = value
    body = encode(payload)

    response = await http.post(PATH, content=body, headers=sign(body))

    may_be_absent = place == "recipient_id" and value is None
    assert response.status_code == (200 if may_be_absent else 422)
    assert len(await agreement.events()) == may_be_absent


@pytest.mark.parametrize("value", ["\ud800", "\x00", 17, None, [], {}, "x" * 1000, "2025\r\n"])
async def test_a_bad_time_or_hash_is_left_out(
    http: httpx.AsyncClient, agreement: Agreement, value: object
) -> None:
    payload = envelope(agreement.title, viewed_at=value, document_hash=value)
    body = encode(payload)

    response = await http.post(PATH, content=body, headers=sign(body))

    assert response.status_code == 200
    (event,) = await agreement.events()
    assert (event.occurred_at, event.document_hash) == (None, None)


@pytest.mark.parametrize("data", [None, [], "text", 17, ["document_id"]])
async def test_a_known_event_without_data_is_rejected(http: httpx.AsyncClient, data: object) -> None:
    body = encode({"event": "signature.document.sent", "event_id": "evt_1", "data": data})

    response = await http.post(PATH, content=body, headers=sign(body))

    assert response.status_code == 422


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"event": None},
        {"event": 17, "event_id": "evt_1"},
        {"event": ["signature.document.sent"]},
        {"event": {}},
        {"event": "quote.accepted"},
        {"event": "quote.accepted", "event_id": None, "data": 17},
        {"event": "quote\r\nlevel=error", "event_id": "evt_1", "data": {"document_id": "d"}},
        {"hello": "world"},
    ],
    ids=repr,
)
async def test_what_concerns_no_agreement_is_accepted_and_ignored(
    http: httpx.AsyncClient, payload: object
) -> None:
    body = encode(payload)

    response = await http.post(PATH, content=body, headers=sign(body))

    assert response.status_code == 200


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "GZIP", "gzip, identity"])
async def test_what_is_compressed_is_never_inflated(http: httpx.AsyncClient, encoding: str) -> None:
    bomb = gzip.compress(bytes(10_000_000))

    response = await http.post(PATH, content=bomb, headers={**sign(bomb), "Content-Encoding": encoding})

    assert response.status_code == 415


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/xml", "application/json; charset=x"])
async def test_the_content_type_does_not_matter(http: httpx.AsyncClient, content_type: str) -> None:
    body = encode(envelope("Somebody else's"))

    response = await http.post(PATH, content=body, headers={**sign(body), "Content-Type": content_type})

    assert response.status_code == 200
