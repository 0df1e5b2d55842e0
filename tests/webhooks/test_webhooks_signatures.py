"""Signature checks: only recent deliveries of the provider pass, and a rejection has no reason."""

import hashlib
import hmac
import time
from collections.abc import Callable

import httpx
import pytest

from countersign.providers.turbodocx.webhook import TurboDocxWebhookAdapter
from countersign.webhooks.verification import (
    HmacKey,
    Signature,
    SignedMessage,
    Verification,
    verify_signatures,
)
from tests.webhooks.webhook_deliveries import PATH, SECRET, digest, encode, envelope, sign
from tests.webhooks.webhook_receiver import Agreement
from tests.webhooks.webhook_receivers import RunningReceiver
from tests.webhooks.webhook_wire import exchange, request, status

Headers = list[tuple[str, str]]
SIGNATURE, TIMESTAMP = "X-TurboDocx-Signature", "X-TurboDocx-Timestamp"
NOW = str(int(time.time()))


def _with_timestamp(text: str) -> Callable[[bytes], Headers]:
    """Sign a timestamp in another format."""
    return lambda body: [
        (SIGNATURE, f"sha256={_mac(text.encode('latin-1') + b'.' + body)}"),
        (TIMESTAMP, text),
    ]


def _with_signature(signature: Callable[[bytes], str]) -> Callable[[bytes], Headers]:
    return lambda body: [(SIGNATURE, signature(body)), (TIMESTAMP, NOW)]


def _mac(message: bytes, algorithm: str = "sha256") -> str:
    return hmac.new(SECRET.encode(), message, algorithm).hexdigest()


def _right(body: bytes) -> str:
    return f"sha256={digest(body, NOW)}"


ODD_TIMES = {
    "empty": "",
    "NaN": "NaN",
    "infinite": "inf",
    "of 5000 digits": "9" * 5000,
    "with plus": f"+{NOW}",
    "with minus": f"-{NOW}",
    "with fraction": f"{NOW}.0",
    "with underscore": f"{NOW[:5]}_{NOW[5:]}",
    "in milliseconds": f"{NOW}000",
    "in hex": hex(int(NOW)),
    "with exponent": f"{float(NOW):e}",
    "in superscript": "\u00b2" * 10,
    "in letters beyond ASCII": "".join(chr(0xE0 + int(digit)) for digit in NOW),
    "as a date": "2026-01-01T00:00:00Z",
}

FORGERIES: dict[str, Callable[[bytes], Headers]] = {
    "replayed after five minutes": lambda body: list(sign(body, offset=-302).items()),
    "from the future": lambda body: list(sign(body, offset=310).items()),
    "another secret": lambda body: list(sign(body, secret="whsec_another").items()),
    "an empty secret": lambda body: list(sign(body, secret="").items()),
    "no headers": lambda _body: [],
    "no signature": lambda _body: [(TIMESTAMP, NOW)],
    "no timestamp": lambda body: [(SIGNATURE, _right(body))],
    "empty signature": _with_signature(lambda _body: ""),
    "prefix alone": _with_signature(lambda _body: "sha256="),
    "without prefix": _with_signature(lambda body: digest(body, NOW)),
    "upper-case prefix": _with_signature(lambda body: f"SHA256={digest(body, NOW)}"),
    "truncated": _with_signature(lambda body: _right(body)[:-2]),
    "longer": _with_signature(lambda body: _right(body) + "00"),
    "not hex": _with_signature(lambda _body: "sha256=" + "g" * 64),
    "not ASCII": _with_signature(lambda _body: "sha256=" + "é" * 64),
    "body alone": _with_signature(lambda body: f"sha256={_mac(body)}"),
    "no dot": _with_signature(lambda body: f"sha256={_mac(NOW.encode() + body)}"),
    "other order": _with_signature(lambda body: f"sha256={_mac(body + b'.' + NOW.encode())}"),
    "plain SHA-256": _with_signature(lambda body: f"sha256={hashlib.sha256(body).hexdigest()}"),
    "SHA-1": _with_signature(lambda body: f"sha1={_mac(NOW.encode() + b'.' + body, 'sha1')}"),
    "two signatures, the right one first": lambda body: [
        (SIGNATURE, _right(body)),
        (SIGNATURE, "sha256=" + "0" * 64),
        (TIMESTAMP, NOW),
    ],
    "two signatures, the right one last": lambda body: [
        (SIGNATURE, "sha256=" + "0" * 64),
        (SIGNATURE, _right(body)),
        (TIMESTAMP, NOW),
    ],
    "the right signature twice": lambda body: [
        (SIGNATURE, _right(body)),
        (SIGNATURE, _right(body)),
        (TIMESTAMP, NOW),
    ],
    "fresh and stale timestamp": lambda body: [
        *sign(body, offset=-3600).items(),
        (TIMESTAMP, NOW),
    ],
    "stale and fresh timestamp": lambda body: [
        (TIMESTAMP, NOW),
        *sign(body, offset=-3600).items(),
    ],
    **{f"timestamp {name}": _with_timestamp(text) for name, text in ODD_TIMES.items()},
}


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES)
async def test_a_forgery_gets_401_without_a_reason(
    receiver: RunningReceiver, agreement: Agreement, forge: Callable[[bytes], Headers]
) -> None:
    body = encode(envelope(agreement.title))

    response = await exchange(receiver.url, request([*forge(body), ("Content-Length", str(len(body)))], body))

    head, _, content = response.partition(b"\r\n\r\n")
    assert status(response) == 401
    assert content == b"refused\n"
    names = {line.split(b":")[0].lower() for line in head.split(b"\r\n")[1:]}
    assert names == {b"date", b"content-type", b"content-length", b"connection"}
    assert await agreement.events() == []


