"""The fence of a send: a key in the store that a send writes first, or the workflow that gives it up."""

import hashlib
import json
import uuid
from datetime import UTC, datetime

from temporalio.exceptions import ApplicationError

from activities.requests import SendAttempt
from countersign.agreements.failures import NOT_SENT, OUTCOME_UNKNOWN
from countersign.storage import Store, put
from countersign.storage.agreement_files import StoreKeys


class SendFence:
    """Makes provable that a send never began: its key is created once, by the send or by `revoke`.

    Args:
        store: Where the keys are kept.
        keys: Their names.
    """

    def __init__(self, store: Store, keys: StoreKeys) -> None:
        self._store = store
        self._keys = keys

    async def begin(self, attempt: SendAttempt) -> None:
        """Begin an attempt; the provider may be called only after this has returned.

        Raises:
            ApplicationError: `NotSent`: the workflow has revoked it. `OutcomeUnknown`: the same attempt began
                before (the workflow was reset since); details[0] is when, ISO 8601.
            StorageError: The store failed; nothing may be sent.
        """
        found = await self._write(attempt, {"attempt": uuid.uuid4().hex, "at": datetime.now(UTC).isoformat()})
        if found is None:
            return
        if "revoked" in found:
            raise ApplicationError("not sent: the workflow had given the attempt up", type=NOT_SENT)
        raise ApplicationError(
            "the same send began before: outcome unknown", found["at"], type=OUTCOME_UNKNOWN
        )

    async def revoke(self, attempt: SendAttempt) -> bool:
        """Keep an attempt from beginning; False if it began before.

        Raises:
            StorageError: The store failed.
        """
        found = await self._write(attempt, {"revoked": True})
        return found is None or "revoked" in found

    async def _write(self, attempt: SendAttempt, entry: dict[str, object]) -> dict[str, str] | None:
        """Write an entry; None if it is there now, else the entry that was there before."""
        key = self._keys.sending(attempt.reference, attempt.claim, attempt.number)
        content = json.dumps(entry).encode()
        stored = await put(self._store, key, content)
        if stored.sha256 == hashlib.sha256(content).hexdigest():
            return None
        found: dict[str, str] = json.loads(await self._store.read(key))
        return found
