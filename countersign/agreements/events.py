"""The neutral signature event: what a provider's webhook says, in no provider's words.

It is the argument of the workflow's `signature_event` signal. A signal whose argument fails to validate is
logged by the SDK and dropped, so nothing here can fail but a missing event id: kinds are plain strings,
unreadable values become None, unknown fields are kept. What an event means is decided in the workflow.
"""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict


class EventKind(StrEnum):
    """The kinds we know. A `SignatureEvent.kind` may hold any other string."""

    SENT = "sent"
    VIEWED = "viewed"
    RECIPIENT_SIGNED = "recipient_signed"
    PARTIALLY_SIGNED = "partially_signed"
    COMPLETED = "completed"
    FINALIZATION_FAILED = "finalization_failed"
    VOIDED = "voided"
    DECLINED = "declined"
    EXPIRED = "expired"


def _text_or_none(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


Text = Annotated[str, BeforeValidator(_text)]
OptionalText = Annotated[str | None, BeforeValidator(_text_or_none)]


class SignatureEvent(BaseModel):
    """One thing that happened to a document. Holds no names and no addresses.

    Args:
        event_id: The provider's id of this event; events with one id are one event.
        kind: An `EventKind`, or a kind that this version does not know.
        provider: The dialect's name, for example `turbodocx`.
        document_id: The provider's id of the document.
        recipient_id: The provider's id of the recipient, where the event is about one.
        occurred_at: ISO 8601, as the provider wrote it.
        document_hash: The provider's content hash, recorded, never relied upon.
        received_at: ISO 8601, when the receiver accepted it.
    """

    model_config = ConfigDict(frozen=True, extra="allow", hide_input_in_errors=True)

    event_id: str
    kind: Text = ""
    provider: Text = ""
    document_id: OptionalText = None
    recipient_id: OptionalText = None
    occurred_at: OptionalText = None
    document_hash: OptionalText = None
    received_at: OptionalText = None