@pytest.mark.parametrize("write", [str.upper, "  {}\t".format], ids=["upper-case hex", "outer space"])
async def test_a_right_signature_may_be_written_otherwise(
    receiver: RunningReceiver, agreement: Agreement, write: Callable[[str], str]
) -> None:
    body = encode(envelope(agreement.title))
    headers = {SIGNATURE: "sha256=" + write(digest(body, NOW)).strip(), TIMESTAMP: write(NOW)}

    response = await exchange(receiver.url, request({**headers, "Content-Length": str(len(body))}, body))

    assert status(response) == 200


@pytest.mark.parametrize(
    ("age", "checked"),
    [
        (0, Verification.VERIFIED),
        (299, Verification.VERIFIED),
        (300, Verification.VERIFIED),
        (301, Verification.STALE),
        (-299, Verification.VERIFIED),
        (-300, Verification.VERIFIED),
        (-301, Verification.STALE),
    ],
)
@pytest.mark.parametrize("fraction", [0.0, 0.999])
def test_a_delivery_may_be_five_minutes_old_or_early(
    age: int, fraction: float, checked: Verification
) -> None:
    key = HmacKey(b"secret")
    signature = Signature("v1", hmac.digest(b"secret", b"message", "sha256"))
    signed_message = SignedMessage(1_800_000_000 - age, b"message", (signature,))

    assert verify_signatures(signed_message, [key], now=1_800_000_000 + fraction) is checked


def test_every_key_is_compared_with_every_signature_whatever_matches() -> None:
    """The time does not depend on how many bytes of a signature match."""
    compared: list[bytes] = []

    class Key:
        version = "v1"

        def matches(self, _message: bytes, signature: bytes) -> bool:
            compared.append(signature)
            return signature == b"right"

    signatures = tuple(Signature("v1", value) for value in (b"right", b"wrong", b"right"))

    assert (
        verify_signatures(SignedMessage(0, b"", signatures), [Key(), Key()], now=0) is Verification.VERIFIED
    )
    assert compared == [b"right", b"wrong", b"right"] * 2


def test_keys_keep_their_secret_to_themselves() -> None:
    assert SECRET not in repr(TurboDocxWebhookAdapter().key(SECRET))


def test_an_empty_secret_makes_no_key() -> None:
    with pytest.raises(ValueError, match="must not be empty"):
        HmacKey(b"")


async def test_a_changed_body_is_rejected(http: httpx.AsyncClient, agreement: Agreement) -> None:
    body = encode(envelope(agreement.title))

    response = await http.post(PATH, content=body + b" ", headers=sign(body))

    assert response.status_code == 401
