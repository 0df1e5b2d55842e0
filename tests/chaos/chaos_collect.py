"""Collect a run's evidence: the provider's ledger and log, the archive, Temporal's histories."""

import asyncio
import hashlib
import json
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from temporalio.client import Client, WorkflowQueryFailedError
from temporalio.service import RPCError
from temporalio.worker import Replayer

from countersign.agreements.names import WATCHER_NAME
from countersign.agreements.reference import WORKFLOW_ID_PREFIX, workflow_id
from countersign.connection import data_converter
from devstack.sandbox import Sandbox
from devstack.stack import Stack
from tests.chaos.chaos_accounts import CHAOS_ACCOUNTS, ChaosAccount, reference_of
from tests.chaos.chaos_evidence import Case, Document, Evidence
from tests.chaos.chaos_histories import HistoryFacts
from tests.chaos.chaos_people import FORGED_SOURCE, documents
from tests.chaos.chaos_schedule import Schedule
from worker import workflow_runner
from workflows.agreement import AgreementWorkflow

WAITING: Final = "AgreementStage = 'sending' AND WaitingFor = 'operator' AND ExecutionStatus = 'Running'"
"""Agreements that go on only after a person decides. A failing archive needs attention, too, and recovers."""
RUNNING: Final = f"ExecutionStatus = 'Running' AND WorkflowType != '{WATCHER_NAME}'"
"""A watcher never ends."""
UNSENT: Final = "AgreementStage = 'generating' AND ExecutionStatus = 'Running'"
_QUERY: Final = timedelta(seconds=20)


async def references(client: Client, query: str) -> set[str]:
    """Return the references of agreements that match a query on search attributes."""
    return {workflow.id.removeprefix(WORKFLOW_ID_PREFIX) async for workflow in client.list_workflows(query)}


async def collect(stack: Stack, client: Client, schedule: Schedule, waited: dict[str, int]) -> Evidence:
    """Collect the evidence after the run.

    Args:
        stack: The stack.
        client: A client of its Temporal.
        schedule: The schedule of the run.
        waited: Number of documents in the ledger, by reference of the agreements that needed a person.
    """
    histories = await _histories(client)
    held: defaultdict[str, list[Document]] = defaultdict(list)
    accepted: defaultdict[str, list[str]] = defaultdict(list)
    undelivered = 0
    for name in schedule.accounts:
        account, sandbox = CHAOS_ACCOUNTS[name], stack.sandboxes[name]
        for reference, document in await _documents(sandbox, account):
            held[reference].append(document)
        log = (await sandbox.call("GET", "/_sandbox/deliveries"))["deliveries"]
        undelivered += sum(entry["status"] in {"pending", "retrying"} for entry in log)
        for reference, event_id in _accepted(log, account, histories):
            accepted[reference].append(event_id)
    cases = [
        Case(
            reference=order.reference,
            account=order.account,
            is_conclusive=CHAOS_ACCOUNTS[order.account].is_conclusive,
            attachments=CHAOS_ACCOUNTS[order.account].attachments,
            wish=order.wish,
            ended=histories[order.reference].ended,
            asked=histories[order.reference].asked,
            waited=order.reference in waited,
            overlooked=waited.get(order.reference, 0),
            documents=tuple(found for found in held[order.reference] if not found.is_forged),
            forged=tuple(found for found in held[order.reference] if found.is_forged),
            unknown_sends=histories[order.reference].unknown_sends,
            reminds=histories[order.reference].reminds,
            files=dict(_files(stack.store, order.reference)),
            archivings=histories[order.reference].archivings,
            accepted=tuple(accepted[order.reference]),
            signalled=tuple(histories[order.reference].signalled),
            recorded=await _recorded(client, order.reference),
            unreplayable=histories[order.reference].unreplayable,
        )
        for order in schedule.orders
    ]
    return Evidence(tuple(cases), undelivered=undelivered)


# The providers


async def shown(stack: Stack, waiting: set[str]) -> dict[str, int]:
    """Count the documents in the ledger, by reference of the agreements that wait for a person."""
    created: Counter[str] = Counter()
    for sandbox in stack.sandboxes.values():
        created.update(reference_of(document) for document in await documents(sandbox))
    return {reference: created[reference] for reference in waiting}


