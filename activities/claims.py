"""Claiming a reference for good: Temporal forgets closed workflows in time, the store does not.

A claim is released by the run that holds it, and only where nothing can have been sent: then the next one may
be made. Both are files written create-only, so that of two runs one gets it.
"""

import itertools
import json
from datetime import timedelta

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.requests import Claimed, ClaimRequest
from countersign.agreements import reference
from countersign.agreements.failures import BAD_INPUT, REFERENCE_USED
from countersign.storage import Store, put
from countersign.storage.agreement_files import StoreKeys


class ClaimActivities:
    """The storage-only steps at an agreement's start. They call no provider.

    Args:
        store: Where claims are kept.
        keys: Where in the store.
        time_scale: How many times faster than usual new agreements wait.
        longest_check_wait: The longest wait between two checks of new agreements.
    """

    def __init__(
        self,
        store: Store,
        keys: StoreKeys,
        *,
        time_scale: float = 1,
        longest_check_wait: timedelta = timedelta(days=1),
    ) -> None:
        self._store = store
        self._keys = keys
        self._time_scale = time_scale
        self._longest_check_wait = longest_check_wait

    @activity.defn
    async def claim(self, request: ClaimRequest) -> Claimed:
        """Claim the reference for this agreement; a repetition changes nothing.

        Raises:
            ApplicationError: `BadInput`: it has problems; nothing is claimed. `ReferenceUsed`: an earlier
                agreement has the reference.
        """
        if request.problems:
            raise ApplicationError("; ".join(request.problems), type=BAD_INPUT, non_retryable=True)
        if await self._held(request) is None:
            raise ApplicationError(
                f"reference {request.reference} was used by an earlier agreement; choose a new one, "
                f"for example {request.reference}.2",
                type=REFERENCE_USED,
                non_retryable=True,
            )
        tag = reference.tag(
            environment=self._keys.environment, namespace=self._keys.namespace, reference=request.reference
        )
        return Claimed(tag=tag, time_scale=self._time_scale, longest_check_wait=self._longest_check_wait)

    @activity.defn
    async def release(self, request: ClaimRequest) -> None:
        """Give the reference back: this agreement has sent nothing, and is about to fail."""
        if (number := await self._held(request)) is not None:
            await self._put(self._keys.released(request.reference, number), request.run_id)

    async def _held(self, request: ClaimRequest) -> int | None:
        """Hold the first claim that was not released; None if another run does."""
        for number in itertools.count(1):
            if await self._put(self._keys.claim(request.reference, number), request.run_id) == request.run_id:
                return number
            if await self._store.find(self._keys.released(request.reference, number)) is None:
                break
        return None

    async def _put(self, key: str, run_id: str) -> str:
        """Write who we are, unless somebody has; returns who it is."""
        await put(self._store, key, json.dumps({"run_id": run_id}).encode())
        return str(json.loads(await self._store.read(key))["run_id"])
