"""`recover` shows what Temporal has lost, asks, and lets it go on."""

import asyncio
import json
import re
import uuid
from pathlib import Path

import pytest
from temporalio.client import Client

from countersign.agreements.messages import Stage
from countersign.client.agreements import agreement_status
from countersign.client.follow import follow_agreement
from devstack.stack import Stack
from tests.cli.shell import Shell, start_waiting
from tests.lost_workflows import forget, is_known


async def test_lists_asks_and_recovers(shell: Shell, standing_stack: tuple[Stack, Client]) -> None:
    stack, client = standing_stack
    reference = f"lost-{uuid.uuid4().hex[:8]}"
    document_id = await start_waiting(reference)
    await forget(client, reference)

    shown = await asyncio.to_thread(shell.run, "recover", "--from-store", "--dry-run")
    (line,) = [line for line in shown.out.splitlines() if reference in line]
    assert line.split()[1] == "turbodocx"
    assert line.rstrip().endswith("possible")
    assert re.match(r"the store has \d+ references? of local/default, \d+ of them ended\n", shown.out)
    listed = json.loads((await asyncio.to_thread(shell.run, "recover", "--from-store", "--json")).out)
    assert reference in {item["reference"] for item in listed}

    refused = await asyncio.to_thread(shell.run, "recover", "--from-store")
    assert (refused.code, refused.out.splitlines()[-1].strip()) == (10, "nothing was done (--yes says yes)")
    assert not await is_known(client, reference)

    ran = await asyncio.to_thread(shell.run, "recover", "--from-store", "--yes")
    assert f"{reference}: looks for its document" in ran.out.splitlines(), ran.err
    async for status in follow_agreement(reference, client=client):
        if status.stage is Stage.AWAITING_SIGNATURES:
            break
    assert (await agreement_status(reference, client=client)).document_id == document_id
    found = await stack.sandbox.call("GET", f"/_sandbox/documents?title={reference}")
    assert [document["id"] for document in found["documents"]] == [document_id]


def test_says_from_where(shell: Shell) -> None:
    ran = shell("recover")
    assert (ran.code, ran.err) == (2, "say what to recover from: --from-store\n")


@pytest.mark.usefixtures("stack")
def test_a_store_without_references_is_reported(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERSIGN_ENVIRONMENT", "staging")
    ran = shell("recover", "--from-store", "--dry-run")
    assert ran.out.startswith("the store has no reference of staging/default: check COUNTERSIGN_STORE, ")


@pytest.mark.thorough
async def test_an_account_that_no_worker_serves_is_named(
    shell: Shell, standing_stack: tuple[Stack, Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, client = standing_stack
    reference = f"lost-{uuid.uuid4().hex[:8]}"
    await start_waiting(reference)
    await forget(client, reference)
    monkeypatch.setenv("COUNTERSIGN_ACCOUNTS", "documenso")
    ran = await asyncio.to_thread(shell.run, "recover", "--from-store", "--yes")
    assert ran.code == 2
    assert (
        f"{reference} is not recovered: account: there is no account turbodocx; COUNTERSIGN_ACCOUNTS names "
        "documenso"
    ) in ran.err.splitlines()
    assert not await is_known(client, reference)


def test_a_store_that_cannot_be_opened_is_named(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("COUNTERSIGN_STORE", str(tmp_path / "file"))
    ran = shell("recover", "--from-store")
    assert ran.code == 2
    assert ran.err.startswith("COUNTERSIGN_STORE: ")
