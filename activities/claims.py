"""The steps of an agreement that use the store alone: claim and release its reference, revoke a send."""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from temporalio import activity
from temporalio.converter import DataConverter
from temporalio.exceptions import ApplicationError

from activities.requests import Claimed, ClaimRequest, EndRequest, Recovered, SendAttempt
from countersign.agreements.callbacks import CALLER
from countersign.agreements.failures import (
    BAD_INPUT,
    CALLBACKS,
    REFERENCE_USED,
)
from countersign.agreements.reference import new_tag
from countersign.agreements.validation import Needs
from countersign.connection import data_converter
from countersign.providers.lacks import lacks
from countersign.providers.registry import Account
from countersign.settings.callbacks import CallbackSettings
from countersign.storage import Claims, Fence, Store, put
from countersign.storage.store import StoreKeys
from countersign.stored_input import seal
from countersign.watchers import Watchers

_ATTEMPT: Final = re.compile(r"(?P<what>sending|sent)-(?P<number>\d+)(?:\.(?P<claim>\d+))?\.json")


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
        converter: Encrypts the stored inputs, if payloads are.
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
        converter: DataConverter | None = None,
    ) -> None:
        self._store = store
        self._keys = keys
        self._accounts = accounts
        self._claims = Claims(store, keys)
        self._fence = Fence(store)
        self._time_scale = time_scale
        self._longest_check_wait = longest_check_wait
        self._callbacks = callbacks or CallbackSettings()
        self._watchers = watchers
        self._converter = converter or data_converter()

    @activity.defn
    async def claim(self, request: ClaimRequest) -> Claimed:
        """Claim the reference for this agreement and store its input; a repetition changes nothing.

        An agreement that continues a lost one was accepted before: its problems, such as a deadline that has
        passed, are left to its course.

        Raises:
            ApplicationError: `BadInput`: it has problems, or its account's provider lacks what it needs;
                nothing is claimed. `ReferenceUsed`: an earlier agreement has the reference. A detail of both
                names who is called back about it.
        """
        account = request.account or next(iter(self._accounts))
        refused, callbacks = self._called_back(request.needs)
        called_back = {CALLBACKS: callbacks}
        own = request.problems if request.problems and not await self._is_recovered(request) else ()
        if problems := (*own, *self._lacks(account, request.needs), *refused):
            raise ApplicationError("; ".join(problems), called_back, type=BAD_INPUT, non_retryable=True)
        held = await self._claims.claim(
            request.reference,
            request.run_id,
            tag=self._new_tag(request.reference),
            at=datetime.now(UTC).isoformat(),
            account=account,
        )
        if held is None:
            raise ApplicationError(
                f"reference {request.reference} was used by an earlier agreement; choose a new one, "
                f"for example {request.reference}.2",
                called_back,
                type=REFERENCE_USED,
                non_retryable=True,
            )
        account = held.content.get("account", account)
        if request.agreement is not None:
            content = await seal(request.agreement, self._converter)
            await put(self._store, self._keys.input(request.reference, held.number), content)
        return Claimed(
            tag=held.content["tag"],
            at=held.content["at"],
            time_scale=self._time_scale,
            longest_check_wait=self._longest_check_wait,
            claim=held.number,
            account=account,
            callbacks=callbacks,
            watched=self._watchers is not None and await self._watchers.is_watching(account),
            records_end=True,
            recovered=await self._past(request.reference) if held.recovers else None,
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
        await self._claims.release(request.reference, request.run_id)

    @activity.defn
    async def record_end(self, request: EndRequest) -> None:
        """Record an end without an archive, as the archive's activity does for one that has one."""
        entry = {"outcome": str(request.outcome), "at": datetime.now(UTC).isoformat()}
        if request.document_id is not None:
            entry["document_id"] = request.document_id
        await put(self._store, self._keys.end(request.reference), json.dumps(entry).encode())

    @activity.defn
    async def revoke_send(self, attempt: SendAttempt) -> bool:
        """Keep an attempt to send from beginning; False if it began before."""
        return await self._fence.revoke(self._keys.sending(attempt.reference, attempt.claim, attempt.number))

    def _new_tag(self, reference: str) -> str:
        environment, namespace = self._keys.environment, self._keys.namespace
        return new_tag(environment=environment, namespace=namespace, reference=reference)

    async def _is_recovered(self, request: ClaimRequest) -> bool:
        keys = await self._store.keys(self._keys.of_reference(request.reference))
        return any(key.rpartition("/")[2].startswith("recovered.") for key in keys)

    async def _past(self, reference: str) -> Recovered:
        """Read what the sends of a reference left in the store."""
        folder = self._keys.of_reference(reference)
        attempts = [*_attempts(await self._store.keys(folder))]
        sent = sorted(((claim, number, key) for what, claim, number, key in attempts if what == "sent"))
        entries = [json.loads(await self._store.read(key)) for *_, key in reversed(sent)]
        return Recovered(
            documents=tuple(dict.fromkeys(entry["document_id"] for entry in entries)),
            sends=max((number for _, _, number, _ in attempts), default=0),
        )


def _attempts(keys: list[str]) -> Iterator[tuple[str, int, int, str]]:
    """Parse the keys that attempts to send left: what, number of the claim, number of the attempt, key."""
    for key in keys:
        if found := _ATTEMPT.fullmatch(key.rpartition("/")[2]):
            yield found["what"], int(found["claim"] or 1), int(found["number"]), key
