"""`orphans` finds documents that nobody looks after, and no others."""

import asyncio
import json
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from cli.late_events import late_events
from cli.orphaned_documents import why_orphaned
from countersign.agreements import search_attributes
from countersign.agreements.reference import Marker, workflow_id
from countersign.client.agreements import void_agreement
from countersign.client.listing import ListedAgreement
from countersign.client.start import start_agreement
from countersign.providers.port import MarkedDocument, MarkedEvent
from countersign.providers.turbodocx import adapter
from countersign.testing import eventually
from devstack.sandbox import MEMBER_KEY
from devstack.stack import Stack
from tests.cli.shell import ROOT, Shell, matches
from tests.workflows.office import SEND, an_agreement

NOW = datetime.now(UTC)


async def _sent(client: Client, reference: str) -> str:
    """Start an agreement, and wait until Temporal lists its document, which its status may name before."""
    await start_agreement(an_agreement(reference=reference), client=client)
    return await eventually(lambda: _listed_document(client, reference), bool)


async def _listed_document(client: Client, reference: str) -> str:
    described = await client.get_workflow_handle(workflow_id(reference)).describe()
    return described.typed_search_attributes.get(search_attributes.DOCUMENT_ID) or ""


async def _terminate(client: Client, reference: str) -> None:
    """Terminate an agreement, and wait until Temporal lists its end."""
    await client.get_workflow_handle(workflow_id(reference)).terminate("by mistake")
    ended = f"WorkflowId = '{workflow_id(reference)}' AND ExecutionStatus = 'Terminated'"

    async def count() -> int:
        return (await client.count_workflows(ended)).count

    await eventually(count, bool)


def _found(shell: Shell) -> dict[str, dict[str, Any]]:
    ran = shell.run("orphans", "--json")
    assert ran.code == 0, ran.err
    return {document["document_id"]: document for document in json.loads(ran.out)["documents"]}


@pytest.mark.thorough
async def test_a_terminated_agreement_leaves_an_orphan(
    shell: Shell, standing_stack: tuple[Stack, Client]
) -> None:
    stack, client = standing_stack
    names = [f"orphan-{uuid.uuid4().hex[:8]}" for _ in range(4)]
    left, running, voided, voided_by_hand = [await _sent(client, name) for name in names]
    await _terminate(client, names[0])
    await void_agreement(names[2], "no longer needed", client=client)
    await _terminate(client, names[3])
    await stack.sandbox.call("POST", f"/turbosign/documents/{voided_by_hand}/void", {"reason": "done"})
    found = await asyncio.to_thread(_found, shell)
    assert found[left]["reference"] == names[0]
    assert found[left]["status"] == "under_review"
    assert found[left]["why"] == "the agreement was terminated, or failed"
    assert not found.keys() & {running, voided, voided_by_hand}
    lines = (await asyncio.to_thread(shell.run, "orphans")).out
    line = f"{names[0]}: document {left} is under review; the agreement was terminated, or failed"
    assert line in lines.splitlines()


async def _viewed_too_late(stack: Stack, client: Client) -> tuple[str, str]:
    """An agreement that was terminated, and whose document its first signer opened then."""
    reference = f"orphan-{uuid.uuid4().hex[:8]}"
    document_id = await _sent(client, reference)
    await _terminate(client, reference)
    first, *_ = await stack.sandbox.recipient_ids(document_id)
    await stack.sandbox.view(document_id, first)
    return reference, document_id


@pytest.mark.thorough
async def test_what_happened_after_an_end_is_listed_as_using_shows(
    shell: Shell, standing_stack: tuple[Stack, Client]
) -> None:
    stack, client = standing_stack
    voided = f"orphan-{uuid.uuid4().hex[:8]}"
    await _sent(client, voided)
    await void_agreement(voided, "no longer needed", client=client)
    reference, document_id = await _viewed_too_late(stack, client)
    ran = await asyncio.to_thread(shell.run, "orphans")
    reported = [line for line in ran.out.splitlines() if line.startswith(reference)]
    shown = [line.replace("order-1042", reference) for line in _shown_in_using()]
    assert len(reported) == len(shown) == 2, ran.out
    assert all(matches(*pair) for pair in zip(shown, reported, strict=True)), (shown, reported)
    assert voided not in ran.out
    found = json.loads((await asyncio.to_thread(shell.run, "orphans", "--json")).out)
    (late,) = [event for event in found["late_events"] if event["reference"] == reference]
    assert (late["kind"], late["document_id"]) == ("viewed", document_id)
    assert found["notes"] == []


def _shown_in_using() -> list[str]:
    section = (ROOT / "docs" / "how-to" / "manage-agreements.md").read_text().partition("## Orphans")[2]
    return section.split("```text\n")[1].split("```")[0].splitlines()


