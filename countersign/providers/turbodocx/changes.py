"""Read what changed from the log of webhook deliveries: the events that no receiver got are in it, too.

One call reads the newest hundred deliveries. Whether the subscription records our events at all is read once
an hour: the log of a subscription that is switched off is empty, not refused.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, Final

from countersign.agreements.events import EventKind
from countersign.providers.errors import RejectedError, is_about_key
from countersign.providers.port import Change, Changes, Heartbeat
from countersign.providers.turbodocx.delivery_log import is_last, pages, time_of
from countersign.providers.turbodocx.models import Webhook, WebhookDelivery
from countersign.providers.turbodocx.subscription import WebhookCalls
from countersign.providers.turbodocx.webhook import KINDS, TurboDocxWebhookAdapter
from countersign.webhooks.adapter import UnreadableError

_PAGES: Final = 100
"""The most pages of one reading: ten thousand deliveries."""
_FIRST: Final = timedelta(minutes=10)
"""How far back the first reading goes."""
_SUBSCRIPTION: Final = timedelta(hours=1)
_ENDS: Final = frozenset({EventKind.COMPLETED, EventKind.VOIDED, EventKind.FINALIZATION_FAILED})
_NEEDED: Final = tuple(name for name, kind in KINDS.items() if kind in _ENDS)


async def changes(
    log: WebhookCalls,
    adapter: TurboDocxWebhookAdapter,
    position: Mapping[str, str],
    *,
    settle: timedelta,
    heartbeat: Heartbeat,
) -> Changes:
    """Read the deliveries since the last reading, in one call for a hundred.

    Args:
        log: The endpoints of the subscription.
        adapter: Reads the deliveries' bodies.
        position: `since`, the time of the newest delivery that was read; `subscribed`, when the subscription
            was read.
        settle: How long a delivery may be under way. Half of it is how much later than the time that it
            carries a delivery may show up in the log.
        heartbeat: Called after every page.

    Raises:
        ProviderError: The log could not be read now.
    """
    now, calls = datetime.now(UTC), 0
    try:
        if now - _at(position, "subscribed", now - _SUBSCRIPTION) >= _SUBSCRIPTION:
            calls += 1
            if lack := _lack(await log.get()):
                return Changes(position=_without(position, "subscribed"), calls=calls, blind=lack)
            position = {**position, "subscribed": now.isoformat()}
        return await _read(log, adapter, position, now=now, settle=settle, calls=calls, heartbeat=heartbeat)
    except RejectedError as error:
        if is_about_key(error):  # retried once the key is replaced
            raise
        blind = f"the API key may not read the delivery log ({error.status})"
        if error.status == HTTPStatus.NOT_FOUND:
            blind = "no webhook subscription exists"
        return Changes(position=_without(position, "subscribed"), calls=calls + 1, blind=blind)


async def _read(
    log: WebhookCalls,
    adapter: TurboDocxWebhookAdapter,
    position: Mapping[str, str],
    *,
    now: datetime,
    settle: timedelta,
    calls: int,
    heartbeat: Heartbeat,
) -> Changes:
    since = newest = _at(position, "since", now - _FIRST)
    rows: list[WebhookDelivery] = []
    is_all = False
    oldest = since - settle / 2
    async for page in pages(log, since=oldest, at_most=_PAGES, event_type=None):
        calls, is_all = calls + 1, is_last(page, oldest)
        heartbeat(calls)
        for row in page:
            at = time_of(row.created_on)
            if at is not None and oldest <= at <= now - settle:
                rows.append(row)
                newest = max(newest, at)
    if rows and all(row.payload is None for row in rows):
        return Changes(position=position, calls=calls, blind="the delivery log does not show the events")
    return Changes(
        found=tuple(reversed(_events(adapter, rows))),
        position={**position, "since": newest.isoformat()},
        calls=calls,
        missed=None if is_all else f"only the newest {len(rows):,} deliveries were read",
    )


def _events(adapter: TurboDocxWebhookAdapter, rows: Iterable[WebhookDelivery]) -> list[Change]:
    """Read the events, the newest first; one that goes to several addresses counts as delivered by all."""
    found: dict[str, Change] = {}
    for row in rows:
        change = _change(adapter, row)
        if change is None:
            continue
        known = found.get(change.event.event_id)
        if known is None or known.is_delivered:
            found[change.event.event_id] = change
    return list(found.values())


def _change(adapter: TurboDocxWebhookAdapter, row: WebhookDelivery) -> Change | None:
    payload: Any = row.payload
    try:
        parsed = adapter.read((), payload) if isinstance(payload, Mapping) else None
    except UnreadableError:
        return None
    return None if parsed is None else Change(parsed.event, parsed.marker, row.is_delivered)


def _lack(subscription: Webhook) -> str | None:
    if not subscription.is_active:
        return "the webhook subscription is switched off"
    missing = [name for name in _NEEDED if name not in subscription.events]
    return f"the webhook subscription lacks {', '.join(missing)}" if missing else None


def _at(position: Mapping[str, str], name: str, default: datetime) -> datetime:
    return datetime.fromisoformat(position[name]) if name in position else default


def _without(position: Mapping[str, str], name: str) -> Mapping[str, str]:
    return {key: value for key, value in position.items() if key != name}
