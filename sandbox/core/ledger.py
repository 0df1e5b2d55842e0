"""The ledger: all commits in order, with the requests that made them.

Tests read here what a client without a response cannot know.
"""

from contextvars import ContextVar
from typing import Any

from sandbox.core.clock import Clock
from sandbox.core.store import Row, Store

current_request: ContextVar[dict[str, Any] | None] = ContextVar("current_request", default=None)
"""Method, path and client headers of the current request; None if the sandbox acts by itself."""

current_fault: ContextVar[str | None] = ContextVar("current_fault", default=None)
"""The fault of the current request."""


class Ledger:
    """Records commits."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def record(self, kind: str, subject: str, **details: Any) -> None:
        """Record a commit; to be called inside its transaction.

        Args:
            kind: The kind of commit, for example `document_created`.
            subject: The id of the object.
            details: Values for tests.
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
        """Return the entries, oldest first."""
        return self._store.rows(
            "SELECT * FROM ledger WHERE (?1 IS NULL OR kind = ?1)"
            " AND (?2 IS NULL OR subject = ?2) ORDER BY seq",
            kind,
            subject,
        )
