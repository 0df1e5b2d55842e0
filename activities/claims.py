"""Claiming a reference for good: Temporal forgets closed workflows in time, the store does not.

A claim is released by the run that holds it, and only where nothing can have been sent: then the next one may
be made. Both are files written create-only, so that of two runs one gets it.
"""

import itertools
import json

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.keys import StoreKeys
from countersign import reference
from countersign.storage import Store, put
from workflows.failures import REFERENCE_USED
from workflows.tasks import Claimed, ClaimInput


class ClaimActivities:
    """The storage-only steps at an agreement's start. They call no provider.

    Args:
        store: Where claims are kept.
        keys: Where in the store.
        pace: How many times faster than usual new agreements wait.
    """

    def __init__(self, store: Store, keys: StoreKeys, *, pace: float = 1) -> None:
        self._store = store
        self._keys = keys
        self._pace = pace

    @activity.defn
    async def claim(self, task: ClaimInput) -> Claimed:
        """Claim the reference, or see that this very agreement has claimed it before."""
        if await self._held(task) is None:
            raise ApplicationError(
                f"reference {task.reference} was used by an earlier agreement; choose a new one, "
                f"for example {task.reference}.2",
                type=REFERENCE_USED,
                non_retryable=True,
            )
        tag = reference.tag(
            environment=self._keys.environment, namespace=self._keys.namespace, reference=task.reference
        )
        return Claimed(tag=tag, pace=self._pace)

    @activity.defn
    async def release(self, task: ClaimInput) -> None:
        """Give the reference back: this agreement has sent nothing, and is about to fail."""
        if (number := await self._held(task)) is not None:
            await self._put(self._keys.released(task.reference, number), task.run_id)

    async def _held(self, task: ClaimInput) -> int | None:
        """Hold the first claim that was not released; None if another run does."""
        for number in itertools.count(1):
            if await self._put(self._keys.claim(task.reference, number), task.run_id) == task.run_id:
                return number
            if await self._store.find(self._keys.released(task.reference, number)) is None:
                break
        return None

    async def _put(self, key: str, run_id: str) -> str:
        """Write who we are, unless somebody has; returns who it is."""
        await put(self._store, key, json.dumps({"run_id": run_id}).encode())
        return str(json.loads(await self._store.read(key))["run_id"])
