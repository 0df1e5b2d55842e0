"""`WEBHOOK_EVENTS=essential` leaves out what costs an action and changes no outcome."""

from contextlib import suppress

import pytest

from countersign.agreements.events import EventKind
from countersign.configuration import load
from countersign.providers.turbodocx.subscription import TurboDocxSubscription
from countersign.secrets.rotation import Rotating
from countersign.settings import ReceiverSettings
from countersign.webhooks.routes import open_routes
from devstack.sandbox import Sandbox, SandboxError
from tests.providers.provider_desk import client_of, settings_of
from tests.webhooks.webhook_deliveries import SECRET, encode, examples

ESSENTIAL = {
    EventKind.RECIPIENT_SIGNED,
    EventKind.COMPLETED,
    EventKind.FINALIZATION_FAILED,
    EventKind.VOIDED,
}
LEFT_OUT = {EventKind.SENT, EventKind.VIEWED, EventKind.PARTIALLY_SIGNED}


@pytest.mark.parametrize(("events", "kinds"), [("all", ESSENTIAL | LEFT_OUT), ("essential", ESSENTIAL)])
def test_the_receiver_signals_the_events_that_the_setting_names(
    monkeypatch: pytest.MonkeyPatch, events: str, kinds: set[EventKind]
) -> None:
    monkeypatch.setenv("TURBODOCX_WEBHOOK_SECRET", SECRET)
    monkeypatch.setenv("TURBODOCX_WEBHOOK_EVENTS", events)
    (settings,) = load(ReceiverSettings)
    (route,) = open_routes(settings)
    parsed = [route.parse((), encode(example)) for example in examples()]
    assert {one.event.kind for one in parsed if one} == kinds


async def test_the_subscription_keeps_the_evidence_of_a_lost_send(sandbox: Sandbox) -> None:
    with suppress(SandboxError):
        await sandbox.call("DELETE", "/api/webhooks/signature")
    async with client_of(Rotating(settings_of(sandbox))) as client:
        everything = TurboDocxSubscription(client.webhooks)
        essential = TurboDocxSubscription(client.webhooks, "essential")
        await everything.create("http://127.0.0.1:9/webhooks/turbodocx")
        made = await everything.find()
        assert made is not None
        changed = await essential.extend(made, "http://127.0.0.1:9/webhooks/turbodocx")
        assert set(made.events) - set(changed.events) == {
            "signature.document.viewed",
            "signature.document.signed",
        }
        assert changed.missing == ()
        found = await everything.find()
        assert found is not None
        assert set(found.missing) == set(made.events) - set(changed.events)
    await sandbox.call("DELETE", "/api/webhooks/signature")
