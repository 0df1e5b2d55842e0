"""The people of a chaos run: they order, sign, void, resolve and forge agreements."""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from temporalio.client import Client, WorkflowQueryFailedError, WorkflowQueryRejectedError
from temporalio.service import RPCError

from cli.stack import ROOT
from countersign.agreements.messages import AgreementInput, FileSource, Resolution
from countersign.agreements.reference import Marker, mark_title, workflow_id
from countersign.client.errors import RefusedError, UnknownAgreementError, UnreachableError
from countersign.client.files import read_file
from countersign.storage import FolderStore, put
from devstack.sandbox import Sandbox, SandboxError
from devstack.stack import Stack
from starter import agreement_status, remind_agreement, resolve_agreement, start_agreement, void_agreement
from tests.chaos.chaos_accounts import TURBODOCX, reference_of
from tests.chaos.chaos_schedule import Order, Schedule
from tests.workflows.office import an_agreement

_AGAIN: Final = 0.5
_PATIENCE: Final = 90.0
FORGED_SOURCE: Final = "manual"
"""The sandboxes' source of documents that another member makes."""
_QUERY: Final = timedelta(seconds=15)
_REMIND_AFTER: Final = 0.5
"""Seconds from a send to the reminder that a person asks for: planned ones take at least an hour."""
_CLIENT_ERROR: Final = range(400, 500)
_CONTRACT: Final = ROOT / "docs" / "examples" / "contract.pdf"


async def _for_a_while(work: Coroutine[Any, Any, None]) -> None:
    """Wait for work that may never be possible, because its agreement may end before."""
    with suppress(TimeoutError):
        await asyncio.wait_for(work, _PATIENCE)


async def insist(do: Callable[[], Awaitable[Any]]) -> None:
    """Repeat a call until it succeeds, gets a client error or comes too late; unreachable parts come back."""
    while True:
        try:
            await do()
        except (UnreachableError, RPCError, SandboxError, TimeoutError) as error:
            if isinstance(error, SandboxError) and error.status in _CLIENT_ERROR:
                return
            await asyncio.sleep(_AGAIN)
        except (RefusedError, UnknownAgreementError):
            return
        else:
            return


