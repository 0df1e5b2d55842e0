"""`archive-again` restores what the store lost, byte by byte, and stores no other document."""

import asyncio
import shutil
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.client import Client

from countersign.client.agreements import agreement_result
from devstack.stack import Stack
from tests.cli.shell import Shell, start_waiting
from tests.storage.disks import files_in
from tests.workflows.test_workflows_archiving import FILE

ARCHIVE = ("signed.pdf", "audit-trail.json", "timeline.json")


@pytest_asyncio.fixture
async def archived(shell: Shell, standing_stack: tuple[Stack, Client]) -> AsyncIterator[Path]:
    """The folder of a completed agreement in the store."""
    del shell
    stack, client = standing_stack
    reference = f"done-{uuid.uuid4().hex[:8]}"
    await stack.sandbox.complete(await start_waiting(reference))
    result = await agreement_result(reference, client=client)
    assert result.archive is not None
    yield stack.store / "local" / "default" / reference
    await stack.sandbox.call("DELETE", "/_sandbox/faults")


def test_a_lost_folder_is_restored_byte_by_byte(shell: Shell, archived: Path) -> None:
    before = {name: (archived / name).read_bytes() for name in ARCHIVE}
    shutil.rmtree(archived)
    ran = shell("archive-again", archived.name)
    assert (ran.code, ran.out) == (0, f"{archived.name}: stored again: {', '.join(ARCHIVE)}\n"), ran.err
    assert {name: (archived / name).read_bytes() for name in ARCHIVE} == before
    assert files_in(archived) == {*ARCHIVE, "claim.json", "end.json"}
    again = shell("archive-again", archived.name)
    assert (again.code, again.out) == (0, f"{archived.name}: its archive is whole\n")


@pytest.mark.thorough
async def test_another_document_is_not_stored(
    shell: Shell, archived: Path, standing_stack: tuple[Stack, Client]
) -> None:
    (archived / "signed.pdf").unlink()
    other = {"path": FILE, "do": "status", "status": 200, "body": "%PDF-other", "times": None}
    await standing_stack[0].sandbox.call("PUT", "/_sandbox/faults", {"api": [other]})
    ran = await asyncio.to_thread(shell.run, "archive-again", archived.name)
    assert (ran.code, ran.out) == (4, ""), ran.err
    assert "as in the agreement's result: it was not stored" in ran.err
    assert "signed.pdf" not in files_in(archived)


@pytest.mark.thorough
def test_a_file_that_is_there_stays(shell: Shell, archived: Path) -> None:
    (archived / "signed.pdf").write_bytes(b"changed")
    (archived / "audit-trail.json").unlink()
    ran = shell("archive-again", archived.name)
    assert ran.code == 4
    assert f"local/default/{archived.name}/signed.pdf is not the file of the agreement's result" in ran.err
    assert (archived / "signed.pdf").read_bytes() == b"changed"
    assert "audit-trail.json" not in files_in(archived)


@pytest.mark.thorough
def test_where_selects_what_is_completed(shell: Shell, archived: Path) -> None:
    (archived / "timeline.json").unlink()
    where = f'WorkflowId = "agreement-{archived.name}"'
    ran = shell("archive-again", "--where", where, "--yes")
    assert ran.out.splitlines()[-1] == f"{archived.name}: stored again: timeline.json", ran.err


@pytest.mark.thorough
async def test_an_agreement_without_an_archive_is_refused(shell: Shell) -> None:
    reference = f"waiting-{uuid.uuid4().hex[:8]}"
    await start_waiting(reference)
    ran = await asyncio.to_thread(shell.run, "archive-again", reference)
    assert (ran.code, ran.err) == (4, f"{reference} has no archive: it is awaiting signatures\n")


@pytest.mark.thorough
@pytest.mark.usefixtures("shell")
def test_one_of_reference_and_where(shell: Shell) -> None:
    assert shell("archive-again").code == 2
