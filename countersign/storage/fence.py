"""A fence: proves that an attempt never began, because its key in the store is created once."""

import uuid
from datetime import UTC, datetime

from temporalio.exceptions import ApplicationError

from countersign.agreements.failures import NOT_SENT, OUTCOME_UNKNOWN
from countersign.storage.store import Store, put_entry


class Fence:
    """The attempt creates its key before it calls anything; the workflow creates the same key to revoke it.

    Args:
        store: Where the keys are kept.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def begin(self, key: str) -> None:
        """Begin an attempt; the provider may be called only after this has returned.

        Args:
            key: Names the attempt in the store, such as `production/default/order-1042/sending-1.json`.

        Raises:
            ApplicationError: `NotSent`: the workflow has revoked it. `OutcomeUnknown`: the same attempt began
                before (the workflow was reset since); details[0] is when, ISO 8601.
            StorageError: The store failed; nothing may be sent.
        """
        entry = {"attempt": uuid.uuid4().hex, "at": datetime.now(UTC).isoformat()}
        found = await put_entry(self._store, key, entry)
        if found == entry:
            return
        if "revoked" in found:
            raise ApplicationError("not sent: the workflow had given the attempt up", type=NOT_SENT)
        raise ApplicationError(
            "the same send began before: outcome unknown", found["at"], type=OUTCOME_UNKNOWN
        )

    async def revoke(self, key: str) -> bool:
        """Keep an attempt from beginning; False if it began before.

        Raises:
            StorageError: The store failed.
        """
        return "revoked" in await put_entry(self._store, key, {"revoked": True})
