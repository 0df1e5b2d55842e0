"""Claiming a reference for good: Temporal forgets closed workflows in time, the store does not."""

import json

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.keys import StoreKeys
from countersign import reference
from countersign.storage import Store, put
from workflows.failures import REFERENCE_USED
from workflows.tasks import Claimed, ClaimInput


class ClaimActivities:
    """The storage-only step at an agreement's start. Calls no provider.

    Args:
        store: Where claims are kept.
        keys: Where in the store.
        pace: How many times faster than usual new agreements wait.
        two_step_send: Whether new agreements invite signers apart from the send.
    """

    def __init__(
        self, store: Store, keys: StoreKeys, *, pace: float = 1, two_step_send: bool = False
    ) -> None:
        self._store = store
        self._keys = keys
        self._pace = pace
        self._two_step_send = two_step_send

    @activity.defn
    async def claim(self, task: ClaimInput) -> Claimed:
        """Claim the reference, or see that this very agreement has claimed it before."""
        key = self._keys.claim(task.reference)
        await put(self._store, key, json.dumps({"run_id": task.run_id}).encode())
        holder = json.loads(await self._store.read(key))
        if holder["run_id"] != task.run_id:
            raise ApplicationError(
                f"reference {task.reference} was used by an earlier agreement; choose a new one, "
                f"for example {task.reference}.2",
                type=REFERENCE_USED,
                non_retryable=True,
            )
        tag = reference.tag(
            environment=self._keys.environment, namespace=self._keys.namespace, reference=task.reference
        )
        return Claimed(tag=tag, pace=self._pace, two_step_send=self._two_step_send)
