"""`orphans` finds documents that nobody looks after, and no others."""

import asyncio
import json
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from commands.agreements import void_agreement
from commands.following import follow_agreement
from commands.listing import ListedAgreement
from commands.orphaned_documents import why_orphaned
from commands.starting import start_agreement
from countersign.local.stack import Stack
from countersign.reference import workflow_id
from tests.commands.shell import Shell
from tests.workflows.office import an_agreement

NOW = datetime.now(UTC)


async def _sent(client: Client, reference: str) -> str:
    await start_agreement(an_agreement(reference=reference), client=client)
    async for status in follow_agreement(reference, client=client):
        if status.document_id:
            return status.document_id
    raise AssertionError("it ended")


def _found(shell: Shell) -> dict[str, dict[str, Any]]:
    ran = shell.run("orphans", "--json")
    assert ran.code == 0, ran.err
    return {each["document_id"]: each for each in json.loads(ran.out)}


async def test_a_terminated_agreement_leaves_an_orphan(
    shell: Shell, standing_stack: tuple[Stack, Client]
) -> None:
    stack, client = standing_stack
    names = [f"orphan-{uuid.uuid4().hex[:8]}" for _ in range(4)]
    left, running, voided, voided_by_hand = [await _sent(client, name) for name in names]
    await client.get_workflow_handle(workflow_id(names[0])).terminate("by mistake")
    await void_agreement(names[2], "no longer needed", client=client)
    await client.get_workflow_handle(workflow_id(names[3])).terminate("by mistake")
    await stack.sandbox.call("POST", f"/turbosign/documents/{voided_by_hand}/void", {"reason": "done"})
    found = await asyncio.to_thread(_found, shell)
    assert found[left]["reference"] == names[0]
    assert found[left]["status"] == "under_review"
    assert found[left]["why"] == "the agreement was terminated, or failed"
    assert not found.keys() & {running, voided, voided_by_hand}
    lines = (await asyncio.to_thread(shell.run, "orphans")).out
    line = f"{names[0]}: document {left} is under review; the agreement was terminated, or failed"
    assert line in lines.splitlines()


def _agreement(**known: Any) -> ListedAgreement:
    given = {
        "reference": "a",
        "stage": "awaiting_signatures",
        "waiting_for": None,
        "needs_attention": False,
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


def test_says_what_is_missing(shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    del tmp_path
    monkeypatch.delenv("TURBODOCX_API_KEY")
    ran = shell.run("orphans")
    assert ran.code == 2
    assert "TURBODOCX_API_KEY" in ran.err
