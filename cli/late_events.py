"""Events that arrived after their agreement had ended: they change nothing, and a person may want to know."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from countersign.agreements.messages import Outcome
from countersign.client.listing import ListedAgreement
from countersign.providers.port import MarkedEvent


class LateEvent(BaseModel):
    """An event of an agreement that had ended.

    Args:
        reference: The reference in its document's marker.
        event_id: The provider's id of it.
        kind: What happened, as the provider names it.
        document_id: The document that it happened to.
        at: When it happened, by the provider's clock.
        ended: How the agreement had ended.
        ended_at: When, by Temporal's clock.
    """

    model_config = ConfigDict(frozen=True)

    reference: str
    event_id: str
    kind: str
    document_id: str
    at: datetime
    ended: str
    ended_at: datetime


def late_events(
    events: Iterable[MarkedEvent], agreements: Mapping[str, ListedAgreement]
) -> tuple[LateEvent, ...]:
    """Return the events from after their agreement's end, once each, in order.

    Args:
        events: Those of our documents; an event of several deliveries counts once.
        agreements: All that Temporal remembers, by reference in lower case.
    """
    found: dict[str, LateEvent] = {}
    for event in events:
        agreement = agreements.get(event.about.marker.reference.lower())
        if agreement is not None and agreement.ended_at is not None and event.at > agreement.ended_at:
            found[event.event_id] = LateEvent(
                reference=event.about.marker.reference,
                event_id=event.event_id,
                kind=event.kind,
                document_id=event.about.document_id,
                at=event.at,
                ended=how_ended(agreement),
                ended_at=agreement.ended_at,
            )
    return tuple(sorted(found.values(), key=lambda event: (event.at, event.event_id)))


def how_ended(agreement: ListedAgreement) -> str:
    """Return in words how an agreement ended."""
    is_end = agreement.stage in frozenset(Outcome)
    return f"ended {agreement.stage}" if is_end else "was terminated, or failed"