@pytest.mark.heavy
async def test_without_the_delivery_log_it_says_so_and_looks_where_it_can(
    shell: Shell, standing_stack: tuple[Stack, Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    stack, client = standing_stack
    _, document_id = await _viewed_too_late(stack, client)
    monkeypatch.setenv("TURBODOCX_API_KEY", MEMBER_KEY)
    ran = await asyncio.to_thread(shell.run, "orphans", "--json")
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)
    assert document_id in {document["document_id"] for document in found["documents"]}
    assert found["late_events"] == []
    (note,) = found["notes"]
    assert note.startswith("without the provider's delivery log, which this key may not read (403): only")
    assert note in (await asyncio.to_thread(shell.run, "orphans")).err


def test_says_so_when_there_are_more_deliveries_than_it_reads(
    shell: Shell, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter, "_LOG_PAGES", 2)
    strange = {"id": "d", "payload": {"data": {"title": "theirs"}}}
    page = {"data": {"results": [strange] * 100, "totalRecords": 5000}}
    log = {"path": "/api/webhooks/*", "do": "status", "status": 200, "body": page, "times": None}
    asyncio.run(stack.sandbox.call("PUT", "/_sandbox/faults", {"api": [log]}))
    try:
        ran = shell("orphans")
    finally:
        asyncio.run(stack.sandbox.call("DELETE", "/_sandbox/faults"))
    assert ran.err.splitlines() == ["only the newest 200 deliveries read; name fewer --days to see all"]


def test_an_event_is_late_once_and_only_after_the_end() -> None:
    about = MarkedDocument("ours", Marker("A", "tag"))
    before, after = (NOW + timedelta(seconds=item) for item in (-1, 1))
    events = [MarkedEvent("e2", "viewed", after, about)] * 2 + [MarkedEvent("e1", "sent", before, about)]
    ended = _agreement(stage="abandoned", ended_at=NOW)
    assert [event.event_id for event in late_events(events, {"a": ended})] == ["e2"]
    assert late_events(events, {"a": _agreement()}) == ()
    assert late_events(events, {}) == ()


async def test_an_agreement_terminated_in_the_send_leaves_an_orphan(
    shell: Shell, standing_stack: tuple[Stack, Client]
) -> None:
    stack, client = standing_stack
    reference = f"orphan-{uuid.uuid4().hex[:8]}"
    slow = {"path": SEND, "do": "latency", "at": "after", "seconds": 5}
    await stack.sandbox.call("PUT", "/_sandbox/faults", {"api": [slow]})
    await start_agreement(an_agreement(reference=reference), client=client)
    document_id = await eventually(lambda: _document_of(stack, reference), bool)
    await _terminate(client, reference)
    await stack.sandbox.call("DELETE", "/_sandbox/faults")
    found = await asyncio.to_thread(_found, shell)
    assert found[document_id]["reference"] == reference
    assert found[document_id]["why"] == "the agreement's document is none"


async def _document_of(stack: Stack, reference: str) -> str:
    found = await stack.sandbox.call("GET", f"/_sandbox/documents?title={reference}")
    return "".join(str(document["id"]) for document in found["documents"])


def _agreement(**known: Any) -> ListedAgreement:
    given = {
        "reference": "a",
        "account": "turbodocx",
        "stage": "awaiting_signatures",
        "waiting_for": None,
        "needs_attention": False,
        "stuck": False,
        "document_id": "ours",
        "deadline": None,
        "started_at": NOW,
        "ended_at": None,
    }
    return ListedAgreement.model_validate(given | known)


@pytest.mark.parametrize(
    ("agreement", "why"),
    [
        (None, "Temporal knows no such agreement"),
        (_agreement(), None),
        (_agreement(document_id=None), None),
        (_agreement(document_id="other"), "the agreement's document is other"),
        (_agreement(stage="completed", ended_at=NOW), None),
        (_agreement(stage="abandoned", ended_at=NOW), "the agreement ended abandoned"),
        (_agreement(stage="abandoned", ended_at=NOW, document_id=None), "the agreement's document is none"),
        (_agreement(ended_at=NOW), "the agreement was terminated, or failed"),
    ],
)
def test_why_a_document_is_orphaned(agreement: ListedAgreement | None, why: str | None) -> None:
    assert why_orphaned("ours", agreement) == why


@pytest.mark.thorough
def test_says_what_is_missing(shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    del tmp_path
    monkeypatch.delenv("TURBODOCX_API_KEY")
    ran = shell.run("orphans")
    assert ran.code == 2
    assert "TURBODOCX_API_KEY" in ran.err
