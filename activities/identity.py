"""What tells an agreement's document from any other that carries its marker. Pure."""

import unicodedata
from collections.abc import Iterator

from activities.requests import IdentifyRequest
from countersign.agreements.messages import Sender
from countersign.providers.port import Document


def differences(document: Document, request: IdentifyRequest, sender: Sender | None) -> Iterator[str]:
    """List what differs between a document at the provider and the agreement; recipients aside.

    What the provider does not show cannot differ.

    Args:
        document: As the provider shows it.
        request: What the agreement expects.
        sender: Who asks for signatures, unless the agreement names a sender.
    """
    if document.marker != request.marker:
        yield "marker"
    elif _comparable(document.title) != _comparable(request.title):
        yield "title"
    expected = request.sender or sender
    is_of_another = (
        expected and document.sender_email and document.sender_email.lower() != expected.email.lower()
    )
    if is_of_another or document.is_own is False:
        yield "sender"
    if request.since and document.created_at and document.created_at < request.since:
        yield "creation time"


def _comparable(title: str) -> str:
    return " ".join(unicodedata.normalize("NFC", title).split())
