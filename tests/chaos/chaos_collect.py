"""Collect a run's evidence: the provider's ledger and log, the archive, Temporal's histories."""

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
from tests.chaos.chaos_people import FORGED_SOURCE, documents, reference_of
from tests.chaos.chaos_schedule import Schedule
from worker import workflow_runner
from workflows.agreement import AgreementWorkflow

WAITING: Final = "NeedsAttention = true AND ExecutionStatus = 'Running'"
RUNNING: Final = "ExecutionStatus = 'Running'"
UNSENT: Final = "AgreementStage = 'generating' AND ExecutionStatus = 'Running'"
_PAGE: Final = 100
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
    held = await _documents(stack.sandbox)
    log = [delivery async for delivery in _deliveries(stack.sandbox)]
    accepted = _accepted(log, histories)
    cases = [
        Case(
            reference=order.reference,
            wish=order.wish,
            ended=histories[order.reference].ended,
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
    return Evidence(
        tuple(cases), undelivered=sum(entry["status"] in {"pending", "retrying"} for entry in log)
    )


# The provider


async def shown(stack: Stack, waiting: set[str]) -> dict[str, int]:
    """Count the documents in the ledger, by reference of the agreements that wait for a person."""
    created = Counter(reference_of(document) for document in await documents(stack.sandbox))
    return {reference: created[reference] for reference in waiting}


async def _documents(sandbox: Sandbox) -> defaultdict[str, list[Document]]:
    entries = (await sandbox.ledger())["entries"]
    invited: defaultdict[str, list[str]] = defaultdict(list)
    for entry in entries:
        if entry["kind"] == "email_sent" and entry["details"]["email"] == "signature_request":
            invited[entry["details"]["document_id"]].append(entry["details"]["to"])
    reminded = Counter(entry["subject"] for entry in entries if entry["kind"] == "reminder_sent")
    found: defaultdict[str, list[Document]] = defaultdict(list)
    for document in await documents(sandbox, forged=None):
        document_id, status = document["id"], document["status"]
        found[reference_of(document)].append(
            Document(
                document_id,
                status,
                tuple(invited[document_id]),
                await _signed_sha256(sandbox, document_id) if status == "completed" else None,
                reminded[document_id],
                is_forged=document["source"] == FORGED_SOURCE,
            )
        )
    return found


async def _signed_sha256(sandbox: Sandbox, document_id: str) -> str:
    link = await sandbox.call("GET", f"/turbosign/documents/{document_id}/download")
    return await asyncio.to_thread(_sha256_of, link["downloadUrl"])


def _sha256_of(url: str) -> str:
    with urllib.request.urlopen(url, timeout=30) as response:  # noqa: S310  # the local sandbox
        return hashlib.sha256(response.read()).hexdigest()


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
    log: list[dict[str, Any]], histories: defaultdict[str, HistoryFacts]
) -> defaultdict[str, list[str]]:
    """Return the ids of accepted events by reference, without those after an agreement's end."""
    accepted: defaultdict[str, list[str]] = defaultdict(list)
    for entry in log:
        reference = reference_of({"name": entry["payload"]["data"]["title"]})
        closed_at = histories[reference].closed_at
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
