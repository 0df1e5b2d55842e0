"""What a provider's webhooks look like: one small module per dialect says it, the receiver does the rest."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from countersign.agreements.events import SignatureEvent
from countersign.webhooks.verification import Headers, Key, SignedMessage

KIND_LIMIT: Final = 64
"""Characters of an unknown event's kind that are passed on."""

_IDENTIFIER = re.compile(r"[!-~]{1,200}")


class UnreadableError(Exception):
    """A verified delivery of a kind that we know lacks what it must hold, such as its event id."""


@dataclass(frozen=True, slots=True)
class ParsedDelivery:
    """What a verified delivery says.

    Args:
        event: The event, in no provider's words.
        title: The document's title, which ends in the marker if the document is ours.
    """

    event: SignatureEvent
    title: str | None


class WebhookAdapter(Protocol):
    """How one provider signs and words its deliveries. Stateless; nothing here does I/O."""

    @property
    def name(self) -> str:
        """Names the path `/webhooks/<name>`, the event's provider and the metrics' label."""

    def key(self, secret: str) -> Key:
        """Turn a configured secret into a key.

        Raises:
            ValueError: The secret cannot be one of this dialect; the message does not repeat it.
        """

    def signed_message(self, headers: Headers, body: bytes) -> SignedMessage | None:
        """Read what an unverified delivery claims; None if it does not have the form. Never raises."""

    def read(self, headers: Headers, payload: Mapping[str, Any]) -> ParsedDelivery | None:
        """Translate a verified delivery; None if it is nothing that could concern an agreement.

        Raises:
            UnreadableError: It should be an event that we know and is broken.
        """


def identifier(value: object) -> str:
    """Return an id if it is 1 to 200 printable ASCII characters.

    Ids end up in logs and in Temporal: no line breaks, no lone surrogates that only JSON can carry.

    Raises:
        UnreadableError: It is anything else.
    """
    if isinstance(value, str) and _IDENTIFIER.fullmatch(value):
        return value
    raise UnreadableError("an id is missing or is not 1 to 200 printable ASCII characters")


def identifier_or_none(value: object) -> str | None:
    """Like `identifier`, for an id that may be absent."""
    return None if value is None else identifier(value)


def unknown_kind(provider: str, name: str) -> str:
    """Word an event type that we do not know so that no kind of ours can be meant; the workflow records it.

    Raises:
        UnreadableError: The name is not printable.
    """
    return identifier(f"{provider}:{name}"[:KIND_LIMIT])


def plain(value: object, limit: int) -> str | None:
    """Return printable ASCII text of at most `limit` characters, None for anything else."""
    return value if isinstance(value, str) and len(value) <= limit and re.fullmatch("[ -~]+", value) else None
