"""The state of a document's signing: (state, event) → state, pure.

Webhooks are hints: they may come twice, late, in any order or not at all, so every change here is monotone,
and a repeated event changes nothing. Only the provider's API (`observe`) ends a document. The first end wins;
an event that contradicts it is recorded, not applied.
"""

from datetime import datetime
from typing import Final

from countersign.agreements.events import EventKind, SignatureEvent
from countersign.agreements.messages import Message, Observation, RecipientProgress, TimelineEntry

SEEN_LIMIT: Final = 1000
"""Event ids remembered. Changes repeat harmlessly, so forgetting the oldest costs a second record at most."""
TIMELINE_LIMIT: Final = 300
"""Timeline entries kept. Further entries are dropped: the beginning cannot be looked up elsewhere."""

_ENDS: Final = frozenset({EventKind.COMPLETED, EventKind.VOIDED, EventKind.DECLINED, EventKind.EXPIRED})
IN_REVIEW: Final = "in_review"
"""The status of a document before any signer is asked."""
_SIGNED: Final = frozenset({EventKind.RECIPIENT_SIGNED, EventKind.PARTIALLY_SIGNED})


class Progress(Message):
    """All that is known of a document.

    Args:
        document_id: The agreement's document, once known.
        recipients: Recipients by id.
        reported_ends: Ends that events report and the provider has not confirmed yet.
        ended: The end that the provider confirmed.
        was_sent: An event or the provider shows that signers were asked; of use only after a review.
        finalization_failed: An event reported that the provider could not finalize the document.
        others: Ids of other documents that carry the marker.
        seen: Ids of events that were applied.
        timeline: Events and steps, in the order in which they became known.
        ignored: Number of events that were recorded and not applied.
    """

    document_id: str | None = None
    recipients: tuple[RecipientProgress, ...] = ()
    reported_ends: frozenset[str] = frozenset()
    ended: str | None = None
    was_sent: bool = False
    finalization_failed: bool = False
    others: frozenset[str] = frozenset()
    seen: tuple[str, ...] = ()
    timeline: tuple[TimelineEntry, ...] = ()
    ignored: int = 0

    def signed_count(self) -> int:
        """How many recipients have signed."""
        return sum(recipient.signed_at is not None for recipient in self.recipients)


def adopt(progress: Progress, document_id: str, recipient_ids: tuple[str, ...]) -> Progress:
    """Record which document is the agreement's and who its recipients are; known times are kept."""
    known = {recipient.recipient_id: recipient for recipient in progress.recipients}
    recipients = tuple(known.get(id_, RecipientProgress(recipient_id=id_)) for id_ in recipient_ids)
    return progress.model_copy(
        update={
            "document_id": document_id,
            "recipients": recipients,
            "others": progress.others - {document_id},
        }
    )


def forget(progress: Progress) -> Progress:
    """Forget a document that another one replaces; its timeline stays."""
    return progress.model_copy(
        update={"document_id": None, "recipients": (), "reported_ends": frozenset(), "was_sent": False}
    )


def distrust(progress: Progress, document_id: str) -> Progress:
    """Record another document that carries the agreement's marker."""
    return progress.model_copy(update={"others": progress.others | {document_id}})


def apply(progress: Progress, event: SignatureEvent) -> Progress:
    """Apply one event of a document that carries the agreement's marker."""
    if event.event_id in progress.seen:
        return progress
    progress = progress.model_copy(update={"seen": (*progress.seen, event.event_id)[-SEEN_LIMIT:]})
    if reason := _why_ignored(progress, event):
        if event.document_id and event.document_id != progress.document_id:
            progress = progress.model_copy(update={"others": progress.others | {event.document_id}})
        return _record(progress, event, ignored=reason)
    return _record(_advance(progress, event), event)


def observe(progress: Progress, observation: Observation, at: datetime) -> Progress:
    """Apply what the provider's API reports. It confirms ends and clears the ends that events reported."""
    merged = {recipient.recipient_id: recipient for recipient in progress.recipients}
    for seen in observation.recipients:
        merged[seen.recipient_id] = _merge(merged.get(seen.recipient_id), seen)
    progress = progress.model_copy(
        update={
            "recipients": tuple(merged.values()),
            "reported_ends": frozenset(),
            "was_sent": progress.was_sent or observation.status != IN_REVIEW,
        }
    )
    if observation.status not in _ENDS or progress.ended is not None:
        return progress
    entry = TimelineEntry(at=at.isoformat(), what=f"confirmed {observation.status}")
    return _append(progress.model_copy(update={"ended": observation.status}), entry)


def note(progress: Progress, what: str, at: datetime) -> Progress:
    """Add a step of the workflow to the timeline."""
    return _append(progress, TimelineEntry(at=at.isoformat(), what=what))


def _why_ignored(progress: Progress, event: SignatureEvent) -> str | None:
    if event.kind not in frozenset(EventKind):
        return "unknown kind"
    if progress.document_id is None or event.document_id != progress.document_id:
        return "another document"
    if progress.ended and event.kind in _ENDS and event.kind != progress.ended:
        return f"contradicts {progress.ended}"
    return None


def _advance(progress: Progress, event: SignatureEvent) -> Progress:
    if event.kind not in _ENDS:
        progress = progress.model_copy(update={"was_sent": True})
    if event.kind in _ENDS:
        return progress.model_copy(update={"reported_ends": progress.reported_ends | {event.kind}})
    if event.kind == EventKind.FINALIZATION_FAILED:
        return progress.model_copy(update={"finalization_failed": True})
    if event.recipient_id and event.kind == EventKind.VIEWED:
        change = RecipientProgress(recipient_id=event.recipient_id, viewed_at=_time_of(event))
    elif event.recipient_id and event.kind in _SIGNED:
        change = RecipientProgress(recipient_id=event.recipient_id, signed_at=_time_of(event))
    else:
        return progress
    merged = {recipient.recipient_id: recipient for recipient in progress.recipients}
    merged[change.recipient_id] = _merge(merged.get(change.recipient_id), change)
    return progress.model_copy(update={"recipients": tuple(merged.values())})


def _merge(known: RecipientProgress | None, news: RecipientProgress) -> RecipientProgress:
    if known is None:
        return news
    return RecipientProgress(
        recipient_id=known.recipient_id,
        viewed_at=_earliest(known.viewed_at, news.viewed_at),
        signed_at=_earliest(known.signed_at, news.signed_at),
    )


def _time_of(event: SignatureEvent) -> str:
    return event.occurred_at or event.received_at or ""


def _earliest(one: str | None, other: str | None) -> str | None:
    """Return the earlier time; "" means that it happened at an unknown time."""
    if one and other:
        return min(one, other)
    return one or other or (one if other is None else other)


def _record(progress: Progress, event: SignatureEvent, *, ignored: str | None = None) -> Progress:
    entry = TimelineEntry(
        at=event.occurred_at,
        what=event.kind[:64],
        event_id=event.event_id,
        recipient_id=event.recipient_id,
        ignored=ignored,
    )
    count = progress.ignored + (ignored is not None)
    return _append(progress.model_copy(update={"ignored": count}), entry)


def _append(progress: Progress, entry: TimelineEntry) -> Progress:
    return progress.model_copy(update={"timeline": (*progress.timeline, entry)[:TIMELINE_LIMIT]})
