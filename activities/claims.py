"""Claims of references in the store, which remembers them longer than Temporal remembers workflows.

The run that holds a claim releases it only if it has sent nothing; then the next claim can be made. Claims
and releases are files that are created once, so that one of two runs gets the claim.
"""

import itertools
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.requests import Claimed, ClaimRequest, SendAttempt
from countersign.agreements.callbacks import CALLER
from countersign.agreements.failures import (
    BAD_INPUT,
    CALLBACKS,
    REFERENCE_USED,
)
from countersign.agreements.reference import new_tag
from countersign.agreements.validation import Needs
from countersign.providers.lacks import lacks
from countersign.providers.registry import Account
from countersign.settings.callbacks import CallbackSettings
from countersign.storage import Fence, Store, put
from countersign.storage.store import StoreKeys
from countersign.watchers import Watchers


class ClaimActivities:
    """Steps that use the store alone and call no provider.

    Args:
        store: Where claims are kept.
        keys: Where in the store.
        accounts: The configured accounts, the default first.
        time_scale: How many times faster than usual new agreements wait.
        longest_check_wait: The longest wait between two checks of new agreements.
        callbacks: Who may be called back; by default no one.
        watchers: Knows whether accounts are watched; without it, none is.
    """

    def __init__(
        self,
        store: Store,
        keys: StoreKeys,
        accounts: Mapping[str, Account],
        *,
        time_scale: float = 1,
        longest_check_wait: timedelta = timedelta(days=1),
        callbacks: CallbackSettings | None = None,
        watchers: Watchers | None = None,
    ) -> None:
        self._store = store
        self._keys = keys
        self._accounts = accounts
        self._fence = Fence(store)
        self._time_scale = time_scale
        self._longest_check_wait = longest_check_wait
        self._callbacks = callbacks or CallbackSettings()
        self._watchers = watchers

    @activity.defn
    async def claim(self, request: ClaimRequest) -> Claimed:
        """Claim the reference for this agreement; a repetition changes nothing.

        Raises:
            ApplicationError: `BadInput`: it has problems, or its account's provider lacks what it needs;
                nothing is claimed. `ReferenceUsed`: an earlier agreement has the reference. A detail of both
                names who is called back about it.
        """
        account = request.account or next(iter(self._accounts))
        refused, callbacks = self._called_back(request.needs)
        called_back = {CALLBACKS: callbacks}
        if problems := (*request.problems, *self._lacks(account, request.needs), *refused):
            raise ApplicationError("; ".join(problems), called_back, type=BAD_INPUT, non_retryable=True)
        held = await self._held(request)
        if held is None:
            raise ApplicationError(
                f"reference {request.reference} was used by an earlier agreement; choose a new one, "
                f"for example {request.reference}.2",
                called_back,
                type=REFERENCE_USED,
                non_retryable=True,
            )
        number, claim = held
        return Claimed(
            tag=claim["tag"],
            at=claim["at"],
            time_scale=self._time_scale,
            longest_check_wait=self._longest_check_wait,
            claim=number,
            account=account,
            callbacks=callbacks,
            watched=self._watchers is not None and await self._watchers.is_watching(account),
        )

    def _called_back(self, needs: Needs | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return why the agreement's URL must not be called back, and who is called back."""
        callers: tuple[str, ...] = ()
        problem = None
        if needs and needs.callback:
            problem = self._callbacks.problem(
                *needs.callback, plain=needs.callback_plain, has_secret=needs.callback_secret
            )
            callers = () if problem else (CALLER,)
        return (f"callback_url: {problem}",) if problem else (), (*callers, *self._callbacks.subscribers())

    def _lacks(self, name: str, needs: Needs | None) -> tuple[str, ...]:
        account = self._accounts.get(name)
        if account is None:
            known = ", ".join(self._accounts)
            return (f"account: the worker has no account {name}; COUNTERSIGN_ACCOUNTS names {known}",)
        return () if needs is None else lacks(needs, account, self._accounts)

    @activity.defn
    async def release(self, request: ClaimRequest) -> None:
        """Release the reference: this agreement has sent nothing, and is about to fail."""
        if (held := await self._held(request)) is not None:
            await self._put(self._keys.released(request.reference, held[0]), {"run_id": request.run_id})

    @activity.defn
    async def revoke_send(self, attempt: SendAttempt) -> bool:
        """Keep an attempt to send from beginning; False if it began before."""
        return await self._fence.revoke(self._keys.sending(attempt.reference, attempt.claim, attempt.number))

    async def _held(self, request: ClaimRequest) -> tuple[int, Mapping[str, str]] | None:
        """Take the first claim that was not released; return its number and content, None if it is taken."""
        environment, namespace = self._keys.environment, self._keys.namespace
        entry = {
            "run_id": request.run_id,
            "tag": new_tag(environment=environment, namespace=namespace, reference=request.reference),
            "at": datetime.now(UTC).isoformat(),
        }
        for number in itertools.count(1):
            claim = await self._put(self._keys.claim(request.reference, number), entry)
            if claim["run_id"] == request.run_id:
                return number, claim
            if await self._store.find(self._keys.released(request.reference, number)) is None:
                break
        return None

    async def _put(self, key: str, entry: Mapping[str, str]) -> Mapping[str, str]:
        """Write an entry unless there is one; return the one that is there."""
        await put(self._store, key, json.dumps(entry).encode())
        found: dict[str, str] = json.loads(await self._store.read(key))
        return found
