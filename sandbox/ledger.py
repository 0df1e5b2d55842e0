"""What was really committed, in order, each with the request that did it.

A client that lost an answer cannot know what happened; a test reads it here.
"""

from contextvars import ContextVar
from typing import Any

from sandbox.clock import Clock
from sandbox.store import Row, Store

current_request: ContextVar[dict[str, Any] | None] = ContextVar("current_request", default=None)
"""Method, path and client headers of the request at work; None when the sandbox acts by itself."""

current_fault: ContextVar[str | None] = ContextVar("current_fault", default=None)
"""The scripted fault that the request at work is hit by."""


class Ledger:
    """The record of commits."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def record(self, kind: str, subject: str, **details: Any) -> None:
        """Note a commit, inside the transaction that makes it.

        Args:
            kind: What was done, for example `document_created`.
            subject: The id of what it was done to.
            details: What a test may want to see of it.
        """
        request, fault = current_request.get(), current_fault.get()
        if request is not None and fault is not None:
            request = request | {"fault": fault}
        self._store.insert(
            "ledger",
            {
                "at": self._clock.stamp(),
                "kind": kind,
                "subject": subject,
                "details": details,
                "request": request,
            },
        )

    def entries(self, *, kind: str | None = None, subject: str | None = None) -> list[Row]:
        """Read the record, oldest first."""
        return self._store.rows(
            "SELECT * FROM ledger WHERE (?1 IS NULL OR kind = ?1)"
            " AND (?2 IS NULL OR subject = ?2) ORDER BY seq",
            kind,
            subject,
        )
