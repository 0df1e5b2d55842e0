"""What docs/how-to/back-up-and-restore.md says happens: everything is lost, and nothing is sent twice.

Temporal's database is a file here, copied while the server runs, as `pg_dump` copies PostgreSQL's.
"""

import asyncio
import json
import os
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.client import Client

from cli.stack import plan
from countersign.agreements.messages import AgreementInput, Outcome, Stage
from countersign.connection import connect
from devstack.ports import Ports
from devstack.stack import Stack
from tests.cli.shell import Shell
from tests.lost_workflows import forget
from tests.workflows.office import Handle, Office, an_agreement

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(400)]


@dataclass
class House:
    """A stack of its own, whose state can be copied, lost and put back."""

    stack: Stack
    client: Client
    office: Office
    shell: Shell
    copies: Path

    async def begin(self) -> tuple[AgreementInput, Handle, str]:
        """Start an agreement that awaits its signatures."""
        agreement = an_agreement()
        handle = await self.office.start(agreement)
        document_id = await self.office.sent(handle)
        await self.office.until_stage(handle, Stage.AWAITING_SIGNATURES)
        return agreement, handle, document_id

    async def complete(self, handle: Handle) -> None:
        await self.office.sign_all(await self.office.sent(handle))
        assert (await self.office.result(handle)).outcome is Outcome.COMPLETED

    def copy_database(self) -> None:
        source, target = self.stack.folder / "temporal.db", self.copies / "temporal.db"
        with closing(sqlite3.connect(source)) as live, closing(sqlite3.connect(target)) as copy:
            live.backup(copy)

    def copy_store(self) -> None:
        shutil.copytree(self.stack.store, self.copies / "store")

    def lose_everything(self) -> None:
        """Lose all but the copies and the provider."""
        for name in ("worker", "receiver", "temporal"):
            self.stack.supervisor.kill(name)
        for path in self.stack.folder.glob("temporal.db*"):
            path.unlink()
        shutil.rmtree(self.stack.store)

    async def restore(self) -> None:
        """Restore both copies and start Temporal."""
        shutil.copy(self.copies / "temporal.db", self.stack.folder / "temporal.db")
        shutil.copytree(self.copies / "store", self.stack.store)
        await self.stack.supervisor.restart("temporal")

    async def start_processes(self) -> None:
        for name in ("receiver", "worker"):
            await self.stack.supervisor.restart(name)

    async def run(self, *arguments: str) -> str:
        ran = await asyncio.to_thread(self.shell.run, *arguments)
        assert ran.code == 0, ran.err
        return ran.out


@pytest_asyncio.fixture
async def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    folder, copies = tmp_path / "stack", tmp_path / "copies"
    copies.mkdir()
    parts = ("temporal", "sandbox", "receiver", "worker")
    plans = replace(plan(folder, Ports.pick(), parts=parts), extra_env={"COUNTERSIGN_PACE": "50"})
    async with Stack(plans) as stack:
        for name in set(os.environ) - set(stack.env):
            monkeypatch.delenv(name)
        for name, value in stack.settings().items():
            monkeypatch.setenv(name, value)
        client = await connect(environment=stack.env)
        office = Office.on(stack, client, patience=90)
        yield House(stack, client, office, Shell(tmp_path), copies)


async def test_a_restore_sends_nothing_twice_and_recover_finds_what_came_after_the_backup(
    house: House,
) -> None:
    """The store is as it was at the end: replicated, or a versioned bucket."""
    waiting, signed = await house.begin(), await house.begin()
    await house.stack.supervisor.stop("worker")
    unsent = an_agreement()
    await house.office.start(unsent)
    house.copy_database()
    await house.stack.supervisor.restart("worker")
    await house.office.sent(house.office.handle(unsent.reference))
    later, archived = await house.begin(), await house.begin()
    await house.complete(signed[1])
    await house.complete(archived[1])
    house.copy_store()

    house.lose_everything()
    await house.restore()
    lost = json.loads(await house.run("recover", "--from-store", "--json"))
    assert [item["reference"] for item in lost] == [later[0].reference]
    await house.start_processes()
    await house.run("recover", "--from-store", "--yes")

    agreements = [waiting[0], unsent, later[0]]
    for agreement in agreements:
        await house.complete(house.office.handle(agreement.reference))
    result = await house.office.result(house.office.handle(signed[0].reference))
    assert (result.outcome, result.document_id) == (Outcome.COMPLETED, signed[2])
    for agreement in (*agreements, signed[0], archived[0]):
        assert len(await house.office.documents_of(agreement)) == 1
        assert (house.stack.store / "local" / "default" / agreement.reference / "signed.pdf").is_file()
    assert json.loads(await house.run("recover", "--from-store", "--json")) == []


async def test_what_an_older_store_does_not_know_is_an_orphan(house: House) -> None:
    """The store's copy is as old as Temporal's: what was not sent by then leaves Temporal first."""
    waiting = await house.begin()
    await house.stack.supervisor.stop("worker")
    unsent = an_agreement()
    await house.office.start(unsent)
    house.copy_database()
    house.copy_store()
    await house.stack.supervisor.restart("worker")
    document_id = await house.office.sent(house.office.handle(unsent.reference))
    later = await house.begin()

    house.lose_everything()
    await house.restore()
    unsent_stages = 'AgreementStage="generating" or AgreementStage="sending"'
    listed = json.loads(await house.run("list", "--where", unsent_stages, "--json"))
    assert [item["reference"] for item in listed] == [unsent.reference]
    await forget(house.client, unsent.reference)
    assert json.loads(await house.run("recover", "--from-store", "--json")) == []
    await house.start_processes()

    found = json.loads(await house.run("orphans", "--json"))["documents"]
    assert {item["document_id"] for item in found} == {document_id, later[2]}
    await house.complete(house.office.handle(waiting[0].reference))
    for agreement in (waiting[0], unsent, later[0]):
        assert len(await house.office.documents_of(agreement)) == 1
