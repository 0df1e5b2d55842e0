"""A document's state at the provider, in neutral terms."""

from datetime import UTC, datetime

from countersign.agreements.messages import Observation, RecipientProgress
from countersign.providers.turbodocx.client import TurboDocxClient
from countersign.providers.turbodocx.models import DocumentRecipient


async def observe(client: TurboDocxClient, document_id: str) -> Observation:
    """Get a document's state and who has signed: one call.

    Raises:
        ProviderError: The call failed.
    """
    found = await client.document_recipients(document_id)
    return Observation(
        status=found.document.status,
        recipients=tuple(_progress(recipient) for recipient in found.recipients),
        at=datetime.now(UTC),
    )


def _progress(recipient: DocumentRecipient) -> RecipientProgress:
    signed = recipient.status == "completed"
    return RecipientProgress(
        recipient_id=recipient.id,
        viewed_at="" if signed or recipient.status == "viewed" else None,
        signed_at=(recipient.signed_on or "") if signed else None,
    )