async def _documents(sandbox: Sandbox, account: ChaosAccount) -> list[tuple[str, Document]]:
    """Return the documents of the ledger with their references; a deleted document counts as voided."""
    entries = (await sandbox.ledger())["entries"]
    invited: defaultdict[str, list[str]] = defaultdict(list)
    for entry in entries:
        if entry["kind"] == "email_sent" and entry["details"]["email"] == "signature_request":
            invited[entry["details"]["document_id"]].append(entry["details"]["to"])
    reminded = Counter(entry["subject"] for entry in entries if entry["kind"] == "reminder_sent")
    sent = {entry["subject"] for entry in entries if entry["kind"] == account.sent}
    rows = {row["id"]: row for row in (await sandbox.call("GET", "/_sandbox/documents"))["documents"]}
    found = []
    for entry in entries:
        document_id = entry["subject"]
        row = rows.get(document_id)
        if entry["kind"] == "document_created" and (row or document_id in sent):
            status = row["state"] if row else "voided"
            document = Document(
                document_id,
                status,
                tuple(invited[document_id]),
                await _signed_sha256(sandbox, document_id) if status == "completed" else None,
                reminded[document_id],
                is_forged=row is not None and row["source"] == FORGED_SOURCE,
            )
            found.append((reference_of({"name": entry["details"]["title"], **entry["details"]}), document))
    return found


async def _signed_sha256(sandbox: Sandbox, document_id: str) -> str:
    url = f"{sandbox.url}/_sandbox/documents/{document_id}/signed.pdf"
    return await asyncio.to_thread(_sha256_of, url)


def _sha256_of(url: str) -> str:
    with urllib.request.urlopen(url, timeout=30) as response:  # noqa: S310  # the local sandbox
        return hashlib.sha256(response.read()).hexdigest()


def _accepted(
    log: list[dict[str, Any]], account: ChaosAccount, histories: defaultdict[str, HistoryFacts]
) -> Iterator[tuple[str, str]]:
    """Yield references and ids of accepted events, without those after an agreement's end."""
    for entry in log:
        parsed = account.parse(entry["event_type"], json.loads(entry["payload"]))
        if entry["status"] != "delivered" or parsed is None or parsed.marker is None:
            continue
        closed_at = histories[parsed.marker.reference].closed_at
        if closed_at is None or datetime.fromisoformat(entry["delivered_at"]) < closed_at:
            yield parsed.marker.reference, parsed.event.event_id


# The archive


def _files(store: Path, reference: str) -> Iterator[tuple[str, str]]:
    for folder in store.glob(f"*/*/{reference.lower()}"):
        for file in folder.iterdir():
            yield file.name, hashlib.sha256(file.read_bytes()).hexdigest()


# Temporal


async def _histories(client: Client) -> defaultdict[str, HistoryFacts]:
    replayer = Replayer(
        workflows=[AgreementWorkflow],
        workflow_runner=workflow_runner(sandboxed=True),
        data_converter=data_converter(),
    )
    found: defaultdict[str, HistoryFacts] = defaultdict(HistoryFacts)
    async for execution in client.list_workflows("WorkflowType = 'AgreementWorkflow'"):
        facts = found[execution.id.removeprefix(WORKFLOW_ID_PREFIX)]
        handle = client.get_workflow_handle(execution.id, run_id=execution.run_id)
        history = await handle.fetch_history()
        facts.read(history.events)
        replayed = await replayer.replay_workflow(history, raise_on_replay_failure=False)
        if replayed.replay_failure is not None:
            facts.unreplayable = str(replayed.replay_failure)
    return found


async def _recorded(client: Client, reference: str) -> tuple[str, ...] | None:
    handle = client.get_workflow_handle(workflow_id(reference))
    try:
        timeline = await handle.query(AgreementWorkflow.timeline, rpc_timeout=_QUERY)
    except (RPCError, WorkflowQueryFailedError):
        return None
    return tuple(entry.event_id for entry in timeline if entry.event_id)
