"""Claims of references in the store, which remembers them longer than Temporal remembers workflows.

The run that holds a claim releases it only if it has sent nothing; then the next claim can be made. Claims
and releases are files that are created once, so that one of two runs gets the claim.
"""

import itertools
import json
from datetime import timedelta

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.requests import Claimed, ClaimRequest, SendAttempt
from activities.send_fence import SendFence
from countersign.agreements import reference
from countersign.agreements.failures import BAD_INPUT, REFERENCE_USED
from countersign.storage import Store, put
from countersign.storage.agreement_files import StoreKeys


class ClaimActivities:
    """Steps that use the store alone and call no provider.

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
        self._fence = SendFence(store, keys)
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
        number = await self._held(request)
        if number is None:
            raise ApplicationError(
                f"reference {request.reference} was used by an earlier agreement; choose a new one, "
                f"for example {request.reference}.2",
                type=REFERENCE_USED,
                non_retryable=True,
            )
        tag = reference.tag(
            environment=self._keys.environment, namespace=self._keys.namespace, reference=request.reference
        )
        return Claimed(
            tag=tag,
            time_scale=self._time_scale,
            longest_check_wait=self._longest_check_wait,
            claim=number,
        )

    @activity.defn
    async def release(self, request: ClaimRequest) -> None:
        """Release the reference: this agreement has sent nothing, and is about to fail."""
        if (number := await self._held(request)) is not None:
            await self._put(self._keys.released(request.reference, number), request.run_id)

    @activity.defn
    async def revoke_send(self, attempt: SendAttempt) -> bool:
        """Keep an attempt to send from beginning; False if it began before."""
        return await self._fence.revoke(attempt)

    async def _held(self, request: ClaimRequest) -> int | None:
        """Take the first claim that was not released, and return its number; None if another run has it."""
        for number in itertools.count(1):
            if await self._put(self._keys.claim(request.reference, number), request.run_id) == request.run_id:
                return number
            if await self._store.find(self._keys.released(request.reference, number)) is None:
                break
        return None

    async def _put(self, key: str, run_id: str) -> str:
        """Write a run's id unless another one is there; return the one that is there."""
        await put(self._store, key, json.dumps({"run_id": run_id}).encode())
        return str(json.loads(await self._store.read(key))["run_id"])
