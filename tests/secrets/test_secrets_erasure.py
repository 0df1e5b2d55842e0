"""What docs/explanation/security.md says about deleting one person's data is what happens."""

import asyncio
import shlex
import subprocess
from pathlib import Path

import pytest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from countersign.client.erasure import erase_agreement
from devstack.stack import Stack
from devstack.temporal import find_temporal
from tests.secrets import canaries
from tests.workflows.office import Office, an_agreement

DOCS = (Path(__file__).parents[2] / "docs/explanation/security.md").read_text()
PERSON, ADDRESS = next(iter(canaries.SIGNERS.items()))


@pytest.fixture
def office(standing_stack: tuple[Stack, Client]) -> Office:
    return Office.on(*standing_stack)


@pytest.mark.heavy
async def test_a_person_can_be_forgotten(
    standing_stack: tuple[Stack, Client], office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack, client = standing_stack
    agreement = an_agreement(signers=[{"name": PERSON, "email": ADDRESS}])
    handle = await office.start(agreement)
    await office.sandbox.complete(await office.sent(handle))
    await office.result(handle)
    folder = stack.store / "local" / "default" / agreement.reference
    assert holds_the_person(folder)
    assert (folder / "input.json").is_file(), "which the page names"

    command = """temporal workflow delete --yes --query "WorkflowId = 'agreement-<reference>'\""""
    assert command in DOCS
    words = shlex.split(command.replace("<reference>", agreement.reference))
    words[0] = str(await find_temporal(stack.folder / "temporal"))
    await asyncio.to_thread(
        subprocess.run, [*words, "--address", stack.temporal_address], check=True, capture_output=True
    )
    for name, value in stack.settings().items():
        monkeypatch.setenv(name, value)
    assert "`countersign erase <reference>`" in DOCS
    await erase_agreement(agreement.reference, client=client)

    async with asyncio.timeout(90):
        while await is_known(client, handle.id):  # noqa: ASYNC110 - Temporal deletes in its own time
            await asyncio.sleep(0.05)
    assert not holds_the_person(folder)
    again = await office.start(agreement)
    with pytest.raises(Exception, match="Workflow execution failed"):
        await office.result(again)
    assert len(await office.documents_of(agreement)) == 1, "the claim keeps it from being sent twice"


def holds_the_person(folder: Path) -> bool:
    return any(PERSON.encode() in path.read_bytes() for path in folder.iterdir())


async def is_known(client: Client, workflow_id: str) -> bool:
    try:
        await client.get_workflow_handle(workflow_id).describe()
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return False
    return True
