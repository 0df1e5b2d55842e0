"""The format of a provider's webhooks: the interface that the providers' modules implement."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from countersign.agreements.events import SignatureEvent
from countersign.agreements.reference import Marker
from countersign.webhooks.inbox import WebhookEvent
from countersign.webhooks.verification import Headers, Key, SignedMessage

KIND_LIMIT: Final = 64
"""Characters of the kind of an unknown event."""

_IDENTIFIER = re.compile(r"[!-~]{1,200}")


class UnreadableError(Exception):
    """A verified delivery of a known kind lacks a required field, such as its event id."""


@dataclass(frozen=True, slots=True)
class ParsedDelivery:
    """A verified and parsed delivery.

    Args:
        event: The event, in provider-neutral terms.
        marker: The marker that the provider echoes, in the title or in an external id; None if there is none.
    """

    event: SignatureEvent
    marker: Marker | None


class WorkflowStart(Protocol):
    """What a delivery may start, with its event's `data` as the argument."""

    @property
    def workflow(self) -> str:
        """The workflow's type."""

    @property
    def task_queue(self) -> str:
        """The task queue of its worker."""


@dataclass(frozen=True, slots=True)
class WorkflowDelivery:
    """A verified and parsed delivery for a workflow that is no agreement.

    Args:
        event: The signal's argument.
        workflow_id: The workflow's id; None if the delivery names none.
        signal: The signal's name.
        start: The workflow to start if there is none; None to start none.
    """

    event: WebhookEvent
    workflow_id: str | None
    signal: str
    start: WorkflowStart | None = None


class WebhookAdapter(Protocol):
    """How one provider signs and formats its deliveries. Stateless and without I/O."""

    @property
    def name(self) -> str:
        """The account's name: in the path `/webhooks/<name>`, in events, and as a label of the metrics."""

    def key(self, secret: str) -> Key:
        """Turn a configured secret into a key.

        Raises:
            ValueError: The secret does not have the provider's format. The message does not repeat it.
        """

    def signed_message(self, headers: Headers, body: bytes) -> SignedMessage | None:
        """Extract the signed part of an unverified delivery; None if it has no signature. Never raises."""

    def read(self, headers: Headers, payload: Mapping[str, Any]) -> ParsedDelivery | WorkflowDelivery | None:
        """Translate a verified delivery. Returns None if it cannot concern a workflow.

        Raises:
            UnreadableError: An event of a known kind lacks a required field.
        """


def identifier(value: object) -> str:
    """Return an id if it is 1 to 200 printable ASCII characters.

    Ids appear in logs and in Temporal, so they contain no line breaks and no lone surrogates.

    Raises:
        UnreadableError: The value is anything else.
    """
    if isinstance(value, str) and _IDENTIFIER.fullmatch(value):
        return value
    raise UnreadableError("an id is missing or is not 1 to 200 printable ASCII characters")


def identifier_or_none(value: object) -> str | None:
    """Return an id that may be absent, checked as by `identifier`."""
    return None if value is None else identifier(value)


def unknown_kind(provider: str, name: str) -> str:
    """Return the kind of an unknown event type, `<provider>:<name>`, which cannot equal a known kind.

    Raises:
        UnreadableError: The name is not printable ASCII.
    """
    return identifier(f"{provider}:{name}"[:KIND_LIMIT])


def plain(value: object, limit: int) -> str | None:
    """Return printable ASCII text of at most `limit` characters, None for anything else."""
    return value if isinstance(value, str) and len(value) <= limit and re.fullmatch("[ -~]+", value) else None
