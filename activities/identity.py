"""What tells an agreement's document from any other that carries its marker. Pure."""

import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime

from activities.requests import IdentifyRequest
from countersign.agreements.messages import Sender
from countersign.agreements.reference import find_marker, mark_title
from countersign.providers.turbodocx.models import Document


def differences(document: Document, request: IdentifyRequest, sender: Sender) -> Iterator[str]:
    """List what differs between a document at the provider and the agreement; recipients aside.

    What the provider does not show cannot differ.

    Args:
        document: As the provider shows it.
        request: What the agreement expects.
        sender: Who asks for signatures, unless the agreement names a sender.
    """
    if find_marker(document.name) != request.marker:
        yield "marker"
    elif _comparable(document.name) != _comparable(mark_title(request.title, request.marker)):
        yield "title"
    expected = request.sender or sender
    if document.sent_by is not None and document.sent_by.email.lower() != expected.email.lower():
        yield "sender"
    created = _time(document.created_on)
    if request.since is not None and created is not None and created < request.since:
        yield "creation time"


def _comparable(title: str) -> str:
    return " ".join(unicodedata.normalize("NFC", title).split())


def _time(text: str | None) -> datetime | None:
    try:
        at = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
