"""Callbacks are signed as Standard Webhooks has it: its own library verifies them."""

import time

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from countersign.callbacks.signing import read_secrets, sign
from tests.callbacks.callback_receiver import OTHER_SECRET, SECRET

BODY = b'{"type":"agreement.sent"}'


def headers(secret: str) -> dict[str, str]:
    return sign(read_secrets(secret), event_id="evt_1", timestamp=int(time.time()), body=BODY)


def test_the_official_library_accepts_a_callback() -> None:
    assert Webhook(SECRET).verify(BODY, headers(SECRET)) == {"type": "agreement.sent"}


@pytest.mark.parametrize("secret", [SECRET, OTHER_SECRET])
def test_during_a_change_both_secrets_verify(secret: str) -> None:
    assert Webhook(secret).verify(BODY, headers(f"{SECRET},{OTHER_SECRET}"))


def test_another_secret_or_body_does_not_verify() -> None:
    with pytest.raises(WebhookVerificationError):
        Webhook(OTHER_SECRET).verify(BODY, headers(SECRET))
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(BODY + b" ", headers(SECRET))
