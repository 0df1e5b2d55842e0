"""Callbacks: the events of an agreement that its caller and the operator's subscribers receive.

A callback is a POST signed by Standard Webhooks 1.0; its body is a `CallbackEvent`. A `CallbackWorkflow` per
event delivers it.
"""

import hashlib
import re
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

from pydantic import Field

from countersign.agreements.messages import Message, Metadata, Outcome, ResolvedBy

CALLBACK_WORKFLOW: Final = "CallbackWorkflow"
CALLER: Final = "callback_url"
"""The target that the agreement itself names. No subscription has this name."""

_PREFIX: Final = "callback-"
_RUN_LENGTH: Final = 8
"""Hexadecimal digits of a run id, its last ones: the first ones are the time, and alike for a minute."""


class CallbackType(StrEnum):
    """What happened. The last six are ends: an agreement has exactly one of them."""

    SENT = "agreement.sent"
    VIEWED = "agreement.viewed"
    SIGNED = "agreement.signed"
    NEEDS_ATTENTION = "agreement.needs_attention"
    COMPLETED = "agreement.completed"
    VOIDED = "agreement.voided"
    EXPIRED = "agreement.expired"
    DECLINED = "agreement.declined"
    ABANDONED = "agreement.abandoned"
    FAILED = "agreement.failed"


class CallbackLinks(Message):
    """Where the HTTP API has more. Empty unless `COUNTERSIGN_CALLBACKS_API_URL` is set.

    Args:
        agreement: The agreement's status.
        document: The signed document, if the agreement is completed.
        audit_trail: The provider's audit trail of it.
        timeline: The agreement's timeline.
    """

    agreement: str | None = None
    document: str | None = None
    audit_trail: str | None = None
    timeline: str | None = None


class CallbackData(Message):
    """What an event is about. Names no person.

    Args:
        reference: The agreement's reference.
        document_id: The provider's id of the document, once known.
        signer: The number of the signer who viewed or signed, from 1 in the order of the input.
        outcome: How the agreement ended; not for `agreement.failed`.
        resolved_by: How the outcome became known: `webhook`, `watcher` (the account's watcher found it at the
            provider), `poll` (a check) or `operator`.
        error: The type of the failure, for `agreement.failed`: `BadInput`, `Rejected` and so on.
        links: Where the HTTP API has more.
        metadata: The caller's own, unchanged.
    """

    reference: str
    document_id: str | None = None
    signer: int | None = None
    outcome: Outcome | None = None
    resolved_by: ResolvedBy | None = None
    error: str | None = None
    links: CallbackLinks = CallbackLinks()
    metadata: Metadata = Field(default={})


class CallbackEvent(Message):
    """The body of a callback.

    Args:
        type: What happened.
        timestamp: When the agreement's workflow learned of it.
        data: What it is about.
    """

    type: CallbackType
    timestamp: datetime
    data: CallbackData


class CallbackRequest(Message):
    """The input of `CallbackWorkflow`.

    Args:
        event: What to deliver.
        event_id: The header `webhook-id`: the same for every attempt and every target.
        targets: Whom to deliver it to: `callback_url`, and names of subscriptions.
        url: The agreement's `callback_url`.
        secret_key: The key in the store of the secret that its callbacks are signed with.
        time_scale: Factor by which every wait is shortened.
        was_delivered: Whether every target has accepted it before.
    """

    event: CallbackEvent
    event_id: str
    targets: tuple[str, ...]
    url: str | None = Field(default=None, repr=False)
    secret_key: str | None = None
    time_scale: float = 1
    was_delivered: bool = False


class CallbackName(NamedTuple):
    """What identifies a callback.

    Args:
        reference: The agreement's reference.
        event: The event without `agreement.`, numbered if there may be several: `sent`, `signed-2`.
        run: The beginning of the id of the agreement's first run.
    """

    reference: str
    event: str
    run: str

    @property
    def workflow_id(self) -> str:
        """The id of the workflow that delivers it."""
        return f"{_PREFIX}{self.reference.lower()}-{self.event}-{self.run}"


_EVENTS: Final = "|".join(kind.removeprefix("agreement.") for kind in CallbackType)
_ID: Final = re.compile(
    rf"{_PREFIX}(?P<reference>.+)-(?P<event>(?:{_EVENTS})(?:-\d+)?)-(?P<run>[0-9a-f]{{{_RUN_LENGTH}}})"
)


def callback_name(reference: str, run_id: str, kind: CallbackType, number: int | None = None) -> CallbackName:
    """Name a callback.

    Args:
        reference: The agreement's reference.
        run_id: The id of the agreement's first run.
        kind: The event.
        number: The number of the signer or, if the agreement needs attention, how often it has.
    """
    event = (
        kind.removeprefix("agreement.") if number is None else f"{kind.removeprefix('agreement.')}-{number}"
    )
    return CallbackName(reference, event, run_id.replace("-", "")[-_RUN_LENGTH:])


def read_callback_name(workflow_id: str) -> CallbackName | None:
    """Take the id of a workflow apart; None if it delivers no callback. The reference is in lower case."""
    found = _ID.fullmatch(workflow_id)
    return None if found is None else CallbackName(found["reference"], found["event"], found["run"])


def callbacks_of(reference: str) -> str:
    """Return how the workflow ids of an agreement's callbacks begin.

    Those of `order-1-2` begin like those of `order-1`.
    """
    return f"{_PREFIX}{reference.lower()}-"


def event_id(name: CallbackName) -> str:
    """Derive the header `webhook-id`: stable, at most 36 characters, without a dot."""
    return f"evt_{hashlib.sha256(name.workflow_id.encode()).hexdigest()[:32]}"
