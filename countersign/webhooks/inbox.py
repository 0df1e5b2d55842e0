"""Webhooks in your own workflows: the event that the receiver signals, and an inbox that keeps each once."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from temporalio import workflow

SEEN_LIMIT: Final = 1000
"""Event ids that an inbox remembers. Senders repeat an event within days; older ids are forgotten first."""


class WebhookEvent(BaseModel):
    """The argument of the signal that a route of the webhook receiver sends.

    Args:
        id: The sender's id of the event. Events with the same id are one event.
        kind: The sender's name of the event; "" if the route names no path to it.
        received_at: ISO 8601, when the receiver accepted it.
        data: The fields that the route selects; None for a field that the event lacks.
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    id: str
    kind: str = ""
    received_at: str = ""
    data: dict[str, JsonValue] = Field(default={}, repr=False)


class InboxState(BaseModel):
    """What an inbox carries over when its workflow continues as new: the argument of the next run.

    Args:
        seen: The ids of the latest events, the oldest first.
        unread: The events that were not taken yet.
    """

    model_config = ConfigDict(frozen=True)

    seen: tuple[str, ...] = ()
    unread: tuple[WebhookEvent, ...] = ()


class Inbox:
    """The events of a workflow's webhooks, each once, in the order in which they arrived.

    Make it in `__init__` of the workflow, with `@workflow.init`: signals may come before the workflow runs.

    Args:
        state: What the inbox of the run before has carried over.
    """

    def __init__(self, state: InboxState | None = None) -> None:
        state = state or InboxState()
        self._seen = dict.fromkeys(state.seen)
        self._unread = list(state.unread)

    def put(self, event: WebhookEvent) -> bool:
        """Keep an event; returns False if one with its id came before. For signal handlers."""
        if event.id in self._seen:
            return False
        self._seen[event.id] = None
        if len(self._seen) > SEEN_LIMIT:
            del self._seen[next(iter(self._seen))]
        self._unread.append(event)
        return True

    async def take(self, *kinds: str, within: timedelta | None = None) -> WebhookEvent:
        """Wait for the next event and remove it from the inbox.

        Args:
            kinds: The wanted kinds; other events stay in the inbox. None: any kind.
            within: How long to wait; by default without a limit.

        Raises:
            TimeoutError: No such event came in time.
        """
        await workflow.wait_condition(
            lambda: self._find(kinds) is not None, timeout=within, timeout_summary="await a webhook"
        )
        event = self._find(kinds)
        assert event is not None  # noqa: S101  # the condition above
        self._unread.remove(event)
        return event

    def state(self) -> InboxState:
        """Return what the next run needs to go on, for `workflow.continue_as_new`."""
        return InboxState(seen=tuple(self._seen), unread=tuple(self._unread))

    def _find(self, kinds: Iterable[str]) -> WebhookEvent | None:
        return next((event for event in self._unread if not kinds or event.kind in kinds), None)