class People:
    """The people of a run.

    Args:
        client: A client of Temporal.
        stack: The providers, and the store, which has the tags of the markers.
        schedule: Their orders.
        file: The file that is signed where the provider generates no documents.
    """

    def __init__(self, client: Client, stack: Stack, schedule: Schedule, file: FileSource) -> None:
        self._client = client
        self._store = stack.store
        self._sandboxes = stack.sandboxes
        self._schedule = schedule
        self._file = file
        self._orders = {order.reference: order for order in schedule.orders}
        self._signing: dict[str, asyncio.Task[None]] = {}
        self.started = 0
        self.asked = 0

    async def order_all(self) -> None:
        """Start all agreements at their times, and void those with another wish than `sign`."""
        async with asyncio.TaskGroup() as group:
            for order in self._schedule.orders:
                group.create_task(self._order(order))
                if order.forged:
                    group.create_task(_for_a_while(self._forge(order)))

    async def sign_all(self) -> None:
        """Sign new documents after their signers got an e-mail, until it is canceled."""
        try:
            while True:
                for sandbox in self._sandboxes.values():
                    with suppress(SandboxError):
                        for document in await documents(sandbox, forged=None):
                            self._notice(sandbox, document)
                await asyncio.sleep(_AGAIN)
        finally:
            for signing in self._signing.values():
                signing.cancel()

    async def decide(self, reference: str) -> None:
        """Resolve an agreement that waits, after a check of the provider."""
        order = self._orders[reference]
        found = await documents(self._sandboxes[order.account], reference)
        if found:
            decision = Resolution(action="adopt", document_id=found[0]["id"])
        elif order.wish == "sign":
            decision = Resolution(action="send_again")
        else:
            decision = Resolution(action="abandon")
        await insist(lambda: resolve_agreement(reference, decision, client=self._client))

    async def ask_all(self, askers: int) -> None:
        """Query random agreements with `askers` tasks and without pauses, until it is canceled.

        A query may reach a worker before the workflow task that it races with.
        """
        async with asyncio.TaskGroup() as group:
            for number in range(askers):
                group.create_task(self._ask(random.Random(f"{self._schedule.seed}-{number}")))

    async def _ask(self, rng: random.Random) -> None:
        while True:
            started = self._schedule.orders[: self.started]
            if started:
                handle = self._client.get_workflow_handle(workflow_id(rng.choice(started).reference))
                with suppress(RPCError, WorkflowQueryFailedError, WorkflowQueryRejectedError):
                    await handle.query("status", rpc_timeout=_QUERY)
                    self.asked += 1
            await asyncio.sleep(0.02)

    async def _order(self, order: Order) -> None:
        await asyncio.sleep(order.at)
        agreement = self._agreement(order)
        await insist(lambda: start_agreement(agreement, client=self._client))
        self.started += 1
        if order.wish == "sign" or order.once_sent:
            await _for_a_while(self._until_sent(order))
        if order.wish == "sign":
            await asyncio.sleep(_REMIND_AFTER)
            await insist(lambda: remind_agreement(order.reference, client=self._client))
        elif order.wish == "void":
            await asyncio.sleep(order.after)
            await insist(lambda: void_agreement(order.reference, "no longer needed", client=self._client))
        elif order.wish == "cancel":
            await asyncio.sleep(order.after)
            await insist(self._client.get_workflow_handle(workflow_id(order.reference)).cancel)

    def _agreement(self, order: Order) -> AgreementInput:
        if order.account == TURBODOCX.name:
            return an_agreement(reference=order.reference)
        return an_agreement(reference=order.reference, account=order.account, source=self._file)

    async def _forge(self, order: Order) -> None:
        """Make a document with the agreement's marker, title and signers, as soon as its tag exists.

        This is the worst case: only readers of the store know the tag before the send.
        """
        sandbox, claims = self._sandboxes[order.account], list[Path]()
        while not claims:
            await asyncio.sleep(0.05)
            claims = list(self._store.rglob(f"{order.reference}/claim.json"))
        agreement = an_agreement(reference=order.reference)
        marker = Marker(order.reference, json.loads(claims[0].read_text())["tag"])
        document = {
            "text": "Other words.",
            "recipients": [{"name": signer.name, "email": signer.email} for signer in agreement.signers],
        }
        if order.account == TURBODOCX.name:
            document |= {
                "title": mark_title(agreement.title, marker),
                "sender_email": "another-member@example.com",
            }
        else:
            document |= {"title": agreement.title, "external_id": str(marker)}
        while True:
            with suppress(SandboxError):
                if await documents(sandbox, order.reference, forged=True):
                    return
                await sandbox.call("POST", "/_sandbox/documents", document)
            await asyncio.sleep(_AGAIN)

    async def _until_sent(self, order: Order) -> None:
        """Wait until the provider has the agreement's document, or the agreement needs a person."""
        while True:
            with suppress(SandboxError, UnreachableError):
                status = await agreement_status(order.reference, client=self._client)
                if status.needs_attention or status.result:
                    return
                if await documents(self._sandboxes[order.account], order.reference):
                    return
            await asyncio.sleep(_AGAIN)

    def _notice(self, sandbox: Sandbox, document: dict[str, Any]) -> None:
        order = self._orders.get(reference_of(document))
        if order is not None and order.wish == "sign" and document["id"] not in self._signing:
            self._signing[document["id"]] = asyncio.create_task(_sign(sandbox, document, order.after))


async def _sign(sandbox: Sandbox, document: dict[str, Any], after: float) -> None:
    await asyncio.sleep(after)
    for recipient in document["recipients"]:
        while not await _was_asked(sandbox, document, recipient["email"]):  # noqa: ASYNC110  # there is no event
            await asyncio.sleep(_AGAIN)
        ids = document["id"], recipient["id"]
        await insist(lambda ids=ids: sandbox.view(*ids))  # type: ignore[misc]  # default arguments of a lambda
        await insist(lambda ids=ids: sandbox.sign(*ids))  # type: ignore[misc]  # default arguments of a lambda


async def _was_asked(sandbox: Sandbox, document: dict[str, Any], address: str) -> bool:
    with suppress(SandboxError):
        return address in await asked(sandbox, document["id"])
    return False


async def store_contract(store: Path) -> FileSource:
    """Put the contract that is signed where the provider generates no documents."""
    file = await read_file(_CONTRACT)
    await put(FolderStore(store), file.key, file.content)
    return FileSource(key=file.key, file_name=file.name, sha256=file.sha256)


async def asked(sandbox: Sandbox, document_id: str) -> set[str]:
    """Return the addresses that got a signing link by e-mail."""
    found = await sandbox.call("GET", f"/_sandbox/emails?document={document_id}")
    return {
        email["address"] for email in found["emails"] if email["kind"] in {"signature_request", "reminder"}
    }


async def documents(
    sandbox: Sandbox, reference: str = "", *, forged: bool | None = False
) -> list[dict[str, Any]]:
    """Return the provider's documents that reached signers, or those of one agreement.

    Forged documents are left out; `forged=True` returns only these, `forged=None` all.
    """
    found = await sandbox.call("GET", "/_sandbox/documents")
    return [
        document
        for document in found["documents"]
        if document["state"] != "draft"
        and reference in {"", reference_of(document)}
        and forged in {None, document["source"] == FORGED_SOURCE}
    ]
