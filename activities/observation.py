"""The provider's answer about a document, as the workflow knows it."""

from datetime import UTC, datetime

from countersign.agreements.messages import Observation, RecipientProgress
from countersign.providers.turbodocx.client import TurboDocxClient
from countersign.providers.turbodocx.models import DocumentRecipient


async def observe(client: TurboDocxClient, document_id: str) -> Observation:
    """Ask the provider where a document is and who has signed: one call.

    Raises:
        ProviderError: It could not be asked.
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
