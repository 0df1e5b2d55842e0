"""Gathers a run's evidence from outside: the provider's ledger and log, the archive, Temporal's histories."""

import asyncio
import hashlib
import urllib.request
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from temporalio.client import Client, WorkflowQueryFailedError
from temporalio.service import RPCError
from temporalio.worker import Replayer

from countersign.agreements.reference import WORKFLOW_ID_PREFIX, workflow_id
from countersign.connection import data_converter
from devstack.sandbox import Sandbox
from devstack.stack import Stack
from tests.chaos.chaos_evidence import Case, Document, Evidence
from tests.chaos.chaos_histories import HistoryFacts
from tests.chaos.chaos_people import documents, reference_of
from tests.chaos.chaos_schedule import Schedule
from worker import workflow_runner
from workflows.agreement import AgreementWorkflow

WAITING: Final = "NeedsAttention = true AND ExecutionStatus = 'Running'"
RUNNING: Final = "ExecutionStatus = 'Running'"
UNSENT: Final = "AgreementStage = 'generating' AND ExecutionStatus = 'Running'"
_PAGE: Final = 100
_QUERY: Final = timedelta(seconds=20)


async def references(client: Client, query: str) -> set[str]:
    """Find agreements by their search attributes, as an operator does."""
    return {workflow.id.removeprefix(WORKFLOW_ID_PREFIX) async for workflow in client.list_workflows(query)}


async def collect(stack: Stack, client: Client, schedule: Schedule, waited: dict[str, int]) -> Evidence:
    """Gather everything, once all is quiet.

    Args:
        stack: Where it happened.
        client: The way to its Temporal.
        schedule: What was to happen.
        waited: The agreements that needed a person, and how many documents the ledger showed of each.
    """
    reported = await _histories(client)
    held = await _documents(stack.sandbox)
    log = [delivery async for delivery in _deliveries(stack.sandbox)]
    accepted = _accepted(log, reported)
    cases = [
        Case(
            reference=order.reference,
            wish=order.wish,
            ended=reported[order.reference].ended,
            waited=order.reference in waited,
            overlooked=waited.get(order.reference, 0),
            documents=tuple(held[order.reference]),
            unknown_sends=reported[order.reference].unknown_sends,
            reminds=reported[order.reference].reminds,
            files=dict(_files(stack.store, order.reference)),
            archivings=reported[order.reference].archivings,
            accepted=tuple(accepted[order.reference]),
            signalled=tuple(reported[order.reference].signalled),
            recorded=await _recorded(client, order.reference),
            unreplayable=reported[order.reference].unreplayable,
        )
        for order in schedule.orders
    ]
    return Evidence(
        tuple(cases), undelivered=sum(entry["status"] in {"pending", "retrying"} for entry in log)
    )


# The provider


async def shown(stack: Stack, waiting: set[str]) -> dict[str, int]:
    """Count the documents that the ledger shows of each agreement that waits for a person."""
    created = Counter(
        reference_of({"name": entry["details"]["title"]})
        for entry in (await stack.sandbox.ledger())["entries"]
        if entry["kind"] == "document_created"
    )
    return {reference: created[reference] for reference in waiting}


async def _documents(sandbox: Sandbox) -> defaultdict[str, list[Document]]:
    entries = (await sandbox.ledger())["entries"]
    created = [entry["subject"] for entry in entries if entry["kind"] == "document_created"]
    invited: defaultdict[str, list[str]] = defaultdict(list)
    for entry in entries:
        if entry["kind"] == "email_sent" and entry["details"]["email"] == "signature_request":
            invited[entry["details"]["document_id"]].append(entry["details"]["to"])
    reminded = Counter(entry["subject"] for entry in entries if entry["kind"] == "reminder_sent")
    known = {document["id"]: document for document in await documents(sandbox)}
    found: defaultdict[str, list[Document]] = defaultdict(list)
    for one_entry in created:
        status = known[one_entry]["status"]
        signed = await _signed_sha256(sandbox, one_entry) if status == "completed" else None
        found[reference_of(known[one_entry])].append(
            Document(one_entry, status, tuple(invited[one_entry]), signed, reminded[one_entry])
        )
    return found


async def _signed_sha256(sandbox: Sandbox, document_id: str) -> str:
    link = await sandbox.call("GET", f"/turbosign/documents/{document_id}/download")
    return await asyncio.to_thread(_sha256_of, link["downloadUrl"])


def _sha256_of(url: str) -> str:
    with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310  # our own sandbox
        return hashlib.sha256(answer.read()).hexdigest()


async def _deliveries(sandbox: Sandbox) -> AsyncIterator[dict[str, Any]]:
    offset = 0
    while True:
        path = f"/api/webhooks/signature/deliveries?limit={_PAGE}&offset={offset}"
        page = (await sandbox.call("GET", path))["data"]["results"]
        for entry in page:
            yield entry
        if len(page) < _PAGE:
            return
        offset += _PAGE


def _accepted(
    log: list[dict[str, Any]], reported: defaultdict[str, HistoryFacts]
) -> defaultdict[str, list[str]]:
    """Find what the receiver accepted; what came after an agreement's end is the receiver's to record."""
    accepted: defaultdict[str, list[str]] = defaultdict(list)
    for entry in log:
        reference = reference_of({"name": entry["payload"]["data"]["title"]})
        closed_at = reported[reference].closed_at
        if entry["isDelivered"]:
            delivered_at = datetime.fromisoformat(entry["deliveredAt"])
            if closed_at is None or delivered_at < closed_at:
                accepted[reference].append(entry["payload"]["event_id"])
    return accepted


# The archive


def _files(store: Path, reference: str) -> Iterator[tuple[str, str]]:
    for folder in store.glob(f"*/*/{reference.lower()}"):
        for file in folder.iterdir():
            yield file.name, hashlib.sha256(file.read_bytes()).hexdigest()


# Temporal


async def _histories(client: Client) -> defaultdict[str, HistoryFacts]:
    replayer = Replayer(
        workflows=[AgreementWorkflow], workflow_runner=workflow_runner(), data_converter=data_converter()
    )
    found: defaultdict[str, HistoryFacts] = defaultdict(HistoryFacts)
    async for execution in client.list_workflows("WorkflowType = 'AgreementWorkflow'"):
        reported = found[execution.id.removeprefix(WORKFLOW_ID_PREFIX)]
        handle = client.get_workflow_handle(execution.id, run_id=execution.run_id)
        history = await handle.fetch_history()
        reported.read(history.events)
        replayed = await replayer.replay_workflow(history, raise_on_replay_failure=False)
        if replayed.replay_failure is not None:
            reported.unreplayable = str(replayed.replay_failure)
    return found


async def _recorded(client: Client, reference: str) -> tuple[str, ...] | None:
    handle = client.get_workflow_handle(workflow_id(reference))
    try:
        timeline = await handle.query(AgreementWorkflow.timeline, rpc_timeout=_QUERY)
    except (RPCError, WorkflowQueryFailedError):
        return None
    return tuple(entry.event_id for entry in timeline if entry.event_id)
