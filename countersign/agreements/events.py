"""The provider-neutral signature event, the argument of the workflow's `signature_event` signal.

The SDK logs and drops a signal if its argument does not validate. So only a missing event id is an error:
kinds are plain strings, unreadable values become None, unknown fields are kept. The workflow decides what an
event means.
"""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict


class EventKind(StrEnum):
    """The known kinds. `SignatureEvent.kind` may hold any other string."""

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
    """One event of a document. Holds no names and no addresses.

    Args:
        event_id: The provider's id of this event. Events with the same id are duplicates.
        kind: An `EventKind`, or a kind that this version does not know.
        provider: The account's name, for example `acme`.
        document_id: The provider's id of the document.
        recipient_id: The provider's id of the recipient, if the event is about one.
        occurred_at: ISO 8601, as the provider wrote it.
        document_hash: The provider's hash of the content. Recorded only; no decision uses it.
        received_at: ISO 8601, when the webhook receiver accepted it.
        found_by: `watcher` if the account's watcher found the event at the provider; None for a webhook.
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
    found_by: OptionalText = None
